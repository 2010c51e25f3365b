export const sharedKeysConfig = {
  /** Changes that come together are told together. */
  settleMs: 1_000,
  /** While a large folder is indexed something changes all the time: told no more often than this. */
  everyMs: 15_000
}

export interface SharedKeysParts {
  /** Everything that a search can find here. */
  keys(): Iterable<string>
  tell(keys: Iterable<string>): void
  /** Milliseconds that never go back. */
  clock(): number
}

/** Keeps the search protocol told of what can be found here, for the summaries that neighbours get. */
export class SharedKeys {
  readonly #parts: SharedKeysParts
  #timer: NodeJS.Timeout | undefined
  #toldAt = Number.NEGATIVE_INFINITY
  #isClosed = false

  constructor(parts: SharedKeysParts) {
    this.#parts = parts
  }

  /** What is shared may have changed. */
  changed(): void {
    if (this.#timer !== undefined || this.#isClosed) return
    const { settleMs, everyMs } = sharedKeysConfig
    const waitMs = Math.max(settleMs, this.#toldAt + everyMs - this.#parts.clock())
    this.#timer = setTimeout(() => this.now(), waitMs)
    this.#timer.unref()
  }

  now(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#isClosed) return
    this.#toldAt = this.#parts.clock()
    this.#parts.tell(this.#parts.keys())
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }
}
