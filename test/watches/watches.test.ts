import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import type { FileId } from '../../protocols/core/ids.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import type { Hit } from '../../protocols/search/index.ts'
import type { GetEvent, GetOptions, WatchEvent } from '../../src/api.ts'
import { ShoalError } from '../../src/errors.ts'
import { EventStream } from '../../src/event-stream.ts'
import type { SearchRun } from '../../src/search/searches.ts'
import { eventually } from '../../src/testkit/wait.ts'
import { type WatchConfig, watchLimits } from '../../src/watches/config.ts'
import { WatchStore, watchesSchema } from '../../src/watches/store.ts'
import { Watches } from '../../src/watches/watches.ts'

const folder = mkdtempSync(join(tmpdir(), 'shoal-watches-'))
const open: Watches[] = []
after(async () => {
  // of tests that failed
  await Promise.all(open.map(watches => watches.close()))
  rmSync(folder, { recursive: true })
})

const id = (n: number): FileId => n.toString(16).padStart(64, '0') as FileId
const hit = (n: number, size = 1_000, name = `sea ${n}.mkv`): Hit => ({ id: id(n), size, name })

interface Fetching {
  id: string
  options: GetOptions
  events: EventStream<GetEvent>
}

/** Watches on a network that has what the test says. */
function worldOf(init: { database?: DatabaseSync; config?: Partial<WatchConfig>; free?: number } = {}) {
  const { database = new DatabaseSync(':memory:') } = init
  database.exec(`PRAGMA foreign_keys = ON; ${watchesSchema}`)
  const world = {
    database,
    neighbours: 1,
    hits: [] as [string, Hit][],
    complete: true,
    runs: [] as SearchRun[],
    fetching: [] as Fetching[],
    free: init.free ?? 1e12,
    watches: undefined as unknown as Watches,
    events: [] as WatchEvent[],
    follow(): void {
      const events = world.watches.events()
      void (async () => {
        try {
          for await (const event of events) world.events.push(event)
        } catch (error) {
          assert.equal((error as ShoalError).code, 'INTERRUPTED')
        }
      })()
    },
    done(fetch: Fetching): void {
      const transfer = { id: fetch.id, name: 'x', path: `/there/${fetch.id.slice(-2)}`, state: 'done' as const }
      const numbers = { size: 1, bytesDone: 1, rate: 0, sources: [] }
      const done = { type: 'done' as const, transfer: { ...transfer, ...numbers }, bytesFetched: 1, bytesWasted: 0 }
      fetch.events.push({ ...done, elapsedMs: 1 })
      fetch.events.end()
    }
  }
  world.watches = new Watches(
    database,
    {
      searches: {
        async run(run) {
          world.runs.push(run)
          for (const [holder, found] of world.hits) {
            const peer = holder as Peer
            run.onHits({ type: 'hits', search: 1, holder: peer, via: peer, how: 'flood', hops: 1, hits: [found] })
          }
          return { peersAsked: 1, messages: 1, complete: world.complete, more: false, waves: [] }
        }
      },
      self: 'me',
      neighbours: () => world.neighbours,
      get(target, options) {
        const events = new EventStream<GetEvent>({
          ...(options.signal === undefined ? {} : { signal: options.signal })
        })
        world.fetching.push({ id: /shoal:(\w+)/.exec(target)?.[1] ?? target, options, events })
        return events
      },
      disk: async () => ({ free: world.free, size: 2e12 })
    },
    { gapMs: 0, soonMs: 1, againMs: 1, ...init.config }
  )
  open.push(world.watches)
  return world
}

const ran = async (world: ReturnType<typeof worldOf>, count: number): Promise<void> => {
  await eventually(
    `${count} runs`,
    () => world.runs.length >= count && world.watches.list()[0]?.lastRunAt !== undefined
  )
}

test('a watch runs, tells of what is new once, and of nothing that does not match or is here', async () => {
  const world = worldOf()
  world.follow()
  world.hits = [
    ['a', hit(1)],
    ['b', hit(1)],
    ['a', hit(2, 5, 'free money')],
    ['me', hit(3)]
  ]
  const watch = world.watches.put('sea type:video', {})
  assert.deepEqual([watch.number, watch.get, watch.everyMs], [1, false, 300_000])
  await ran(world, 1)
  world.hits.push(['a', hit(4)])
  world.watches.onNeighbour()
  await ran(world, 2)
  await eventually('both', () => world.events.length === 2)
  assert.deepEqual(
    world.events.map(event => event.type === 'found' && event.file.id),
    [id(1), id(4)]
  )
  const [listed] = world.watches.list()
  assert.deepEqual(listed?.files, { found: 2, fetched: 0, waiting: 0 })
  assert.deepEqual(new Set(listed?.latest.map(file => file.id)), new Set([id(1), id(4)]))
  assert.ok((listed?.nextRunAt ?? 0) > Date.now())
  assert.equal(world.fetching.length, 0)
  await world.watches.close()
})

test('without neighbours nothing is run; the first that comes starts it', async () => {
  const world = worldOf()
  world.neighbours = 0
  world.watches.start()
  world.watches.put('sea', {})
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(world.runs.length, 0)
  world.neighbours = 1
  world.watches.onNeighbour()
  await ran(world, 1)
  await world.watches.close()
})

test('what is found is fetched: few at once, each once, also after a restart', async () => {
  const world = worldOf({ config: { maxFetches: 3, maxFetchesOfOne: 2 } })
  world.follow()
  world.hits = [1, 2, 3, 4].map(n => ['a', hit(n)])
  world.watches.put('sea', { get: true, out: folder })
  world.watches.put('sea -nothing', { get: true, out: folder })
  await eventually('three of both', () => world.fetching.length === 3)
  await ran(world, 2)
  assert.equal(new Set(world.fetching.map(fetch => fetch.id)).size, 3)
  assert.equal(world.fetching[0]?.options.out, folder)
  const [first] = world.fetching as [Fetching]
  world.done(first)
  await eventually('the next', () => world.fetching.length === 4)
  assert.equal(new Set(world.fetching.map(fetch => fetch.id)).size, 4, 'nothing twice, whichever watch found it')
  await eventually('told', () =>
    world.events.some(event => event.type === 'fetched' && event.file.path === `/there/${first.id.slice(-2)}`)
  )
  await world.watches.close()

  const again = worldOf({ database: world.database })
  again.watches.start()
  await eventually('the other three', () => again.fetching.length === 3)
  assert.ok(again.fetching.every(fetch => fetch.id !== first.id))
  for (const fetch of again.fetching) again.done(fetch)
  await eventually('all', () => again.watches.list().reduce((sum, { files }) => sum + files.fetched, 0) === 4)
  again.hits = [1, 2, 3, 4].map(n => ['a', hit(n)])
  const runs = again.runs.length
  again.watches.onNeighbour()
  await eventually('it runs again', () => again.runs.length > runs)
  await again.watches.close()
  assert.equal(again.fetching.length, 3)
})

test('a watch fetches no more than it may, and says so', async () => {
  const world = worldOf()
  world.hits = [
    ['a', hit(1, 600)],
    ['a', hit(2, 600)],
    ['a', hit(3, 300)]
  ]
  world.watches.start()
  world.watches.put('sea', { get: true, out: folder, maxBytes: 1_000 })
  await eventually('what fits', () => world.fetching.length === 2)
  assert.deepEqual(new Set(world.fetching.map(fetch => fetch.id)), new Set([id(1), id(3)]))
  for (const fetch of world.fetching) world.done(fetch)
  await eventually('they are here', () => world.watches.list()[0]?.files.fetched === 2)
  const [watch] = world.watches.list()
  assert.equal(watch?.bytes, 900)
  assert.match(watch?.problem ?? '', /raise --most/)
  assert.equal(world.fetching.length, 2)
  world.watches.put('sea', { maxBytes: 2_000 })
  await eventually('the last', () => world.fetching.length === 3)
  await world.watches.close()
})

test('a disk is not filled up', async () => {
  const world = worldOf({ free: 100e9 + 500, config: { retryMs: 5 } })
  world.follow()
  world.hits = [['a', hit(1, 1_000)]]
  world.watches.put('sea', { get: true, out: folder })
  await eventually('told', () => world.events.some(event => event.type === 'problem'))
  assert.equal(world.fetching.length, 0)
  // it is looked at again and again, and has no problem in between
  await eventually('why', () => world.watches.list()[0]?.latest[0]?.problem?.includes('free space'))
  world.free = 1e12
  await eventually('there is space again', () => world.fetching.length === 1)
  await world.watches.close()
})

test('who sends nothing keeps no place, and is tried so often only', async () => {
  const world = worldOf({ config: { maxFetchesOfOne: 1, stalledMs: 20, retryMs: 1, maxTries: 3 } })
  world.follow()
  world.hits = [
    ['liar', hit(1)],
    ['a', hit(2)]
  ]
  world.watches.put('sea', { get: true, out: folder })
  await eventually('given up', () => {
    const { latest = [] } = world.watches.list()[0] ?? {}
    return latest.length === 2 && latest.every(file => file.state === 'failed')
  })
  assert.equal(world.fetching.length, 6)
  assert.deepEqual(world.watches.list()[0]?.files, { found: 2, fetched: 0, waiting: 0 })
  assert.equal(world.watches.list()[0]?.bytes, 2_000, 'what may lie there half counts')
  await world.watches.close()
})

test('what another try cannot mend is not tried again', async () => {
  const world = worldOf()
  world.hits = [['a', hit(1)]]
  world.watches.start()
  world.watches.put('sea', { get: true, out: folder })
  await eventually('it begins', () => world.fetching.length === 1)
  world.fetching[0]?.events.fail(new ShoalError('EXISTS', 'another file is there'))
  await eventually('failed', () => world.watches.list()[0]?.latest[0]?.state === 'failed')
  assert.equal(world.watches.list()[0]?.latest[0]?.problem, 'another file is there')
  assert.equal(world.fetching.length, 1)
  world.watches.put('sea', { get: true })
  await eventually('the user asks again', () => world.fetching.length === 2)
  await world.watches.close()
})

test('--get later fetches what was found before, --no-get stops, and unwatch forgets', async () => {
  const world = worldOf()
  world.hits = [['a', hit(1)]]
  world.watches.start()
  world.watches.put('sea', { out: folder, everyMs: 120_000 })
  await ran(world, 1)
  assert.equal(world.fetching.length, 0)
  const changed = world.watches.put(' sea ', { get: true })
  assert.deepEqual([changed.number, changed.out, changed.everyMs], [1, folder, 120_000], 'the rest is as it was')
  await eventually('it begins', () => world.fetching.length === 1)
  world.watches.put('sea', { get: false })
  await eventually('it is paused', () => world.watches.list()[0]?.latest[0]?.state === 'found')
  assert.deepEqual(await world.fetching[0]!.events.next(), { done: true, value: undefined })
  world.watches.put('sea', { get: true })
  await eventually('it goes on', () => world.fetching.length === 2)
  assert.equal(world.watches.remove(1).query, 'sea')
  await assert.rejects(async () => world.watches.remove(1), { code: 'NOT_FOUND' })
  assert.deepEqual(await world.fetching[1]!.events.next(), { done: true, value: undefined })
  assert.equal(world.watches.put('sea', {}).number, 2, 'numbers are not given twice')
  await world.watches.close()
})

test('what is wrong is refused', async () => {
  const world = worldOf()
  assert.throws(() => world.watches.put('tpye:video x', {}), { code: 'USAGE' })
  assert.throws(() => world.watches.put('sea', { everyMs: 59_999 }), { code: 'USAGE' })
  for (let i = 0; i < watchLimits.maxWatches; i++) world.watches.put(`sea ${i}`, {})
  assert.throws(() => world.watches.put('one more', {}), { code: 'REFUSED' })
  world.watches.put('sea 1', { get: true })
  const offline = new Watches(world.database, undefined)
  assert.equal(offline.list().length, watchLimits.maxWatches)
  assert.throws(() => offline.events(), { code: 'NO_PEERS' })
  await offline.close()
  await world.watches.close()
})

test('made-up files push out one another, never what was fetched', () => {
  const { database } = worldOf()
  const store = new WatchStore(database)
  const settings = { everyMs: 1, get: true, out: folder, maxBytes: 1e15 }
  const watch = store.put('sea', {}, settings, 1)
  store.found(watch, [hit(1)], 1)
  store.setState({ watch: watch.number, id: id(1), size: 1_000 }, 'fetched', { path: '/x' })
  for (let round = 0; round < 12; round++) {
    store.found(
      watch,
      Array.from({ length: 1_000 }, (_, i) => hit(10 + round * 1_000 + i)),
      2 + round
    )
  }
  const known = store.get(watch.number)!
  assert.equal(known.files.found, watchLimits.maxFiles)
  assert.equal(known.files.fetched, 1)
  assert.deepEqual(store.found(watch, [hit(1)], 100), [], 'and it is not new again')
})
