import { BoundedMap } from '../core/bounded-map.ts'
import type { Infohash } from '../core/ids.ts'
import type { Peer } from '../core/peer.ts'
import { type BrokerConfig, brokerLimits } from './config.ts'
import type { Hosts } from './hosts.ts'
import type { Item, Known } from './item.ts'
import type { Items } from './items.ts'
import type { KnownBrokers } from './known-brokers.ts'
import type { Lease } from './lease.ts'
import type { BrokerMessage, OrderOutcome } from './messages.ts'
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
    if (outcome === 'notMine') this.#outbox.send(from, { type: 'shown', owner, infohash, leases: [] })
    if (item === undefined || (outcome !== 'taken' && outcome !== 'same')) return
    item.touchedAt = now
    if (from === owner) {
      this.#items.hear(item, brokers)
      item.named = brokers
      if (before !== undefined) this.#onOwner(item)
      return
    }
    const isKnown = this.#items.ranked(item).includes(from) || this.#brokers.peers.includes(from)
    if (item.leases.has(from)) this.#items.hear(item, brokers)
    else if (isKnown) this.#items.hear(item, [...brokers, from])
    if (before !== undefined) this.show(item, from)
    if (item.order.seq > seq) this.#outbox.send(from, this.#items.orderMessage(item))
  }

  /**
   * Hosts that another broker names. It is not believed: they are asked, and tell this node from then on. A lease that is
   * signed is the reason to ask at all.
   */
  onShown(from: Peer, { owner, infohash, leases }: Message<'shown'>): void {
    const { now } = this.#outbox
    const item = this.#items.get(itemKey({ owner, infohash }))
    if (item === undefined || !this.#rates.take(from, 'leases', now, leases.length)) return
    item.consulted?.waiting.delete(from)
    for (const lease of leases) {
      const known = item.leases.get(lease.host)
      if (itemKey(lease) !== item.key || this.#items.isDown(lease.host)) continue
      if (known !== undefined && this.#items.isLive(lease.host, known)) continue
      if (this.#signing.checkLease(lease, from, known?.lease) !== 'right') continue
      item.consulted?.waiting.add(lease.host)
      this.#outbox.send(lease.host, { type: 'newer', order: item.order })
    }
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
    item.consulted?.waiting.delete(from)
    const now = this.#items.know(item, lease, this.#outbox.now)
    if (now !== undefined && report !== 0) now.report = report
    if (lease.state === 'held') item.failures = 0
    return true
  }

  #onGone(host: Peer, item: Item | undefined): void {
    const known = item?.leases.get(host)
    if (item?.consulted?.waiting.delete(host)) this.#items.mark(item)
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
    const isHost = this.#early.has(`${itemKey(order)}/${from}`)
    // another broker only asks what is known of it: who is no broker of it does not become one by that
    if (from !== order.owner && !isHost && !this.#isBrokerOf(order.infohash)) return 'notMine'
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

  #isBrokerOf(infohash: Infohash): boolean {
    return this.#brokers.ofItem(infohash, this.#config.brokers).includes(this.#outbox.self)
  }

  #refusalOf(owner: Peer): 'quota' | 'full' | undefined {
    if (this.#items.ofOwner(owner).size >= this.#config.ownerOrders) return 'quota'
    return this.#items.size >= this.#config.maxOrders ? 'full' : undefined
  }

  /** Says who has it to another broker of it. */
  show(item: Item, to: Peer): void {
    const { owner, infohash } = item.order
    const leases = [...item.leases]
      .filter(([host, known]) => this.#items.isLive(host, known))
      .slice(0, brokerLimits.maxShown)
      .map(([, { lease }]) => lease)
    this.#outbox.send(to, { type: 'shown', owner, infohash, leases })
  }
}
