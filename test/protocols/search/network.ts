import type { FileId } from '../../../protocols/core/ids.ts'
import type { Machine } from '../../../protocols/core/machine.ts'
import { indexPeers, type Peer } from '../../../protocols/core/peer.ts'
import type { Rng } from '../../../protocols/core/rng.ts'
import type { SearchCommand, SearchEvent } from '../../../protocols/search/commands.ts'
import type { SearchConfig } from '../../../protocols/search/config.ts'
import { type Hit, type QueryMessage, type SearchMessage, searchCodec } from '../../../protocols/search/messages.ts'
import { Search } from '../../../protocols/search/search.ts'
import { type Channel, type Observation, Simulation, type SimulationOptions } from '../../../src/simulator/index.ts'
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
  /** The same with the neighbour that it came by. */
  via: [holder: number, via: number][]
  done: Extract<SearchEvent, { type: 'searchDone' }> | undefined
  firstHitAt: number | undefined
  doneAt: number | undefined
}

export type SearchOptions = Partial<Omit<Extract<SearchCommand, { type: 'search' }>, 'type' | 'search'>>

/** A budget that no flood of a test spends: even its even parts far from the searcher are large. */
export const plenty = { budget: 1e9, config: { maxBudget: 1e9 } }

/** What arrived anywhere, by kind. */
export interface Traffic {
  queries: number
  /** On their own, and with hits. */
  reports: number
  carried: number
  hits: number
}

export interface NetworkInit {
  peers: number
  edges: Edges
  /** Who has something to find. */
  holders: ReadonlySet<number>
  /** A peer that does not run the machine, and what it answers to each query. */
  liar?: { peer: number; answer(from: Peer, query: QueryMessage): SearchMessage[] }
  simulation?: Partial<SimulationOptions>
  config?: Partial<SearchConfig>
}

/**
 * Search machines with neighbours that do not change, in virtual time. Every pair is 10 ms apart, and there are no
 * summaries, unless told.
 */
export class StaticNetwork {
  readonly simulation: Simulation
  readonly channel: Channel<SearchCommand, SearchMessage, SearchEvent>
  readonly traffic: Traffic = { queries: 0, reports: 0, carried: 0, hits: 0 }
  /** Who looked for something among what it shares, in order. */
  readonly lookups: number[] = []
  readonly #outcomes = new Map<string, Outcome>()
  #searches = 0

  constructor({ peers, edges, holders, liar, simulation, config }: NetworkInit) {
    this.simulation = new Simulation({
      seed: seedOfTest,
      latency: [10, 10],
      ...simulation,
      observe: observation => {
        this.#count(observation)
        simulation?.observe?.(observation)
      }
    })
    this.channel = this.simulation.protocol<SearchCommand, SearchMessage, SearchEvent>({
      name: 'search',
      codec: searchCodec(indexPeers),
      machine: (self, rng) =>
        liar?.peer === (self as number) ? scripted(liar.answer) : this.#machine(self, rng, holders, config),
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

  /** Starts a search, a flood unless told; its outcome fills while the simulation runs. */
  start(from: number, options: SearchOptions = {}): Outcome {
    const search = this.#searches++
    const outcome: Outcome = { found: [], via: [], done: undefined, firstHitAt: undefined, doneAt: undefined }
    this.#outcomes.set(`${from} ${search}`, outcome)
    const query = { kind: 'words', text: 'file' } as const
    this.channel.command(from as Peer, { type: 'search', search, query, strategy: 'flood', ...options })
    return outcome
  }

  /** Runs a search to its end, at most a minute. */
  search(from: number, options: SearchOptions = {}): Outcome {
    const outcome = this.start(from, options)
    this.simulation.runUntil(() => outcome.done !== undefined, 60_000)
    return outcome
  }

  #machine(self: Peer, rng: Rng, holders: ReadonlySet<number>, config: Partial<SearchConfig> | undefined): Search {
    const peer = self as number
    return new Search({
      self,
      rng,
      config: { summaryHops: 0, ...config },
      lookup: () => {
        this.lookups.push(peer)
        return holders.has(peer) ? [{ holder: self, hits: [fileOf(peer)] }] : []
      }
    })
  }

  #count({ kind, what }: Observation): void {
    if (kind !== 'received') return
    const message = what as SearchMessage
    if (message.type === 'query') this.traffic.queries++
    if (message.type === 'report') this.traffic.reports++
    if (message.type === 'hits') this.traffic.hits++
    if (message.type === 'hits' && message.report !== undefined) this.traffic.carried++
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
      outcome.via.push([event.holder as number, event.via as number])
    }
  }
}

type SearchMachine = Machine<SearchCommand, SearchMessage, SearchEvent>

function scripted(answer: (from: Peer, query: QueryMessage) => SearchMessage[]): SearchMachine {
  return {
    handle(input) {
      if (input.type !== 'received' || input.message.type !== 'query') return []
      const to = input.from
      return answer(to, input.message).map(message => ({ type: 'send', to, message }))
    },
    nextTick: () => undefined
  }
}
