import { Simulation } from '../../simulator/index.ts'
import { experiment } from '../experiment.ts'
import { LookupTally } from '../lookup-tally.ts'
import { paperWalk } from '../paper-walk.ts'
import { asInThePaper, RingNetwork, withoutUpkeep } from '../ring-network.ts'

/** Fingers and lookups of the paper; its fingers with our lookups, one question at a time; ours. */
const PAPER = 'of the paper'
const OUR_LOOKUPS = 'of the paper + our lookups'
const OURS = 'ours'
const LOOKUPS = { [PAPER]: asInThePaper, [OUR_LOOKUPS]: asInThePaper, [OURS]: {} }
const TABLE_2 = { peers: 1_000, successors: 20 }
/** Share that died, path to the predecessor, timeouts. */
const FIGURES = [
  [0, 3.84, 0],
  [0.1, 4.03, 0.6],
  [0.2, 4.22, 1.17],
  [0.3, 4.44, 2.02],
  [0.4, 4.69, 3.23],
  [0.5, 5.09, 5.1]
] as const
/** Lookups under way at once. */
const BATCH = 50

export default experiment({
  name: 'ring-failures',
  summary: 'Chord lookups after each node has died with some probability, and nothing was repaired',
  settings: { ...TABLE_2, dead: FIGURES.map(([dead]) => dead), fingers: Object.keys(LOOKUPS), lookups: 10_000 },
  seeds: 10,
  cases: ({ dead, fingers }) => fingers.flatMap(kind => dead.map(share => ({ fingers: kind, dead: share }))),
  by: { fingers: 'fingers, lookups', dead: 'dead' },
  values: {
    toPredecessor: { title: 'hops to the predecessor' },
    hops: { title: 'hops to the owner' },
    timeouts: { title: 'dead nodes asked' },
    onTheWay: { title: 'of these before the key' },
    stalls: { title: 'timeouts that were waited for' },
    asked: { title: 'nodes asked' },
    messages: { title: 'messages with answers' },
    elapsedMs: { title: 'ms', as: { digits: 0 } },
    wrong: { title: 'wrong, of 10,000' },
    failed: { title: 'not found, of 10,000' }
  },
  run({ seed, settings, case: { fingers, dead }, progress }) {
    const { peers: size, successors, lookups } = settings
    const how = LOOKUPS[fingers as keyof typeof LOOKUPS]
    if (how === undefined) throw new RangeError(`no fingers ${fingers}: ${Object.keys(LOOKUPS).join(', ')}`)
    const simulation = new Simulation({ seed, trace: false, detectionMs: 500 })
    const network = new RingNetwork(simulation, { config: { ...withoutUpkeep, ...how, successors } })
    for (const peer of network.addRing(size)) if (simulation.rng.unit() < dead) simulation.crash(peer)
    const left = simulation.alive()
    const sorted = network.sorted(left)
    const tally = new LookupTally()
    const { sent } = simulation.stats
    for (let i = 1; i <= lookups; i++) {
      const key = network.randomKey(simulation.rng)
      const truth = network.ownerOf(key, sorted)
      const from = simulation.rng.pick(left)
      if (fingers === PAPER)
        tally.add(
          paperWalk(network, from, key, peer => simulation.isAlive(peer)),
          truth
        )
      else network.lookup(from, key, result => tally.add(result, truth))
      if (i % BATCH > 0 && i < lookups) continue
      simulation.runUntil(() => network.lookupsOpen === 0, 60_000, 100)
      progress(i / lookups)
    }
    return {
      toPredecessor: tally.mean('toPredecessor'),
      hops: tally.mean('hops'),
      timeouts: tally.mean('timeouts'),
      onTheWay: tally.mean('onTheWay'),
      stalls: tally.mean('stalls'),
      asked: tally.mean('asked'),
      ...(fingers === PAPER
        ? {}
        : { messages: (simulation.stats.sent - sent) / lookups, elapsedMs: tally.mean('elapsedMs') }),
      wrong: tally.wrongOf(10_000),
      failed: tally.failedOf(10_000)
    }
  },
  published: [
    ...FIGURES.flatMap(([dead, path, timeouts]) => [
      published('toPredecessor', { fingers: PAPER, dead }, path),
      {
        ...published('timeouts', { fingers: PAPER, dead }, timeouts),
        why: 'between ours and the dead nodes before the key: the paper does not say which it counts'
      },
      published('failed', { fingers: PAPER, dead }, 0)
    ]),
    ...(
      [
        ['wrong', 0],
        ['stalls', 0.7],
        ['asked', 16]
      ] as const
    ).map(([value, figure]) => ({
      value,
      where: { fingers: OURS, dead: 0.5 },
      figure,
      evidence: 'goal' as const,
      source: 'at most'
    }))
  ],
  plots: [
    { title: 'Hops to the predecessor, by share of dead', x: 'dead', y: ['toPredecessor'], series: 'fingers' },
    { title: 'Timeouts that were waited for', x: 'dead', y: ['stalls'], series: 'fingers' },
    { title: 'Nodes asked', x: 'dead', y: ['asked'], series: 'fingers' }
  ]
})

function published(value: string, where: { fingers: string; dead: number }, figure: number) {
  return {
    value,
    where,
    figure,
    evidence: 'paper',
    source: 'Chord, Stoica et al. 2003, table II',
    setup: TABLE_2
  } as const
}
