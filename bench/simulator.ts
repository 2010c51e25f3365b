/**
 * Peers in virtual time, from one seed: they join the overlay one after another, or begin as a random graph, and search
 * now and then. Prints how many events a second the simulator handles (an event is one input of a machine) and what a
 * peer costs in memory; with `--trace` also the trace hash, which is the same on every machine.
 *
 *     npm run bench:simulator -- [--peers 1000] [--graph] [--keys 0] [--idle SECONDS] [--seconds 120] [--seed 1]
 *                                [--wire] [--trace] [--json]
 */
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { FileId } from '../protocols/core/ids.ts'
import { indexPeers, type Peer } from '../protocols/core/peer.ts'
import {
  Overlay,
  type OverlayCommand,
  type OverlayEvent,
  type OverlayMessage,
  overlayCodec,
  overlayConfig
} from '../protocols/overlay/index.ts'
import {
  Search,
  type SearchCommand,
  type SearchEvent,
  type SearchMessage,
  searchCodec
} from '../protocols/search/index.ts'
import { edgesOf } from '../src/lab/graph.ts'
import { randomRegular } from '../src/lab/topologies.ts'
import { Simulation } from '../src/simulator/index.ts'

const { values } = parseArgs({
  options: {
    peers: { type: 'string', default: '1000' },
    /** Peers are linked at random from the start, each with as many as its active view holds, and nobody joins. */
    graph: { type: 'boolean', default: false },
    /** Keys that each peer shares: what summaries cost in time and memory grows with them. */
    keys: { type: 'string', default: '0' },
    /** Connections are closed after so many seconds without a message. */
    idle: { type: 'string' },
    seconds: { type: 'string', default: '120' },
    seed: { type: 'string', default: '1' },
    wire: { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false }
  }
})
const count = Number(values.peers)
const seconds = Number(values.seconds)
const seed = Number(values.seed)
const keys = Number(values.keys)
if (!(Number.isInteger(count) && count >= 2)) throw new RangeError(`--peers ${values.peers}: at least two`)
if (!(seconds > 0)) throw new RangeError(`--seconds ${values.seconds}: above 0`)
if (!(Number.isInteger(keys) && keys >= 0)) throw new RangeError(`--keys ${values.keys}: a whole number from 0 on`)
/** All have joined after this share of the time. */
const JOINING = 0.5
/** One of so many peers has what is searched for. */
const HOLDERS = 100

/** Words that peers share from. */
const WORDS = 100_000

const before = memory()
const started = performance.now()
const simulation = new Simulation({
  seed,
  wire: values.wire,
  trace: values.trace,
  ...(values.idle === undefined ? {} : { idleMs: Number(values.idle) * 1_000 })
})
let neighbours = 0
const overlay = simulation.protocol<OverlayCommand, OverlayMessage, OverlayEvent>({
  name: 'overlay',
  codec: overlayCodec(indexPeers),
  machine: (self, rng) => new Overlay({ self, rng }),
  onEvent: (peer, event) => {
    // there is nothing else here that could know anybody
    if (event.type === 'contactsWanted') return
    neighbours += event.type === 'neighbourUp' ? 1 : -1
    search.command(peer, event)
  }
})
let hits = 0
let searches = 0
const search = simulation.protocol<SearchCommand, SearchMessage, SearchEvent>({
  name: 'search',
  codec: searchCodec(indexPeers),
  machine: (self, rng) =>
    new Search({
      self,
      rng,
      lookup: () => {
        const index = self as number
        if (index % HOLDERS !== 0) return []
        const id = index.toString(16).padStart(64, '0') as FileId
        return [{ holder: self, hits: [{ id, name: `file of ${index}`, size: index }] }]
      }
    }),
  onEvent: (_, event) => {
    if (event.type === 'hits') hits += event.hits.length
  }
})

const endMs = Math.floor(seconds * 1000)
if (values.graph) link()
else join()
if (keys > 0) share()
const startSeconds = (performance.now() - started) / 1000
while (simulation.now < endMs) {
  const searcher = simulation.rng.below(count) as Peer
  search.command(searcher, { type: 'search', search: searches++, query: { kind: 'words', text: 'file' } })
  simulation.run(Math.min(simulation.now + 1_000, endMs))
}
const tookSeconds = (performance.now() - started) / 1000

const { inputs, sent, lost, bytes, connections } = simulation.stats
const { rss } = process.memoryUsage()
const after = memory()
const result = {
  peers: count,
  graph: values.graph,
  keys,
  virtualSeconds: seconds,
  seed,
  wire: values.wire,
  events: inputs,
  messages: sent,
  lost,
  bytes,
  searches,
  hits,
  startSeconds,
  seconds: tookSeconds,
  eventsPerSecond: Math.round(inputs / tookSeconds),
  neighboursPerPeer: neighbours / count,
  connectionsPerPeer: (2 * connections) / count,
  heapBytesPerPeer: Math.round((after.used - before.used) / count),
  rssBytesPerPeer: Math.round((rss - before.rss) / count),
  ...(values.trace ? { trace: simulation.traceHash() } : {})
}
if (values.json) console.log(JSON.stringify({ v: 1, type: 'bench-simulator', ...result }))
else {
  const { neighboursPerPeer, connectionsPerPeer, heapBytesPerPeer, rssBytesPerPeer } = result
  console.log(
    `${count} peers, ${seconds} virtual seconds in ${tookSeconds.toFixed(2)} s, ` +
      `all there after ${startSeconds.toFixed(2)} s, seed ${seed}`
  )
  console.log(`${inputs} events, ${result.eventsPerSecond} a second; ${sent} messages, ${lost} lost, ${bytes} bytes`)
  console.log(
    `for each peer ${heapBytesPerPeer} bytes in use, ${rssBytesPerPeer} resident; ` +
      `${neighboursPerPeer.toFixed(2)} neighbours, ${connectionsPerPeer.toFixed(1)} connections`
  )
  console.log(`${searches} searches, ${hits} hits${values.trace ? `; trace ${result.trace}` : ''}`)
}

function join(): void {
  for (let i = 0; i < count; i++) {
    const [peer] = simulation.addPeers(1) as [Peer]
    if (i > 0) overlay.command(peer, { type: 'join', contact: simulation.rng.below(i) as Peer })
    simulation.run(Math.floor((endMs * JOINING * (i + 1)) / count))
  }
}

/** A peer with places to fill asks whoever connects to it to be its neighbour. */
function link(): void {
  simulation.addPeers(count)
  const degree = Math.min(overlayConfig.activeSize, count - 1)
  // an edge has two ends
  const even = (count * degree) % 2 === 0 ? degree : degree - 1
  for (const [a, b] of edgesOf(randomRegular(count, even, simulation.rng))) simulation.connect(a as Peer, b as Peer)
}

/** Different words for different peers, none of which is searched for. */
function share(): void {
  for (let i = 0; i < count; i++) {
    const words = Array.from({ length: keys }, () => `word ${simulation.rng.below(WORDS)}`)
    search.command(i as Peer, { type: 'share', keys: words })
  }
}

/** Bytes that cannot be collected, in V8's heap and in typed arrays, and all that the process has. */
function memory(): { used: number; rss: number } {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  const { heapUsed, external, rss } = process.memoryUsage()
  return { used: heapUsed + external, rss }
}
