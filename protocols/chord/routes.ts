import { BoundedMap } from '../core/bounded-map.ts'
import { isOwned, type RingId } from '../core/keyspace.ts'
import type { Peer } from '../core/peer.ts'
import type { ChordConfig } from './config.ts'

interface Route {
  readonly predecessor: Peer
  readonly untilMs: number
}

/** Who owned which arc when it was last found: the next lookup of a key in it begins there. */
export class Routes {
  readonly #idOf: (peer: Peer) => RingId
  readonly #routeMs: number
  readonly #byOwner: BoundedMap<Peer, Route> | undefined

  constructor(init: { idOf: (peer: Peer) => RingId; config: Pick<ChordConfig, 'routes' | 'routeMs'> }) {
    this.#idOf = init.idOf
    this.#routeMs = init.config.routeMs
    this.#byOwner = init.config.routes > 0 ? new BoundedMap(init.config.routes) : undefined
  }

  learn(owner: Peer, predecessor: Peer | undefined, now: number): void {
    if (predecessor === undefined) this.#byOwner?.delete(owner)
    else this.#byOwner?.set(owner, { predecessor, untilMs: now + this.#routeMs })
  }

  forget(owner: Peer): void {
    this.#byOwner?.delete(owner)
  }

  ownerOf(key: RingId, now: number): Peer | undefined {
    if (this.#byOwner === undefined) return undefined
    for (const [owner, { predecessor, untilMs }] of this.#byOwner) {
      if (now < untilMs && isOwned(this.#idOf(predecessor), key, this.#idOf(owner))) return owner
    }
    return undefined
  }
}
