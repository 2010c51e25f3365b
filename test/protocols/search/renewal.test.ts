import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Peer } from '../../../protocols/core/peer.ts'
import { ALL } from '../../../protocols/search/branch.ts'
import { searchConfig } from '../../../protocols/search/config.ts'
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
  sends,
  song,
  toSend
} from './bench.ts'

const { hopMs, maxTtl, maxWalk, maxBudget, pathMs } = searchConfig
const [d, e] = [4, 5] as Peer[] as [Peer, Peer]

test('a query that comes again from its parent goes on where it ended, with the new order', () => {
  const bench = new Bench({}, [a, b, c, d, e])
  bench.shared = [song]
  const out = bench.receive(a, query({ budget: 2 }))
  assert.equal(queries(out).length, 2, 'more was not to be spent')
  const [first, second] = queries(out).map(({ to }) => to) as [Peer, Peer]
  bench.receive(first, report(idOf(1), 1, 0, { beyond: true }))
  assert.deepEqual(bench.receive(second, report(idOf(1), 1, 0)), [
    toSend(a, report(idOf(1), 3, 2, { more: true, beyond: true }))
  ])
  const again = bench.receive(a, query({ width: 1, budget: 10 }))
  assert.equal(sends(again).length, 1, 'one walker; hits and the look-up are not repeated')
  assert.equal(bench.lookups.length, 1)
  const third = queries(again)[0]!.to
  assert.ok(![a, first, second].includes(third), 'one that was not asked before')
  assert.deepEqual(queries(again)[0]!.message, query({ ttl: 6, hops: 1, width: 1, budget: 9 }))
  // when nobody new is left, the one that has more hops to go
  const [fourth] = queries(bench.receive(third, report(idOf(1), 1, 2)))
  assert.deepEqual([fourth?.message.width, fourth?.message.budget], [1, 6])
  assert.deepEqual(bench.receive(fourth!.to, report(idOf(1), 2, 1)), [
    toSend(a, report(idOf(1), 3, 5, { beyond: true }))
  ])
  const deeper = queries(bench.receive(a, query({ width: 1, ttl: 20, budget: 10 })))
  assert.deepEqual(
    deeper.map(({ to, message }) => [to, message.ttl]),
    [[first, 19]]
  )
})

test('again while it waits is a duplicate, and from another than the parent always', () => {
  const bench = new Bench()
  bench.receive(a, query())
  assert.deepEqual(bench.receive(a, query({ budget: 1_000 })), [toSend(a, report(idOf(1), 0, 0))])
  bench.receive(b, report(idOf(1), 1, 0, { more: true }))
  const out = bench.receive(c, report(idOf(1), 1, 0))
  // b would do more and is asked again with what is left; it does nothing with it
  assert.deepEqual(
    queries(out).map(({ to }) => to),
    [b]
  )
  assert.deepEqual(bench.receive(b, report(idOf(1), 0, 0, { more: true })), [
    toSend(a, report(idOf(1), 3, 3, { more: true }))
  ])
  assert.deepEqual(bench.receive(b, query({ budget: 1_000 })), [toSend(b, report(idOf(1), 0, 0))])
  assert.deepEqual(bench.receive(c, query({ budget: 1_000 })), [toSend(c, report(idOf(1), 0, 0))])
  assert.deepEqual(bench.receive(a, query({ budget: 1_000 })), [toSend(a, report(idOf(1), 0, 0))], 'all have seen it')
})

test('a query that comes again is charged like any other', () => {
  const bench = new Bench({ queries: { rate: 1, burst: 4 }, arrivals: { rate: 0, burst: 7 } }, [a])
  const again = query({ ttl: 1 })
  const answers = Array.from({ length: 6 }, () => sends(bench.receive(a, again))[0]?.message)
  assert.deepEqual(answers, [
    report(idOf(1), 1, 0),
    report(idOf(1), 0, 0),
    report(idOf(1), 0, 0),
    report(idOf(1), 0, 0),
    refused(idOf(1)),
    refused(idOf(1))
  ])
  bench.now += 1_000
  assert.deepEqual(sends(bench.receive(a, again))[0]?.message, report(idOf(1), 0, 0), 'it was not forgotten')
  assert.deepEqual(penalties(bench.receive(a, again)), [a], 'nor is it free of the rate for all')
})

test('one that comes again is remembered from then on, and what ends is reported on', () => {
  const bench = new Bench({}, [a, b])
  bench.receive(a, query())
  bench.receive(b, report(idOf(1), 1, 0, { more: true }))
  bench.receive(b, report(idOf(1), 0, 0, { more: true }))
  bench.now += pathMs - 1
  assert.equal(queries(bench.receive(a, query({ width: 1, budget: 1_000 }))).length, 1)
  bench.now += pathMs - 1
  assert.deepEqual(sends(bench.receive(b, hits())).length, 1, 'its way back is open')
  // another query comes when it is out of time, before the tick does
  bench.now += 1
  const [ended] = sends(bench.receive(a, query({ id: idOf(2) })))
  assert.deepEqual(ended, toSend(a, report(idOf(1), 0, 1, cut)))
})

test('what is late is not waited for again, is counted when it comes, and gives no budget back', () => {
  const bench = new Bench({}, [a, b])
  bench.receive(a, query({ ttl: 3, budget: 50 }))
  bench.now += 2 * hopMs
  assert.deepEqual(bench.give({ type: 'tick' }), [toSend(a, report(idOf(1), 1, 1, cut))])
  assert.deepEqual(bench.receive(a, query({ ttl: 3, budget: 5 })), [toSend(a, report(idOf(1), 0, 0))])
  assert.deepEqual(bench.receive(b, report(idOf(1), 3, 20, { more: true })), [])
  // 29 that it did not spend are of the first order: of the second there are 5
  const out = bench.receive(a, query({ ttl: 3, budget: 5 }))
  assert.deepEqual(
    queries(out).map(({ to, message }) => [to, message.budget]),
    [[b, 4]]
  )
  assert.deepEqual(bench.receive(b, report(idOf(1), 1, 4)), [toSend(a, report(idOf(1), 4, 25))])
})

test('what is late gives no budget to the order that came after it', () => {
  const bench = new Bench()
  bench.receive(a, query({ ttl: 3, budget: 50 }))
  bench.receive(c, report(idOf(1), 1, 24, { more: true }))
  bench.now += 2 * hopMs
  bench.give({ type: 'tick' })
  assert.deepEqual(
    queries(bench.receive(a, query({ ttl: 3, budget: 5 }))).map(({ to, message }) => [to, message.budget]),
    [[c, 4]]
  )
  assert.deepEqual(bench.receive(b, report(idOf(1), 1, 0, { more: true })), [], 'it had 24')
  const out = bench.receive(c, report(idOf(1), 1, 2))
  assert.deepEqual(
    queries(out).map(({ to, message }) => [to, message.budget]),
    [[b, 1]]
  )
})

test('where somebody refuses or is silent nobody asks over and over: the next order does', () => {
  for (const width of [1, ALL]) {
    const bench = new Bench({}, [a, b])
    bench.receive(a, query({ width }))
    const out = bench.receive(b, report(idOf(1), 3, 5, cut))
    assert.deepEqual(out, [toSend(a, report(idOf(1), 4, 6, cut))])
    assert.equal(queries(bench.receive(a, query({ width }))).length, 1)
    assert.equal(queries(bench.receive(b, report(idOf(1), 3, 5, { more: true }))).length, 1)
    // one that refuses itself
    bench.receive(b, refused(idOf(1)))
    assert.equal(queries(bench.receive(a, query({ width }))).length, 1)
  }
})

test('no more is sent on than a query may cost, whatever its sender wrote', () => {
  for (const width of [0, 1, 254, ALL]) {
    const bench = new Bench()
    const given = queries(bench.receive(a, query({ budget: 2 ** 32 - 1, width, ttl: 255 })))
    const cost = given.reduce((total, { message }) => total + 1 + message.budget, 0)
    assert.ok(cost <= maxBudget, `${cost}`)
    for (const { message } of given) assert.ok(message.ttl <= (width === ALL ? maxTtl : maxWalk) - 1)
  }
})

test('a neighbour that always says that there is more is asked until the budget is spent, and no longer', () => {
  for (const width of [1, ALL]) {
    const bench = new Bench({}, [a, b])
    let out = bench.receive(a, query({ budget: 1_000, width }))
    let asked = 0
    for (; queries(out).length > 0; asked++) {
      assert.ok(asked < 1_000)
      // it says that it spent one message, the least that is believed
      out = bench.receive(b, report(idOf(1), 1, 1, { more: true }))
    }
    assert.ok(asked >= 400, `${asked}`)
    const [end] = sends(out)
    assert.ok(end?.to === a && end.message.type === 'report')
    assert.ok(end.message.messages <= 1_000 && end.message.more)
  }
})
