import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import type { Agenda } from './agenda.ts'
import type { BrokerCommand } from './commands.ts'
import type { BrokerConfig } from './config.ts'
import { HostedItems } from './hosted-items.ts'
import { Hosting } from './hosting.ts'
import type { KnownBrokers } from './known-brokers.ts'
import type { BrokerMessage } from './messages.ts'
import { Offering } from './offering.ts'
import type { Outbox } from './outbox.ts'
import type { Rates } from './rates.ts'
import type { Signing } from './signing.ts'
import type { BrokerStore, Hosted } from './store.ts'
import { Telling } from './telling.ts'

type HostCommand = Extract<
  BrokerCommand,
  { type: 'offer' | 'fetching' | 'fetched' | 'fetchFailed' | 'lost' | 'leaveHosting' }
>
type HostMessage = Extract<BrokerMessage, { type: 'place' | 'newer' | 'release' | 'report' | 'lacking' }>

/** This node as a host: its parts, and which of them an input is for. */
export class HostPart {
  readonly #outbox: Outbox
  readonly #rates: Rates
  readonly #items: HostedItems
  readonly #offering: Offering
  readonly #telling: Telling
  readonly #hosting: Hosting

  constructor(init: {
    config: BrokerConfig
    outbox: Outbox
    agenda: Agenda
    rng: Rng
    brokers: KnownBrokers
    signing: Signing
    rates: Rates
    store: BrokerStore
  }) {
    const { rng, ...shared } = init
    this.#outbox = init.outbox
    this.#rates = init.rates
    this.#items = new HostedItems({ ...shared, domain: () => this.#offering.domain })
    this.#offering = new Offering({ ...shared, rng: rng.fork(), items: () => this.#items })
    this.#telling = new Telling({ ...shared, rng: rng.fork(), told: this.#items })
    this.#hosting = new Hosting({ ...shared, items: this.#items, offering: this.#offering, telling: this.#telling })
  }

  list(): Hosted[] {
    return [...this.#items.all()].map(({ hosted }) => hosted)
  }

  start(): void {
    this.#offering.start()
    this.#telling.start()
    this.#hosting.start()
  }

  onCommand(command: HostCommand): void {
    switch (command.type) {
      case 'offer':
        if (command.bytes > 0) this.#hosting.stay()
        this.#offering.set(command)
        return
      case 'fetching':
        this.#hosting.onProgress(command.infohash)
        return
      case 'fetched':
        this.#hosting.onFetched(command.infohash, command.bytes)
        return
      case 'fetchFailed':
        this.#hosting.onFailed(command.infohash, command.isPermanent)
        return
      case 'lost':
        this.#hosting.onLost(command.infohash)
        return
      case 'leaveHosting':
        this.#hosting.leave()
        return
    }
  }

  onBrokers(): void {
    this.#offering.onBrokers()
    this.#hosting.onBrokers()
  }

  onPeerUp(peer: Peer): void {
    this.#offering.onPeerUp(peer)
    this.#telling.confirm(peer)
  }

  onMessage(from: Peer, message: HostMessage): void {
    if (message.type === 'place') {
      this.#hosting.onPlace(from, message)
      return
    }
    if (!this.#rates.take(from, 'others', this.#outbox.now)) {
      this.#outbox.penalise(from, 'says too much to a host')
      return
    }
    switch (message.type) {
      case 'newer':
        this.#hosting.onNewer(from, message.order)
        return
      case 'release':
        this.#hosting.onRelease(from, message)
        return
      case 'report':
        this.#telling.report(from, message.id)
        return
      case 'lacking':
        this.#hosting.onLacking(from, message.items)
        return
    }
  }
}
