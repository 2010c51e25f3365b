import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'

/** The two lists of a node: neighbours, and peers to turn to when one is lost. A peer is in at most one of them. */
export class Views {
  readonly #active = new Set<Peer>() // BOUNDED by the overlay's activeSize, one more for an urgent request
  readonly #passive = new Set<Peer>() // BOUNDED by passiveSize
  readonly #self: Peer
  readonly #passiveSize: number
  readonly #rng: Rng

  constructor(init: { self: Peer; passiveSize: number; rng: Rng }) {
    this.#self = init.self
    this.#passiveSize = init.passiveSize
    this.#rng = init.rng
  }

  get active(): ReadonlySet<Peer> {
    return this.#active
  }

  get passive(): ReadonlySet<Peer> {
    return this.#passive
  }

  addActive(peer: Peer): void {
    this.#passive.delete(peer)
    this.#active.add(peer)
  }

  removeActive(peer: Peer): boolean {
    return this.#active.delete(peer)
  }

  /**
   * Remembers a peer. When there is no room, one of `expendable` goes (what was just sent away in a shuffle), or a
   * random one.
   */
  addPassive(peer: Peer, expendable: Peer[] = []): void {
    if (peer === this.#self || this.#active.has(peer) || this.#passive.has(peer)) return
    while (this.#passive.size >= this.#passiveSize) {
      const next = expendable.pop()
      if (next !== undefined) this.#passive.delete(next)
      else this.#passive.delete(this.#rng.pick([...this.#passive]))
    }
    this.#passive.add(peer)
  }

  removePassive(peer: Peer): void {
    this.#passive.delete(peer)
  }

  sampleActive(count: number, except?: Peer): Peer[] {
    return this.#rng.sample(without(this.#active, except), count)
  }

  samplePassive(count: number): Peer[] {
    return this.#rng.sample(this.#passive, count)
  }
}

function without(peers: ReadonlySet<Peer>, except: Peer | undefined): Peer[] {
  const rest: Peer[] = []
  for (const peer of peers) if (peer !== except) rest.push(peer)
  return rest
}
