import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Peer } from '../../../protocols/core/peer.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import { bloomOf, emptyBloom, flipsBetween, hashKey } from '../../../protocols/search/bloom.ts'
import { type Ask, Branch, type Order } from '../../../protocols/search/branch.ts'
import { searchConfig } from '../../../protocols/search/config.ts'
import type { Report } from '../../../protocols/search/messages.ts'
import { Bench, events, hits, queries, report, sum } from './bench.ts'
import { again, seedOfTest } from './network.ts'

const repeat = again('near.test.ts')
const DONE: Report = { peers: 1, messages: 0, complete: true, more: false, beyond: false }
const LED: Order = { ttl: 3, width: 0, budget: 1_000, want: 32 }

/** A branch whose neighbours show a match so many hops away, and name the holders that they have. */
class Near {
  readonly branch: Branch
  readonly asked: Ask[] = []
  readonly batches: number[] = []
  readonly #shown: Map<Peer, number>
  readonly #rng = seededRng(seedOfTest)

  constructor(order: Order, shown: readonly number[]) {
    this.branch = new Branch(order)
    this.#shown = new Map(shown.map((hops, i) => [i as Peer, hops]))
  }

  /** Each that is asked names of those that it has as many as it may, and says whether it could name more. */
  run(holdersOf: (peer: Peer) => readonly Peer[]): void {
    const named = new Map<Peer, number>()
    for (let asks = this.ask(); asks.length > 0; asks = this.ask()) {
      this.batches.push(asks.length)
      for (const { peer, order } of asks) {
        const has = holdersOf(peer)
        const from = named.get(peer) ?? 0
        const given = has.slice(from, from + order.want)
        named.set(peer, from + given.length)
        const more = from + given.length < has.length
        this.answer(peer, given, { ...DONE, peers: from === 0 ? 1 : 0, more })
      }
    }
  }

  answer(peer: Peer, holders: readonly Peer[], report: Report = DONE): void {
    for (const holder of holders) this.branch.countHolder(holder, peer)
    this.branch.report(peer, report)
  }

  ask(): Ask[] {
    const asks = this.branch.advance({
      neighbours: this.#shown.keys(),
      matchOf: peer => this.#shown.get(peer),
      rng: this.#rng
    })
    this.asked.push(...asks)
    return asks
  }
}

const all = (count: number, hops = 1): number[] => new Array<number>(count).fill(hops)
/** So many of its own. */
const own = (count: number) => (peer: Peer) =>
  Array.from({ length: count }, (_, i) => (1_000 * ((peer as number) + 1) + i) as Peer)

test('a common word: a few of those that show it are asked, and have enough', () => {
  for (const neighbours of [20, 32]) {
    const near = new Near(LED, all(neighbours))
    near.run(own(15))
    assert.deepEqual(near.batches, [4], repeat)
    for (const { order } of near.asked) assert.equal(order.want, 8)
  }
})

test('a word that each has a few of: then as many as it takes', () => {
  const near = new Near(LED, all(20))
  near.run(own(3))
  // 4 brought 12: the other 20 take 7, and a quarter more
  assert.deepEqual(near.batches, [4, 9], repeat)
})

test('what is rare, or shown by few, is asked of all that show it', () => {
  const rare = new Near(LED, all(20))
  rare.run(peer => (peer === 7 ? ([1_007] as Peer[]) : []))
  assert.equal(rare.asked.length, 20)
  assert.ok(rare.batches.length <= 3, `${rare.batches}`)
  for (const count of [1, 2, 3, 4]) {
    const few = new Near(LED, all(count))
    few.run(own(1))
    assert.deepEqual(few.batches, [count])
  }
})

test('those that named all that they were let are asked for more when nobody else shows it', () => {
  const near = new Near(LED, all(3))
  near.run(peer => (peer === 1 ? own(40)(peer) : []))
  // 11 each, and then the rest of it from the one that has it
  assert.deepEqual(near.asked.map(({ peer, order }) => [peer, order.want]).slice(3), [[1, 21]], repeat)
  const satisfied = new Near({ ...LED, want: 200 }, all(3))
  satisfied.run(own(40))
  assert.equal(satisfied.asked.length, 3, 'not one that has named them all')
})

test('one that names what others have named is asked for the rest, and counted by what was new', () => {
  const near = new Near(LED, all(20))
  near.run(() => own(60)(0 as Peer))
  assert.ok(near.asked.length >= 20, `${near.batches}, ${repeat}`)
  const last = near.asked.slice(20).map(({ peer }) => peer as number)
  assert.equal(new Set(last).size > 0, true)
})

test('one that shows a match and is silent does not keep others from being asked', () => {
  const near = new Near(LED, all(20))
  const first = near.ask()
  for (const { peer } of first.slice(1)) near.answer(peer, own(3)(peer))
  assert.deepEqual(near.ask(), [], 'it is waited for')
  near.branch.hurry()
  // three brought 9: the other 23 take 8, and a quarter more
  assert.equal(near.ask().length, 10, repeat)
  assert.equal(near.branch.report(first[0]!.peer, DONE).wasDue, true)
})

test('the nearest are asked first, at random among those', () => {
  const first = new Set<Peer>()
  for (let i = 0; i < 10; i++) {
    const near = new Near(LED, [...all(10, 2), ...all(8, 1)])
    near.run(own(15))
    for (const { peer, order } of near.asked) {
      assert.ok((peer as number) >= 10)
      assert.equal(order.ttl, 1)
      first.add(peer)
    }
  }
  assert.ok(first.size >= 4)
})

test('a walk that wants one holder asks one after another, as ever', () => {
  const near = new Near({ ...LED, want: 1 }, all(20))
  near.run(peer => ((peer as number) % 4 === 0 ? own(1)(peer) : []))
  assert.ok(
    near.batches.every(count => count === 1),
    `${near.batches}`
  )
})

test('a searcher asks on after half a second a hop, though one of the first is silent', () => {
  const neighbours = Array.from({ length: 8 }, (_, i) => (i + 1) as Peer)
  const bench = new Bench({ summaryHops: 3 }, neighbours)
  const flips = flipsBetween(emptyBloom(512), bloomOf([hashKey('song')], 512))
  for (const peer of neighbours) {
    bench.receive(peer, { type: 'summary', version: 1, base: 0, levels: [{ bits: 512, flips }] })
  }
  const { id, out } = bench.search({ strategy: 'walk', walkers: 1 })
  const first = queries(out).map(({ to }) => to)
  assert.equal(first.length, 4)
  for (const peer of first.slice(1)) assert.deepEqual(queries(bench.receive(peer, report(id))), [])
  bench.now += searchConfig.hopMs / 2 - 1
  assert.deepEqual(queries(bench.give({ type: 'tick' })), [])
  bench.now += 1
  const next = queries(bench.give({ type: 'tick' })).map(({ to }) => to)
  assert.deepEqual(
    next.toSorted(),
    neighbours.filter(peer => !first.includes(peer))
  )
  const late = bench.receive(first[0] as Peer, hits({ id, report: sum(1, 0) }))
  assert.equal(events(late).length, 1, 'and listens to it all the same')
})
