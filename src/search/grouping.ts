import type { FileId, Infohash } from '../../protocols/core/ids.ts'
import type { SearchResult } from '../api.ts'

/** Most results that one search collects, whatever the network sends. */
const MAX_RESULTS = 1_000
/** Most holders that are remembered for one result. */
const MAX_HOLDERS = 200

/** A result before anything is said of proofs. */
export type GroupedResult = Omit<SearchResult, 'proven' | 'state'>

export interface FoundHit {
  id: FileId
  name: string
  size: number
  infohash?: Infohash
}

/**
 * Hits of one search as results, numbered in the order in which they were found. One result for each file id: equal ids
 * are equal bytes. A holder that states another size cannot have the same file, so that is another result, and nobody
 * is blamed for the bytes of a file that does not exist.
 */
export class ResultGroups {
  readonly #groups = new Map<string, GroupedResult>() // BOUNDED by MAX_RESULTS
  readonly #self: string
  readonly #limit: number

  constructor(init: { self: string; limit?: number | undefined }) {
    this.#self = init.self
    this.#limit = Math.min(init.limit ?? MAX_RESULTS, MAX_RESULTS)
  }

  get size(): number {
    return this.#groups.size
  }

  /** The result that the hit made or changed; undefined when it tells nothing new or there are results enough. */
  add(holder: string, hops: number, hit: FoundHit): GroupedResult | undefined {
    const mine = holder === this.#self
    const key = `${hit.id} ${hit.size}`
    const known = this.#groups.get(key)
    if (known === undefined) {
      if (this.#groups.size >= this.#limit) return undefined
      const result: GroupedResult = {
        number: this.#groups.size + 1,
        id: hit.id,
        name: hit.name,
        size: hit.size,
        holders: [holder],
        ...(hit.infohash === undefined ? {} : { infohash: hit.infohash }),
        mine,
        hops
      }
      this.#groups.set(key, result)
      return { ...result, holders: [...result.holders] }
    }
    if (known.holders.includes(holder) || known.holders.length >= MAX_HOLDERS) return undefined
    known.holders.push(holder)
    known.mine ||= mine
    known.hops = Math.min(known.hops, hops)
    if (known.infohash === undefined && hit.infohash !== undefined) known.infohash = hit.infohash
    return { ...known, holders: [...known.holders] }
  }
}
