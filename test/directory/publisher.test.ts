import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import type { FileId, Infohash } from '../../protocols/core/ids.ts'
import type { RingId } from '../../protocols/core/keyspace.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import { type Draft, type Entry, keyOfValue } from '../../protocols/directory/index.ts'
import { parseQuery } from '../../protocols/search/index.ts'
import { DirectoryFinding } from '../../src/directory/finding.ts'
import { holdersKey, metainfoKey, wordKey } from '../../src/directory/payloads.ts'
import { type PublishedFile, Publisher, type PublisherParts, publisherSchema } from '../../src/directory/publisher.ts'
import { sha256 } from '../../src/sha256.ts'

const ME = 'me' as Peer
const id = (n: number): FileId => n.toString(16).padStart(64, '0') as FileId

/** A directory that is a table. */
class Table {
  readonly entries = new Map<RingId, Entry>()
  readonly puts: RingId[] = []
  readonly removed: RingId[] = []
  /** What others have published of a key. */
  others = 0

  async put(draft: Draft): Promise<void> {
    if (draft.kind === 'own') throw new RangeError('not here')
    const { kind, payload } = draft
    const key = draft.kind === 'value' ? keyOfValue({ sha256 }, payload) : draft.key
    this.puts.push(key)
    this.entries.set(key, {
      key,
      kind,
      payload,
      publisher: ME,
      seq: 1,
      expires: 1,
      isRemoved: false,
      signature: new Uint8Array()
    })
  }

  async remove(key: RingId): Promise<void> {
    this.removed.push(key)
    this.entries.delete(key)
  }

  async get(key: RingId): Promise<{ entries: Entry[]; total: number }> {
    const entry = this.entries.get(key)
    return { entries: entry === undefined ? [] : [entry], total: this.others + Number(entry !== undefined) }
  }

  own(key: RingId): Entry | undefined {
    return this.entries.get(key)
  }
}

function world(parts: Partial<PublisherParts> = {}) {
  const database = new DatabaseSync(':memory:')
  database.exec(publisherSchema)
  const table = new Table()
  const shared = {
    files: [] as PublishedFile[],
    collections: [] as { infohash: Infohash; name: string; size: number; trackers: string[][] }[],
    infos: new Map<Infohash, Uint8Array>()
  }
  const make = (): Publisher =>
    new Publisher({
      database,
      library: {
        files: limit => shared.files.slice(0, limit),
        collections: () => shared.collections,
        infoOf: infohash => shared.infos.get(infohash)
      },
      directory: table,
      isNear: () => false,
      others: () => 1_000,
      ownTracker: '/p2p/me',
      ...parts
    })
  return { table, shared, make, publisher: make() }
}

const info = (length: number): { infohash: Infohash; bytes: Uint8Array } => {
  const bytes = new Uint8Array(length).fill(0x64)
  return { infohash: keyOfValue({ sha256 }, bytes) as string as Infohash, bytes }
}

test('what is shared is said under its ids and under the longest words of its names, and found there', async () => {
  const { table, shared, publisher } = world()
  shared.files = [{ id: id(1), name: 'photos/a long winter in Reykjavik.jpg', size: 7 }]
  await publisher.now()
  const words = ['reykjavik', 'photos', 'winter'].map(wordKey)
  assert.deepEqual(new Set(table.puts), new Set([holdersKey(id(1)), ...words]))

  const other = new DirectoryFinding({ self: 'you' as Peer, get: key => table.get(key) })
  const hit = { id: id(1), name: 'photos/a long winter in Reykjavik.jpg', size: 7 }
  assert.deepEqual(await other.holdersOf(id(1)), [{ peer: ME, hit, trackers: ['/p2p/me'] }])
  assert.deepEqual(
    (await other.filesFor(parseQuery('reykjavik type:image'))).map(found => found.hit),
    [hit]
  )
  assert.deepEqual(await other.filesFor(parseQuery('reykjavik type:video')), [])
  const me = new DirectoryFinding({ self: ME, get: key => table.get(key) })
  assert.deepEqual(await me.holdersOf(id(1)), [])
})

test('a collection is said with its metainfo, and its trackers', async () => {
  const { table, shared, publisher } = world()
  const { infohash, bytes } = info(100)
  shared.collections = [{ infohash, name: 'tales', size: 9, trackers: [['/dns/t/p2p/t']] }]
  shared.infos.set(infohash, bytes)
  await publisher.now()
  assert.equal(table.entries.get(metainfoKey(infohash))?.kind, 'value')
  const other = new DirectoryFinding({ self: 'you' as Peer, get: key => table.get(key) })
  assert.deepEqual(await other.holdersOf(infohash), [
    { peer: ME, hit: undefined, trackers: ['/p2p/me', '/dns/t/p2p/t'] }
  ])
  assert.equal(await other.metainfoOf(infohash), undefined, 'these bytes are no metainfo')
})

test('a metainfo that is too large for the directory, or that others keep there, is left to them', async () => {
  const large = world()
  const { infohash, bytes } = info(20_000)
  large.shared.collections = [{ infohash, name: 'tales', size: 9, trackers: [] }]
  large.shared.infos.set(infohash, bytes)
  await large.publisher.now()
  assert.deepEqual(large.table.puts, [holdersKey(infohash)])

  const known = world()
  const small = info(100)
  known.table.others = 3
  known.shared.collections = [{ infohash: small.infohash, name: 'tales', size: 9, trackers: [] }]
  known.shared.infos.set(small.infohash, small.bytes)
  await known.publisher.now()
  assert.deepEqual(known.table.puts, [holdersKey(small.infohash)])
})

test('what has not changed is not said again, what is gone is taken back, and nothing else', async () => {
  const { table, shared, publisher, make } = world({ others: () => 5 })
  const mine = { kind: 'member', key: wordKey('by hand'), payload: new Uint8Array(2) } as const
  await table.put(mine)
  shared.files = [1, 2].map(n => ({ id: id(n), name: `file ${n}`, size: n }))
  await publisher.now()
  await publisher.now()
  assert.equal(table.puts.length, 3)
  shared.files = shared.files.slice(1)
  // a restart forgets nothing
  await make().now()
  assert.deepEqual(table.removed, [holdersKey(id(1))])
  assert.ok(table.entries.has(mine.key))
  assert.equal(table.puts.length, 3)
})

test('words that are near, short, or of a network that a flood asks whole, are not said', async () => {
  const file = { id: id(1), name: 'the white whale.txt', size: 7 }
  const near = world({ isNear: word => word === 'white' })
  near.shared.files = [file]
  await near.publisher.now()
  assert.ok(near.table.entries.has(wordKey('whale')))
  assert.ok(!near.table.entries.has(wordKey('white')))

  const small = world({ others: () => 20 })
  small.shared.files = [file]
  await small.publisher.now()
  assert.deepEqual(small.table.puts, [holdersKey(id(1))])
})

test('a directory that cannot be asked knows nothing, and one with nonsense in it no more', async () => {
  const deaf = new DirectoryFinding({ self: ME, get: () => Promise.reject(new Error('nobody there')) })
  assert.deepEqual(await deaf.holdersOf(id(1)), [])
  assert.equal(await deaf.metainfoOf(id(1) as string as Infohash), undefined)
  const table = new Table()
  await table.put({ kind: 'member', key: holdersKey(id(1)), payload: new Uint8Array([9, 9]) })
  const other = new DirectoryFinding({ self: 'you' as Peer, get: key => table.get(key) })
  assert.deepEqual(await other.holdersOf(id(1)), [])
})

test('who has something, and its metainfo, are asked for with care when the first answer is that there is nothing', async () => {
  const { table, shared, publisher } = world({ others: () => 5 })
  shared.files = [{ id: id(1), name: 'hidden', size: 7 }]
  await publisher.now()
  const asked: boolean[] = []
  const finding = new DirectoryFinding({
    self: 'you' as Peer,
    get: async (key, { careful = false } = {}) => {
      asked.push(careful)
      return careful ? await table.get(key) : { entries: [] }
    }
  })
  assert.deepEqual(
    (await finding.holdersOf(id(1))).map(({ peer }) => peer),
    [ME]
  )
  assert.deepEqual(asked, [false, true])
  await finding.filesFor(parseQuery('hidden'))
  assert.deepEqual(asked.slice(2), [false], 'a search does not wait for that')
})
