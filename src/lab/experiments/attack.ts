import type { Peer } from '../../../protocols/core/peer.ts'
import { Simulation } from '../../simulator/index.ts'
import { experiment } from '../experiment.ts'
import { OverlayNetwork } from '../overlay-network.ts'
import { SearchNetwork } from '../search-network.ts'

/** How often the scenario decides who searches, ms. */
const STEP_MS = 100

export default experiment({
  name: 'attack',
  summary: 'a few peers search a hundred times as often as all others: what others still find',
  settings: { peers: 1_000, attackers: 10, factor: [10, 30, 100, 300], rate: 0.01, holders: 3, seconds: 30 },
  seeds: 5,
  cases: ({ factor }) => factor.map(times => ({ factor: times })),
  by: { factor: 'times the rate', attackers: 'attackers' },
  values: {
    success: { title: 'searches that found something', as: 'percent' },
    recall: { title: 'holders found', as: 'percent' },
    asked: { title: 'peers asked', as: 'percent' },
    kept: { title: 'success, of the undisturbed', as: 'percent' },
    keptRecall: { title: 'holders found, of the undisturbed', as: 'percent' },
    penalties: { title: 'penalties against attackers', as: { digits: 0 } }
  },
  run({ seed, settings, case: { factor }, progress }) {
    const calm = searched(seed, { ...settings, attackers: 0, factor }, share => progress(share / 2))
    const attacked = searched(seed, { ...settings, factor }, share => progress(0.5 + share / 2))
    return [
      { attackers: 0, ...calm },
      {
        attackers: settings.attackers,
        ...attacked,
        kept: attacked.success / calm.success,
        keptRecall: attacked.recall / calm.recall
      }
    ]
  },
  published: [{ value: 'kept', where: { factor: 100 }, figure: 0.95, evidence: 'goal', source: 'at least' }],
  plots: [
    { title: 'Success', x: 'factor', y: ['success'], series: 'attackers', logX: true },
    { title: 'Peers that a search reaches', x: 'factor', y: ['asked'], series: 'attackers', logX: true }
  ]
})

interface Scenario {
  peers: number
  attackers: number
  factor: number
  /** Searches a second of an honest peer. */
  rate: number
  holders: number
  seconds: number
}

/** Every object is held by a few peers; honest peers search for objects, attackers for what nobody has. */
function searched(seed: number, scenario: Scenario, progress: (share: number) => void) {
  const { peers, attackers, factor, rate, holders, seconds } = scenario
  const simulation = new Simulation({ seed, trace: false })
  // what an attacker allows itself is no defence
  const search = new SearchNetwork(simulation, { maxSearches: 10_000 })
  const overlay = new OverlayNetwork(simulation, { onEvent: (peer, event) => search.onOverlay(peer, event) })
  overlay.grow(peers)
  overlay.run(5)
  const everyone = simulation.rng.sample(simulation.alive(), peers)
  const hostile = everyone.slice(0, attackers)
  const honest = everyone.slice(attackers)
  let searches = 0
  const sum = { success: 0, recall: 0, asked: 0 }
  const end = simulation.now + seconds * 1_000
  const start = simulation.now
  let due = { honest: 0, hostile: 0 }
  while (simulation.now < end) {
    due = {
      honest: due.honest + (honest.length * rate * STEP_MS) / 1_000,
      hostile: due.hostile + (attackers * rate * factor * STEP_MS) / 1_000
    }
    for (; due.hostile >= 1; due.hostile--) search.start(simulation.rng.pick(hostile), 'nothing', {}, () => {})
    for (; due.honest >= 1; due.honest--) {
      const object = `object ${searches++}`
      const [searcher, ...having] = simulation.rng.sample<Peer>(honest, holders + 1)
      search.place(object, having)
      search.start(searcher as Peer, object, {}, result => {
        if (result.holders > 0) sum.success++
        sum.recall += result.holders / holders
        sum.asked += result.peersAsked / (peers - 1)
      })
    }
    simulation.run(simulation.now + STEP_MS)
    progress((simulation.now - start) / (end - start))
  }
  search.finish()
  const bad = new Set(hostile)
  const penalties = simulation.penalties().filter(({ peer }) => bad.has(peer))
  return {
    success: sum.success / searches,
    recall: sum.recall / searches,
    asked: sum.asked / searches,
    penalties: penalties.reduce((total, { count }) => total + count, 0)
  }
}
