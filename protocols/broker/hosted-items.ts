import type { Infohash } from '../core/ids.ts'
import type { Peer } from '../core/peer.ts'
import type { Appointment } from './agenda.ts'
import { type BrokerConfig, brokerLimits } from './config.ts'
import type { KnownBrokers } from './known-brokers.ts'
import { type Lease, type LeaseDigest, leaseDigest } from './lease.ts'
import { type ItemKey, itemKey } from './order.ts'
import type { Outbox } from './outbox.ts'
import type { Signing } from './signing.ts'
import type { BrokerStore, Hosted } from './store.ts'
import type { Told } from './telling.ts'

export interface HostedItem {
  hosted: Hosted
  /** Signed when it is first told. */
  lease: Lease | undefined
  /** Who is told of it, and by which version of the list of brokers. */
  brokers: readonly Peer[]
  version: number
  /** Of a fetch: attempts so far; when nothing was heard of it for too long, or when it is tried again. */
  attempts: number
  limit: Appointment | undefined
}

/** What this node hosts, and what it takes of the offer. */
export class HostedItems implements Told {
  readonly #config: BrokerConfig
  readonly #outbox: Outbox
  readonly #brokers: KnownBrokers
  readonly #signing: Signing
  readonly #store: BrokerStore
  readonly #domain: () => string
  readonly #items = new Map<ItemKey, HostedItem>() // BOUNDED by maxHosted
  /** Several owners may have ordered one infohash: the bytes are there once. */
  readonly #byInfohash = new Map<Infohash, { readonly items: Set<HostedItem>; bytes: number }>()
  readonly #ofOwner = new Map<Peer, { items: number; bytes: number }>()
  /** What all of it takes. */
  bytes = 0

  constructor(init: {
    config: BrokerConfig
    outbox: Outbox
    brokers: KnownBrokers
    signing: Signing
    store: BrokerStore
    domain: () => string
  }) {
    this.#config = init.config
    this.#outbox = init.outbox
    this.#brokers = init.brokers
    this.#signing = init.signing
    this.#store = init.store
    this.#domain = init.domain
    for (const hosted of this.#store.readHosted()) this.#insert(hosted)
  }

  get size(): number {
    return this.#items.size
  }

  get(key: ItemKey): HostedItem | undefined {
    return this.#items.get(key)
  }

  all(): Iterable<HostedItem> {
    return this.#items.values()
  }

  at(infohash: Infohash): readonly HostedItem[] {
    return [...(this.#byInfohash.get(infohash)?.items ?? [])]
  }

  ofOwner(owner: Peer): { readonly items: number; readonly bytes: number } {
    return this.#ofOwner.get(owner) ?? { items: 0, bytes: 0 }
  }

  add(hosted: Hosted): HostedItem {
    this.#store.putHosted(hosted)
    return this.#insert(hosted)
  }

  /** Its order or its state is another one from now on. */
  change(item: HostedItem, change: Partial<Hosted>): void {
    item.hosted = { ...item.hosted, ...change }
    item.lease = undefined
    this.#store.putHosted(item.hosted)
  }

  remove(item: HostedItem): void {
    const { order } = item.hosted
    this.#store.deleteHosted(order.owner, order.infohash)
    this.#items.delete(itemKey(order))
    const same = this.#byInfohash.get(order.infohash)
    same?.items.delete(item)
    this.#count(order.infohash)
    const its = this.#ofOwner.get(order.owner) as { items: number; bytes: number }
    its.items--
    its.bytes -= order.size
    if (its.items === 0) this.#ofOwner.delete(order.owner)
  }

  /** Those who are told of an item: its brokers as this node knows them, and those that its placing named. */
  brokersOf(item: HostedItem): readonly Peer[] {
    if (item.version !== this.#brokers.version) {
      const known = this.#brokers.ofItem(item.hosted.order.infohash, this.#config.brokers)
      item.brokers = [...new Set([...known, ...item.hosted.brokers])]
      item.version = this.#brokers.version
    }
    return item.brokers
  }

  leaseOf(key: ItemKey): Lease | undefined {
    const item = this.#items.get(key)
    return item === undefined ? undefined : this.lease(item)
  }

  lease(item: HostedItem): Lease {
    const domain = this.#domain()
    if (item.lease !== undefined && item.lease.domain === domain && this.#signing.isFresh(item.lease)) return item.lease
    const { order, state, since } = item.hosted
    const { owner, infohash, seq } = order
    item.lease = this.#signing.lease({ host: this.#outbox.self, owner, infohash, seq, state, since, domain })
    return item.lease
  }

  leasesFor(broker: Peer): Lease[] {
    return [...this.#items.values()].filter(item => this.brokersOf(item).includes(broker)).map(item => this.lease(item))
  }

  digestFor(broker: Peer): LeaseDigest {
    const told = [...this.#items.values()].filter(item => this.brokersOf(item).includes(broker))
    return leaseDigest(told.map(({ hosted: { order, state } }) => ({ ...order, state })))
  }

  ageing(): [ItemKey, readonly Peer[]][] {
    return [...this.#items]
      .filter(([, { lease }]) => lease === undefined || !this.#signing.isFresh(lease))
      .map(([key, item]) => [key, this.brokersOf(item)])
  }

  brokers(): Set<Peer> {
    return new Set([...this.#items.values()].flatMap(item => this.brokersOf(item)))
  }

  /** What one infohash takes: the most that any of its owners says. */
  #count(infohash: Infohash): void {
    const same = this.#byInfohash.get(infohash)
    if (same === undefined) return
    const bytes = [...same.items].reduce((most, { hosted }) => Math.max(most, hosted.order.size), 0)
    this.bytes += bytes - same.bytes
    same.bytes = bytes
    if (same.items.size === 0) this.#byInfohash.delete(infohash)
  }

  #insert(hosted: Hosted): HostedItem {
    const { order } = hosted
    const brokers = hosted.brokers.slice(0, brokerLimits.maxHeard)
    const item = {
      hosted: { ...hosted, brokers },
      lease: undefined,
      brokers: [],
      version: -1,
      attempts: 0,
      limit: undefined
    }
    this.#items.set(itemKey(order), item)
    const same = this.#byInfohash.get(order.infohash) ?? { items: new Set(), bytes: 0 }
    same.items.add(item)
    this.#byInfohash.set(order.infohash, same)
    this.#count(order.infohash)
    const its = this.#ofOwner.get(order.owner) ?? { items: 0, bytes: 0 }
    this.#ofOwner.set(order.owner, { items: its.items + 1, bytes: its.bytes + order.size })
    return item
  }
}
