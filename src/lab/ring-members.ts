import { isBetween, type RingId } from '../../protocols/core/keyspace.ts'
import type { Peer } from '../../protocols/core/peer.ts'

/**
 * Who was on a ring when: a peer is from the moment that another one has it for its predecessor, and so leaves it its
 * keys, until it says goodbye or crashes. Before, its keys are still with its successor.
 */
export class RingMembers {
  readonly #idOf: (peer: Peer) => RingId
  /** In the order of their ids. */
  readonly #sorted: Peer[]
  readonly #enteredMs = new Map<Peer, number>()
  readonly #leftMs = new Map<Peer, number>()

  /** @param sorted those that stand on it from the start */
  constructor(idOf: (peer: Peer) => RingId, sorted: readonly Peer[]) {
    this.#idOf = idOf
    this.#sorted = [...sorted]
    for (const peer of sorted) this.#enteredMs.set(peer, 0)
  }

  get sorted(): readonly Peer[] {
    return this.#sorted
  }

  has(peer: Peer): boolean {
    return this.#enteredMs.has(peer) && !this.#leftMs.has(peer)
  }

  enter(peer: Peer, now: number): void {
    if (this.#enteredMs.has(peer) || this.#leftMs.has(peer)) return
    this.#enteredMs.set(peer, now)
    const at = this.#sorted.findIndex(other => this.#idOf(other) > this.#idOf(peer))
    this.#sorted.splice(at === -1 ? this.#sorted.length : at, 0, peer)
  }

  leave(peer: Peer, now: number): void {
    this.#leftMs.set(peer, now)
    const at = this.#sorted.indexOf(peer)
    if (at !== -1) this.#sorted.splice(at, 1)
  }

  /**
   * Whether a peer was the owner of a key at some moment from `sinceMs` until `untilMs`: it was a member, and of those
   * that are at the key or between it and the peer none was.
   */
  wasOwner(peer: Peer, key: RingId, sinceMs: number, untilMs: number): boolean {
    const nearer = [...this.#enteredMs.keys()].filter(other => other !== peer && this.#isNearer(other, peer, key))
    const changes = [peer, ...nearer].flatMap(one => [this.#enteredMs.get(one), this.#leftMs.get(one)])
    return [sinceMs, ...changes].some(
      ms =>
        ms !== undefined &&
        ms >= sinceMs &&
        ms <= untilMs &&
        this.#wasMember(peer, ms) &&
        !nearer.some(other => this.#wasMember(other, ms))
    )
  }

  #wasMember(peer: Peer, ms: number): boolean {
    const enteredMs = this.#enteredMs.get(peer) ?? Number.POSITIVE_INFINITY
    return enteredMs <= ms && ms < (this.#leftMs.get(peer) ?? Number.POSITIVE_INFINITY)
  }

  /** Whether `a` comes at the key or past it, and before `b`. */
  #isNearer(a: Peer, b: Peer, key: RingId): boolean {
    const [idA, idB] = [this.#idOf(a), this.#idOf(b)]
    return idB !== key && (idA === key || isBetween(key, idA, idB))
  }
}
