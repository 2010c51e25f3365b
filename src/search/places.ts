/** What one neighbour alone has delivered. */
interface Delivered<T> {
  /** In the order of arrival; some have left meanwhile. BOUNDED by what a search takes from the network. */
  items: T[]
  /** Those that have not. */
  count: number
}

export type Place<T> = { taken: false } | { taken: true; evicted: T | undefined }

/**
 * So many places for what neighbours deliver, and none of them can take them from the others: when all are taken, a new
 * item gets the place of the newest one of whoever has most, unless its own deliverer has as many. What a second neighbour
 * delivers too counts for nobody any more and stays.
 */
export class Places<T> {
  readonly #limit: number
  /** Who delivered an item, as long as it is one alone. BOUNDED by #limit. */
  readonly #only = new Map<T, string>()
  readonly #delivered = new Map<string, Delivered<T>>() // BOUNDED by the neighbours of a search
  #taken = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  take(item: T, via: string): Place<T> {
    let evicted: T | undefined
    if (this.#taken >= this.#limit) {
      evicted = this.#evict(via)
      if (evicted === undefined) return { taken: false }
      this.#taken--
    }
    this.#taken++
    this.#only.set(item, via)
    const delivered = this.#delivered.get(via) ?? { items: [], count: 0 }
    this.#delivered.set(via, delivered)
    delivered.items.push(item)
    delivered.count++
    return { taken: true, evicted }
  }

  /** Somebody delivers what is there already. */
  confirm(item: T, via: string): void {
    const only = this.#only.get(item)
    if (only !== undefined && only !== via) this.#release(item, only)
  }

  #evict(via: string): T | undefined {
    let most: string | undefined
    for (const [other, { count }] of this.#delivered) if (count > this.#countOf(most)) most = other
    // one more for the newcomer must not turn the two round
    if (most === undefined || this.#countOf(most) <= this.#countOf(via) + 1) return undefined
    const { items } = this.#delivered.get(most) as Delivered<T>
    for (let newest = items.pop(); newest !== undefined; newest = items.pop()) {
      if (this.#only.get(newest) !== most) continue
      this.#release(newest, most)
      return newest
    }
    return undefined
  }

  #release(item: T, via: string): void {
    this.#only.delete(item)
    const delivered = this.#delivered.get(via) as Delivered<T>
    delivered.count--
  }

  #countOf(via: string | undefined): number {
    return via === undefined ? 0 : (this.#delivered.get(via)?.count ?? 0)
  }
}
