import type { Infohash } from '../core/ids.ts'
import type { Peer } from '../core/peer.ts'
import type { Lease, LeaseState } from './lease.ts'
import type { Order } from './order.ts'

/** An order of this node as an owner. */
export interface Owned {
  readonly order: Order
  readonly name: string
  /** The application has been told that all copies are there, or that none is left. */
  readonly isSettled: boolean
}

/** An item that this node hosts. One infohash may be there for several owners; the bytes are kept once. */
export interface Hosted {
  readonly order: Order
  readonly state: LeaseState
  /** Unix ms. */
  readonly since: number
  /** The broker that placed it, and those it named: they hear of it besides those that this node takes for brokers. */
  readonly brokers: readonly Peer[]
  /** Who may have it when the fetch begins anew. */
  readonly sources: readonly Peer[]
}

/**
 * What a broker machine keeps over restarts: it reads all of it once, when it is made, and writes each change at once.
 * All calls are synchronous. Tables with a key each: owned (infohash), orders (owner, infohash), leases (host, owner,
 * infohash), hosted (owner, infohash).
 */
export interface BrokerStore {
  readOwned(): Iterable<Owned>
  putOwned(owned: Owned): void
  deleteOwned(infohash: Infohash): void

  /** Orders of others and of this node, that this node is a broker of. */
  readOrders(): Iterable<Order>
  putOrder(order: Order): void
  /** The leases of it stay, and are deleted one by one. */
  deleteOrder(owner: Peer, infohash: Infohash): void

  readLeases(): Iterable<Lease>
  putLease(lease: Lease): void
  deleteLease(host: Peer, owner: Peer, infohash: Infohash): void

  readHosted(): Iterable<Hosted>
  putHosted(hosted: Hosted): void
  deleteHosted(owner: Peer, infohash: Infohash): void
}
