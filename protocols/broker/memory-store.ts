import type { Infohash } from '../core/ids.ts'
import type { Peer } from '../core/peer.ts'
import type { Lease } from './lease.ts'
import { type ItemKey, itemKey, type Order } from './order.ts'
import type { BrokerStore, Hosted, Owned } from './store.ts'

/** In memory, for the simulator and for tests. BOUNDED by the limits of the machine that writes it. */
export class MemoryBrokerStore implements BrokerStore {
  readonly #owned = new Map<Infohash, Owned>()
  readonly #orders = new Map<ItemKey, Order>()
  readonly #leases = new Map<string, Lease>()
  readonly #hosted = new Map<ItemKey, Hosted>()

  readOwned(): Iterable<Owned> {
    return this.#owned.values()
  }

  putOwned(owned: Owned): void {
    this.#owned.set(owned.order.infohash, owned)
  }

  deleteOwned(infohash: Infohash): void {
    this.#owned.delete(infohash)
  }

  readOrders(): Iterable<Order> {
    return this.#orders.values()
  }

  putOrder(order: Order): void {
    this.#orders.set(itemKey(order), order)
  }

  deleteOrder(owner: Peer, infohash: Infohash): void {
    this.#orders.delete(itemKey({ owner, infohash }))
  }

  readLeases(): Iterable<Lease> {
    return this.#leases.values()
  }

  putLease(lease: Lease): void {
    this.#leases.set(`${itemKey(lease)}/${lease.host}`, lease)
  }

  deleteLease(host: Peer, owner: Peer, infohash: Infohash): void {
    this.#leases.delete(`${itemKey({ owner, infohash })}/${host}`)
  }

  readHosted(): Iterable<Hosted> {
    return this.#hosted.values()
  }

  putHosted(hosted: Hosted): void {
    this.#hosted.set(itemKey(hosted.order), hosted)
  }

  deleteHosted(owner: Peer, infohash: Infohash): void {
    this.#hosted.delete(itemKey({ owner, infohash }))
  }
}
