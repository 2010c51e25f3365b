import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import type { Agenda } from './agenda.ts'
import { choose, type Domains } from './choice.ts'
import type { Problem } from './commands.ts'
import { type BrokerConfig, brokerLimits } from './config.ts'
import type { Hosts } from './hosts.ts'
import type { Item } from './item.ts'
import type { Items } from './items.ts'
import type { Keeping } from './keeping.ts'
import type { BrokerMessage } from './messages.ts'
import { itemKey } from './order.ts'
import type { Outbox } from './outbox.ts'
import type { Rooms } from './rooms.ts'
import type { Copy } from './surplus.ts'

/** Of an item that hosts begin with and cannot fetch: so many before it is called unfetchable. */
const UNFETCHABLE = 3
/** Paused items that one offer of room wakes. */
const MAX_WOKEN = 50

/** How a copy gets to a host: who is asked, and what follows from the answer. */
export class Placing {
  readonly #config: BrokerConfig
  readonly #outbox: Outbox
  readonly #agenda: Agenda
  readonly #rng: Rng
  readonly #items: Items
  readonly #hosts: Hosts
  readonly #rooms: Rooms
  readonly #keeping: Keeping
  /** Items that wait for other brokers to say what room there is, and those that wait for room. BOUNDED by the items. */
  readonly #waiting = new Set<Item>()
  readonly #paused = new Set<Item>()
  /** Copies that were asked for since the start: decisions. */
  decisions = 0

  constructor(init: {
    config: BrokerConfig
    outbox: Outbox
    agenda: Agenda
    rng: Rng
    items: Items
    hosts: Hosts
    rooms: Rooms
    keeping: Keeping
  }) {
    this.#config = init.config
    this.#outbox = init.outbox
    this.#agenda = init.agenda
    this.#rng = init.rng
    this.#items = init.items
    this.#hosts = init.hosts
    this.#rooms = init.rooms
    this.#keeping = init.keeping
  }

  /** Asks hosts to take so many more copies; `copies` are those that count. */
  place(item: Item, missing: number, copies: readonly Copy[]): void {
    const { now } = this.#outbox
    if (now < item.pausedUntil) {
      this.#items.later(item, item.pausedUntil)
      return
    }
    if (!this.#rooms.isReady(item.order.size)) {
      this.#waiting.add(item)
      return
    }
    if (item.failures >= UNFETCHABLE && item.pausedFor !== item.failures) {
      item.pausedFor = item.failures
      item.pauseMs = (this.#config.retryMs / 16) * 2 ** (item.failures - UNFETCHABLE)
      this.#pause(item, 'unfetchable', 0)
      return
    }
    for (let i = 0; i < missing; i++) {
      if (item.tries >= brokerLimits.maxTries) {
        this.#pause(item, 'noRoom', item.order.size)
        return
      }
      const choice = this.#choose(item, copies, false)
      if (choice.type === 'host') this.#ask(item, choice.candidate.peer)
      else {
        const isFull = choice.type === 'noRoom' || item.tried.size > 0
        const missingBytes = choice.type === 'noRoom' ? choice.missingBytes : item.order.size
        this.#pause(item, isFull ? 'noRoom' : 'noHosts', isFull ? missingBytes : 0)
        return
      }
    }
  }

  /** One more that lies apart from all the others, if there is a host for it. */
  placeApart(item: Item, copies: readonly Copy[]): void {
    if (!this.#rooms.isReady(item.order.size)) {
      this.#waiting.add(item)
      return
    }
    const choice = this.#choose(item, copies, true)
    if (choice.type === 'host') this.#ask(item, choice.candidate.peer)
  }

  onReady(): void {
    for (const item of this.#waiting) this.#items.mark(item)
    this.#waiting.clear()
  }

  /** There is a host with so much room that was not there before, or was full. */
  onRoom(freeBytes: number, isNewPlace: boolean): void {
    let left = MAX_WOKEN
    for (const item of this.#paused) {
      if (left-- === 0) break
      this.#paused.delete(item)
      if (item.order.size > freeBytes || item.problem === 'unfetchable') {
        this.#paused.add(item)
        continue
      }
      this.#wake(item)
    }
    if (!isNewPlace) return
    for (const item of this.#items.all()) {
      if (!item.isCrowded) continue
      item.apartAt = 0
      this.#items.mark(item)
      if (left-- <= 0) break
    }
  }

  onPlaced(from: Peer, placed: Extract<BrokerMessage, { type: 'placed' }>): void {
    const item = this.#items.get(itemKey(placed))
    const limit = item?.pending.get(from)
    if (item === undefined || limit === undefined) return
    this.#agenda.cancel(limit)
    this.#end(item, from)
    this.#hosts.onAnswer(from, placed.offer)
    const { outcome, lease } = placed
    // what it took is in its own offer from now on
    if (lease !== undefined && itemKey(lease) === item.key) this.#keeping.onLease(item, { host: from, ...lease })
    if (outcome === 'taken' || outcome === 'holds') {
      item.tries = 0
      this.#paused.delete(item)
      item.stale = 0
    } else if (outcome === 'stale') item.stale++
    else item.tried.add(from)
  }

  onPeerDown(peer: Peer, item: Item): void {
    const limit = item.pending.get(peer)
    if (limit === undefined) return
    this.#agenda.cancel(limit)
    this.#end(item, peer)
    item.tried.add(peer)
  }

  /** Nothing is missing any more, or nothing is wanted. */
  rest(item: Item): void {
    this.#waiting.delete(item)
    this.#paused.delete(item)
    item.tried.clear()
    item.tries = 0
    item.stale = 0
    // that one more host tries to fetch it says nothing yet
    if (item.failures >= UNFETCHABLE) return
    item.pauseMs = 0
    item.pausedUntil = 0
    item.problem = undefined
    item.missingBytes = 0
  }

  #choose(item: Item, copies: readonly Copy[], isStrict: boolean): ReturnType<typeof choose> {
    const { order, leases, pending, tried } = item
    const candidates = this.#hosts.candidates(
      host => host === order.owner || leases.has(host) || pending.has(host) || tried.has(host)
    )
    const taken: Domains[] = copies.map(({ domains }) => domains)
    for (const host of pending.keys()) taken.push(this.#hosts.domainsOf(host, this.#hosts.domainSaid(host)))
    return choose(candidates, { size: order.size, taken, rng: this.#rng, isStrict })
  }

  #ask(item: Item, host: Peer): void {
    const { now } = this.#outbox
    const { order } = item
    const usedBytes = this.#hosts.usedBytes(host, item.stale)
    this.decisions++
    item.tries++
    this.#hosts.reserve(host, order.size)
    const limit = this.#agenda.at(now, now + this.#config.placeMs, () => {
      this.#end(item, host)
      item.tried.add(host)
      this.#hosts.onFailure(host, 0.8)
    })
    item.pending.set(host, limit)
    const sources = [...item.leases.values()]
      .filter(({ lease, isFailed }) => lease.state !== 'fetching' && !isFailed)
      .slice(0, brokerLimits.maxSources)
      .map(({ lease }) => lease)
    const { brokers } = this.#items.orderMessage(item)
    this.#outbox.send(host, { type: 'place', order, usedBytes, brokers, sources })
  }

  #end(item: Item, host: Peer): void {
    item.pending.delete(host)
    this.#hosts.reserve(host, -item.order.size)
    this.#items.mark(item)
  }

  #pause(item: Item, problem: Problem, missingBytes: number): void {
    const { now } = this.#outbox
    item.problem = problem
    item.missingBytes = missingBytes
    item.tries = 0
    item.tried.clear()
    item.pauseMs = Math.min(this.#config.maxPauseMs, item.pauseMs === 0 ? this.#config.retryMs / 8 : item.pauseMs * 2)
    item.pausedUntil = Math.ceil(now + item.pauseMs * (0.75 + this.#rng.unit() / 2))
    this.#items.later(item, item.pausedUntil)
    this.#paused.add(item)
  }

  #wake(item: Item): void {
    item.pausedUntil = 0
    this.#items.mark(item)
  }
}
