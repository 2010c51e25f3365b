import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FileId } from '../../../protocols/core/ids.ts'
import type { Input, Output } from '../../../protocols/core/machine.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import { type SearchConfig, searchConfig, searchLimits } from '../../../protocols/search/config.ts'
import type { Hit, HitsMessage, QueryMessage, Report, SearchMessage } from '../../../protocols/search/messages.ts'
import { Search, type SearchCommand, type SearchEvent } from '../../../protocols/search/search.ts'

type Out = Output<SearchMessage, SearchEvent>

const self = 0 as Peer
const [a, b, c, stranger] = [1, 2, 3, 9] as Peer[] as [Peer, Peer, Peer, Peer]
const song: Hit = { id: 'ab'.repeat(32) as FileId, name: 'song.ogg', size: 5 }
const words = { kind: 'words', text: 'song' } as const

/** One machine with the neighbours a, b and c, and a clock that the test sets. */
class Bench {
  now = 1_000
  readonly machine: Search
  readonly lookups: unknown[] = []
  shared: Hit[] = []

  constructor(config: Partial<SearchConfig> = {}, neighbours: Peer[] = [a, b, c]) {
    const lookup = (...asked: unknown[]): readonly Hit[] => {
      this.lookups.push(asked)
      return this.shared
    }
    this.machine = new Search({ self, rng: seededRng(1), lookup, config })
    for (const peer of neighbours) this.give({ type: 'neighbourUp', peer })
  }

  give(input: Input<SearchCommand, SearchMessage>): Out[] {
    return this.machine.handle(input, this.now)
  }

  receive(from: Peer, message: SearchMessage): Out[] {
    return this.give({ type: 'received', from, message })
  }

  search(fields: Partial<Extract<SearchCommand, { type: 'search' }>> = {}): { id: string; out: Out[] } {
    const out = this.give({ type: 'search', search: 1, query: words, ...fields })
    return { id: sends(out)[0]?.message.id ?? '', out }
  }
}

const sends = (out: Out[]): Extract<Out, { type: 'send' }>[] => out.filter(output => output.type === 'send')
const events = (out: Out[]): SearchEvent[] => out.flatMap(output => (output.type === 'event' ? [output.event] : []))
const penalties = (out: Out[]): Peer[] => out.flatMap(output => (output.type === 'penalise' ? [output.peer] : []))

const idOf = (number: number): string => number.toString(16).padStart(32, '0')
const query = (fields: Partial<QueryMessage> = {}): QueryMessage => ({
  type: 'query',
  id: idOf(1),
  ttl: 7,
  hops: 0,
  limit: 100,
  query: words,
  ...fields
})
const hits = (fields: Partial<HitsMessage> = {}): HitsMessage => ({
  type: 'hits',
  id: idOf(1),
  holder: stranger,
  hops: 1,
  hits: [song],
  ...fields
})
const report = (id: string, peers = 1, messages = 0, complete = true): { type: 'report'; id: string } & Report => ({
  type: 'report',
  id,
  peers,
  messages,
  complete
})
const toSend = (to: Peer, message: SearchMessage): Out => ({ type: 'send', to, message })
const done = (peersAsked: number, messages: number, complete: boolean): SearchEvent => ({
  type: 'searchDone',
  search: 1,
  peersAsked,
  messages,
  complete
})

test('a search: own hits first, then a query to each neighbour, done with the last report', () => {
  const bench = new Bench()
  bench.shared = [song]
  const { id, out } = bench.search({ limit: 50 })
  const message = query({ id, limit: 50 })
  assert.match(id, /^[0-9a-f]{32}$/)
  assert.deepEqual(out, [
    { type: 'event', event: { type: 'hits', search: 1, holder: self, hops: 0, hits: [song] } },
    ...[a, b, c].map(peer => toSend(peer, message))
  ])
  assert.equal(bench.machine.nextTick(), bench.now + 7 * searchConfig.hopMs)
  assert.deepEqual(bench.receive(a, report(id, 10, 20)), [])
  assert.deepEqual(events(bench.receive(b, hits({ id, hops: 3 }))), [
    { type: 'hits', search: 1, holder: stranger, hops: 3, hits: [song] }
  ])
  assert.deepEqual(bench.receive(b, report(id, 5, 6)), [])
  assert.deepEqual(events(bench.receive(c, report(id, 0, 0))), [done(15, 29, true)])
  assert.equal(bench.machine.nextTick(), undefined)
})

test('without neighbours, or with a ttl of 0, a search is done at once', () => {
  assert.deepEqual(events(new Bench({}, []).search().out), [done(0, 0, true)])
  assert.deepEqual(new Bench().search({ ttl: 0 }).out, [{ type: 'event', event: done(0, 0, true) }])
})

test('a neighbour that comes up while a search runs is asked, once', () => {
  const bench = new Bench({}, [a])
  const { id } = bench.search()
  assert.deepEqual(bench.give({ type: 'neighbourUp', peer: b }), [toSend(b, query({ id }))])
  assert.deepEqual(bench.give({ type: 'neighbourUp', peer: b }), [])
  bench.give({ type: 'neighbourDown', peer: b })
  assert.deepEqual(bench.give({ type: 'neighbourUp', peer: b }), [])
  assert.deepEqual(bench.receive(a, report(id)), [])
  assert.deepEqual(events(bench.receive(b, report(id))), [done(2, 2, true)])
  assert.deepEqual(bench.give({ type: 'neighbourUp', peer: c }), [])
})

test('a neighbour that is none any more still answers; one that is gone is not waited for', () => {
  const bench = new Bench({}, [a, b])
  const { id } = bench.search()
  assert.deepEqual(bench.give({ type: 'neighbourDown', peer: a }), [])
  assert.equal(events(bench.receive(a, hits({ id }))).length, 1)
  assert.deepEqual(bench.receive(a, report(id)), [])
  assert.deepEqual(events(bench.give({ type: 'peerDown', peer: b })), [done(1, 2, false)])
})

test('a neighbour that was lost and comes back is asked again', () => {
  const bench = new Bench({}, [a, b])
  const { id } = bench.search()
  bench.give({ type: 'peerDown', peer: b })
  assert.deepEqual(bench.give({ type: 'neighbourUp', peer: b }), [toSend(b, query({ id }))])
  bench.receive(a, report(id))
  assert.deepEqual(events(bench.receive(b, report(id))), [done(2, 3, false)])
})

test('a search ends at its time, however many are silent, and late answers are no offence', () => {
  const bench = new Bench({ strays: { rate: 0, burst: 0 } })
  const { id } = bench.search({ timeoutMs: 500 })
  bench.receive(a, report(id, 4, 5))
  bench.now += 499
  assert.deepEqual(bench.give({ type: 'tick' }), [])
  bench.now += 1
  assert.deepEqual(events(bench.give({ type: 'tick' })), [done(4, 8, false)])
  assert.deepEqual(bench.receive(b, hits({ id })), [])
  assert.deepEqual(bench.receive(b, report(id, 4, 5)), [])
})

test('stop ends a search and says so', () => {
  const bench = new Bench()
  const { id } = bench.search()
  assert.deepEqual(events(bench.give({ type: 'stop', search: 1 })), [done(0, 3, false)])
  assert.deepEqual(bench.give({ type: 'stop', search: 1 }), [])
  assert.deepEqual(bench.receive(a, hits({ id })), [])
})

test('an incomplete branch makes an incomplete search', () => {
  const bench = new Bench({}, [a])
  const { id } = bench.search()
  assert.deepEqual(events(bench.receive(a, report(id, 3, 2, false))), [done(3, 3, false)])
})

test('searches beyond the limit end at once; a number in use and a bad query are mistakes of ours', () => {
  const bench = new Bench({ maxSearches: 1 })
  bench.search()
  assert.throws(() => bench.search(), /search 1 is running/)
  assert.throws(() => bench.search({ search: 2, query: { kind: 'words', text: '' } }), RangeError)
  assert.deepEqual(events(bench.search({ search: 2 }).out), [{ ...done(0, 0, false), search: 2 }])
})

test('a query: passed on to all others, answered by hits, then by a report when they have reported', () => {
  const bench = new Bench()
  bench.shared = [song]
  const { id } = query()
  const onward = query({ ttl: 4, hops: 3 })
  assert.deepEqual(bench.receive(a, query({ ttl: 7, hops: 2 })), [
    toSend(b, onward),
    toSend(c, onward),
    toSend(a, hits({ holder: self }))
  ])
  assert.deepEqual(bench.lookups, [[words, 100]])
  assert.equal(bench.machine.nextTick(), bench.now + 4 * searchConfig.hopMs)
  assert.deepEqual(bench.receive(b, report(id, 3, 4)), [])
  assert.deepEqual(bench.receive(c, report(id, 5, 6)), [toSend(a, report(id, 9, 12))])
  assert.equal(bench.machine.nextTick(), undefined)
})

test('no query names its origin: what goes on depends on the query alone', () => {
  const [one, other] = [new Bench(), new Bench()]
  const fromA = sends(one.receive(a, query())).find(({ to }) => to === c)
  const fromB = sends(other.receive(b, query())).find(({ to }) => to === c)
  assert.deepEqual(fromA, fromB)
})

const refusedReport = (id: string): SearchMessage => report(id, 0, 0, false)
const ttlTable: [ttl: number, hops: number, onward: number | undefined][] = [
  [7, 0, 6],
  [3, 0, 2],
  [1, 0, 0],
  [1, 6, 0],
  [255, 0, 6],
  [7, 5, 1],
  [255, 6, 0],
  [0, 0, undefined],
  [7, 7, undefined],
  [255, 255, undefined]
]
for (const [ttl, hops, onward] of ttlTable) {
  test(`ttl ${ttl} after ${hops} hops: ${onward === undefined ? 'refused' : `${onward} more`}`, () => {
    const bench = new Bench()
    const sent = sends(bench.receive(a, query({ ttl, hops })))
    const queries = sent.flatMap(({ message }) => (message.type === 'query' ? [message] : []))
    assert.equal(queries.length, onward ? 2 : 0)
    for (const message of queries) assert.deepEqual([message.ttl, message.hops], [onward, hops + 1])
    if (!onward) assert.deepEqual(sent, [toSend(a, onward === 0 ? report(idOf(1)) : refusedReport(idOf(1)))])
    assert.equal(bench.lookups.length, onward === undefined ? 0 : 1)
  })
}

test('a duplicate is answered at once, whoever sends it and however often', () => {
  const bench = new Bench()
  bench.receive(a, query())
  for (const from of [b, c, a, b]) {
    assert.deepEqual(bench.receive(from, query({ ttl: 3, hops: 4 })), [toSend(from, report(idOf(1), 0, 0))])
  }
  assert.equal(bench.lookups.length, 1)
})

test('a search of ours that comes round is a duplicate, also when it is done', () => {
  const bench = new Bench()
  const { id } = bench.search()
  assert.deepEqual(bench.receive(a, query({ id, hops: 2 })), [toSend(a, report(id, 0, 0))])
  bench.give({ type: 'stop', search: 1 })
  assert.deepEqual(bench.receive(b, query({ id, hops: 2 })), [toSend(b, report(id, 0, 0))])
})

test('who is no neighbour gets a report, no work and no penalty', () => {
  const bench = new Bench()
  assert.deepEqual(bench.receive(stranger, query()), [toSend(stranger, refusedReport(idOf(1)))])
  assert.equal(bench.lookups.length, 0)
  assert.equal(sends(bench.receive(a, query())).length, 2, 'and the query may still come from a neighbour')
})

test('a query whose neighbours are silent is reported on in time, less for each hop', () => {
  const bench = new Bench()
  bench.receive(a, query({ id: idOf(1), ttl: 7 }))
  bench.receive(a, query({ id: idOf(2), ttl: 3 }))
  bench.receive(b, report(idOf(1), 4, 4))
  bench.now += 2 * searchConfig.hopMs
  assert.equal(bench.machine.nextTick(), bench.now)
  assert.deepEqual(bench.give({ type: 'tick' }), [toSend(a, report(idOf(2), 1, 2, false))])
  bench.now += 4 * searchConfig.hopMs
  assert.deepEqual(bench.give({ type: 'tick' }), [toSend(a, report(idOf(1), 5, 6, false))])
  assert.deepEqual(bench.receive(c, report(idOf(1), 50, 50)), [], 'too late')
  assert.equal(sends(bench.receive(c, hits())).length, 1, 'hits are never too late while the way is known')
})

test('a lost neighbour is not waited for; a lost parent is not answered', () => {
  const bench = new Bench()
  bench.receive(a, query())
  bench.receive(b, report(idOf(1), 2, 2))
  assert.deepEqual(bench.give({ type: 'peerDown', peer: c }), [toSend(a, report(idOf(1), 3, 4, false))])
  bench.give({ type: 'neighbourUp', peer: c })
  bench.receive(a, query({ id: idOf(2) }))
  assert.deepEqual(bench.give({ type: 'peerDown', peer: a }), [])
  assert.deepEqual(bench.receive(b, hits({ id: idOf(2) })), [], 'nobody dials the searcher')
  assert.deepEqual([...bench.receive(b, report(idOf(2))), ...bench.receive(c, report(idOf(2)))], [])
})

test('hits go back the way the query came, one hop more, and only from where it was sent', () => {
  const bench = new Bench()
  bench.receive(a, query())
  assert.deepEqual(bench.receive(b, hits({ hops: 2 })), [toSend(a, hits({ hops: 3 }))])
  assert.deepEqual(bench.receive(a, hits()), [], 'not from where it came')
  assert.deepEqual(bench.receive(stranger, hits()), [], 'not from a stranger')
  assert.deepEqual(bench.receive(b, hits({ id: idOf(5) })), [], 'not for what nobody asked')
  assert.deepEqual(bench.receive(b, hits({ holder: self })), [], 'not in our own name')
  assert.deepEqual(bench.receive(b, hits({ hops: 0 })), [], 'not from nowhere')
  assert.deepEqual(bench.receive(b, hits({ hops: 8 })), [], 'not from beyond the reach of any query')
  bench.now += searchConfig.pathMs
  assert.deepEqual(bench.receive(b, hits()), [], 'not for ever')
})

test('hits for one query are limited in bytes on the way', () => {
  const bench = new Bench({ maxPathBytes: 1_000 })
  bench.receive(a, query())
  let passed = 0
  for (let i = 0; i < 100; i++) passed += sends(bench.receive(b, hits())).length
  assert.ok(passed > 0 && passed <= 5, `${passed}`)
  bench.receive(a, query({ id: idOf(2) }))
  assert.equal(sends(bench.receive(b, hits({ id: idOf(2) }))).length, 1, 'each query has its own')
})

test('hits of one neighbour are limited in bytes a second', () => {
  const bench = new Bench({ hitBytes: { rate: 1_000, burst: 1_000 } })
  bench.receive(a, query())
  let passed = 0
  for (let i = 0; i < 100; i++) passed += sends(bench.receive(b, hits())).length
  assert.ok(passed > 0 && passed <= 5, `${passed}`)
  assert.equal(sends(bench.receive(c, hits())).length, 1, 'each neighbour has its own')
  bench.now += 1_000
  assert.equal(sends(bench.receive(b, hits())).length, 1)
})

test('a searcher takes so many hits of a holder, so many holders, so many bytes', () => {
  const count = (config: Partial<SearchConfig>, limit: number, messages: HitsMessage[]): number => {
    const bench = new Bench(config)
    const { id } = bench.search({ limit })
    return messages
      .flatMap(message => events(bench.receive(a, { ...message, id })))
      .reduce((sum, event) => sum + (event.type === 'hits' ? event.hits.length : 0), 0)
  }
  const many = (holder: number): HitsMessage => hits({ holder: holder as Peer, hits: new Array<Hit>(60).fill(song) })
  assert.equal(count({}, 100, [many(50), many(50), many(50)]), 100)
  assert.equal(count({}, 1, [many(50), many(51)]), 2)
  assert.equal(count({ maxHolders: 2 }, 1, [many(50), many(51), many(52)]), 2)
  assert.equal(count({ maxSearchBytes: 4_000 }, 100, [many(50), many(51)]), 60)
  assert.equal(count({}, 100, [many(self as number)]), 0)
})

test('hits that fill more than a message are sent in several, and no more than the limit', () => {
  const bench = new Bench({}, [a])
  bench.shared = new Array<Hit>(500).fill({ ...song, name: 'x'.repeat(1_000) })
  const sent = sends(bench.receive(a, query({ limit: 40 })))
  const parts = sent.flatMap(({ message }) => (message.type === 'hits' ? [message.hits.length] : []))
  assert.deepEqual(parts, [14, 14, 12])
  assert.deepEqual(sent.at(-1), toSend(a, report(idOf(1))), 'the report comes last')
})

test('a report counts from whom it is due, once', () => {
  const bench = new Bench({ strays: { rate: 0, burst: 3 } }, [a, b])
  const { id } = bench.search()
  assert.deepEqual(bench.receive(a, report(id, 1, 0)), [])
  assert.deepEqual(bench.receive(a, report(id, 900, 0)), [])
  assert.deepEqual(bench.receive(stranger, report(id, 900, 0)), [])
  assert.deepEqual(bench.receive(a, report(idOf(77))), [])
  assert.deepEqual(events(bench.receive(b, report(id, 1, 0))), [done(2, 2, true)])
})

test('answers to nothing are ignored, very many of them are an offence', () => {
  const bench = new Bench({ strays: { rate: 0, burst: 3 } })
  const out = [hits(), report(idOf(1)), hits(), hits()].flatMap(message => bench.receive(a, message))
  assert.deepEqual(penalties(out), [a])
  assert.deepEqual(penalties(bench.receive(b, hits())), [], 'each has an account of its own')
  assert.equal(sends(out).length, 0)
})

test('queries beyond the rate are refused, not forgotten, and taken when they come another way', () => {
  const bench = new Bench({ queries: { rate: 10, burst: 4 } })
  const answers = [1, 2, 3, 4, 5, 6].map(i => sends(bench.receive(a, query({ id: idOf(i), ttl: 1 }))))
  assert.deepEqual(
    answers.map(([answer]) => answer?.message),
    [1, 2, 3, 4, 5, 6].map(i => (i <= 4 ? report(idOf(i)) : refusedReport(idOf(i))))
  )
  assert.deepEqual(bench.receive(b, query({ id: idOf(5), ttl: 1 })), [toSend(b, report(idOf(5)))])
  bench.now += 100
  assert.deepEqual(bench.receive(a, query({ id: idOf(6), ttl: 1 })), [toSend(a, report(idOf(6)))])
})

test('queries that came far leave room for those from near, and duplicates cost nothing', () => {
  const bench = new Bench({ queries: { rate: 0, burst: 16 } })
  const taken = (hops: number): number => {
    let count = 0
    for (let i = 0; i < 20; i++) {
      const [answer] = sends(bench.receive(a, query({ id: idOf(hops * 100 + i), ttl: 1, hops })))
      if (answer?.message.type === 'report' && answer.message.peers === 1) count++
    }
    return count
  }
  const once = query({ id: idOf(9_999), ttl: 1, hops: 0 })
  bench.receive(a, once)
  for (let i = 0; i < 50; i++) bench.receive(a, once)
  assert.deepEqual([taken(6), taken(3), taken(1), taken(0)], [3, 6, 4, 2])
})

test('far too many queries are penalised, from neighbours and from strangers', () => {
  const bench = new Bench({ arrivals: { rate: 0, burst: 10 } })
  for (const from of [a, stranger]) {
    const out = Array.from({ length: 12 }, (_, i) => bench.receive(from, query({ id: idOf(i) }))).flat()
    assert.deepEqual(penalties(out), [from, from])
  }
})

test('our own searches are not held up by what strangers want', () => {
  const bench = new Bench({ queries: { rate: 0, burst: 1 }, maxPaths: 2 })
  for (let i = 0; i < 100; i++) bench.receive(a, query({ id: idOf(i) }))
  assert.equal(sends(bench.search().out).length, 3)
})

test('queries beyond what is remembered push out the oldest, which is reported on', () => {
  const bench = new Bench({ maxPaths: 2 })
  for (const i of [1, 2]) bench.receive(a, query({ id: idOf(i) }))
  bench.receive(b, report(idOf(1), 7, 7))
  const out = sends(bench.receive(a, query({ id: idOf(3) })))
  assert.deepEqual(out[0], toSend(a, report(idOf(1), 8, 9, false)))
  assert.deepEqual(bench.receive(c, hits({ id: idOf(1) })), [])
  assert.equal(sends(bench.receive(c, hits({ id: idOf(2) }))).length, 1)
})

test('more searches of ours than are remembered: the oldest ends', () => {
  const bench = new Bench({ maxSearches: 1_000 })
  const ended: number[] = []
  for (let search = 0; search < searchLimits.maxRemembered + 3; search++) {
    for (const event of events(bench.search({ search }).out)) if (event.type === 'searchDone') ended.push(event.search)
  }
  assert.deepEqual(ended, [0, 1, 2])
})

test('late and spurious ticks, and what comes from ourselves, do nothing', () => {
  const bench = new Bench()
  assert.deepEqual(bench.give({ type: 'tick' }), [])
  assert.deepEqual(bench.receive(self, query()), [])
  assert.deepEqual(bench.give({ type: 'neighbourUp', peer: self }), [])
  assert.deepEqual(bench.give({ type: 'peerUp', peer: stranger }), [])
  assert.deepEqual(bench.give({ type: 'peerDown', peer: stranger }), [])
  assert.equal(sends(bench.search().out).length, 3)
})
