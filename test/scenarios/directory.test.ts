/** Ring, directory and random overlay together, as they run on a node, through what happens to networks. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RingId } from '../../protocols/core/keyspace.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import type { DirectoryMessage } from '../../protocols/directory/index.ts'
import { DirectoryNetwork, type Got } from '../../src/lab/directory-network.ts'
import { OverlayNetwork } from '../../src/lab/overlay-network.ts'
import { type Observation, Simulation } from '../../src/simulator/index.ts'

const SECOND = 1_000
const MINUTE = 60_000
const seed = Number(process.env.SHOAL_SEED ?? 1)

/** A scenario that fails says how to see it fail again. */
function scenario(name: string, run: () => void): void {
  test(`${name} (SHOAL_SEED=${seed})`, () => {
    try {
      run()
    } catch (error) {
      console.error(`again: SHOAL_SEED=${seed} node --test test/scenarios/directory.test.ts`)
      throw error
    }
  })
}

class World {
  readonly simulation = new Simulation({ seed, trace: false, observe: observation => this.#observe(observation) })
  readonly network = new DirectoryNetwork(this.simulation)
  readonly overlay = new OverlayNetwork(this.simulation, {
    onEvent: (peer, event) => this.network.onOverlay(peer, event)
  })
  /** Keys of entries that repair has brought to each peer. */
  readonly brought = new Map<Peer, Set<RingId>>()
  /** What was stored, and who has published it. */
  readonly published = new Map<RingId, Peer>()

  constructor(peers: number) {
    this.overlay.grow(peers, undefined, 'rush')
    this.runFor(MINUTE)
    assert.ok(this.network.ring.isIdeal(), 'one ring')
  }

  get rng() {
    return this.simulation.rng
  }

  runFor(ms: number): void {
    this.simulation.run(this.simulation.now + ms)
  }

  /** Of these peers a random one says something about a new key. */
  publish(among: readonly Peer[] = this.simulation.alive()): void {
    const publisher = this.rng.pick(among)
    const key = this.network.ring.randomKey(this.rng)
    const payload = new Uint8Array(this.rng.below(200))
    this.network.put(publisher, { kind: 'member', key, payload }, result => {
      if (result !== undefined) this.published.set(key, publisher)
    })
  }

  fill(count: number): void {
    const before = this.published.size
    for (let i = 0; i < count; i++) {
      this.publish()
      this.runFor(20)
    }
    this.runFor(10 * SECOND)
    assert.equal(this.published.size, before + count)
  }

  /** Each key is asked for by one of these peers; what was not found. */
  missing(keys: Iterable<RingId>, among: readonly Peer[] = this.simulation.alive()): RingId[] {
    const missing = new Set(keys)
    for (const key of missing) {
      this.get(key, among, isThere => {
        if (isThere) missing.delete(key)
      })
      this.runFor(20)
    }
    this.runFor(MINUTE)
    return [...missing]
  }

  get(key: RingId, among: readonly Peer[], done: (isThere: boolean) => void): void {
    const publisher = this.published.get(key)
    const isRight = (got: Got | undefined): boolean =>
      got?.entries.some(entry => entry.publisher === publisher) === true
    this.network.get(this.rng.pick(among), key, got => done(isRight(got)))
  }

  /** A new peer comes through one that is there. */
  come(): Peer {
    const contact = this.rng.pick(this.simulation.alive())
    const peer = this.network.join(contact)
    this.overlay.channel.command(peer, { type: 'join', contact })
    return peer
  }

  /** Keys that are not at each of their places, and nowhere. */
  placement(): { misplaced: RingId[]; lost: RingId[] } {
    const sorted = this.network.ring.sorted(this.simulation.alive())
    const keys = [...this.published.keys()]
    const isMisplaced = (key: RingId): boolean => {
      const holders = new Set(this.network.holdersOf(key))
      return this.network.placesOf(key, sorted).some(place => !holders.has(place))
    }
    return { misplaced: keys.filter(isMisplaced), lost: keys.filter(key => this.network.holdersOf(key).length === 0) }
  }

  #observe({ channel, kind, peer, what }: Observation): void {
    if (channel !== 'directory' || kind !== 'received') return
    const message = what as DirectoryMessage
    if (message.type !== 'push' && message.type !== 'pulled') return
    const keys = this.brought.get(peer) ?? new Set()
    this.brought.set(peer, keys)
    for (const { key } of message.entries) keys.add(key)
  }

  assertNothingLost(): void {
    assert.deepEqual(this.placement(), { misplaced: [], lost: [] })
  }
}

for (const [name, shares] of [
  ['two halves', [0.5, 0.5]],
  ['a tenth and the rest', [0.1, 0.9]],
  ['three parts', [0.3, 0.3, 0.4]]
] as const) {
  scenario(`cut into ${name}, and healed: one ring within a minute, and all that either side said is found`, () => {
    const world = new World(60)
    world.fill(100)
    const { simulation, network } = world
    const peers = world.rng.sample(simulation.alive(), 60)
    let taken = 0
    const parts = shares.map(share => peers.slice(taken, (taken += Math.round(share * peers.length))))
    simulation.partition(parts)
    world.runFor(3 * MINUTE)
    for (let i = 0; i < 120; i++) {
      world.publish(parts[i % parts.length])
      world.runFor(SECOND / 2)
    }
    world.runFor(MINUTE)
    assert.ok(world.published.size > 200, `${world.published.size - 100} of 120 were stored in the parts`)
    const living = [...world.published.keys()].filter(key => network.holdersOf(key).length > 0)
    assert.equal(living.length, world.published.size)
    simulation.heal()
    const healedMs = simulation.now
    assert.ok(
      simulation.runUntil(() => network.ring.isIdeal(), 10 * MINUTE, SECOND),
      'one ring'
    )
    const seconds = (simulation.now - healedMs) / SECOND
    assert.ok(seconds <= 60, `one ring after ${seconds} s`)
    world.runFor(5 * MINUTE)
    for (const part of parts) assert.deepEqual(world.missing(world.published.keys(), part), [])
    world.assertNothingLost()
    assert.deepEqual(simulation.penalties(), [])
  })
}

scenario('half of the peers crash at once: what has a living copy is found, and soon there are four again', () => {
  const world = new World(80)
  world.fill(400)
  const { simulation, network } = world
  world.assertNothingLost()
  for (const peer of world.rng.sample(simulation.alive(), 40)) network.destroy(peer)
  for (const key of [...world.published.keys()]) if (network.holdersOf(key).length === 0) world.published.delete(key)
  assert.ok(world.published.size > 300, `${world.published.size} of 400 have a living copy`)
  world.runFor(MINUTE)
  assert.deepEqual(world.missing(world.published.keys()), [])
  assert.ok(network.ring.isIdeal())
  world.assertNothingLost()
  assert.deepEqual(simulation.penalties(), [])
})

scenario('peers come, go and crash for five minutes: gets succeed all the time, and nothing is lost', () => {
  const world = new World(60)
  world.fill(200)
  const { simulation, network } = world
  const tally = { asked: 0, found: 0, lost: 0 }
  const end = simulation.now + 5 * MINUTE
  for (let step = 0; simulation.now < end; step++) {
    // every five seconds one comes, and another one goes, every other time without a word
    if (step % 50 === 0) world.come()
    if (step % 50 === 25) {
      const goer = world.rng.pick(simulation.alive())
      if (step % 100 === 25) network.destroy(goer)
      else network.leave(goer)
    }
    world.get(world.rng.pick([...world.published.keys()]), simulation.alive(), isThere => {
      if (isThere) tally.found++
      else tally.lost++
    })
    tally.asked++
    world.runFor(SECOND / 10)
  }
  world.runFor(MINUTE)
  assert.ok(tally.lost <= tally.asked / 1_000, JSON.stringify(tally))
  world.runFor(MINUTE)
  world.assertNothingLost()
  assert.deepEqual(world.missing(world.published.keys()), [])
})

scenario('a peer that comes back with its records is not sent them again, and what was said without it comes', () => {
  const world = new World(30)
  world.fill(200)
  const { simulation, network } = world
  const sorted = network.ring.sorted(simulation.alive())
  const entriesOf = (one: Peer): number => network.store(one).usage().entries
  const peer = sorted.reduce((most, one) => (entriesOf(one) > entriesOf(most) ? one : most))
  const kept = [...world.published.keys()].filter(key => network.holdersOf(key).includes(peer))
  simulation.crash(peer)
  world.brought.clear()
  world.runFor(MINUTE)
  world.fill(200)
  const contact = world.rng.pick(simulation.alive())
  network.restart(peer, contact)
  world.overlay.channel.command(peer, { type: 'join', contact })
  world.runFor(2 * MINUTE)
  assert.ok(network.ring.isIdeal())
  world.assertNothingLost()
  const places = [...world.published.keys()].filter(key => network.placesOf(key, sorted).includes(peer))
  assert.equal(entriesOf(peer), places.length, 'it has all that it should have, and nothing else')
  assert.deepEqual(world.missing(world.published.keys(), [peer]), [])
  const sentAgain = kept.filter(key => world.brought.get(peer)?.has(key))
  assert.deepEqual(sentAgain, [])
})
