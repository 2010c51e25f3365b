import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ByteReader } from '../../../protocols/core/byte-reader.ts'
import { ByteWriter } from '../../../protocols/core/byte-writer.ts'
import { DecodeError } from '../../../protocols/core/codec.ts'
import { indexPeers } from '../../../protocols/core/peer.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import {
  type Bloom,
  bloomBits,
  bloomOf,
  density,
  emptyBloom,
  flipped,
  flipsBetween,
  hashKey,
  MIN_BLOOM_BITS,
  mayHave,
  unionOf
} from '../../../protocols/search/bloom.ts'
import { searchLimits } from '../../../protocols/search/config.ts'
import { type SummaryLevel, searchCodec } from '../../../protocols/search/messages.ts'
import { readSummaryLevel, writeSummaryLevel } from '../../../protocols/search/summary-codec.ts'
import { seedOfTest } from './network.ts'

const MAX_LOG = Math.log2(searchLimits.summaryBits[0]!)
const size = fc.integer({ min: Math.log2(MIN_BLOOM_BITS), max: MAX_LOG }).map(log => 2 ** log)
const keys = fc.array(fc.string({ unit: 'binary', maxLength: 20 }), { maxLength: 60 })
const filter = fc.record({ keys, bits: size })
const of = (list: readonly string[], bits: number): Bloom => bloomOf(list.map(hashKey), bits)

test('a union has all keys of its parts, whatever their sizes and its own', () => {
  fc.assert(
    fc.property(fc.array(filter, { maxLength: 6 }), size, (parts, maxBits) => {
      const blooms = parts.map(part => of(part.keys, part.bits))
      const before = structuredClone(blooms)
      const union = unionOf(blooms, maxBits)
      for (const part of parts) for (const key of part.keys) assert.ok(mayHave(union, hashKey(key)))
      const largest = Math.max(MIN_BLOOM_BITS, ...parts.map(({ bits }) => bits))
      assert.equal(union.length * 32, Math.min(maxBits, largest))
      assert.deepEqual(blooms, before, 'the parts are as they were')
    })
  )
})

test('a union is what all keys together give, when the sizes are one', () => {
  fc.assert(
    fc.property(fc.array(keys, { maxLength: 5 }), size, (lists, bits) => {
      assert.deepEqual(unionOf([emptyBloom(bits), ...lists.map(list => of(list, bits))], bits), of(lists.flat(), bits))
    })
  )
})

test('a filter that is folded is the filter of the smaller size', () => {
  fc.assert(
    fc.property(keys, size, size, (list, one, other) => {
      const [small, large] = [Math.min(one, other), Math.max(one, other)]
      assert.deepEqual(unionOf([of(list, large)], small), of(list, small))
    })
  )
})

test('flips lead from one filter to the other, and back', () => {
  fc.assert(
    fc.property(keys, keys, size, (one, other, bits) => {
      const [before, after] = [of(one, bits), of(other, bits)]
      const flips = flipsBetween(before, after)
      assert.deepEqual(flipped(before, flips), after)
      assert.deepEqual(flipped(after, flips), before)
      assert.ok(flips.every((bit, i) => i === 0 || bit > flips[i - 1]!))
      assert.equal(flipsBetween(after, after).length, 0)
      assert.equal(density(before), flipsBetween(emptyBloom(bits), before).length / bits)
    })
  )
})

test('false positives are as many as the formula says, for keys that are alike too', () => {
  const rng = seededRng(seedOfTest)
  const kinds: [string, (i: number) => string][] = [
    ['numbers', i => `${i}`],
    ['words', i => `track ${i.toString(36)}`],
    ['ids', () => Array.from({ length: 8 }, () => rng.uint32().toString(16).padStart(8, '0')).join('')]
  ]
  for (const [kind, key] of kinds) {
    for (const [count, bits] of [
      [200, 2_048],
      [2_000, 16_384],
      [20_000, 2 ** 18]
    ] as const) {
      const bloom = of(
        Array.from({ length: count }, (_, i) => key(i)),
        bits
      )
      const trials = 40_000
      let positives = 0
      for (let i = 0; i < trials; i++) if (mayHave(bloom, hashKey(key(1_000_000 + i)))) positives++
      const expected = (1 - Math.exp((-4 * count) / bits)) ** 4
      const rate = positives / trials
      const why = `${kind}: ${count} in ${bits} bits: ${rate}, not ${expected}, seed ${seedOfTest}`
      assert.ok(rate < expected * 1.5 + 0.001 && rate > expected / 2 - 0.001, why)
      assert.ok(Math.abs(density(bloom) - (1 - Math.exp((-4 * count) / bits))) < 0.03, why)
    }
  }
})

test('a filter has room for the keys of many nodes, and a largest size', () => {
  assert.equal(bloomBits(0, 2 ** 18), MIN_BLOOM_BITS)
  assert.equal(bloomBits(10, 2 ** 18), 4_096)
  assert.equal(bloomBits(1e6, 2 ** 18), 2 ** 18)
  assert.equal(bloomBits(1e6, 2 ** 17), 2 ** 17)
})

const encoded = (level: SummaryLevel): Uint8Array => {
  const writer = new ByteWriter()
  writeSummaryLevel(writer, level)
  return writer.finish()
}
const maxBits = 2 ** MAX_LOG

test('a level of any density is read as it was written, in no more bytes than a bit each takes', () => {
  fc.assert(
    fc.property(size, fc.integer({ min: 1, max: 5_000 }), fc.nat(), (bits, every, seed) => {
      const rng = seededRng(seed)
      const flips: number[] = []
      for (let bit = rng.below(every); bit < bits; bit += 1 + rng.below(every)) flips.push(bit)
      const level = { bits, flips: Uint32Array.from(flips) }
      const bytes = encoded(level)
      assert.ok(bytes.byteLength <= 2 + bits / 8 + 4, `${bytes.byteLength} bytes for ${bits} bits`)
      const reader = new ByteReader(bytes)
      assert.deepEqual(readSummaryLevel(reader, maxBits), level)
      reader.end()
    })
  )
  for (const flips of [[], [0], [511], [0, 511], Array.from({ length: 512 }, (_, i) => i)]) {
    const level = { bits: 512, flips: Uint32Array.from(flips) }
    assert.deepEqual(readSummaryLevel(new ByteReader(encoded(level)), maxBits), level)
  }
})

test('bytes of strangers are a level whose bits are in it and in order, or a DecodeError', () => {
  const attempt = (bytes: Uint8Array): void => {
    try {
      const { bits, flips } = readSummaryLevel(new ByteReader(bytes), maxBits)
      assert.ok(bits >= MIN_BLOOM_BITS && bits <= maxBits)
      assert.ok(flips.every((bit, i) => bit < bits && (i === 0 || bit > flips[i - 1]!)))
      // what is allocated is no more than a few times what arrived
      assert.ok(flips.byteLength <= 32 * bytes.byteLength)
    } catch (error) {
      assert.ok(error instanceof DecodeError, `${error}`)
    }
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), attempt))
  const header = fc.tuple(fc.integer({ min: 9, max: MAX_LOG }), fc.constantFrom(0, 1))
  fc.assert(
    fc.property(header, fc.uint8Array({ maxLength: 300 }), (start, rest) =>
      attempt(Uint8Array.from([...start, ...rest]))
    )
  )
  fc.assert(
    fc.property(header, fc.integer({ min: 0, max: 40 }), fc.uint8Array({ maxLength: 100 }), ([log], count, rest) =>
      attempt(Uint8Array.from([log, 0, 0, 0, 0, count, ...rest]))
    )
  )
})

const refused: [what: string, bytes: number[], reason: RegExp][] = [
  ['smaller than any filter', [8, 0, 0, 0, 0, 0], /256 bits/],
  ['larger than any filter', [19, 0, 0, 0, 0, 0], /524288 bits/],
  ['larger than any number', [255, 0, 0, 0, 0, 0], /bits/],
  ['of another form', [9, 2, 0, 0, 0, 0], /unknown form/],
  ['of more gaps than bytes', [18, 0, 0xff, 0xff, 0xff, 0xff, 1], /4294967295 turn/],
  ['of more gaps than arrived', [18, 0, 0, 3, 0xff, 0xff, 1], /262143 turn/],
  ['of more gaps than bits', [9, 0, 0, 0, 2, 1, ...new Array<number>(600).fill(0)], /513 turn/],
  ['of gaps beyond its end', [9, 0, 0, 0, 0, 2, 0xff, 3, 0], /after its last bit/],
  ['of a gap that is too long', [9, 0, 0, 0, 0, 1, 0x80, 0x80, 0x80, 0x80, 0x80, 0], /too long/],
  ['of a gap of all bits', [9, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0x7f], /after its last bit/],
  ['that ends in a gap', [9, 0, 0, 0, 0, 1, 0x80], /ends inside/],
  ['that ends in its bits', [9, 1, ...new Array<number>(63).fill(0)], /ends inside/]
]
for (const [what, bytes, reason] of refused) {
  test(`refused: a level ${what}`, () => {
    assert.throws(() => readSummaryLevel(new ByteReader(Uint8Array.from(bytes)), maxBits), {
      name: 'DecodeError',
      message: reason
    })
  })
}

const codec = searchCodec(indexPeers)

test('the largest summary fits its frame, larger levels are refused', () => {
  const full = searchLimits.summaryBits.map(bits => ({ bits, flips: Uint32Array.from({ length: bits }, (_, i) => i) }))
  const summary = { type: 'summary', version: 1, base: 0, levels: full } as const
  const bytes = codec.encode(summary)
  assert.ok(bytes.byteLength <= searchLimits.maxSummaryBytes, `${bytes.byteLength}`)
  assert.deepEqual(codec.decode(bytes), summary)
  const wrong = { ...summary, levels: [full[1]!, full[0]!] }
  assert.throws(() => codec.decode(codec.encode(wrong)), /262144 bits/, 'only the first level may be so large')
  assert.throws(() => codec.decode(codec.encode({ ...summary, levels: [...full, full[2]!] })), /list of 4/)
  assert.throws(() => codec.decode(codec.encode({ ...summary, levels: [] })), /without a level/)
  assert.throws(() => codec.decode(codec.encode({ ...summary, version: 0 })), /version 0/)
})
