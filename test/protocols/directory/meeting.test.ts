import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RingId } from '../../../protocols/core/keyspace.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { directoryConfig, directoryLimits } from '../../../protocols/directory/index.ts'
import { Place } from '../../../protocols/directory/place.ts'
import { DirectoryWorld, hashOf, idOf } from './world.ts'

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

test('owners that have gone do not keep another from having its copies here', () => {
  const sorted = Array.from({ length: 20 }, (_, i) => i as Peer).sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1))
  const place = new Place({ self: sorted[15]!, idOf, config: directoryConfig })
  // each of them owned its arc once; then all but two of them went, and those two share what they had
  for (let i = 3; i < 3 + directoryLimits.maxClaims; i++) place.onClaim(sorted[i]!, idOf(sorted[i - 1]!), i)
  const [far, near] = [sorted[2]!, sorted[14]!]
  place.onClaim(near, idOf(far), 100)
  place.onClaim(far, idOf(sorted[1]!), 101)
  assert.ok(place.takesFrom(near, idOf(near)))
  assert.ok(place.takesFrom(far, idOf(far)))
  // without a word that they have gone those that are nearer count
  const other = new Place({ self: sorted[15]!, idOf, config: directoryConfig })
  for (let i = 3; i < 3 + directoryLimits.maxClaims; i++) other.onClaim(sorted[i]!, idOf(sorted[i - 1]!), i)
  other.onClaim(far, idOf(sorted[1]!), 101)
  assert.ok(!other.takesFrom(far, idOf(far)))
})

test('an owner that was it for a moment only, and has got nothing, does not hold up the next ones', () => {
  for (const momentMs of [600, 900, 1_200, 1_500, 1_800]) {
    const world = new DirectoryWorld({ seed: 1, latency: [5, 30] })
    const all = world.grow(40)
    const few = all.slice(0, 4)
    world.setRing(few)
    const keys = Array.from({ length: 200 }, (_, i) => hashOf(`file ${i}`))
    for (const [i, key] of keys.entries()) {
      world.do(few[i % 4]!, { type: 'put', entry: { kind: 'member', key, payload: new Uint8Array(10) } })
    }
    world.runFor(MINUTE)
    world.setRing(all.slice(0, 8))
    world.runFor(momentMs)
    world.setRing(all)
    world.runFor(2 * MINUTE)
    for (const key of keys) {
      const keepers = new Set(world.keepers(key))
      for (const holder of world.holders(key).slice(0, directoryConfig.copies)) assert.ok(keepers.has(holder))
    }
  }
})
