import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DecodeError } from '../../../protocols/core/codec.ts'
import type { FileId, Infohash } from '../../../protocols/core/ids.ts'
import { indexPeers, type Peer, type PeerCodec } from '../../../protocols/core/peer.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import { searchLimits } from '../../../protocols/search/config.ts'
import {
  choose,
  countedBytes,
  hitBytes,
  inMessages,
  sendable,
  textBytes,
  worstBytes
} from '../../../protocols/search/hits.ts'
import {
  type Answer,
  checkQuery,
  type Hit,
  type HolderHits,
  type SearchMessage,
  type SummaryLevel,
  searchCodec
} from '../../../protocols/search/messages.ts'
import { hits as answer, sum } from './bench.ts'

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
/** Of several holders, some of whose hits are the same, or the same file by another name, or of the same collection. */
const answers: fc.Arbitrary<Answer[]> = fc
  .record({
    hits: fc.array(hit, { minLength: 1, maxLength: 6 }),
    holders: fc.uniqueArray(fc.integer({ min: 0, max: 2 ** 32 - 1 }), { minLength: 1, maxLength: 20 }),
    hops: fc.integer({ min: 0, max: 255 }),
    seed: fc.integer()
  })
  .map(({ hits, holders, hops, seed }) => {
    const rng = seededRng(seed)
    const list = hits.flatMap(one => [
      one,
      { ...one, name: `other ${rng.below(9)}` },
      { ...rng.pick(hits), id: one.id }
    ])
    return holders.map((holder, i) => ({
      holder: holder as Peer,
      hops: (hops + i) % 256,
      hits: unique(rng.sample(list, 1 + rng.below(list.length)))
    }))
  })
const unique = (hits: readonly Hit[]): Hit[] => [...new Map(hits.map(one => [JSON.stringify(one), one])).values()]
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
      answers,
      report: fc.record(report)
    },
    { requiredKeys: ['type', 'id', 'answers'] }
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
const hits = (list: readonly Hit[]): Extract<SearchMessage, { type: 'hits' }> =>
  answer({ id: '0f'.repeat(16), holder: 7 as Peer, hits: list })
const many = (answers: readonly Answer[]): SearchMessage => ({ type: 'hits', id: '0f'.repeat(16), answers })
const of = (holder: number, list: readonly Hit[], hops = 1): Answer => ({ holder: holder as Peer, hops, hits: list })
/** Which hit of a holder comes first is not told. */
const inOrder = (message: SearchMessage): unknown => {
  if (message.type !== 'hits') return message
  const texts = (hits: readonly Hit[]): string[] =>
    hits.map(({ id, size, name, infohash }) => JSON.stringify([id, size, name, infohash])).sort()
  return { ...message, answers: message.answers.map(one => ({ ...one, hits: texts(one.hits) })) }
}

test('what is encoded is decoded', () => {
  fc.assert(
    fc.property(message, value => {
      // fast-check also gives objects without a prototype
      const copy = structuredClone(value)
      assert.deepEqual(inOrder(codec.decode(codec.encode(value))), inOrder(copy))
    })
  )
})

test('a hit that several have is written once, and is one object again', () => {
  const one = sample('x'.repeat(500))
  const alone = codec.encode(many([of(1, [one])])).byteLength
  const all = Array.from({ length: 20 }, (_, i) => of(i, [{ ...one }], 2))
  const bytes = codec.encode(many(all))
  // a name in the simulator and its hops, and a bitmap with how it is told
  assert.equal(bytes.byteLength, alone + 19 * 5 + 1 + 3)
  const read = codec.decode(bytes) as Extract<SearchMessage, { type: 'hits' }>
  assert.equal(new Set(read.answers.flatMap(({ hits }) => hits)).size, 1)
  assert.deepEqual(read.answers, all)
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

/** Where the first hit of one holder has its flags, and the first of two has who it is of. */
const FLAGS = 1 + 16 + 1 + 5 + 1
const HAVING = FLAGS + 5 + 36 + 1
const two = [of(1, [sample()]), of(2, [sample()])]
const nine = Array.from({ length: 9 }, (_, i) => of(i, [i === 8 ? sample('last') : sample()]))

const refused: [what: string, bytes: Uint8Array, reason: RegExp][] = [
  ['an unknown type', Uint8Array.of(5, ...new Uint8Array(40)), /unknown type/],
  ['an unknown kind of query', query({}).with(23, 2), /unknown kind/],
  ['a query without words', query({ query: { kind: 'words', text: '' } }), /without words/],
  ['a query of 257 bytes', query({ query: { kind: 'words', text: 'x'.repeat(257) } }), /257 bytes, limit 256/],
  ['a text that is not UTF-8', query({}).with(25, 0xff), /UTF-8/],
  ['no hits', codec.encode(hits([])), /without a hit/],
  ['no holders', codec.encode(many([])), /without a hit/],
  ['a holder without a hit among others', codec.encode(many([of(1, [sample()]), of(2, [])])), /without a hit/],
  ['a holder twice', codec.encode(many([of(1, [sample()]), of(1, [sample('b')])])), /named twice/],
  ['65 holders', codec.encode(many(Array.from({ length: 65 }, (_, i) => of(i, [sample()])))), /above 64/],
  ['101 hits', codec.encode(hits(Array.from({ length: 101 }, (_, i) => sample('a', i)))), /more than 100 hits/],
  ['a hit without a name', codec.encode(hits([sample('')])), /without a name/],
  ['a name of 1,025 bytes', codec.encode(hits([sample('x'.repeat(1025))])), /limit 1024/],
  ['a file above a PiB', codec.encode(hits([sample('a', 2 ** 50 + 1)])), /above 1125899906842624/],
  ['flags of 8 in a hit', codec.encode(hits([sample()])).with(FLAGS, 8), /unknown flags/],
  ['two infohashes in a hit', codec.encode(hits([sample()])).with(FLAGS, 3), /unknown flags/],
  ['a first hit that is like another', codec.encode(hits([sample()])).with(FLAGS, 4), /like another/],
  ['a first hit in the collection of another', codec.encode(hits([sample()])).with(FLAGS, 2), /like another/],
  [
    'a hit in the collection of one that is in none',
    codec.encode(hits([sample('a'), sample('b')])).with(FLAGS + 36, 6),
    /that is in none/
  ],
  ['a hit of nobody', codec.encode(many(two)).with(HAVING, 0), /of nobody/],
  ['a hit of one that is not named', codec.encode(many(two)).with(HAVING, 4), /not named/],
  ['holders that are not in order', Uint8Array.of(...codec.encode(many(nine)).subarray(0, -3), 2, 0, 0, 0), /in order/],
  ['a flag of 2 for the report', codec.encode(hits([sample()])).with(-1, 2), /flag/],
  ['a report with a flag of 8', codec.encode({ type: 'report', id: '00'.repeat(16), ...sum() }).with(-1, 8), /flags/],
  ['hits with a report with a flag of 8', codec.encode({ ...hits([sample()]), report: sum() }).with(-1, 8), /flags/],
  [
    'hits that could take more than 64 KiB with other names of the holders',
    codec.encode(many(Array.from({ length: 60 }, (_, i) => of(i, [sample()])))),
    /too long/
  ],
  [
    'more than 64 KiB',
    codec.encode(hits(Array.from({ length: 65 }, (_, i) => sample('x'.repeat(1000), i)))),
    /too long/
  ]
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

/** Names as long as may be. */
const longPeers: PeerCodec = {
  write: (writer, peer) => writer.u32(peer as number).bytes(new Uint8Array(searchLimits.maxHolderBytes - 1 - 4)),
  read: indexPeers.read
}

test('answers are cut into messages that fit whatever is known of the holders', () => {
  const long = searchCodec(longPeers)
  const clients = fc.array(fc.array(hit, { minLength: 1, maxLength: 100 }), { minLength: 1, maxLength: 200 })
  fc.assert(
    fc.property(clients, lists => {
      const all = lists.map((list, i) => of(i, unique(list)))
      const messages = inMessages(all)
      const joined = new Map<Peer, Hit[]>()
      for (const answers of messages) {
        assert.ok(worstBytes(answers) <= searchLimits.maxHitsMessageBytes)
        const withReport = { type: 'hits', id: '0f'.repeat(16), answers, report: sum(10 ** 6, 10 ** 8) } as const
        assert.ok(long.encode(withReport).byteLength <= searchLimits.maxHitsMessageBytes)
        codec.decode(codec.encode(withReport))
        for (const { holder, hits } of answers) joined.set(holder, [...(joined.get(holder) ?? []), ...hits])
      }
      assert.deepEqual(
        [...joined],
        all.map(({ holder, hits }) => [holder, hits])
      )
    }),
    { numRuns: 30 }
  )
})

test('what hits take in a message is known', () => {
  fc.assert(
    fc.property(fc.array(hit, { minLength: 1, maxLength: 20 }).map(unique), list => {
      // no two that are like one another
      const apart = [...new Map(list.map(one => [one.id, { ...one, infohash: undefined }])).values()]
      const bytes = codec.encode(hits(apart as Hit[])).byteLength
      assert.equal(bytes, 1 + 16 + 1 + 5 + 1 + 1 + apart.reduce((all, one) => all + hitBytes(one as Hit), 0))
    })
  )
})

const choice = { limit: 100, most: 256, maxBytes: 256 * 1024, isLeftOut: () => false }
const rng = seededRng(1)

test('an answer names so many holders and takes so many bytes, of a random choice, and tells that there are more', () => {
  const found = (holders: number, hits = 1, name = 'x'): HolderHits[] =>
    Array.from({ length: holders }, (_, i) => ({
      holder: i as Peer,
      hits: Array.from({ length: hits }, (_, size) => sample(`${name} ${i}`, size))
    }))
  assert.equal(choose(found(256), choice, rng).isCut, false)
  const { chosen, isCut } = choose(found(300), choice, rng)
  assert.deepEqual([chosen.length, isCut], [256, true])
  const counts = new Array<number>(10).fill(0)
  for (let i = 0; i < 1_000; i++) {
    for (const { holder } of choose(found(10), { ...choice, most: 3 }, rng).chosen) counts[holder as number]!++
  }
  for (const count of counts) assert.ok(count > 230 && count < 370, `${counts}`)
  const large = choose(found(100, 100, 'x'.repeat(500)), choice, rng)
  assert.equal(large.isCut, true)
  assert.ok(countedBytes(large.chosen.map(one => ({ ...one, hops: 1 }))) <= choice.maxBytes)
  assert.equal(large.chosen.length, 5)
  assert.deepEqual(choose(found(3), { ...choice, isLeftOut: peer => peer !== 1 }, rng).chosen, found(3).slice(1, 2))
  assert.equal(choose([...found(3), ...found(3)], choice, rng).chosen.length, 3, 'each holder is named once')
  const same = choose(
    [0, 1].map(i => ({ holder: i as Peer, hits: [sample()] })),
    choice,
    rng
  ).chosen
  assert.equal(same[0]!.hits[0], same[1]!.hits[0], 'and what they share is one hit')
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
