const SLOTS = 20

/** Bytes per second over the last few seconds: a ring of counters, one for each twentieth of the span. */
export class Rate {
  readonly #slotMs: number
  readonly #slots = new Float64Array(SLOTS)
  #newest = Number.NEGATIVE_INFINITY
  #since = 0
  #sum = 0
  /** All bytes ever added. */
  total = 0

  constructor(spanMs: number) {
    this.#slotMs = spanMs / SLOTS
  }

  add(bytes: number, now: number): void {
    if (this.#sum === 0) this.#since = now
    this.#turnTo(now)
    this.#slots[this.#newest % SLOTS]! += bytes
    this.#sum += bytes
    this.total += bytes
  }

  /** A young rate is measured over its own age, so that it is right from the first second on. */
  perSecond(now: number): number {
    this.#turnTo(now)
    if (this.#sum === 0) return 0
    const spanMs = Math.min(now - this.#since, (SLOTS - 0.5) * this.#slotMs)
    return (this.#sum / Math.max(spanMs, this.#slotMs)) * 1000
  }

  #turnTo(now: number): void {
    const slot = Math.floor(now / this.#slotMs)
    if (slot - this.#newest >= SLOTS) {
      this.#slots.fill(0)
      this.#sum = 0
      this.#newest = slot
      return
    }
    while (this.#newest < slot) {
      this.#newest++
      this.#sum -= this.#slots[this.#newest % SLOTS]!
      this.#slots[this.#newest % SLOTS] = 0
    }
  }
}
