import { TokenBucket } from '../core/token-bucket.ts'
import type { SearchConfig } from './config.ts'

/**
 * What one peer may make us do. Work for its queries is a token bucket of which the lower parts are for queries from
 * near: a query needs a token on top of that part of the bucket which its way is of the longest. So when more arrives
 * than the rate allows, those near their searcher go first, our neighbour's own before all, and a flood hurts least
 * where it has come furthest from (Daswani and Garcia-Molina 2002: a share for each neighbour, then the high TTLs).
 */
export class Share {
  readonly #config: SearchConfig
  // few peers do all of this, so each bucket is made when it is needed
  #hitBytes: TokenBucket | undefined
  #arrivals: TokenBucket | undefined
  #strays: TokenBucket | undefined
  #summaries: TokenBucket | undefined
  #tokens: number
  #at: number | undefined

  constructor(config: SearchConfig) {
    this.#config = config
    this.#tokens = config.queries.burst
  }

  /** Bytes of hits. */
  get hitBytes(): TokenBucket {
    this.#hitBytes ??= new TokenBucket(this.#config.hitBytes)
    return this.#hitBytes
  }

  /** Queries of any kind, taken or not. */
  get arrivals(): TokenBucket {
    this.#arrivals ??= new TokenBucket(this.#config.arrivals)
    return this.#arrivals
  }

  /** Hits and reports that nobody asked for. */
  get strays(): TokenBucket {
    this.#strays ??= new TokenBucket(this.#config.strays)
    return this.#strays
  }

  get summaries(): TokenBucket {
    this.#summaries ??= new TokenBucket(this.#config.summaries)
    return this.#summaries
  }

  /** Whether a query is worked on that has come so far, as a share of how far any may come. */
  takeQuery(now: number, way: number): boolean {
    const { rate, burst } = this.#config.queries
    const gained = ((now - (this.#at ?? now)) / 1000) * rate
    this.#tokens = Math.min(burst, this.#tokens + gained)
    this.#at = now
    const kept = burst * way
    if (this.#tokens < kept + 1) return false
    this.#tokens--
    return true
  }
}
