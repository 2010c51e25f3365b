import type { FileId, Infohash } from '../../protocols/core/ids.ts'
import type { SearchResult } from '../api.ts'

/** Most results that one search collects, whatever the network sends. */
const MAX_RESULTS = 1_000
/** Most holders that are remembered for one result. */
const MAX_HOLDERS = 200

export interface FoundHit {
  id: FileId
  name: string
  size: number
  infohash?: Infohash
}

/** Hits of one search as results: one for each file id, numbered in the order in which they were found. */
export class ResultGroups {
  readonly #groups = new Map<FileId, SearchResult>() // BOUNDED by MAX_RESULTS
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
  add(holder: string, hops: number, hit: FoundHit): SearchResult | undefined {
    const mine = holder === this.#self
    const known = this.#groups.get(hit.id)
    if (known === undefined) {
      if (this.#groups.size >= this.#limit) return undefined
      const result: SearchResult = {
        number: this.#groups.size + 1,
        id: hit.id,
        name: hit.name,
        size: hit.size,
        holders: [holder],
        ...(hit.infohash === undefined ? {} : { infohash: hit.infohash }),
        mine,
        hops
      }
      this.#groups.set(hit.id, result)
      return { ...result, holders: [...result.holders] }
    }
    // equal ids are equal bytes: a holder that states another size cannot have them
    if (known.size !== hit.size || known.holders.includes(holder) || known.holders.length >= MAX_HOLDERS) {
      return undefined
    }
    known.holders.push(holder)
    known.mine ||= mine
    known.hops = Math.min(known.hops, hops)
    if (known.infohash === undefined && hit.infohash !== undefined) known.infohash = hit.infohash
    return { ...known, holders: [...known.holders] }
  }
}
