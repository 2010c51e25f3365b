import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ALL } from '../../../protocols/search/branch.ts'
import { searchConfig } from '../../../protocols/search/config.ts'
import type { Hit, QueryMessage, SearchMessage } from '../../../protocols/search/messages.ts'
import {
  a,
  Bench,
  b,
  c,
  cut,
  hits,
  idOf,
  penalties,
  queries,
  query,
  refused,
  report,
  self,
  sends,
  song,
  stranger,
  sum,
  toSend,
  words
} from './bench.ts'

const { hopMs, maxWalk, pathMs } = searchConfig
/** What both neighbours but the sender get of a flood's budget of 100. */
const HALF = 49

test('a query: passed on to all others, answered by hits, then by a report when they have reported', () => {
  const bench = new Bench()
  bench.shared = [song]
  const { id } = query()
  const onward = query({ ttl: 4, hops: 3, budget: HALF })
  // our own hits count as a holder for those behind, who need not find as many
  const wanted = { ...onward, want: searchConfig.want - 1 }
  assert.deepEqual(bench.receive(a, query({ ttl: 7, hops: 2 })), [
    toSend(b, wanted),
    toSend(c, wanted),
    toSend(a, hits({ holder: self }))
  ])
  assert.deepEqual(bench.lookups, [[words, 100]])
  assert.equal(bench.machine.nextTick(), bench.now + 4 * hopMs)
  assert.deepEqual(bench.receive(b, report(id, 3, 4)), [])
  assert.deepEqual(bench.receive(c, report(id, 5, 6)), [toSend(a, report(id, 9, 12))])
  assert.equal(bench.machine.nextTick(), undefined)
})

test('a report travels in the last hits of its branch: our own, or those passed on', () => {
  const alone = new Bench({}, [a])
  alone.shared = [song]
  assert.deepEqual(alone.receive(a, query()), [toSend(a, hits({ holder: self, report: sum(1, 0) }))])
  const bench = new Bench()
  bench.receive(a, query())
  assert.deepEqual(bench.receive(b, hits({ report: sum(3, 4) })), [toSend(a, hits({ hops: 2 }))])
  assert.deepEqual(bench.receive(c, hits({ report: sum(5, 6) })), [toSend(a, hits({ hops: 2, report: sum(9, 12) }))])
  assert.deepEqual(bench.receive(c, report(idOf(1), 5, 6)), [], 'and is not due again')
  assert.equal(bench.machine.nextTick(), undefined)
})

test('hits that are dropped on the way do not take their report with them', () => {
  for (const config of [{ maxPathBytes: 0 }, { hitBytes: { rate: 0, burst: 0 } }]) {
    const bench = new Bench(config, [a, b])
    bench.receive(a, query())
    assert.deepEqual(bench.receive(b, hits({ report: sum(3, 4) })), [toSend(a, report(idOf(1), 4, 5))])
  }
})

test('no query names its origin: what goes on depends on the query alone', () => {
  const [one, other] = [new Bench(), new Bench()]
  const fromA = sends(one.receive(a, query())).find(({ to }) => to === c)
  const fromB = sends(other.receive(b, query())).find(({ to }) => to === c)
  assert.ok(fromA !== undefined)
  assert.deepEqual(fromA, fromB)
})

const ttlTable: [width: number, ttl: number, hops: number, onward: number | undefined][] = [
  [ALL, 7, 0, 6],
  [ALL, 3, 0, 2],
  [ALL, 1, 0, 0],
  [ALL, 1, 6, 0],
  [ALL, 255, 0, 6],
  [ALL, 7, 5, 1],
  [ALL, 255, 6, 0],
  [ALL, 0, 0, undefined],
  [ALL, 7, 7, undefined],
  [ALL, 255, 255, undefined],
  [1, 7, 0, 6],
  [2, 255, 0, 127],
  [1, 128, 1, 126],
  [1, 7, 126, 1],
  [1, 255, 127, 0],
  [1, 0, 0, undefined],
  [1, 1, 128, undefined],
  [254, 255, 255, undefined]
]
for (const [width, ttl, hops, onward] of ttlTable) {
  test(`width ${width}, ttl ${ttl} after ${hops} hops: ${onward === undefined ? 'refused' : `${onward} more`}`, () => {
    const bench = new Bench()
    const out = bench.receive(a, query({ ttl, hops, width }))
    const asked = queries(out)
    assert.equal(asked.length, onward ? Math.min(width, 2) : 0)
    for (const { message } of asked) assert.deepEqual([message.ttl, message.hops], [onward, hops + 1])
    const left = report(idOf(1), 1, 0, { beyond: true })
    if (!onward) assert.deepEqual(out, [toSend(a, onward === 0 ? left : refused(idOf(1)))])
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

test('who is no neighbour gets a report, no work and no penalty', () => {
  const bench = new Bench()
  assert.deepEqual(bench.receive(stranger, query()), [toSend(stranger, refused(idOf(1)))])
  assert.equal(bench.lookups.length, 0)
  assert.equal(sends(bench.receive(a, query())).length, 2, 'and the query may still come from a neighbour')
})

test('a query whose neighbours are silent is reported on in time, less for each hop', () => {
  const bench = new Bench()
  bench.receive(a, query({ id: idOf(1), ttl: 7 }))
  bench.receive(a, query({ id: idOf(2), ttl: 3 }))
  bench.receive(b, report(idOf(1), 4, 4))
  bench.now += 2 * hopMs
  assert.equal(bench.machine.nextTick(), bench.now)
  assert.deepEqual(bench.give({ type: 'tick' }), [toSend(a, report(idOf(2), 1, 2, cut))])
  bench.now += 4 * hopMs
  assert.deepEqual(bench.give({ type: 'tick' }), [toSend(a, report(idOf(1), 5, 6, cut))])
  assert.deepEqual(bench.receive(c, report(idOf(1), 50, 50)), [], 'too late')
  assert.equal(sends(bench.receive(c, hits())).length, 1, 'hits are never too late while the way is known')
})

const waits: [fields: Partial<QueryMessage>, hops: number][] = [
  [{ width: ALL, ttl: 5 }, 4],
  [{ width: ALL, ttl: 5, budget: 2 }, 2],
  [{ width: 1, ttl: 5, budget: 20 }, 20],
  [{ width: 1, ttl: 100, budget: 5_000 }, pathMs / hopMs]
]
for (const [fields, hops] of waits) {
  test(`${JSON.stringify(fields)} is waited for for ${hops} hops`, () => {
    const bench = new Bench()
    bench.receive(a, query(fields))
    assert.equal(bench.machine.nextTick(), bench.now + hops * hopMs)
  })
}

test('a lost neighbour is not waited for; a lost parent is not answered', () => {
  const bench = new Bench()
  bench.receive(a, query())
  bench.receive(b, report(idOf(1), 2, 2))
  const lost = report(idOf(1), 3, 4, { complete: false })
  assert.deepEqual(bench.give({ type: 'peerDown', peer: c }), [toSend(a, lost)])
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
  assert.deepEqual(bench.receive(b, hits({ hops: 6 })), [toSend(a, hits({ hops: 7 }))])
  assert.deepEqual(bench.receive(a, hits()), [], 'not from where it came')
  assert.deepEqual(bench.receive(stranger, hits()), [], 'not from a stranger')
  assert.deepEqual(bench.receive(b, hits({ id: idOf(5) })), [], 'not for what nobody asked')
  assert.deepEqual(bench.receive(b, hits({ holder: self })), [], 'not in our own name')
  assert.deepEqual(bench.receive(b, hits({ hops: 0 })), [], 'not from nowhere')
  assert.deepEqual(bench.receive(b, hits({ hops: 7 })), [], 'not from further away than the query was sent')
  bench.now += pathMs
  assert.deepEqual(bench.receive(b, hits()), [], 'not for ever')
})

test('hits of a walk come from as far as it was sent', () => {
  const bench = new Bench()
  bench.receive(a, query({ width: 2, ttl: 255 }))
  assert.deepEqual(bench.receive(b, hits({ hops: maxWalk - 1 })), [toSend(a, hits({ hops: maxWalk }))])
  assert.deepEqual(bench.receive(b, hits({ hops: maxWalk })), [])
})

test('hits for one query are limited in bytes on the way', () => {
  const bench = new Bench({ maxPathBytes: 1_000 })
  bench.receive(a, query())
  let passed = 0
  for (let i = 0; i < 100; i++) passed += sends(bench.receive(b, hits())).length
  assert.ok(passed > 0 && passed <= 2, `${passed}`)
  assert.equal(sends(bench.receive(c, hits())).length, 1, 'one that sends much leaves half of it to the others')
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

test('hits that fill more than a message are sent in several, and no more than the limit', () => {
  const bench = new Bench({}, [a])
  bench.shared = Array.from({ length: 500 }, (_, size): Hit => ({ ...song, size, name: 'x'.repeat(1_000) }))
  const sent = sends(bench.receive(a, query({ limit: 90 }))).map(({ message }) => message)
  const parts = sent.map(message => (message.type === 'hits' ? [message.answers[0]!.hits.length, message.report] : []))
  assert.deepEqual(parts, [
    [61, undefined],
    [29, sum(1, 0)]
  ])
})

test('answers to nothing are ignored, very many of them are an offence', () => {
  const bench = new Bench({ strays: { rate: 0, burst: 3 } })
  const out = [hits(), report(idOf(1)), hits({ report: sum() }), hits()].flatMap(message => bench.receive(a, message))
  assert.deepEqual(penalties(out), [a])
  assert.deepEqual(penalties(bench.receive(b, hits())), [], 'each has an account of its own')
  assert.equal(sends(out).length, 0)
})

test('queries beyond the rate are refused, not forgotten, and taken when they come another way', () => {
  const bench = new Bench({ queries: { rate: 10, burst: 4 } })
  const taken = (id: string): SearchMessage => report(id, 1, 0, { beyond: true })
  const answers = [1, 2, 3, 4, 5, 6].map(i => sends(bench.receive(a, query({ id: idOf(i), ttl: 1 }))))
  assert.deepEqual(
    answers.map(([answer]) => answer?.message),
    [1, 2, 3, 4, 5, 6].map(i => (i <= 4 ? taken(idOf(i)) : refused(idOf(i))))
  )
  assert.deepEqual(bench.receive(b, query({ id: idOf(5), ttl: 1 })), [toSend(b, taken(idOf(5)))])
  bench.now += 100
  assert.deepEqual(bench.receive(a, query({ id: idOf(6), ttl: 1 })), [toSend(a, taken(idOf(6)))])
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
  const once = query({ id: idOf(9_999), ttl: 2, hops: 0 })
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

test('queries beyond what is remembered push out the oldest, which is reported on', () => {
  const bench = new Bench({ maxPaths: 2 })
  for (const i of [1, 2]) bench.receive(a, query({ id: idOf(i) }))
  bench.receive(b, report(idOf(1), 7, 7))
  const out = sends(bench.receive(a, query({ id: idOf(3) })))
  assert.deepEqual(out[0], toSend(a, report(idOf(1), 8, 9, cut)))
  assert.deepEqual(bench.receive(c, hits({ id: idOf(1) })), [])
  assert.equal(sends(bench.receive(c, hits({ id: idOf(2) }))).length, 1)
})
