import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import type { FileId } from '../../protocols/core/ids.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import type { Hit, SearchCommand } from '../../protocols/search/index.ts'
import type { SearchEvent, SearchOptions, SearchResult } from '../../src/api.ts'
import { Prover } from '../../src/search/prover.ts'
import { LastResults, resultsSchema } from '../../src/search/results.ts'
import { Searches } from '../../src/search/searches.ts'
import { searchForUser } from '../../src/search/user-search.ts'

const id = (n: number): FileId => n.toString(16).padStart(64, '0') as FileId

/** A network that does what the test says. */
function network() {
  const commands: SearchCommand[] = []
  const searches = new Searches({ command: command => commands.push(command) })
  const database = new DatabaseSync(':memory:')
  database.exec(resultsSchema)
  const lastResults = new LastResults(database)
  const prover = new Prover({
    ask: async () => ({ type: 'silent' }),
    isConnected: () => false,
    onLiar: () => {},
    clock: () => 0
  })
  /** What the directory would say; what was asked of it. */
  const ring = { files: [] as { peer: Peer; hit: Hit }[], asked: 0 }
  const directory = {
    filesFor: async () => {
      ring.asked++
      return ring.files
    },
    holdersOf: async () => []
  }
  const reach = () => ({ connected: 2, neighbours: 2 })
  const parts = { searches, prover, directory, lastResults, self: 'me', reach }
  return {
    commands,
    ring,
    lastResults,
    search: (text: string, options?: SearchOptions) =>
      searchForUser(parts, text, { prove: false, ...options })[Symbol.asyncIterator]() as AsyncIterator<SearchEvent>,
    hit(n: number, name: string, holder = 'a', size = n): void {
      const peer = holder as Peer
      const hits = [{ id: id(n), name, size }]
      searches.onEvent({ type: 'hits', search: 1, holder: peer, via: peer, how: 'flood', hops: 1, hits })
    },
    supersDone(): void {
      const account = { peersAsked: 2, messages: 2, complete: true, more: false, waves: [] }
      searches.onEvent({ type: 'searchDone', search: 1, ...account, bySuperPeers: true })
    },
    done(isWhole = true): void {
      searches.onEvent({
        type: 'searchDone',
        search: 1,
        peersAsked: 2,
        messages: 3,
        complete: true,
        more: !isWhole,
        waves: []
      })
    }
  }
}

async function rest(events: AsyncIterator<SearchEvent>): Promise<SearchEvent[]> {
  const all: SearchEvent[] = []
  for (;;) {
    const { done, value } = await events.next()
    if (done === true) return all
    all.push(value)
  }
}

function resultsOf(events: SearchEvent[]): SearchResult[] {
  return events.flatMap(event => (event.type === 'result' ? [event.result] : []))
}

test('results stream with numbers that stay, and only what matches', async () => {
  const net = network()
  const events = net.search('sea -deep')
  net.hit(1, 'a long tale of the sea')
  net.hit(2, 'free money')
  net.hit(3, 'deep sea')
  net.hit(4, 'sea')
  net.hit(1, 'a long tale of the sea', 'b')
  net.done()
  const all = await rest(events)
  assert.deepEqual(
    resultsOf(all).map(({ number, id: it, holders }) => [number, it, holders.length]),
    [
      [1, id(1), 1],
      [2, id(4), 1],
      [1, id(1), 2]
    ]
  )
  const done = all.at(-1)
  assert.ok(done?.type === 'done' && done.results === 2 && done.hint === undefined)
  assert.equal(net.lastResults.get(2)?.id, id(4))
  assert.deepEqual(net.lastResults.get(1)?.holders, ['a', 'b'])
})

test('what is gathered is numbered best first, and what comes later follows', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const net = network()
  const events = net.search('sea', { gatherMs: 1_000 })
  net.hit(1, 'a long tale of the sea')
  net.hit(2, 'sea')
  t.mock.timers.tick(999)
  net.hit(2, 'sea', 'b')
  t.mock.timers.tick(1)
  net.hit(3, 'sea')
  net.hit(1, 'a long tale of the sea', 'b')
  net.done()
  assert.deepEqual(
    resultsOf(await rest(events)).map(({ number, id: it, holders }) => [number, it, holders.length]),
    [
      [1, id(2), 2],
      [2, id(1), 1],
      [3, id(3), 1],
      [2, id(1), 2]
    ]
  )
})

test('an order or a limit tells of the best at the end, with numbers in that order', async () => {
  for (const [options, expected] of [
    [{ limit: 2 }, [2, 3]],
    [{ sort: 'size' }, [3, 2, 1]],
    [{ sort: 'name', limit: 1, gatherMs: 5 }, [1]]
  ] as [SearchOptions, number[]][]) {
    const net = network()
    const events = net.search('sea', options)
    net.hit(1, 'a long tale of the sea')
    net.hit(2, 'sea')
    net.hit(3, 'the sea')
    net.done()
    const all = await rest(events)
    const results = resultsOf(all)
    assert.deepEqual(
      results.map(result => result.id),
      expected.map(id)
    )
    assert.deepEqual(
      results.map(({ number }) => number),
      expected.map((_, i) => i + 1)
    )
    const done = all.at(-1)
    assert.ok(done?.type === 'done' && done.results === expected.length)
    const [command] = net.commands
    assert.ok(command?.type === 'search')
    assert.equal(command.limit, options.sort === undefined ? 2 : 100, 'each holder sends its best')
  }
})

test('a search by id takes hits of any name', async () => {
  const net = network()
  const events = net.search(id(7).toUpperCase())
  net.hit(7, 'whatever')
  net.done()
  assert.equal(resultsOf(await rest(events)).length, 1)
})

test('a text that is no query is refused before anything is sent; a signal that was given ends it', async () => {
  const net = network()
  assert.throws(
    () => net.search('sea tpye:video'),
    (error: Error & { code?: string; next?: string }) => {
      assert.equal(error.code, 'USAGE')
      assert.match(error.message, /no tpye:.*at character 5/)
      assert.match(String(error.next), /type:video/)
      return true
    }
  )
  assert.deepEqual(net.commands, [])
  assert.deepEqual(await rest(net.search('sea', { signal: AbortSignal.abort() })), [])
})

test('what is too rare for the search to meet is found in the directory, unless everybody was asked', async () => {
  const rare = { peer: 'r' as Peer, hit: { id: id(9), name: 'sea of glass', size: 9 } }
  const found = network()
  found.ring.files = [rare]
  const events = found.search('sea')
  found.hit(1, 'the sea')
  found.done(false)
  const results = resultsOf(await rest(events))
  assert.deepEqual(
    results.map(({ name, foundBy }) => [name, foundBy.how]),
    [
      ['the sea', 'flood'],
      ['sea of glass', 'directory']
    ]
  )

  const whole = network()
  whole.ring.files = [rare]
  const all = whole.search('sea')
  whole.done()
  assert.deepEqual(resultsOf(await rest(all)), [])

  const common = network()
  common.ring.files = [rare]
  const many = common.search('sea')
  for (let n = 1; n <= 3; n++) common.hit(n, `sea ${n}`)
  common.done(false)
  assert.equal(resultsOf(await rest(many)).length, 3)

  const told = network()
  const flood = told.search('sea', { strategy: 'flood' })
  told.done(false)
  await rest(flood)
  assert.deepEqual([found.ring.asked, whole.ring.asked, common.ring.asked, told.ring.asked], [1, 0, 0, 0])
})

test('what super-peers answered for others is told so', async () => {
  const net = network()
  const events = net.search('sea')
  net.supersDone()
  const done = (await rest(events)).at(-1)
  assert.ok(done?.type === 'done')
  assert.equal(done.bySuperPeers, true)
  assert.match(done.hint ?? '', /^2 super-peers were asked and none has/)
})
