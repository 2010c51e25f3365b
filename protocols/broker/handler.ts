import type { Startable } from '@libp2p/interface'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import type { Crypto } from '../core/signing.ts'
import { type ContactBook, contactPeers } from '../libp2p/contacts.ts'
import { Driver, type DriverComponents, type DriverStats, monotonicMs } from '../libp2p/driver.ts'
import { peerFromId } from '../libp2p/peer-ids.ts'
import { Broker, type BrokerUsage } from './broker.ts'
import { brokerCodec } from './codec.ts'
import type { BrokerCommand, BrokerEvent } from './commands.ts'
import type { BrokerConfig } from './config.ts'
import type { BrokerMessage } from './messages.ts'
import type { BrokerStore, Hosted, Owned } from './store.ts'

export const BROKER_PROTOCOL = '/shoal/broker/1.0.0'

export interface BrokerServiceInit {
  contacts: ContactBook
  rng: Rng
  store: BrokerStore
  /** For this node's key. */
  crypto: Crypto
  /** Where a peer is, as its connection shows. */
  domainOf?: (peer: Peer) => string | undefined
  config?: Partial<BrokerConfig>
  onEvent(event: BrokerEvent): void
  onPenalty(peer: Peer, reason: string): void
}

/** The broker as a libp2p service. Who the brokers are, and what this node offers, is told it by command. */
export class BrokerService implements Startable {
  readonly [Symbol.toStringTag] = '@shoal/broker'
  readonly #machine: Broker
  readonly #driver: Driver<BrokerCommand, BrokerMessage, BrokerEvent>

  /** @throws RangeError on a configuration whose numbers do not fit together, or a key that cannot sign */
  constructor(components: DriverComponents, init: BrokerServiceInit) {
    const { contacts, rng, store, crypto, domainOf, config, onEvent, onPenalty } = init
    this.#machine = new Broker({
      self: peerFromId(components.peerId),
      rng,
      crypto,
      store,
      // the clock of the machine is asked each time: people and NTP set it
      wallMs: now => Date.now() - (monotonicMs() - now),
      ...(domainOf === undefined ? {} : { domainOf }),
      ...(config === undefined ? {} : { config })
    })
    this.#driver = new Driver(components, {
      protocol: BROKER_PROTOCOL,
      machine: this.#machine,
      codec: brokerCodec(contactPeers(contacts)),
      contacts,
      onEvent,
      onPenalty
    })
  }

  get stats(): Readonly<DriverStats> {
    return this.#driver.stats
  }

  /** What this node has ordered and not dropped. */
  get owned(): readonly Owned[] {
    return this.#machine.owned
  }

  /** What this node hosts for others. */
  get hosted(): readonly Hosted[] {
    return this.#machine.hosted
  }

  /** What this node does as a broker. */
  get usage(): BrokerUsage {
    return this.#machine.usage
  }

  /** Ignored before the start and after the stop. */
  command(command: BrokerCommand): void {
    this.#driver.command(command)
  }

  start(): Promise<void> {
    return this.#driver.start()
  }

  stop(): Promise<void> {
    return this.#driver.stop()
  }
}

export function brokerService(init: BrokerServiceInit): (components: DriverComponents) => BrokerService {
  return components => new BrokerService(components, init)
}
