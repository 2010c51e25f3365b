import { BoundedMap } from '../core/bounded-map.ts'
import type { Peer } from '../core/peer.ts'
import type { ChordConfig } from './config.ts'
import { chordLimits } from './config.ts'
import type { ChordMessage } from './messages.ts'

/** What an answer is for. */
export type Purpose =
  /** The next step of stabilize or join. */
  | { readonly type: 'ring' }
  /** Whether the predecessor is there. */
  | { readonly type: 'ping' }
  | { readonly type: 'lookup'; readonly lookup: number; readonly asOwner: boolean }
  | { readonly type: 'relay'; readonly lookup: number }

export interface Query {
  readonly peer: Peer
  readonly message: ChordMessage
  readonly purpose: Purpose
  attemptsLeft: number
  /** There was no connection when it was sent: if none comes about, the peer cannot be reached. */
  isDial: boolean
  readonly sentMs: number
  dueMs: number
}

/** Questions that wait for an answer. One that is lost with its connection is asked again at once, a silent one later. */
export class Queries {
  readonly #requestMs: number
  readonly #send: (to: Peer, message: ChordMessage) => void
  readonly #isUp: (peer: Peer) => boolean
  /** In the order in which they are due. */
  readonly #open = new BoundedMap<number, Query>(chordLimits.maxQueries)
  #lastId: number

  constructor(init: {
    config: Pick<ChordConfig, 'requestMs'>
    firstId: number
    send: (to: Peer, message: ChordMessage) => void
    isUp: (peer: Peer) => boolean
  }) {
    this.#requestMs = init.config.requestMs
    this.#lastId = init.firstId
    this.#send = init.send
    this.#isUp = init.isUp
  }

  get dueMs(): number | undefined {
    if (this.#open.size === 0) return undefined
    for (const { dueMs } of this.#open.values()) return dueMs
    return undefined
  }

  /** Returns false when too many are open. */
  ask(peer: Peer, make: (id: number) => ChordMessage, purpose: Purpose, attempts: number, now: number): boolean {
    if (this.#open.size >= chordLimits.maxQueries) return false
    const id = this.newId()
    const message = make(id)
    const dueMs = now + this.#requestMs
    const isDial = !this.#isUp(peer)
    this.#open.set(id, { peer, message, purpose, attemptsLeft: attempts - 1, isDial, sentMs: now, dueMs })
    this.#send(peer, message)
    return true
  }

  newId(): number {
    this.#lastId = (this.#lastId + 1) >>> 0
    return this.#lastId
  }

  /** The question that this answers; undefined when there was none to that peer. */
  answered(from: Peer, id: number): Query | undefined {
    const query = this.#open.get(id)
    if (query?.peer !== from) return undefined
    this.#open.delete(id)
    return query
  }

  /** A connection is gone, or did not come about. Those that failed for good: what was asked over one is asked again. */
  onPeerDown(peer: Peer, now: number): Query[] {
    const failed: Query[] = []
    for (const [id, query] of [...this.#open].filter(([, query]) => query.peer === peer)) {
      this.#open.delete(id)
      if (query.isDial) failed.push(query)
      else this.#again(id, query, now)
    }
    return failed
  }

  /** Those that failed for good. */
  takeExpired(now: number): Query[] {
    const expired: [number, Query][] = []
    for (const entry of this.#open) {
      if (entry[1].dueMs > now) break
      expired.push(entry)
    }
    for (const [id, query] of expired) {
      this.#open.delete(id)
      if (query.attemptsLeft-- > 0) this.#again(id, query, now)
    }
    return expired.flatMap(([, query]) => (query.attemptsLeft < 0 ? [query] : []))
  }

  /** Nobody waits for these answers any more. */
  drop(isUnwanted: (query: Query) => boolean): void {
    for (const [id, query] of this.#open) if (isUnwanted(query)) this.#open.delete(id)
  }

  #again(id: number, query: Query, now: number): void {
    query.isDial = !this.#isUp(query.peer)
    query.dueMs = now + this.#requestMs
    this.#open.set(id, query)
    this.#send(query.peer, query.message)
  }
}
