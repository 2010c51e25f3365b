import { type Rng, seededRng } from '../../../protocols/core/rng.ts'
import { directoryConfig, directoryLimits } from '../../../protocols/directory/index.ts'
import { experiment } from '../experiment.ts'

/** What is kept beside a payload, bytes: as `storedBytes` of the directory counts. */
const OVERHEAD = 256
const SIZES = {
  equal: () => 1_000,
  // Pareto with shape 1: half of all are below 200 bytes, a few are as large as a value may be
  unequal: (rng: Rng) => Math.min(100 / (1 - rng.unit()), directoryLimits.valueBytes)
} as const

/**
 * - `plain`: as the directory does.
 * - `bounded`: nothing that does it, but what it would come to. A node that has its share and a quarter passes what it
 *   owns on to the next one that has not, and keeps a pointer (V. Mirrokni, M. Thorup, M. Zadimoghaddam, SODA 2018).
 */
const PLACEMENTS = ['plain', 'bounded']
const LIMIT = 1.25

export default experiment({
  name: 'ring-storage',
  summary: 'bytes that nodes of a ring keep, with records of equal and of unequal size',
  settings: {
    nodes: 10_000,
    records: 500_000,
    copies: [1, directoryConfig.copies],
    sizes: Object.keys(SIZES),
    placements: PLACEMENTS
  },
  seeds: 10,
  cases: ({ copies, sizes, placements }) =>
    placements.flatMap(placement =>
      sizes.flatMap(size => copies.map(count => ({ placement, sizes: size, copies: count })))
    ),
  by: { placement: 'placement', sizes: 'sizes', copies: 'copies' },
  values: {
    most: { title: 'most of a node, of the mean', as: { digits: 2 } },
    percentile: { title: '99th percentile, of the mean', as: { digits: 2 } },
    none: { title: 'nodes that keep nothing', as: 'percent' },
    moved: { title: 'bytes that lie elsewhere', as: 'percent' },
    farthest: { title: 'nodes they are away, 99th percentile', as: { digits: 0 } }
  },
  run({ seed, settings, case: { placement, sizes, copies }, progress }) {
    const { nodes, records } = settings
    const rng = seededRng(seed)
    const ids = Float64Array.from({ length: nodes }, () => rng.unit()).sort()
    const sizeOf = SIZES[sizes as keyof typeof SIZES]
    const all = Array.from({ length: records }, () => ({ key: rng.unit(), bytes: sizeOf(rng) + OVERHEAD }))
    const total = all.reduce((sum, { bytes }) => sum + bytes * copies, 0)
    const mean = total / nodes
    const kept = new Float64Array(nodes)
    const distances: number[] = []
    let moved = 0
    for (const [i, { key, bytes }] of all.entries()) {
      let owner = firstAtOrPast(ids, key)
      // the next ones that have room, each for one copy
      let distance = 0
      for (let copy = 0; copy < copies; copy++, distance++, owner++) {
        if (placement === 'bounded') {
          while ((kept[owner % nodes] as number) + bytes > LIMIT * mean) {
            owner++
            distance++
          }
        }
        kept[owner % nodes]! += bytes
        if (distance > copy) {
          moved += bytes
          distances.push(distance - copy)
        }
      }
      if (i % 10_000 === 0) progress(i / records)
    }
    const sorted = kept.toSorted()
    distances.sort((a, b) => a - b)
    return {
      most: (sorted.at(-1) as number) / mean,
      percentile: (sorted[Math.floor(0.99 * (nodes - 1))] as number) / mean,
      none: sorted.filter(bytes => bytes === 0).length / nodes,
      moved: moved / total,
      farthest: distances[Math.floor(0.99 * (distances.length - 1))] ?? 0
    }
  },
  published: [
    {
      value: 'most',
      where: { placement: 'plain', sizes: 'equal', copies: 1 },
      figure: 9.1,
      evidence: 'paper',
      source: 'Chord (ToN 2003), Fig. 8: 457 keys of 50',
      setup: { nodes: 10_000, records: 500_000 }
    },
    {
      value: 'percentile',
      where: { placement: 'plain', sizes: 'equal', copies: 1 },
      figure: 4.6,
      evidence: 'paper',
      source: 'Chord (ToN 2003), Fig. 8',
      setup: { nodes: 10_000, records: 500_000 }
    },
    ...Object.keys(SIZES).map(sizes => ({
      value: 'most',
      where: { placement: 'plain', sizes, copies: 4 },
      figure: LIMIT,
      evidence: 'goal' as const,
      source: 'at most',
      why: 'the directory does not balance what nodes keep'
    }))
  ],
  plots: [{ title: 'Most of a node, of the mean', x: 'placement', y: ['most'], series: 'sizes', where: { copies: 4 } }]
})

/** Of sorted points on a ring. */
function firstAtOrPast(ids: Float64Array, key: number): number {
  let [low, high] = [0, ids.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((ids[middle] as number) < key) low = middle + 1
    else high = middle
  }
  return low % ids.length
}
