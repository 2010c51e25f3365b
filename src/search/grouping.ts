import type { FileId, Infohash } from '../../protocols/core/ids.ts'
import { matches, type ParsedQuery, relevance } from '../../protocols/search/index.ts'
import { Places } from './places.ts'
import type { FoundHits } from './searches.ts'

/** Most results that one search collects, whatever the network sends. */
const MAX_RESULTS = 1_000
/** Most holders that are remembered for one result. */
const MAX_HOLDERS = 200
/** What many holders may add to the score of a name: holders are not proved, and made-up ones must not win. */
const MOST_FOR_HOLDERS = 0.2

export interface FoundHit {
  id: FileId
  name: string
  size: number
  infohash?: Infohash
}

/** Where a hit comes from. */
export interface Origin {
  holder: string
  /** The neighbour that delivered it; this node for its own, the holder when the directory named it. */
  via: string
  how: FoundBy['how']
  hops: number
}

/** How a result was found first. */
export interface FoundBy {
  how: FoundHits['how'] | 'directory'
  via: string
}

export function originOf({ holder, via, how, hops }: FoundHits): Origin {
  return { holder: holder as string, via: via as string, how, hops }
}

/** One file with all who are said to hold it. */
export interface ResultGroup extends FoundHit {
  /** Counts the results of a search as they are found. */
  readonly index: number
  holders: string[]
  mine: boolean
  hops: number
  foundBy: FoundBy
  /** How well the name fits the query, 0 to 1. */
  relevance: number
}

export const SORTS = ['best', 'holders', 'size', 'name'] as const
export type Sort = (typeof SORTS)[number]

/**
 * Hits of one search as results. One for each file id: equal ids are equal bytes. A holder that states another size
 * cannot have the same file, so that is another result, and nobody is blamed for the bytes of a file that does not
 * exist. What does not match the query was never asked for and is dropped.
 */
export class ResultGroups {
  readonly #groups = new Map<string, ResultGroup>() // BOUNDED by #places
  readonly #places: Places<ResultGroup>
  readonly #self: string
  readonly #query: ParsedQuery | undefined
  #found = 0

  /** @param init.query undefined for a search by id, whose hits have any name */
  constructor(init: { self: string; query: ParsedQuery | undefined; limit?: number }) {
    this.#self = init.self
    this.#query = init.query
    this.#places = new Places(init.limit ?? MAX_RESULTS)
  }

  get size(): number {
    return this.#groups.size
  }

  /** The result that the hit made or changed; undefined when it tells nothing new or has no place. */
  add(origin: Origin, hit: FoundHit): ResultGroup | undefined {
    if (this.#query !== undefined && !matches(this.#query, hit)) return undefined
    const known = this.#groups.get(keyOf(hit))
    return known === undefined ? this.#addNew(origin, hit) : this.#addHolder(known, origin, hit)
  }

  /** All of them in order. */
  sorted(sort: Sort): ResultGroup[] {
    return [...this.#groups.values()].sort(ORDERS[sort])
  }

  #addNew({ holder, via, how, hops }: Origin, hit: FoundHit): ResultGroup | undefined {
    const group: ResultGroup = {
      index: this.#found++,
      id: hit.id,
      name: hit.name,
      size: hit.size,
      ...(hit.infohash === undefined ? {} : { infohash: hit.infohash }),
      holders: [holder],
      mine: holder === this.#self,
      hops,
      foundBy: { how, via },
      relevance: this.#query === undefined ? 1 : relevance(this.#query, hit.name)
    }
    const place = this.#places.take(group, via)
    if (!place.taken) return undefined
    if (place.evicted !== undefined) this.#groups.delete(keyOf(place.evicted))
    this.#groups.set(keyOf(hit), group)
    return group
  }

  #addHolder(known: ResultGroup, { holder, via, hops }: Origin, hit: FoundHit): ResultGroup | undefined {
    this.#places.confirm(known, via)
    if (known.holders.includes(holder) || known.holders.length >= MAX_HOLDERS) return undefined
    known.holders.push(holder)
    known.mine ||= holder === this.#self
    known.hops = Math.min(known.hops, hops)
    if (known.infohash === undefined && hit.infohash !== undefined) known.infohash = hit.infohash
    return known
  }
}

const byName = new Intl.Collator('en', { numeric: true })

const ORDERS: Readonly<Record<Sort, (a: ResultGroup, b: ResultGroup) => number>> = {
  best: (a, b) => scoreOf(b) - scoreOf(a) || b.holders.length - a.holders.length || byName.compare(a.name, b.name),
  holders: (a, b) => b.holders.length - a.holders.length || ORDERS.best(a, b),
  size: (a, b) => b.size - a.size || ORDERS.best(a, b),
  name: (a, b) => byName.compare(a.name, b.name) || ORDERS.best(a, b)
}

function scoreOf({ relevance: fit, holders }: ResultGroup): number {
  return fit + Math.min(MOST_FOR_HOLDERS, Math.log2(holders.length) / 20)
}

function keyOf({ id, size }: FoundHit): string {
  return `${id} ${size}`
}
