import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DecodeError } from '../../../protocols/core/codec.ts'
import type { FileId, Infohash } from '../../../protocols/core/ids.ts'
import { indexPeers, type Peer } from '../../../protocols/core/peer.ts'
import { searchLimits } from '../../../protocols/search/config.ts'
import { inMessages, sendable } from '../../../protocols/search/hits.ts'
import {
  checkQuery,
  type Hit,
  type HitsMessage,
  hitBytes,
  type SearchMessage,
  type SummaryLevel,
  searchCodec,
  textBytes
} from '../../../protocols/search/messages.ts'
import { sum } from './bench.ts'

const codec = searchCodec(indexPeers)

const hex = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map(b => Buffer.from(b).toString('hex'))
const text = (maxBytes: number) =>
  fc
    .string({ unit: 'binary', minLength: 1, maxLength: maxBytes })
    .filter(value => value.isWellFormed() && textBytes(value) <= maxBytes)
const hit: fc.Arbitrary<Hit> = fc.record(
  {
    id: hex(32).map(id => id as FileId),
    name: text(searchLimits.maxNameBytes),
    size: fc.integer({ min: 0, max: searchLimits.maxSize }),
    infohash: hex(32).map(id => id as Infohash)
  },
  { requiredKeys: ['id', 'name', 'size'] }
)
const report = {
  peers: fc.integer({ min: 0, max: searchLimits.maxReportedPeers }),
  messages: fc.integer({ min: 0, max: searchLimits.maxReportedMessages }),
  complete: fc.boolean(),
  more: fc.boolean(),
  beyond: fc.boolean()
}
/** Few bits that turn, and many. */
const level = (maxLog: number): fc.Arbitrary<SummaryLevel> =>
  fc.integer({ min: 9, max: maxLog }).chain(log =>
    fc
      .oneof(
        fc.uniqueArray(fc.integer({ min: 0, max: 2 ** log - 1 }), { maxLength: 20 }),
        fc.integer({ min: 1, max: 40 }).map(step => Array.from({ length: 2 ** log / step }, (_, i) => i * step))
      )
      .map(flips => ({ bits: 2 ** log, flips: Uint32Array.from(flips).sort() }))
  )
const message: fc.Arbitrary<SearchMessage> = fc.oneof(
  fc.record({
    type: fc.constant('query' as const),
    id: hex(16),
    ttl: fc.integer({ min: 0, max: 255 }),
    hops: fc.integer({ min: 0, max: 255 }),
    width: fc.integer({ min: 0, max: 255 }),
    budget: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    want: fc.integer({ min: 0, max: 255 }),
    limit: fc.integer({ min: 0, max: searchLimits.maxHits }),
    query: fc.oneof(
      fc.record({ kind: fc.constant('words' as const), text: text(searchLimits.maxTextBytes) }),
      fc.record({ kind: fc.constant('id' as const), id: hex(32).map(id => id as FileId) })
    )
  }),
  fc.record(
    {
      type: fc.constant('hits' as const),
      id: hex(16),
      holder: fc.integer({ min: 0, max: 2 ** 32 - 1 }).map(peer => peer as Peer),
      hops: fc.integer({ min: 0, max: 255 }),
      hits: fc.array(hit, { minLength: 1, maxLength: 8 }),
      report: fc.record(report)
    },
    { requiredKeys: ['type', 'id', 'holder', 'hops', 'hits'] }
  ),
  fc.record({ type: fc.constant('report' as const), id: hex(16), ...report }),
  fc.record({
    type: fc.constant('summary' as const),
    version: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
    base: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    levels: fc.oneof(fc.tuple(level(18)), fc.tuple(level(12), level(17)), fc.tuple(level(12), level(17), level(12)))
  }),
  fc.constant({ type: 'summaryWanted' as const })
)

const sample = (name = 'a', size = 1): Hit => ({ id: 'ab'.repeat(32) as FileId, name, size })
const hits = (list: readonly Hit[]): HitsMessage => ({
  type: 'hits',
  id: '0f'.repeat(16),
  holder: 7 as Peer,
  hops: 1,
  hits: list
})

test('what is encoded is decoded', () => {
  fc.assert(
    fc.property(message, value => {
      // fast-check also gives objects without a prototype
      assert.deepEqual(codec.decode(codec.encode(value)), structuredClone(value))
    })
  )
})

test('bytes of strangers are a message or a DecodeError', () => {
  const attempt = (bytes: Uint8Array): void => {
    try {
      codec.encode(codec.decode(bytes))
    } catch (error) {
      assert.ok(error instanceof DecodeError, `${error}`)
    }
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), attempt))
  fc.assert(
    fc.property(message, fc.nat(), fc.integer({ min: 0, max: 255 }), (value, at, byte) => {
      const bytes = codec.encode(value).slice()
      bytes[at % bytes.byteLength] = byte
      attempt(bytes)
    })
  )
})

test('a message that is cut anywhere, or goes on, is refused', () => {
  fc.assert(
    fc.property(message, fc.nat(), (value, at) => {
      const bytes = codec.encode(value)
      assert.throws(() => codec.decode(bytes.subarray(0, at % bytes.byteLength)), DecodeError)
      assert.throws(() => codec.decode(Uint8Array.from([...bytes, 0])), DecodeError)
    })
  )
})

const query = (fields: Partial<Extract<SearchMessage, { type: 'query' }>>): Uint8Array =>
  codec.encode({
    type: 'query',
    id: '00'.repeat(16),
    ttl: 7,
    hops: 0,
    width: 255,
    budget: 100,
    want: 1,
    limit: 10,
    query: { kind: 'words', text: 'x' },
    ...fields
  })

const refused: [what: string, bytes: Uint8Array, reason: RegExp][] = [
  ['an unknown type', Uint8Array.of(5, ...new Uint8Array(40)), /unknown type/],
  ['an unknown kind of query', query({}).with(26, 2), /unknown kind/],
  ['a query without words', query({ query: { kind: 'words', text: '' } }), /without words/],
  ['a query of 257 bytes', query({ query: { kind: 'words', text: 'x'.repeat(257) } }), /257 bytes, limit 256/],
  ['a text that is not UTF-8', query({}).with(29, 0xff), /UTF-8/],
  ['no hits', codec.encode(hits([])), /without a hit/],
  ['101 hits', codec.encode(hits(new Array<Hit>(101).fill(sample()))), /list of 101/],
  ['a hit without a name', codec.encode(hits([sample('')])), /without a name/],
  ['a name of 1,025 bytes', codec.encode(hits([sample('x'.repeat(1025))])), /limit 1024/],
  ['a file above a PiB', codec.encode(hits([sample('a', 2 ** 50 + 1)])), /larger than any file/],
  ['a flag of 2 in a hit', codec.encode(hits([sample()])).with(-2, 2), /flag/],
  ['a flag of 2 for the report', codec.encode(hits([sample()])).with(-1, 2), /flag/],
  ['a report with a flag of 8', codec.encode({ type: 'report', id: '00'.repeat(16), ...sum() }).with(-1, 8), /flags/],
  ['hits with a report with a flag of 8', codec.encode({ ...hits([sample()]), report: sum() }).with(-1, 8), /flags/],
  ['more than 16 KiB', codec.encode(hits(new Array<Hit>(17).fill(sample('x'.repeat(1000))))), /too long/]
]
for (const [what, bytes, reason] of refused) {
  test(`refused: ${what}`, () => assert.throws(() => codec.decode(bytes), { name: 'DecodeError', message: reason }))
}

test('numbers that are only large are cut', () => {
  const big = codec.encode({
    type: 'report',
    id: '00'.repeat(16),
    peers: 2 ** 32 - 1,
    messages: 2 ** 32 - 1,
    complete: true,
    more: false,
    beyond: false
  })
  const cut = codec.decode(big) as Extract<SearchMessage, { type: 'report' }>
  assert.deepEqual([cut.peers, cut.messages], [searchLimits.maxReportedPeers, searchLimits.maxReportedMessages])
  const limited = codec.decode(query({ limit: 255 })) as Extract<SearchMessage, { type: 'query' }>
  assert.equal(limited.limit, searchLimits.maxHits)
})

test('hits are cut into messages that fit beside the longest name of a holder', () => {
  fc.assert(
    fc.property(fc.array(hit, { maxLength: 100 }), list => {
      const groups = inMessages(list)
      assert.deepEqual(groups.flat(), list)
      for (const group of groups) {
        assert.ok(group.reduce((bytes, one) => bytes + hitBytes(one), 0) <= searchLimits.maxHitsBytes)
        const bytes = codec.encode(hits(group)).byteLength
        assert.equal(bytes, 1 + 16 + 4 + 1 + 2 + 1 + group.reduce((sum, one) => sum + hitBytes(one), 0))
        const withReport = codec.encode({ ...hits(group), report: sum() }).byteLength
        assert.equal(withReport, bytes + 4 + 4 + 1)
        assert.ok(withReport - 4 + (2 + 64 + 2 + 1024) <= searchLimits.maxMessageBytes)
      }
    })
  )
})

test('only hits that a message can hold are sent, with names cut at a character', () => {
  const long = 'é'.repeat(600)
  const given = [
    sample(long),
    sample('', 1),
    sample('big', 2 ** 51),
    sample('half', 0.5),
    { ...sample('no id'), id: 'xyz' as FileId },
    sample('fine')
  ]
  const sent = sendable(given, 100)
  assert.deepEqual(
    sent.map(one => one.name),
    ['é'.repeat(512), 'fine']
  )
  assert.deepEqual(codec.decode(codec.encode(hits(sent))), hits(sent))
  assert.equal(sendable(new Array<Hit>(300).fill(sample()), 1_000).length, 100)
  assert.equal(sendable(new Array<Hit>(300).fill(sample()), 3).length, 3)
  assert.equal(sendable([sample(`${'x'.repeat(1023)}😀`)], 1)[0]!.name, 'x'.repeat(1023))
})

test('a query that cannot be sent is our own mistake', () => {
  assert.throws(() => checkQuery({ kind: 'words', text: '' }), RangeError)
  assert.throws(() => checkQuery({ kind: 'words', text: 'é'.repeat(129) }), RangeError)
  assert.throws(() => checkQuery({ kind: 'id', id: 'AB'.repeat(32) as FileId }), RangeError)
  checkQuery({ kind: 'words', text: 'é'.repeat(128) })
  checkQuery({ kind: 'id', id: 'ab'.repeat(32) as FileId })
})
