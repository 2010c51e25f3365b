import { seededRng } from '../../../protocols/core/rng.ts'
import { Simulation } from '../../simulator/index.ts'
import { experiment } from '../experiment.ts'
import { SearchNetwork } from '../search-network.ts'
import { randomRegular } from '../topologies.ts'

/** All messages take equally long, so that a flood goes step by step as in the textbook. */
const STEP_MS = 10
const TEXTBOOK = 'bound d(d−1)^(k−1)'

export default experiment({
  name: 'flood-reach',
  summary: 'new peers at step k of a flood to d neighbours: the textbook’s bound and a random graph',
  settings: { peers: 10_000, neighbours: [5, 10, 33], floods: 10, steps: 7 },
  seeds: 5,
  cases: ({ neighbours }) => neighbours.map(d => ({ d })),
  by: { d: 'neighbours d', k: 'step k' },
  values: {
    reached: { title: 'new peers', as: { digits: 1 } },
    bound: { title: TEXTBOOK, as: { digits: 0 }, print: false }
  },
  run({ seed, settings, case: { d }, progress }) {
    const { peers, floods } = settings
    const simulation = new Simulation({ seed, trace: false, latency: [STEP_MS, STEP_MS] })
    const network = new SearchNetwork(simulation)
    network.use(randomRegular(peers, d, seededRng(seed)))
    const steps = lastStep(peers, d, settings.steps)
    const within = new Array<number>(steps + 1).fill(0)
    for (let flood = 0; flood < floods; flood++) {
      const searcher = simulation.rng.pick(simulation.alive())
      for (let k = 1; k <= steps; k++) {
        within[k]! += network.search(searcher, 'nothing', { ttl: k }).peersAsked / floods
        // what a neighbour accepts in a second is limited
        simulation.run(simulation.now + 1_000)
      }
      progress(flood / floods)
    }
    return Array.from({ length: steps }, (_, i) => ({
      k: i + 1,
      reached: (within[i + 1] as number) - (within[i] as number),
      bound: d * (d - 1) ** i
    }))
  },
  published: [
    {
      value: 'reached',
      figure: ({ peers }, { d, k }) => expectedReach(peers, Number(d), Number(k)),
      evidence: 'closed form',
      source: 'pairing of half-edges, mean field'
    },
    {
      value: 'reached',
      figure: (_, { d, k }) => Number(d) * (Number(d) - 1) ** (Number(k) - 1),
      evidence: 'closed form',
      source: `van Steen and Tanenbaum: ${TEXTBOOK}`,
      reproduces: false
    }
  ],
  plots: [{ title: 'New peers at each step', x: 'k', y: ['reached', 'bound'], series: 'd', logY: true }]
})

/** The last step that meets anybody new to speak of. */
function lastStep(peers: number, d: number, most: number): number {
  let k = 1
  while (k < most && expectedReach(peers, d, k + 1) >= 1) k++
  return k
}

/**
 * New peers at step k in a random d-regular graph: each open half-edge of those that were just reached is paired with a
 * random one of all that are open.
 */
function expectedReach(peers: number, d: number, k: number): number {
  let unseen = peers - 1
  let fresh = 1
  let open = d
  for (let step = 1; step <= k; step++) {
    const rest = d * unseen
    const hit = open / Math.max(1, rest + open - 1)
    fresh = unseen * (1 - (1 - hit) ** d)
    unseen -= fresh
    open = d * fresh - open * (rest / Math.max(1, rest + open - 1))
  }
  return fresh
}
