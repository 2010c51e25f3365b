import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { FileId, Infohash } from '../../protocols/core/ids.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import type { Query } from '../../protocols/search/index.ts'
import {
  bitsFor,
  bucketHashes,
  type CatalogueHead,
  type CatalogueItem,
  type Change,
  type ItemKey,
  type KeyedItem,
  keyOf,
  rootOf
} from '../../protocols/superpeer/catalogue.ts'
import type { CatalogueStore } from '../../protocols/superpeer/catalogue-store.ts'
import { MemoryCatalogueStore } from '../../protocols/superpeer/memory-catalogue-store.ts'
import { openDatabase } from '../../src/database.ts'
import { sha256 } from '../../src/sha256.ts'
import { catalogueSchema } from '../../src/superpeer/catalogue-schema.ts'
import { SqliteCatalogueStore } from '../../src/superpeer/catalogue-store.ts'

const [ALICE, BOB, CAROL] = ['alice', 'bob', 'carol'] as unknown as [Peer, Peer, Peer]
const PEERS = [ALICE, BOB, CAROL]
const WORDS = ['red', 'green', 'blue', 'whale', 'song']

function sqlite(): SqliteCatalogueStore {
  return new SqliteCatalogueStore(openDatabase(':memory:', [catalogueSchema]))
}

const item: fc.Arbitrary<CatalogueItem> = fc
  .record({
    id: fc.constantFrom('a', 'b', 'c').map(digit => digit.repeat(64) as FileId),
    words: fc.array(fc.constantFrom(...WORDS), { minLength: 1, maxLength: 3 }),
    type: fc.constantFrom('mp3', 'txt'),
    size: fc.constantFrom(0, 1, 1_000, 2 ** 50),
    infohash: fc.option(
      fc.constantFrom('d', 'e').map(digit => digit.repeat(64) as Infohash),
      { nil: undefined }
    )
  })
  .map(({ id, words, type, size, infohash }) => ({
    id,
    name: `${words.join(' ')}.${type}`,
    size,
    ...(infohash === undefined ? {} : { infohash })
  }))

const queries: Query[] = [
  ...['red', 'whale song', 'gre*', '"red green"', 'red -blue', 'type:audio', 'size:>1K', '"', 'RED'].map(
    text => ({ kind: 'words', text }) as const
  ),
  ...['a', 'd', 'f'].map(digit => ({ kind: 'id', id: digit.repeat(64) as FileId }) as const)
]

/** The change that makes a publisher's catalogue what it is to be, and its head. */
function changeTo(
  store: CatalogueStore,
  publisher: Peer,
  items: readonly CatalogueItem[],
  seq: number
): { head: CatalogueHead; change: Change } {
  const wanted = new Map<ItemKey, KeyedItem>(
    items.map(it => [keyOf(it, { sha256 }), { key: keyOf(it, { sha256 }), item: it }])
  )
  const added = [...wanted.values()].filter(({ key }) => !store.has(publisher, key))
  const removed = store.keys(publisher).filter(key => !wanted.has(key))
  const bits = bitsFor(wanted.size)
  const root = rootOf(bucketHashes([...wanted.keys()].sort(), bits, { sha256 }), { sha256 })
  const head = {
    publisher,
    seq,
    expires: 2_000_000_000,
    count: wanted.size,
    bits,
    root,
    signature: Uint8Array.of(seq)
  }
  return { head, change: { added, removed } }
}

function looks(store: CatalogueStore, live: ReadonlySet<Peer>): unknown {
  const isLive = (peer: Peer): boolean => live.has(peer)
  return {
    heads: [...store.heads()].sort((a, b) => String(a.publisher).localeCompare(String(b.publisher))),
    keys: PEERS.map(peer => store.keys(peer)),
    buckets: PEERS.map(peer => [0, 1, 2, 3].map(bucket => store.bucket(peer, 2, bucket))),
    usage: { ...store.usage() },
    usageOf: PEERS.map(peer => ({ ...store.usageOf(peer) })),
    found: queries.map(query =>
      store
        .search(query, { perHolder: 100, total: 1_000, isLive })
        .map(({ holder, hits }) => ({ holder, hits: hits.map(hit => JSON.stringify(hit)).sort() }))
        .sort((a, b) => String(a.holder).localeCompare(String(b.holder)))
    )
  }
}

test('catalogues on disk are those in memory, whatever is put, changed, dropped and asked', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          peer: fc.constantFrom(...PEERS),
          items: fc.option(fc.array(item, { maxLength: 40 }), { nil: undefined, freq: 5 })
        }),
        { minLength: 1, maxLength: 8 }
      ),
      fc.subarray(PEERS),
      (steps, live) => {
        const [disk, memory] = [sqlite(), new MemoryCatalogueStore()]
        for (const [i, { peer, items }] of steps.entries()) {
          for (const store of [disk, memory]) {
            if (items === undefined) store.drop(peer)
            else {
              const { head, change } = changeTo(store, peer, items, i + 1)
              store.apply(head, change)
            }
          }
        }
        assert.deepEqual(looks(disk, new Set(live)), looks(memory, new Set(live)))
      }
    ),
    { numRuns: 150 }
  )
})

test('an answer is no longer than asked for, and the best of each holder', () => {
  const store = sqlite()
  for (const [i, peer] of PEERS.entries()) {
    const items = Array.from({ length: 30 }, (_, n) => ({
      id: 'a'.repeat(64) as FileId,
      name: n === 0 ? 'whale' : `whale and some other words ${n}`,
      size: 1
    }))
    const { head, change } = changeTo(store, peer, items, i + 1)
    store.apply(head, change)
  }
  const query: Query = { kind: 'words', text: 'whale' }
  const few = store.search(query, { perHolder: 2, total: 100, isLive: () => true })
  assert.deepEqual(
    few.map(({ hits }) => hits.length),
    [2, 2, 2]
  )
  for (const { hits } of few) assert.equal(hits[0]?.name, 'whale')
  const least = store.search(query, { perHolder: 2, total: 3, isLive: () => true })
  assert.equal(
    least.reduce((sum, { hits }) => sum + hits.length, 0),
    3
  )
  assert.deepEqual(
    store.search(query, { perHolder: 2, total: 100, isLive: peer => peer === BOB }).map(it => it.holder),
    [BOB]
  )
})

test('a summary is told all words, ids and infohashes of those that are there', () => {
  const store = sqlite()
  const items = [{ id: 'a'.repeat(64) as FileId, name: 'Red Whale.mp3', size: 1, infohash: 'd'.repeat(64) as Infohash }]
  const { head, change } = changeTo(store, ALICE, items, 1)
  store.apply(head, change)
  const keys = new Set(store.summaryKeys(() => true))
  for (const key of ['red', 'whale', 'a'.repeat(64), 'd'.repeat(64)]) assert(keys.has(key), key)
  assert(![...store.summaryKeys(() => false)].includes('a'.repeat(64)))
})

test('a catalogue that is dropped leaves nothing behind', () => {
  const database = openDatabase(':memory:', [catalogueSchema])
  const store = new SqliteCatalogueStore(database)
  const items = Array.from({ length: 100 }, (_, n) => ({ id: 'a'.repeat(64) as FileId, name: `song ${n}`, size: n }))
  const { head, change } = changeTo(store, CAROL, items, 1)
  store.apply(head, change)
  store.drop(CAROL)
  for (const table of ['catalogues', 'catalogue_items', 'catalogue_words']) {
    assert.equal(database.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n, 0, table)
  }
})
