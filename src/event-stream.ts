/** Most events that wait for a slow reader; beyond it the oldest droppable ones go. */
const MAX_WAITING = 10_000

/**
 * Events of a running piece of work as an async iterable with one reader. Ending the iteration early calls `onStop`.
 * A reader that falls behind loses events that `isStale` says a newer one replaces (progress), never others.
 */
export class EventStream<T> implements AsyncIterableIterator<T> {
  #waiting: T[] = []
  #wake: (() => void) | undefined
  #ended = false
  #error: unknown
  #failed = false
  #onStop: (() => void) | undefined
  readonly #isStale: (older: T, newer: T) => boolean

  constructor(init: { onStop?: () => void; signal?: AbortSignal; isStale?: (older: T, newer: T) => boolean } = {}) {
    this.#onStop = init.onStop
    this.#isStale = init.isStale ?? (() => false)
    if (init.signal?.aborted === true) this.#stop()
    else init.signal?.addEventListener('abort', () => this.#stop(), { once: true })
  }

  push(event: T): void {
    if (this.#ended) return
    const last = this.#waiting.at(-1)
    if (last !== undefined && this.#isStale(last, event)) this.#waiting.pop()
    if (this.#waiting.length >= MAX_WAITING) this.#waiting.shift()
    this.#waiting.push(event)
    this.#wake?.()
  }

  /** No more events. Those that wait are still delivered. */
  end(): void {
    this.#ended = true
    this.#onStop = undefined
    this.#wake?.()
  }

  /** Ends with an error, after the events that wait. */
  fail(error: unknown): void {
    if (this.#ended) return
    this.#failed = true
    this.#error = error
    this.end()
  }

  async next(): Promise<IteratorResult<T>> {
    for (;;) {
      const event = this.#waiting.shift()
      if (event !== undefined) return { done: false, value: event }
      if (this.#failed) {
        this.#failed = false
        throw this.#error
      }
      if (this.#ended) return { done: true, value: undefined }
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
  }

  async return(): Promise<IteratorResult<T>> {
    this.#stop()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop()
  }

  #stop(): void {
    const onStop = this.#onStop
    this.#waiting = []
    this.end()
    onStop?.()
  }
}
