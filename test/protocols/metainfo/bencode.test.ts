import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DecodeError } from '../../../protocols/core/codec.ts'
import {
  ascii,
  type Bencode,
  bencodeLimits,
  decodeBencode,
  decodeWithSpan,
  encodeBencode
} from '../../../protocols/metainfo/index.ts'

const value = fc.letrec<{ any: Bencode }>(tie => ({
  any: fc.oneof(
    { maxDepth: 4 },
    fc.maxSafeInteger(),
    fc.uint8Array({ maxLength: 40 }),
    fc.array(tie('any'), { maxLength: 5 }),
    fc
      .array(fc.tuple(fc.uint8Array({ maxLength: 8 }), tie('any')), { maxLength: 5 })
      .map(entries => new Map(entries.map(([k, v]) => [String.fromCharCode(...k), v])))
  )
})).any

function sorted(v: Bencode): Bencode {
  if (Array.isArray(v)) return v.map(sorted)
  if (v instanceof Map)
    return new Map([...v].sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, inner]) => [k, sorted(inner)]))
  return typeof v === 'number' && Object.is(v, -0) ? 0 : v
}

test('what is encoded is decoded, and the encoding is canonical', () => {
  fc.assert(
    fc.property(value, v => {
      const bytes = encodeBencode(v)
      const back = decodeBencode(bytes)
      assert.deepEqual(back, sorted(v))
      assert.deepEqual(encodeBencode(back), bytes)
    })
  )
})

test('what decodes encodes to the same bytes; anything else is a DecodeError', () => {
  fc.assert(
    fc.property(value, fc.nat(), fc.nat(255), (v, at, byte) => {
      const bytes = encodeBencode(v).slice()
      bytes[at % bytes.byteLength] = byte
      let back: Bencode
      try {
        back = decodeBencode(bytes)
      } catch (error) {
        assert.ok(error instanceof DecodeError, String(error))
        return
      }
      assert.deepEqual(encodeBencode(back), bytes)
    }),
    { numRuns: 2000 }
  )
})

const refused = [
  '',
  'i',
  'ie',
  'i-e',
  'i-0e',
  'i01e',
  'i1',
  'i1.5e',
  'i9007199254740992e',
  'i-9007199254740992e',
  `i${'9'.repeat(400)}e`,
  '1',
  '1:',
  '01:a',
  '-1:a',
  '2:a',
  '99999999999999999999:a',
  ':',
  'l',
  'd',
  'e',
  'le1:a',
  'd1:ae',
  'd1:b0:1:a0:e',
  'd1:a0:1:a0:e',
  'di1e0:e',
  'dle0:e',
  '0:0:',
  'i1ei2e',
  'x'
]
for (const text of refused) {
  test(`refuses ${JSON.stringify(text.slice(0, 30))}`, () => {
    assert.throws(() => decodeBencode(ascii(text)), DecodeError)
  })
}

test('depth, tokens and bytes are bounded, and depth costs no stack', () => {
  const deep = ascii('l'.repeat(1_000_000) + 'e'.repeat(1_000_000))
  assert.throws(() => decodeBencode(deep), DecodeError)
  const limits = { ...bencodeLimits, maxDepth: 1_000_001, maxTokens: 3_000_000 }
  assert.ok(Array.isArray(decodeBencode(deep, limits)))
  assert.throws(() => decodeBencode(ascii(`l${'le'.repeat(100)}e`), { ...bencodeLimits, maxTokens: 100 }), DecodeError)
  assert.throws(() => decodeBencode(new Uint8Array(100), { ...bencodeLimits, maxBytes: 99 }), DecodeError)
})

test('keys that name parts of objects are only keys', () => {
  const back = decodeBencode(ascii('d9:__proto__d1:xi1eee')) as Map<string, Bencode>
  assert.equal(back.get('__proto__') instanceof Map, true)
  assert.equal(({} as Record<string, unknown>).x, undefined)
})

test('the span of a key is the bytes as they were written', () => {
  const { span } = decodeWithSpan(ascii('d1:ai1e4:infod1:xli1ei2eeee'), 'info')
  assert.deepEqual(span, ascii('d1:xli1ei2eee'))
})
