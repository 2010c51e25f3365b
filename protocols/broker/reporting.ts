import type { Infohash } from '../core/ids.ts'
import type { Peer } from '../core/peer.ts'
import type { Agenda } from './agenda.ts'
import type { CopyHost } from './commands.ts'
import { type BrokerConfig, brokerLimits } from './config.ts'
import type { Item } from './item.ts'
import type { Items } from './items.ts'
import { itemKey } from './order.ts'
import type { Outbox } from './outbox.ts'
import type { Rates } from './rates.ts'

/** What owners hear of their items: changes from the first broker, and answers from each. */
export class Reporting {
  readonly #config: BrokerConfig
  readonly #outbox: Outbox
  readonly #agenda: Agenda
  readonly #rates: Rates
  readonly #items: Items

  constructor(init: { config: BrokerConfig; outbox: Outbox; agenda: Agenda; rates: Rates; items: Items }) {
    this.#config = init.config
    this.#outbox = init.outbox
    this.#agenda = init.agenda
    this.#rates = init.rates
    this.#items = init.items
  }

  /** After a look at the item. */
  onChange(item: Item): void {
    if (item.status !== undefined || this.#items.rank(item) !== 0) return
    if (this.#items.isDown(item.order.owner) || this.#summary(item) === item.told) return
    const { now } = this.#outbox
    item.status = this.#agenda.at(now, now + this.#config.statusMs, () => {
      item.status = undefined
      if (this.#items.rank(item) === 0 && this.#summary(item) !== item.told) this.#tell(item)
    })
  }

  /** The owner may not have heard what there was to hear. */
  onOwner(item: Item): void {
    item.told = ''
    this.#items.mark(item)
  }

  /** What was told an owner just before it was lost may not have got there. */
  onPeerDown(owner: Peer): void {
    for (const item of this.#items.ofOwner(owner)) {
      if (this.#outbox.now - item.toldAt < this.#config.answerMs) item.told = ''
    }
  }

  onAsk(from: Peer, infohash: Infohash | undefined): void {
    const items =
      infohash === undefined ? this.#items.ofOwner(from) : [this.#items.get(itemKey({ owner: from, infohash }))]
    for (const item of items) {
      if (item === undefined) continue
      if (!this.#rates.take(from, 'asks', this.#outbox.now)) return
      this.#tell(item)
    }
  }

  onRecover(from: Peer): void {
    if (!this.#rates.take(from, 'asks', this.#outbox.now)) return
    const orders = [...this.#items.ofOwner(from)].map(({ order }) => order)
    const { maxBatch } = brokerLimits
    for (let at = 0; at === 0 || at < orders.length; at += maxBatch) {
      const isLast = at + maxBatch >= orders.length
      this.#outbox.send(from, { type: 'orders', isLast, orders: orders.slice(at, at + maxBatch) })
    }
  }

  #tell(item: Item): void {
    const { order, isCrowded, problem, missingBytes } = item
    item.told = this.#summary(item)
    item.toldAt = this.#outbox.now
    this.#outbox.send(order.owner, {
      type: 'status',
      infohash: order.infohash,
      seq: order.seq,
      wanted: order.copies,
      isCrowded,
      missingBytes,
      hosts: this.#live(item),
      ...(problem === undefined ? {} : { problem })
    })
  }

  #live(item: Item): CopyHost[] {
    const { now } = this.#outbox
    return [...item.leases]
      .filter(([host, known]) => this.#items.isLive(host, known))
      .map(([peer, { lease, heardAt }]) => ({
        peer,
        domain: lease.domain,
        state: lease.state,
        since: lease.since,
        heardMs: Math.max(0, Math.floor(now - Math.max(heardAt, this.#items.watch(peer)?.stillAt ?? heardAt)))
      }))
  }

  #summary(item: Item): string {
    const { order, problem, isCrowded } = item
    const hosts = this.#live(item).map(({ peer, state }) => `${peer} ${state}`)
    return `${order.seq} ${problem} ${isCrowded} ${hosts.sort().join(', ')}`
  }
}
