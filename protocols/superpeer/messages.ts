import type { Peer } from '../core/peer.ts'
import type { Hit, Query } from '../search/messages.ts'
import type { CatalogueHead, CatalogueItem, ItemKey } from './catalogue.ts'
import type { AskAccount } from './commands.ts'

/** What a super-peer says of itself, signed. */
export interface Advert {
  readonly peer: Peer
  /** Unix s. */
  readonly issued: number
  /** Clients that it would take still, and has. */
  readonly free: number
  readonly clients: number
  /** Items of all catalogues that it has. */
  readonly items: number
  /** 0 to 255. */
  readonly load: number
  readonly signature: Uint8Array
}

export const REFUSALS = ['noSuper', 'full', 'group', 'tooLarge', 'stale', 'forged', 'busy', 'leaving'] as const
export type Refusal = (typeof REFUSALS)[number]

/** Hits of one message: each file once, with who has it. */
export interface SharedHit {
  readonly hit: Hit
  /** Places in the message's list of holders, rising. */
  readonly holders: readonly number[]
}

export interface HolderPlace {
  readonly peer: Peer
  /** From the holder to the receiver: 1 for a client, or the super-peer, itself. */
  readonly hops: number
}

export type SuperPeerMessage =
  | { readonly type: 'adverts'; readonly adverts: readonly Advert[] }
  /** The sender misses so many super-peers; more, when it has missed them for long. */
  | { readonly type: 'advertsWanted'; readonly missing: number }
  /** To a client: others miss so many, and nobody has room. */
  | { readonly type: 'volunteersWanted'; readonly missing: number }
  /** Be, or remain, my super-peer. `siblings`: others that have the catalogue. */
  | { readonly type: 'attach'; readonly head: CatalogueHead; readonly siblings: readonly Peer[] }
  | { readonly type: 'accepted' }
  /** Not, or no longer; these may. */
  | { readonly type: 'refused'; readonly why: Refusal; readonly adverts: readonly Advert[] }
  /** From one head to the next. */
  | {
      readonly type: 'update'
      readonly head: CatalogueHead
      /** The seq of the one before. */
      readonly base: number
      readonly added: readonly CatalogueItem[]
      readonly removed: readonly ItemKey[]
    }
  /** The catalogue of this head is here, whole. */
  | { readonly type: 'indexed'; readonly seq: number }
  | { readonly type: 'hashesWanted'; readonly id: number; readonly bits: number }
  /** Of all buckets in order; none when there is no such catalogue. */
  | { readonly type: 'hashes'; readonly id: number; readonly hashes: readonly Uint8Array[] }
  | {
      readonly type: 'bucketsWanted'
      readonly id: number
      readonly publisher: Peer
      readonly bits: number
      readonly buckets: readonly number[]
    }
  | {
      readonly type: 'items'
      readonly id: number
      readonly isLast: boolean
      readonly items: readonly CatalogueItem[]
    }
  /** The client goes. `forget`: for good. */
  | { readonly type: 'detach'; readonly forget: boolean }
  | { readonly type: 'ping' }
  | { readonly type: 'pong'; readonly adverts: readonly Advert[] }
  | {
      readonly type: 'ask'
      readonly ask: number
      readonly query: Query
      readonly want: number
      readonly limit: number
      readonly budget: number
      readonly timeoutMs: number
      /** Tags of hits that are known, see `tagOf`. */
      readonly told: Uint32Array
    }
  | {
      readonly type: 'answer'
      readonly ask: number
      readonly holders: readonly HolderPlace[]
      readonly hits: readonly SharedHit[]
      /** With the last one. */
      readonly account?: AskAccount
    }
  | { readonly type: 'stopAsk'; readonly ask: number }

export type SuperPeerMessageOf<T extends SuperPeerMessage['type']> = Extract<SuperPeerMessage, { type: T }>
