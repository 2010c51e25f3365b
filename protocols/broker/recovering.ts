import type { Peer } from '../core/peer.ts'
import type { Agenda } from './agenda.ts'
import type { BrokerConfig } from './config.ts'
import type { KnownBrokers } from './known-brokers.ts'
import type { BrokerMessage } from './messages.ts'
import type { Outbox } from './outbox.ts'
import type { Owning } from './owning.ts'
import type { Signing } from './signing.ts'

/** A new home of an old key: what this node has ordered is asked of all brokers. */
export class Recovering {
  readonly #config: BrokerConfig
  readonly #outbox: Outbox
  readonly #agenda: Agenda
  readonly #brokers: KnownBrokers
  readonly #signing: Signing
  readonly #owning: Owning
  /** Those that have not told all. BOUNDED by the brokers that are known. */
  readonly #asked = new Set<Peer>()
  #answered = 0
  #orders = 0
  #isUnderWay = false

  constructor(init: {
    config: BrokerConfig
    outbox: Outbox
    agenda: Agenda
    brokers: KnownBrokers
    signing: Signing
    owning: Owning
  }) {
    this.#config = init.config
    this.#outbox = init.outbox
    this.#agenda = init.agenda
    this.#brokers = init.brokers
    this.#signing = init.signing
    this.#owning = init.owning
  }

  start(): void {
    if (this.#isUnderWay) return
    this.#isUnderWay = true
    this.#answered = 0
    this.#orders = 0
    for (const broker of this.#brokers.peers) {
      this.#asked.add(broker)
      this.#outbox.send(broker, { type: 'recover' })
    }
    const { now } = this.#outbox
    this.#agenda.at(now, now + this.#config.recoverMs, () => this.#end())
  }

  onOrders(from: Peer, { orders, isLast }: Extract<BrokerMessage, { type: 'orders' }>): void {
    if (!this.#asked.has(from)) return
    for (const order of orders) {
      if (order.owner !== this.#outbox.self || this.#signing.checkOrder(order, from) !== 'right') continue
      if (!this.#owning.adopt(order)) continue
      this.#orders++
      const { infohash, size, copies } = order
      this.#outbox.tell({ type: 'recovered', infohash, size, copies })
    }
    if (!isLast) return
    this.#asked.delete(from)
    this.#answered++
  }

  #end(): void {
    this.#isUnderWay = false
    this.#asked.clear()
    this.#outbox.tell({ type: 'recoveryEnded', orders: this.#orders, brokers: this.#answered })
  }
}
