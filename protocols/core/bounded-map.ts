/**
 * A Map that holds at most `limit` entries: a new one pushes out the one that was set longest ago. Setting a key again
 * makes it the newest.
 */
export class BoundedMap<K, V> {
  /** While there is any. */
  #entries: Map<K, V> | undefined
  readonly #limit: number

  constructor(limit: number) {
    if (!(limit >= 1)) throw new RangeError(`limit ${limit} is not at least 1`)
    this.#limit = limit
  }

  get size(): number {
    return this.#entries?.size ?? 0
  }

  get(key: K): V | undefined {
    return this.#entries?.get(key)
  }

  has(key: K): boolean {
    return this.#entries?.has(key) === true
  }

  /** Returns the entry that had to leave, if any. */
  set(key: K, value: V): [K, V] | undefined {
    this.#entries ??= new Map()
    let evicted: [K, V] | undefined
    if (!this.#entries.delete(key) && this.#entries.size >= this.#limit) {
      evicted = this.oldest() as [K, V]
      this.#entries.delete(evicted[0])
    }
    this.#entries.set(key, value)
    return evicted
  }

  delete(key: K): boolean {
    const was = this.#entries?.delete(key) === true
    // an empty Map is as large as one with some entries, and most are empty most of the time
    if (this.#entries?.size === 0) this.#entries = undefined
    return was
  }

  clear(): void {
    this.#entries = undefined
  }

  /** The entry that was set longest ago. */
  oldest(): [K, V] | undefined {
    return this.#entries?.entries().next().value
  }

  keys(): IterableIterator<K> {
    return this.#entries?.keys() ?? [].values()
  }

  values(): IterableIterator<V> {
    return this.#entries?.values() ?? [].values()
  }

  [Symbol.iterator](): IterableIterator<[K, V]> {
    return this.#entries?.entries() ?? [].values()
  }
}
