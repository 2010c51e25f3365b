/** Numbers for things, from 0 on, the same for equal ones. */
export class Interned<T> {
  readonly #ids = new Map<string, number>()
  readonly #items: T[] = []

  get size(): number {
    return this.#items.length
  }

  at(id: number): T {
    return this.#items[id] as T
  }

  of(key: string, item: T | (() => T)): number {
    const known = this.#ids.get(key)
    if (known !== undefined) return known
    const id = this.#items.length
    this.#items.push(typeof item === 'function' ? (item as () => T)() : item)
    this.#ids.set(key, id)
    return id
  }
}
