import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ring, type RingAction, type RingState } from '../../../protocols/chord/ring.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { idOf, peers } from './ids.ts'

const [SELF] = peers(100) as [Peer]

function ring(state: Partial<RingState> = {}): Ring {
  return new Ring({ self: SELF, idOf, length: 3, state })
}

const told = (actions: readonly RingAction[]): string[] => actions.map(({ type, peer }) => `${type} ${peer}`)

test('a node enters behind the member before it, with the whole list of that one', () => {
  const node = ring()
  assert.deepEqual(told(node.join(90 as Peer)), ['query 90'])
  assert.deepEqual(told(node.onPlace(90 as Peer, { predecessor: 80 as Peer, successors: peers(110, 120, 130) })), [
    'query 110'
  ])
  assert.deepEqual(node.place, { predecessor: 90, successors: peers(110, 120, 130) })
})

test('it does not enter behind a member that is not the one before it', () => {
  const node = ring()
  node.join(80 as Peer)
  assert.deepEqual(node.onPlace(80 as Peer, { predecessor: undefined, successors: peers(90, 110) }), [])
  assert.ok(node.isAlone && !node.isBusy)
})

test('a short list stays short: who is at its end is learnt from the successor', () => {
  const node = ring()
  node.join(90 as Peer)
  node.onPlace(90 as Peer, { predecessor: undefined, successors: [] })
  assert.deepEqual(node.successors, peers(90))
  const other = ring()
  other.join(90 as Peer)
  other.onPlace(90 as Peer, { predecessor: 110 as Peer, successors: peers(110) })
  assert.deepEqual(other.successors, peers(110))
})

test('a node that lost its place enters again although the one before it still knows it', () => {
  const node = ring()
  node.join(90 as Peer)
  node.onPlace(90 as Peer, { predecessor: 80 as Peer, successors: peers(100, 110, 120) })
  assert.deepEqual(node.place, { predecessor: 90, successors: peers(110, 120) })
})

test('stabilize takes over the list of the successor, and ends by telling it', () => {
  const node = ring({ predecessor: 90 as Peer, successors: peers(110, 120, 130) })
  assert.deepEqual(told(node.stabilize()), ['query 110'])
  assert.ok(node.isBusy)
  assert.deepEqual(node.stabilize(), [], 'one step at a time')
  assert.deepEqual(told(node.onPlace(110 as Peer, { predecessor: SELF, successors: peers(125, 130, 140) })), [
    'notify 110'
  ])
  assert.deepEqual(node.successors, peers(110, 125, 130))
  assert.ok(!node.isBusy)
})

test('a nearer successor is adopted only when it has answered itself', () => {
  const start = { predecessor: 90 as Peer, successors: peers(110, 120, 130) }
  const alive = ring(start)
  alive.stabilize()
  assert.deepEqual(told(alive.onPlace(110 as Peer, { predecessor: 105 as Peer, successors: peers(120, 130) })), [
    'query 105'
  ])
  assert.deepEqual(alive.successors[0], 110)
  assert.deepEqual(told(alive.onPlace(105 as Peer, { predecessor: 90 as Peer, successors: peers(110, 120) })), [
    'notify 105'
  ])
  assert.deepEqual(alive.successors, peers(105, 110, 120))

  const dead = ring(start)
  dead.stabilize()
  dead.onPlace(110 as Peer, { predecessor: 105 as Peer, successors: peers(120, 130) })
  assert.deepEqual(told(dead.onFailed(105 as Peer)), ['notify 110'])
  assert.deepEqual(dead.successors, peers(110, 120, 130))
})

test('a successor that fails goes, and the next one is asked at once', () => {
  const node = ring({ predecessor: 90 as Peer, successors: peers(110, 120, 130) })
  node.stabilize()
  assert.deepEqual(told(node.onFailed(110 as Peer)), ['query 120'])
  assert.deepEqual(node.successors, peers(120, 130))
})

test('a busy node is asked another time', () => {
  const node = ring({ predecessor: 90 as Peer, successors: peers(110, 120) })
  node.stabilize()
  node.onBusy(110 as Peer)
  assert.ok(!node.isBusy)
  assert.deepEqual(node.successors, peers(110, 120))
  assert.deepEqual(told(node.stabilize()), ['query 110'])
})

test('rectify: a nearer predecessor is taken, a farther one only when the present one is dead', () => {
  const node = ring({ predecessor: 90 as Peer, successors: peers(110) })
  assert.deepEqual(told(node.onNotify(95 as Peer)), ['look 90'])
  assert.deepEqual(told(node.onNotify(80 as Peer)), ['ping 95'])
  node.onPong(95 as Peer)
  assert.equal(node.predecessor, 95)
  node.onNotify(80 as Peer)
  node.onNotify(85 as Peer)
  node.onFailed(95 as Peer)
  assert.equal(node.predecessor, 85, 'the nearest of those who asked')
  assert.ok(!node.isPredecessorLost)
})

test('a dead predecessor is not forgotten, so that nobody worse can slip in unasked', () => {
  const node = ring({ predecessor: 90 as Peer, successors: peers(110) })
  node.onFailed(90 as Peer)
  assert.ok(node.isPredecessorLost)
  assert.equal(node.predecessor, 90)
  node.onNotify(80 as Peer)
  assert.equal(node.predecessor, 80)
})

test('who goes leaves what it knew', () => {
  const node = ring({ predecessor: 90 as Peer, successors: peers(110) })
  assert.deepEqual(told(node.onLeaving(110 as Peer, { predecessor: SELF, successors: peers(120, 130) })), ['query 120'])
  assert.deepEqual(node.successors, peers(120, 130))
  node.onLeaving(90 as Peer, { predecessor: 80 as Peer, successors: [SELF, ...peers(110)] })
  assert.equal(node.predecessor, 80)
})

test('a node of another ring becomes the successor when it is nearer; the own list stays behind it', () => {
  const node = ring({ predecessor: 90 as Peer, successors: peers(110, 120, 130) })
  assert.deepEqual(told(node.unite(105 as Peer)), ['query 105'])
  assert.deepEqual(told(node.onPlace(105 as Peer, { predecessor: 95 as Peer, successors: peers(115, 125) })), [
    'notify 105'
  ])
  assert.deepEqual(node.successors, peers(105, 110, 115))
  assert.deepEqual(told(node.unite(112 as Peer)), ['notify 112'], 'a farther one only hears of us')
})

test('a list that is out of order, or names us, is taken only as far as it is in order', () => {
  const node = ring({ predecessor: 90 as Peer, successors: peers(110) })
  node.stabilize()
  node.onPlace(110 as Peer, { predecessor: SELF, successors: peers(130, 120, 140) })
  assert.deepEqual(node.successors, peers(110, 130))
  node.stabilize()
  node.onPlace(110 as Peer, { predecessor: SELF, successors: peers(90, 100, 105) })
  assert.deepEqual(node.successors, peers(110, 90))
})

test('answers of others than the one that was asked change nothing', () => {
  const node = ring({ predecessor: 90 as Peer, successors: peers(110, 120) })
  node.stabilize()
  assert.deepEqual(node.onPlace(120 as Peer, { predecessor: SELF, successors: peers(130) }), [])
  assert.deepEqual(node.successors, peers(110, 120))
  assert.ok(node.isBusy)
})
