import { BoundedMap } from '../core/bounded-map.ts'
import type { Input, Machine, Output } from '../core/machine.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import { type SearchConfig, searchConfig, searchLimits } from './config.ts'
import { Echo } from './echo.ts'
import { inMessages, sendable } from './hits.ts'
import {
  checkQuery,
  type Hit,
  type HitsMessage,
  hitBytes,
  QUERY_ID_BYTES,
  type Query,
  type QueryMessage,
  type ReportMessage,
  type SearchMessage
} from './messages.ts'
import { type Path, Paths } from './paths.ts'
import { Share } from './share.ts'

export type { Hit, Query } from './messages.ts'

export type SearchCommand =
  /**
   * `search` is a number of the caller's that is not running. `limit`: hits that each holder may send, 1..100. `ttl`: 0
   * asks this node alone. `timeoutMs`: when to stop waiting; by default a second for each hop.
   */
  | {
      readonly type: 'search'
      readonly search: number
      readonly query: Query
      readonly ttl?: number
      readonly limit?: number
      readonly timeoutMs?: number
    }
  /** Ends a search of ours now. What is under way in the network runs out by itself. */
  | { readonly type: 'stop'; readonly search: number }
  /** The random overlay's lists: queries go to neighbours and are taken from them. */
  | { readonly type: 'neighbourUp' | 'neighbourDown'; readonly peer: Peer }

export type SearchEvent =
  | {
      readonly type: 'hits'
      readonly search: number
      readonly holder: Peer
      readonly hops: number
      readonly hits: readonly Hit[]
    }
  /** Last of a search. complete: everybody that was reached has reported. */
  | {
      readonly type: 'searchDone'
      readonly search: number
      readonly peersAsked: number
      readonly messages: number
      readonly complete: boolean
    }

type Out = Output<SearchMessage, SearchEvent>

/** A search of this node's own. */
interface Own {
  readonly search: number
  readonly message: QueryMessage
  readonly echo: Echo
  readonly deadline: number
  /** Hits that each holder has sent. BOUNDED by maxHolders. */
  readonly holders: Map<Peer, number>
  bytesLeft: number
}

/** Bytes that a hits message takes beside its hits, more or less. */
const HITS_OVERHEAD_BYTES = 128

/**
 * Search by flooding over the random overlay, with hits on the way back and an echo that tells when everybody has
 * answered. See README.md for the rules.
 */
export class Search implements Machine<SearchCommand, SearchMessage, SearchEvent> {
  readonly #self: Peer
  readonly #rng: Rng
  readonly #lookup: (query: Query, limit: number) => readonly Hit[]
  readonly #config: SearchConfig
  readonly #neighbours = new Set<Peer>() // BOUNDED by the overlay's active view
  readonly #running = new Map<number, Own>() // BOUNDED by maxSearches
  /** Searches of ours by query id, running and past: so their late hits are known, and they do not come back to us. */
  readonly #own = new BoundedMap<string, Own>(searchLimits.maxRemembered)
  readonly #paths: Paths
  readonly #shares = new BoundedMap<Peer, Share>(searchLimits.maxShares)
  #out: Out[] = []
  #now = 0

  constructor(init: {
    self: Peer
    rng: Rng
    /** What this node shares. Called for strangers: it must be cheap, and bounded for any query. */
    lookup(query: Query, limit: number): readonly Hit[]
    config?: Partial<SearchConfig>
  }) {
    this.#self = init.self
    this.#rng = init.rng
    this.#lookup = (query, limit) => init.lookup(query, limit)
    this.#config = { ...searchConfig, ...init.config }
    this.#paths = new Paths(this.#config)
  }

  /** @throws RangeError on a `search` that cannot be: a number in use, or a query that `checkQuery` refuses */
  handle(input: Input<SearchCommand, SearchMessage>, now: number): Out[] {
    this.#now = now
    this.#out = []
    switch (input.type) {
      case 'received':
        this.#onMessage(input.from, input.message)
        break
      case 'search':
        this.#onSearch(input)
        break
      case 'stop':
        this.#stop(this.#running.get(input.search))
        break
      case 'neighbourUp':
        this.#onNeighbourUp(input.peer)
        break
      case 'neighbourDown':
        // it may still owe us reports, and will send them as long as it is connected
        this.#neighbours.delete(input.peer)
        break
      case 'peerUp':
        break
      case 'peerDown':
        this.#onPeerDown(input.peer)
        break
      case 'tick':
        this.#onTick()
        break
    }
    return this.#out
  }

  nextTick(): number | undefined {
    let next = this.#paths.nextDeadline()
    for (const { deadline } of this.#running.values()) next = Math.min(next, deadline)
    return next === Number.POSITIVE_INFINITY ? undefined : next
  }

  #onSearch(command: Extract<SearchCommand, { type: 'search' }>): void {
    const { search, query } = command
    const { maxTtl, hopMs, maxTimeoutMs, maxSearches, maxSearchBytes } = this.#config
    checkQuery(query)
    if (this.#running.has(search)) throw new RangeError(`search ${search} is running`)
    const limit = clamp(command.limit ?? searchLimits.maxHits, 1, searchLimits.maxHits)
    const ttl = clamp(command.ttl ?? this.#config.ttl, 0, maxTtl)
    const hits = sendable(this.#lookup(query, limit), limit)
    if (hits.length > 0) this.#event({ type: 'hits', search, holder: this.#self, hops: 0, hits })
    if (this.#running.size >= maxSearches) {
      this.#event({ type: 'searchDone', search, peersAsked: 0, messages: 0, complete: false })
      return
    }
    const own: Own = {
      search,
      message: { type: 'query', id: this.#newId(), ttl, hops: 0, limit, query },
      echo: new Echo(0),
      deadline: this.#now + clamp(command.timeoutMs ?? hopMs * Math.max(1, ttl), 0, maxTimeoutMs),
      holders: new Map(),
      bytesLeft: maxSearchBytes
    }
    this.#running.set(search, own)
    const evicted = this.#own.set(own.message.id, own)
    if (evicted !== undefined) this.#stop(evicted[1])
    if (ttl > 0) for (const peer of this.#neighbours) this.#ask(own.echo, peer, own.message)
    this.#finishIfOver(own)
  }

  #onNeighbourUp(peer: Peer): void {
    if (peer === this.#self) return
    this.#neighbours.add(peer)
    for (const { echo, message } of this.#running.values()) {
      if (message.ttl > 0 && !echo.hasAsked(peer)) this.#ask(echo, peer, message)
    }
  }

  #onPeerDown(peer: Peer): void {
    this.#neighbours.delete(peer)
    for (const path of this.#paths.lose(peer)) this.#settle(path)
    for (const own of [...this.#running.values()]) {
      own.echo.lose(peer)
      this.#finishIfOver(own)
    }
  }

  #onTick(): void {
    for (const path of this.#paths.due(this.#now)) this.#settle(path)
    for (const own of [...this.#running.values()]) if (own.deadline <= this.#now) this.#stop(own)
  }

  #onMessage(from: Peer, message: SearchMessage): void {
    if (from === this.#self) return
    switch (message.type) {
      case 'query':
        this.#onQuery(from, message)
        return
      case 'hits':
        this.#onHits(from, message)
        return
      case 'report':
        this.#onReport(from, message)
        return
    }
  }

  #onQuery(from: Peer, message: QueryMessage): void {
    const { id, query } = message
    const share = this.#shareOf(from)
    if (!share.arrivals.take(this.#now)) {
      this.#out.push({ type: 'penalise', peer: from, reason: 'far too many queries' })
      return
    }
    if (this.#own.has(id) || this.#paths.get(id, this.#now) !== undefined) {
      this.#send(from, { type: 'report', id, peers: 0, messages: 0, complete: true })
      return
    }
    const ttl = Math.min(message.ttl, this.#config.maxTtl - message.hops) - 1
    // one that is refused is not remembered: it may come again by another way that has room for it
    if (ttl < 0 || !this.#neighbours.has(from) || !share.takeQuery(this.#now, message.hops)) {
      this.#send(from, { type: 'report', id, peers: 0, messages: 0, complete: false })
      return
    }
    const limit = Math.min(message.limit, searchLimits.maxHits)
    const hits = sendable(this.#lookup(query, limit), limit)
    const { path, evicted } = this.#paths.add(id, from, ttl, this.#now)
    if (evicted !== undefined) this.#report(evicted)
    if (ttl > 0) {
      const onward: QueryMessage = { type: 'query', id, ttl, hops: message.hops + 1, limit, query }
      for (const peer of this.#neighbours) if (peer !== from) this.#ask(path.echo, peer, onward)
    }
    for (const part of inMessages(hits)) {
      this.#send(from, { type: 'hits', id, holder: this.#self, hops: 1, hits: part })
    }
    if (path.echo.isOver) this.#settle(path)
  }

  #onHits(from: Peer, message: HitsMessage): void {
    const own = this.#own.get(message.id)
    const path = own === undefined ? this.#paths.get(message.id, this.#now) : undefined
    const share = this.#shareOf(from)
    if (!(own ?? path)?.echo.hasAsked(from)) {
      this.#onStray(from, share)
      return
    }
    const { holder, hops, hits } = message
    let bytes = HITS_OVERHEAD_BYTES
    for (const hit of hits) bytes += hitBytes(hit)
    if (!share.hitBytes.take(this.#now, bytes)) return
    if (holder === this.#self || hops < 1 || hops > this.#config.maxTtl) return
    if (own !== undefined) {
      this.#takeHits(own, message, bytes)
    } else if (path !== undefined && path.parent !== undefined && bytes <= path.bytesLeft) {
      path.bytesLeft -= bytes
      this.#send(path.parent, { ...message, hops: hops + 1 })
    }
  }

  #takeHits(own: Own, { holder, hops, hits }: HitsMessage, bytes: number): void {
    if (this.#running.get(own.search) !== own || bytes > own.bytesLeft) return
    const had = own.holders.get(holder)
    if (had === undefined && own.holders.size >= this.#config.maxHolders) return
    const taken = hits.slice(0, own.message.limit - (had ?? 0))
    if (taken.length === 0) return
    own.bytesLeft -= bytes
    own.holders.set(holder, (had ?? 0) + taken.length)
    this.#event({ type: 'hits', search: own.search, holder, hops, hits: taken })
  }

  #onReport(from: Peer, message: ReportMessage): void {
    const own = this.#own.get(message.id)
    const path = own === undefined ? this.#paths.get(message.id, this.#now) : undefined
    if (!(own ?? path)?.echo.report(from, message)) this.#onStray(from, this.#shareOf(from))
    else if (own !== undefined) this.#finishIfOver(own)
    else if (path?.echo.isOver) this.#settle(path)
  }

  /** An answer to nothing. An honest peer's may be late, so only many of them are an offence. */
  #onStray(from: Peer, share: Share): void {
    if (share.strays.take(this.#now)) return
    this.#out.push({ type: 'penalise', peer: from, reason: 'far too many answers to queries that it was not sent' })
  }

  #ask(echo: Echo, peer: Peer, message: QueryMessage): void {
    echo.ask(peer)
    this.#send(peer, message)
  }

  /** Reports on a query of somebody else, unless that was done. */
  #settle(path: Path): void {
    if (this.#paths.settle(path)) this.#report(path)
  }

  #report(path: Path): void {
    path.echo.giveUp()
    if (path.parent !== undefined) this.#send(path.parent, { type: 'report', id: path.id, ...path.echo.sum })
  }

  #stop(own: Own | undefined): void {
    if (own === undefined) return
    own.echo.giveUp()
    this.#finishIfOver(own)
  }

  #finishIfOver(own: Own): void {
    if (!own.echo.isOver || this.#running.get(own.search) !== own) return
    this.#running.delete(own.search)
    own.echo.giveUp()
    own.holders.clear()
    const { peers, messages, complete } = own.echo.sum
    this.#event({ type: 'searchDone', search: own.search, peersAsked: peers, messages, complete })
  }

  #shareOf(peer: Peer): Share {
    let share = this.#shares.get(peer)
    if (share === undefined) {
      share = new Share(this.#config)
      this.#shares.set(peer, share)
    }
    return share
  }

  #newId(): string {
    let id = ''
    for (let i = 0; i < QUERY_ID_BYTES / 4; i++) id += this.#rng.uint32().toString(16).padStart(8, '0')
    return id
  }

  #send(to: Peer, message: SearchMessage): void {
    this.#out.push({ type: 'send', to, message })
  }

  #event(event: SearchEvent): void {
    this.#out.push({ type: 'event', event })
  }
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(Math.floor(value), least), most)
}
