import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Peer } from '../../../protocols/core/peer.ts'
import { ALL } from '../../../protocols/search/branch.ts'
import { type SearchConfig, searchConfig, searchLimits } from '../../../protocols/search/config.ts'
import type { Hit, HitsMessage } from '../../../protocols/search/messages.ts'
import {
  a,
  Bench,
  b,
  c,
  cut,
  done,
  events,
  hits,
  idOf,
  type Out,
  penalties,
  queries,
  query,
  report,
  self,
  sends,
  song,
  stranger,
  sum,
  toSend,
  words
} from './bench.ts'

/** Budget of each neighbour when a flood asks so many, with one share kept for another. */
const share = (neighbours: number, budget = searchConfig.budget): number =>
  Math.floor((budget - neighbours) / (neighbours + 1))

test('a flood: own hits first, then a query to each neighbour, done with the last report', () => {
  const bench = new Bench()
  bench.shared = [song]
  const { id, out } = bench.search({ limit: 50 })
  const message = query({ id, limit: 50, budget: share(3) })
  assert.match(id, /^[0-9a-f]{32}$/)
  assert.deepEqual(out, [
    { type: 'event', event: { type: 'hits', search: 1, holder: self, via: self, how: 'own', hops: 0, hits: [song] } },
    ...[a, b, c].map(peer => toSend(peer, message))
  ])
  assert.equal(bench.machine.nextTick(), bench.now + searchConfig.timeoutMs)
  assert.deepEqual(bench.receive(a, report(id, 10, 20)), [])
  assert.deepEqual(events(bench.receive(b, hits({ id, hops: 3 }))), [
    { type: 'hits', search: 1, holder: stranger, via: b, how: 'flood', hops: 3, hits: [song] }
  ])
  assert.deepEqual(bench.receive(b, report(id, 5, 6)), [])
  assert.deepEqual(events(bench.receive(c, report(id, 0, 0))), [done(15, 29, { found: 2 })])
  assert.equal(bench.machine.nextTick(), undefined)
})

test('a report that travels with the last hits counts, after them', () => {
  const bench = new Bench({}, [a])
  const { id } = bench.search()
  assert.deepEqual(events(bench.receive(a, hits({ id, report: sum(3, 4) }))), [
    { type: 'hits', search: 1, holder: stranger, via: a, how: 'flood', hops: 1, hits: [song] },
    done(3, 5, { found: 1 })
  ])
})

test('hits that are dropped do not take their report with them', () => {
  const bench = new Bench({ hitBytes: { rate: 0, burst: 0 } }, [a])
  const { id } = bench.search()
  assert.deepEqual(events(bench.receive(a, hits({ id, report: sum(3, 4) }))), [done(3, 5)])
})

test('without neighbours, or with a ttl of 0, a search is done at once', () => {
  assert.deepEqual(events(new Bench({}, []).search().out), [done(0, 0)])
  assert.deepEqual(new Bench().search({ ttl: 0 }).out, [
    { type: 'event', event: done(0, 0, { more: true, waves: [] }) }
  ])
})

test('a neighbour that comes up while a search runs is asked, once, with the share that was kept', () => {
  const bench = new Bench({}, [a])
  const { id, out } = bench.search()
  assert.deepEqual(out, [toSend(a, query({ id, budget: share(1) }))])
  const kept = searchConfig.budget - 1 - share(1)
  assert.deepEqual(bench.give({ type: 'neighbourUp', peer: b }), [toSend(b, query({ id, budget: share(1, kept) }))])
  assert.deepEqual(bench.give({ type: 'neighbourUp', peer: b }), [])
  bench.give({ type: 'neighbourDown', peer: b })
  assert.deepEqual(bench.give({ type: 'neighbourUp', peer: b }), [])
  assert.deepEqual(bench.receive(a, report(id)), [])
  assert.deepEqual(events(bench.receive(b, report(id))), [done(2, 2)])
  assert.deepEqual(bench.give({ type: 'neighbourUp', peer: c }), [])
})

test('a neighbour that is none any more still answers; one that is gone is not waited for', () => {
  const bench = new Bench({}, [a, b])
  const { id } = bench.search()
  assert.deepEqual(bench.give({ type: 'neighbourDown', peer: a }), [])
  assert.equal(events(bench.receive(a, hits({ id }))).length, 1)
  assert.deepEqual(bench.receive(a, report(id)), [])
  assert.deepEqual(events(bench.give({ type: 'peerDown', peer: b })), [done(1, 2, { complete: false, found: 1 })])
})

test('a neighbour that was lost and comes back is asked again', () => {
  const bench = new Bench({}, [a, b])
  const { id } = bench.search()
  bench.give({ type: 'peerDown', peer: b })
  const kept = searchConfig.budget - 2 - 2 * share(2)
  assert.deepEqual(bench.give({ type: 'neighbourUp', peer: b }), [toSend(b, query({ id, budget: share(1, kept) }))])
  bench.receive(a, report(id))
  assert.deepEqual(events(bench.receive(b, report(id))), [done(2, 3, { complete: false })])
})

test('a search ends at its time, however many are silent, and late answers are no offence', () => {
  const bench = new Bench({ strays: { rate: 0, burst: 0 } })
  const { id } = bench.search({ timeoutMs: 500 })
  bench.receive(a, report(id, 4, 5))
  bench.now += 499
  assert.deepEqual(bench.give({ type: 'tick' }), [])
  bench.now += 1
  assert.deepEqual(events(bench.give({ type: 'tick' })), [done(4, 8, cut)])
  assert.deepEqual(bench.receive(b, hits({ id })), [])
  assert.deepEqual(bench.receive(b, report(id, 4, 5)), [])
  assert.deepEqual(bench.receive(c, hits({ id, report: sum(4, 5) })), [])
})

test('stop ends a search and says so', () => {
  const bench = new Bench()
  const { id } = bench.search()
  assert.deepEqual(events(bench.give({ type: 'stop', search: 1 })), [done(0, 3, cut)])
  assert.deepEqual(bench.give({ type: 'stop', search: 1 }), [])
  assert.deepEqual(bench.receive(a, hits({ id })), [])
})

test('an incomplete branch makes an incomplete search; one that was left out, or is beyond the hops, more', () => {
  const outcome = (fields: Parameters<typeof report>[3]): unknown => {
    const bench = new Bench({}, [a])
    const { id } = bench.search({ budget: 4 })
    return events(bench.receive(a, report(id, 2, 1, fields)))
  }
  const waves = [{ how: 'flood', budget: 4, messages: 2, peersAsked: 2, found: 0 }]
  assert.deepEqual(outcome({ complete: false }), [{ ...done(2, 2, { complete: false }), waves }])
  assert.deepEqual(outcome({ beyond: true }), [{ ...done(2, 2, { more: true }), waves }])
  const bench = new Bench({}, [a])
  const { id } = bench.search({ budget: 3 })
  assert.deepEqual(queries(bench.receive(a, report(id, 2, 1, { more: true }))), [], 'nothing is left to spend on it')
})

test('searches beyond the limit end at once; a number in use and a bad query are mistakes of ours', () => {
  const bench = new Bench({ maxSearches: 1 })
  bench.search()
  assert.throws(() => bench.search(), /search 1 is running/)
  assert.throws(() => bench.search({ search: 2, query: { kind: 'words', text: '' } }), RangeError)
  assert.deepEqual(bench.search({ search: 2 }).out, [
    { type: 'event', event: done(0, 0, { ...cut, search: 2, waves: [] }) }
  ])
})

test('when too many run, one of whoever asks for most gives way; who has as many as others is refused', () => {
  const bench = new Bench({ maxSearches: 4 })
  const start = (search: number, asker?: Peer): number[] =>
    events(bench.search(asker === undefined ? { search } : { search, asker }).out).flatMap(event =>
      event.type === 'searchDone' ? [event.search] : []
    )
  for (const search of [1, 2, 3]) assert.deepEqual(start(search, 40 as Peer), [])
  assert.deepEqual(start(4), [])
  assert.deepEqual(start(5, 40 as Peer), [5], 'it has most of them')
  assert.deepEqual(start(6, 41 as Peer), [1], 'the oldest of those goes')
  assert.deepEqual(start(7, 42 as Peer), [2])
  assert.deepEqual(start(8), [8])
  assert.deepEqual(start(9, 43 as Peer), [9], 'one more would only change places')
  bench.give({ type: 'stop', search: 3 })
  assert.deepEqual(start(10, 43 as Peer), [])
})

test('a search of ours that comes round is a duplicate, also when it is done', () => {
  const bench = new Bench()
  const { id } = bench.search()
  assert.deepEqual(bench.receive(a, query({ id, hops: 2 })), [toSend(a, report(id, 0, 0))])
  bench.give({ type: 'stop', search: 1 })
  assert.deepEqual(bench.receive(b, query({ id, hops: 2 })), [toSend(b, report(id, 0, 0))])
})

/** Hits with a size each, so that no two are the same. */
const many = (holder: number, from = 0): HitsMessage =>
  hits({ holder: holder as Peer, hits: Array.from({ length: 60 }, (_, i): Hit => ({ ...song, size: from + i })) })

test('a searcher takes so many hits of a holder, so many holders, so many bytes', () => {
  const count = (config: Partial<SearchConfig>, limit: number, messages: HitsMessage[], from = [a]): number => {
    const bench = new Bench(config)
    const { id } = bench.search({ limit })
    return from
      .flatMap(peer => messages.flatMap(message => events(bench.receive(peer, { ...message, id }))))
      .reduce((total, event) => total + (event.type === 'hits' ? event.hits.length : 0), 0)
  }
  assert.equal(count({}, 100, [many(50), many(50, 60), many(50, 120)]), 100)
  assert.equal(count({}, 100, [many(50), many(50), many(50, 30)]), 90, 'each once')
  assert.equal(count({}, 1, [many(50), many(51)]), 2)
  assert.equal(count({ maxHolders: 2 }, 1, [many(50), many(51), many(52)]), 2)
  assert.equal(count({ maxSearchBytes: 4_000 }, 100, [many(50), many(51)]), 60)
  assert.equal(count({}, 100, [many(self as number)]), 0)
  // each neighbour has its own account: what one delivers takes nothing from what another does
  assert.equal(count({}, 100, [many(50), many(50, 60), many(50, 120)], [a, b]), 200)
  assert.equal(count({ maxHolders: 2 }, 1, [many(50), many(51), many(52)], [a, b, c]), 6)
  assert.equal(count({ maxSearchBytes: 4_000 }, 100, [many(50), many(51)], [a, b]), 120)
})

test('a report counts from whom it is due, once', () => {
  const bench = new Bench({ strays: { rate: 0, burst: 3 } }, [a, b])
  const { id } = bench.search()
  assert.deepEqual(bench.receive(a, report(id, 1, 0)), [])
  assert.deepEqual(bench.receive(a, report(id, 900, 0)), [])
  assert.deepEqual(bench.receive(stranger, report(id, 900, 0)), [])
  assert.deepEqual(bench.receive(a, report(idOf(77))), [])
  assert.equal(events(bench.receive(a, hits({ id, report: sum(900, 900) }))).length, 1)
  assert.deepEqual(penalties(bench.receive(a, hits({ id, report: sum(900, 900) }))), [a], 'a stray each time')
  assert.deepEqual(events(bench.receive(b, report(id, 1, 0))), [done(2, 2, { found: 1 })])
})

test('a report cannot say more than was given: no more messages, and no more peers than got one', () => {
  const huge = { peers: searchLimits.maxReportedPeers, messages: searchLimits.maxReportedMessages }
  const bench = new Bench({}, [a])
  const { id } = bench.search({ budget: 41 })
  // 20 for a, 20 kept: the huge number gives nothing back, and takes nothing of what was kept
  assert.deepEqual(queries(bench.receive(a, report(id, huge.peers, huge.messages, { more: true }))), [
    { to: a, message: query({ id, budget: 19 }) }
  ])
  const [end] = events(bench.receive(a, report(id, huge.peers, huge.messages)))
  assert.ok(end?.type === 'searchDone')
  assert.deepEqual([end.messages, end.peersAsked], [41, 21 + 20])
})

test('our own searches are not held up by what strangers want', () => {
  const bench = new Bench({ queries: { rate: 0, burst: 1 }, maxPaths: 2 })
  for (let i = 0; i < 100; i++) bench.receive(a, query({ id: idOf(i) }))
  assert.equal(sends(bench.search().out).length, 3)
})

test('more searches of ours than are remembered: the oldest ends', () => {
  const bench = new Bench({ maxSearches: 2_000 })
  const ended: number[] = []
  for (let search = 0; search < searchLimits.maxRemembered + 3; search++) {
    for (const event of events(bench.search({ search }).out)) if (event.type === 'searchDone') ended.push(event.search)
  }
  assert.deepEqual(ended, [0, 1, 2])
})

test('the time of a wave: one silent neighbour does not keep an auto search from going on', () => {
  const bench = new Bench({}, [a, b])
  const { id, out } = bench.search({ strategy: 'auto', walkers: 1 })
  const first = share(2, searchConfig.cheapFlood)
  assert.deepEqual(out, [toSend(a, query({ id, budget: first })), toSend(b, query({ id, budget: first }))])
  assert.equal(bench.machine.nextTick(), bench.now + searchConfig.maxTtl * searchConfig.hopMs)
  assert.equal(queries(bench.receive(b, report(id, first + 1, first, { more: true }))).length, 0, 'a is waited for')
  bench.now += searchConfig.maxTtl * searchConfig.hopMs
  const [next, ...others] = queries(bench.give({ type: 'tick' }))
  assert.deepEqual(others, [])
  assert.deepEqual([next?.to, next?.message.width, next?.message.ttl], [b, 1, searchConfig.maxWalk])
  // a's report comes after all: it is counted, its budget is not given out again
  assert.deepEqual(bench.receive(a, report(id, 1, 0)), [])
  const [end] = events(bench.receive(b, report(id, 0, 5)))
  const spent = 2 + first
  assert.deepEqual(end, {
    type: 'searchDone',
    search: 1,
    peersAsked: first + 2,
    messages: spent + 6,
    complete: false,
    more: false,
    waves: [
      { how: 'flood', budget: searchConfig.cheapFlood, messages: spent, peersAsked: first + 1, found: 0 },
      { how: 'walk', budget: searchConfig.budget - spent - first, messages: 6, peersAsked: 1, found: 0 }
    ]
  })
})

test('a large network is remembered: the next auto search does not begin with a flood of everybody', () => {
  const bench = new Bench({ summaryHops: 1, summarySettleMs: 1e9 }, [a])
  const begin = (search: number): string => {
    const { id, out } = bench.search({ search, strategy: 'auto', walkers: 1 })
    return `${queries(out)[0]?.message.width} ${id}`
  }
  const [width, id] = begin(1).split(' ') as [string, string]
  assert.equal(Number(width), ALL)
  const budget = share(1, searchConfig.cheapFlood)
  // it spends all that it is given, again and again, and would go on
  for (let out: Out[] = bench.receive(a, report(id, budget + 1, budget, { more: true })); ; ) {
    const [again] = queries(out)
    if (again?.message.width !== ALL) break
    out = bench.receive(a, report(id, again.message.budget, again.message.budget, { more: true }))
  }
  bench.give({ type: 'stop', search: 1 })
  // there are no summaries, so nothing is near: walkers are first
  assert.match(begin(2), /^1 /)
  bench.give({ type: 'stop', search: 2 })
  bench.now += searchConfig.reachMs
  assert.match(begin(3), new RegExp(`^${ALL} `))
})

test('a search that is stopped, or reaches less far, says nothing of the size of the network', () => {
  const bench = new Bench({ summaryHops: 1, summarySettleMs: 1e9 }, [a])
  bench.search({ strategy: 'auto' })
  bench.give({ type: 'stop', search: 1 })
  const near = bench.search({ strategy: 'auto', ttl: 1, budget: 1 })
  assert.equal(queries(near.out)[0]?.message.width, ALL)
  bench.receive(a, report(near.id, 1, 0, { beyond: true }))
  assert.equal(queries(bench.search({ search: 2, strategy: 'auto' }).out)[0]?.message.width, ALL)
})

test('late and spurious ticks, and what comes from ourselves, do nothing', () => {
  const bench = new Bench()
  assert.deepEqual(bench.give({ type: 'tick' }), [])
  assert.deepEqual(bench.receive(self, query()), [])
  assert.deepEqual(bench.give({ type: 'neighbourUp', peer: self }), [])
  assert.deepEqual(bench.give({ type: 'peerUp', peer: stranger }), [])
  assert.deepEqual(bench.give({ type: 'peerDown', peer: stranger }), [])
  assert.equal(sends(bench.search().out).length, 3)
  assert.deepEqual(queries(bench.search({ search: 2, query: words }).out).length, 3)
})
