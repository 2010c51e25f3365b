import type { RingId } from '../../../protocols/core/keyspace.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { Simulation } from '../../simulator/index.ts'
import { DirectoryNetwork } from '../directory-network.ts'
import { experiment } from '../experiment.ts'
import { Liars } from '../liars.ts'
import type { RingNetwork } from '../ring-network.ts'

/** Nothing else is under way, so that messages are those of the gets. */
const NEVER = 1e8
const QUIET = {
  ring: { stabilizeMs: [NEVER, NEVER], fingerMs: NEVER, uniteMs: NEVER, joinMs: NEVER },
  directory: { compareMs: NEVER, settleMs: NEVER, sweepMs: NEVER }
} as const

/** How a record is asked for. With 0 routes by a plain get. */
const METHODS = { plain: 0, 'careful, 1 route': 1, '2 routes': 2, '4 routes': 4, '8 routes': 8 } as const

export default experiment({
  name: 'ring-liars',
  summary: 'records that are found though nodes around their keys lie about the owner and hide what they keep',
  settings: {
    nodes: 1_000,
    keys: 200,
    hostile: [0.05, 0.1, 0.25, 0.5],
    /** Whether the liars lie already when the record is published. */
    published: ['before', 'among liars', 'carefully among liars'],
    /** Nodes around a key of which some lie; all nodes when 0. */
    around: [0, 32],
    methods: Object.keys(METHODS)
  },
  seeds: 5,
  cases: ({ hostile, published, around, methods }) =>
    around.flatMap(nodes =>
      published.flatMap(when =>
        hostile.flatMap(share => methods.map(method => ({ around: nodes, published: when, hostile: share, method })))
      )
    ),
  by: { around: 'liars among', published: 'published', hostile: 'hostile', method: 'get' },
  values: {
    found: { title: 'found', as: 'percent' },
    kept: { title: 'an honest node has it', as: 'percent' },
    messages: { title: 'messages a get', as: { digits: 1 } },
    ms: { title: 'ms a get', as: { digits: 0 } }
  },
  run({ seed, settings, case: { around, published, hostile, method }, progress }) {
    const { nodes, keys: count } = settings
    const simulation = new Simulation({ seed, trace: false })
    const { rng } = simulation
    let liars: Liars | undefined
    const network = new DirectoryNetwork(simulation, {
      ring: QUIET.ring,
      config: { ...QUIET.directory, isCareful: published === 'carefully among liars' },
      routes: METHODS[method as keyof typeof METHODS] || 1,
      disguise: {
        ring: (peer, machine) => liars?.disguise.ring(peer, machine),
        directory: (peer, machine) => liars?.disguise.directory(peer, machine)
      }
    })
    const ring: RingNetwork = network.ring
    liars = new Liars(ring.idOf)
    const peers = network.addRing(nodes)
    const sorted = ring.sorted(peers)
    simulation.run(10_000)
    const everywhere = rng.sample(peers, Math.round(hostile * nodes))
    const liarsOf = new Map<RingId, readonly Peer[]>()
    for (let i = 0; i < count; i++) {
      const key = ring.randomKey(rng)
      liarsOf.set(
        key,
        around === 0 ? everywhere : rng.sample(nearest(ring, key, sorted, around), Math.round(hostile * around))
      )
    }
    const hide = (): void => {
      for (const [key, hiding] of liarsOf) liars?.hide(key, hiding)
    }
    const honest = (key: RingId): Peer => {
      let peer = rng.pick(peers)
      while (liarsOf.get(key)?.includes(peer) === true) peer = rng.pick(peers)
      return peer
    }
    if (published !== 'before') hide()
    const publishers = new Map<RingId, Peer>()
    for (const key of liarsOf.keys()) {
      const publisher = honest(key)
      publishers.set(key, publisher)
      network.put(publisher, { kind: 'member', key, payload: new Uint8Array(100) })
      simulation.run(simulation.now + 50)
      progress((0.5 * publishers.size) / count)
    }
    simulation.run(simulation.now + 20_000)
    if (published === 'before') hide()
    let [found, kept, ms, messages] = [0, 0, 0, 0]
    for (const [key, publisher] of publishers) {
      const hiding = new Set(liarsOf.get(key))
      if (network.holdersOf(key).some(holder => !hiding.has(holder))) kept++
      const startMs = simulation.now
      const { sent } = simulation.stats
      let isDone = false
      network.get(
        honest(key),
        key,
        got => {
          isDone = true
          if (got?.entries.some(entry => entry.publisher === publisher) === true) found++
          ms += simulation.now - startMs
        },
        METHODS[method as keyof typeof METHODS] > 0
      )
      simulation.runUntil(() => isDone, 120_000)
      messages += simulation.stats.sent - sent
      progress(0.5 + (0.5 * (kept + 1)) / (count + 1))
    }
    return { found: found / count, kept: kept / count, messages: messages / count, ms: ms / count }
  },
  published: [
    ...['before', 'carefully among liars'].map(published => ({
      value: 'found',
      where: { around: 0, published, hostile: 0.25, method: '4 routes' },
      figure: 0.95,
      evidence: 'goal' as const,
      source: 'at least'
    }))
  ],
  plots: [
    {
      title: 'Records that are found, published before the liars came',
      x: 'hostile',
      y: ['found'],
      series: 'method',
      where: { around: 0, published: 'before' }
    },
    {
      title: 'Records that are found, published carefully among liars',
      x: 'hostile',
      y: ['found'],
      series: 'method',
      where: { around: 0, published: 'carefully among liars' }
    }
  ]
})

/** So many nodes, half of them before the key and half past it. */
function nearest(ring: RingNetwork, key: RingId, sorted: readonly Peer[], count: number): Peer[] {
  const owner = sorted.findIndex(peer => ring.idOf(peer) >= key)
  const first = (owner === -1 ? 0 : owner) - Math.floor(count / 2)
  return Array.from({ length: count }, (_, i) => sorted.at((first + i) % sorted.length) as Peer)
}
