import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DecodeError } from '../../protocols/core/codec.ts'
import type { FileId, Infohash } from '../../protocols/core/ids.ts'
import { directoryLimits } from '../../protocols/directory/index.ts'
import {
  decodeHolding,
  decodeWordFiles,
  encodeHolding,
  encodeWordFiles,
  holdersKey,
  metainfoKey,
  payloadLimits,
  wordKey
} from '../../src/directory/payloads.ts'

const id = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(bytes => Buffer.from(bytes).toString('hex') as FileId)
const size = fc.maxSafeNat()
const holding = fc.record(
  {
    of: fc.constantFrom('file' as const, 'collection' as const),
    size,
    name: fc.string({ unit: 'grapheme', maxLength: 40 }),
    infohash: id.map(text => text as string as Infohash),
    trackers: fc.array(fc.webUrl({ size: 'small' }), { maxLength: payloadLimits.maxTrackers })
  },
  { requiredKeys: ['of', 'size', 'name', 'trackers'], noNullPrototype: true }
)

test('what is said comes back as it was, and fits', () => {
  fc.assert(
    fc.property(holding, said => {
      fc.pre(Buffer.byteLength(said.name) <= payloadLimits.maxNameBytes && said.name.isWellFormed())
      const payload = encodeHolding(said)
      assert.ok(payload.byteLength <= directoryLimits.memberBytes)
      assert.deepEqual(decodeHolding(payload), said)
    })
  )
})

test('of many files as many are said as there is room for, the first ones first', () => {
  const files = fc.array(
    fc.record({ id, size, name: fc.string({ unit: 'grapheme', maxLength: 300 }) }, { noNullPrototype: true }),
    { maxLength: 40 }
  )
  fc.assert(
    fc.property(files, having => {
      const payload = encodeWordFiles(having)
      assert.ok(payload.byteLength <= directoryLimits.memberBytes)
      const read = decodeWordFiles(payload)
      assert.ok(read.length >= Math.min(having.length, 10))
      assert.deepEqual(
        read.map(file => file.id),
        having.slice(0, read.length).map(file => file.id)
      )
      assert.ok(read.every(({ name }) => Buffer.byteLength(name) <= payloadLimits.maxWordNameBytes))
    })
  )
})

test('of a long path its end is said', () => {
  const name = `${'folder/'.repeat(100)}sea.txt`
  const { name: short } = decodeHolding(encodeHolding({ of: 'file', size: 1, name, trackers: [] }))
  assert.ok(name.endsWith(short) && short.endsWith('/sea.txt') && Buffer.byteLength(short) <= 255)
})

test('any bytes are a statement within the limits or a DecodeError', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.tuple(holding, fc.nat(60), fc.nat(255)).map(([said, at, value]) => {
      const payload = encodeHolding(said)
      if (at < payload.byteLength) payload[at] = value
      return payload
    })
  )
  fc.assert(
    fc.property(bytes, payload => {
      for (const read of [decodeHolding, decodeWordFiles]) {
        try {
          read(payload)
        } catch (error) {
          assert.ok(error instanceof DecodeError, String(error))
        }
      }
    }),
    { numRuns: 1_000 }
  )
})

test('keys of different things differ; a metainfo lies under its own hash', () => {
  const text = 'ab'.repeat(32) as FileId & Infohash
  assert.equal(metainfoKey(text), text)
  assert.equal(new Set([metainfoKey(text), holdersKey(text), wordKey(text)]).size, 3)
})
