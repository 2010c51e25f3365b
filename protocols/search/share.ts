import { TokenBucket } from '../core/token-bucket.ts'
import type { SearchConfig } from './config.ts'

/**
 * What one peer may make us do. Work for its queries is a token bucket of which the lower parts are for queries from
 * near: a query needs a token on top of that part of the bucket which its way is of the longest. So when more arrives
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
  readonly summaries: TokenBucket
  readonly #rate: number
  readonly #burst: number
  #tokens: number
  #at: number | undefined

  constructor(config: SearchConfig) {
    this.hitBytes = new TokenBucket(config.hitBytes)
    this.arrivals = new TokenBucket(config.arrivals)
    this.strays = new TokenBucket(config.strays)
    this.summaries = new TokenBucket(config.summaries)
    this.#rate = config.queries.rate
    this.#burst = config.queries.burst
    this.#tokens = config.queries.burst
  }

  /** Whether a query is worked on that has come so far, as a share of how far any may come. */
  takeQuery(now: number, way: number): boolean {
    const gained = ((now - (this.#at ?? now)) / 1000) * this.#rate
    this.#tokens = Math.min(this.#burst, this.#tokens + gained)
    this.#at = now
    const kept = this.#burst * way
    if (this.#tokens < kept + 1) return false
    this.#tokens--
    return true
  }
}
