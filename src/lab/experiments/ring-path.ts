import { Simulation } from '../../simulator/index.ts'
import { experiment } from '../experiment.ts'
import { LookupTally } from '../lookup-tally.ts'
import { asInThePaper, RingNetwork, withoutUpkeep } from '../ring-network.ts'

const PAPER = 'of the paper'
const OURS = 'ours'
const FINGERS = { [PAPER]: { ...asInThePaper, successors: 1 }, [OURS]: {} }
/** Nodes whose fingers are counted. */
const COUNTED = 1_000
/** Lookups under way at once. */
const BATCH = 100

export default experiment({
  name: 'ring-path',
  summary: 'hops of a Chord lookup and fingers for it, by the number of nodes',
  settings: {
    peers: [64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192, 10_000, 16_384],
    fingers: Object.keys(FINGERS),
    lookups: 5_000
  },
  seeds: 10,
  cases: ({ peers, fingers }) => fingers.flatMap(kind => peers.map(count => ({ fingers: kind, peers: count }))),
  by: { fingers: 'fingers', peers: 'peers' },
  values: {
    toPredecessor: { title: 'hops to the predecessor' },
    hops: { title: 'hops to the owner' },
    count: { title: 'fingers of a node', as: { digits: 1 } },
    most: { title: 'most fingers', as: { digits: 0 } },
    wrong: { title: 'wrong or not found, of 10,000' }
  },
  run({ seed, settings: { lookups }, case: { fingers, peers: size }, progress }) {
    const how = FINGERS[fingers as keyof typeof FINGERS]
    if (how === undefined) throw new RangeError(`no fingers ${fingers}: ${Object.keys(FINGERS).join(', ')}`)
    const simulation = new Simulation({ seed, trace: false })
    const network = new RingNetwork(simulation, { config: { ...withoutUpkeep, ...how } })
    const peers = network.addRing(size)
    const sorted = network.sorted(peers)
    const tally = new LookupTally()
    for (let i = 1; i <= lookups; i++) {
      const key = network.randomKey(simulation.rng)
      const truth = network.ownerOf(key, sorted)
      network.lookup(simulation.rng.pick(peers), key, result => tally.add(result, truth))
      if (i % BATCH > 0 && i < lookups) continue
      simulation.runUntil(() => network.lookupsOpen === 0, 60_000, 100)
      progress(i / lookups)
    }
    const counts = peers.slice(0, COUNTED).map(peer => network.node(peer).fingers.length)
    return {
      toPredecessor: tally.mean('toPredecessor'),
      hops: tally.mean('hops'),
      count: counts.reduce((sum, count) => sum + count, 0) / counts.length,
      most: Math.max(...counts),
      wrong: tally.wrongOf(10_000) + tally.failedOf(10_000)
    }
  },
  published: [
    {
      value: 'toPredecessor',
      where: { fingers: PAPER },
      figure: (_, { peers }) => Math.log2(Number(peers)) / 2,
      evidence: 'paper',
      source: 'Chord, Stoica et al. 2003, V-C: about ½ log2 N',
      why: 'the formula is for many nodes'
    },
    ...(
      [
        ['hops', 3.3],
        ['most', 80]
      ] as const
    ).map(([value, figure]) => ({
      value,
      where: { fingers: OURS, peers: 10_000 },
      figure,
      evidence: 'goal' as const,
      source: 'at most'
    }))
  ],
  plots: [
    { title: 'Hops to the owner of a key', x: 'peers', y: ['hops'], series: 'fingers', logX: true },
    { title: 'Fingers of a node', x: 'peers', y: ['count'], series: 'fingers', logX: true }
  ]
})
