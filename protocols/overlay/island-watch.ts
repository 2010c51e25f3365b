import type { Peer } from '../core/peer.ts'

/**
 * How an island is told from an overlay: one shuffle visits `activeWalk` peers, so that in the time of `shuffles` of
 * ours each of ten peers sees those of every other one (missed with e^-8), and `fewStrangers` are seen in a larger one.
 */
const ISLAND = { shuffles: 12, fewStrangers: 5 }

/**
 * Whether this node sits on an island: a few peers that have no other neighbours than one another stay so when all their
 * places are taken, or when all others' are. A crowd of newcomers can end like that. Such a peer sees few shuffles of
 * others.
 */
export class IslandWatch {
  /** Whose shuffles came by of late that are no neighbours. BOUNDED by fewStrangers. */
  #strangers = new Set<Peer>()
  #shufflesUntilLook = ISLAND.shuffles

  sawShuffleOf(stranger: Peer): void {
    if (this.#strangers.size < ISLAND.fewStrangers) this.#strangers.add(stranger)
  }

  /** To be asked at each shuffle of our own. */
  isTimeToLook(): boolean {
    return --this.#shufflesUntilLook <= 0
  }

  /** On an island, the others there that are no neighbours. Begins anew. */
  look(): ReadonlySet<Peer> | undefined {
    const seen = this.#strangers
    this.#strangers = new Set()
    this.#shufflesUntilLook = ISLAND.shuffles
    return seen.size < ISLAND.fewStrangers ? seen : undefined
  }
}
