import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RingId } from '../../../protocols/core/keyspace.ts'
import { directoryConfig } from '../../../protocols/directory/index.ts'
import { DirectoryWorld, hashOf } from './world.ts'

const MINUTE = 60_000

test('where two rings become one, what each node has kept is soon with its new owner, and here until that is certain', () => {
  const world = new DirectoryWorld({ seed: 1, latency: [5, 30] })
  const all = world.grow(40)
  const few = all.slice(0, 4)
  world.setRing(few)
  const keys: RingId[] = []
  for (let i = 0; i < 200; i++) {
    const key = hashOf(`file ${i}`)
    keys.push(key)
    world.do(few[i % 4]!, { type: 'put', entry: { kind: 'member', key, payload: new Uint8Array(10) } })
  }
  world.runFor(20 * MINUTE)
  world.setRing(all)
  world.runFor(2 * MINUTE)
  const missing = keys.filter(key => !world.keepers(key).includes(world.holders(key)[0]!))
  assert.deepEqual(missing, [], 'the owner has it')
  for (const key of keys) {
    for (const keeper of few) assert.equal(world.store(keeper).countAt(key), 1, 'and those who had it')
  }
  world.runFor(directoryConfig.graceMs + 15 * MINUTE)
  for (const key of keys) {
    const { copies } = directoryConfig
    assert.deepEqual(world.keepers(key).sort(), world.holders(key).slice(0, copies).sort())
  }
  assert.deepEqual(world.simulation.penalties(), [])
})
