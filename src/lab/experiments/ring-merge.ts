import type { Peer } from '../../../protocols/core/peer.ts'
import { type Observation, Simulation } from '../../simulator/index.ts'
import { experiment } from '../experiment.ts'
import { components } from '../metrics.ts'
import { OverlayNetwork } from '../overlay-network.ts'
import { RingNetwork } from '../ring-network.ts'

/** Shares of the peers in each part. */
const PARTS: Record<string, readonly number[]> = {
  '50/50': [0.5, 0.5],
  '90/10': [0.9, 0.1],
  'three thirds': [1 / 3, 1 / 3, 1 / 3]
}
/** One network that was cut and heals. */
const CUT = 'cut and healed'
/** Networks that know nothing of one another until one peer of each connects. */
const APART = 'grown apart'
/** Ideal rings without an overlay, of which two peers are told that they are neighbours. */
const ONE_LINK = 'one link'
const LIMIT_MS = 600_000

export default experiment({
  name: 'ring-merge',
  summary: 'two or three Chord rings become one, through the random overlay',
  settings: { peers: 300, parts: Object.keys(PARTS), how: [CUT, APART, ONE_LINK], apartSeconds: 300 },
  seeds: 5,
  cases: ({ how, parts }) => how.flatMap(kind => parts.map(shares => ({ how: kind, parts: shares }))),
  by: { how: 'rings', parts: 'parts' },
  values: {
    overlay: { title: 'seconds until the overlay is connected', as: { digits: 1 } },
    ideal: { title: 'seconds until there is one ideal ring', as: { digits: 1 } },
    never: { title: 'runs without one after 10 minutes', as: 'percent' },
    messages: { title: 'messages of the ring, of a node', as: { digits: 0 } },
    upkeep: { title: 'of which without a merger', as: { digits: 0 } }
  },
  run({ seed, settings: { peers, apartSeconds }, case: { how, parts }, progress }) {
    const shares = PARTS[parts]
    if (shares === undefined) throw new RangeError(`no parts ${parts}: ${Object.keys(PARTS).join(', ')}`)
    if (![CUT, APART, ONE_LINK].includes(how)) throw new RangeError(`not ${how}: ${CUT}, ${APART}, ${ONE_LINK}`)
    let messages = 0
    const observe = ({ channel, kind }: Observation): void => {
      if (kind === 'received' && channel === ring.channel.name) messages++
    }
    const simulation = new Simulation({ seed, trace: false, observe })
    const ring = new RingNetwork(simulation)
    const overlay = new OverlayNetwork(simulation, {
      onEvent: (peer, { type, peer: neighbour }) => ring.channel.command(peer, { type, peer: neighbour })
    })
    const sizes = shares.map(share => Math.round(share * peers))
    for (const size of how === CUT ? [peers] : sizes) {
      if (how === ONE_LINK) ring.addRing(size)
      else overlay.grow(size)
    }
    const wait = (seconds: number): void => simulation.run(simulation.now + seconds * 1_000)
    wait(apartSeconds)
    progress(0.4)
    if (how === CUT) {
      simulation.partition(groupsOf(simulation.rng.sample(simulation.alive(), peers), sizes))
      wait(apartSeconds)
    }
    progress(0.7)
    messages = 0
    wait(apartSeconds)
    const perSecond = messages / apartSeconds
    messages = 0
    const start = simulation.now
    if (how === CUT) simulation.heal()
    else {
      const groups = groupsOf(simulation.alive(), sizes)
      const [[contact], ...others] = groups.map(group => simulation.rng.sample(group, 1)) as [Peer[], ...Peer[][]]
      for (const [peer] of others as [Peer][]) {
        if (how === APART) overlay.channel.command(peer, { type: 'join', contact: contact as Peer })
        else ring.channel.command(peer, { type: 'neighbourUp', peer: contact as Peer })
      }
    }
    const sorted = ring.sorted(simulation.alive())
    let connectedMs: number | undefined
    const isIdeal = simulation.runUntil(
      () => {
        if (how !== ONE_LINK && connectedMs === undefined && components(overlay.graph().graph).length === 1)
          connectedMs = simulation.now
        return ring.isIdeal(sorted)
      },
      LIMIT_MS,
      500
    )
    const seconds = (simulation.now - start) / 1_000
    return {
      ...(how === ONE_LINK ? {} : { overlay: ((connectedMs ?? simulation.now) - start) / 1_000 }),
      ideal: seconds,
      never: isIdeal ? 0 : 1,
      messages: messages / peers,
      upkeep: (perSecond * seconds) / peers
    }
  },
  published: [CUT, APART, ONE_LINK].flatMap(how =>
    Object.keys(PARTS).map(parts => ({
      value: 'ideal',
      where: { how, parts },
      figure: 60,
      evidence: 'goal' as const,
      source: 'at most; rings of Chord never merge (Stoica et al. 2003, VI)'
    }))
  ),
  plots: [{ title: 'Seconds until there is one ideal ring', x: 'parts', y: ['ideal'], series: 'how', kind: 'bar' }]
})

function groupsOf(peers: readonly Peer[], sizes: readonly number[]): Peer[][] {
  let from = 0
  return sizes.map(size => peers.slice(from, (from += size)))
}
