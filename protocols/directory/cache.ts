import { BoundedMap } from '../core/bounded-map.ts'
import type { RingId } from '../core/keyspace.ts'
import type { Entry } from './entry.ts'
import { wireBytes } from './entry-codec.ts'

export interface Cached {
  readonly total: number
  readonly entries: readonly Entry[]
}

/** Keys of which copies are kept; the bytes are bounded by themselves. */
const MAX_KEYS = 1_024

/** Copies of what is asked so often elsewhere that this node, being on the way there, answers in its place. */
export class Cache {
  readonly #maxBytes: number
  readonly #maxMs: number
  /** The one that was asked for longest ago first. BOUNDED by MAX_KEYS and maxBytes. */
  readonly #copies = new BoundedMap<RingId, Cached & { readonly bytes: number; readonly untilMs: number }>(MAX_KEYS)
  #bytes = 0

  constructor(init: { maxBytes: number; maxMs: number }) {
    this.#maxBytes = init.maxBytes
    this.#maxMs = init.maxMs
  }

  get bytes(): number {
    return this.#bytes
  }

  /** @param entries verified */
  add(key: RingId, { total, entries }: Cached, now: number): void {
    this.#delete(key)
    const bytes = entries.reduce((sum, entry) => sum + wireBytes(entry), 0)
    if (bytes > this.#maxBytes) return
    this.#bytes += bytes
    const evicted = this.#copies.set(key, { total, entries, bytes, untilMs: now + this.#maxMs })
    if (evicted !== undefined) this.#bytes -= evicted[1].bytes
    for (let oldest = this.#copies.oldest(); this.#bytes > this.#maxBytes; oldest = this.#copies.oldest()) {
      this.#delete((oldest as [RingId, unknown])[0])
    }
  }

  has(key: RingId, now: number): boolean {
    const copy = this.#copies.get(key)
    if (copy === undefined) return false
    if (copy.untilMs > now) return true
    this.#delete(key)
    return false
  }

  get(key: RingId, now: number): Cached | undefined {
    if (!this.has(key, now)) return undefined
    const copy = this.#copies.get(key)
    if (copy !== undefined) this.#copies.set(key, copy)
    return copy
  }

  #delete(key: RingId): void {
    this.#bytes -= this.#copies.get(key)?.bytes ?? 0
    this.#copies.delete(key)
  }
}
