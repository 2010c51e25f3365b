import type { Infohash } from '../core/ids.ts'
import type { Peer } from '../core/peer.ts'
import { type Admission, othersThatHave, refusalOf } from './admission.ts'
import type { Agenda, Appointment } from './agenda.ts'
import { type BrokerConfig, brokerLimits } from './config.ts'
import type { ItemName } from './fields.ts'
import type { HostedItem, HostedItems } from './hosted-items.ts'
import type { BrokerMessage, PlaceOutcome } from './messages.ts'
import type { Offering } from './offering.ts'
import { isOver, itemKey, type Order } from './order.ts'
import type { Outbox } from './outbox.ts'
import type { Rates } from './rates.ts'
import type { Signing } from './signing.ts'
import { ownOf, type Telling } from './telling.ts'

type Message<T extends BrokerMessage['type']> = Extract<BrokerMessage, { type: T }>

/** What this node does for owners: it takes items, has them fetched, keeps them, and lets go of them. */
export class Hosting {
  readonly #config: BrokerConfig
  readonly #outbox: Outbox
  readonly #agenda: Agenda
  readonly #signing: Signing
  readonly #rates: Rates
  readonly #admission: Admission
  readonly #items: HostedItems
  readonly #offering: Offering
  readonly #telling: Telling
  #fetching = 0
  #leaving: Appointment | undefined

  constructor(init: {
    config: BrokerConfig
    outbox: Outbox
    agenda: Agenda
    signing: Signing
    rates: Rates
    items: HostedItems
    offering: Offering
    telling: Telling
  }) {
    this.#config = init.config
    this.#outbox = init.outbox
    this.#agenda = init.agenda
    this.#signing = init.signing
    this.#rates = init.rates
    this.#admission = init
    this.#items = init.items
    this.#offering = init.offering
    this.#telling = init.telling
  }

  /** Goes on with what was being fetched before a restart. */
  start(): void {
    for (const item of this.#items.all()) {
      if (item.hosted.state !== 'fetching') continue
      this.#fetching++
      this.#begin(item)
    }
    this.#sweepLater()
  }

  onPlace(from: Peer, place: Message<'place'>): void {
    const { owner, infohash, seq } = place.order
    const outcome = this.#place(from, place)
    if (outcome === undefined) return
    const placed = { type: 'placed', owner, infohash, seq, outcome, offer: this.#offering.current } as const
    const item = this.#items.get(itemKey(place.order))
    this.#outbox.send(from, item === undefined ? placed : { ...placed, lease: ownOf(this.#items.lease(item)) })
  }

  /** Undefined for one that is not worth an answer. */
  #place(from: Peer, { order, usedBytes, brokers, sources }: Message<'place'>): PlaceOutcome | undefined {
    if (!this.#rates.take(from, 'places', this.#outbox.now)) return 'busy'
    const item = this.#items.get(itemKey(order))
    const check = this.#signing.checkOrder(order, from, item?.hosted.order)
    if (check === 'wrong') return undefined
    if (check !== 'right' || order.copies === 0 || order.owner === this.#outbox.self) return 'old'
    if (item !== undefined) {
      if (order.seq > item.hosted.order.seq) this.#renew(item, order)
      this.#hear(item, [from, ...brokers])
      return item.hosted.state === 'leaving' ? 'closed' : 'holds'
    }
    const refusal = refusalOf(order, usedBytes, this.#fetching, this.#admission)
    if (refusal !== undefined) return refusal
    const right = sources.filter(
      lease => lease.infohash === order.infohash && this.#signing.checkLease(lease, from) === 'right'
    )
    const same = this.#items.at(order.infohash)[0]
    const added = this.#items.add({
      order,
      state: same?.hosted.state === 'held' ? 'held' : 'fetching',
      since: this.#outbox.wallMs,
      brokers: [from, ...brokers.filter(broker => broker !== from)],
      sources: right.map(({ host }) => host)
    })
    this.#offering.onPlacer(from)
    this.#tell(added, from)
    if (added.hosted.state === 'fetching') {
      this.#fetching++
      if (same === undefined) this.#begin(added)
      else this.#watch(added)
      this.#offering.onUsed()
    }
    return 'taken'
  }

  /** A newer order of what is hosted here. */
  onNewer(from: Peer, order: Order): void {
    const item = this.#items.get(itemKey(order))
    if (item === undefined) {
      this.#telling.gone(order, itemKey(order), from)
      return
    }
    const { hosted } = item
    if (order.seq < hosted.order.seq || this.#signing.checkOrder(order, from, hosted.order) !== 'right') return
    if (order.copies === 0) this.#let(item)
    else {
      if (order.seq > hosted.order.seq) this.#renew(item, order)
      this.#hear(item, [from])
      this.#telling.changed(itemKey(order), from)
    }
  }

  /** Nobody has to be believed: the order says that it is dropped, or others have signed that they have it. */
  onRelease(from: Peer, { order, others }: Message<'release'>): void {
    const item = this.#items.get(itemKey(order))
    if (item === undefined || order.copies === 0) {
      this.onNewer(from, order)
      return
    }
    if (!this.#items.brokersOf(item).includes(from)) return
    if (this.#signing.checkOrder(order, from, item.hosted.order) !== 'right' || order.seq < item.hosted.order.seq)
      return
    if (othersThatHave(item, others, from, this.#outbox.self, this.#signing) < order.copies) return
    const brokers = this.#items.brokersOf(item)
    this.#let(item)
    // a broker that does not know these would have the next host fetch it
    const { owner, infohash } = order
    for (const broker of brokers) {
      if (broker !== from) this.#outbox.send(broker, { type: 'shown', owner, infohash, leases: others })
    }
  }

  onLacking(from: Peer, items: readonly ItemName[]): void {
    for (const name of items) {
      const item = this.#items.get(itemKey(name))
      if (item === undefined || !this.#items.brokersOf(item).includes(from)) continue
      // those that placed it first: they are the ones that another broker may not know
      const brokers = [...new Set([...item.hosted.brokers, ...this.#items.brokersOf(item)])]
        .filter(broker => broker !== from)
        .slice(0, brokerLimits.maxNamed)
      this.#outbox.send(from, { type: 'order', order: item.hosted.order, brokers })
    }
  }

  onProgress(infohash: Infohash): void {
    for (const item of this.#fetchingOf(infohash)) this.#watch(item)
  }

  onFetched(infohash: Infohash, bytes: number): void {
    for (const item of this.#fetchingOf(infohash)) {
      if (bytes > item.hosted.order.size) this.#let(item)
      else this.#enter(item, 'held')
    }
  }

  onFailed(infohash: Infohash, isPermanent: boolean): void {
    for (const item of this.#fetchingOf(infohash)) this.#onFailure(item, isPermanent)
  }

  /** What was held is not there any more. */
  onLost(infohash: Infohash): void {
    const items = this.#items.at(infohash).filter(({ hosted }) => hosted.state !== 'fetching')
    for (const item of items) {
      item.attempts = 0
      this.#fetching++
      this.#enter(item, 'fetching')
    }
    if (items[0] !== undefined) this.#begin(items[0])
  }

  leave(): void {
    if (this.#leaving !== undefined) return
    const { now } = this.#outbox
    this.#offering.leave()
    this.#leaving = this.#agenda.at(now, now + this.#config.leaveMs, () => this.#left())
    for (const item of [...this.#items.all()]) {
      if (item.hosted.state === 'fetching') this.#let(item)
      else this.#enter(item, 'leaving')
    }
    if (this.#items.size === 0) this.#left()
  }

  /** It offers again: what was to go stays. */
  stay(): void {
    if (this.#leaving === undefined) return
    this.#agenda.cancel(this.#leaving)
    this.#leaving = undefined
    for (const item of this.#items.all()) if (item.hosted.state === 'leaving') this.#enter(item, 'held')
  }

  onBrokers(): void {
    for (const item of this.#items.all()) {
      const before = item.brokers
      const after = this.#items.brokersOf(item)
      for (const broker of after)
        if (!before.includes(broker)) this.#telling.changed(itemKey(item.hosted.order), broker)
    }
  }

  #fetchingOf(infohash: Infohash): HostedItem[] {
    return this.#items.at(infohash).filter(({ hosted }) => hosted.state === 'fetching')
  }

  #begin(item: HostedItem): void {
    const { order, sources } = item.hosted
    item.attempts++
    this.#watch(item)
    const { infohash, size, owner } = order
    this.#outbox.tell({ type: 'fetch', infohash, size, owner, sources: [...new Set([owner, ...sources])] })
  }

  #watch(item: HostedItem): void {
    const { now } = this.#outbox
    this.#agenda.cancel(item.limit)
    item.limit = this.#agenda.at(now, now + this.#config.stallMs, () => this.#onFailure(item, false))
  }

  #onFailure(item: HostedItem, isPermanent: boolean): void {
    this.#agenda.cancel(item.limit)
    if (isPermanent || item.attempts >= this.#config.fetchAttempts) {
      this.#let(item)
      return
    }
    const { now } = this.#outbox
    const pauseMs = this.#config.fetchPauseMs * 2 ** (item.attempts - 1)
    item.limit = this.#agenda.at(now, now + pauseMs, () => this.#begin(item))
  }

  #enter(item: HostedItem, state: 'fetching' | 'held' | 'leaving'): void {
    this.#agenda.cancel(item.limit)
    item.limit = undefined
    if (item.hosted.state === 'fetching' && state !== 'fetching') this.#fetching--
    this.#items.change(item, { state, since: this.#outbox.wallMs })
    this.#tell(item)
  }

  #renew(item: HostedItem, order: Order): void {
    // a newer order does not make more of what there is
    if (order.size !== item.hosted.order.size) return
    this.#items.change(item, { order })
    this.#tell(item)
  }

  #hear(item: HostedItem, brokers: readonly Peer[]): void {
    const known = this.#items.brokersOf(item)
    const news = brokers.filter(broker => !known.includes(broker))
    if (news.length === 0) return
    this.#items.change(item, { brokers: [...news, ...item.hosted.brokers].slice(0, brokerLimits.maxHeard) })
    item.version = -1
    this.#tell(item)
  }

  /** To all its brokers but for one that hears of it otherwise. */
  #tell(item: HostedItem, except?: Peer): void {
    for (const broker of this.#items.brokersOf(item)) {
      if (broker !== except) this.#telling.changed(itemKey(item.hosted.order), broker)
    }
  }

  /** Deletes it, unless another owner wants the same. */
  #let(item: HostedItem): void {
    const { order, state } = item.hosted
    const brokers = this.#items.brokersOf(item)
    this.#agenda.cancel(item.limit)
    if (state === 'fetching') this.#fetching--
    this.#items.remove(item)
    for (const broker of brokers) this.#telling.gone(order, itemKey(order), broker)
    if (this.#items.at(order.infohash).length === 0) this.#outbox.tell({ type: 'release', infohash: order.infohash })
    this.#offering.onUsed()
    if (this.#leaving !== undefined && this.#items.size === 0) this.#left()
  }

  #left(): void {
    this.#agenda.cancel(this.#leaving)
    this.#leaving = undefined
    this.#outbox.tell({ type: 'leftHosting', left: this.#items.size })
  }

  /** What nobody has renewed for the whole life of an order is nobody's any more. */
  #sweepLater(): void {
    const { now } = this.#outbox
    this.#agenda.at(now, now + this.#config.sweepMs, () => {
      const { wallMs } = this.#outbox
      for (const item of [...this.#items.all()]) if (isOver(item.hosted.order.expires, wallMs)) this.#let(item)
      this.#sweepLater()
    })
  }
}
