/** How long answers take, smoothed as TCP does (RFC 6298): the mean and four times the deviation. */
export class RoundTrip {
  readonly #least: number
  readonly #most: number
  #mean: number | undefined
  #deviation = 0

  constructor([least, most]: readonly [number, number]) {
    this.#least = least
    this.#most = most
  }

  measured(ms: number): void {
    if (this.#mean === undefined) {
      this.#mean = ms
      this.#deviation = ms / 2
      return
    }
    this.#deviation += (Math.abs(ms - this.#mean) - this.#deviation) / 4
    this.#mean += (ms - this.#mean) / 8
  }

  /** An answer that has not come after this many ms is late. */
  get lateMs(): number {
    if (this.#mean === undefined) return this.#most
    return Math.min(Math.max(Math.ceil(this.#mean + 4 * this.#deviation), this.#least), this.#most)
  }
}
