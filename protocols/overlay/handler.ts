import { setImmediate } from 'node:timers/promises'
import type { Startable } from '@libp2p/interface'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import { type ContactBook, contactPeers } from '../libp2p/contacts.ts'
import { Driver, type DriverComponents, type DriverLimits, type DriverStats } from '../libp2p/driver.ts'
import { peerFromId } from '../libp2p/peer-ids.ts'
import { checkActiveSize, type OverlayConfig, overlayLimits } from './config.ts'
import type { NeighbourEvent, OverlayEvent } from './links.ts'
import { type OverlayMessage, overlayCodec } from './messages.ts'
import { Overlay, type OverlayCommand } from './overlay.ts'
import type { Population } from './population.ts'
import type { GroupOf } from './views.ts'

export const OVERLAY_PROTOCOL = '/shoal/overlay/1.1.0'

export const overlayDriverLimits: Partial<DriverLimits> = {
  /** A shuffle names 17 peers, each with a signed record of at most a KiB. */
  maxFrameBytes: 32 * 1024,
  sendBudgetBytes: 256 * 1024,
  /** A neighbour with a crowd of newcomers passes on 50 a second; apart from that it says little. */
  inbound: { rate: 100, burst: 500 }
}

export interface OverlayServiceInit {
  /** Addresses of the peers that messages name. Those that other protocols have heard of are the last to turn to. */
  contacts: ContactBook
  rng: Rng
  config?: Partial<OverlayConfig>
  /** Peers that one may have many of: of one network, say. Asked of connected peers. */
  groupOf?: GroupOf
  onEvent(event: NeighbourEvent): void
  onPenalty(peer: Peer, reason: string): void
}

/** The overlay as a libp2p service. Peers that connect and speak the protocol are tried as neighbours. */
export class OverlayService implements Startable {
  readonly [Symbol.toStringTag] = '@shoal/overlay'
  readonly #components: DriverComponents
  readonly #init: OverlayServiceInit
  #overlay: Overlay
  #driver: Driver<OverlayCommand, OverlayMessage, OverlayEvent>
  #isStopped = false

  /** @throws RangeError on a configuration whose numbers do not fit together */
  constructor(components: DriverComponents, init: OverlayServiceInit) {
    this.#components = components
    this.#init = init
    this.#overlay = this.#createOverlay()
    this.#driver = this.#createDriver()
  }

  get stats(): Readonly<DriverStats> {
    return this.#driver.stats
  }

  /** The present lists. */
  views(): { active: Peer[]; passive: Peer[] } {
    return this.#overlay.views()
  }

  /** How many peers the network seems to have. */
  get population(): Population {
    return this.#overlay.population
  }

  /** Enters the overlay through a peer that is in it, connected or not; without one, through whoever is known. */
  join(contact: Peer | undefined): void {
    this.#driver.command({ type: 'join', contact })
  }

  /** Rests until the next `join`: says goodbye to all neighbours, and is forgotten by those who knew it. */
  leave(): void {
    this.#driver.command({ type: 'leave' })
  }

  /**
   * Has so many neighbours from now on, until it is stopped.
   *
   * @throws RangeError on a number that is not in 1..64
   */
  resize(activeSize: number): void {
    this.#driver.command({ type: 'size', activeSize: checkActiveSize(activeSize) })
  }

  async start(): Promise<void> {
    if (this.#isStopped) {
      // the old one has said goodbye, and knows connections that are gone
      this.#overlay = this.#createOverlay()
      this.#driver = this.#createDriver()
      this.#isStopped = false
    }
    await this.#driver.start()
  }

  /** Says goodbye while the connections are still there. */
  async beforeStop(): Promise<void> {
    this.leave()
    // what is written leaves a turn later
    await setImmediate()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#driver.stop()
  }

  #offerContacts(): void {
    const { contacts, rng } = this.#init
    const peers = rng.sample(contacts.peers(), overlayLimits.maxContacts)
    if (peers.length > 0) this.#driver.command({ type: 'contacts', peers })
  }

  #createOverlay(): Overlay {
    const { rng, config = {}, groupOf } = this.#init
    const self = peerFromId(this.#components.peerId)
    return new Overlay({ self, rng, config, ...(groupOf === undefined ? {} : { groupOf }) })
  }

  #createDriver(): Driver<OverlayCommand, OverlayMessage, OverlayEvent> {
    const { contacts } = this.#init
    return new Driver(this.#components, {
      protocol: OVERLAY_PROTOCOL,
      machine: this.#overlay,
      codec: overlayCodec(contactPeers(contacts)),
      limits: overlayDriverLimits,
      contacts,
      onEvent: event => {
        if (event.type === 'contactsWanted') this.#offerContacts()
        else this.#init.onEvent(event)
      },
      onPenalty: (peer, reason) => this.#init.onPenalty(peer, reason)
    })
  }
}

export function overlayService(init: OverlayServiceInit): (components: DriverComponents) => OverlayService {
  return components => new OverlayService(components, init)
}
