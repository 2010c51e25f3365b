import { setImmediate } from 'node:timers/promises'
import type { Startable } from '@libp2p/interface'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import type { Crypto } from '../core/signing.ts'
import { type ContactBook, contactPeers } from '../libp2p/contacts.ts'
import { Driver, type DriverComponents, type DriverLimits, type DriverStats, monotonicMs } from '../libp2p/driver.ts'
import { peerFromId } from '../libp2p/peer-ids.ts'
import { checkQuery, type Query } from '../search/messages.ts'
import type { CatalogueStore, HolderHits } from './catalogue-store.ts'
import type { GroupOf } from './clients.ts'
import { superPeerCodec } from './codec.ts'
import type { Part, Role, Strength, SuperPeerCommand, SuperPeerEvent } from './commands.ts'
import type { SuperPeerConfig } from './config.ts'
import type { SuperPeerMessage } from './messages.ts'
import { SuperPeer } from './superpeer.ts'

export const SUPER_PEER_PROTOCOL = '/shoal/superpeer/1.0.0'

export const superPeerDriverLimits: Partial<DriverLimits> = {
  /** 64 holders of hits, each with a signed record of at most a KiB, and 40 KiB of hits. */
  maxFrameBytes: 128 * 1024,
  /** What is sent for one question about a catalogue fits beside an answer to a search. */
  sendBudgetBytes: 2 * 1024 * 1024,
  inbound: { rate: 200, burst: 1_000 }
}

export interface SuperPeerServiceInit {
  contacts: ContactBook
  rng: Rng
  /** For this node's key. */
  crypto: Crypto
  store: CatalogueStore
  config?: Partial<SuperPeerConfig>
  /** Peers that one may have many of: of one network, say. Asked of connected peers. */
  groupOf?: GroupOf
  onEvent(event: SuperPeerEvent): void
  onPenalty(peer: Peer, reason: string): void
}

/** Super-peers as a libp2p service. What the application said last is said again to the machine after a restart. */
export class SuperPeerService implements Startable {
  readonly [Symbol.toStringTag] = '@shoal/superpeer'
  readonly #components: DriverComponents
  readonly #init: SuperPeerServiceInit
  #machine: SuperPeer
  #driver: Driver<SuperPeerCommand, SuperPeerMessage, SuperPeerEvent>
  #isStopped = false
  /** By type: role, strength, population. */
  readonly #said = new Map<string, SuperPeerCommand>() // BOUNDED by these types

  /** @throws RangeError on a configuration whose numbers do not fit together */
  constructor(components: DriverComponents, init: SuperPeerServiceInit) {
    this.#components = components
    this.#init = init
    this.#machine = this.#createMachine()
    this.#driver = this.#createDriver()
  }

  get stats(): Readonly<DriverStats> {
    return this.#driver.stats
  }

  get role(): Role {
    return this.#machine.role
  }

  /** Why it has this role, for people. */
  get reason(): string {
    return this.#machine.reason
  }

  /** That this node is attached to. */
  get supers(): readonly Peer[] {
    return this.#machine.supers
  }

  get clients(): readonly Peer[] {
    return this.#machine.clients
  }

  get isResting(): boolean {
    return this.#machine.isResting
  }

  /** Whether a search may be asked of super-peers. */
  get canAsk(): boolean {
    return this.#machine.canAsk
  }

  /** Super-peers to be remembered, and for other protocols. */
  get known(): Peer[] {
    return this.#machine.known
  }

  /** About how many clients all super-peers that are known have together, each counted once. */
  get clientsOfAll(): number {
    return this.#machine.clientsOfAll
  }

  /** What clients have, for the search machine. */
  lookup(query: Query, limit: number): HolderHits[] {
    return this.#machine.lookup(query, limit)
  }

  /** What clients can be found by, for summaries. */
  keys(): Iterable<string> {
    return this.#machine.keys()
  }

  setRole(role: Part): void {
    this.#say({ type: 'role', role })
  }

  setStrength(strength: Strength): void {
    this.#say({ type: 'strength', strength })
  }

  setPopulation(about: number | undefined): void {
    this.#say({ type: 'population', about })
  }

  /**
   * Ignored before the start and after the stop.
   *
   * @throws RangeError on a query that no message can hold
   */
  command(command: SuperPeerCommand): void {
    if (command.type === 'search') checkQuery(command.query)
    this.#driver.command(command)
  }

  async start(): Promise<void> {
    if (this.#isStopped) {
      // the old one has said goodbye, and knows connections that are gone
      this.#machine = this.#createMachine()
      this.#driver = this.#createDriver()
      this.#isStopped = false
    }
    await this.#driver.start()
    for (const command of this.#said.values()) this.#driver.command(command)
  }

  /** Says goodbye while the connections are still there. */
  async beforeStop(): Promise<void> {
    this.#driver.command({ type: 'leave' })
    // what is written leaves a turn later
    await setImmediate()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#driver.stop()
  }

  #say(command: SuperPeerCommand): void {
    this.#said.set(command.type, command)
    this.#driver.command(command)
  }

  #createMachine(): SuperPeer {
    const { rng, crypto, store, config, groupOf } = this.#init
    return new SuperPeer({
      self: peerFromId(this.#components.peerId),
      rng,
      crypto,
      store,
      // the clock of the machine is asked each time: people and NTP set it
      wallMs: now => Date.now() - (monotonicMs() - now),
      ...(config === undefined ? {} : { config }),
      ...(groupOf === undefined ? {} : { groupOf })
    })
  }

  #createDriver(): Driver<SuperPeerCommand, SuperPeerMessage, SuperPeerEvent> {
    const { contacts, onEvent, onPenalty } = this.#init
    return new Driver(this.#components, {
      protocol: SUPER_PEER_PROTOCOL,
      machine: this.#machine,
      codec: superPeerCodec(contactPeers(contacts)),
      limits: superPeerDriverLimits,
      contacts,
      onEvent: event => onEvent(event),
      onPenalty: (peer, reason) => onPenalty(peer, reason)
    })
  }
}

export function superPeerService(init: SuperPeerServiceInit): (components: DriverComponents) => SuperPeerService {
  return components => new SuperPeerService(components, init)
}
