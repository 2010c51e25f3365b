import type { Input, Machine } from '../core/machine.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import type { Crypto } from '../core/signing.ts'
import { Agenda } from './agenda.ts'
import type { BrokerCommand, BrokerEvent } from './commands.ts'
import { type BrokerConfig, brokerConfig, checkBrokerConfig } from './config.ts'
import { HostPart } from './host-part.ts'
import { KnownBrokers } from './known-brokers.ts'
import type { BrokerMessage } from './messages.ts'
import { type Out, Outbox } from './outbox.ts'
import { Owning } from './owning.ts'
import { PlacementPart } from './placement-part.ts'
import { Rates } from './rates.ts'
import { Reach } from './reach.ts'
import { Recovering } from './recovering.ts'
import { Signing } from './signing.ts'
import type { BrokerStore, Hosted, Owned } from './store.ts'

export interface BrokerInit {
  self: Peer
  rng: Rng
  crypto: Crypto
  store: BrokerStore
  /** The time of `now` in unix ms. */
  wallMs: (now: number) => number
  /** Where a peer is, as its connection shows: its network, say. */
  domainOf?: (peer: Peer) => string | undefined
  config?: Partial<BrokerConfig>
}

/** What this node does as a broker, for people and for experiments. */
export interface BrokerUsage {
  readonly orders: number
  /** Hosts that were asked to take a copy, since the start. */
  readonly decisions: number
}

/**
 * Decides where the copies of its users' files are kept. Every node has one, and it plays three parts: as an owner it
 * orders copies, as a host it keeps them for others, and as a broker it sees to it that there are as many as were
 * ordered. The bytes themselves are moved by the application. See README.md for the rules.
 */
export class Broker implements Machine<BrokerCommand, BrokerMessage, BrokerEvent> {
  readonly #outbox: Outbox
  readonly #agenda = new Agenda()
  readonly #brokers: KnownBrokers
  readonly #reach = new Reach()
  readonly #owning: Owning
  readonly #recovering: Recovering
  readonly #host: HostPart
  readonly #placement: PlacementPart
  #isStarted = false

  /** @throws RangeError on numbers that do not fit together */
  constructor(init: BrokerInit) {
    const { self, rng, store, wallMs, crypto: keys, domainOf = () => undefined } = init
    const config = checkBrokerConfig({ ...brokerConfig, ...init.config })
    const agenda = this.#agenda
    const outbox = new Outbox(self, wallMs)
    const brokers = new KnownBrokers(keys)
    const signing = new Signing({ outbox, keys, network: config.network })
    const rates = new Rates(self)
    const shared = { config, outbox, agenda, brokers, signing, rates, store }
    this.#outbox = outbox
    this.#brokers = brokers
    this.#owning = new Owning({ ...shared, rng: rng.fork() })
    this.#recovering = new Recovering({ ...shared, owning: this.#owning })
    this.#host = new HostPart({ ...shared, rng: rng.fork() })
    this.#placement = new PlacementPart({ ...shared, rng: rng.fork(), reach: this.#reach, domainOf })
  }

  handle(input: Input<BrokerCommand, BrokerMessage>, now: number): Out[] {
    const outbox = this.#outbox
    outbox.now = now
    if (!this.#isStarted) this.#start()
    switch (input.type) {
      case 'received':
        if (input.from === outbox.self) break
        // who speaks is there
        if (this.#reach.isDown(input.from)) this.#onPeerUp(input.from)
        this.#onMessage(input.from, input.message)
        break
      case 'peerUp':
        this.#onPeerUp(input.peer)
        break
      case 'peerDown':
        this.#reach.onDown(input.peer, now)
        this.#placement.onPeerDown(input.peer)
        break
      case 'tick':
        this.#agenda.run(now)
        break
      default:
        this.#onCommand(input)
    }
    this.#settle()
    return outbox.takeOutputs()
  }

  nextTick(): number | undefined {
    return this.#agenda.nextTick()
  }

  /** What this node has ordered and not dropped. */
  get owned(): readonly Owned[] {
    return this.#owning.list()
  }

  /** What this node hosts for others. */
  get hosted(): readonly Hosted[] {
    return this.#host.list()
  }

  get usage(): BrokerUsage {
    return this.#placement.usage
  }

  #start(): void {
    this.#isStarted = true
    this.#owning.start()
    this.#host.start()
    this.#placement.start()
  }

  #onCommand(command: BrokerCommand): void {
    switch (command.type) {
      case 'brokers':
        if (!this.#brokers.set(command.peers)) return
        this.#owning.onBrokers()
        this.#host.onBrokers()
        this.#placement.onBrokers()
        return
      case 'put':
        this.#owning.put(command.infohash, command.size, command.copies, command.name)
        return
      case 'drop':
        this.#owning.drop(command.infohash)
        return
      case 'copies':
        this.#owning.ask(command.infohash)
        return
      case 'recover':
        this.#recovering.start()
        return
      case 'audited':
        this.#placement.onAudited(command.host, command.infohash, command.ok)
        return
      case 'offer':
      case 'fetching':
      case 'fetched':
      case 'fetchFailed':
      case 'lost':
      case 'leaveHosting':
        this.#host.onCommand(command)
        return
    }
  }

  #onPeerUp(peer: Peer): void {
    this.#reach.onUp(peer)
    this.#placement.onPeerUp(peer)
    this.#owning.onPeerUp(peer)
    this.#host.onPeerUp(peer)
  }

  /** What the parts of this node say to one another, and what follows from what has changed, until there is no more. */
  #settle(): void {
    for (;;) {
      const message = this.#outbox.nextLocal()
      if (message !== undefined) this.#onMessage(this.#outbox.self, message)
      else if (!this.#placement.decide()) return
    }
  }

  #onMessage(from: Peer, message: BrokerMessage): void {
    switch (message.type) {
      case 'ordered':
        this.#owning.onOrdered(from, message)
        return
      case 'status':
        this.#owning.onStatus(from, message)
        return
      case 'orders':
        this.#recovering.onOrders(from, message)
        return
      case 'place':
      case 'newer':
      case 'release':
      case 'report':
      case 'lacking':
        this.#host.onMessage(from, message)
        return
      case 'order':
      case 'shown':
      case 'offer':
      case 'room':
      case 'offers':
      case 'placed':
      case 'leases':
      case 'still':
      case 'ask':
      case 'recover':
        this.#placement.onMessage(from, message)
        return
    }
  }
}
