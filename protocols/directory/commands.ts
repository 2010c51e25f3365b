import type { RingId } from '../core/keyspace.ts'
import type { Peer } from '../core/peer.ts'
import type { Entry } from './entry.ts'
import type { Outcome } from './messages.ts'

/** What the application wants to have published; the node signs it. */
export type Draft =
  /** The key is the payload's SHA-256. */
  | { readonly kind: 'value'; readonly payload: Uint8Array }
  | { readonly kind: 'member'; readonly key: RingId; readonly payload: Uint8Array }
  /** The key follows from this node and the name, see `ownKey`. */
  | { readonly kind: 'own'; readonly name: string; readonly content: Uint8Array }

/** Where a key lies, as the ring answers. */
export interface Found {
  /** This node itself may be it. With `isCached` the node on the way that has a copy. */
  readonly owner: Peer
  /** The owner's successors in order. */
  readonly replicas: readonly Peer[]
  /** The last node before the owner on the way of the lookup. */
  readonly via?: Peer
  readonly isCached?: boolean
}

export type DirectoryCommand =
  /** Publish, and keep it published until `remove`. */
  | { readonly type: 'put'; readonly id: number; readonly entry: Draft }
  /**
   * `careful`: nodes may lie. The owner is looked up by several routes, a replica is asked as well even if the owner knows
   * something, all of them before it is said that there is nothing, and no node on the way.
   */
  | { readonly type: 'get'; readonly id: number; readonly key: RingId; readonly careful?: boolean }
  /** Take back what this node says under the key; with `items`, these of its set, and all when none is left. */
  | {
      readonly type: 'remove'
      readonly id: number
      readonly key: RingId
      readonly items?: readonly Uint8Array[]
    }
  /** Add to the set of items that is this node's `member` under the key. */
  | {
      readonly type: 'append'
      readonly id: number
      readonly key: RingId
      readonly items: readonly Uint8Array[]
    }
  /** Hand over to the successors, then `left`. */
  | { readonly type: 'leave' }
  /** This node's place on the ring. */
  | { readonly type: 'ring'; readonly predecessor: Peer | undefined; readonly successors: readonly Peer[] }
  | ({ readonly type: 'found'; readonly id: number } & Found)
  | { readonly type: 'lookupFailed'; readonly id: number }

export type FailureCode =
  /** The ring does not find the owner, or neither it nor a replica answers. */
  | 'unreachable'
  /** Those who were found say that the key is not theirs: the ring is changing. */
  | 'unsettled'
  /** The owner does not take it. */
  | Exclude<Outcome, 'stored' | 'same' | 'notMine'>
  /** Too much is under way here. */
  | 'busy'
  | 'tooMany'
  /** Nothing is published under the key; what is there is no set. */
  | 'unknown'
  | 'notASet'

export type DirectoryEvent =
  /**
   * To the ring, which answers by `found` or `lookupFailed`. A node on the way that `hasCached` the key may be found.
   * `isCareful`: by several routes, since nodes on the way may lie.
   */
  | {
      readonly type: 'lookup'
      readonly id: number
      readonly key: RingId
      readonly mayBeCached: boolean
      readonly isCareful: boolean
    }
  /** `copies`: nodes that have said that they have it. */
  | { readonly type: 'stored'; readonly id: number; readonly key: RingId; readonly copies: number }
  | {
      readonly type: 'got'
      readonly id: number
      readonly key: RingId
      /** Verified, one of each publisher, none that was taken back. */
      readonly entries: readonly Entry[]
      /** Entries that some node has, of which these are some. */
      readonly total: number
      /** The owner said so, nothing was left out; and of nothing at all, a replica said so too. */
      readonly isComplete: boolean
    }
  /** `willRetry`: it is kept, and tried again. */
  | {
      readonly type: 'failed'
      readonly id: number
      readonly key: RingId
      readonly code: FailureCode
      readonly willRetry: boolean
    }
  | { readonly type: 'left' }
