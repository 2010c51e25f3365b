import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DecodeError } from '../../../protocols/core/codec.ts'
import type { FileId, Infohash } from '../../../protocols/core/ids.ts'
import { indexPeers, type Peer } from '../../../protocols/core/peer.ts'
import {
  bitsFor,
  type CatalogueHead,
  type CatalogueItem,
  type ItemKey,
  REFUSALS,
  type SuperPeerMessage,
  superPeerCodec,
  superPeerLimits
} from '../../../protocols/superpeer/index.ts'
import { packed } from '../../../protocols/superpeer/packing.ts'
import { fileId, itemNamed } from './world.ts'

const codec = superPeerCodec(indexPeers)

const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record(model, { noNullPrototype: true })
const typed = <T extends string>(type: T) => fc.constant(type)
const peer = fc.nat().map(index => index as Peer)
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const u16 = fc.integer({ min: 0, max: 0xffff })
const u8 = fc.integer({ min: 0, max: 255 })
const u53 = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
const signature = fc.uint8Array({ maxLength: 64 })
const hex = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map(b => Buffer.from(b).toString('hex'))
const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
const size = fc.integer({ min: 0, max: 2 ** 50 })
const id = hex(32).map(text => text as FileId)
const item: fc.Arbitrary<CatalogueItem> = fc.oneof(
  record({ id, name, size }),
  record({ id, name, size, infohash: hex(32).map(text => text as Infohash) })
)
const items = fc.array(item, { maxLength: 5 })
const advert = record({ peer, issued: u32, free: u16, clients: u16, items: u32, load: u8, signature })
const adverts = fc.array(advert, { maxLength: superPeerLimits.maxAdverts })
const count = fc.integer({ min: 0, max: superPeerLimits.maxItems })
const head: fc.Arbitrary<CatalogueHead> = count.chain(many =>
  record({
    publisher: peer,
    seq: u53,
    expires: u32,
    count: fc.constant(many),
    bits: fc.constant(bitsFor(many)),
    root: hex(32),
    signature
  })
)
const query = fc.oneof(
  record({ kind: typed('words'), text: fc.string({ minLength: 1, maxLength: 60 }) }),
  record({ kind: typed('id'), id })
)
const account = record({
  peersAsked: fc.integer({ min: 0, max: 1_000 }),
  messages: fc.integer({ min: 0, max: 1_000 }),
  complete: fc.boolean(),
  more: fc.boolean()
})
const answer = fc
  .array(record({ holder: fc.integer({ min: 0, max: 90 }).map(i => i as Peer), hit: item }), { maxLength: 200 })
  .map(found => packed(found.map(one => ({ ...one, hops: 1 })))[0] ?? { holders: [], hits: [] })
const message: fc.Arbitrary<SuperPeerMessage> = fc.oneof(
  record({ type: typed('adverts'), adverts }),
  record({ type: typed('advertsWanted'), missing: fc.integer({ min: 0, max: superPeerLimits.maxMissing }) }),
  record({ type: typed('volunteersWanted'), missing: fc.integer({ min: 0, max: superPeerLimits.maxMissing }) }),
  record({ type: typed('attach'), head, siblings: fc.array(peer, { maxLength: superPeerLimits.maxSiblings }) }),
  record({ type: typed('accepted') }),
  record({ type: typed('refused'), why: fc.constantFrom(...REFUSALS), adverts }),
  record({
    type: typed('update'),
    head,
    base: u53,
    added: items,
    removed: fc.array(
      hex(16).map(text => text as ItemKey),
      { maxLength: 5 }
    )
  }),
  record({ type: typed('indexed'), seq: u53 }),
  record({ type: typed('hashesWanted'), id: u32, bits: fc.integer({ min: 0, max: superPeerLimits.maxBits }) }),
  record({
    type: typed('hashes'),
    id: u32,
    hashes: fc.array(fc.uint8Array({ minLength: 16, maxLength: 16 }), { maxLength: 5 })
  }),
  record({
    type: typed('bucketsWanted'),
    id: u32,
    publisher: peer,
    bits: fc.constant(4),
    buckets: fc
      .uniqueArray(fc.integer({ min: 0, max: 15 }), { maxLength: superPeerLimits.maxBuckets })
      .map(buckets => buckets.sort((a, b) => a - b))
  }),
  record({ type: typed('items'), id: u32, isLast: fc.boolean(), items }),
  record({ type: typed('detach'), forget: fc.boolean() }),
  record({ type: typed('ping') }),
  record({ type: typed('pong'), adverts }),
  record({
    type: typed('ask'),
    ask: u32,
    query,
    want: u8,
    limit: u8,
    budget: u32,
    timeoutMs: u32,
    told: fc.uint32Array({ maxLength: 20 })
  }),
  fc.tuple(answer, u32).map(([parts, ask]) => ({ type: 'answer' as const, ask, ...parts })),
  fc.tuple(answer, u32, account).map(([parts, ask, sum]) => ({ type: 'answer' as const, ask, ...parts, account: sum })),
  record({ type: typed('stopAsk'), ask: u32 })
)

test('every message comes back as it was', () => {
  fc.assert(fc.property(message, sent => assert.deepEqual(codec.decode(codec.encode(sent)), sent)))
})

test('a message that is cut at any byte, or goes on, is refused', () => {
  fc.assert(
    fc.property(message, sent => {
      const bytes = codec.encode(sent)
      for (let end = 0; end < bytes.byteLength; end += Math.ceil(bytes.byteLength / 500)) {
        assert.throws(() => codec.decode(bytes.subarray(0, end)), DecodeError)
      }
      assert.throws(() => codec.decode(Uint8Array.of(...bytes, 0)), DecodeError)
    }),
    { numRuns: 50 }
  )
})

test('whatever the bytes are, they are a message or a DecodeError', () => {
  const damaged = fc.tuple(message, fc.nat(), u8).map(([sent, at, byte]) => {
    const bytes = codec.encode(sent).slice()
    bytes[at % bytes.byteLength] = byte
    return bytes
  })
  fc.assert(
    fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 200 })), bytes => {
      try {
        codec.decode(bytes)
      } catch (error) {
        assert.ok(error instanceof DecodeError, String(error))
      }
    }),
    { numRuns: 500 }
  )
})

test('what is beyond a limit is refused', () => {
  const good = { ...itemNamed('a'), name: 'a' }
  const cases: [string, SuperPeerMessage][] = [
    ['items', { type: 'items', id: 1, isLast: true, items: Array.from({ length: 1_025 }, () => good) }],
    ['a name', { type: 'items', id: 1, isLast: true, items: [{ ...good, name: 'x'.repeat(1_025) }] }],
    ['no name', { type: 'items', id: 1, isLast: true, items: [{ ...good, name: '' }] }],
    ['a size', { type: 'items', id: 1, isLast: true, items: [{ ...good, size: 2 ** 50 + 1 }] }],
    ['a bucket', { type: 'bucketsWanted', id: 1, publisher: 1 as Peer, bits: 2, buckets: [4] }],
    ['buckets twice', { type: 'bucketsWanted', id: 1, publisher: 1 as Peer, bits: 2, buckets: [1, 1] }],
    ['bits', { type: 'hashesWanted', id: 1, bits: superPeerLimits.maxBits + 1 }],
    [
      'a holder that is not there',
      { type: 'answer', ask: 1, holders: [{ peer: 1 as Peer, hops: 1 }], hits: [{ hit: good, holders: [1] }] }
    ],
    ['a hit of nobody', { type: 'answer', ask: 1, holders: [], hits: [{ hit: good, holders: [] }] }]
  ]
  for (const [what, sent] of cases) assert.throws(() => codec.decode(codec.encode(sent)), DecodeError, what)
})

test('a file that many have is told once', () => {
  const hit = { id: fileId('one'), name: 'a song that many have.mp3', size: 4_000_000 }
  const found = Array.from({ length: 60 }, (_, i) => ({ holder: i as Peer, hops: 1, hit }))
  const [message, ...others] = packed(found)
  assert.equal(others.length, 0)
  assert.equal(message?.hits.length, 1)
  const bytes = codec.encode({ type: 'answer', ask: 1, holders: message?.holders ?? [], hits: message?.hits ?? [] })
  assert.ok(bytes.byteLength < 60 * 6 + 100, `${bytes.byteLength} bytes`)
})

test('packed messages tell all of it, each within the limits', () => {
  const one = fc.record({ holder: fc.nat({ max: 200 }), file: fc.nat({ max: 50 }), long: fc.boolean() })
  fc.assert(
    fc.property(fc.array(one, { maxLength: 400 }), all => {
      const found = all.map(({ holder, file, long }) => ({
        holder: holder as Peer,
        hops: 1,
        hit: { id: fileId(String(file)), name: long ? 'n'.repeat(1_000) : 'n', size: 1 }
      }))
      const told = new Set<string>()
      for (const { holders, hits } of packed(found)) {
        assert.ok(holders.length <= 64)
        for (const { hit, holders: places } of hits) {
          for (const place of places) told.add(`${holders[place]?.peer} ${hit.id} ${hit.name}`)
        }
        assert.ok(codec.encode({ type: 'answer', ask: 0, holders, hits }).byteLength < 64 * 1024)
      }
      assert.deepEqual(told, new Set(found.map(({ holder, hit }) => `${holder} ${hit.id} ${hit.name}`)))
    }),
    { numRuns: 50 }
  )
})
