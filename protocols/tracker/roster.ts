import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'

/** A place in a roster. Whoever is in none has `place` -1. */
export interface Listed {
  readonly peer: Peer
  place: number
}

/** Peers to draw samples from: adding, removing and drawing one cost the same however many there are. */
export class Roster {
  readonly #listed: Listed[] = [] // BOUNDED by the entries of an account

  get size(): number {
    return this.#listed.length
  }

  add(listed: Listed): void {
    listed.place = this.#listed.length
    this.#listed.push(listed)
  }

  remove(listed: Listed): void {
    const last = this.#listed.pop() as Listed
    if (last !== listed) {
      this.#listed[listed.place] = last
      last.place = listed.place
    }
    listed.place = -1
  }

  /** At most `count` different peers in random order, never `except`. */
  sample(rng: Rng, count: number, except: Peer): Peer[] {
    const peers: Peer[] = []
    // the first steps of a shuffle, of which only what was moved is written down
    const moved = new Map<number, number>()
    for (let i = 0; i < this.#listed.length && peers.length < count; i++) {
      const j = i + rng.below(this.#listed.length - i)
      const { peer } = this.#listed[moved.get(j) ?? j] as Listed
      moved.set(j, moved.get(i) ?? i)
      if (peer !== except) peers.push(peer)
    }
    return peers
  }
}
