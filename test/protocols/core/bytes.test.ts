import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ByteReader } from '../../../protocols/core/byte-reader.ts'
import { ByteWriter } from '../../../protocols/core/byte-writer.ts'
import { DecodeError } from '../../../protocols/core/codec.ts'

const field = fc.oneof(
  fc.record({ kind: fc.constant('u8' as const), value: fc.nat(0xff) }),
  fc.record({ kind: fc.constant('u16' as const), value: fc.nat(0xffff) }),
  fc.record({ kind: fc.constant('u32' as const), value: fc.nat(0xffffffff) }),
  fc.record({ kind: fc.constant('u53' as const), value: fc.maxSafeNat() }),
  fc.record({ kind: fc.constant('varint' as const), value: fc.nat(400) }),
  fc.record({ kind: fc.constant('varText' as const), value: fc.string({ unit: 'grapheme', maxLength: 50 }) }),
  fc.record({ kind: fc.constant('text' as const), value: fc.string({ unit: 'grapheme', maxLength: 50 }) }),
  fc.record({ kind: fc.constant('shortBytes' as const), value: fc.uint8Array({ maxLength: 300 }) })
)

test('what a writer writes a reader reads', () => {
  fc.assert(
    fc.property(fc.array(field, { maxLength: 40 }), fields => {
      const writer = new ByteWriter(1)
      for (const { kind, value } of fields) (writer[kind] as (value: unknown) => void).call(writer, value)
      const reader = new ByteReader(writer.finish())
      for (const { kind, value } of fields) assert.deepEqual(reader[kind](400), value)
      reader.end()
    })
  )
})

test('a reader throws DecodeError on any cut of a message, and never anything else', () => {
  fc.assert(
    fc.property(fc.array(field, { minLength: 1, maxLength: 20 }), fc.nat(), (fields, at) => {
      const writer = new ByteWriter()
      for (const { kind, value } of fields) (writer[kind] as (value: unknown) => void).call(writer, value)
      const bytes = writer.finish()
      const cut = bytes.subarray(0, at % bytes.byteLength)
      assert.throws(() => {
        const reader = new ByteReader(cut)
        for (const { kind } of fields) reader[kind](400)
      }, DecodeError)
    })
  )
})

const refused: [string, number[], (reader: ByteReader) => unknown][] = [
  ['a length above the limit', [0, 5, 1, 2, 3, 4, 5], reader => reader.shortBytes(4)],
  ['a length beyond the message', [0, 5, 1], reader => reader.shortBytes(9)],
  ['a count above the limit', [0xff, 0xff], reader => reader.list(10, r => r.u8())],
  ['text that is not UTF-8', [0, 2, 0xc3, 0x28], reader => reader.text(9)],
  ['an overlong encoding', [0, 2, 0xc0, 0x80], reader => reader.text(9)],
  ['a number above 2^53', [0, 0x20, 0, 0, 0, 0, 0, 0], reader => reader.u53()],
  ['a varint above the limit', [0x81, 0x08], reader => reader.varint(1_024)],
  ['a varint that is longer than it has to be', [0x81, 0x00], reader => reader.varint(1_024)],
  ['a varint without end', new Array<number>(20).fill(0x80), reader => reader.varint(Number.MAX_SAFE_INTEGER)],
  ['a varint that is cut', [0x81], reader => reader.varint(1_024)],
  ['a text behind a varint above the limit', [5, 1, 2, 3, 4, 5], reader => reader.varText(4)],
  ['trailing bytes', [1, 2], reader => [reader.u8(), reader.end()]]
]
for (const [what, bytes, read] of refused) {
  test(`refuses ${what}`, () => {
    assert.throws(() => read(new ByteReader(Uint8Array.from(bytes))), DecodeError)
  })
}

test('a varint takes a byte for each 7 bits, up to 2^53', () => {
  fc.assert(
    fc.property(fc.oneof(fc.maxSafeNat(), fc.nat(20_000)), value => {
      const bytes = new ByteWriter().varint(value).finish()
      assert.equal(bytes.byteLength, Math.max(1, Math.ceil(value.toString(2).length / 7)))
      assert.equal(new ByteReader(bytes).varint(Number.MAX_SAFE_INTEGER), value)
    })
  )
})

test('a writer refuses a value that its field cannot hold', () => {
  for (const value of [-1, 256, 1.5, Number.NaN]) assert.throws(() => new ByteWriter().u8(value), RangeError)
  assert.throws(() => new ByteWriter().u53(2 ** 53), RangeError)
  for (const value of [-1, 1.5, 2 ** 53]) assert.throws(() => new ByteWriter().varint(value), RangeError)
  assert.throws(() => new ByteWriter().shortBytes(new Uint8Array(65_536)), RangeError)
})
