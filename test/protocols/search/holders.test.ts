import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FileId } from '../../../protocols/core/ids.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { ALL } from '../../../protocols/search/branch.ts'
import { countedBytes } from '../../../protocols/search/hits.ts'
import type { Answer, Hit, HitsMessage, HolderHits } from '../../../protocols/search/messages.ts'
import { a, Bench, b, done, events, hits, idOf, type Out, query, report, self, sends, song, sum } from './bench.ts'

const film: Hit = { id: 'cd'.repeat(32) as FileId, name: 'film.mkv', size: 9 }
const [x, y, z] = [20, 21, 22] as Peer[] as [Peer, Peer, Peer]
const many = (count: number): HolderHits[] =>
  Array.from({ length: count }, (_, i) => ({ holder: (100 + i) as Peer, hits: [song] }))
const answersTo = (out: Out[], peer: Peer): Answer[] =>
  sends(out).flatMap(({ to, message }) => (to === peer && message.type === 'hits' ? message.answers : []))
const lastReport = (out: Out[]): unknown =>
  sends(out).flatMap(({ message }) => (message as HitsMessage).report ?? [])[0]

test('a node answers for those whose files it knows, in one message; of its own search there is an event for each', () => {
  const bench = new Bench({}, [a])
  bench.shared = [song]
  bench.clients = [
    { holder: x, hits: [song, film] },
    { holder: y, hits: [] },
    { holder: a, hits: [film] }
  ]
  const out = bench.receive(a, query())
  const given = answersTo(out, a).toSorted((one, other) => Number(one.holder) - Number(other.holder))
  assert.deepEqual(
    given,
    [
      { holder: self, hops: 1, hits: [song] },
      { holder: x, hops: 1, hits: [song, film] }
    ],
    'not for one without a hit, nor for the one who asks'
  )
  assert.equal(sends(out).length, 1)
  const own = events(bench.search({ search: 2, ttl: 0 }).out).flatMap(event => (event.type === 'hits' ? [event] : []))
  assert.deepEqual(
    own.map(({ holder, via, how, hops }) => [holder, via, how, hops]).toSorted(),
    [self, x, a].map(holder => [holder, self, 'own', 0]).toSorted()
  )
})

test('the limit is for each holder', () => {
  const bench = new Bench({}, [a])
  bench.clients = [x, y].map(holder => ({
    holder,
    hits: Array.from({ length: 150 }, (_, size): Hit => ({ ...song, size }))
  }))
  for (const limit of [3, 100]) {
    const given = answersTo(bench.receive(a, query({ id: idOf(limit), limit })), a)
    const counts = [x, y].map(peer => given.flatMap(({ holder, hits }) => (holder === peer ? hits : [])).length)
    assert.deepEqual(counts, [limit, limit])
  }
})

test('answers of several are passed on together; those that cannot be are taken out, and all are counted', () => {
  const answers: Answer[] = [
    { holder: x, hops: 1, hits: [song, film] },
    { holder: self, hops: 1, hits: [song] },
    { holder: y, hops: 0, hits: [song] },
    { holder: z, hops: 7, hits: [song] },
    { holder: y, hops: 6, hits: [song] }
  ]
  const message: HitsMessage = { type: 'hits', id: idOf(1), answers }
  const bench = new Bench()
  bench.receive(a, query())
  assert.deepEqual(answersTo(bench.receive(b, message), a), [
    { holder: x, hops: 2, hits: [song, film] },
    { holder: y, hops: 7, hits: [song] }
  ])
  // it has sent all of it, whatever becomes of it
  const bytes = countedBytes(answers)
  for (const burst of [bytes - 1, bytes]) {
    const poor = new Bench({ hitBytes: { rate: 0, burst } })
    poor.receive(a, query())
    assert.equal(answersTo(poor.receive(b, message), a).length, burst === bytes ? 2 : 0)
  }
})

test('a searcher gets an event for each holder, and the limits are for each', () => {
  const bench = new Bench({ maxHolders: 2 }, [a])
  const { id } = bench.search()
  const answers = [x, y, z].map((holder, i): Answer => ({ holder, hops: i + 1, hits: [song] }))
  assert.deepEqual(events(bench.receive(a, { type: 'hits', id, answers })), [
    { type: 'hits', search: 1, holder: x, via: a, how: 'flood', hops: 1, hits: [song] },
    { type: 'hits', search: 1, holder: y, via: a, how: 'flood', hops: 2, hits: [song] }
  ])
  const again = { type: 'hits', id, answers: [{ holder: x, hops: 1, hits: [song, film] }], report: sum(1, 0) } as const
  assert.deepEqual(events(bench.receive(a, again)), [
    { type: 'hits', search: 1, holder: x, via: a, how: 'flood', hops: 1, hits: [film] },
    done(1, 1, { found: 2 })
  ])
})

test('what several have is counted once, but the searcher remembers each pair', () => {
  const same = many(50).map(one => ({ ...one, hops: 1 }))
  const apart = same.map((one, i) => ({ ...one, hits: [{ ...song, size: i, name: 'x'.repeat(200) }] }))
  assert.ok(countedBytes(apart) > countedBytes(same) + 49 * 200)
  const longer = same.map(one => ({ ...one, hits: [song, film] }))
  assert.equal(countedBytes(longer) - countedBytes(same), countedBytes([{ ...same[0]!, hits: [film] }]) - 128 + 49 * 8)
})

test('walkers are told of no more holders than they want, and of others when they come again', () => {
  const bench = new Bench({}, [a])
  bench.clients = many(30)
  const order = { width: 0, ttl: 1, want: 8 }
  const told = new Set<Peer>()
  for (const count of [8, 8, 8, 6]) {
    const out = bench.receive(a, query(order))
    const given = answersTo(out, a)
    assert.equal(given.length, count)
    for (const { holder } of given) told.add(holder)
    // nobody else is here to ask: there is more as long as there are others to name
    assert.deepEqual(lastReport(out), sum(told.size === 8 ? 1 : 0, 0, { more: told.size < 30 }))
  }
  assert.equal(told.size, 30, 'each is named once')
  assert.deepEqual(sends(bench.receive(a, query(order))), [{ type: 'send', to: a, message: report(idOf(1), 0, 0) }])
})

test('a flood is told of up to 256, and of the rest when it comes again', () => {
  const bench = new Bench({}, [a])
  bench.clients = many(300)
  const first = bench.receive(a, query({ ttl: 1 }))
  assert.equal(answersTo(first, a).length, 256)
  assert.ok(sends(first).length >= 4, 'in messages of at most 64 holders')
  assert.equal(answersTo(bench.receive(a, query({ ttl: 1 })), a).length, 44)
  assert.equal(bench.lookups.length, 2)
})

test('a node that was told all is not looked up again', () => {
  const bench = new Bench({}, [a])
  bench.clients = many(3)
  bench.receive(a, query({ width: 0, ttl: 1 }))
  assert.deepEqual(answersTo(bench.receive(a, query({ width: 1, ttl: 1 })), a), [])
  assert.equal(bench.lookups.length, 1)
})

test('holders beyond those that are wanted end a walk', () => {
  const bench = new Bench()
  bench.clients = many(5)
  assert.equal(sends(bench.receive(a, query({ width: 2, want: 5 }))).length, 1, 'its own hits are enough')
  assert.equal(sends(bench.receive(a, query({ id: idOf(2), width: 2, want: 6 }))).length, 3)
  assert.equal(sends(bench.receive(a, query({ id: idOf(3), width: ALL, want: 1 }))).length, 3, 'not a flood')
})

test('one that says it has more without end costs no more than the budget', () => {
  const bench = new Bench({}, [a])
  const { id } = bench.search({ budget: 50, strategy: 'flood' })
  let asked = 1
  for (let i = 0; i < 100; i++) {
    const out = bench.receive(a, hits({ id, holder: (30 + i) as Peer, report: sum(1, 0, { more: true }) }))
    asked += sends(out).filter(({ message }) => message.type === 'query').length
    if (events(out).some(({ type }) => type === 'searchDone')) break
  }
  assert.ok(asked <= 50, `${asked}`)
})
