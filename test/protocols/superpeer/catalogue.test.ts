import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Peer } from '../../../protocols/core/peer.ts'
import { matches, parseQuery } from '../../../protocols/search/index.ts'
import {
  bitsFor,
  bucketHashes,
  bucketOf,
  type CatalogueHead,
  type CatalogueItem,
  keyOf,
  keyRange,
  MemoryCatalogueStore,
  rootOf,
  superPeerLimits
} from '../../../protocols/superpeer/index.ts'
import { Pull } from '../../../protocols/superpeer/pull.ts'
import { cryptoOf, itemNamed } from './world.ts'

const owner = 7 as Peer
const hash = cryptoOf(owner)

function headOf(items: readonly CatalogueItem[], publisher = owner): CatalogueHead {
  const keys = [...new Set(items.map(item => keyOf(item, hash)))].sort()
  const bits = bitsFor(keys.length)
  const root = rootOf(bucketHashes(keys, bits, hash), hash)
  return { publisher, seq: 1, expires: 0, count: keys.length, bits, root, signature: new Uint8Array() }
}

function storeOf(items: readonly CatalogueItem[], publisher = owner): MemoryCatalogueStore {
  const store = new MemoryCatalogueStore()
  const added = items.map(item => ({ key: keyOf(item, hash), item }))
  store.apply(headOf(items, publisher), { added, removed: [] })
  return store
}

const named = (numbers: readonly number[]): CatalogueItem[] => [...new Set(numbers)].map(n => itemNamed(`file ${n}`))
const numbers = fc.array(fc.nat({ max: 400 }), { maxLength: 300 })

test('about sixteen items lie in a bucket, whatever their number', () => {
  const cases: [number, number][] = [
    [0, 0],
    [16, 0],
    [17, 1],
    [32, 1],
    [33, 2],
    [20_000, 11]
  ]
  for (const [count, bits] of cases) assert.equal(bitsFor(count), bits, String(count))
})

test('the root says what is in a catalogue, not in which order', () => {
  fc.assert(
    fc.property(numbers, numbers, (a, b) => {
      const isSame = [...new Set(a)].sort().join() === [...new Set(b)].sort().join()
      assert.equal(headOf(named(a)).root, headOf(named([...a].reverse())).root)
      assert.equal(headOf(named(a)).root === headOf(named(b)).root, isSame)
    })
  )
})

test('each key lies in the range of its bucket, and the ranges follow one another', () => {
  fc.assert(
    fc.property(fc.nat({ max: superPeerLimits.maxBits }), fc.nat(), (bits, n) => {
      const key = keyOf(itemNamed(`x${n}`), hash)
      const bucket = bucketOf(key, bits)
      const { from, to } = keyRange(bits, bucket)
      assert.ok(bucket < 2 ** bits && from <= key && key < to)
      if (bucket > 0) assert.equal(keyRange(bits, bucket - 1).to, from)
    })
  )
})

/** Fetches what is missing from `source`. Returns the items that travelled. */
function fetch(pull: Pull, source: MemoryCatalogueStore): number {
  let travelled = 0
  while (pull.missing > 0) {
    const asked = pull.next()
    const items = asked.flatMap(bucket => source.bucket(owner, pull.head.bits, bucket).map(({ item }) => item))
    travelled += items.length
    assert.notEqual(pull.takeItems(asked, items), 0, 'no progress')
  }
  return travelled
}

test('from any copy to any catalogue, with no more than the buckets that differ', () => {
  fc.assert(
    fc.property(numbers, numbers, (before, after) => {
      const copy = storeOf(named(before))
      const source = storeOf(named(after))
      const head = headOf(named(after))
      const pull = new Pull(head, copy.keys(owner), hash)
      if (pull.needsHashes) assert.ok(pull.takeHashes(bucketHashes(source.keys(owner), head.bits, hash)))
      fetch(pull, source)
      const change = pull.change()
      assert.ok(change !== undefined)
      copy.apply(head, change)
      assert.deepEqual(copy.keys(owner), source.keys(owner))
    })
  )
})

test('one new file among 5,000 moves one bucket', () => {
  const all = Array.from({ length: 5_001 }, (_, i) => i)
  const source = storeOf(named(all))
  const head = headOf(named(all))
  const pull = new Pull(head, storeOf(named(all.slice(1))).keys(owner), hash)
  assert.ok(pull.takeHashes(bucketHashes(source.keys(owner), head.bits, hash)))
  const travelled = fetch(pull, source)
  assert.ok(travelled < 60, `${travelled} items`)
})

test('a source that leaves out, adds or changes an item is not believed, bucket by bucket', () => {
  const all = Array.from({ length: 100 }, (_, i) => i)
  const source = storeOf(named(all))
  const head = headOf(named(all))
  const hashes = bucketHashes(source.keys(owner), head.bits, hash)
  const lies: ((items: CatalogueItem[]) => CatalogueItem[])[] = [
    items => items.slice(1),
    items => [...items, itemNamed('spam')],
    items => items.map(item => ({ ...item, size: 1 })),
    () => []
  ]
  for (const lie of lies) {
    const pull = new Pull(head, [], hash)
    assert.ok(pull.takeHashes(hashes))
    const first = pull.next()[0] as number
    const spam = bucketOf(keyOf(itemNamed('spam'), hash), head.bits)
    const bucket = lie([]).length > 0 ? spam : first
    const items = source.bucket(owner, head.bits, bucket).map(({ item }) => item)
    assert.equal(pull.takeItems([bucket], lie(items)), 0)
    assert.equal(pull.takeItems([bucket], items), 1)
  }
  assert.equal(new Pull(head, [], hash).takeHashes(hashes.toReversed()), false)
})

test('a head that lies about the number of items is found out', () => {
  const items = named([1, 2, 3])
  const pull = new Pull({ ...headOf(items), count: 2 }, [], hash)
  fetch(pull, storeOf(items))
  assert.equal(pull.change(), undefined)
})

test('the store finds what the query language says, for those who are there', () => {
  const words = ['red', 'blue', 'Sea', 'song', 'live', '2024']
  const name = fc.array(fc.constantFrom(...words), { minLength: 1, maxLength: 4 }).map(list => `${list.join(' ')}.mp3`)
  const catalogue = fc.array(name, { maxLength: 12 })
  const text = fc.constantFrom('red', 'sea song', 'so*', 'red -blue', '"blue sea"', 'type:audio', 'red size:1..2000')
  fc.assert(
    fc.property(fc.array(catalogue, { maxLength: 5 }), text, fc.nat({ max: 4 }), (catalogues, query, gone) => {
      const store = new MemoryCatalogueStore()
      const expected: string[] = []
      catalogues.forEach((names, i) => {
        const items = [...new Set(names)].map(one => itemNamed(one))
        const added = items.map(item => ({ key: keyOf(item, hash), item }))
        store.apply(headOf(items, i as Peer), { added, removed: [] })
        if (i === gone) return
        for (const item of items) if (matches(parseQuery(query), item)) expected.push(`${i} ${item.name}`)
      })
      const limits = { perHolder: 100, total: 1_000, isLive: (holder: Peer) => holder !== gone }
      const found = store.search({ kind: 'words', text: query }, limits)
      const told = found.flatMap(({ holder, hits }) => hits.map(hit => `${holder} ${hit.name}`))
      assert.deepEqual(told.sort(), expected.sort())
    })
  )
})

test('the store counts what it holds, and forgets what is dropped', () => {
  fc.assert(
    fc.property(numbers, numbers, (a, b) => {
      const store = storeOf(named(a), 1 as Peer)
      const added = named(b).map(item => ({ key: keyOf(item, hash), item }))
      store.apply(headOf(named(b), 2 as Peer), { added, removed: [] })
      assert.equal(store.usage().items, new Set(a).size + new Set(b).size)
      store.drop(1 as Peer)
      store.drop(2 as Peer)
      assert.deepEqual({ ...store.usage() }, { publishers: 0, items: 0, bytes: 0 })
      assert.deepEqual(
        store.search({ kind: 'words', text: 'file' }, { perHolder: 1, total: 1, isLive: () => true }),
        []
      )
    })
  )
})
