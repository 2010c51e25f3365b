import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChordMessage } from '../../../protocols/chord/index.ts'
import type { RingId } from '../../../protocols/core/keyspace.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { Liars } from '../../../src/lab/liars.ts'
import { type FoundEvent, RingNetwork } from '../../../src/lab/ring-network.ts'
import { Simulation } from '../../../src/simulator/index.ts'

const NODES = 300
const seed = Number(process.env.SHOAL_SEED ?? 1)

class World {
  /** Who was asked by whom in the present lookup. */
  asked: Peer[] = []
  readonly simulation = new Simulation({
    seed,
    trace: false,
    observe: ({ kind, peer, what }) => {
      if (kind === 'received' && (what as ChordMessage).type === 'route') this.asked.push(peer)
    }
  })
  readonly ring: RingNetwork
  readonly liars: Liars
  readonly sorted: Peer[]

  constructor() {
    const never = { stabilizeMs: [1e8, 1e8], fingerMs: 1e8, uniteMs: 1e8, joinMs: 1e8, routes: 0 } as const
    const liars = () => this.liars
    this.ring = new RingNetwork(this.simulation, {
      config: never,
      disguise: (peer, machine) => liars().disguise.ring(peer, machine)
    })
    this.liars = new Liars(this.ring.idOf)
    this.sorted = this.ring.sorted(this.ring.addRing(NODES))
    this.simulation.run(5_000)
  }

  find(from: Peer, key: RingId, routes: number): FoundEvent | undefined {
    let result: { found: FoundEvent | undefined } | undefined
    this.asked = []
    this.ring.find(from, { key, routes }, found => {
      result = { found }
    })
    assert.ok(this.simulation.runUntil(() => result !== undefined, 60_000))
    return result?.found
  }
}

function repeat(name: string, run: () => void): void {
  test(`${name} (SHOAL_SEED=${seed})`, () => {
    try {
      run()
    } catch (error) {
      console.error(`again: SHOAL_SEED=${seed} node --test test/protocols/chord/disjoint.test.ts`)
      throw error
    }
  })
}

repeat('several routes find what one finds, its successors too, and ask nobody twice on the way', () => {
  const world = new World()
  const { ring, sorted, simulation } = world
  for (let i = 0; i < 60; i++) {
    const key = ring.randomKey(simulation.rng)
    const owner = sorted.indexOf(ring.ownerOf(key, sorted).owner)
    const found = world.find(simulation.rng.pick(sorted), key, 8)
    assert.equal(found?.owner, sorted[owner])
    const expected = Array.from({ length: 7 }, (_, k) => sorted[(owner + 1 + k) % NODES])
    assert.deepEqual(found?.successors.slice(0, 7), expected)
    const onTheWay = world.asked.filter(peer => peer !== found?.owner)
    assert.equal(new Set(onTheWay).size, onTheWay.length)
  }
  assert.deepEqual(simulation.penalties(), [])
})

repeat('a quarter of all nodes lie: eight routes find the owner, one does not', () => {
  const world = new World()
  const { ring, sorted, simulation, liars } = world
  const hostile = simulation.rng.sample<Peer>(sorted, NODES / 4)
  const honest = sorted.filter(peer => !hostile.includes(peer))
  const right = { 1: 0, 8: 0 }
  for (let i = 0; i < 100; i++) {
    const key = ring.randomKey(simulation.rng)
    liars.hide(key, hostile)
    for (const routes of [1, 8] as const) {
      const found = world.find(simulation.rng.pick(honest), key, routes)
      if (found?.owner === ring.ownerOf(key, sorted).owner) right[routes]++
    }
  }
  assert.ok(right[8] >= 97, `${right[8]} of 100 by eight routes`)
  assert.ok(right[1] < right[8] - 3, `${right[1]} of 100 by one`)
})

repeat('nodes that have died on the way and past the key are passed over', () => {
  const world = new World()
  const { ring, sorted, simulation } = world
  const dead = new Set(simulation.rng.sample<Peer>(sorted, NODES / 4))
  for (const peer of dead) simulation.crash(peer)
  const living = sorted.filter(peer => !dead.has(peer))
  let right = 0
  for (let i = 0; i < 40; i++) {
    const key = ring.randomKey(simulation.rng)
    const found = world.find(simulation.rng.pick(living), key, 8)
    if (found !== undefined) assert.equal(found.owner, ring.ownerOf(key, living).owner)
    if (found !== undefined) right++
  }
  assert.ok(right >= 38, `${right} of 40`)
})
