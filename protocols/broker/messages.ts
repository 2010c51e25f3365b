import type { Infohash } from '../core/ids.ts'
import type { Peer } from '../core/peer.ts'
import type { CopyHost, Offer, Problem } from './commands.ts'
import type { ItemName, OwnLease } from './fields.ts'
import type { Lease, LeaseDigest } from './lease.ts'
import type { Order } from './order.ts'

/** What became of an order at a broker. The first two say that it, or a newer one, is there. */
export const ORDER_OUTCOMES = ['taken', 'same', 'expired', 'future', 'quota', 'full', 'tooOften', 'notMine'] as const
export type OrderOutcome = (typeof ORDER_OUTCOMES)[number]

/** What a host answers to `place`. With the first two there is a lease. */
export const PLACE_OUTCOMES = [
  'taken',
  'holds',
  /** More is used than the broker believes. */
  'stale',
  'noRoom',
  'quota',
  'busy',
  /** It takes nothing now. */
  'closed',
  /** The order is not the newest, or does not count now. */
  'old'
] as const
export type PlaceOutcome = (typeof PLACE_OUTCOMES)[number]

/** An offer of a host that another broker knows. */
export interface HostOffer {
  readonly host: Peer
  readonly offer: Offer
}

export type BrokerMessage =
  /** To a broker: keep it, and act on it together with these. One that has it answers others than owners with `shown`. */
  | { readonly type: 'order'; readonly order: Order; readonly brokers: readonly Peer[] }
  | ({ readonly type: 'ordered'; readonly seq: number; readonly outcome: OrderOutcome } & ItemName)
  /** To another broker: who has it, as far as I know. It asks them. */
  | ({ readonly type: 'shown'; readonly leases: readonly Lease[] } & ItemName)
  /** To a host that may hold it: this is its newest order, and I want to hear of it. */
  | { readonly type: 'newer'; readonly order: Order }
  | { readonly type: 'offer'; readonly offer: Offer }
  /** Which hosts have room for so much? */
  | { readonly type: 'room'; readonly size: number }
  | { readonly type: 'offers'; readonly offers: readonly HostOffer[] }
  /** Host this. `usedBytes`: what the broker believes is used; `sources`: leases of those who have it. */
  | {
      readonly type: 'place'
      readonly order: Order
      readonly usedBytes: number
      readonly brokers: readonly Peer[]
      readonly sources: readonly Lease[]
    }
  | ({
      readonly type: 'placed'
      readonly seq: number
      readonly outcome: PlaceOutcome
      readonly offer: Offer
      readonly lease?: OwnLease
    } & ItemName)
  /** `report` 0: changes. Else a part of the answer to `report`, the last of which says how many there were. */
  | {
      readonly type: 'leases'
      readonly report: number
      readonly total?: number
      readonly leases: readonly OwnLease[]
      readonly gone: readonly ItemName[]
    }
  /** All that I told you is still so. */
  | { readonly type: 'still'; readonly digest: LeaseDigest }
  /** Tell all. */
  | { readonly type: 'report'; readonly id: number }
  /** Tell the orders of these. */
  | { readonly type: 'lacking'; readonly items: readonly ItemName[] }
  /** Delete it: the order says that no copies are wanted, or these others have as many as it wants. */
  | { readonly type: 'release'; readonly order: Order; readonly others: readonly Lease[] }
  /** What do you know of my item? Of all of mine without a name. */
  | { readonly type: 'ask'; readonly infohash?: Infohash }
  | {
      readonly type: 'status'
      readonly infohash: Infohash
      readonly seq: number
      readonly wanted: number
      readonly isCrowded: boolean
      readonly problem?: Problem
      readonly missingBytes: number
      readonly hosts: readonly CopyHost[]
    }
  /** Give me my orders. */
  | { readonly type: 'recover' }
  | { readonly type: 'orders'; readonly isLast: boolean; readonly orders: readonly Order[] }
