import assert from 'node:assert/strict'
import { test } from 'node:test'
import { headOf, isBetween, type RingId, ringAdd, ringShare } from '../../protocols/core/keyspace.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import { LookupTally } from '../../src/lab/lookup-tally.ts'
import { paperWalk } from '../../src/lab/paper-walk.ts'
import { RingMembers } from '../../src/lab/ring-members.ts'
import { type LookupResult, RingNetwork, withoutUpkeep } from '../../src/lab/ring-network.ts'
import { Simulation } from '../../src/simulator/index.ts'

const SEED = 1
const peer = (index: number): Peer => index as Peer
/** Ids 00…, 10…, 20… and so on. */
const idOf = (one: Peer): RingId => `${String(one)}${'0'.repeat(63)}` as RingId
const keyIn = (first: string): RingId => `${first}8${'0'.repeat(62)}` as RingId

test('an ideal ring: everybody knows those next to it, and the first node of each arc', () => {
  const network = new RingNetwork(new Simulation({ seed: SEED }), { config: { successors: 4, digitBits: 1 } })
  const peers = network.addRing(200)
  assert.ok(network.isIdeal())
  const sorted = network.sorted(peers)
  for (const one of peers) {
    const { successors } = network.node(one).place
    const last = successors.at(-1) as Peer
    const id = network.idOf(one)
    const expected = new Set<Peer>()
    // the paper's: the first at or past id + 2^k, as long as it is beyond the list and not past the next of them
    for (let k = 255; ringShare(id, network.idOf(last)) < 2 ** (k + 1 - 256); k--) {
      const { owner } = network.ownerOf(ringAdd(id, 1n << BigInt(k)), sorted)
      const share = ringShare(id, network.idOf(owner))
      if (share >= 2 ** (k - 256) && share < 2 ** (k + 1 - 256)) expected.add(owner)
    }
    assert.deepEqual(new Set(network.node(one).fingers), expected)
  }
})

test('the first 48 bits of an id', () => {
  for (const digits of ['0123456789ab', 'fedcba987654', '000000000000', 'ffffffffffff', '800000000001']) {
    assert.equal(headOf(digits.padEnd(64, '7') as RingId), Number.parseInt(digits, 16))
  }
})

test('lookups on an ideal ring find the owner in either mode, and count their hops', () => {
  const simulation = new Simulation({ seed: SEED })
  const network = new RingNetwork(simulation, { config: { ...withoutUpkeep, successors: 1, digitBits: 1 } })
  const peers = network.addRing(64)
  const sorted = network.sorted(peers)
  for (const mode of ['iterative', 'recursive'] as const) {
    const results: LookupResult[] = []
    for (let i = 0; i < 200; i++) {
      network.lookup(simulation.rng.pick(peers), network.randomKey(simulation.rng), one => results.push(one), mode)
    }
    assert.ok(simulation.runUntil(() => network.lookupsOpen === 0, 60_000))
    for (const { key, owner, via, hops } of results) {
      const truth = network.ownerOf(key, sorted)
      assert.equal(owner, truth.owner)
      // with one successor only the predecessor knows the owner
      if (hops > 0 && mode === 'iterative') assert.equal(via, truth.predecessor)
      assert.ok(hops <= 7, `${hops} hops`)
    }
  }
})

test('hops are counted to the predecessor too, which may have been jumped over', () => {
  const tally = new LookupTally()
  const truth = { owner: peer(4), predecessor: peer(3) }
  const one = { key: keyIn('3'), asked: 3, lost: 2, lostPast: 1, stalls: 1, elapsedMs: 9, owner: peer(4), hops: 3 }
  tally.add({ ...one, via: peer(3) }, truth)
  tally.add({ ...one, via: peer(1) }, truth)
  tally.add({ ...one, via: peer(1), owner: peer(5), hops: 0 }, truth)
  tally.add({ ...one, via: peer(1), owner: undefined, hops: 0 }, truth)
  assert.deepEqual([tally.mean('hops'), tally.mean('toPredecessor')], [2, 5 / 3])
  assert.deepEqual([tally.mean('timeouts'), tally.mean('onTheWay')], [2, 1])
  assert.deepEqual([tally.wrongOf(100), tally.failedOf(100)], [25, 25])
})

test('who owned a key when', () => {
  const members = new RingMembers(idOf, [peer(1), peer(5), peer(7)])
  const key = keyIn('2')
  members.enter(peer(3), 100)
  members.leave(peer(5), 200)
  members.leave(peer(3), 300)
  // it is gone, whoever still has it for its predecessor
  members.enter(peer(3), 310)
  assert.deepEqual(members.sorted, [1, 7])
  assert.ok(members.has(peer(7)) && !members.has(peer(3)))
  const owned = (one: number, since: number, until: number) => members.wasOwner(peer(one), key, since, until)
  // 5 until 3 came, 3 until it left, then 7: 5 had left before
  assert.deepEqual([owned(5, 0, 99), owned(5, 99, 150), owned(5, 100, 400)], [true, true, false])
  assert.deepEqual(
    [owned(3, 0, 99), owned(3, 0, 100), owned(3, 299, 299), owned(3, 300, 400)],
    [false, true, true, false]
  )
  assert.deepEqual([owned(7, 0, 299), owned(7, 0, 300), owned(7, 500, 500)], [false, true, true])
  assert.ok(!owned(1, 0, 1_000))
  // around the end of the ring
  assert.ok(members.wasOwner(peer(1), keyIn('8'), 0, 0) && !members.wasOwner(peer(7), keyIn('8'), 0, 1_000))
  assert.ok(isBetween(idOf(peer(7)), keyIn('8'), idOf(peer(1))))
})

test('the walk of the paper goes past the dead, to the predecessor and the owner that are left', () => {
  const simulation = new Simulation({ seed: SEED })
  const network = new RingNetwork(simulation, { config: { ...withoutUpkeep, successors: 12, digitBits: 1 } })
  const peers = network.addRing(200)
  const isAlive = (one: Peer): boolean => simulation.isAlive(one)
  const walk = (from: Peer, key: RingId) => {
    const sorted = network.sorted(simulation.alive())
    const result = paperWalk(network, from, key, isAlive)
    const { owner, predecessor } = network.ownerOf(key, sorted)
    assert.deepEqual([result.owner, result.via], [owner, predecessor])
    return result
  }
  for (let i = 0; i < 100; i++) {
    const { lost, hops } = walk(simulation.rng.pick(peers), network.randomKey(simulation.rng))
    assert.ok(lost === 0 && hops >= 1 && hops <= 9, `${lost} dead, ${hops} hops`)
  }
  for (const one of peers) if (simulation.rng.unit() < 0.3) simulation.crash(one)
  const left = simulation.alive()
  let [lost, lostPast] = [0, 0]
  for (let i = 0; i < 100; i++) {
    const result = walk(simulation.rng.pick(left), network.randomKey(simulation.rng))
    lost += result.lost
    lostPast += result.lostPast
  }
  assert.ok(lost > 100 && lostPast > 20 && lostPast < lost, `${lost} dead, ${lostPast} of them past the key`)
})
