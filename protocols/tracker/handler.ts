import type { Startable } from '@libp2p/interface'
import type { SwarmId } from '../core/ids.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import { type ContactBook, contactPeers } from '../libp2p/contacts.ts'
import { Driver, type DriverComponents, type DriverStats } from '../libp2p/driver.ts'
import { peerFromId } from '../libp2p/peer-ids.ts'
import type { TrackerConfig } from './config.ts'
import { type TrackerMessage, trackerCodec } from './messages.ts'
import { Tracker, type TrackerCommand, type TrackerEvent } from './tracker.ts'

export const TRACKER_PROTOCOL = '/shoal/tracker/1.0.0'

export interface TrackerServiceInit {
  contacts: ContactBook
  rng: Rng
  config?: Partial<TrackerConfig>
  onEvent(event: TrackerEvent): void
  onPenalty(peer: Peer, reason: string): void
}

/** The tracker protocol on libp2p. Who announces is the peer at the other end of the authenticated connection. */
export class TrackerService implements Startable {
  readonly [Symbol.toStringTag] = '@shoal/tracker'
  readonly #machine: Tracker
  readonly #driver: Driver<TrackerCommand, TrackerMessage, TrackerEvent>

  constructor(components: DriverComponents, init: TrackerServiceInit) {
    const { contacts, rng, config, onEvent, onPenalty } = init
    this.#machine = new Tracker({
      self: peerFromId(components.peerId),
      rng,
      ...(config === undefined ? {} : { config })
    })
    this.#driver = new Driver(components, {
      protocol: TRACKER_PROTOCOL,
      machine: this.#machine,
      codec: trackerCodec(contactPeers(contacts)),
      contacts,
      onEvent,
      onPenalty
    })
  }

  get stats(): DriverStats {
    return this.#driver.stats
  }

  /** Ignored before the start and after the stop. */
  command(command: TrackerCommand): void {
    this.#driver.command(command)
  }

  /** The account of one swarm as this node keeps it; undefined when it keeps none. */
  account(swarm: SwarmId): { seeds: number; leeches: number; completed: number } | undefined {
    return this.#machine.account(swarm)
  }

  start(): Promise<void> {
    return this.#driver.start()
  }

  /** Says goodbye to all trackers while there are still connections. */
  async beforeStop(): Promise<void> {
    for (const swarm of this.#machine.joined()) this.#driver.command({ type: 'leave', swarm })
    // what was written is handed to the connections before they begin to close
    await new Promise(resolve => setImmediate(resolve))
  }

  stop(): Promise<void> {
    return this.#driver.stop()
  }
}

export function trackerService(init: TrackerServiceInit): (components: DriverComponents) => TrackerService {
  return components => new TrackerService(components, init)
}
