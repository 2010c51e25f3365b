import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DecodeError } from '../../../protocols/core/codec.ts'
import type { RingId } from '../../../protocols/core/keyspace.ts'
import { indexPeers, type Peer } from '../../../protocols/core/peer.ts'
import {
  type DirectoryMessage,
  directoryCodec,
  directoryLimits,
  type Entry,
  OUTCOMES
} from '../../../protocols/directory/index.ts'
import { hashOf } from './world.ts'

const codec = directoryCodec(indexPeers)
const { maxEntriesInMessage, maxListed, maxParts } = directoryLimits

const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record(model, { noNullPrototype: true })
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const u53 = fc.maxSafeNat()
const peer = fc.nat().map(index => index as Peer)
const key = fc.integer().map(n => hashOf(`key ${n}`))
const short = fc.tuple(u32, u32).map(parts => parts.map(part => part.toString(16).padStart(8, '0')).join(''))
const bytes = (maxLength: number) => fc.uint8Array({ maxLength })
const entry: fc.Arbitrary<Entry> = record({
  key,
  kind: fc.constantFrom('value' as const, 'member' as const, 'own' as const),
  publisher: peer,
  seq: u53,
  expires: u32,
  isRemoved: fc.boolean(),
  payload: bytes(300),
  signature: bytes(64)
})
const entries = fc.array(entry, { maxLength: 4 })
const outcome = fc.constantFrom(...OUTCOMES)
const digest = { count: u32, low: u32, high: u32 }
const type = <T extends string>(name: T) => fc.constant(name)
const message: fc.Arbitrary<DirectoryMessage> = fc.oneof(
  record({ type: type('store'), id: u32, entry }),
  record({ type: type('stored'), id: u32, outcome, copies: fc.nat(255) }),
  record({ type: type('stored'), id: u32, outcome, copies: fc.nat(255), hint: peer }),
  record({ type: type('fetch'), id: u32, key, isCached: fc.boolean() }),
  record({
    type: type('fetched'),
    id: u32,
    isMine: fc.boolean(),
    isHot: fc.boolean(),
    total: fc.nat(0xffff),
    entries
  }),
  record({ type: type('push'), id: u32, entries }),
  record({ type: type('push'), id: u32, arcFrom: key, entries }),
  record({ type: type('pushed'), id: u32, outcomes: fc.array(outcome, { maxLength: maxEntriesInMessage }) }),
  record({
    type: type('compare'),
    id: u32,
    salt: u32,
    isOwner: fc.boolean(),
    from: key,
    to: key,
    digest: record(digest)
  }),
  record({ type: type('same'), id: u32 }),
  record({
    type: type('listing'),
    id: u32,
    records: fc.array(record({ id: short, seq: u53, hash: short }), { maxLength: 20 })
  }),
  record({
    type: type('parts'),
    id: u32,
    parts: fc.array(record({ to: key, ...digest }), { maxLength: maxParts })
  }),
  record({
    type: type('pull'),
    id: u32,
    salt: u32,
    from: key,
    to: key,
    ids: fc.array(short, { maxLength: maxEntriesInMessage })
  }),
  record({ type: type('pulled'), id: u32, entries }),
  record({ type: type('busy'), id: u32 }),
  record({ type: type('cache'), key, total: fc.nat(0xffff), entries })
)

test('every message comes back as it was', () => {
  fc.assert(fc.property(message, sent => assert.deepEqual(codec.decode(codec.encode(sent)), sent)))
})

test('a message that is cut off anywhere, or goes on, is refused', () => {
  fc.assert(
    fc.property(message, sent => {
      const whole = codec.encode(sent)
      for (let length = 0; length < whole.byteLength; length++) {
        assert.throws(() => codec.decode(whole.subarray(0, length)), DecodeError, `${length} of ${whole.byteLength}`)
      }
      assert.throws(() => codec.decode(Uint8Array.of(...whole, 0)), DecodeError)
    }),
    { numRuns: 60 }
  )
})

const KEY = '0f'.repeat(32) as RingId
const K = new Array(32).fill(0x0f)

test('the bytes are those of the specification', () => {
  const said: Entry = {
    key: KEY,
    kind: 'own',
    publisher: 7 as Peer,
    seq: 0x0102030405,
    expires: 9,
    isRemoved: true,
    payload: Uint8Array.of(1, 65),
    signature: Uint8Array.of(5, 6)
  }
  const E = [...K, 0x82, 0, 0, 0, 7, 0, 0, 0, 1, 2, 3, 4, 5, 0, 0, 0, 9, 0, 2, 1, 65, 0, 2, 5, 6]
  const id = 0x01020304
  const I = [1, 2, 3, 4]
  const D = [0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]
  const digest = { count: 1, high: 2, low: 3 }
  const cases: [DirectoryMessage, number[]][] = [
    [{ type: 'store', id, entry: said }, [0, ...I, ...E]],
    [{ type: 'stored', id, outcome: 'old', copies: 3 }, [1, ...I, 2, 3, 0]],
    [{ type: 'stored', id, outcome: 'notMine', copies: 0, hint: 8 as Peer }, [1, ...I, 12, 0, 1, 0, 0, 0, 8]],
    [{ type: 'fetch', id, key: KEY, isCached: true }, [2, ...I, ...K, 1]],
    [
      { type: 'fetched', id, isMine: true, isHot: false, total: 258, entries: [said] },
      [3, ...I, 1, 0, 1, 2, 0, 1, ...E]
    ],
    [{ type: 'push', id, entries: [] }, [4, ...I, 0, 0, 0]],
    [{ type: 'push', id, arcFrom: KEY, entries: [said] }, [4, ...I, 1, ...K, 0, 1, ...E]],
    [{ type: 'pushed', id, outcomes: ['stored', 'tooOften'] }, [5, ...I, 0, 2, 0, 13]],
    [
      { type: 'compare', id, salt: 9, isOwner: true, from: KEY, to: KEY, digest },
      [6, ...I, 0, 0, 0, 9, 1, ...K, ...K, ...D]
    ],
    [{ type: 'same', id }, [7, ...I]],
    [
      { type: 'listing', id, records: [{ id: '00000000000000aa', seq: 4, hash: 'ff00000000000001' }] },
      [8, ...I, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xaa, 0, 0, 0, 0, 0, 0, 0, 4, 0xff, 0, 0, 0, 0, 0, 0, 1]
    ],
    [{ type: 'parts', id, parts: [{ to: KEY, ...digest }] }, [9, ...I, 0, 1, ...K, ...D]],
    [
      { type: 'pull', id, salt: 9, from: KEY, to: KEY, ids: ['00000000000000aa'] },
      [10, ...I, 0, 0, 0, 9, ...K, ...K, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xaa]
    ],
    [{ type: 'pulled', id, entries: [said] }, [11, ...I, 0, 1, ...E]],
    [{ type: 'busy', id }, [12, ...I]],
    [{ type: 'cache', key: KEY, total: 1, entries: [said] }, [13, ...K, 0, 1, 0, 1, ...E]]
  ]
  for (const [sent, expected] of cases) assert.deepEqual([...codec.encode(sent)], expected, sent.type)
})

test('what is beyond a limit', () => {
  const entryOf = (flags: number, length: number, signature: number): number[] => [
    ...K,
    flags,
    ...new Array(16).fill(0),
    length >> 8,
    length & 255,
    ...new Array(length).fill(0),
    0,
    signature,
    ...new Array(signature).fill(0)
  ]
  const id = [0, 0, 0, 0]
  const u16 = (value: number): number[] => [value >> 8, value & 255]
  const refused: [string, number[], RegExp][] = [
    ['nothing', [], /ends inside/],
    ['an unknown type', [14], /unknown type/],
    ['an entry of unknown kind', [0, ...id, ...entryOf(3, 0, 0)], /unknown kind/],
    ['an unknown outcome', [1, ...id, OUTCOMES.length, 0, 0], /unknown outcome/],
    ['a flag of 2', [2, ...id, ...K, 2], /flag/],
    ['a value that is too long', [0, ...id, ...entryOf(0, 16_385, 0)], /16385 bytes, limit 16384/],
    ['a member that is too long', [0, ...id, ...entryOf(1, 2_049, 0)], /2049 bytes, limit 2048/],
    ['an own entry that is too long', [0, ...id, ...entryOf(2, 4_097, 0)], /4097 bytes, limit 4096/],
    ['a signature that is too long', [0, ...id, ...entryOf(1, 0, 65)], /65 bytes, limit 64/],
    ['65 entries', [11, ...id, ...u16(65)], /65 items, limit 64/],
    ['65 outcomes', [5, ...id, ...u16(65)], /65 items, limit 64/],
    ['257 records', [8, ...id, ...u16(257)], /257 items, limit 256/],
    ['17 parts', [9, ...id, ...u16(17)], /17 items, limit 16/],
    ['65 ids', [10, ...id, ...id, ...K, ...K, ...u16(65)], /65 items, limit 64/]
  ]
  for (const [what, sent, reason] of refused) {
    assert.throws(() => codec.decode(Uint8Array.from(sent)), { name: 'DecodeError', message: reason }, what)
  }
  const listed = { id: '0'.repeat(16), seq: 0, hash: '0'.repeat(16) }
  const records = new Array(maxListed + 1).fill(listed)
  assert.throws(() => codec.encode({ type: 'listing', id: 1, records }), RangeError)
})

test('any bytes are a message within the limits or a DecodeError', () => {
  const hostile = fc
    .tuple(message, fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 3 }), fc.integer({ min: -3, max: 3 }))
    .map(([sent, changes, longer]) => {
      const encoded = codec.encode(sent)
      const changed = new Uint8Array(Math.max(0, encoded.byteLength + longer))
      changed.set(encoded.subarray(0, changed.byteLength))
      for (const [at, value] of changes) if (at < changed.byteLength) changed[at] = value
      return changed
    })
  let readable = 0
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), hostile), sent => {
      let read: DirectoryMessage
      try {
        read = codec.decode(sent)
      } catch (error) {
        assert.ok(error instanceof DecodeError)
        return
      }
      readable++
      assert.deepEqual(codec.decode(codec.encode(read)), read)
    }),
    { numRuns: 3_000 }
  )
  assert.ok(readable > 100, `${readable} were readable`)
})
