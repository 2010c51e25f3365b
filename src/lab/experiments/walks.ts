import type { Peer } from '../../../protocols/core/peer.ts'
import { type Rng, seededRng } from '../../../protocols/core/rng.ts'
import type { SearchConfig } from '../../../protocols/search/index.ts'
import { Simulation } from '../../simulator/index.ts'
import { experiment } from '../experiment.ts'
import type { Graph } from '../graph.ts'
import { SearchNetwork, type SearchOptions } from '../search-network.ts'
import { powerLaw, randomGraph, randomRegular } from '../topologies.ts'

const STEP_MS = 50
/** More than any summary needs to spread. */
const SETTLE_MS = 400_000
const OBJECTS = 20
const RANDOM = 'random'
const REGULAR = '5-regular'
const TOPOLOGIES: Record<string, (peers: number, rng: Rng) => Graph> = {
  [RANDOM]: (peers, rng) => randomGraph(peers, 4.09 / (peers - 1), rng),
  'power law': (peers, rng) => powerLaw(peers, 4.46, Math.floor(peers * 0.19), rng),
  [REGULAR]: (peers, rng) => randomRegular(peers, 5, rng)
}
const WALKERS = '32 walkers'
const NEXT = '32 walkers + 1 hop'
/** So far reach the summaries that lead the walkers. */
const LED = '1 walker + 3 hops'
/** Each asks for one holder. */
const METHODS: Record<string, { options: SearchOptions; config?: Partial<SearchConfig> }> = {
  flood: { options: { strategy: 'flood', ttl: 8 }, config: { maxTtl: 8 } },
  'expanding ring': { options: { strategy: 'ring' }, config: { maxTtl: 9 } },
  [WALKERS]: { options: { strategy: 'walk', walkers: 32 } },
  [NEXT]: { options: { strategy: 'walk', walkers: 32 }, config: { summaryHops: 1 } },
  '4 walkers + 3 hops': { options: { strategy: 'walk', walkers: 4 }, config: { summaryHops: 3 } },
  [LED]: { options: { strategy: 'walk', walkers: 1 }, config: { summaryHops: 3 } }
}
/** Copies as a share of the peers: Lv et al. have 0.125 %. */
const SETUP = { copies: 0.00125 }
const GOAL = { peers: 10_000, copies: 0.001 }

export default experiment({
  name: 'walks',
  summary: 'flooding against walks, without and with summaries of what is near, for one holder of a rare object',
  settings: {
    peers: 10_000,
    topologies: Object.keys(TOPOLOGIES),
    methods: Object.keys(METHODS),
    ...SETUP,
    searches: 60
  },
  seeds: 10,
  cases: ({ topologies, methods }) => topologies.flatMap(topology => methods.map(method => ({ topology, method }))),
  by: { topology: 'topology', method: 'method' },
  values: {
    success: { title: 'success', as: 'percent' },
    hops: { title: 'hops to the holder', as: { digits: 1 } },
    queries: { title: 'queries a peer', as: { digits: 5 } },
    messages: { title: 'all messages a peer', as: { digits: 5 } },
    visited: { title: 'peers visited', as: { digits: 0 } },
    firstMs: { title: 'first hit, round trips', as: { digits: 1 } }
  },
  run({ seed, settings, case: { topology, method }, progress }) {
    const { copies, searches, peers: size } = settings
    const make = TOPOLOGIES[topology]
    const how = METHODS[method]
    if (make === undefined) throw new RangeError(`no topology ${topology}: ${Object.keys(TOPOLOGIES).join(', ')}`)
    if (how === undefined) throw new RangeError(`no method ${method}: ${Object.keys(METHODS).join(', ')}`)
    const simulation = new Simulation({ seed, trace: false, latency: [STEP_MS, STEP_MS] })
    const network = new SearchNetwork(simulation, how.config)
    const peers = network.use(make(size, seededRng(seed)))
    for (let i = 0; i < OBJECTS; i++) {
      network.place(`object${i}`, simulation.rng.sample<Peer>(peers, Math.round(copies * peers.length)))
    }
    simulation.run(simulation.now + SETTLE_MS)
    const sum = { success: 0, hops: 0, queries: 0, messages: 0, visited: 0, firstMs: 0 }
    for (let i = 0; i < searches; i++) {
      const object = `object${i % OBJECTS}`
      const searcher = network.strangerTo(object)
      const before = simulation.stats.sent
      const options = { want: 1, timeoutMs: 600_000, ...how.options }
      const { holders, hops, messages, peersAsked, firstMs } = network.search(searcher, object, options)
      // what is under way without anybody who waits for it counts too
      simulation.run(simulation.now + 10_000)
      if (holders > 0) sum.success++
      sum.hops += hops ?? 0
      sum.firstMs += firstMs ?? 0
      sum.queries += messages
      sum.messages += simulation.stats.sent - before
      sum.visited += peersAsked
      progress(i / searches)
    }
    return {
      success: sum.success / searches,
      ...(sum.success === 0
        ? {}
        : { hops: sum.hops / sum.success, firstMs: sum.firstMs / sum.success / (2 * STEP_MS) }),
      queries: sum.queries / searches / peers.length,
      messages: sum.messages / searches / peers.length,
      visited: sum.visited / searches
    }
  },
  published: [
    ...(
      [
        [WALKERS, 'queries', 0.099],
        [WALKERS, 'visited', 820],
        [NEXT, 'queries', 0.031],
        [NEXT, 'visited', 243]
      ] as const
    ).map(([method, value, figure]) => ({
      value,
      where: { topology: RANDOM, method },
      figure,
      evidence: 'computed' as const,
      source: 'one graph of 9,836, 150 walks, state kept, stopped at once when one has found it',
      setup: SETUP,
      why: 'walkers do not know the searcher, so they look back along their way: in waves that grow, which overshoot'
    })),
    {
      value: 'queries',
      where: { topology: RANDOM, method: 'flood' },
      figure: 2.74,
      evidence: 'computed',
      source: 'one graph of 9,836, 40 floods',
      setup: SETUP
    },
    ...(
      [
        ['success', 0.99],
        ['messages', 0.005]
      ] as const
    ).map(([value, figure]) => ({
      value,
      where: { topology: REGULAR, method: LED },
      figure,
      evidence: 'goal' as const,
      source: 'at 0.1 % copies: at least so much success for at most so many messages',
      setup: GOAL,
      reproduces: false
    }))
  ],
  plots: [
    { title: 'All messages a peer', x: 'method', y: ['messages'], series: 'topology', kind: 'bar', logY: true },
    { title: 'Success', x: 'method', y: ['success'], series: 'topology', kind: 'bar' },
    { title: 'Round trips to the first hit', x: 'method', y: ['firstMs'], series: 'topology', kind: 'bar' }
  ]
})
