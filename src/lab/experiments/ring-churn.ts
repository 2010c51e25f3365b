import type { Peer } from '../../../protocols/core/peer.ts'
import { Simulation } from '../../simulator/index.ts'
import { experiment } from '../experiment.ts'
import { LookupTally } from '../lookup-tally.ts'
import { RingMembers } from '../ring-members.ts'
import { asInThePaper, RingNetwork } from '../ring-network.ts'
import { exponential } from '../sessions.ts'

const PAPER = 'of the paper (leave)'
const LEAVING = 'ours (leave)'
const CRASHING = 'ours (crash)'
const KINDS = {
  [PAPER]: { isCrash: false, config: asInThePaper },
  [LEAVING]: { isCrash: false, config: {} },
  [CRASHING]: { isCrash: true, config: {} }
}
const TABLE_3 = { peers: 1_000, successors: 20, stabilizeSeconds: [15, 45] }
/** Joins a second, and as many departures; path to the predecessor, timeouts, lookups that failed of 10,000. */
const FIGURES = [
  [0.05, 3.9, 0.05, 0],
  [0.1, 3.83, 0.11, 0],
  [0.15, 3.84, 0.16, 2],
  [0.2, 3.81, 0.23, 5],
  [0.25, 3.83, 0.3, 6],
  [0.3, 3.91, 0.34, 8],
  [0.35, 3.94, 0.42, 16],
  [0.4, 4.06, 0.46, 15]
] as const
/** Until a peer that has said goodbye is gone, ms. */
const GOODBYE_MS = 1_000
/** Until departures have left their traces in the tables, seconds. */
const SETTLE = 600

export default experiment({
  name: 'ring-churn',
  summary: 'Chord lookups while nodes join and leave or crash',
  settings: {
    ...TABLE_3,
    rates: FIGURES.map(([rate]) => rate),
    kinds: Object.keys(KINDS),
    lookups: 2_000,
    lookupsPerSecond: 2
  },
  seeds: 5,
  cases: ({ rates, kinds }) => kinds.flatMap(kind => rates.map(rate => ({ kind, rate }))),
  by: { kind: 'fingers, departures', rate: 'a second' },
  values: {
    toPredecessor: { title: 'hops to the predecessor' },
    hops: { title: 'hops to the owner' },
    timeouts: { title: 'dead nodes asked' },
    stalls: { title: 'timeouts that were waited for' },
    elapsedMs: { title: 'ms', as: { digits: 0 } },
    wrong: { title: 'wrong, of 10,000' },
    failed: { title: 'not found, of 10,000' },
    messages: { title: 'messages a second of a node' }
  },
  run({ seed, settings, case: { kind, rate }, progress }) {
    const { peers, successors, stabilizeSeconds, lookups, lookupsPerSecond } = settings
    const how = KINDS[kind as keyof typeof KINDS]
    if (how === undefined) throw new RangeError(`no kind ${kind}: ${Object.keys(KINDS).join(', ')}`)
    const [least = 0, most = 0] = stabilizeSeconds.map(seconds => seconds * 1_000)
    const stabilizeMs: [number, number] = [least, most]
    const simulation = new Simulation({ seed, trace: false, detectionMs: 500 })
    const { rng } = simulation
    const network = new RingNetwork(simulation, {
      // a round of the paper looks up one finger
      config: { ...how.config, successors, stabilizeMs, fingerMs: (least + most) / 2, routes: 0 },
      onRing: (_, { predecessor }) => {
        if (predecessor !== undefined && simulation.isAlive(predecessor)) members.enter(predecessor, simulation.now)
      }
    })
    const members = new RingMembers(network.idOf, network.sorted(network.addRing(peers)))
    const everyNow = (perSecond: number, happen: () => void): void => {
      simulation.at(simulation.now + exponential(1_000 / perSecond, rng), () => {
        happen()
        everyNow(perSecond, happen)
      })
    }
    everyNow(rate, () => {
      const contact = rng.pick(members.sorted)
      const [peer] = simulation.addPeers(1) as [Peer]
      network.channel.command(peer, { type: 'join', contact })
    })
    everyNow(rate, () => {
      const peer = rng.pick(members.sorted)
      members.leave(peer, simulation.now)
      if (!how.isCrash) network.channel.command(peer, { type: 'leave' })
      simulation.at(simulation.now + (how.isCrash ? 0 : GOODBYE_MS), () => simulation.crash(peer))
    })
    simulation.run(SETTLE * 1_000)
    const tally = new LookupTally()
    const sentBefore = simulation.stats.sent
    const begunMs = simulation.now
    let begun = 0
    everyNow(lookupsPerSecond, () => {
      if (++begun > lookups) return
      const key = network.randomKey(rng)
      const startedMs = simulation.now
      const before = network.ownerOf(key, members.sorted)
      network.lookup(rng.pick(members.sorted), key, result => {
        const now = network.ownerOf(key, members.sorted)
        const { owner = now.owner } = result
        const isRight =
          owner === now.owner || owner === before.owner || members.wasOwner(owner, key, startedMs, simulation.now)
        tally.add(result, isRight ? { ...now, owner } : now)
      })
    })
    while (begun < lookups) {
      simulation.run(simulation.now + 10_000)
      progress(begun / lookups)
    }
    const perSecond = (simulation.stats.sent - sentBefore) / ((simulation.now - begunMs) / 1_000)
    simulation.run(simulation.now + network.config.lookupMs)
    return {
      toPredecessor: tally.mean('toPredecessor'),
      hops: tally.mean('hops'),
      timeouts: tally.mean('timeouts'),
      stalls: tally.mean('stalls'),
      elapsedMs: tally.mean('elapsedMs'),
      wrong: tally.wrongOf(10_000),
      failed: tally.failedOf(10_000),
      messages: perSecond / members.sorted.length
    }
  },
  published: [
    ...FIGURES.flatMap(([rate, path, timeouts, failures]) => [
      {
        ...published('toPredecessor', { kind: PAPER, rate }, path),
        why: 'no detours around dead fingers, of which connections tell'
      },
      {
        ...published('timeouts', { kind: PAPER, rate }, timeouts),
        why: 'a connection that breaks tells of a dead finger before it is asked; the paper has no connections'
      },
      {
        ...published('wrong', { kind: PAPER, rate }, failures),
        why: 'only the owner answers for a key, and says when it is not'
      }
    ]),
    ...[LEAVING, CRASHING].map(kind => ({
      value: 'wrong',
      where: { kind, rate: 0.4 },
      figure: 0.1,
      evidence: 'goal' as const,
      source: 'at most'
    }))
  ],
  plots: [
    { title: 'Hops to the predecessor', x: 'rate', y: ['toPredecessor'], series: 'kind' },
    { title: 'Dead nodes asked', x: 'rate', y: ['timeouts'], series: 'kind' },
    { title: 'Wrong, of 10,000', x: 'rate', y: ['wrong'], series: 'kind' }
  ]
})

function published(value: string, where: { kind: string; rate: number }, figure: number) {
  return {
    value,
    where,
    figure,
    evidence: 'paper',
    source: 'Chord, Stoica et al. 2003, table III',
    setup: TABLE_3
  } as const
}
