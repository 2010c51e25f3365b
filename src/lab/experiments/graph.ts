import { seededRng } from '../../../protocols/core/rng.ts'
import { Simulation } from '../../simulator/index.ts'
import { experiment, type Row } from '../experiment.ts'
import type { Graph } from '../graph.ts'
import { clustering, components, degrees, giantShare, paths, secondEigenvalue } from '../metrics.ts'
import { OverlayNetwork } from '../overlay-network.ts'
import { randomRegular } from '../topologies.ts'

const OVERLAY = { graph: 'overlay' }
const RUSH = { graph: 'overlay after a rush' }
const MODEL = { graph: 'random regular' }
const HYPARVIEW = { peers: 10_000, active: 5, passive: 30, cycles: 50 }

export default experiment({
  name: 'graph',
  summary: 'how random the overlay is: degrees, clustering, path lengths, spectral gap',
  settings: { ...HYPARVIEW, sources: 500 },
  seeds: 5,
  cases: () => [OVERLAY, RUSH, MODEL],
  by: { graph: 'graph', degree: 'neighbours' },
  values: {
    clustering: { title: 'clustering', as: { digits: 6 } },
    path: { title: 'mean path', as: { digits: 3 } },
    farthest: { title: 'hops to the farthest', as: { digits: 2 } },
    eigenvalue: { title: 'second eigenvalue', as: { digits: 4 } },
    giant: { title: 'in one component', as: 'percent' },
    full: { title: 'with a full view', as: 'percent' },
    share: { title: 'share of peers', as: 'percent', print: false }
  },
  run({ seed, settings, case: { graph }, progress }) {
    const { peers, active, passive, cycles } = settings
    if (graph === MODEL.graph) return quality(randomRegular(peers, active, seededRng(seed)), settings)
    const simulation = new Simulation({ seed, trace: false })
    const overlay = new OverlayNetwork(simulation, { config: { activeSize: active, passiveSize: passive } })
    overlay.grow(peers, share => progress(share / 2), graph === RUSH.graph ? 'rush' : 'gradual')
    overlay.run(cycles, share => progress(0.5 + share / 2))
    return quality(overlay.graph().graph, settings)
  },
  published: [
    {
      value: 'clustering',
      where: OVERLAY,
      figure: 0.00092,
      ...hyparview(),
      why: 'links are swapped until the graph is as random as any: see the random graph'
    },
    ...[OVERLAY, RUSH].flatMap(where => [
      { value: 'clustering' as const, where, figure: 0.0005, ...goal('at most') },
      { value: 'full' as const, where, figure: 0.995, ...goal('at least') }
    ]),
    { value: 'path', where: OVERLAY, figure: 6.385, ...hyparview() },
    { value: 'farthest', where: OVERLAY, figure: 9, ...hyparview(), why: 'fewer is better: see the random graph' },
    { value: 'clustering', where: OVERLAY, figure: 0.006836, ...cyclon() },
    { value: 'path', where: OVERLAY, figure: 2.604, ...cyclon() },
    {
      value: 'clustering',
      where: MODEL,
      figure: ({ active, peers }) => (active - 1) ** 2 / (active * peers),
      evidence: 'closed form',
      source: 'random d-regular graph, (d−1)²/dN',
      why: 'a graph has a handful of triangles, so their number varies much'
    },
    {
      value: 'path',
      where: MODEL,
      figure: ({ active, peers }) => Math.log(peers) / Math.log(active - 1),
      evidence: 'closed form',
      source: 'random d-regular graph, ln N / ln(d−1), to within a constant',
      reproduces: false
    },
    {
      value: 'eigenvalue',
      where: MODEL,
      figure: ({ active }) => (2 * Math.sqrt(active - 1)) / active,
      evidence: 'closed form',
      source: 'random d-regular graph, 2√(d−1)/d (Friedman 2008)'
    }
  ],
  plots: [
    { title: 'Neighbours of a peer', x: 'degree', y: ['share'], series: 'graph', kind: 'bar' },
    { title: 'Clustering coefficient', x: 'graph', y: ['clustering'], kind: 'bar' },
    { title: 'Mean path length', x: 'graph', y: ['path'], kind: 'bar' }
  ]
})

function quality(graph: Graph, { active, sources }: { active: number; sources: number }): Row[] {
  const { counts } = degrees(graph)
  const { mean, eccentricity } = paths(graph, sources)
  return [
    {
      clustering: clustering(graph),
      path: mean,
      farthest: eccentricity,
      eigenvalue: secondEigenvalue(graph),
      giant: giantShare(components(graph)),
      full: (counts[active] ?? 0) / graph.size
    },
    ...Array.from({ length: active + 1 }, (_, degree) => ({ degree, share: (counts[degree] ?? 0) / graph.size }))
  ]
}

function goal(source: string) {
  return { evidence: 'goal', source, setup: HYPARVIEW } as const
}

function hyparview() {
  return { evidence: 'paper', source: 'HyParView, Leitão et al. 2007, after 50 cycles', setup: HYPARVIEW } as const
}

function cyclon() {
  return {
    evidence: 'paper',
    source: 'Cyclon with 35 neighbours, ibid.',
    setup: HYPARVIEW,
    reproduces: false
  } as const
}
