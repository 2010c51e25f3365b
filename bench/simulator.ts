/**
 * Peers in virtual time, from one seed: they join the overlay one after another, then search by flooding now and then.
 * Prints how many events a second the simulator handles (an event is one input of a machine), and the trace hash, which
 * is the same on every machine.
 *
 *     node bench/simulator.ts [--peers 1000] [--seconds 120] [--seed 1] [--wire] [--json]
 */
import { parseArgs } from 'node:util'
import type { FileId } from '../protocols/core/ids.ts'
import { indexPeers, type Peer } from '../protocols/core/peer.ts'
import {
  Overlay,
  type OverlayCommand,
  type OverlayEvent,
  type OverlayMessage,
  overlayCodec
} from '../protocols/overlay/index.ts'
import {
  Search,
  type SearchCommand,
  type SearchEvent,
  type SearchMessage,
  searchCodec
} from '../protocols/search/index.ts'
import { Simulation } from '../src/simulator/index.ts'

const { values } = parseArgs({
  options: {
    peers: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '120' },
    seed: { type: 'string', default: '1' },
    wire: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false }
  }
})
const count = Number(values.peers)
const seconds = Number(values.seconds)
const seed = Number(values.seed)
if (!(Number.isInteger(count) && count >= 2)) throw new RangeError(`--peers ${values.peers}: at least two`)
if (!(seconds > 0)) throw new RangeError(`--seconds ${values.seconds}: above 0`)
/** All have joined after this share of the time. */
const JOINING = 0.5
/** One of so many peers has what is searched for. */
const HOLDERS = 100

const simulation = new Simulation({ seed, wire: values.wire })
const overlay = simulation.protocol<OverlayCommand, OverlayMessage, OverlayEvent>({
  name: 'overlay',
  codec: overlayCodec(indexPeers),
  machine: (self, rng) => new Overlay({ self, rng }),
  onEvent: (peer, event) => search.command(peer, event)
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
        return [{ id: index.toString(16).padStart(64, '0') as FileId, name: `file of ${index}`, size: index }]
      }
    }),
  onEvent: (_, event) => {
    if (event.type === 'hits') hits += event.hits.length
  }
})

const started = performance.now()
const endMs = Math.floor(seconds * 1000)
for (let i = 0; i < count; i++) {
  const [peer] = simulation.addPeers(1) as [Peer]
  if (i > 0) overlay.command(peer, { type: 'join', contact: simulation.rng.below(i) as Peer })
  simulation.run(Math.floor((endMs * JOINING * (i + 1)) / count))
}
while (simulation.now < endMs) {
  const searcher = simulation.rng.below(count) as Peer
  search.command(searcher, { type: 'search', search: searches++, query: { kind: 'words', text: 'file' } })
  simulation.run(Math.min(simulation.now + 1_000, endMs))
}
const tookSeconds = (performance.now() - started) / 1000

const { inputs, sent, lost, bytes } = simulation.stats
const result = {
  peers: count,
  virtualSeconds: seconds,
  seed,
  wire: values.wire,
  events: inputs,
  messages: sent,
  lost,
  bytes,
  searches,
  hits,
  seconds: tookSeconds,
  eventsPerSecond: Math.round(inputs / tookSeconds),
  trace: simulation.traceHash()
}
if (values.json) console.log(JSON.stringify({ v: 1, type: 'bench-simulator', ...result }))
else {
  console.log(`${count} peers, ${seconds} virtual seconds in ${tookSeconds.toFixed(2)} s, seed ${seed}`)
  console.log(`${inputs} events, ${result.eventsPerSecond} a second; ${sent} messages, ${lost} lost, ${bytes} bytes`)
  console.log(`${searches} searches, ${hits} hits; trace ${result.trace}`)
}
