import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Peer } from '../../../protocols/core/peer.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import {
  type Bloom,
  bloomBits,
  bloomOf,
  emptyBloom,
  flipped,
  hashKey,
  unionOf
} from '../../../protocols/search/bloom.ts'
import { type SearchConfig, searchConfig, searchLimits } from '../../../protocols/search/config.ts'
import type { SearchMessage } from '../../../protocols/search/messages.ts'
import type { Observation } from '../../../src/simulator/index.ts'
import { complete, distances, type Edges, randomRegular, ring, tree } from './graphs.ts'
import { again, StaticNetwork, seedOfTest } from './network.ts'

const repeat = again('summary-spread.test.ts')
const { summaryMs, summarySettleMs } = searchConfig
/** Changes go so many hops, and each waits for its turn. */
const settled = 4 * (summaryMs + 2 * summarySettleMs)

const own = (keys: readonly string[]): Bloom =>
  bloomOf(keys.map(hashKey), bloomBits(keys.length, searchLimits.summaryBits[0]!))
/** Whether all bits of a filter are set in another of any size. */
function isWithin(part: Bloom, whole: Bloom): boolean {
  const bits = Math.min(part.length, whole.length) * 32
  const folded = unionOf([whole], bits)
  return unionOf([part], bits).every((word, i) => (word & ~folded[i]!) === 0)
}

/** What everybody has been told by its neighbours, put together from the messages alone. */
class Told {
  readonly network: StaticNetwork
  readonly times: { time: number; from: number; to: number }[] = []
  readonly kinds: Record<string, number> = {}
  readonly #levels = new Map<string, { version: number; levels: Bloom[] }>()

  constructor(peers: number, edges: Edges, { wire = true, config = {} as Partial<SearchConfig> } = {}) {
    const observe = (observation: Observation): void => this.#observe(observation)
    const simulation = { wire, observe }
    this.network = new StaticNetwork({
      peers,
      edges,
      holders: new Set(),
      simulation,
      config: { summaryHops: 3, ...config }
    })
  }

  share(peer: number, keys: string[]): void {
    this.network.channel.command(peer as Peer, { type: 'share', keys })
  }

  settle(ms = settled): void {
    this.network.simulation.run(this.network.now + ms)
  }

  levels(from: number, to: number): Bloom[] {
    return this.#levels.get(`${from} ${to}`)?.levels ?? []
  }

  #observe({ kind, peer, other, what, time }: Observation): void {
    if (kind !== 'received') return
    const message = what as SearchMessage
    this.kinds[message.type] = (this.kinds[message.type] ?? 0) + 1
    if (message.type !== 'summary') return
    this.times.push({ time, from: other as number, to: peer as number })
    const way = `${other} ${peer}`
    const before = this.#levels.get(way)
    const { version, base } = message
    if (base !== 0 && base !== before?.version) return
    const levels = message.levels.map(({ bits, flips }, i) =>
      flipped(base === 0 ? emptyBloom(bits) : before!.levels[i]!, flips)
    )
    this.#levels.set(way, { version, levels })
  }
}

/** Nodes that are so many steps from `from` by way of `via`, never straight back. */
function reached(edges: Edges, from: number, via: number, steps: number): Set<number> {
  let front: (readonly [number, number])[] = [[from, via]]
  for (let step = 1; step < steps; step++) {
    front = front.flatMap(([before, at]) =>
      edges.flatMap(edge => {
        const next = edge[0] === at ? edge[1] : edge[1] === at ? edge[0] : before
        return next === before ? [] : [[at, next] as const]
      })
    )
  }
  return new Set(front.map(([, at]) => at))
}

const keysOf = (peer: number, generation = 0): string[] =>
  Array.from({ length: 1 + ((peer * 7) % 12) }, (_, i) => `word ${i} of ${peer} ${generation}`)

function checkAll(told: Told, n: number, edges: Edges, keys: (peer: number) => string[]): void {
  for (const [one, other] of edges.flatMap(([x, y]) => [[x, y] as const, [y, x] as const])) {
    // what `other` has told `one`
    const levels = told.levels(other, one)
    assert.equal(levels.length, 3)
    for (const [hops, level] of levels.entries()) {
      const nodes = [...reached(edges, one, other, hops + 1)]
      // in a tree those that far away behind it are all; in any graph they are among them
      const away = distances(n, edges, one)
      const behind = distances(n, edges, other).flatMap((h, x) => (h === hops && away[x] === hops + 1 ? [x] : []))
      if (edges.length === n - 1) assert.deepEqual(nodes.toSorted(), behind.toSorted())
      else for (const node of behind) assert.ok(isWithin(own(keys(node)), level))
      const expected = unionOf(
        nodes.map(node => own(keys(node))),
        searchLimits.summaryBits[hops]!
      )
      assert.deepEqual(level, expected, `${other} to ${one}, ${hops + 1} hops, ${repeat}`)
    }
  }
}

const graphs: [string, number, Edges][] = [
  ['a line', 7, tree(7, 1)],
  ['a binary tree', 15, tree(15, 2)],
  ['a ring', 9, ring(9)],
  ['a complete graph', 5, complete(5)],
  ['a random 4-regular graph', 30, randomRegular(30, 4, seededRng(seedOfTest))]
]
for (const [name, n, edges] of graphs) {
  test(`${name}: each level has the keys of those so many hops away by way of that neighbour, and no others`, () => {
    const told = new Told(n, edges)
    for (let peer = 0; peer < n; peer++) told.share(peer, keysOf(peer))
    told.settle()
    checkAll(told, n, edges, keysOf)
    // the same after everybody has something else, and nothing more is said when nothing changes
    for (let peer = 0; peer < n; peer++) told.share(peer, keysOf(peer, 1))
    told.settle()
    checkAll(told, n, edges, peer => keysOf(peer, 1))
    const before = told.times.length
    told.settle()
    assert.equal(told.times.length, before)
    assert.equal(told.kinds.summaryWanted, undefined)
    assert.equal(told.network.simulation.stats.penalties, 0)
  })
}

test('a change goes three hops and no further, and what is not shared any more is gone', () => {
  const edges = tree(6, 1)
  const told = new Told(6, edges)
  told.settle()
  told.share(0, ['secret'])
  told.settle()
  const seenAt = (keys: string[]): number[] =>
    [1, 2, 3, 4, 5].filter(to => told.levels(to - 1, to).some(level => isWithin(own(keys), level)))
  assert.deepEqual(seenAt(['secret']), [1, 2, 3])
  told.share(0, ['other'])
  told.settle()
  assert.deepEqual(seenAt(['secret']), [])
  assert.deepEqual(seenAt(['other']), [1, 2, 3])
  told.network.simulation.crash(0 as Peer)
  told.settle()
  assert.deepEqual(
    [2, 3].filter(to => told.levels(to - 1, to).some(level => isWithin(own(['other']), level))),
    []
  )
})

test('one neighbour is told of changes once a minute, however often there are any', () => {
  const edges = tree(4, 1)
  const told = new Told(4, edges)
  const startedAt = told.network.now
  for (let i = 0; i < 600; i++) told.network.simulation.at(startedAt + i * 500, () => told.share(i % 4, [`key ${i}`]))
  told.settle(330_000)
  for (const [from, to] of edges.flatMap(([x, y]) => [[x, y] as const, [y, x] as const])) {
    const times = told.times.filter(one => one.from === from && one.to === to).map(({ time }) => time)
    assert.ok(times.length >= 5 && times.length <= 7, `${times}`)
    assert.ok(times[0]! - startedAt <= 2 * summarySettleMs, 'the first soon')
    for (const [i, time] of times.entries()) if (i > 0) assert.ok(time - times[i - 1]! >= summaryMs, `${times}`)
  }
})

test('messages that were lost are noticed at the next change, and all is told again', () => {
  const edges = randomRegular(12, 3, seededRng(seedOfTest))
  const told = new Told(12, edges)
  told.network.simulation.setLoss(0.4)
  for (let round = 0; round < 6; round++) {
    for (let peer = 0; peer < 12; peer++) told.share(peer, keysOf(peer, round))
    told.settle(summaryMs)
  }
  assert.ok(told.kinds.summaryWanted! > 0, repeat)
  told.network.simulation.setLoss(0)
  for (const generation of [10, 11]) {
    for (let peer = 0; peer < 12; peer++) told.share(peer, keysOf(peer, generation))
    told.settle()
  }
  checkAll(told, 12, edges, peer => keysOf(peer, 11))
})
