import type { Peer } from '../core/peer.ts'
import type { Hit, Query } from '../search/messages.ts'
import type { CatalogueHead, Change, ItemKey, KeyedItem } from './catalogue.ts'

export interface HolderHits {
  readonly holder: Peer
  readonly hits: readonly Hit[]
}

export interface StoreUsage {
  readonly publishers: number
  readonly items: number
  /** As `itemBytes` counts. */
  readonly bytes: number
}

export interface SearchLimits {
  /** Hits of each holder. */
  readonly perHolder: number
  /** Hits in all. */
  readonly total: number
  /** Others have a catalogue here and are not there: they are not answered for. */
  isLive(holder: Peer): boolean
}

/**
 * Where catalogues lie: those of a super-peer's clients, and under this node's own name what it shares itself. All calls
 * are synchronous, and each change is one transaction with the head that it belongs to. What it may hold is the caller's
 * affair. Indexes that are needed: (publisher, key); the words of the names (see `nameTokens`), id and infohash.
 */
export interface CatalogueStore {
  /** The newest head of this publisher, with which its items agree. */
  head(publisher: Peer): CatalogueHead | undefined
  heads(): Iterable<CatalogueHead>
  has(publisher: Peer, key: ItemKey): boolean
  /** All of a publisher in rising order. */
  keys(publisher: Peer): readonly ItemKey[]
  /** One of 2^bits buckets in rising order of keys (see `keyRange`). */
  bucket(publisher: Peer, bits: number, bucket: number): KeyedItem[]
  /** Takes away, then adds, and takes the head, all or nothing. A key that is to be added and is there is left alone. */
  apply(head: CatalogueHead, change: Change): void
  drop(publisher: Peer): void
  /**
   * Whatever of live holders matches as `matches` of protocols/search says; for an id, items that have it as their id or
   * infohash. A text that is no query matches nothing. When there are more holders than `total` has room for, any of
   * them; best hits of each first, if the store can tell.
   */
  search(query: Query, limits: SearchLimits): HolderHits[]
  /** For summaries: all words of the names, ids and infohashes of live holders, each once. */
  summaryKeys(isLive: (holder: Peer) => boolean): Iterable<string>
  usage(): StoreUsage
  usageOf(publisher: Peer): Omit<StoreUsage, 'publishers'>
}
