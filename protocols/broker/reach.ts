import { BoundedMap } from '../core/bounded-map.ts'
import type { Peer } from '../core/peer.ts'

/** Beyond so many, those that were lost first count as there again: they are found out about when something is sent. */
const MAX_DOWN = 4_096

/** Who could not be reached when it was tried last, and since when. */
export class Reach {
  readonly #down = new BoundedMap<Peer, number>(MAX_DOWN)

  isDown(peer: Peer): boolean {
    return this.#down.has(peer)
  }

  /** Ms of the machine's clock. */
  downSince(peer: Peer): number | undefined {
    return this.#down.get(peer)
  }

  onDown(peer: Peer, now: number): void {
    if (!this.#down.has(peer)) this.#down.set(peer, now)
  }

  onUp(peer: Peer): boolean {
    return this.#down.delete(peer)
  }
}
