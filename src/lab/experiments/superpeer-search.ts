import type { Peer } from '../../../protocols/core/peer.ts'
import { type Rng, seededRng } from '../../../protocols/core/rng.ts'
import { searchCodec } from '../../../protocols/search/index.ts'
import { superPeerCodec } from '../../../protocols/superpeer/index.ts'
import { Simulation } from '../../simulator/index.ts'
import { experiment } from '../experiment.ts'
import { costOfWorkload, redesign } from '../paper-superpeer-queries.ts'
import { SharedFiles, type WordQuery } from '../shared-files.ts'
import { SuperPeerNetwork } from '../superpeer-network.ts'
import { sizedPeers, Traffic } from '../traffic.ts'

/** Files of a peer in the mean. */
const COPIES = 5
const SKEW = 0.7
const NEIGHBOURS = 20
/** Of every peer, where there are no super-peers. */
const NEIGHBOURS_OF_ALL = 5
/** Clients of a super-peer beyond its share, so that all find three. */
const ROOM = 1.2
/** Super-peers of a client. */
const SUPERS = 3
/** Queries of a user, a second (Yang and Garcia-Molina). */
const QUERY_RATE = 9.26e-3
const TIMEOUT_MS = 20_000
/** So long nobody asks, to see what it costs to be there. */
const REST_MS = 600_000
/** Bytes of the rest are of upkeep. */
const OF_QUERIES = new Set(['search query', 'search hits', 'search report', 'superpeer ask', 'superpeer answer'])
const OURS = 'super-peers'
const PAPER = 'redesign'
const FLOOD = 'flood'

export default experiment({
  name: 'superpeer-search',
  summary:
    'what a search costs through super-peers: ours, the published redesign, and a flood of all, on the same files',
  settings: {
    peers: 20_000,
    supers: 200,
    queries: 200,
    /** Bytes of a signed record of addresses, which comes with each holder; the redesign has 28 for an address. */
    records: 300,
    wants: [16, 64, 255],
    hops: [2, 3]
  },
  seeds: 3,
  cases: ({ wants, hops }) => [
    ...wants.map(want => ({ method: OURS, effort: want })),
    ...hops.map(ttl => ({ method: PAPER, effort: ttl })),
    { method: FLOOD, effort: 0 }
  ],
  by: { method: 'method', effort: 'holders wanted, or hops' },
  values: {
    recall: { title: 'recall', as: 'percent' },
    bytes: { title: 'bytes a query', as: { digits: 0 } },
    perResult: { title: 'bytes a result', as: { digits: 0 } },
    messages: { title: 'messages a query', as: { digits: 1 } },
    skew: { title: 'p99 of super-peers, of the mean', as: { digits: 2 } },
    firstMs: { title: 'first hit, ms', as: { digits: 0 } },
    upkeep: { title: 'upkeep, bytes a query', as: { digits: 0 } }
  },
  run({ seed, settings, case: { method, effort }, progress }) {
    const { peers, supers, queries: count } = settings
    const rng = seededRng(seed)
    const files = new SharedFiles({ peers, files: peers, copies: COPIES * peers, words: peers, skew: SKEW }, rng)
    const clients = Array.from({ length: peers - supers }, (_, i) => supers + i)
    const queries = Array.from({ length: count }, () => files.query(clients))
    if (method === PAPER) return paper(peers, effort, queries, rng)
    if (method === FLOOD) return flood(peers)
    return ours({ seed, files, queries, want: effort, supers, records: settings.records, progress })
  },
  published: [
    {
      value: 'skew',
      where: { method: OURS },
      figure: 2,
      evidence: 'goal',
      source: 'at most',
      reproduces: false
    }
  ],
  plots: [
    { title: 'Bytes a result', x: 'effort', y: ['perResult'], series: 'method', kind: 'bar' },
    { title: 'Messages a query', x: 'effort', y: ['messages'], series: 'method', kind: 'bar', logY: true }
  ]
})

function paper(peers: number, ttl: number, queries: readonly WordQuery[], rng: Rng) {
  const cost = costOfWorkload({ ...redesign(peers, rng), ttl }, queries)
  const sorted = cost.superBytes.toSorted()
  const mean = sorted.reduce((sum, bytes) => sum + bytes, 0) / sorted.length
  return {
    recall: cost.recall,
    bytes: cost.bytesPerQuery,
    perResult: cost.bytesPerQuery / cost.query.results,
    messages: cost.messagesPerQuery,
    skew: (sorted[Math.floor(0.99 * (sorted.length - 1))] ?? 0) / mean
  }
}

/** Each peer passes the query on to all neighbours but the one that it has it from; answers come on top. */
function flood(peers: number) {
  return { recall: 1, messages: (NEIGHBOURS_OF_ALL - 1) * peers + 1 }
}

function ours({
  seed,
  files,
  queries,
  want,
  supers,
  records,
  progress
}: {
  seed: number
  files: SharedFiles
  queries: readonly WordQuery[]
  want: number
  supers: number
  records: number
  progress(share: number): void
}) {
  const codec = sizedPeers(records)
  const traffic = new Traffic({ search: searchCodec(codec), superpeer: superPeerCodec(codec) })
  const simulation = new Simulation({ seed, trace: false, observe: traffic.observe })
  const slots = Math.ceil(((files.peers - supers) / supers) * SUPERS * ROOM)
  const network = new SuperPeerNetwork(simulation, { config: { slots, maxSlots: slots } })
  network.start({ supers, neighbours: NEIGHBOURS, filesOf: files.ofPeer }, share => progress(share / 2))
  traffic.isOn = true
  simulation.run(simulation.now + REST_MS)
  const upkeep = traffic.bytes / ((REST_MS / 1_000) * QUERY_RATE * files.peers)
  traffic.reset()
  let [found, possible, firstMs, answered] = [0, 0, 0, 0]
  for (const [i, query] of queries.entries()) {
    const search = network.search(query.from as Peer, query.text, { want, timeoutMs: TIMEOUT_MS })
    network.finish([search], 2 * TIMEOUT_MS)
    const others = search.found.filter(({ holder }) => (holder as number) !== query.from)
    found += new Set(others.map(({ holder, item }) => `${holder as number} ${item}`)).size
    possible += query.results
    const first = others[0]
    if (first !== undefined) {
      answered++
      firstMs += first.atMs - search.startedMs
    }
    progress(0.5 + i / queries.length / 2)
  }
  let [bytes, messages] = [0, 0]
  for (const [type, sum] of traffic.byType) {
    if (!OF_QUERIES.has(type)) continue
    bytes += sum.bytes
    messages += sum.messages
  }
  const loads = network.supers.map(peer => traffic.ofPeer[peer as number] ?? 0).sort((a, b) => a - b)
  const mean = loads.reduce((sum, load) => sum + load, 0) / loads.length
  return {
    recall: found / possible,
    bytes: bytes / queries.length,
    perResult: bytes / found,
    messages: messages / queries.length,
    skew: (loads[Math.floor(0.99 * (loads.length - 1))] ?? 0) / mean,
    firstMs: firstMs / answered,
    upkeep
  }
}
