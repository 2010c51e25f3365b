import { TokenBucket } from '../core/token-bucket.ts'
import type { SearchConfig } from './config.ts'

/**
 * What one peer may make us do. Work for its queries is a token bucket of which the upper parts are for queries that
 * have come far: a query needs a token on top of one eighth of the bucket for each hop behind it. So when more arrives
 * than the rate allows, those near their searcher go first, our neighbour's own before all, and a flood hurts least
 * where it has come furthest from (Daswani and Garcia-Molina 2002: a share for each neighbour, then the high TTLs).
 */
export class Share {
  /** Bytes of hits. */
  readonly hitBytes: TokenBucket
  /** Queries of any kind, taken or not. */
  readonly arrivals: TokenBucket
  /** Hits and reports that nobody asked for. */
  readonly strays: TokenBucket
  readonly #rate: number
  readonly #burst: number
  readonly #maxTtl: number
  #tokens: number
  #at: number | undefined

  constructor(config: SearchConfig) {
    this.hitBytes = new TokenBucket(config.hitBytes)
    this.arrivals = new TokenBucket(config.arrivals)
    this.strays = new TokenBucket(config.strays)
    this.#rate = config.queries.rate
    this.#burst = config.queries.burst
    this.#maxTtl = config.maxTtl
    this.#tokens = config.queries.burst
  }

  /** Whether a new query that had travelled `hops` before it came here is worked on. */
  takeQuery(now: number, hops: number): boolean {
    const gained = ((now - (this.#at ?? now)) / 1000) * this.#rate
    this.#tokens = Math.min(this.#burst, this.#tokens + gained)
    this.#at = now
    const kept = (this.#burst * hops) / (this.#maxTtl + 1)
    if (this.#tokens < kept + 1) return false
    this.#tokens--
    return true
  }
}
