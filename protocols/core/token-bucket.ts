/** A rate limit: `rate` tokens flow in each second, at most `burst` are kept. */
export class TokenBucket {
  readonly #rate: number
  readonly #burst: number
  #tokens: number
  #at: number | undefined

  constructor(limit: { rate: number; burst: number }) {
    this.#rate = limit.rate
    this.#burst = limit.burst
    this.#tokens = limit.burst
  }

  /** Takes `count` tokens if they are there and `leaving` more; `now` in ms. */
  take(now: number, count = 1, leaving = 0): boolean {
    if (this.#at !== undefined && now > this.#at) {
      this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#at) / 1000) * this.#rate)
    }
    this.#at = now
    if (this.#tokens < count + leaving) return false
    this.#tokens -= count
    return true
  }
}
