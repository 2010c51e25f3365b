import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import type { Agenda, Appointment } from './agenda.ts'
import { type BrokerConfig, brokerLimits } from './config.ts'
import type { Hosts } from './hosts.ts'
import type { KnownBrokers } from './known-brokers.ts'
import type { HostOffer } from './messages.ts'
import type { Outbox } from './outbox.ts'
import type { Rates } from './rates.ts'
import type { Reach } from './reach.ts'

const LARGER = 1.5

/** How a broker hears of hosts of other brokers: it asks some, when it has something to place and not before. */
export class Rooms {
  readonly #config: BrokerConfig
  readonly #outbox: Outbox
  readonly #agenda: Agenda
  readonly #rng: Rng
  readonly #brokers: KnownBrokers
  readonly #reach: Reach
  readonly #rates: Rates
  readonly #hosts: Hosts
  readonly #onReady: () => void
  /** Those that have not answered. BOUNDED by roomBrokers. */
  #waiting = new Set<Peer>()
  #limit: Appointment | undefined
  #askedAt = Number.NEGATIVE_INFINITY
  #askedBytes = 0

  constructor(init: {
    config: BrokerConfig
    outbox: Outbox
    agenda: Agenda
    rng: Rng
    brokers: KnownBrokers
    reach: Reach
    rates: Rates
    hosts: Hosts
    onReady: () => void
  }) {
    this.#config = init.config
    this.#outbox = init.outbox
    this.#agenda = init.agenda
    this.#rng = init.rng
    this.#brokers = init.brokers
    this.#reach = init.reach
    this.#rates = init.rates
    this.#hosts = init.hosts
    this.#onReady = init.onReady
  }

  /** Whether enough is known now; if not, it is asked for and `onReady` is called. */
  isReady(size: number): boolean {
    if (this.#waiting.size > 0) return false
    const { now, self } = this.#outbox
    // those that were named have the most room for what was asked for: for much more it may be others
    if (now - this.#askedAt < this.#config.roomMs && size <= LARGER * this.#askedBytes) return true
    const others = this.#brokers.peers.filter(peer => peer !== self && !this.#reach.isDown(peer))
    if (others.length === 0) return true
    this.#askedAt = now
    this.#askedBytes = size
    this.#waiting = new Set(this.#rng.sample(others, brokerLimits.roomBrokers))
    for (const broker of this.#waiting) this.#outbox.send(broker, { type: 'room', size })
    this.#limit = this.#agenda.at(now, now + this.#config.roomAnswerMs, () => this.#end())
    return false
  }

  onRoom(from: Peer, size: number): void {
    if (!this.#rates.take(from, 'offers', this.#outbox.now)) return
    this.#outbox.send(from, { type: 'offers', offers: this.#hosts.emptiest(size) })
  }

  /** Only of those that were asked: nobody else has us look at hosts of his choice. */
  onOffers(from: Peer, offers: readonly HostOffer[]): void {
    if (!this.#waiting.delete(from)) return
    for (const offer of offers) {
      if (offer.host !== this.#outbox.self || from === this.#outbox.self) this.#hosts.onHeard(offer)
    }
    if (this.#waiting.size === 0) this.#end()
  }

  onPeerDown(peer: Peer): void {
    if (this.#waiting.delete(peer) && this.#waiting.size === 0) this.#end()
  }

  #end(): void {
    this.#agenda.cancel(this.#limit)
    this.#limit = undefined
    this.#waiting.clear()
    this.#onReady()
  }
}
