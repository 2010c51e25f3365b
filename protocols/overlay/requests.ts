import type { Peer } from '../core/peer.ts'
import { overlayLimits } from './config.ts'

export interface Request {
  /** When it is given up. */
  untilMs: number
  /** Who goes when the view is full by the time of the answer: nobody, whoever may be pushed out, or just anybody. */
  evicts: 'nobody' | 'pushed' | 'anybody'
  /**
   * What it is asked for. A place is kept free after a handover: else whoever asks all the time would get what that leaves
   * for a moment. With a link to split come two neighbours.
   */
  seeks: 'place' | 'keptPlace' | 'split'
}

/** Whom we have asked to be a neighbour, or to let us join, and have no answer of yet. */
export class Requests {
  /** The oldest first. BOUNDED by maxRequests. */
  readonly #underWay = new Map<Peer, Request>()
  readonly #timeoutMs: number

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
  }

  get size(): number {
    return this.#underWay.size
  }

  get isFull(): boolean {
    return this.#underWay.size >= overlayLimits.maxRequests
  }

  /** When the first of them is given up: all wait equally long, so it is the oldest. */
  get dueMs(): number | undefined {
    return this.#underWay.values().next().value?.untilMs
  }

  /** Places that are kept for those that are asked, apart from this one. */
  placesKeptFromOthers(except: Peer): number {
    let kept = 0
    for (const [peer, { seeks }] of this.#underWay) if (seeks === 'keptPlace' && peer !== except) kept++
    return kept
  }

  /** Neighbours that will come of it if all are accepted. */
  get neighbours(): number {
    let neighbours = 0
    for (const { seeks } of this.#underWay.values()) neighbours += seeks === 'split' ? 2 : 1
    return neighbours
  }

  has(peer: Peer): boolean {
    return this.#underWay.has(peer)
  }

  /** In place of the oldest when there are too many: an answer to that one is declined. */
  note(peer: Peer, now: number, request: Omit<Request, 'untilMs'>): void {
    this.#underWay.delete(peer)
    const [oldest] = this.#underWay.keys()
    if (oldest !== undefined && this.isFull) this.#underWay.delete(oldest)
    this.#underWay.set(peer, { untilMs: now + this.#timeoutMs, ...request })
  }

  /** The request that this peer answers; it is over. */
  take(peer: Peer): Request | undefined {
    const request = this.#underWay.get(peer)
    this.#underWay.delete(peer)
    return request
  }

  /** The same, if it was asked to split a link. */
  takeSplit(peer: Peer): Request | undefined {
    return this.#underWay.get(peer)?.seeks === 'split' ? this.take(peer) : undefined
  }

  /** Those that waited for too long; they are over. */
  takeExpired(now: number): Peer[] {
    const expired: Peer[] = []
    for (const [peer, { untilMs }] of this.#underWay) if (untilMs <= now) expired.push(peer)
    for (const peer of expired) this.#underWay.delete(peer)
    return expired
  }

  clear(): void {
    this.#underWay.clear()
  }
}
