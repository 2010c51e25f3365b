import type { FileId } from '../core/ids.ts'
import type { Peer } from '../core/peer.ts'
import type { SearchAccount, SearchCommand, SearchEvent } from '../search/commands.ts'
import type { Hit, Query } from '../search/messages.ts'
import type { CatalogueItem } from './catalogue.ts'

/** What this node may become. `auto`: whatever the network needs. */
export type Part = 'auto' | 'peer' | 'super'
export type Role = 'peer' | 'super'

export interface Strength {
  readonly uptimeMs: number
  readonly uploadBytesPerS: number
  /** That may be used for others. */
  readonly memoryBytes: number
  /** Strangers can dial this node. */
  readonly isReachable: boolean
  /** 0 to 1. */
  readonly load: number
}

/** What the searches for one ask have cost; the waves are the super-peer's own affair. */
export type AskAccount = Omit<SearchAccount, 'waves'>

export type SuperPeerCommand =
  | { readonly type: 'role'; readonly role: Part }
  /** About every 30 s. */
  | { readonly type: 'strength'; readonly strength: Strength }
  /** Peers of the network, as far as it is known. */
  | { readonly type: 'population'; readonly about: number | undefined }
  /** Super-peers that are remembered from before. */
  | { readonly type: 'known'; readonly peers: readonly Peer[] }
  | { readonly type: 'neighbourUp' | 'neighbourDown'; readonly peer: Peer }
  /** All that this node shares; replaces what was said before. Items that no message could hold are left out. */
  | { readonly type: 'catalogue'; readonly items: Iterable<CatalogueItem> }
  /** As for the search machine; see `canAsk`. */
  | Extract<SearchCommand, { type: 'search' | 'stop' }>
  /** Whether a hit of a search was true, as a proof showed. */
  | {
      readonly type: 'verdict'
      readonly search: number
      readonly holder: Peer
      readonly id: FileId
      readonly good: boolean
    }
  /** To an event `search`: what was found, */
  | {
      readonly type: 'found'
      readonly ask: number
      readonly holder: Peer
      readonly hops: number
      readonly hits: readonly Hit[]
    }
  /** and that it is over. */
  | { readonly type: 'searched'; readonly ask: number; readonly account: AskAccount }
  /** Says goodbye to everybody. Nothing is done any more: whoever comes back does so with another machine. */
  | { readonly type: 'leave' }

type SearchHits = Extract<SearchEvent, { type: 'hits' }>

export type SuperPeerEvent =
  /** What this node is now and why, for people. */
  | { readonly type: 'role'; readonly role: Role; readonly reason: string }
  | { readonly type: 'attached'; readonly supers: readonly Peer[] }
  /** Whether the overlay can do without this node, and it without the overlay. */
  | { readonly type: 'resting'; readonly resting: boolean }
  /** `keys()` has changed. */
  | { readonly type: 'keys' }
  /** As the search machine's; via: the super-peer that told. */
  | (Omit<SearchHits, 'how'> & { readonly how: 'own' | 'super' })
  | ({ readonly type: 'searchDone'; readonly search: number } & SearchAccount)
  /** A client asks: to be answered by `found` and `searched`. What lies here has been told already. */
  | {
      readonly type: 'search'
      readonly ask: number
      readonly query: Query
      readonly want: number
      readonly limit: number
      readonly budget: number
      readonly timeoutMs: number
    }
  | { readonly type: 'stopSearch'; readonly ask: number }
