import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import fc from 'fast-check'
import type { RingId } from '../../protocols/core/keyspace.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import {
  type Entry,
  type EntryKind,
  type Head,
  MemoryRecordStore,
  type RecordStore,
  type StoredEntry
} from '../../protocols/directory/index.ts'
import { openDatabase } from '../../src/database.ts'
import { directorySchema } from '../../src/directory/record-schema.ts'
import { SqliteRecordStore } from '../../src/directory/record-store.ts'

const folder = mkdtempSync(join(tmpdir(), 'shoal-records-'))
after(() => rmSync(folder, { recursive: true }))

const hashOf = (text: string): RingId => createHash('sha256').update(text).digest('hex') as RingId
const peerOf = (i: number): Peer => `peer ${i}` as Peer
const SELF = peerOf(0)
const KEYS = ['00'.repeat(32), ...['a', 'b', 'c', 'd'].map(hashOf), 'ff'.repeat(32)] as RingId[]
const KINDS: EntryKind[] = ['value', 'member', 'own']

function inMemory(): DatabaseSync {
  const database = new DatabaseSync(':memory:')
  database.exec(directorySchema)
  return database
}

const storeOn = (database: DatabaseSync, network = 'net', self = SELF): SqliteRecordStore =>
  new SqliteRecordStore(database, { network, self })

interface Drawn {
  key: number
  publisher: number
  kind: number
  seq: number
  expires: number
  isRemoved: boolean
}

function recordOf({ key, publisher, kind, seq, expires, isRemoved }: Drawn): StoredEntry {
  const entry: Entry = {
    key: KEYS[key] as RingId,
    kind: KINDS[kind] as EntryKind,
    publisher: peerOf(publisher),
    seq,
    expires,
    isRemoved,
    // a value is the same whoever publishes it
    payload: new Uint8Array(isRemoved ? 0 : kind === 0 ? key * 100 : seq % 5).fill(key),
    signature: new Uint8Array(seq % 3).fill(7)
  }
  return { entry, publisherId: hashOf(`${entry.publisher}`), hash: hashOf(JSON.stringify([key, publisher, kind, seq])) }
}

const drawn: fc.Arbitrary<Drawn> = fc.record({
  key: fc.nat(KEYS.length - 1),
  publisher: fc.nat(3),
  kind: fc.nat(2),
  // above what 32 bits hold
  seq: fc.nat(20).map(seq => seq + 2 ** 41),
  expires: fc.integer({ min: 1_000_000, max: 1_000_300 }),
  isRemoved: fc.boolean()
})

const step = fc.oneof(
  drawn.map(record => ({ type: 'put' as const, record })),
  drawn.map(record => ({ type: 'delete' as const, record })),
  fc.tuple(drawn, fc.double({ min: 0, max: 1_000, noNaN: true })).map(([record, dueMs]) => ({
    type: 'putOwn' as const,
    record: { ...record, publisher: 0 },
    dueMs
  })),
  drawn.map(record => ({ type: 'deleteOwn' as const, record }))
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

function apply(store: RecordStore, action: Step): void {
  const record = recordOf(action.record)
  if (action.type === 'put') store.put(record)
  else if (action.type === 'delete') store.delete(record.entry.key, record.publisherId)
  else if (action.type === 'putOwn') store.putOwn(record.entry, action.dueMs)
  else store.deleteOwn(record.entry.key)
}

const byPlace = (a: Head, b: Head): number => (`${a.key}${a.publisherId}` < `${b.key}${b.publisherId}` ? -1 : 1)

/** Everything that a store can be asked, in an order that it does not choose. */
function answersOf(store: RecordStore): unknown {
  const arcs = KEYS.flatMap(from => KEYS.map(to => [...store.arc(from, to)]))
  return {
    arcs,
    at: KEYS.map(key =>
      store
        .at(key)
        .toSorted((a, b) => (a.publisherId < b.publisherId ? -1 : 1))
        .map(plain)
    ),
    each: KEYS.map(key => [0, 1, 2, 3].map(i => plain(store.get(key, hashOf(`${peerOf(i)}`))))),
    counts: KEYS.map(key => store.countAt(key)),
    usage: { ...store.usage() },
    usages: [0, 1, 2, 3, 4].map(i => ({ ...store.usageOf(hashOf(`${peerOf(i)}`)) })),
    expired: [0, 1_000_000, 1_000_150, 1_000_301].map(before => store.expiredBefore(before, 100).toSorted(byPlace)),
    few: store.expiredBefore(1_000_301, 2).length,
    own: KEYS.map(key => plainEntry(store.getOwn(key))),
    due: [0, 500, 1_000].map(until => store.ownDue(until, 100).map(plainEntry)),
    firstDue: store.ownDue(1_000, 2).map(plainEntry),
    next: store.nextOwnDue(),
    ownCount: store.ownCount()
  }
}

const plainEntry = (entry: Entry | undefined): unknown =>
  entry && { ...entry, payload: [...entry.payload], signature: [...entry.signature] }
const plain = (record: StoredEntry | undefined): unknown => record && { ...record, entry: plainEntry(record.entry) }

test('it answers as the store in memory does, whatever was done, and after it was opened again', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), actions => {
      const database = inMemory()
      const store = storeOn(database)
      const model = new MemoryRecordStore()
      for (const action of actions) {
        apply(store, action)
        apply(model, action)
      }
      const expected = answersOf(model)
      assert.deepEqual(answersOf(store), expected)
      assert.deepEqual(answersOf(storeOn(database)), expected)
      database.close()
    })
  )
})

test('an arc may be left half read, read twice at once, and has more than one page', () => {
  const store = storeOn(inMemory())
  const keys = Array.from({ length: 1_500 }, (_, i) => hashOf(`${i}`)).sort()
  const one = recordOf({ key: 1, publisher: 1, kind: 1, seq: 5, expires: 1, isRemoved: false })
  for (const key of keys) store.put({ ...one, entry: { ...one.entry, key } })
  const [first] = store.arc(KEYS[0] as RingId, KEYS[5] as RingId)
  assert.equal(first?.key, keys[0])
  const twice = [store.arc(KEYS[5] as RingId, KEYS[5] as RingId), store.arc(keys[700] as RingId, keys[700] as RingId)]
  const read: RingId[][] = [[], []]
  for (let i = 0; i < keys.length; i++) {
    for (const [at, arc] of twice.entries()) read[at]?.push((arc.next().value as Head).key)
  }
  assert.deepEqual(read[0], keys)
  assert.deepEqual(read[1], [...keys.slice(701), ...keys.slice(0, 701)])
})

test('the bytes of a value are kept once, as long as anybody publishes it', () => {
  const database = inMemory()
  const store = storeOn(database)
  const ofValue = (publisher: number, isRemoved = false): StoredEntry =>
    recordOf({ key: 2, publisher, kind: 0, seq: 1 + Number(isRemoved), expires: 1, isRemoved })
  const kept = (): unknown => database.prepare('SELECT count(*) AS n FROM directory_values').get()?.n
  for (const i of [1, 2, 3]) store.put(ofValue(i))
  assert.equal(kept(), 1)
  store.delete(KEYS[2] as RingId, ofValue(1).publisherId)
  store.put(ofValue(2, true))
  assert.equal(kept(), 1)
  assert.equal(store.get(KEYS[2] as RingId, ofValue(3).publisherId)?.entry.payload.byteLength, 200)
  store.put(ofValue(3, true))
  assert.equal(kept(), 0)
})

test('in another network what lay here for others is gone, and what is its own waits', () => {
  const database = inMemory()
  const record = recordOf({ key: 1, publisher: 0, kind: 0, seq: 5, expires: 1_000, isRemoved: false })
  const home = storeOn(database)
  home.put(record)
  home.putOwn(record.entry, 10)
  home.putOwn({ ...record.entry, key: KEYS[2] as RingId, isRemoved: true }, 10)
  assert.deepEqual(home.ownKeys(), [KEYS[1]])

  const abroad = storeOn(database, 'group')
  assert.deepEqual(abroad.usage(), { entries: 0, bytes: 0 })
  assert.deepEqual([abroad.ownKeys(), abroad.ownCount(), abroad.nextOwnDue()], [[], 0, undefined])
  assert.deepEqual([...abroad.arc(KEYS[0] as RingId, KEYS[0] as RingId)], [])
  assert.equal(database.prepare('SELECT count(*) AS n FROM directory_values').get()?.n, 0)

  const back = storeOn(database)
  assert.deepEqual([back.ownKeys(), back.nextOwnDue()], [[KEYS[1]], 10])
  assert.equal(storeOn(database, 'net', peerOf(1)).ownCount(), 0, 'another key: others would take them for forged')
})

test('own entries that this node holds itself are due when they are to be brought again', () => {
  const store = storeOn(inMemory())
  const records = [1, 2].map(key => recordOf({ key, publisher: 0, kind: 1, seq: 5, expires: 1_000, isRemoved: false }))
  const [held, elsewhere] = records as [StoredEntry, StoredEntry]
  store.put(held)
  store.putOwn(held.entry, 5_000)
  store.putOwn(elsewhere.entry, 4_000)
  store.bringAgain(held.publisherId, 100)
  assert.deepEqual(
    store.ownDue(100, 10).map(({ key }) => key),
    [held.entry.key]
  )
  store.bringAgain(held.publisherId, 200)
  assert.equal(store.nextOwnDue(), 100, 'never later than before')
})

test('entries outlive the process', () => {
  const path = join(folder, 'records.db')
  const record = recordOf({ key: 1, publisher: 3, kind: 0, seq: 5, expires: 1_000, isRemoved: false })
  const first = openDatabase(path, [directorySchema])
  storeOn(first).put(record)
  storeOn(first).putOwn({ ...record.entry, publisher: SELF }, 7)
  first.close()
  const second = openDatabase(path, [directorySchema])
  const store = storeOn(second)
  assert.deepEqual(plain(store.get(record.entry.key, record.publisherId)), plain(record))
  assert.deepEqual(store.ownKeys(), [record.entry.key])
  second.close()
})
