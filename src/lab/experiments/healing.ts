import { Simulation } from '../../simulator/index.ts'
import { experiment, type Row } from '../experiment.ts'
import { components, giantShare, meanReach } from '../metrics.ts'
import { OverlayNetwork } from '../overlay-network.ts'

const HYPARVIEW = { peers: 10_000, active: 5, passive: 30, settle: 50 }
/** Looks at the graph so often in a cycle. */
const LOOKS = 20

export default experiment({
  name: 'healing',
  summary: 'the overlay after 10 to 95 % of all peers have died at once',
  settings: { ...HYPARVIEW, acquaintances: 100, dead: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95], cycles: 12 },
  seeds: 5,
  cases: ({ dead }) => dead.map(share => ({ dead: share })),
  by: { dead: 'dead', cycle: 'cycles after' },
  values: {
    atOnce: { title: 'reached at once, nothing repaired', as: 'percent' },
    firstCycle: { title: 'reached, mean of the first cycle', as: 'percent' },
    afterOne: { title: 'reached after one cycle', as: 'percent' },
    connected: { title: 'in one component at the end', as: 'percent' },
    healed: { title: 'cycles until all are connected', as: { digits: 2 } },
    never: { title: 'runs that never were', as: 'percent' },
    reached: { title: 'reached', as: 'percent', print: false }
  },
  run({ seed, settings, case: { dead }, progress }) {
    const { peers, active, passive, acquaintances, settle, cycles } = settings
    const simulation = new Simulation({ seed, trace: false })
    const config = { activeSize: active, passiveSize: passive, acquaintances }
    const overlay = new OverlayNetwork(simulation, { config })
    overlay.grow(peers, share => progress(share * 0.45))
    overlay.run(settle, share => progress(0.45 + share * 0.45))
    for (const peer of simulation.rng.sample(simulation.alive(), Math.round(peers * dead))) simulation.crash(peer)

    // what a broadcast from a random survivor reaches, exactly, as the mean over all of them
    const curve: (Row & { reached: number })[] = []
    let sizes: number[] = []
    let healed: number | undefined
    for (let look = 0; look <= cycles * LOOKS; look++) {
      if (look > 0) overlay.run(1 / LOOKS)
      sizes = components(overlay.graph().graph)
      curve.push({ cycle: look / LOOKS, reached: meanReach(sizes) })
      if (sizes.length === 1) healed ??= look / LOOKS
      else healed = undefined
      progress(0.9 + (look / cycles / LOOKS) * 0.1)
    }
    const first = curve.slice(1, LOOKS + 1)
    return [
      {
        atOnce: (curve[0] as { reached: number }).reached,
        firstCycle: first.reduce((sum, { reached }) => sum + reached, 0) / first.length,
        afterOne: (first.at(-1) as { reached: number }).reached,
        connected: giantShare(sizes),
        healed: healed ?? cycles,
        never: healed === undefined ? 1 : 0
      },
      ...curve
    ]
  },
  published: [
    ...[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8].map(dead => ({ ...hyparview(), where: { dead }, figure: 1 })),
    {
      ...hyparview(),
      where: { dead: 0.95 },
      figure: 0.9,
      why: 'of 35 contacts hardly two are left; here there are acquaintances besides'
    },
    ...[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7].map(dead => ({
      value: 'healed',
      where: { dead },
      figure: 2,
      evidence: 'paper' as const,
      source: 'HyParView: 1 to 2 cycles below 80 %',
      setup: HYPARVIEW,
      reproduces: false
    })),
    { value: 'connected', where: { dead: 0.9 }, figure: 0.999, evidence: 'goal', source: 'at least' },
    { value: 'connected', where: { dead: 0.95 }, figure: 0.99, evidence: 'goal', source: 'at least' },
    ...[0.9, 0.95].map(dead => ({
      value: 'healed',
      where: { dead },
      figure: 1,
      evidence: 'goal' as const,
      source: 'at most'
    }))
  ],
  plots: [
    {
      title: 'Survivors that a broadcast reaches, by share of dead',
      x: 'dead',
      y: ['atOnce', 'firstCycle', 'afterOne']
    },
    { title: 'Cycles until all survivors are connected again', x: 'dead', y: ['healed'] },
    { title: 'Survivors that a broadcast reaches, in time', x: 'cycle', y: ['reached'], series: 'dead' }
  ]
})

/** The paper's reliability is of broadcasts while neighbours are replaced, before the next shuffle. */
function hyparview() {
  return {
    value: 'afterOne',
    evidence: 'paper',
    source: 'HyParView, Leitão et al. 2007, reliability',
    setup: HYPARVIEW
  } as const
}
