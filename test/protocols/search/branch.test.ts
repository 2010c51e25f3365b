import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Peer } from '../../../protocols/core/peer.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import { searchConfig } from '../../../protocols/search/config.ts'
import { distances, type Edges, randomRegular } from './graphs.ts'
import { again, plenty, type SearchOptions, StaticNetwork, seedOfTest } from './network.ts'

const repeat = again('branch.test.ts')
const everybody = (n: number): Set<number> => new Set(Array.from({ length: n }, (_, i) => i))

interface Graph {
  n: number
  edges: Edges
}

/** Connected: a random tree and some edges more. */
const graph: fc.Arbitrary<Graph> = fc.integer({ min: 2, max: 30 }).chain(n =>
  fc
    .record({
      above: fc.tuple(...Array.from({ length: n - 1 }, (_, i) => fc.integer({ min: 0, max: i }))),
      more: fc.array(fc.tuple(fc.integer({ min: 0, max: n - 1 }), fc.integer({ min: 0, max: n - 1 })), {
        maxLength: 2 * n
      })
    })
    .map(({ above, more }) => {
      const edges = new Map<string, readonly [number, number]>()
      for (const [x, y] of [...above.map((parent, i) => [parent, i + 1] as const), ...more]) {
        if (x !== y) edges.set(`${Math.min(x, y)} ${Math.max(x, y)}`, [x, y])
      }
      return { n, edges: [...edges.values()] }
    })
)
const latency = fc.constantFrom([10, 10] as const, [1, 200] as const)
const seed = fc.integer({ min: 0, max: 2 ** 31 })
const options: fc.Arbitrary<SearchOptions> = fc.record({
  strategy: fc.constantFrom('auto', 'flood', 'ring', 'walk'),
  budget: fc.integer({ min: 0, max: 120 }),
  want: fc.integer({ min: 1, max: 40 }),
  walkers: fc.integer({ min: 1, max: 8 }),
  ttl: fc.integer({ min: 1, max: 7 })
})

const check = (property: fc.IProperty<never>, numRuns = 150): void => {
  fc.assert(property, { seed: seedOfTest, numRuns })
}

/** Runs a search and then until nothing is under way any more. */
function searched(
  { n, edges }: Graph,
  search: SearchOptions,
  init: Partial<ConstructorParameters<typeof StaticNetwork>[0]> = {}
): StaticNetwork & { end: NonNullable<ReturnType<StaticNetwork['search']>['done']>; found: number[] } {
  const network = new StaticNetwork({ peers: n, edges, holders: new Set(), ...init })
  const { done, found } = network.search(0, { timeoutMs: 600_000, ...search })
  assert.ok(done !== undefined, `it ended, ${repeat}`)
  network.simulation.run(network.now + 60_000)
  return Object.assign(network, { end: done, found: found.map(([holder]) => holder) })
}

test('whatever the strategy: it costs no more than its budget, asks nobody twice, and its account is exact', () => {
  check(
    fc.property(graph, options, latency, seed, fc.nat(), (graph, search, latency, seed, odds) => {
      const rng = seededRng(odds)
      const holders = new Set(rng.sample(everybody(graph.n), rng.below(graph.n + 1)))
      const { end, found, traffic, lookups, simulation } = searched(graph, search, {
        holders,
        simulation: { latency, seed }
      })
      assert.ok(traffic.queries <= search.budget!)
      assert.equal(end.messages, traffic.queries)
      assert.equal(end.peersAsked, lookups.length - 1)
      assert.equal(new Set(lookups).size, lookups.length, 'one look-up a node')
      assert.equal(traffic.reports + traffic.carried, traffic.queries, 'one report a query')
      assert.equal(end.complete, true)
      assert.deepEqual(
        found.toSorted(),
        lookups.filter(peer => holders.has(peer)).toSorted(),
        'what was asked was found'
      )
      assert.equal(
        end.waves.reduce((total, { messages }) => total + messages, 0),
        end.messages
      )
      assert.equal(
        end.waves.reduce((total, { peersAsked }) => total + peersAsked, 0),
        end.peersAsked
      )
      for (const wave of end.waves) assert.ok(wave.messages <= wave.budget)
      assert.equal(end.waves.at(-1)?.found ?? 0, end.waves.length === 0 ? 0 : found.length)
      assert.equal(simulation.stats.penalties, 0)
      if (lookups.length < graph.n) assert.equal(end.more, true, 'who was left out is known of')
    }) as never,
    300
  )
})

test('a flood with budget enough asks everybody within the ttl', () => {
  check(
    fc.property(graph, fc.integer({ min: 1, max: 7 }), seed, (graph, ttl, seed) => {
      const { config, budget } = plenty
      const { lookups } = searched(graph, { ttl, budget }, { config, simulation: { seed } })
      const within = distances(graph.n, graph.edges, 0).flatMap((hops, node) => (hops <= ttl ? [node] : []))
      assert.deepEqual(lookups.toSorted(), within.toSorted())
    }) as never
  )
})

test('a flood whose budget would do with another split asks again with what came back', () => {
  // one branch is a star of 20, the other a leaf: an even split gives either half
  const edges: Edges = [[0, 1], [0, 2], ...Array.from({ length: 20 }, (_, i) => [1, 3 + i] as const)]
  const { end, lookups } = searched({ n: 23, edges }, { budget: 24 })
  assert.equal(lookups.length, 23)
  assert.deepEqual([end.more, end.messages <= 24], [false, true])
})

test('a flood with too small a budget says that there is more, and spends all of it', () => {
  const edges = randomRegular(100, 5, seededRng(seedOfTest))
  for (const budget of [1, 4, 5, 17, 50, 90]) {
    const { end, lookups } = searched({ n: 100, edges }, { budget })
    assert.equal(end.more, true, `budget ${budget}, ${repeat}`)
    assert.ok(end.messages > budget * 0.8 && end.messages <= budget, `${end.messages} of ${budget}, ${repeat}`)
    assert.ok(lookups.length > 1)
  }
})

test('walkers with all the budget they need ask everybody, once, however many they are', () => {
  check(
    fc.property(graph, fc.constantFrom(1, 2, 3, 8, 254), latency, seed, (graph, walkers, latency, seed) => {
      const { config, budget } = plenty
      const search = { strategy: 'walk', walkers, budget, want: 255 } as const
      const { end, lookups } = searched(graph, search, { config, simulation: { latency, seed } })
      assert.deepEqual(lookups.toSorted(), [...everybody(graph.n)].toSorted())
      assert.deepEqual([end.more, end.complete], [false, true])
    }) as never
  )
})

test('a walker stops when it has found enough', () => {
  const edges = randomRegular(100, 5, seededRng(seedOfTest))
  for (const want of [2, 3, 10]) {
    const search = { strategy: 'walk', walkers: 1, want } as const
    const { end, found, lookups } = searched({ n: 100, edges }, search, { holders: everybody(100) })
    assert.equal(found.length, want, 'own hits count')
    assert.equal(lookups.length, want)
    assert.equal(end.more, true)
  }
})

test('several walkers stop soon after they have found enough', () => {
  const edges = randomRegular(200, 5, seededRng(seedOfTest))
  const search = { strategy: 'walk', walkers: 4, want: 20 } as const
  const { end, found } = searched({ n: 200, edges }, search, { holders: everybody(200) })
  assert.ok(found.length >= 20 && found.length <= 45, `${found.length}, ${repeat}`)
  assert.ok(end.waves.length > 1, 'they looked back')
})

test('a wave goes on where the ones before it ended', () => {
  const edges = randomRegular(150, 5, seededRng(seedOfTest))
  const search = { strategy: 'auto', walkers: 4, want: 255, budget: 100_000 } as const
  const config = { cheapFlood: 30, maxBudget: 100_000 }
  const { end, lookups, found } = searched({ n: 150, edges }, search, { config, holders: everybody(150) })
  assert.equal(lookups.length, 150, repeat)
  assert.equal(new Set(lookups).size, 150, repeat)
  assert.equal(found.length, 150, repeat)
  assert.equal(end.more, false, repeat)
  assert.deepEqual([end.waves[0]?.how, ...new Set(end.waves.slice(1).map(({ how }) => how))], ['flood', 'walk'])
  // every edge but those of the tree is tried from both ends at most, and taking it up again follows the tree
  assert.ok(end.messages < 6 * edges.length, `${end.messages} of ${edges.length} edges, ${repeat}`)
})

test('a ring grows until it has enough, and asks everybody within its last ttl once', () => {
  const n = 300
  const edges = randomRegular(n, 5, seededRng(seedOfTest))
  const hops = distances(n, edges, 0)
  const { config, budget } = plenty
  const within = (ttl: number): number[] => hops.flatMap((h, node) => (h <= ttl ? [node] : []))
  for (const [waves, last] of [1, 3, 5].entries()) {
    const want = within(last - 2).length + 1
    const search = { strategy: 'ring', want, budget } as const
    const { lookups, end } = searched({ n, edges }, search, { config, holders: everybody(n) })
    assert.deepEqual(lookups.toSorted(), within(last).toSorted(), `want ${want}, ${repeat}`)
    assert.equal(end.waves.length, waves + 1)
  }
})

test('with crashes it ends in time, whatever the strategy, and the account is within its budget', () => {
  check(
    fc.property(graph, options, seed, fc.array(fc.tuple(fc.nat(), fc.nat(2_000))), (graph, search, seed, crashes) => {
      const network = new StaticNetwork({
        peers: graph.n,
        edges: graph.edges,
        holders: everybody(graph.n),
        simulation: { latency: [10, 200], seed, detectionMs: 3_000 }
      })
      const startedAt = network.now
      for (const [peer, ms] of crashes) {
        network.simulation.at(startedAt + ms, () => network.simulation.crash((1 + (peer % (graph.n - 1))) as Peer))
      }
      const { done, doneAt } = network.search(0, search)
      assert.ok(done !== undefined)
      assert.ok(doneAt! - startedAt <= searchConfig.timeoutMs)
      network.simulation.run(network.now + 100_000)
      assert.ok(done.peersAsked <= network.lookups.length - 1)
      assert.ok(done.messages <= search.budget!)
      // what a lost peer was given may have been spent, and comes back to those above it
      assert.ok(network.traffic.queries <= search.budget! * (1 + crashes.length))
      assert.equal(new Set(network.lookups).size, network.lookups.length)
    }) as never
  )
})
