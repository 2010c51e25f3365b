import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ChordMessage, chordCodec } from '../../../protocols/chord/index.ts'
import { indexPeers, type Peer } from '../../../protocols/core/peer.ts'
import { type LookupResult, RingNetwork } from '../../../src/lab/ring-network.ts'
import { Simulation, type SimulationOptions } from '../../../src/simulator/index.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const seed = Number(process.env.SHOAL_SEED ?? 1)

/** A scenario that fails says how to see it fail again. */
function scenario(name: string, run: () => void): void {
  test(`${name} (SHOAL_SEED=${seed})`, () => {
    try {
      run()
    } catch (error) {
      console.error(`again: SHOAL_SEED=${seed} node --test test/protocols/chord/scenario.test.ts`)
      throw error
    }
  })
}

function world(options: Partial<SimulationOptions> = {}): { simulation: Simulation; ring: RingNetwork } {
  const simulation = new Simulation({ seed, trace: false, ...options })
  return { simulation, ring: new RingNetwork(simulation) }
}

/** So many lookups of random keys by random peers, half of them passed on by the hops; what they found. */
function lookUp(simulation: Simulation, ring: RingNetwork, count: number): { results: LookupResult[]; wrong: number } {
  const peers = ring.sorted(simulation.alive())
  const results: LookupResult[] = []
  for (let i = 0; i < count; i++) {
    const key = ring.randomKey(simulation.rng)
    const mode = i % 2 === 0 ? 'iterative' : 'recursive'
    ring.lookup(simulation.rng.pick(peers), key, result => results.push(result), mode)
    simulation.run(simulation.now + 50)
  }
  simulation.run(simulation.now + 30 * SECOND)
  assert.equal(results.length, count, 'every lookup ends')
  return { results, wrong: results.filter(({ key, owner }) => owner !== ring.ownerOf(key, peers).owner).length }
}

scenario('from one node on a ring grows, and is perfect soon after', () => {
  for (const count of [1, 2, 3, 17, 18, 100]) {
    const { simulation, ring } = world({ wire: true })
    ring.grow(count, 200)
    assert.ok(
      simulation.runUntil(() => ring.isIdeal(), 30 * SECOND, 500),
      `${count} nodes`
    )
    const { wrong } = lookUp(simulation, ring, 100)
    assert.equal(wrong, 0)
    assert.deepEqual(simulation.penalties(), [])
    assert.equal(simulation.stats.undecodable, 0)
  }
})

scenario('fifty that start in one second through one of them are one ring', () => {
  const { simulation, ring } = world()
  const [first, ...others] = simulation.addPeers(50) as [Peer, ...Peer[]]
  for (const peer of others) {
    simulation.at(simulation.rng.below(1_000), () => ring.channel.command(peer, { type: 'join', contact: first }))
  }
  assert.ok(simulation.runUntil(() => ring.isIdeal(), MINUTE, 500))
})

scenario('two that only meet are a ring, and one that stays alone owns everything', () => {
  const { simulation, ring } = world()
  const [a, b] = simulation.addPeers(2) as [Peer, Peer]
  ring.lookup(a, ring.keyOf('x'), ({ owner }) => assert.equal(owner, a))
  simulation.connect(a, b)
  assert.ok(simulation.runUntil(() => ring.isIdeal(), 10 * SECOND, 100))
  simulation.crash(b)
  assert.ok(simulation.runUntil(() => ring.node(a).place.successors.length === 0, MINUTE, 500))
  ring.lookup(a, ring.keyOf('x'), ({ owner }) => assert.equal(owner, a))
})

scenario('half of a ring dies at once: it heals, and finds every key', () => {
  const { simulation, ring } = world()
  const peers = ring.addRing(300)
  simulation.run(10 * SECOND)
  for (const peer of simulation.rng.sample(peers, 150)) simulation.crash(peer)
  assert.ok(simulation.runUntil(() => ring.isIdeal(), 2 * MINUTE, SECOND))
  assert.equal(lookUp(simulation, ring, 300).wrong, 0)
})

scenario('before anything is repaired no lookup says what is not so', () => {
  const simulation = new Simulation({ seed, trace: false, detectionMs: 500 })
  const never = { stabilizeMs: [1e8, 1e8], fingerMs: 1e8, uniteMs: 1e8, joinMs: 1e8, routes: 0 } as const
  const ring = new RingNetwork(simulation, { config: { ...never, successors: 20 } })
  const peers = ring.addRing(500)
  for (const peer of simulation.rng.sample(peers, 250)) simulation.crash(peer)
  const { results } = lookUp(simulation, ring, 500)
  const alive = ring.sorted(simulation.alive())
  const wrong = results.filter(({ key, owner }) => owner !== undefined && owner !== ring.ownerOf(key, alive).owner)
  assert.deepEqual(wrong, [])
  assert.ok(results.filter(({ owner }) => owner === undefined).length <= 2)
})

scenario('who leaves is not missed: its neighbours close the gap at once', () => {
  const { simulation, ring } = world()
  const peers = ring.addRing(100)
  simulation.run(20 * SECOND)
  for (const peer of simulation.rng.sample(peers, 10)) {
    ring.channel.command(peer, { type: 'leave' })
    simulation.run(simulation.now + 500)
    simulation.crash(peer)
    simulation.run(simulation.now + SECOND)
  }
  assert.ok(simulation.runUntil(() => ring.isIdeal(), 5 * SECOND, 100))
})

scenario(
  'with every tenth message lost, and nodes that come and go, lookups end and are right when it is quiet',
  () => {
    const { simulation, ring } = world({ loss: 0.1 })
    ring.addRing(100)
    const spared = new Set<Peer>()
    for (let i = 0; i < 30; i++) {
      const [contact, victim] = simulation.rng.sample(simulation.alive(), 2) as [Peer, Peer]
      const [joiner] = simulation.addPeers(1) as [Peer]
      // a newcomer whose only contact dies knows nobody, and no protocol can help it
      ring.channel.command(joiner, { type: 'join', contact })
      spared.add(contact).add(joiner)
      if (!spared.has(victim)) simulation.crash(victim)
      simulation.run(simulation.now + 2 * SECOND)
    }
    simulation.setLoss(0)
    assert.ok(simulation.runUntil(() => ring.isIdeal(), 3 * MINUTE, SECOND))
    assert.equal(lookUp(simulation, ring, 200).wrong, 0)
  }
)

scenario('who comes back at once, knowing nothing, takes its place again', () => {
  const { simulation, ring } = world()
  const peers = ring.addRing(40)
  simulation.run(20 * SECOND)
  for (const peer of simulation.rng.sample(peers, 5)) {
    const contact = simulation.rng.pick(peers.filter(other => other !== peer))
    simulation.crash(peer)
    simulation.restart(peer)
    ring.channel.command(peer, { type: 'join', contact })
  }
  assert.ok(simulation.runUntil(() => ring.isIdeal(), MINUTE, 500))
})

scenario('what a stranger says about the ring moves nothing', () => {
  const { simulation, ring } = world({ wire: true })
  const peers = ring.addRing(30)
  simulation.run(20 * SECOND)
  const [victim, liar, named] = simulation.rng.sample(peers, 3) as [Peer, Peer, Peer]
  const before = ring.node(victim).place
  const lies: ChordMessage[] = [
    { type: 'place', id: 1, place: { predecessor: named, successors: [named] } },
    { type: 'hop', id: 1, role: 'owner', predecessor: named, before: [], after: [named] },
    { type: 'relayed', id: 1 },
    { type: 'look' },
    { type: 'unite', contact: named, hops: 255 },
    { type: 'leaving', place: { predecessor: named, successors: [named] } }
  ]
  for (let round = 0; round < 50; round++) {
    for (const lie of lies) ring.channel.send(liar, victim, lie)
    simulation.run(simulation.now + 100)
  }
  ring.channel.sendBytes(liar, victim, chordCodec(indexPeers).encode({ type: 'look' }).subarray(0, 0))
  simulation.run(simulation.now + 30 * SECOND)
  // a liar that is itself a neighbour can say that it goes; then it is as good as gone until it is asked again
  assert.ok(simulation.runUntil(() => ring.isIdeal(), MINUTE, 500))
  assert.deepEqual(ring.node(victim).place, before)
})
