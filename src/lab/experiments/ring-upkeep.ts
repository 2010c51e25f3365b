import type { ChordMessage } from '../../../protocols/chord/index.ts'
import { indexPeers } from '../../../protocols/core/peer.ts'
import { type DirectoryMessage, directoryCodec } from '../../../protocols/directory/index.ts'
import { Simulation } from '../../simulator/index.ts'
import { DirectoryNetwork } from '../directory-network.ts'
import { experiment } from '../experiment.ts'

const MINUTE = 60_000
/** What the simulator writes for a peer. */
const INDEX_BYTES = 4

/** Until comparisons and renewals of the links are spread evenly, minutes. */
const SETTLE = 6

export default experiment({
  name: 'ring-upkeep',
  summary: 'messages and bytes of ring and directory with nothing to do, and of each record that is kept',
  settings: {
    nodes: 100,
    records: [0, 1_000],
    payload: 200,
    /** A peer that is named: an Ed25519 peer id and its signed record with two addresses. */
    peerBytes: 280,
    minutes: 30,
    days: 1
  },
  seeds: 3,
  cases: ({ records }) => records.map(count => ({ records: count })),
  by: { records: 'records', protocol: 'protocol' },
  values: {
    messages: { title: 'messages a minute and node', as: { digits: 2 } },
    bytes: { title: 'bytes a minute and node', as: { digits: 0 } },
    recordBytes: { title: 'bytes a day and record, all nodes, without lookups', as: { digits: 0 } },
    kept: { title: 'bytes kept a node', as: { digits: 0 } }
  },
  run({ seed, settings, case: { records }, progress }) {
    const { nodes, payload, peerBytes, minutes, days } = settings
    const none = { chord: 0, directory: 0, named: 0, entryBytes: 0 }
    const sent = { ...none }
    const codec = directoryCodec(indexPeers)
    const simulation: Simulation = new Simulation({
      seed,
      trace: false,
      wire: true,
      observe: ({ kind, channel, what }) => {
        if (kind !== 'received') return
        sent[channel as keyof typeof sent]++
        const message = what as ChordMessage | DirectoryMessage
        const named = peersIn(message)
        sent.named += named
        // what comparisons cost does not depend on it while nothing differs
        if (channel !== 'directory' || message.type === 'compare' || message.type === 'same') return
        sent.entryBytes += codec.encode(message as DirectoryMessage).byteLength + named * (peerBytes - INDEX_BYTES)
      }
    })
    const network = new DirectoryNetwork(simulation)
    const peers = network.addRing(nodes)
    const measure = (ms: number, from: number, to: number) => {
      Object.assign(sent, none)
      const { bytes } = simulation.stats
      const end = simulation.now + ms
      while (simulation.now < end) {
        simulation.run(Math.min(simulation.now + MINUTE, end))
        progress(from + (to - from) * (1 - (end - simulation.now) / ms))
      }
      return { ...sent, bytes: simulation.stats.bytes - bytes + sent.named * (peerBytes - INDEX_BYTES) }
    }
    for (let i = 0; i < records; i++) {
      const key = network.ring.randomKey(simulation.rng)
      network.put(simulation.rng.pick(peers), { kind: 'member', key, payload: new Uint8Array(payload) })
      if (i % 10 === 0) simulation.run(simulation.now + 100)
    }
    simulation.run(simulation.now + SETTLE * MINUTE)
    const rest = measure(minutes * MINUTE, 0, 0.3)
    // renewals of all records are in this
    const day = records === 0 ? undefined : measure(days * 24 * 60 * MINUTE, 0.3, 1)
    const perNode = (count: number, spanMinutes: number): number => count / nodes / spanMinutes
    const kept = peers.reduce((sum, peer) => sum + network.store(peer).usage().bytes, 0) / nodes
    return [
      {
        protocol: 'both',
        messages: perNode(rest.chord + rest.directory, minutes),
        bytes: perNode(rest.bytes, minutes),
        kept,
        ...(day === undefined ? {} : { recordBytes: day.entryBytes / days / records })
      },
      { protocol: 'ring', messages: perNode(rest.chord, minutes) },
      { protocol: 'directory', messages: perNode(rest.directory, minutes) }
    ]
  },
  plots: [{ title: 'Messages a minute and node', x: 'records', y: ['messages'], series: 'protocol' }]
})

/** How many peers a message names. */
function peersIn(message: ChordMessage | DirectoryMessage): number {
  const one = (peer: unknown): number => Number(peer !== undefined)
  switch (message.type) {
    case 'place':
      return message.place === undefined ? 0 : one(message.place.predecessor) + message.place.successors.length
    case 'leaving':
      return one(message.place.predecessor) + message.place.successors.length
    case 'route':
      return message.lost.length
    case 'hop':
      return one(message.predecessor) + message.before.length + message.after.length
    case 'relayed':
      if (message.found === undefined) return 0
      return 1 + one(message.found.predecessor) + message.found.successors.length + one(message.found.via)
    case 'unite':
    case 'store':
      return 1
    case 'stored':
      return one(message.hint)
    case 'fetched':
    case 'push':
    case 'pulled':
    case 'cache':
      return message.entries.length
    default:
      return 0
  }
}
