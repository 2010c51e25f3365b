import { headOf } from '../../../protocols/core/keyspace.ts'
import { experiment } from '../experiment.ts'
import { hashOf } from '../ring-network.ts'

const FIGURE_8 = { peers: 10_000, keys: 500_000 }
/** 99th percentiles of a Gamma distribution of this shape and mean 1: what so many arcs of the ring are together. */
const GAMMA_99 = [
  [1, 4.605],
  [2, 3.319],
  [5, 2.321],
  [10, 1.878],
  [20, 1.592]
] as const
const EULER = 0.5772

export default experiment({
  name: 'ring-load',
  summary: 'keys of a node when each key is at the first id past it, by the ids that a node has',
  settings: { ...FIGURE_8, ids: GAMMA_99.map(([ids]) => ids) },
  seeds: 10,
  cases: ({ ids }) => ids.map(count => ({ ids: count })),
  by: { ids: 'ids of a node' },
  values: {
    most: { title: 'most keys, of the mean' },
    high: { title: '99th percentile, of the mean' },
    low: { title: '1st percentile, of the mean' },
    none: { title: 'nodes without a key', as: 'percent' }
  },
  run({ seed, settings: { peers, keys }, case: { ids }, progress }) {
    const points = Array.from({ length: peers * ids }, (_, i) => ({
      head: headOf(hashOf(`node ${seed} ${i}`)),
      peer: i % peers
    })).sort((a, b) => a.head - b.head)
    const heads = Float64Array.from(points, ({ head }) => head)
    const counts = new Uint32Array(peers)
    for (let i = 0; i < keys; i++) {
      const owner = points[firstFrom(headOf(hashOf(`key ${seed} ${i}`)), heads) % points.length]?.peer as number
      counts[owner] = (counts[owner] as number) + 1
      if (i % 10_000 === 0) progress(i / keys)
    }
    const loads = Float64Array.from(counts, count => (count * peers) / keys).sort()
    return {
      most: loads.at(-1) as number,
      high: loads[Math.floor(peers * 0.99)] as number,
      low: loads[Math.floor(peers * 0.01)] as number,
      none: counts.filter(count => count === 0).length / peers
    }
  },
  published: [
    { ...published('high', 4.6), evidence: 'paper' },
    { ...published('most', 9.1), evidence: 'paper', why: 'one run; the largest of many differs from run to run' },
    {
      value: 'most',
      where: { ids: 1 },
      figure: ({ peers }) => Math.log(Number(peers)) + EULER,
      evidence: 'closed form',
      source: 'largest of N exponential arcs in the mean: ln N + 0.577'
    },
    ...GAMMA_99.map(([ids, figure]) => ({
      value: 'high',
      where: { ids },
      figure,
      evidence: 'closed form' as const,
      source: 'Gamma law',
      why: 'keys fall by chance, 50 to a node: the arcs alone make the law'
    }))
  ],
  plots: [{ title: 'Keys of a node, of the mean', x: 'ids', y: ['most', 'high', 'low'] }]
})

function published(value: string, figure: number) {
  const source = 'Chord, Stoica et al. 2003, V-B'
  return { value, where: { ids: 1 }, figure, source, setup: FIGURE_8 } as const
}

/** The place of the first of these, which are in order, that is at the point or past it. */
function firstFrom(point: number, heads: Float64Array): number {
  let [low, high] = [0, heads.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((heads[middle] as number) < point) low = middle + 1
    else high = middle
  }
  return low
}
