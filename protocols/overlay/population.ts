import type { Peer } from '../core/peer.ts'

/** How many peers there seem to be, this one included. */
export interface Population {
  /** So many different ones were met. */
  readonly atLeast: number
  /** Undefined while too few were met twice. */
  readonly about?: number
}

/** The error is about 1/√collisions: a third, and falling. */
const ENOUGH_COLLISIONS = 9

/**
 * How many peers the network has, from how often the same is met again among random ones: of n drawn from M, about
 * n²/2M pairs are equal (the birthday problem; capture and recapture). It costs no message, and a liar changes it by no
 * more than how often he is met. Peers that went away count until they are forgotten.
 */
export class PopulationEstimate {
  readonly #memory: number
  readonly #met: Peer[] = [] // BOUNDED by #memory
  readonly #times = new Map<Peer, number>() // BOUNDED by #met
  #at = 0
  #collisions = 0

  constructor(memory: number) {
    this.#memory = memory
  }

  /** A peer drawn at random from all others. */
  meet(peer: Peer): void {
    const oldest = this.#met[this.#at]
    if (oldest !== undefined) this.#forget(oldest)
    this.#met[this.#at] = peer
    this.#at = (this.#at + 1) % this.#memory
    const times = this.#times.get(peer) ?? 0
    this.#collisions += times
    this.#times.set(peer, times + 1)
  }

  get population(): Population {
    const met = this.#met.length
    const atLeast = this.#times.size + 1
    if (this.#collisions < ENOUGH_COLLISIONS) return { atLeast }
    const about = Math.round((met * (met - 1)) / (2 * this.#collisions)) + 1
    return { atLeast, about: Math.max(about, atLeast) }
  }

  #forget(peer: Peer): void {
    const times = (this.#times.get(peer) as number) - 1
    this.#collisions -= times
    if (times === 0) this.#times.delete(peer)
    else this.#times.set(peer, times)
  }
}
