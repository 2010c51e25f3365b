import type { Peer } from '../../../protocols/core/peer.ts'
import { Simulation } from '../../simulator/index.ts'
import { experiment } from '../experiment.ts'
import { OverlayNetwork } from '../overlay-network.ts'
import { SearchNetwork } from '../search-network.ts'
import { exponential, heavyTailed } from '../sessions.ts'

const SESSIONS = { Poisson: exponential, 'heavy-tailed': heavyTailed } as const
/** Until a peer that has gone comes back, with what it holds but without knowing anybody, ms. */
const AWAY_MS = 1_000

export default experiment({
  name: 'churn',
  summary: 'searches while peers come and go, with Poisson and heavy-tailed sessions',
  settings: { peers: 1_000, minutes: [1, 5, 20, 60], holders: 3, searches: 100, everySeconds: 5 },
  seeds: 5,
  cases: ({ minutes }) =>
    (['Poisson', 'heavy-tailed'] as const).flatMap(sessions => minutes.map(mean => ({ sessions, minutes: mean }))),
  by: { sessions: 'sessions', minutes: 'mean session, min' },
  values: {
    success: { title: 'searches that found something', as: 'percent' },
    recall: { title: 'holders found', as: 'percent' },
    asked: { title: 'peers asked', as: 'percent' },
    complete: { title: 'searches said to be complete', as: 'percent' },
    messages: { title: 'messages a peer', as: { digits: 2 } },
    left: { title: 'departures a second', as: { digits: 2 } }
  },
  run({ seed, settings, case: { sessions, minutes }, progress }) {
    const { peers, holders, searches, everySeconds } = settings
    const simulation = new Simulation({ seed, trace: false })
    const search = new SearchNetwork(simulation)
    const overlay = new OverlayNetwork(simulation, { onEvent: (peer, event) => search.onOverlay(peer, event) })
    overlay.grow(peers)
    overlay.run(5)
    let left = 0
    const leaveLater = (peer: Peer): void => {
      simulation.at(simulation.now + SESSIONS[sessions](minutes * 60_000, simulation.rng), () => {
        left++
        simulation.crash(peer)
        simulation.at(simulation.now + AWAY_MS, () => {
          const contact = simulation.rng.pick(simulation.alive())
          simulation.restart(peer)
          overlay.channel.command(peer, { type: 'join', contact })
          leaveLater(peer)
        })
      })
    }
    simulation.alive().forEach(leaveLater)
    // heavy-tailed departures come in a rush at first
    overlay.run(5)
    left = 0
    const begun = simulation.now
    let ended = 0
    const sum = { success: 0, recall: 0, asked: 0, complete: 0, messages: 0 }
    for (let i = 0; i < searches; i++) {
      const present = simulation.alive()
      const [searcher, ...having] = simulation.rng.sample(present, holders + 1)
      search.place(`object ${i}`, having)
      search.start(searcher as Peer, `object ${i}`, {}, ({ holders: found, peersAsked, messages, complete }) => {
        ended++
        if (found > 0) sum.success++
        if (complete) sum.complete++
        sum.recall += found / holders
        sum.asked += peersAsked / (present.length - 1)
        sum.messages += messages / present.length
      })
      simulation.run(simulation.now + everySeconds * 1_000)
      progress(i / searches)
    }
    search.finish()
    const seconds = (simulation.now - begun) / 1_000
    const shares = Object.entries(sum).map(([name, total]) => [name, total / ended])
    return { ...Object.fromEntries(shares), left: left / seconds }
  },
  plots: [
    { title: 'Searches that found something', x: 'minutes', y: ['success'], series: 'sessions', logX: true },
    { title: 'Holders found', x: 'minutes', y: ['recall'], series: 'sessions', logX: true }
  ]
})
