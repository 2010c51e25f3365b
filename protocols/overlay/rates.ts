import { BoundedMap } from '../core/bounded-map.ts'
import type { Peer } from '../core/peer.ts'
import { TokenBucket } from '../core/token-bucket.ts'
import { overlayLimits } from './config.ts'

/** One rate limit for each peer. */
export class PeerRates {
  readonly #limit: { rate: number; burst: number }
  readonly #buckets = new BoundedMap<Peer, TokenBucket>(overlayLimits.maxRates)

  constructor(limit: { rate: number; burst: number }) {
    this.#limit = limit
  }

  /** Whether the peer may do it once more at `now`. */
  take(peer: Peer, now: number): boolean {
    let bucket = this.#buckets.get(peer)
    if (bucket === undefined) {
      bucket = new TokenBucket(this.#limit)
      this.#buckets.set(peer, bucket)
    }
    return bucket.take(now)
  }
}
