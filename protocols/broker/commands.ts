import type { Infohash } from '../core/ids.ts'
import type { Peer } from '../core/peer.ts'
import type { LeaseState } from './lease.ts'

/** What a host has for others. */
export interface Offer {
  /** 0: nothing more is taken; what is held stays. */
  readonly bytes: number
  /** Of these; at least what the hosted items take is counted. */
  readonly usedBytes: number
  /** How long this node has been there, over its restarts. */
  readonly uptimeMs: number
  readonly uploadBytesPerS: number
  /** 0..1. */
  readonly load: number
  /** Names the machine or the network: hosts of one domain fall together. Empty when it is not known. */
  readonly domain: string
}

export type BrokerCommand =
  /** Those who may be brokers, this node perhaps among them. Replaces what was said before. */
  | { readonly type: 'brokers'; readonly peers: readonly Peer[] }
  /** As an owner: see to it that there are so many copies; again with another number to change it. `name` stays here. */
  | {
      readonly type: 'put'
      readonly infohash: Infohash
      readonly size: number
      /** 1..16. */
      readonly copies: number
      readonly name: string
    }
  /** No copies any more. */
  | { readonly type: 'drop'; readonly infohash: Infohash }
  /** Ask the brokers for what they know of one item, or of all. Each answer is an event `copies`. */
  | { readonly type: 'copies'; readonly infohash?: Infohash }
  /** A new home of an old key: ask all brokers for the orders of this node. Events `recovered`, then `recoveryEnded`. */
  | { readonly type: 'recover' }
  /** As a host. To be said again when it changes; the broker decides who has to know. */
  | ({ readonly type: 'offer' } & Offer)
  /** Of a `fetch`: it goes on; so many bytes are there. To be said every few minutes at least. */
  | { readonly type: 'fetching'; readonly infohash: Infohash; readonly bytes: number }
  /** It is complete and verified. */
  | { readonly type: 'fetched'; readonly infohash: Infohash; readonly bytes: number }
  /** It is given up. Without `isPermanent` it is tried again some times. What there is of it is deleted at `release`. */
  | {
      readonly type: 'fetchFailed'
      readonly infohash: Infohash
      readonly reason: string
      readonly isPermanent: boolean
    }
  /** A hosted item is damaged or gone: fetch it again. */
  | { readonly type: 'lost'; readonly infohash: Infohash }
  /** Take nothing more, keep what is held until others hold it, then `leftHosting`. */
  | { readonly type: 'leaveHosting' }
  /** Answer to `audit`. Not given when the host could not be reached: that is found out otherwise. */
  | { readonly type: 'audited'; readonly host: Peer; readonly infohash: Infohash; readonly ok: boolean }

export type FailureCode =
  /** None is known, or none answers. */
  | 'noBrokers'
  /** Nobody offers room. */
  | 'noHosts'
  /** Those who offer have not enough of it, see `missingBytes`. */
  | 'noRoom'
  /** Hosts begin and cannot fetch it: neither the owner nor a copy is there. */
  | 'unfetchable'
  /** Every broker refuses the order, see `reason`. */
  | 'refused'
  /** More items than this node may order. */
  | 'tooMany'
  /** A size, a number of copies or a name that no order can have. */
  | 'invalid'
  /** Nothing was ordered under this infohash. */
  | 'unknown'

/** What hinders more copies. */
export type Problem = 'noHosts' | 'noRoom' | 'unfetchable'

export interface CopyHost {
  readonly peer: Peer
  readonly domain: string
  readonly state: LeaseState
  /** Unix ms. */
  readonly since: number
  /** How long ago the broker heard of it last. */
  readonly heardMs: number
}

export type BrokerEvent =
  // to the owner
  /** What a broker knows; when it changes, and when it was asked. */
  | {
      readonly type: 'copies'
      readonly infohash: Infohash
      readonly hosts: readonly CopyHost[]
      readonly wanted: number
      readonly broker: Peer
      /** Two copies lie in one domain since there are too few domains. */
      readonly isCrowded: boolean
      readonly problem?: Problem
      /** With `noRoom`: what is missing, as the broker knows. */
      readonly missingBytes?: number
    }
  /** As many copies as were ordered are held: once for each order. */
  | { readonly type: 'placed'; readonly infohash: Infohash; readonly copies: number }
  /** No broker knows of a copy any more. */
  | { readonly type: 'dropped'; readonly infohash: Infohash }
  /** `willRetry`: the order stands, and goes on. Said again only when the code changes. */
  | {
      readonly type: 'failed'
      readonly infohash: Infohash
      readonly code: FailureCode
      readonly reason: string
      readonly willRetry: boolean
      readonly missingBytes?: number
    }
  | {
      readonly type: 'recovered'
      readonly infohash: Infohash
      readonly size: number
      readonly copies: number
    }
  | { readonly type: 'recoveryEnded'; readonly orders: number; readonly brokers: number }
  // to the host
  /** Fetch it by the exchange, at most `size` bytes; `sources` have it, the owner perhaps. Said again after a restart. */
  | {
      readonly type: 'fetch'
      readonly infohash: Infohash
      readonly size: number
      readonly owner: Peer
      readonly sources: readonly Peer[]
    }
  /** Delete it, and stop fetching it. */
  | { readonly type: 'release'; readonly infohash: Infohash }
  /** `left`: items that nobody has taken over in time, still here. */
  | { readonly type: 'leftHosting'; readonly left: number }
  // to the broker
  /** Let the host prove a random block of it: `audited`. */
  | {
      readonly type: 'audit'
      readonly host: Peer
      readonly infohash: Infohash
      readonly owner: Peer
      readonly size: number
    }
