import { BoundedMap } from '../core/bounded-map.ts'
import type { RingId } from '../core/keyspace.ts'
import type { Peer } from '../core/peer.ts'
import type { Answers } from './answers.ts'
import { type ChordConfig, chordLimits } from './config.ts'
import { Lookup } from './lookup.ts'
import type { Found, Hop } from './messages.ts'
import type { LookupCost, Outbox } from './outbox.ts'
import type { Queries, Query } from './queries.ts'
import type { Router } from './router.ts'
import type { Routes } from './routes.ts'

export interface LookupOrder {
  readonly key: RingId
  /** Hops pass the question on over links that are open (`recursive`), or this node asks one after another. */
  readonly mode: 'recursive' | 'iterative'
  /** A copy of the record will do. */
  readonly orCopy?: boolean
  /** Begin at this node, as if we knew no other; of another ring maybe. */
  readonly contact?: Peer
  /** This node is not on the ring. */
  readonly isOutside?: boolean
  /** What is known already, instead of what this node knows. */
  readonly start?: Hop
  /** One of several routes, see `Lookup`. */
  readonly shared?: Set<Peer>
  /** @param past nodes at the key or past it that were named, the nearest first */
  readonly onDone: (found: Found | undefined, cost: LookupCost, past: readonly Peer[]) => void
}

interface Running {
  readonly order: LookupOrder
  readonly lookup: Lookup
  readonly startedMs: number
  /** Questions that may be open at once: one, and one more each time that the answers are late. */
  width: number
  open: number
  hedgeMs: number
  /** When the last answer came, or there was last nothing left but to wait. */
  progressMs: number
  stalls: number
}

/** The lookups of this node: asks for each, more nodes at once when answers are late, and tells how it ended. */
export class Lookups {
  readonly #self: Peer
  readonly #idOf: (peer: Peer) => RingId
  readonly #config: ChordConfig
  readonly #out: Outbox
  readonly #queries: Queries
  readonly #router: Router
  readonly #routes: Routes
  readonly #answers: Answers
  readonly #running = new BoundedMap<number, Running>(chordLimits.maxLookups)
  #lastId = 0
  /** Not later than the first of them is due. */
  #dueMs: number | undefined

  constructor(init: {
    self: Peer
    idOf: (peer: Peer) => RingId
    config: ChordConfig
    out: Outbox
    queries: Queries
    router: Router
    routes: Routes
    answers: Answers
  }) {
    this.#self = init.self
    this.#idOf = init.idOf
    this.#config = init.config
    this.#out = init.out
    this.#queries = init.queries
    this.#router = init.router
    this.#routes = init.routes
    this.#answers = init.answers
  }

  get dueMs(): number | undefined {
    return this.#dueMs
  }

  begin(order: LookupOrder): void {
    const { now } = this.#out
    const { key, contact, isOutside = false } = order
    const isFull = this.#running.size >= chordLimits.maxLookups
    if (isFull) {
      order.onDone(undefined, { asked: 0, lost: 0, lostPast: 0, stalls: 0, elapsedMs: 0 }, [])
      return
    }
    const start: Hop =
      contact === undefined
        ? (order.start ?? this.#router.hop(key, false, []))
        : { role: 'way', predecessor: undefined, before: [contact], after: [] }
    const running: Running = {
      order,
      lookup: new Lookup({
        self: this.#self,
        idOf: this.#idOf,
        key,
        start,
        isOutside,
        knowsWay: contact === undefined,
        shared: order.shared
      }),
      startedMs: now,
      width: this.#answers.width(this.#config.parallel),
      open: 0,
      hedgeMs: Number.POSITIVE_INFINITY,
      progressMs: now,
      stalls: 0
    }
    this.#lastId++
    if (start.role === 'owner') {
      const { predecessor, after: successors } = start
      const found = { owner: this.#self, isCopy: false, predecessor, successors, via: undefined, hops: 0 }
      this.#end(this.#lastId, running, found)
      return
    }
    this.#running.set(this.#lastId, running)
    this.#wake(now + this.#config.lookupMs)
    if (order.mode === 'iterative' || !this.#relay(this.#lastId, running, start)) this.#ask(this.#lastId, running)
  }

  onHop(query: Query & { purpose: { type: 'lookup' } }, hop: Hop): void {
    const id = query.purpose.lookup
    const running = this.#running.get(id)
    if (running === undefined) return
    running.open--
    running.progressMs = this.#out.now
    running.lookup.onHop(query.peer, hop)
    this.#ask(id, running)
  }

  onRelayed(query: Query & { purpose: { type: 'relay' } }, found: Found | undefined): void {
    const id = query.purpose.lookup
    const running = this.#running.get(id)
    if (running === undefined) return
    running.progressMs = this.#out.now
    if (found === undefined) this.#ask(id, running)
    else this.#end(id, running, { ...found, via: found.via === this.#self ? undefined : found.via })
  }

  /** A node that was asked does not answer. */
  onLost(query: Query): void {
    if (query.purpose.type !== 'lookup' && query.purpose.type !== 'relay') return
    const id = query.purpose.lookup
    const running = this.#running.get(id)
    if (running === undefined) return
    if (query.sentMs >= running.progressMs) {
      running.stalls++
      running.progressMs = this.#out.now
    }
    running.width = Math.min(running.width + 1, this.#config.parallel)
    // a relay says nothing of the hop that it went to: any of those behind it may be lost
    if (query.purpose.type === 'lookup') {
      running.open--
      running.lookup.onLost(query.peer)
    }
    this.#ask(id, running)
  }

  tick(): void {
    const { now } = this.#out
    if (this.#dueMs === undefined || this.#dueMs > now) return
    this.#dueMs = undefined
    for (const [id, running] of this.#running) {
      const endMs = running.startedMs + this.#config.lookupMs
      if (endMs <= now) {
        this.#end(id, running, undefined)
        continue
      }
      if (running.hedgeMs <= now) {
        running.width = Math.min(running.width + 1, this.#config.parallel)
        this.#ask(id, running)
      }
      if (this.#running.has(id)) this.#wake(Math.min(endMs, running.hedgeMs))
    }
  }

  /** To the next hop, which passes it on. Returns false when there is none. */
  #relay(id: number, running: Running, start: Hop): boolean {
    const { key, orCopy = false } = running.order
    const cached = this.#routes.ownerOf(key, this.#out.now)
    const next = cached ?? start.before[0] ?? start.after[0]
    if (next === undefined || next === this.#self) return false
    const asOwner = cached !== undefined || start.before.length === 0
    return this.#queries.ask(
      next,
      queryId => ({ type: 'relay', id: queryId, key, asOwner: asOwner && cached === undefined, orCopy, hops: 0 }),
      { type: 'relay', lookup: id },
      1,
      this.#out.now
    )
  }

  /** Keeps as many questions open as the lookup may have; ends it when there is nobody left to ask. */
  #ask(id: number, running: Running): void {
    const { lookup, order } = running
    const { now } = this.#out
    while (running.open < running.width && lookup.found === undefined) {
      const question = lookup.next()
      if (question === undefined) break
      const { peer, asOwner } = question
      if (peer === this.#self) {
        lookup.onHop(peer, this.#router.hop(order.key, asOwner, lookup.lost))
        continue
      }
      const { orCopy = false } = order
      const lost = [...lookup.lost]
      const isAsked = this.#queries.ask(
        peer,
        queryId => ({ type: 'route', id: queryId, key: order.key, asOwner, orCopy, lost }),
        { type: 'lookup', lookup: id, asOwner },
        // one silent hop is no loss; but who is taken for dead decides who is the owner
        asOwner ? this.#config.attempts : 1,
        now
      )
      if (isAsked) running.open++
    }
    if (lookup.found !== undefined || running.open === 0) {
      this.#end(id, running, lookup.found)
      return
    }
    running.hedgeMs = running.width < this.#config.parallel ? now + this.#answers.lateMs : Number.POSITIVE_INFINITY
    this.#wake(running.hedgeMs)
  }

  #end(id: number, running: Running, found: Found | undefined): void {
    const { lookup, order, open, startedMs, stalls } = running
    this.#running.delete(id)
    if (open > 0) {
      this.#queries.drop(({ purpose }) => purpose.type === 'lookup' && purpose.lookup === id)
    }
    if (found !== undefined && !found.isCopy && found.owner !== this.#self && order.contact === undefined) {
      this.#routes.learn(found.owner, found.predecessor, this.#out.now)
    }
    const cost = {
      asked: lookup.asked,
      lost: lookup.lost.length,
      lostPast: lookup.lostPast,
      stalls,
      elapsedMs: this.#out.now - startedMs
    }
    order.onDone(found, cost, lookup.past)
  }

  #wake(ms: number): void {
    if (Number.isFinite(ms) && (this.#dueMs === undefined || ms < this.#dueMs)) this.#dueMs = ms
  }
}
