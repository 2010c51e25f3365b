import type { Peer } from '../../../protocols/core/peer.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import { Simulation } from '../../simulator/index.ts'
import { experiment } from '../experiment.ts'
import { SearchNetwork } from '../search-network.ts'
import { randomRegular } from '../topologies.ts'

const STEP_MS = 50
const SETTLE_MS = 400_000
/** What searches cost apart from one another in the table. */
const GAP_MS = 500

export default experiment({
  name: 'upkeep',
  summary: 'what a search led by summaries costs with its share of keeping them up to date',
  settings: {
    peers: 10_000,
    degree: 5,
    copies: [0.001],
    /** Five for each peer; Gnutella's users had far more, of which a change of one is a smaller part. */
    objects: 5_000,
    searches: 200,
    /** Seconds between two searches of a peer, and between two changes of what it shares: rates of Gnutella's users. */
    searchEvery: 108,
    changeEvery: 540
  },
  seeds: 10,
  cases: ({ copies }) => copies.map(share => ({ copies: share })),
  by: { copies: 'copies' },
  values: {
    success: { title: 'success', as: 'percent' },
    search: { title: 'messages a search', as: { digits: 1 } },
    upkeep: { title: 'upkeep a search', as: { digits: 1 } },
    total: { title: 'together', as: { digits: 1 } },
    perPeer: { title: 'together, a peer', as: { digits: 5 } }
  },
  run({ seed, settings, case: { copies }, progress }) {
    const { peers: size, degree, objects, searches, searchEvery, changeEvery } = settings
    const simulation = new Simulation({ seed, trace: false, latency: [STEP_MS, STEP_MS] })
    const network = new SearchNetwork(simulation, { summaryHops: 3 })
    const peers = network.use(randomRegular(size, degree, seededRng(seed)))
    const { rng } = simulation
    const holders = Array.from({ length: objects }, () => rng.sample<Peer>(peers, Math.round(copies * size)))
    for (const [i, having] of holders.entries()) network.place(`object${i}`, having)
    simulation.run(simulation.now + SETTLE_MS)

    // one holder less and another one more: two peers change, at the rate at which all of them do
    const change = (): void => {
      const i = rng.below(objects)
      const having = holders[i] as Peer[]
      const others = rng.pick(peers)
      if (!having.includes(others)) having[rng.below(having.length)] = others
      network.place(`object${i}`, having)
    }
    const changeMs = (2 * changeEvery * 1000) / size
    const startedMs = simulation.now
    const startedSent = simulation.stats.sent
    let changed = 0
    const changeUntil = (ms: number): void => {
      for (; startedMs + changed * changeMs < ms; changed++) {
        simulation.run(Math.floor(startedMs + changed * changeMs))
        change()
      }
      simulation.run(ms)
    }
    let success = 0
    let messages = 0
    for (let i = 0; i < searches; i++) {
      const object = `object${rng.below(objects)}`
      const searcher = network.strangerTo(object)
      let done = false
      network.start(
        searcher,
        object,
        { strategy: 'walk', walkers: 1, want: 1, budget: 2_000, timeoutMs: 60_000 },
        found => {
          done = true
          if (found.holders > 0) success++
          // each query has its report, and hits come with the last one or cost their way back
          messages += found.messages * 2
        }
      )
      while (!done) changeUntil(simulation.now + GAP_MS)
      progress(i / searches)
    }
    const seconds = (simulation.now - startedMs) / 1000
    const search = messages / searches
    const upkeep = ((simulation.stats.sent - startedSent - messages) / size / seconds) * searchEvery
    return { success: success / searches, search, upkeep, total: search + upkeep, perPeer: (search + upkeep) / size }
  },
  published: [
    {
      value: 'total',
      where: { copies: 0.001 },
      figure: 50,
      evidence: 'goal',
      source: 'at most 50 messages at 0.1 % among 10,000',
      setup: { peers: 10_000 },
      reproduces: false
    },
    {
      value: 'success',
      where: { copies: 0.001 },
      figure: 0.99,
      evidence: 'goal',
      source: 'at least 99 %',
      setup: { peers: 10_000 },
      reproduces: false
    }
  ]
})
