import type { FileId } from '../../protocols/core/ids.ts'
import { indexPeers, type Peer } from '../../protocols/core/peer.ts'
import type { NeighbourEvent } from '../../protocols/overlay/index.ts'
import {
  type Hit,
  type Query,
  Search,
  type SearchCommand,
  type SearchConfig,
  type SearchEvent,
  type SearchMessage,
  searchCodec
} from '../../protocols/search/index.ts'
import type { Channel, Simulation } from '../simulator/index.ts'
import { edgesOf, type Graph } from './graph.ts'

/** How a search is asked for: by default a flood that may cost what it will. */
export type SearchOptions = Partial<
  Pick<
    Extract<SearchCommand, { type: 'search' }>,
    'strategy' | 'budget' | 'want' | 'walkers' | 'ttl' | 'timeoutMs' | 'limit'
  >
>

/** An experiment asks for what it measures: no budget and no summaries unless it says so. */
const UNBOUNDED = 1_000_000_000
const labConfig: Partial<SearchConfig> = { maxBudget: UNBOUNDED, summaryHops: 0 }

/** What a search came to. */
export interface SearchResult {
  /** Different peers that sent a hit. */
  holders: number
  /** From the searcher to the holder whose hit came first; undefined without a hit. */
  hops: number | undefined
  /** Until the first hit, ms. */
  firstMs: number | undefined
  /** Other peers that the query reached, and the queries that were sent, as the echo told. */
  peersAsked: number
  messages: number
  complete: boolean
}

interface Running {
  searcher: Peer
  /** The searcher's, when the search began. */
  machine: object
  startedMs: number
  holders: Set<number>
  result: SearchResult
  done(result: SearchResult): void
}

/**
 * The search machines on all peers of a simulation, with objects that some of the peers hold. All that the lab knows of
 * the commands and events of searches is here.
 */
export class SearchNetwork {
  readonly channel: Channel<SearchCommand, SearchMessage, SearchEvent>
  readonly #simulation: Simulation
  /** Who has each object, and what each peer has: what the summaries are made from. */
  readonly #holders = new Map<string, Set<number>>()
  readonly #objects = new Map<number, Set<string>>()
  readonly #running = new Map<number, Running>()
  #searches = 0

  constructor(simulation: Simulation, config: Partial<SearchConfig> = {}) {
    this.#simulation = simulation
    this.channel = simulation.protocol<SearchCommand, SearchMessage, SearchEvent>({
      name: 'search',
      codec: searchCodec(indexPeers),
      machine: (self, rng) =>
        new Search({
          self,
          rng,
          config: { ...labConfig, ...config },
          lookup: query => [{ holder: self, hits: this.#lookup(self as number, query) }]
        }),
      onEvent: (_, event) => this.#onEvent(event)
    })
  }

  /** Adds a peer for each node and makes those that are linked neighbours. No other peers may have been added. */
  use(graph: Graph): Peer[] {
    const simulation = this.#simulation
    const peers = simulation.addPeers(graph.size)
    const edges = edgesOf(graph)
    for (const [a, b] of edges) simulation.connect(a as Peer, b as Peer)
    simulation.runUntil(() => edges.every(([a, b]) => simulation.isConnected(a as Peer, b as Peer)), 60_000)
    for (const [a, b] of edges) {
      this.onOverlay(a as Peer, { type: 'neighbourUp', peer: b as Peer })
      this.onOverlay(b as Peer, { type: 'neighbourUp', peer: a as Peer })
    }
    return peers
  }

  /** A peer's overlay has a neighbour more or less. */
  onOverlay(peer: Peer, event: NeighbourEvent): void {
    this.channel.command(peer, event)
  }

  /** These peers, and no others, have the object from now on. */
  place(object: string, holders: Iterable<Peer>): void {
    const before = this.#holders.get(object) ?? new Set()
    const after = new Set(holders as Iterable<number>)
    this.#holders.set(object, after)
    for (const peer of after.symmetricDifference(before)) {
      const objects = this.#objects.get(peer) ?? new Set()
      this.#objects.set(peer, objects)
      if (after.has(peer)) objects.add(object)
      else objects.delete(object)
      this.channel.command(peer as Peer, { type: 'share', keys: objects })
    }
  }

  /** A random peer that does not have the object. */
  strangerTo(object: string): Peer {
    const holders = this.#holders.get(object)
    for (;;) {
      const peer = this.#simulation.rng.below(this.#simulation.peerCount)
      if (holders?.has(peer) !== true) return peer as Peer
    }
  }

  /** Begins a search; `done` is called when it is over. */
  start(searcher: Peer, object: string, options: SearchOptions, done: (result: SearchResult) => void): void {
    const search = this.#searches++
    const result = {
      holders: 0,
      hops: undefined,
      firstMs: undefined,
      peersAsked: 0,
      messages: 0,
      complete: false
    }
    const machine = this.channel.machine(searcher)
    this.#running.set(search, {
      searcher,
      machine,
      startedMs: this.#simulation.now,
      holders: new Set(),
      result,
      done
    })
    this.channel.command(searcher, {
      type: 'search',
      search,
      query: { kind: 'words', text: object },
      strategy: 'flood',
      budget: UNBOUNDED,
      ...options
    })
  }

  /** Searches and lets time pass until it is over. */
  search(searcher: Peer, object: string, options: SearchOptions = {}): SearchResult {
    let result: SearchResult | undefined
    this.start(searcher, object, options, done => {
      result = done
    })
    this.#simulation.runUntil(() => result !== undefined, 600_000)
    if (result === undefined) throw new Error('a search has no end')
    return result
  }

  /** Lets time pass until all searches are over. A searcher that crashed takes its searches with it. */
  finish(): void {
    const over = this.#simulation.runUntil(() => {
      for (const [search, { searcher, machine }] of this.#running) {
        // one that has come back since is another machine
        const isThere = this.#simulation.isAlive(searcher) && this.channel.machine(searcher) === machine
        if (!isThere) this.#running.delete(search)
      }
      return this.#running.size === 0
    }, 700_000)
    if (!over) throw new Error('a search has no end')
  }

  #lookup(self: number, query: Query): Hit[] {
    if (query.kind !== 'words' || this.#holders.get(query.text)?.has(self) !== true) return []
    return [{ id: OBJECT_ID, name: query.text, size: 1 }]
  }

  #onEvent(event: SearchEvent): void {
    const running = this.#running.get(event.search)
    if (running === undefined) return
    const { result, holders } = running
    switch (event.type) {
      case 'hits':
        holders.add(event.holder as number)
        result.holders = holders.size
        result.hops ??= event.hops
        result.firstMs ??= this.#simulation.now - running.startedMs
        break
      case 'searchDone':
        this.#running.delete(event.search)
        result.peersAsked = event.peersAsked
        result.messages = event.messages
        result.complete = event.complete
        running.done(result)
        break
    }
  }
}

/** Objects are told apart by their names. */
const OBJECT_ID = '0'.repeat(64) as FileId
