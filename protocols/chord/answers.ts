/** Share of questions without an answer from which on two nodes are asked at once, and from which on all that may be. */
const SOME_LOST = 0.05
const MANY_LOST = 0.2
/** Weight of the last question in that share. */
const WEIGHT = 1 / 16

/** How the others answer: how long it takes, and how many do. Smoothed as TCP does (RFC 6298). */
export class Answers {
  readonly #least: number
  readonly #most: number
  readonly #first: number
  #mean: number | undefined
  #deviation = 0
  #lost = 0

  /** @param first what is assumed until something is measured; all in ms */
  constructor([least, most]: readonly [number, number], first: number) {
    this.#least = least
    this.#most = most
    this.#first = first
  }

  came(afterMs: number): void {
    this.#lost -= this.#lost * WEIGHT
    if (this.#mean === undefined) {
      this.#mean = afterMs
      this.#deviation = afterMs / 2
      return
    }
    this.#deviation += (Math.abs(afterMs - this.#mean) - this.#deviation) / 4
    this.#mean += (afterMs - this.#mean) / 8
  }

  didNotCome(): void {
    this.#lost += (1 - this.#lost) * WEIGHT
  }

  /** An answer that has not come after so many ms is late. */
  get lateMs(): number {
    if (this.#mean === undefined) return this.#first
    return Math.min(Math.max(Math.ceil(this.#mean + 4 * this.#deviation), this.#least), this.#most)
  }

  /** How many nodes a lookup asks at once from the start, of at most so many. */
  width(most: number): number {
    if (this.#lost < SOME_LOST) return 1
    return this.#lost < MANY_LOST ? Math.min(2, most) : most
  }
}
