import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fingers } from '../../../protocols/chord/fingers.ts'
import { chordLimits } from '../../../protocols/chord/index.ts'
import { type RingId, ringAdd, ringShare } from '../../../protocols/core/keyspace.ts'
import type { Peer } from '../../../protocols/core/peer.ts'

const [SELF, LAST] = [0 as Peer, 1 as Peer]
const ZERO = '0'.repeat(64) as RingId

/** How far away the arcs of all fingers begin, when the successor list covers a 2^-bits-th of the ring. */
function beginsOf(bits: number, widest: number): number[] {
  const last = ringAdd(ZERO, 1n << BigInt(256 - bits))
  const fingers = new Fingers(SELF, peer => (peer === SELF ? ZERO : last), widest)
  fingers.fit(LAST)
  return Array.from({ length: fingers.count }, (_, slot) => ringShare(ZERO, fingers.target(slot)))
}

test('fingers of any number of bits begin where the successor list ends, farther each, and are not too many', () => {
  for (let widest = 1; widest <= 6; widest++) {
    for (let bits = 1; bits <= 40; bits++) {
      const begins = beginsOf(bits, widest)
      assert.ok(begins.length <= chordLimits.maxFingers, `${begins.length} fingers for ${bits} bits`)
      assert.equal(begins.at(-1), 2 ** -bits, `${bits} bits in digits of up to ${widest}`)
      assert.ok(begins.every((begin, i) => i === 0 || begin < (begins[i - 1] as number)))
    }
  }
})

test('nodes that see one bit more or less have the same far fingers', () => {
  // a million nodes
  for (const [bits, same] of [
    [15, 2 ** -12],
    [16, 2 ** -12]
  ] as const) {
    const far = (begins: number[]): number[] => begins.filter(begin => begin >= same)
    assert.equal(far(beginsOf(bits, 6)).length, 45)
    assert.deepEqual(far(beginsOf(bits, 6)), far(beginsOf(bits + 1, 6)))
  }
})
