import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ring } from '../../../protocols/chord/ring.ts'
import type { RingId } from '../../../protocols/core/keyspace.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { RingNetwork } from '../../../src/lab/ring-network.ts'
import { Simulation } from '../../../src/simulator/index.ts'

const SEED = 1
const MINUTE = 60_000
const peer = (index: number): Peer => index as Peer
/** Ids 00…, 10…, 20… and so on. */
const idOf = (one: Peer): RingId => `${String(one)}${'0'.repeat(63)}` as RingId

function ringAt1(successors: number[], predecessor = 9): Ring {
  const state = { successors: successors.map(peer), predecessor: peer(predecessor) }
  return new Ring({ self: peer(1), idOf, length: 3, state })
}

test('a new successor that knows of a nearer node is asked again at once, until there is none', () => {
  const ring = ringAt1([6, 7, 8])
  assert.deepEqual(ring.stabilize(), [{ type: 'query', peer: 6 }])
  const place = (predecessor: number, ...successors: number[]) => ({
    predecessor: peer(predecessor),
    successors: successors.map(peer)
  })
  assert.deepEqual(ring.onPlace(peer(6), place(5, 7, 8, 9)), [{ type: 'query', peer: 5 }])
  assert.deepEqual(ring.onPlace(peer(5), place(4, 6, 7, 8)), [
    { type: 'notify', peer: 5 },
    { type: 'query', peer: 5 }
  ])
  assert.deepEqual(ring.onPlace(peer(5), place(4, 6, 7, 8)), [{ type: 'query', peer: 4 }])
  assert.deepEqual(ring.onPlace(peer(4), place(1, 5, 6, 7)), [{ type: 'notify', peer: 4 }])
  assert.deepEqual(ring.successors, [4, 5, 6])
})

test('who takes us for its successor though a nearer node lives is told to look', () => {
  const ring = ringAt1([2, 3, 4], 9)
  assert.deepEqual(ring.onNotify(peer(8)), [{ type: 'ping', peer: 9 }])
  assert.deepEqual(ring.onPong(peer(9)), [{ type: 'look', peer: 8 }])
  assert.equal(ring.predecessor, 9)
  // nobody waits for this one
  assert.deepEqual(ring.onPong(peer(9)), [])
})

test('two rings are one half a minute after one node has a neighbour of the other', () => {
  const simulation = new Simulation({ seed: SEED, trace: false })
  const network = new RingNetwork(simulation)
  const [[one], [other]] = [network.addRing(60), network.addRing(40)] as [[Peer], [Peer]]
  simulation.run(MINUTE)
  assert.ok(!network.isIdeal())
  network.channel.command(one, { type: 'neighbourUp', peer: other })
  assert.ok(simulation.runUntil(() => network.isIdeal(), MINUTE / 2, 500))
})

test('a network that was cut is one ring again soon after it heals, without anybody else to ask', () => {
  const simulation = new Simulation({ seed: SEED, trace: false })
  const network = new RingNetwork(simulation)
  const peers = network.addRing(80)
  simulation.run(MINUTE)
  const part = simulation.rng.sample(peers, 30)
  const rest = peers.filter(one => !part.includes(one))
  simulation.partition([part])
  simulation.run(simulation.now + 5 * MINUTE)
  for (const side of [part, rest]) assert.ok(network.isIdeal(network.sorted(side)))
  simulation.heal()
  assert.ok(simulation.runUntil(() => network.isIdeal(), MINUTE, 500))
})
