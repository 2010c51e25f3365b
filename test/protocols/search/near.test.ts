import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Peer } from '../../../protocols/core/peer.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import { type Ask, Branch, type Order } from '../../../protocols/search/branch.ts'
import { again, seedOfTest } from './network.ts'

const repeat = again('near.test.ts')
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
    for (let asks = this.#advance(); asks.length > 0; asks = this.#advance()) {
      this.batches.push(asks.length)
      for (const { peer, order } of asks) {
        const has = holdersOf(peer)
        const from = named.get(peer) ?? 0
        const given = has.slice(from, from + order.want)
        named.set(peer, from + given.length)
        for (const holder of given) this.branch.countHolder(holder, peer)
        const more = from + given.length < has.length
        this.branch.report(peer, { peers: from === 0 ? 1 : 0, messages: 0, complete: true, more, beyond: false })
      }
    }
  }

  #advance(): Ask[] {
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
