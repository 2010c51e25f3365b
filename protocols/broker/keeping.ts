import { BoundedMap } from '../core/bounded-map.ts'
import type { Peer } from '../core/peer.ts'
import { type BrokerConfig, brokerLimits } from './config.ts'
import type { Hosts } from './hosts.ts'
import type { Item, Items, Known } from './items.ts'
import type { KnownBrokers } from './known-brokers.ts'
import type { Lease } from './lease.ts'
import type { BrokerMessage, OrderOutcome, ShownLease } from './messages.ts'
import { itemKey, type Order } from './order.ts'
import type { Outbox } from './outbox.ts'
import type { Rates } from './rates.ts'
import type { Signing } from './signing.ts'

type Message<T extends BrokerMessage['type']> = Extract<BrokerMessage, { type: T }>

/** Leases of items whose orders are not known yet, until their host has sent the order. */
const MAX_EARLY = 4_096
/** An order is news when its owner has made it so short a time ago. */
const FRESH_MS = 60_000

/** What this broker is told: orders by owners, hosts and other brokers, and leases by hosts and other brokers. */
export class Keeping {
  readonly #config: BrokerConfig
  readonly #outbox: Outbox
  readonly #brokers: KnownBrokers
  readonly #signing: Signing
  readonly #rates: Rates
  readonly #items: Items
  readonly #hosts: Hosts
  readonly #early = new BoundedMap<string, Lease>(MAX_EARLY)
  readonly #onOwner: (item: Item) => void

  constructor(init: {
    config: BrokerConfig
    outbox: Outbox
    brokers: KnownBrokers
    signing: Signing
    rates: Rates
    items: Items
    hosts: Hosts
    /** The owner has shown an order that is known: it may not have heard what became of it. */
    onOwner: (item: Item) => void
  }) {
    this.#config = init.config
    this.#outbox = init.outbox
    this.#brokers = init.brokers
    this.#signing = init.signing
    this.#rates = init.rates
    this.#items = init.items
    this.#hosts = init.hosts
    this.#onOwner = init.onOwner
  }

  onOrder(from: Peer, { order, brokers }: Message<'order'>): void {
    const { now } = this.#outbox
    const { owner, infohash, seq } = order
    const before = this.#items.get(itemKey(order))
    const outcome = this.#rates.take(from, 'orders', now) ? this.#take(from, order, before) : 'tooOften'
    if (outcome === undefined) return
    const item = this.#items.get(itemKey(order))
    if (from === owner) this.#outbox.send(from, { type: 'ordered', owner, infohash, seq, outcome })
    if (item === undefined || (outcome !== 'taken' && outcome !== 'same')) return
    item.touchedAt = now
    const isBroker = this.#items.ranked(item).includes(from) || this.#brokers.peers.includes(from)
    if (from === owner || isBroker || item.leases.has(from)) this.#items.hear(item, brokers)
    if (from === owner && before !== undefined) this.#onOwner(item)
    if (from !== owner && isBroker && !item.leases.has(from)) {
      this.#items.hear(item, [from])
      this.#show(item, from)
      if (item.order.seq > seq) {
        const named = this.#items.ranked(item).slice(0, brokerLimits.maxNamed)
        this.#outbox.send(from, { type: 'order', order: item.order, brokers: named })
      }
    }
  }

  /** What another broker knows of an item. */
  onShown(from: Peer, { owner, infohash, leases }: Message<'shown'>): void {
    const { now } = this.#outbox
    const item = this.#items.get(itemKey({ owner, infohash }))
    if (item === undefined || !this.#items.ranked(item).includes(from)) return
    if (!this.#rates.take(from, 'leases', now, leases.length)) return
    for (const { lease, heardMs } of leases) {
      if (itemKey(lease) !== item.key) continue
      const known = item.leases.get(lease.host)
      if (known !== undefined && known.lease.since > lease.since) continue
      if (this.#signing.checkLease(lease, from, known?.lease) !== 'right') continue
      this.#items.know(item, lease, now - Math.min(heardMs, this.#config.leaseMs))
    }
    item.consulted?.waiting.delete(from)
    this.#items.mark(item)
  }

  onLeases(from: Peer, { report, total, leases, gone }: Message<'leases'>): void {
    const { now } = this.#outbox
    if (!this.#rates.take(from, 'leases', now, leases.length + gone.length)) return
    const asked = this.#items.watch(from)?.report
    if (report !== 0 && asked?.id !== report) return
    const lacking = leases.filter(lease => !this.#takeLease(from, { host: from, ...lease }, report))
    if (lacking.length > 0) {
      this.#outbox.send(from, { type: 'lacking', items: lacking.map(({ owner, infohash }) => ({ owner, infohash })) })
    }
    for (const name of gone) this.#onGone(from, this.#items.get(itemKey(name)))
    if (report === 0 || asked === undefined) return
    asked.count += leases.length
    if (total === undefined) return
    // what it did not name it has no more, if nothing got lost on the way
    const watch = this.#items.watch(from)
    if (watch === undefined) return
    watch.report = undefined
    if (asked.count !== total) return
    watch.stillAt = now
    for (const item of [...watch.items]) {
      if (item.leases.get(from)?.report !== report) this.#onGone(from, item)
    }
  }

  /** A lease of its own that a host gave with its answer. */
  onLease(item: Item, lease: Lease): Known | undefined {
    const known = item.leases.get(lease.host)
    if (this.#signing.checkLease(lease, lease.host, known?.lease) !== 'right') return undefined
    return this.#items.know(item, lease, this.#outbox.now)
  }

  /** False when the order is not known. */
  #takeLease(from: Peer, lease: Lease, report: number): boolean {
    const item = this.#items.get(itemKey(lease))
    const known = item?.leases.get(from)
    if (this.#signing.checkLease(lease, from, known?.lease) !== 'right') return true
    if (item === undefined) {
      this.#early.set(`${itemKey(lease)}/${from}`, lease)
      return false
    }
    item.touchedAt = this.#outbox.now
    const now = this.#items.know(item, lease, this.#outbox.now)
    if (now !== undefined && report !== 0) now.report = report
    // the owner's newer order, or its drop, is told by whoever looks at the item
    if (lease.state === 'held' && known?.lease.state === 'fetching') item.failures = 0
    return true
  }

  #onGone(host: Peer, item: Item | undefined): void {
    const known = item?.leases.get(host)
    if (item === undefined || known === undefined) return
    const wasAsked = known.releasedAt !== undefined
    this.#items.forget(item, host)
    if (wasAsked || item.order.copies === 0) return
    this.#hosts.onFailure(host, known.lease.state === 'fetching' ? 0.9 : 0.7)
    if (known.lease.state === 'fetching') {
      item.failures++
      item.tried.add(host)
    }
  }

  #take(from: Peer, order: Order, item: Item | undefined): OrderOutcome | undefined {
    if (item !== undefined && item.order.seq > order.seq) return 'same'
    const check = this.#signing.checkOrder(order, from, item?.order)
    if (check === 'wrong') return undefined
    if (check !== 'right') return check
    if (item !== undefined) {
      if (item.order.seq === order.seq) return 'same'
      this.#items.renew(item, order)
      return 'taken'
    }
    const refusal = this.#refusalOf(order.owner)
    if (refusal !== undefined) return refusal
    const isFresh = from === order.owner && Math.abs(this.#outbox.wallMs - order.seq) < FRESH_MS
    const added = this.#items.add(order, isFresh)
    for (const [key, lease] of [...this.#early]) {
      if (!key.startsWith(added.key)) continue
      this.#early.delete(key)
      this.#items.know(added, lease, this.#outbox.now)
    }
    return 'taken'
  }

  #refusalOf(owner: Peer): 'quota' | 'full' | undefined {
    if (this.#items.ofOwner(owner).size >= this.#config.ownerOrders) return 'quota'
    return this.#items.size >= this.#config.maxOrders ? 'full' : undefined
  }

  #show(item: Item, to: Peer): void {
    const { now } = this.#outbox
    const { owner, infohash } = item.order
    const leases: ShownLease[] = []
    for (const [host, known] of item.leases) {
      if (!this.#items.isLive(host, known) || leases.length === brokerLimits.maxShown) continue
      const heardAt = Math.max(known.heardAt, this.#items.watch(host)?.stillAt ?? 0)
      leases.push({ lease: known.lease, heardMs: Math.max(0, Math.floor(now - heardAt)) })
    }
    this.#outbox.send(to, { type: 'shown', owner, infohash, leases })
  }
}
