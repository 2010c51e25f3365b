import { setImmediate } from 'node:timers/promises'
import type { Startable } from '@libp2p/interface'
import type { RingId } from '../core/keyspace.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import { type ContactBook, contactPeers } from '../libp2p/contacts.ts'
import { Driver, type DriverComponents, type DriverStats } from '../libp2p/driver.ts'
import { peerFromId } from '../libp2p/peer-ids.ts'
import { RingIds } from '../libp2p/ring-ids.ts'
import { Chord } from './chord.ts'
import { ChordClient } from './client.ts'
import type { ChordCommand } from './commands.ts'
import { type ChordConfig, chordLimits } from './config.ts'
import { type ChordMessage, chordCodec } from './messages.ts'
import type { ChordEvent } from './outbox.ts'
import type { Place } from './ring.ts'

export const CHORD_PROTOCOL = '/shoal/chord/1.0.0'

export interface ChordServiceInit {
  contacts: ContactBook
  rng: Rng
  config?: Partial<ChordConfig>
  /** Shared with the other protocols on the ring, so that each id is computed once. */
  ids?: RingIds
  /** It only asks, and takes no place on the ring. */
  isClient?: boolean
  /** Whether this node has a copy of a record that it does not own. */
  hasCopy?(key: RingId): boolean
  onEvent(event: ChordEvent): void
  onPenalty(peer: Peer, reason: string): void
}

/** The ring as a libp2p service. Peers that connect and speak the protocol are the way into it. */
export class ChordService implements Startable {
  readonly [Symbol.toStringTag] = '@shoal/chord'
  readonly #chord: Chord | ChordClient
  readonly #ids: RingIds
  readonly #driver: Driver<ChordCommand, ChordMessage, ChordEvent>

  /** @throws RangeError on a configuration whose numbers do not fit together */
  constructor(components: DriverComponents, init: ChordServiceInit) {
    const { contacts, rng, config, hasCopy, onEvent, onPenalty } = init
    this.#ids = init.ids ?? new RingIds()
    const self = peerFromId(components.peerId)
    const common = { self, rng, idOf: this.#ids.idOf, ...(config === undefined ? {} : { config }) }
    this.#chord = init.isClient
      ? new ChordClient(common)
      : new Chord({ ...common, ...(hasCopy === undefined ? {} : { hasCopy: (key: RingId) => hasCopy(key) }) })
    this.#driver = new Driver(components, {
      protocol: CHORD_PROTOCOL,
      machine: this.#chord,
      codec: chordCodec(contactPeers(contacts)),
      limits: { inbound: chordLimits.messages },
      contacts,
      onEvent,
      onPenalty
    })
  }

  get stats(): Readonly<DriverStats> {
    return this.#driver.stats
  }

  get place(): Place {
    return this.#chord.place
  }

  get fingers(): readonly Peer[] {
    return this.#chord.fingers
  }

  idOf(peer: Peer): RingId {
    return this.#ids.idOf(peer)
  }

  /** Ignored before the start and after the stop. */
  command(command: ChordCommand): void {
    this.#driver.command(command)
  }

  start(): Promise<void> {
    return this.#driver.start()
  }

  /** Says goodbye while there are still connections. */
  async beforeStop(): Promise<void> {
    this.#driver.command({ type: 'leave' })
    // what was written is handed to the connections before they begin to close
    await setImmediate()
  }

  stop(): Promise<void> {
    return this.#driver.stop()
  }
}

export function chordService(init: ChordServiceInit): (components: DriverComponents) => ChordService {
  return components => new ChordService(components, init)
}
