import type { FileId } from '../../../protocols/core/ids.ts'
import { indexPeers, type Peer } from '../../../protocols/core/peer.ts'
import type { SearchConfig } from '../../../protocols/search/config.ts'
import { type Hit, type SearchMessage, searchCodec } from '../../../protocols/search/messages.ts'
import { Search, type SearchCommand, type SearchEvent } from '../../../protocols/search/search.ts'
import { type Channel, Simulation, type SimulationOptions } from '../../../src/simulator/index.ts'
import type { Edges } from './graphs.ts'

export const seedOfTest = Number(process.env.SHOAL_SEED ?? 1)

/** How to see a failure again. */
export const again = (file: string): string => `SHOAL_SEED=${seedOfTest} node --test test/protocols/search/${file}`

/** The file of this name that a peer shares; each has its own id. */
export function fileOf(peer: number): Hit {
  return { id: (peer + 1).toString(16).padStart(64, '0') as FileId, name: `file of ${peer}.txt`, size: 1_000 + peer }
}

export interface Outcome {
  /** Hops to each holder, as often as it answered. */
  found: [holder: number, hops: number][]
  done: Extract<SearchEvent, { type: 'searchDone' }> | undefined
  firstHitAt: number | undefined
  doneAt: number | undefined
}

export interface NetworkInit {
  peers: number
  edges: Edges
  /** Who has something to find. */
  holders: ReadonlySet<number>
  simulation?: Partial<SimulationOptions>
  config?: Partial<SearchConfig>
}

/** Search machines with neighbours that do not change, in virtual time. Every pair is 10 ms apart unless told. */
export class StaticNetwork {
  readonly simulation: Simulation
  readonly channel: Channel<SearchCommand, SearchMessage, SearchEvent>
  readonly #outcomes = new Map<string, Outcome>()
  #searches = 0

  constructor({ peers, edges, holders, simulation, config }: NetworkInit) {
    this.simulation = new Simulation({ seed: seedOfTest, latency: [10, 10], ...simulation })
    this.channel = this.simulation.protocol<SearchCommand, SearchMessage, SearchEvent>({
      name: 'search',
      codec: searchCodec(indexPeers),
      machine: (self, rng) =>
        new Search({ self, rng, config, lookup: () => (holders.has(self as number) ? [fileOf(self as number)] : []) }),
      onEvent: (peer, event) => this.#onEvent(peer, event)
    })
    this.simulation.addPeers(peers)
    for (const [a, b] of edges) this.simulation.connect(a as Peer, b as Peer)
    this.simulation.run(1_000)
    for (const [a, b] of edges) {
      this.channel.command(a as Peer, { type: 'neighbourUp', peer: b as Peer })
      this.channel.command(b as Peer, { type: 'neighbourUp', peer: a as Peer })
    }
  }

  get now(): number {
    return this.simulation.now
  }

  /** Starts a search; its outcome fills while the simulation runs. */
  start(from: number, options: { ttl?: number; timeoutMs?: number } = {}): Outcome {
    const search = this.#searches++
    const outcome: Outcome = { found: [], done: undefined, firstHitAt: undefined, doneAt: undefined }
    this.#outcomes.set(`${from} ${search}`, outcome)
    this.channel.command(from as Peer, { type: 'search', search, query: { kind: 'words', text: 'file' }, ...options })
    return outcome
  }

  /** Runs a search to its end, at most a minute. */
  search(from: number, options: { ttl?: number; timeoutMs?: number } = {}): Outcome {
    const outcome = this.start(from, options)
    this.simulation.runUntil(() => outcome.done !== undefined, 60_000)
    return outcome
  }

  #onEvent(peer: Peer, event: SearchEvent): void {
    const outcome = this.#outcomes.get(`${peer} ${event.search}`)
    if (outcome === undefined) return
    if (event.type === 'searchDone') {
      outcome.done = event
      outcome.doneAt = this.now
      return
    }
    if (outcome.done !== undefined) throw new Error('hits after the end of a search')
    outcome.firstHitAt ??= this.now
    for (const hit of event.hits) {
      if (hit.id !== fileOf(event.holder as number).id) throw new Error(`${event.holder} has another file`)
      outcome.found.push([event.holder as number, event.hops])
    }
  }
}
