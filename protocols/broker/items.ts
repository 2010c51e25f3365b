import type { Peer } from '../core/peer.ts'
import type { Agenda } from './agenda.ts'
import { type BrokerConfig, brokerLimits } from './config.ts'
import type { Hosts } from './hosts.ts'
import { type Item, type Known, newItem, type Watch } from './item.ts'
import type { KnownBrokers } from './known-brokers.ts'
import type { Lease } from './lease.ts'
import type { BrokerMessage } from './messages.ts'
import { type ItemKey, itemKey, type Order } from './order.ts'
import type { Outbox } from './outbox.ts'
import type { Reach } from './reach.ts'
import type { BrokerStore } from './store.ts'
import type { Copy } from './surplus.ts'

/** The items that this node is a broker of, and who hosts them. What changes is looked at again at the end of the input. */
export class Items {
  readonly #config: BrokerConfig
  readonly #outbox: Outbox
  readonly #agenda: Agenda
  readonly #brokers: KnownBrokers
  readonly #reach: Reach
  readonly #hosts: Hosts
  readonly #store: BrokerStore
  readonly #items = new Map<ItemKey, Item>() // BOUNDED by maxOrders
  readonly #ofOwner = new Map<Peer, Set<Item>>() // BOUNDED by the items
  readonly #watches = new Map<Peer, Watch>() // BOUNDED by the leases of the items
  readonly #changed = new Set<Item>() // BOUNDED by the items
  /** Those for which something is under way or waits for somebody. BOUNDED by the items. */
  readonly #open = new Set<Item>()

  constructor(init: {
    config: BrokerConfig
    outbox: Outbox
    agenda: Agenda
    brokers: KnownBrokers
    reach: Reach
    hosts: Hosts
    store: BrokerStore
  }) {
    this.#config = init.config
    this.#outbox = init.outbox
    this.#agenda = init.agenda
    this.#brokers = init.brokers
    this.#reach = init.reach
    this.#hosts = init.hosts
    this.#store = init.store
    for (const order of this.#store.readOrders()) this.#insert(order, false)
    for (const lease of [...this.#store.readLeases()]) {
      const item = this.#items.get(itemKey(lease))
      if (item === undefined) this.#store.deleteLease(lease.host, lease.owner, lease.infohash)
      else this.#know(item, lease, this.#outbox.now)
    }
  }

  get size(): number {
    return this.#items.size
  }

  get(key: ItemKey): Item | undefined {
    return this.#items.get(key)
  }

  all(): Iterable<Item> {
    return this.#items.values()
  }

  ofOwner(owner: Peer): ReadonlySet<Item> {
    return this.#ofOwner.get(owner) ?? new Set()
  }

  watch(host: Peer): Watch | undefined {
    return this.#watches.get(host)
  }

  watches(): ReadonlyMap<Peer, Watch> {
    return this.#watches
  }

  add(order: Order, isFresh: boolean): Item {
    this.#store.putOrder(order)
    return this.#insert(order, isFresh)
  }

  renew(item: Item, order: Order): void {
    item.order = order
    this.#store.putOrder(order)
    this.mark(item)
  }

  remove(item: Item): void {
    const { owner, infohash } = item.order
    for (const host of [...item.leases.keys()]) this.forget(item, host)
    for (const limit of [...item.pending.values(), item.timer, item.status]) this.#agenda.cancel(limit)
    this.#store.deleteOrder(owner, infohash)
    this.#items.delete(item.key)
    this.#changed.delete(item)
    this.#open.delete(item)
    const its = this.#ofOwner.get(owner)
    its?.delete(item)
    if (its?.size === 0) this.#ofOwner.delete(owner)
  }

  /** A checked lease. Undefined when there are too many of the item. */
  know(item: Item, lease: Lease, heardAt: number): Known | undefined {
    const known = item.leases.get(lease.host)
    if (known === undefined && item.leases.size >= brokerLimits.maxLeases && !this.#makeRoom(item)) return undefined
    this.mark(item)
    if (known === undefined) {
      this.#store.putLease(lease)
      return this.#know(item, lease, heardAt)
    }
    if (known.lease !== lease) this.#store.putLease(lease)
    if (lease.since !== known.lease.since && !this.#hosts.isDistrusted(lease.host)) known.isFailed = false
    known.lease = lease
    known.heardAt = Math.max(known.heardAt, heardAt)
    return known
  }

  forget(item: Item, host: Peer): void {
    if (!item.leases.delete(host)) return
    this.#store.deleteLease(host, item.order.owner, item.order.infohash)
    const watch = this.#watches.get(host)
    watch?.items.delete(item)
    if (watch?.items.size === 0) this.#watches.delete(host)
    this.mark(item)
  }

  mark(item: Item): void {
    this.#changed.add(item)
  }

  markHost(host: Peer): void {
    for (const item of this.#watches.get(host)?.items ?? []) this.#changed.add(item)
  }

  markAll(): void {
    for (const item of this.#items.values()) this.#changed.add(item)
  }

  /** Looks at it again then, or before. */
  later(item: Item, atMs: number): void {
    if (item.timer !== undefined && item.timer.atMs <= atMs) return
    this.#agenda.cancel(item.timer)
    item.timer = this.#agenda.at(this.#outbox.now, atMs, () => {
      item.timer = undefined
      this.mark(item)
    })
  }

  /** To be said after each look at it. */
  setOpen(item: Item, isOpen: boolean): void {
    if (isOpen) this.#open.add(item)
    else this.#open.delete(item)
  }

  open(): Iterable<Item> {
    return this.#open
  }

  takeChanged(): Item[] {
    const changed = [...this.#changed]
    this.#changed.clear()
    return changed
  }

  /** Brokers that others named. */
  hear(item: Item, peers: readonly Peer[]): void {
    const news = peers.filter(peer => peer !== this.#outbox.self && !item.heard.includes(peer))
    if (news.length === 0) return
    item.heard = [...item.heard, ...news].slice(-brokerLimits.maxHeard)
    item.ranked = undefined
  }

  /** Its brokers, the first to act first; this node is always one of them. */
  ranked(item: Item): readonly Peer[] {
    if (item.ranked?.version !== this.#brokers.version) {
      const { infohash } = item.order
      const known = this.#brokers.ofItem(infohash, this.#config.brokers)
      const peers = this.#brokers.rank(new Set([...known, ...item.heard, this.#outbox.self]), infohash)
      item.ranked = { version: this.#brokers.version, peers }
    }
    return item.ranked.peers
  }

  orderMessage(item: Item): Extract<BrokerMessage, { type: 'order' }> {
    return { type: 'order', order: item.order, brokers: this.ranked(item).slice(0, brokerLimits.maxNamed) }
  }

  /** How many that are not known to be gone come before this node. */
  rank(item: Item): number {
    const { self } = this.#outbox
    // of what is new only those know whom the owner has told
    const knows = (peer: Peer): boolean => !item.isFresh || item.named.includes(peer)
    return this.ranked(item)
      .filter(peer => peer === self || (!this.#reach.isDown(peer) && knows(peer)))
      .indexOf(self)
  }

  isDown(peer: Peer): boolean {
    return this.#reach.isDown(peer)
  }

  isLive(host: Peer, { heardAt, isFailed }: Known): boolean {
    const { now } = this.#outbox
    const { graceMs, leaseMs } = this.#config
    const downSince = this.#reach.downSince(host)
    if (isFailed || (downSince !== undefined && now >= downSince + graceMs)) return false
    return Math.max(heardAt, this.#watches.get(host)?.stillAt ?? heardAt) + leaseMs > now
  }

  copies(item: Item): Copy[] {
    return [...item.leases].map(([host, known]) => ({
      host,
      state: known.lease.state,
      domains: this.#hosts.domainsOf(host, known.lease.domain),
      isLive: this.isLive(host, known),
      since: known.lease.since,
      weight: this.#brokers.weight(host, item.order.infohash)
    }))
  }

  /** Drops a lease that does not count any more, for one that does. */
  #makeRoom(item: Item): boolean {
    for (const [host, known] of item.leases) {
      if (this.isLive(host, known)) continue
      this.forget(item, host)
      return true
    }
    return false
  }

  #know(item: Item, lease: Lease, heardAt: number): Known {
    const known = { lease, heardAt, isFailed: false, report: 0, releasedAt: undefined, renewedAt: undefined }
    item.leases.set(lease.host, known)
    const watch = this.#watches.get(lease.host) ?? {
      items: new Set(),
      stillAt: Number.NEGATIVE_INFINITY,
      report: undefined
    }
    watch.items.add(item)
    this.#watches.set(lease.host, watch)
    return known
  }

  #insert(order: Order, isFresh: boolean): Item {
    const item = newItem(order, isFresh, this.#outbox.now)
    this.#items.set(item.key, item)
    const its = this.#ofOwner.get(order.owner) ?? new Set()
    this.#ofOwner.set(order.owner, its.add(item))
    this.mark(item)
    return item
  }
}
