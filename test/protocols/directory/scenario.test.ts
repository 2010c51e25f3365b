import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RingId } from '../../../protocols/core/keyspace.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { type DirectoryMessage, directoryConfig } from '../../../protocols/directory/index.ts'
import { DirectoryWorld, hashOf } from './world.ts'

const MINUTE = 60_000
const seed = Number(process.env.SHOAL_SEED ?? 1)
const { copies } = directoryConfig

/** A scenario that fails says how to see it fail again. */
function scenario(name: string, run: () => void): void {
  test(`${name} (SHOAL_SEED=${seed})`, () => {
    try {
      run()
    } catch (error) {
      console.error(`again: SHOAL_SEED=${seed} node --test test/protocols/directory/scenario.test.ts`)
      throw error
    }
  })
}

/** Each entry is stored `copies` times. */
function fill(world: DirectoryWorld, count: number): Map<RingId, Peer> {
  const { simulation } = world
  const publishers = new Map<RingId, Peer>()
  const ids: number[] = []
  for (let i = 0; i < count; i++) {
    const publisher = simulation.rng.pick(world.ring)
    const key = hashOf(`file ${i}`)
    const payload = new Uint8Array(1 + simulation.rng.below(200)).fill(i)
    publishers.set(key, publisher)
    ids.push(world.begin(publisher, { type: 'put', entry: { kind: 'member', key, payload } }))
  }
  for (const id of ids) assert.equal(world.answerOf(id).type, 'stored')
  return publishers
}

/** Every key is kept by its owner and the successors after it, and by nobody else. */
function assertPlaced(world: DirectoryWorld, keys: Iterable<RingId>): void {
  const sorted = (peers: Peer[]): Peer[] => peers.sort((a, b) => Number(a) - Number(b))
  for (const key of keys) assert.deepEqual(sorted(world.keepers(key)), sorted(world.holders(key).slice(0, copies)))
}

function assertFound(world: DirectoryWorld, publishers: ReadonlyMap<RingId, Peer>): void {
  for (const [key, publisher] of publishers) {
    const { entries } = world.get(world.simulation.rng.pick(world.ring), key)
    assert.deepEqual(
      entries.map(entry => entry.publisher),
      [publisher],
      `${key} by ${publisher}`
    )
  }
}

scenario('half of 100 crash at once: what has a living copy is found after repair', () => {
  const world = new DirectoryWorld({ seed, latency: [5, 30] })
  world.grow(100)
  const publishers = fill(world, 1_000)
  world.runFor(10_000)
  assertPlaced(world, publishers.keys())
  world.crash(world.simulation.rng.sample(world.ring, 50))
  const living = new Map([...publishers].filter(([key]) => world.keepers(key).length > 0))
  assert.ok(living.size > 700, `${living.size} have a living copy`)
  world.runFor(MINUTE)
  assertFound(world, living)
  for (const key of living.keys()) {
    const kept = new Set(world.keepers(key))
    for (const holder of world.holders(key).slice(0, copies)) assert.ok(kept.has(holder), `${holder} has ${key}`)
  }
  assert.deepEqual(world.simulation.penalties(), [])
})

scenario('30 join and 15 leave one after another: nothing is lost, and in the end it lies where it belongs', () => {
  const world = new DirectoryWorld({ seed, latency: [5, 30] })
  world.grow(20)
  const publishers = fill(world, 300)
  for (let i = 0; i < 45; i++) {
    if (i % 3 < 2) world.grow(1)
    else {
      const leaver = world.simulation.rng.pick(world.ring)
      world.directory.command(leaver, { type: 'leave' })
      const hasLeft = (): boolean => world.events.some(({ peer, event }) => peer === leaver && event.type === 'left')
      assert.ok(world.simulation.runUntil(hasLeft, 20_000), `${leaver} leaves`)
      world.crash([leaver])
    }
    world.runFor(10_000)
  }
  assertFound(world, publishers)
  world.runFor(90 * MINUTE)
  assertPlaced(world, publishers.keys())
  assert.deepEqual(world.simulation.penalties(), [])
})

scenario('a day and a half: published entries are renewed, withdrawn ones are gone everywhere', () => {
  const world = new DirectoryWorld({ seed, latency: [5, 30] })
  world.grow(10)
  const publishers = fill(world, 50)
  const [key, publisher] = [...publishers][0] as [RingId, Peer]
  assert.equal(world.do(publisher, { type: 'remove', key }).type, 'stored')
  assert.deepEqual(world.get(world.ring[0] as Peer, key).entries, [])
  world.runFor(36 * 60 * MINUTE)
  publishers.delete(key)
  assertFound(world, publishers)
  assert.deepEqual(world.keepers(key), [])
  assertPlaced(world, publishers.keys())
})

scenario('with 5 % of the messages lost everything is stored and found', () => {
  const world = new DirectoryWorld({ seed, latency: [5, 30], loss: 0.05 })
  world.grow(30)
  for (let i = 0; i < 200; i++) {
    const payload = Uint8Array.of(i)
    world.begin(world.simulation.rng.pick(world.ring), {
      type: 'put',
      entry: { kind: 'member', key: hashOf(`file ${i}`), payload }
    })
  }
  world.runFor(20 * MINUTE)
  for (let i = 0; i < 200; i++) {
    const key = hashOf(`file ${i}`)
    assert.equal(world.get(world.simulation.rng.pick(world.ring), key).entries.length, 1)
    for (const holder of world.holders(key).slice(0, copies)) assert.equal(world.store(holder).countAt(key), 1)
  }
})

scenario('encoded, a small ring leaves the same trace', () => {
  const hashes = [false, true].map(wire => {
    const world = new DirectoryWorld({ seed, wire, latency: [5, 30] })
    world.grow(12)
    const publishers = fill(world, 60)
    world.crash(world.simulation.rng.sample(world.ring, 3))
    world.grow(2)
    world.runFor(MINUTE)
    assertFound(world, publishers)
    assert.equal(world.simulation.stats.undecodable, 0)
    return world.simulation.traceHash()
  })
  assert.equal(hashes[0], hashes[1])
})

scenario('a ring at rest costs one question and one answer for each replica of each node and period', () => {
  const types: string[] = []
  const world = new DirectoryWorld({
    seed,
    latency: [5, 30],
    observe: ({ kind, what }) => {
      if (kind === 'received') types.push((what as DirectoryMessage).type)
    }
  })
  world.grow(10)
  fill(world, 100)
  world.runFor(MINUTE)
  types.length = 0
  world.runFor(10 * directoryConfig.compareMs)
  assert.deepEqual([...new Set(types)].sort(), ['compare', 'same'])
  const most = 10 * (copies - 1) * (10 / 0.75 + 1)
  const compares = types.filter(type => type === 'compare').length
  assert.ok(compares <= most && compares >= most / 2, `${compares} comparisons`)
})
