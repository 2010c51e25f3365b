import type { Peer } from '../core/peer.ts'
import { matches } from '../search/matching.ts'
import type { Query } from '../search/messages.ts'
import { type ParsedQuery, parseQuery, QueryError, requiredTokens } from '../search/query-language.ts'
import { nameTokens } from '../search/tokens.ts'
import type { CatalogueHead, CatalogueItem, Change, ItemKey, KeyedItem } from './catalogue.ts'
import { bucketOf, itemBytes } from './catalogue.ts'
import type { CatalogueStore, HolderHits, SearchLimits, StoreUsage } from './catalogue-store.ts'

interface Shelf {
  head: CatalogueHead
  readonly items: Map<ItemKey, CatalogueItem>
  /** In rising order; made when it is read. */
  sorted: ItemKey[] | undefined
  bytes: number
}

/** What a posting names. */
interface Place {
  readonly publisher: Peer
  readonly item: CatalogueItem
}

/** Words of names, which many nodes of a simulation make of the same items. */
const TERMS = new WeakMap<CatalogueItem, readonly string[]>()

/** Catalogues in memory, for the simulator and for tests. BOUNDED by the quotas of whoever applies changes. */
export class MemoryCatalogueStore implements CatalogueStore {
  readonly #shelves = new Map<Peer, Shelf>()
  /** By word, id and infohash. */
  readonly #postings = new Map<string, Map<CatalogueItem, Place[]>>()
  readonly #usage = { publishers: 0, items: 0, bytes: 0 }

  head(publisher: Peer): CatalogueHead | undefined {
    return this.#shelves.get(publisher)?.head
  }

  heads(): CatalogueHead[] {
    return [...this.#shelves.values()].map(({ head }) => head)
  }

  has(publisher: Peer, key: ItemKey): boolean {
    return this.#shelves.get(publisher)?.items.has(key) === true
  }

  keys(publisher: Peer): readonly ItemKey[] {
    const shelf = this.#shelves.get(publisher)
    if (shelf === undefined) return []
    shelf.sorted ??= [...shelf.items.keys()].sort()
    return shelf.sorted
  }

  bucket(publisher: Peer, bits: number, bucket: number): KeyedItem[] {
    const shelf = this.#shelves.get(publisher)
    if (shelf === undefined) return []
    return this.keys(publisher)
      .filter(key => bucketOf(key, bits) === bucket)
      .map(key => ({ key, item: shelf.items.get(key) as CatalogueItem }))
  }

  apply(head: CatalogueHead, { added, removed }: Change): void {
    const { publisher } = head
    let shelf = this.#shelves.get(publisher)
    if (shelf === undefined) {
      shelf = { head, items: new Map(), sorted: undefined, bytes: 0 }
      this.#shelves.set(publisher, shelf)
      this.#usage.publishers++
    }
    shelf.head = head
    for (const key of removed) this.#take(shelf, publisher, key)
    for (const { key, item } of added) this.#put(shelf, publisher, key, item)
  }

  drop(publisher: Peer): void {
    const shelf = this.#shelves.get(publisher)
    if (shelf === undefined) return
    for (const key of [...shelf.items.keys()]) this.#take(shelf, publisher, key)
    this.#shelves.delete(publisher)
    this.#usage.publishers--
  }

  search(query: Query, { perHolder, total, isLive }: SearchLimits): HolderHits[] {
    const found = new Map<Peer, CatalogueItem[]>()
    const live = new Map<Peer, boolean>()
    let count = 0
    for (const { publisher, item } of this.#matching(query)) {
      if (count >= total) break
      let isThere = live.get(publisher)
      if (isThere === undefined) {
        isThere = isLive(publisher)
        live.set(publisher, isThere)
      }
      if (!isThere) continue
      const hits = found.get(publisher) ?? []
      if (hits.length >= perHolder) continue
      hits.push(item)
      found.set(publisher, hits)
      count++
    }
    return [...found].map(([holder, hits]) => ({ holder, hits }))
  }

  *summaryKeys(isLive: (holder: Peer) => boolean): IterableIterator<string> {
    const told = new Set<string>()
    for (const [publisher, { items }] of this.#shelves) {
      if (!isLive(publisher)) continue
      for (const item of items.values()) {
        for (const term of termsOf(item)) {
          if (told.has(term)) continue
          told.add(term)
          yield term
        }
      }
    }
  }

  usage(): StoreUsage {
    return this.#usage
  }

  usageOf(publisher: Peer): Omit<StoreUsage, 'publishers'> {
    const shelf = this.#shelves.get(publisher)
    return { items: shelf?.items.size ?? 0, bytes: shelf?.bytes ?? 0 }
  }

  *#matching(query: Query): IterableIterator<Place> {
    if (query.kind === 'id') {
      yield* this.#placesOf(query.id)
      return
    }
    const parsed = parsedOf(query.text)
    if (parsed === undefined) return
    const required = requiredTokens(parsed)
    // the rarest word leads, and the rest is looked up or, where there is more to a query than words, worked out
    const lists = required.map(token => this.#postings.get(token) ?? new Map<CatalogueItem, Place[]>())
    lists.sort((a, b) => a.size - b.size)
    const [first, ...rest] = lists
    const isWordsOnly = parsed.excluded.length === 0 && parsed.terms.every(isOneWord)
    for (const [item, places] of first ?? this.#all()) {
      if (!rest.every(list => list.has(item))) continue
      if (isWordsOnly || matches(parsed, item)) yield* places
    }
  }

  *#all(): IterableIterator<[CatalogueItem, Place[]]> {
    for (const [publisher, { items }] of this.#shelves) {
      for (const item of items.values()) yield [item, [{ publisher, item }]]
    }
  }

  *#placesOf(term: string): IterableIterator<Place> {
    for (const places of this.#postings.get(term)?.values() ?? []) yield* places
  }

  #put(shelf: Shelf, publisher: Peer, key: ItemKey, item: CatalogueItem): void {
    if (shelf.items.has(key)) return
    shelf.items.set(key, item)
    shelf.sorted = undefined
    this.#count(shelf, item, 1)
    for (const term of termsOf(item)) {
      let list = this.#postings.get(term)
      if (list === undefined) this.#postings.set(term, (list = new Map()))
      const places = list.get(item)
      if (places === undefined) list.set(item, [{ publisher, item }])
      else places.push({ publisher, item })
    }
  }

  #take(shelf: Shelf, publisher: Peer, key: ItemKey): void {
    const item = shelf.items.get(key)
    if (item === undefined) return
    shelf.items.delete(key)
    shelf.sorted = undefined
    this.#count(shelf, item, -1)
    for (const term of termsOf(item)) {
      const list = this.#postings.get(term)
      const left = list?.get(item)?.filter(place => place.publisher !== publisher) ?? []
      if (left.length > 0) list?.set(item, left)
      else if (list?.delete(item) === true && list.size === 0) this.#postings.delete(term)
    }
  }

  #count(shelf: Shelf, item: CatalogueItem, sign: 1 | -1): void {
    const bytes = sign * itemBytes(item)
    shelf.bytes += bytes
    this.#usage.items += sign
    this.#usage.bytes += bytes
  }
}

function termsOf(item: CatalogueItem): readonly string[] {
  let terms = TERMS.get(item)
  if (terms === undefined) {
    terms = [...new Set([...nameTokens(item.name), item.id, ...(item.infohash === undefined ? [] : [item.infohash])])]
    TERMS.set(item, terms)
  }
  return terms
}

function isOneWord(term: ParsedQuery['terms'][number]): boolean {
  return term.kind === 'words' && term.tokens.length === 1 && !term.prefix
}

function parsedOf(text: string): ParsedQuery | undefined {
  try {
    return parseQuery(text)
  } catch (error) {
    if (error instanceof QueryError) return undefined
    throw error
  }
}
