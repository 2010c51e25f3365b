import type { Peer } from '../core/peer.ts'

/**
 * Peers that the passive view had no more room for, with who told of each: the last resort when most of a network dies
 * at once. The newest ones are kept, and of one teller no more than its share.
 */
export class Acquaintances {
  /** The oldest first. BOUNDED by #size. */
  readonly #tellers = new Map<Peer, Peer | undefined>()
  /** How many each teller told. BOUNDED by #tellers. */
  readonly #counts = new Map<Peer, number>()
  readonly #size: number
  readonly #maxFromOneSource: number

  constructor(size: number, maxFromOneSource: number) {
    this.#size = size
    this.#maxFromOneSource = maxFromOneSource
  }

  add(peer: Peer, teller: Peer | undefined): void {
    if (this.#size === 0) return
    this.delete(peer)
    if (teller !== undefined && (this.#counts.get(teller) ?? 0) >= this.#maxFromOneSource) {
      for (const [other, told] of this.#tellers) {
        if (told !== teller) continue
        this.delete(other)
        break
      }
    }
    const [oldest] = this.#tellers.keys()
    if (oldest !== undefined && this.#tellers.size >= this.#size) this.delete(oldest)
    this.#tellers.set(peer, teller)
    if (teller !== undefined) this.#counts.set(teller, (this.#counts.get(teller) ?? 0) + 1)
  }

  delete(peer: Peer): void {
    const teller = this.#tellers.get(peer)
    this.#tellers.delete(peer)
    if (teller === undefined) return
    const count = this.#counts.get(teller) as number
    if (count === 1) this.#counts.delete(teller)
    else this.#counts.set(teller, count - 1)
  }

  keys(): IterableIterator<Peer> {
    return this.#tellers.keys()
  }
}
