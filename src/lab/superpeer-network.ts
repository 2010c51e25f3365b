import { hash } from 'node:crypto'
import { indexPeers, type Peer, type PeerCodec } from '../../protocols/core/peer.ts'
import type { Crypto } from '../../protocols/core/signing.ts'
import {
  Search,
  type SearchCommand,
  type SearchConfig,
  type SearchEvent,
  type SearchMessage,
  searchCodec,
  searchConfig
} from '../../protocols/search/index.ts'
import {
  type CatalogueItem,
  MemoryCatalogueStore,
  SuperPeer,
  type SuperPeerCommand,
  type SuperPeerConfig,
  type SuperPeerEvent,
  type SuperPeerMessage,
  superPeerCodec
} from '../../protocols/superpeer/index.ts'
import type { Channel, Simulation } from '../simulator/index.ts'
import { edgesOf } from './graph.ts'
import { randomRegular } from './topologies.ts'

/** Unix ms when a simulation begins: any time will do. */
const EPOCH_MS = 1_800_000_000_000
/** Numbers of clients' searches on super-peers; those of a peer's own are below. */
const FOR_CLIENTS = 2 ** 40
/** Super-peers that a client remembers from before. */
const REMEMBERED = 8
const ATTACH_MS = 600_000

export interface SuperSearch {
  /** Who was found to have something, and what. */
  readonly found: { holder: Peer; via: Peer; item: string; atMs: number; hops: number }[]
  readonly startedMs: number
  doneMs: number | undefined
}

export interface SuperPeerNetworkInit {
  config?: Partial<SuperPeerConfig>
  search?: Partial<SearchConfig>
  /** How peers are written, where bytes are counted. */
  peers?: PeerCodec
  /** Changes what hostile super-peers answer. */
  lookup?(self: Peer, honest: ReturnType<SuperPeer['lookup']>, query: string): ReturnType<SuperPeer['lookup']>
}

/**
 * Super-peers and their clients, with the search among the super-peers, wired as on a node. Who is a super-peer is given, and
 * so is the random graph of them: elections and the overlay are measured elsewhere.
 */
export class SuperPeerNetwork {
  readonly channel: Channel<SuperPeerCommand, SuperPeerMessage, SuperPeerEvent>
  readonly searches: Channel<SearchCommand, SearchMessage, SearchEvent>
  readonly running = new Map<number, SuperSearch>()
  supers: Peer[] = []
  clients: Peer[] = []
  readonly #simulation: Simulation
  #last = 0

  constructor(simulation: Simulation, init: SuperPeerNetworkInit = {}) {
    const { config, peers = indexPeers, lookup } = init
    this.#simulation = simulation
    this.searches = simulation.protocol<SearchCommand, SearchMessage, SearchEvent>({
      name: 'search',
      codec: searchCodec(peers),
      machine: (self, rng) =>
        new Search({
          self,
          rng,
          config: { ...searchConfig, ...init.search },
          population: () => this.supers.length,
          lookup: (query, limit) => {
            const honest = this.machine(self).lookup(query, limit)
            return lookup === undefined ? honest : lookup(self, honest, query.kind === 'words' ? query.text : query.id)
          }
        }),
      onEvent: (peer, event) => this.#onSearch(peer, event)
    })
    this.channel = simulation.protocol<SuperPeerCommand, SuperPeerMessage, SuperPeerEvent>({
      name: 'superpeer',
      codec: superPeerCodec(peers),
      machine: (self, rng) =>
        new SuperPeer({
          self,
          rng,
          store: new MemoryCatalogueStore(),
          crypto: cryptoOf(self),
          wallMs: now => EPOCH_MS + now,
          ...(config === undefined ? {} : { config })
        }),
      onEvent: (peer, event) => this.#onSuper(peer, event)
    })
  }

  machine(peer: Peer): SuperPeer {
    return this.channel.machine(peer) as SuperPeer
  }

  /** Peers with what they share; the first ones are super-peers, linked at random. Until all are attached and indexed. */
  start(
    init: { supers: number; neighbours: number; filesOf: readonly (readonly CatalogueItem[])[] },
    progress?: (share: number) => void
  ): void {
    const simulation = this.#simulation
    const { filesOf } = init
    const all = simulation.addPeers(filesOf.length)
    this.supers = all.slice(0, init.supers)
    this.clients = all.slice(init.supers)
    const edges = edgesOf(randomRegular(init.supers, Math.min(init.neighbours, init.supers - 1), simulation.rng))
    for (const [a, b] of edges) simulation.connect(a as Peer, b as Peer)
    simulation.runUntil(() => edges.every(([a, b]) => simulation.isConnected(a as Peer, b as Peer)), 60_000)
    for (const [a, b] of edges) {
      this.#link(a as Peer, b as Peer)
      this.#link(b as Peer, a as Peer)
    }
    for (const peer of this.supers) this.channel.command(peer, { type: 'role', role: 'super' })
    for (const peer of all) this.channel.command(peer, { type: 'catalogue', items: filesOf[peer as number] ?? [] })
    simulation.run(simulation.now + 5_000)
    for (const [i, peer] of this.clients.entries()) {
      this.channel.command(peer, { type: 'role', role: 'peer' })
      const known = simulation.rng.sample<Peer>(this.supers, Math.min(REMEMBERED, this.supers.length))
      this.channel.command(peer, { type: 'known', peers: known })
      if (i % 50 === 0) simulation.run(simulation.now + 100)
      if (i % 1_000 === 0) progress?.(i / this.clients.length)
    }
    const end = simulation.now + ATTACH_MS
    while (simulation.now < end && !this.clients.every(peer => this.machine(peer).isResting)) {
      simulation.run(simulation.now + 5_000)
    }
    // summaries are told at most once a minute, three hops deep
    simulation.run(simulation.now + 240_000)
  }

  /** Begins a search of a client or super-peer. */
  search(
    peer: Peer,
    text: string,
    options: { want?: number; limit?: number; timeoutMs?: number; budget?: number } = {}
  ): SuperSearch {
    const search = ++this.#last
    const running: SuperSearch = { found: [], startedMs: this.#simulation.now, doneMs: undefined }
    this.running.set(search, running)
    this.channel.command(peer, { type: 'search', search, query: { kind: 'words', text }, ...options })
    return running
  }

  /** Searches one after the other are over when they have told so, or time is up. */
  finish(searches: readonly SuperSearch[], withinMs: number): void {
    this.#simulation.runUntil(() => searches.every(({ doneMs }) => doneMs !== undefined), withinMs)
  }

  #link(peer: Peer, neighbour: Peer): void {
    this.searches.command(peer, { type: 'neighbourUp', peer: neighbour })
    this.channel.command(peer, { type: 'neighbourUp', peer: neighbour })
  }

  #onSuper(peer: Peer, event: SuperPeerEvent): void {
    switch (event.type) {
      case 'keys':
        this.searches.command(peer, { type: 'share', keys: this.machine(peer).keys() })
        return
      case 'search': {
        const { ask, query, want, limit, budget, timeoutMs } = event
        const search = FOR_CLIENTS + ask
        this.searches.command(peer, { type: 'search', search, query, want, limit, budget, timeoutMs })
        return
      }
      case 'stopSearch':
        this.searches.command(peer, { type: 'stop', search: FOR_CLIENTS + event.ask })
        return
      case 'hits': {
        const { holder, via, hops } = event
        const running = this.running.get(event.search)
        const atMs = this.#simulation.now
        for (const { name } of event.hits) running?.found.push({ holder, via, item: name, atMs, hops })
        return
      }
      case 'searchDone': {
        const running = this.running.get(event.search)
        if (running !== undefined) running.doneMs = this.#simulation.now
        return
      }
      case 'role':
      case 'attached':
      case 'resting':
        return
    }
  }

  #onSearch(peer: Peer, event: SearchEvent): void {
    const ask = event.search - FOR_CLIENTS
    if (event.type === 'hits') {
      const { holder, hops, hits } = event
      this.channel.command(peer, { type: 'found', ask, holder, hops, hits })
    } else {
      const { peersAsked, messages, complete, more } = event
      this.channel.command(peer, { type: 'searched', ask, account: { peersAsked, messages, complete, more } })
    }
  }
}

/** Signs with a hash of the name: nobody forges here. */
function cryptoOf(self: Peer): Crypto {
  const sha256 = (bytes: Uint8Array): Uint8Array => hash('sha256', bytes, 'buffer')
  const sign = (peer: Peer, bytes: Uint8Array): Uint8Array => {
    const signed = new Uint8Array(bytes.length + 4)
    signed.set(bytes)
    new DataView(signed.buffer).setUint32(bytes.length, peer as number)
    return sha256(signed)
  }
  return {
    sha256,
    sign: bytes => sign(self, bytes),
    verify: (peer, bytes, signature) => Buffer.compare(sign(peer, bytes), signature) === 0
  }
}
