import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Peer } from '../../../protocols/core/peer.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import { searchConfig } from '../../../protocols/search/config.ts'
import type { SearchMessage } from '../../../protocols/search/messages.ts'
import { complete, distances, type Edges, randomRegular, ring, tree } from './graphs.ts'
import { again, plenty, StaticNetwork, seedOfTest } from './network.ts'

const repeat = again('flood.test.ts')
const rng = seededRng(seedOfTest)
const everybody = (n: number): Set<number> => new Set(Array.from({ length: n }, (_, i) => i))
const sorted = (found: [number, number][]): [number, number][] => found.toSorted((x, y) => x[0] - y[0])

/** Query messages of one flood in which every copy travels equally long. */
function messagesOf(n: number, edges: Edges, from: number, ttl: number): number {
  const hops = distances(n, edges, from)
  const degree = new Array<number>(n).fill(0)
  for (const edge of edges) for (const node of edge) degree[node]!++
  // the searcher asks all, others all but the one it came from
  return hops.reduce((sum, h, node) => sum + (h >= ttl ? 0 : degree[node]! - Number(node !== from)), 0)
}

const graphs: [name: string, n: number, edges: Edges][] = [
  ['two peers', 2, [[0, 1]]],
  ['a ring', 21, ring(21)],
  ['a binary tree', 63, tree(63, 2)],
  ['a line', 12, tree(12, 1)],
  ['a complete graph', 12, complete(12)],
  ['a random 4-regular graph', 200, randomRegular(200, 4, rng)],
  ['a random 5-regular graph', 500, randomRegular(500, 5, rng)]
]

for (const [name, n, edges] of graphs) {
  test(`${name}: every holder within the ttl is found once, none beyond, and all is counted`, () => {
    for (const ttl of [1, 2, 4, 7]) {
      for (const wire of [false, true]) {
        const from = rng.below(n)
        const holders = new Set(rng.sample(everybody(n), Math.ceil(n / 2)))
        const { budget, config } = plenty
        const network = new StaticNetwork({ peers: n, edges, holders, config, simulation: { wire } })
        const before = network.simulation.stats.sent
        const startedAt = network.now
        const { found, done, doneAt } = network.search(from, { ttl, budget })
        const hops = distances(n, edges, from)
        const reached = hops.filter(h => h > 0 && h <= ttl).length
        const expected = [...holders].filter(holder => hops[holder]! <= ttl).map(holder => [holder, hops[holder]!])
        const why = `ttl ${ttl} from ${from}, ${repeat}`
        assert.deepEqual(sorted(found), sorted(expected as [number, number][]), why)
        const messages = messagesOf(n, edges, from, ttl)
        const wave = { how: 'flood', budget, messages, peersAsked: reached, found: found.length }
        // who is at the edge has others than the one that it came from
        const more = hops.some((h, node) => h === ttl && edges.filter(edge => edge.includes(node)).length > 1)
        const end = {
          type: 'searchDone',
          search: 0,
          peersAsked: reached,
          messages,
          complete: true,
          more,
          waves: [wave]
        }
        assert.deepEqual(done, end, why)
        // one report a query, on its own or with hits, and a hits message for each hop of its way back
        const onTheWay = found.reduce((sum, [, h]) => sum + h, 0)
        const { carried, ...traffic } = network.traffic
        assert.deepEqual(traffic, { queries: messages, reports: messages - carried, hits: onTheWay }, why)
        assert.equal(network.simulation.stats.sent - before, 2 * messages + onTheWay - carried, why)
        assert.equal(network.simulation.stats.penalties, 0)
        // out and back, with a hop to spare for the duplicates at the edge; not the time of any timer
        assert.ok(doneAt! - startedAt <= 2 * 10 * (Math.min(ttl, Math.max(...hops)) + 1) + 10, `${doneAt} ${why}`)
      }
    }
  })
}

test('the figures that are known: a tree has as many messages as edges, a complete graph (n-1)²', () => {
  const asked = (n: number, edges: Edges): number =>
    new StaticNetwork({ peers: n, edges, holders: new Set(), ...plenty }).search(0, { budget: plenty.budget }).done!
      .messages
  assert.equal(asked(63, tree(63, 2)), 62)
  assert.equal(asked(20, complete(20)), 19 * 19)
  assert.equal(asked(2, [[0, 1]]), 1)
})

test('with delays of all kinds: everybody in a graph that is small enough, once, and the echo is whole', () => {
  for (let run = 0; run < 10; run++) {
    const n = 60
    const edges = randomRegular(n, 5, rng)
    const simulation = { latency: [1, 100] as const, jitterMs: 50, seed: rng.uint32() }
    const network = new StaticNetwork({ peers: n, edges, holders: everybody(n), simulation, config: plenty.config })
    const { found, done } = network.search(0, { budget: plenty.budget })
    const holders = found.map(([holder]) => holder)
    assert.equal(new Set(holders).size, holders.length, repeat)
    assert.equal(done!.peersAsked, holders.length - 1, repeat)
    assert.equal(done!.complete, true, repeat)
    // a copy that was quick by a long way may use up the ttl before the others come
    assert.ok(holders.length >= n - 2, `${holders.length} of ${n}, ${repeat}`)
  }
})

test('a search with a crashed peer in its way ends in time, says so, and finds the others', () => {
  for (const detectionMs of [500, 60_000]) {
    const n = 100
    const edges = randomRegular(n, 5, rng)
    const network = new StaticNetwork({ peers: n, edges, holders: everybody(n), simulation: { detectionMs } })
    const crashed = new Set(rng.sample(everybody(n), 10).filter(peer => peer !== 0))
    for (const peer of crashed) network.simulation.crash(peer as Peer)
    const startedAt = network.now
    const { found, done, doneAt } = network.search(0)
    const expected = distances(n, edges, 0, crashed).flatMap((h, node) => (h <= 7 ? [node] : []))
    assert.deepEqual(
      sorted(found).map(([holder]) => holder),
      expected.filter(node => !crashed.has(node)),
      repeat
    )
    assert.equal(done!.complete, false, repeat)
    assert.equal(done!.peersAsked, found.length - 1, `everybody who lives is counted, ${repeat}`)
    assert.ok(doneAt! - startedAt <= searchConfig.timeoutMs, `${doneAt! - startedAt} ms, ${repeat}`)
  }
})

test('peers that crash while a search runs do not hold it up, and hide only those whose way back they were', () => {
  for (let run = 0; run < 5; run++) {
    const n = 200
    const edges = randomRegular(n, 5, rng)
    /** Who each peer had the query from first: its way back. */
    const parents = new Map<number, number>()
    const network = new StaticNetwork({
      peers: n,
      edges,
      holders: everybody(n),
      simulation: {
        latency: [10, 60],
        observe: ({ kind, peer, other, what }) => {
          if (kind !== 'received' || (what as SearchMessage).type !== 'query' || peer === 0) return
          if (!parents.has(peer as number)) parents.set(peer as number, other as number)
        }
      }
    })
    const crashed = new Set(rng.sample(everybody(n), 40).filter(peer => peer !== 0))
    const startedAt = network.now
    for (const peer of crashed) {
      network.simulation.at(startedAt + rng.below(300), () => network.simulation.crash(peer as Peer))
    }
    const { found, done, doneAt } = network.search(0)
    const holders = found.map(([holder]) => holder)
    assert.ok(doneAt! - startedAt <= searchConfig.timeoutMs, `${doneAt! - startedAt} ms, ${repeat}`)
    assert.equal(done!.complete, false, repeat)
    assert.equal(new Set(holders).size, holders.length, repeat)
    const survives = (peer: number): boolean => peer === 0 || (!crashed.has(peer) && survives(parents.get(peer)!))
    const hidden = [...parents.keys()].filter(peer => survives(peer) && !holders.includes(peer))
    assert.deepEqual(hidden, [], `run ${run}, ${repeat}`)
  }
})

test('lost messages cost some hits and some time, never the end of a search', () => {
  for (let run = 0; run < 5; run++) {
    const n = 200
    const edges = randomRegular(n, 5, rng)
    const network = new StaticNetwork({ peers: n, edges, holders: everybody(n) })
    network.simulation.setLoss(0.05)
    const startedAt = network.now
    const { found, done, doneAt } = network.search(run)
    const holders = found.map(([holder]) => holder)
    assert.equal(new Set(holders).size, holders.length, repeat)
    assert.equal(done!.complete, false, repeat)
    assert.ok(doneAt! - startedAt <= searchConfig.timeoutMs, `${doneAt! - startedAt} ms, ${repeat}`)
    assert.ok(found.length > 0.7 * n, `${found.length} of ${n} found, ${repeat}`)
  }
})

test('a searcher with a neighbour that takes everything and says nothing', () => {
  const edges = [...tree(5, 4)]
  const network = new StaticNetwork({ peers: 5, edges, holders: everybody(5) })
  network.simulation.slow(2 as Peer, 100_000)
  const startedAt = network.now
  const { found, done, doneAt } = network.search(0, { timeoutMs: 2_000 })
  assert.equal(doneAt! - startedAt, 2_000)
  assert.deepEqual(
    sorted(found).map(([holder]) => holder),
    [0, 1, 3, 4]
  )
  assert.deepEqual([done!.peersAsked, done!.complete], [3, false])
})

test('many searches at once stay apart', () => {
  const n = 50
  const edges = randomRegular(n, 4, rng)
  const network = new StaticNetwork({ peers: n, edges, holders: everybody(n) })
  const outcomes = Array.from({ length: n }, (_, from) => network.start(from))
  network.simulation.run(network.now + 10_000)
  for (const [from, { found, done }] of outcomes.entries()) {
    assert.equal(found.length, n, repeat)
    assert.deepEqual([done!.peersAsked, done!.messages, done!.complete], [n - 1, messagesOf(n, edges, from, 7), true])
  }
})

test('the same seed gives the same run, with and without bytes on the wire; another seed another run', () => {
  const run = (seed: number, wire: boolean): string[] => {
    const edges = randomRegular(60, 5, seededRng(7))
    const simulation = { seed, wire, latency: [5, 80] as const, loss: 0.01 }
    const lines: string[] = []
    const network = new StaticNetwork({
      peers: 60,
      edges,
      holders: everybody(60),
      simulation: { ...simulation, observe: seen => lines.push(JSON.stringify(Object.entries(seen))) }
    })
    network.search(3)
    return [network.simulation.traceHash(), ...lines.map(line => line.replace(/"what".*/, ''))]
  }
  assert.deepEqual(run(5, false), run(5, false))
  assert.deepEqual(run(5, true).slice(1), run(5, false).slice(1))
  assert.notEqual(run(5, false)[0], run(6, false)[0])
})
