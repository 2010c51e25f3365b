import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Fingers } from '../../../protocols/chord/fingers.ts'
import { chordLimits } from '../../../protocols/chord/index.ts'
import { isBetween, type RingId } from '../../../protocols/core/keyspace.ts'
import type { Peer } from '../../../protocols/core/peer.ts'

const SELF = 0 as Peer
const hex = fc.array(fc.integer({ min: 0, max: 15 }), { minLength: 64, maxLength: 64 })
const id = hex.map(digits => digits.map(digit => digit.toString(16)).join('') as RingId)
const ids = fc.uniqueArray(id, { minLength: 40, maxLength: 120 })

/** A table of one node that has heard of all others; the nearest `successors` of them are its list. */
function table(all: readonly RingId[], successors: number, digitBits: number) {
  const idOf = (peer: Peer): RingId => all[peer as number] as RingId
  const self = idOf(SELF)
  const others = all
    .map((_, i) => i as Peer)
    .slice(1)
    .sort((a, b) => (isBetween(self, idOf(a), idOf(b)) ? -1 : 1))
  const fingers = new Fingers(SELF, idOf, digitBits)
  const last = others[successors - 1] as Peer
  fingers.fit(last)
  const beyond = others.slice(successors)
  for (const peer of beyond) fingers.offer(peer)
  return { fingers, idOf, self, beyond }
}

test('there are no more fingers than allowed, and every arc beyond the successors has one if it has a node', () => {
  fc.assert(
    fc.property(ids, fc.integer({ min: 1, max: 16 }), fc.integer({ min: 1, max: 6 }), (all, successors, digitBits) => {
      const { fingers, idOf, beyond } = table(all, successors, digitBits)
      assert.ok(fingers.count <= chordLimits.maxFingers)
      for (let slot = 0; slot < fingers.count; slot++) {
        const [from, to] = [fingers.target(slot), slot === 0 ? idOf(SELF) : fingers.target(slot - 1)]
        const isInside = (peer: Peer): boolean => idOf(peer) === from || isBetween(from, idOf(peer), to)
        const finger = fingers.at(slot)
        assert.equal(finger !== undefined, beyond.some(isInside), `slot ${slot}`)
        if (finger !== undefined) assert.ok(isInside(finger))
      }
    }),
    { numRuns: 60 }
  )
})

test('the nearest before a key is found, and nothing at the key or past it', () => {
  fc.assert(
    fc.property(ids, id, (all, key) => {
      const { fingers, idOf, self } = table(all, 4, 4)
      const before = fingers.before(key, 3, () => true)
      assert.ok(before.every(peer => isBetween(self, idOf(peer), key)))
      const nearest = [...fingers]
        .filter(peer => isBetween(self, idOf(peer), key))
        .sort((a, b) => (isBetween(idOf(b), idOf(a), key) ? -1 : 1))
      assert.deepEqual(before, nearest.slice(0, 3))
    }),
    { numRuns: 100 }
  )
})

test('a place within an arc is in it', () => {
  const { fingers, self } = table(
    [1, 0, 2, 3, 4].map(digit => digit.toString(16).repeat(64) as RingId),
    1,
    4
  )
  for (let slot = 1; slot < fingers.count; slot++) {
    const [from, within, to] = [fingers.target(slot), fingers.target(slot, 0.999), fingers.target(slot - 1)]
    assert.ok(isBetween(self, from, to) && isBetween(from, within, to))
  }
})

test('a finger makes room for one that is clearly nearer, and for nobody when it is there', () => {
  const all = ['00', '80', '81', '82', '01'].map(start => start.padEnd(64, '0') as RingId)
  const fingers = new Fingers(SELF, peer => all[peer as number] as RingId, 4)
  fingers.fit(4 as Peer)
  fingers.offer(1 as Peer, 100)
  fingers.offer(2 as Peer, 90)
  fingers.offer(3 as Peer)
  assert.deepEqual([...fingers], [1])
  fingers.offer(2 as Peer, 50)
  assert.deepEqual([...fingers], [2])
  fingers.remove(1 as Peer)
  assert.deepEqual([...fingers], [2])
  fingers.remove(2 as Peer)
  assert.deepEqual([...fingers], [])
})

test('as the network grows the table is made anew, and keeps what it knows', () => {
  const all = ['00', '80', '20', '01', '0001'].map(start => start.padEnd(64, '0') as RingId)
  const fingers = new Fingers(SELF, peer => all[peer as number] as RingId, 4)
  fingers.fit(2 as Peer)
  fingers.offer(1 as Peer, 100)
  const few = fingers.count
  fingers.fit(4 as Peer)
  assert.ok(fingers.count > few)
  assert.deepEqual([...fingers], [1])
  fingers.offer(3 as Peer)
  assert.deepEqual([...fingers], [1, 3])
})
