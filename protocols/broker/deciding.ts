import type { Peer } from '../core/peer.ts'
import type { BrokerConfig } from './config.ts'
import { brokerLimits } from './config.ts'
import type { Item, Known } from './item.ts'
import type { Items } from './items.ts'
import type { Keeping } from './keeping.ts'
import type { Outbox } from './outbox.ts'
import type { Placing } from './placing.ts'
import type { Reporting } from './reporting.ts'
import { type Copy, counted, isCrowded, keptOf, surplusOf } from './surplus.ts'

/** A crowded item is looked at again after so long, when no new host was heard of. */
const APART_MS = 60_000

/**
 * What is to be done for an item: more copies, fewer, others, or nothing; and whether it is this node that does it. The
 * first broker acts at once. The others wait for it to, each `takeoverMs` longer than the one before, and ask it what
 * it knows before they do: so it does not matter whether a broker is gone, cut off, or only says that it is one.
 */
export class Deciding {
  readonly #config: BrokerConfig
  readonly #outbox: Outbox
  readonly #items: Items
  readonly #keeping: Keeping
  readonly #placing: Placing
  readonly #reporting: Reporting

  constructor(init: {
    config: BrokerConfig
    outbox: Outbox
    items: Items
    keeping: Keeping
    placing: Placing
    reporting: Reporting
  }) {
    this.#config = init.config
    this.#outbox = init.outbox
    this.#items = init.items
    this.#keeping = init.keeping
    this.#placing = init.placing
    this.#reporting = init.reporting
  }

  decide(item: Item): void {
    if (item.order.copies === 0) this.#drop(item)
    else this.#keep(item)
    this.#items.setOpen(item, item.pending.size > 0 || item.needSince !== undefined || item.surplusSince !== undefined)
    this.#reporting.onChange(item)
  }

  #keep(item: Item): void {
    const { copies: wanted } = item.order
    const copies = this.#items.copies(item)
    const live = counted(copies)
    const held = live.filter(({ state }) => state === 'held')
    const missing = wanted - live.length - item.pending.size
    item.isCrowded = isCrowded(keptOf(live, wanted))
    const rank = this.#items.rank(item)
    if (live.length >= wanted) {
      item.needSince = undefined
      item.consulted = undefined
      item.isFresh = false
      if (item.pending.size === 0) this.#placing.rest(item)
    } else if (missing > 0 && this.#mayAct(item, rank)) this.#placing.place(item, missing, live)
    if (rank !== 0) {
      this.#showSurplus(item, copies, wanted)
      return
    }
    this.#renewOrders(item)
    if (item.pending.size > 0) return
    this.#releaseSurplus(item, copies, wanted)
    if (item.isCrowded && missing <= 0 && held.length === live.length) this.#moveApart(item, live)
  }

  /** Whether it is this node's turn to do something about copies that are missing. */
  #mayAct(item: Item, rank: number): boolean {
    const { takeoverMs, roomAnswerMs } = this.#config
    const { now } = this.#outbox
    item.needSince ??= now
    // who names many brokers only makes it slower
    const turnMs = Math.min(rank, brokerLimits.maxTurn) * takeoverMs
    const turnAt = item.needSince + turnMs
    if (item.isFresh && rank === 0) return true
    // the others are asked when half of the time is over: mostly they have done something before
    const askAt = item.needSince + turnMs / 2
    if (now < askAt) {
      this.#items.later(item, askAt)
      return false
    }
    item.consulted ??= this.#consult(item, now + roomAnswerMs)
    const { waiting, untilMs } = item.consulted
    for (const peer of waiting) if (this.#items.isDown(peer)) waiting.delete(peer)
    const readyAt = Math.max(turnAt, waiting.size > 0 ? untilMs : 0)
    if (now >= readyAt) return true
    this.#items.later(item, readyAt)
    return false
  }

  #consult(item: Item, untilMs: number): { waiting: Set<Peer>; untilMs: number } {
    const others = this.#items.ranked(item).filter(peer => peer !== this.#outbox.self && !this.#items.isDown(peer))
    const asked = others.slice(0, brokerLimits.maxNamed)
    for (const peer of asked) this.#outbox.send(peer, this.#items.orderMessage(item))
    return { waiting: new Set(asked), untilMs }
  }

  #releaseSurplus(item: Item, copies: readonly Copy[], wanted: number): void {
    const { now } = this.#outbox
    const failed = copies.filter(({ host }) => item.leases.get(host)?.isFailed)
    const held = counted(copies).filter(({ state }) => state === 'held')
    const surplus = [...surplusOf(copies, wanted), ...(held.length >= wanted ? failed : [])]
    if (surplus.length === 0) {
      item.surplusSince = undefined
      return
    }
    item.surplusSince ??= now
    // nothing is lost with one that has only begun, and it goes on moving bytes
    const isEarly = surplus.some(({ state }) => state === 'fetching')
    const dueAt =
      item.surplusSince + (isEarly ? Math.min(this.#config.surplusMs, this.#config.statusMs) : this.#config.surplusMs)
    if (now < dueAt) {
      this.#items.later(item, dueAt)
      return
    }
    for (const { host, state } of surplus) {
      if (state === 'fetching' || now >= item.surplusSince + this.#config.surplusMs) {
        this.#release(item, host, surplus)
      }
    }
    this.#items.later(item, now + Math.max(1, this.#config.surplusMs))
  }

  /** The first broker may not know of all: it is for it to release one, so it is shown them. */
  #showSurplus(item: Item, copies: readonly Copy[], wanted: number): void {
    const { now } = this.#outbox
    if (surplusOf(copies, wanted).length === 0) {
      item.surplusSince = undefined
      return
    }
    item.surplusSince ??= now
    const dueAt = Math.max(item.surplusSince + 2 * this.#config.surplusMs, item.shownAt + this.#config.leaseMs)
    if (now < dueAt) {
      this.#items.later(item, dueAt)
      return
    }
    item.shownAt = now
    const first = this.#items.ranked(item).find(peer => !this.#items.isDown(peer)) as Peer
    this.#outbox.send(first, this.#items.orderMessage(item))
    this.#keeping.show(item, first)
    this.#items.later(item, now + this.#config.leaseMs)
  }

  #release(item: Item, host: Peer, surplus: readonly Copy[]): void {
    const known = item.leases.get(host)
    if (known === undefined || !this.#isDue(known.releasedAt)) return
    known.releasedAt = this.#outbox.now
    const going = new Set(surplus.map(copy => copy.host))
    const others = [...item.leases]
      .filter(([other, one]) => !going.has(other) && this.#items.isLive(other, one))
      .slice(0, brokerLimits.maxShown)
      .map(([, { lease }]) => lease)
    this.#outbox.send(host, { type: 'release', order: item.order, others })
  }

  #moveApart(item: Item, live: readonly Copy[]): void {
    const { now } = this.#outbox
    if (now < item.apartAt) return
    item.apartAt = now + APART_MS
    this.#placing.placeApart(item, live)
  }

  /** Each broker tells those hosts that it knows of: the owner's word is enough, and it does no harm twice. */
  #drop(item: Item): void {
    this.#placing.rest(item)
    item.needSince = undefined
    item.isCrowded = false
    for (const [host, known] of item.leases) {
      if (this.#items.isDown(host) || !this.#isDue(known.releasedAt)) continue
      known.releasedAt = this.#outbox.now
      this.#outbox.send(host, { type: 'release', order: item.order, others: [] })
      this.#items.later(item, this.#outbox.now + Math.max(1_000, this.#config.surplusMs))
    }
  }

  /** Hosts keep the newest order: with it they know how long it lasts, and can tell brokers that know nothing. */
  #renewOrders(item: Item): void {
    for (const [host, known] of item.leases) {
      if (known.lease.seq >= item.order.seq || !this.#items.isLive(host, known)) continue
      if (!this.#isDue(known.renewedAt)) continue
      known.renewedAt = this.#outbox.now
      this.#outbox.send(host, { type: 'newer', order: item.order })
    }
  }

  #isDue(lastAt: Known['releasedAt']): boolean {
    return lastAt === undefined || this.#outbox.now - lastAt >= Math.max(1_000, this.#config.surplusMs)
  }
}
