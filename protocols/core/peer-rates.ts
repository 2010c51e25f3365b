import { BoundedMap } from './bounded-map.ts'
import type { Peer } from './peer.ts'
import { TokenBucket } from './token-bucket.ts'

/** One rate limit for each peer. */
export class PeerRates {
  readonly #limit: { rate: number; burst: number }
  readonly #buckets: BoundedMap<Peer, TokenBucket>

  /** @param maxPeers whose rates are remembered; beyond it the one that asked longest ago begins anew */
  constructor(limit: { rate: number; burst: number }, maxPeers: number) {
    this.#limit = limit
    this.#buckets = new BoundedMap(maxPeers)
  }

  /** Whether the peer may do it once more, or so often, at `now`. */
  take(peer: Peer, now: number, count = 1): boolean {
    let bucket = this.#buckets.get(peer)
    if (bucket === undefined) bucket = new TokenBucket(this.#limit)
    this.#buckets.set(peer, bucket)
    return bucket.take(now, count)
  }
}
