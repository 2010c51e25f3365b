import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isOwned, type RingId } from '../../../protocols/core/keyspace.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { type Head, MemoryRecordStore, type StoredEntry, storedBytes } from '../../../protocols/directory/index.ts'
import { entryOf, hashOf, idOf } from './world.ts'

const KEYS = Array.from({ length: 6 }, (_, i) => hashOf(`key ${i}`))

function recordOf(key: number, publisher: number, seq: number, expires: number): StoredEntry {
  const entry = entryOf(publisher as Peer, {
    key: KEYS[key] as RingId,
    seq,
    expires,
    payload: new Uint8Array(seq % 7),
    signature: new Uint8Array()
  })
  return { entry, publisherId: idOf(publisher as Peer), hash: hashOf(`${key} ${publisher} ${seq}`) }
}

const action = fc.record({
  isPut: fc.boolean(),
  key: fc.nat(KEYS.length - 1),
  publisher: fc.nat(3),
  seq: fc.nat(50),
  expires: fc.nat(600)
})

function headOf({ entry, publisherId, hash }: StoredEntry): Head {
  return { key: entry.key, publisherId, seq: entry.seq, hash }
}

const byPlace = (a: Head, b: Head): number => (`${a.key}${a.publisherId}` < `${b.key}${b.publisherId}` ? -1 : 1)

test('it keeps what a list would keep', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 40 }), fc.nat(5), fc.nat(5), fc.nat(600), (actions, a, b, before) => {
      const store = new MemoryRecordStore()
      const model = new Map<string, StoredEntry>()
      for (const { isPut, key, publisher, seq, expires } of actions) {
        const record = recordOf(key, publisher, seq, expires)
        if (isPut) {
          store.put(record)
          model.set(`${key} ${publisher}`, record)
        } else {
          store.delete(record.entry.key, record.publisherId)
          model.delete(`${key} ${publisher}`)
        }
      }
      const all = [...model.values()]
      const bytes = (records: StoredEntry[]): number => records.reduce((sum, { entry }) => sum + storedBytes(entry), 0)
      assert.deepEqual(store.usage(), { entries: all.length, bytes: bytes(all) })
      for (let publisher = 0; publisher <= 3; publisher++) {
        const its = all.filter(({ entry }) => entry.publisher === publisher)
        assert.deepEqual(store.usageOf(idOf(publisher as Peer)), { entries: its.length, bytes: bytes(its) })
      }
      for (const key of KEYS) {
        const here = all.filter(({ entry }) => entry.key === key)
        assert.equal(store.countAt(key), here.length)
        assert.deepEqual(store.at(key).map(headOf).sort(byPlace), here.map(headOf).sort(byPlace))
        for (const record of here) assert.deepEqual(store.get(key, record.publisherId), record)
      }
      // clockwise from just after `from`: first what is above it
      const [from, to] = [KEYS[a], KEYS[b]] as [RingId, RingId]
      const inside = all.map(headOf).filter(({ key }) => isOwned(from, key, to))
      const above = inside.filter(({ key }) => key > from).sort(byPlace)
      const wrapped = inside.filter(({ key }) => key <= from).sort(byPlace)
      assert.deepEqual([...store.arc(from, to)], [...above, ...wrapped])
      const expired = all.map(headOf).filter(({ key, publisherId }) => {
        return (store.get(key, publisherId)?.entry.expires ?? 0) < before
      })
      assert.deepEqual(store.expiredBefore(before, 100).sort(byPlace), expired.sort(byPlace))
      assert.ok(store.expiredBefore(before, 2).length <= 2)
    })
  )
})

test('own entries come when they are due, and are no part of what is kept for others', () => {
  const store = new MemoryRecordStore()
  const entries = [30, 10, 20].map((dueMs, i) => {
    const { entry } = recordOf(i, 1, i, 100)
    store.putOwn(entry, dueMs)
    return entry
  })
  assert.equal(store.nextOwnDue(), 10)
  assert.deepEqual(store.ownDue(20, 10), [entries[1], entries[2]])
  assert.deepEqual(store.ownDue(30, 1), [entries[1]])
  store.putOwn(entries[1] as StoredEntry['entry'], 40)
  assert.equal(store.nextOwnDue(), 20)
  store.deleteOwn(KEYS[2] as RingId)
  assert.equal(store.nextOwnDue(), 30)
  assert.equal(store.ownCount(), 2)
  assert.equal(store.getOwn(KEYS[0] as RingId), entries[0])
  assert.deepEqual(store.usage(), { entries: 0, bytes: 0 })
})

test('one value that many publish is in memory once', () => {
  const store = new MemoryRecordStore()
  for (const publisher of [1, 2] as Peer[]) {
    const entry = entryOf(publisher, { key: KEYS[0] as RingId, kind: 'value', payload: Uint8Array.of(1, 2) })
    store.put({ entry, publisherId: idOf(publisher), hash: hashOf(`${publisher}`) })
  }
  const [a, b] = store.at(KEYS[0] as RingId)
  assert.equal(a?.entry.payload, b?.entry.payload)
})
