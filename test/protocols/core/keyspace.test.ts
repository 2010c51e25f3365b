import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  isBetween,
  isOwned,
  type RingId,
  ringAdd,
  ringIdFromBytes,
  ringShare
} from '../../../protocols/core/keyspace.ts'

const SPACE = 1n << 256n
const toId = (value: bigint): RingId => value.toString(16).padStart(64, '0') as RingId
const value = fc.oneof(fc.bigInt({ min: 0n, max: SPACE - 1n }), fc.constantFrom(0n, 1n, SPACE - 1n))
/** Clockwise from a to b. */
const distance = (a: bigint, b: bigint): bigint => (b - a + SPACE) % SPACE

test('arcs are as their numbers say', () => {
  fc.assert(
    fc.property(value, value, value, (a, x, b) => {
      const all = a === b
      const isInside = x !== a && (all || (distance(a, x) < distance(a, b) && x !== b))
      assert.equal(isBetween(toId(a), toId(x), toId(b)), isInside)
      assert.equal(isOwned(toId(a), toId(x), toId(b)), all || isInside || x === b)
    })
  )
})

test('of two arcs that make the ring a point is in exactly one', () => {
  fc.assert(
    fc.property(value, value, value, (a, x, b) => {
      fc.pre(a !== b)
      assert.notEqual(isOwned(toId(a), toId(x), toId(b)), isOwned(toId(b), toId(x), toId(a)))
    })
  )
})

test('sums and shares go around', () => {
  fc.assert(
    fc.property(value, value, (a, b) => {
      assert.equal(ringAdd(toId(a), distance(a, b)), toId(b))
      assert.equal(ringAdd(toId(b), -distance(a, b)), toId(a))
      const share = ringShare(toId(a), toId(b))
      assert.ok(Math.abs(share - Number(distance(a, b)) / Number(SPACE)) < 1e-13 || share > 1 - 1e-13)
    })
  )
})

test('an id has 32 bytes', () => {
  assert.equal(ringIdFromBytes(new Uint8Array(32).fill(0xab)), 'ab'.repeat(32))
  assert.throws(() => ringIdFromBytes(new Uint8Array(20)), RangeError)
})
