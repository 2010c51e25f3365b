import type { Infohash } from '../core/ids.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import type { Agenda } from './agenda.ts'
import { Audits } from './audits.ts'
import type { BrokerConfig } from './config.ts'
import { Deciding } from './deciding.ts'
import { Hosts } from './hosts.ts'
import { Items } from './items.ts'
import { Keeping } from './keeping.ts'
import type { KnownBrokers } from './known-brokers.ts'
import type { BrokerMessage } from './messages.ts'
import type { Outbox } from './outbox.ts'
import { Placing } from './placing.ts'
import type { Rates } from './rates.ts'
import type { Reach } from './reach.ts'
import { Reporting } from './reporting.ts'
import { Rooms } from './rooms.ts'
import type { Signing } from './signing.ts'
import type { BrokerStore } from './store.ts'
import { Watching } from './watching.ts'

type PlacementMessage = Extract<
  BrokerMessage,
  { type: 'order' | 'shown' | 'offer' | 'room' | 'offers' | 'placed' | 'leases' | 'still' | 'ask' | 'recover' }
>

/** This node as a broker: its parts, and which of them an input is for. */
export class PlacementPart {
  readonly #outbox: Outbox
  readonly #rates: Rates
  readonly #items: Items
  readonly #hosts: Hosts
  readonly #rooms: Rooms
  readonly #keeping: Keeping
  readonly #placing: Placing
  readonly #reporting: Reporting
  readonly #deciding: Deciding
  readonly #watching: Watching
  readonly #audits: Audits

  constructor(init: {
    config: BrokerConfig
    outbox: Outbox
    agenda: Agenda
    rng: Rng
    brokers: KnownBrokers
    signing: Signing
    rates: Rates
    reach: Reach
    store: BrokerStore
    domainOf: (peer: Peer) => string | undefined
  }) {
    const { rng, ...shared } = init
    const hosts = new Hosts({ ...shared, rng: rng.fork() })
    const items = new Items({ ...shared, hosts })
    const reporting = new Reporting({ ...shared, items })
    const keeping = new Keeping({ ...shared, items, hosts, onOwner: item => reporting.onOwner(item) })
    const rooms = new Rooms({ ...shared, rng: rng.fork(), hosts, onReady: () => this.#placing.onReady() })
    this.#outbox = init.outbox
    this.#rates = init.rates
    this.#items = items
    this.#hosts = hosts
    this.#rooms = rooms
    this.#keeping = keeping
    this.#reporting = reporting
    this.#placing = new Placing({ ...shared, rng: rng.fork(), items, hosts, rooms, keeping })
    this.#deciding = new Deciding({ ...shared, items, keeping, placing: this.#placing, reporting })
    this.#watching = new Watching({ ...shared, rng: rng.fork(), items, hosts })
    this.#audits = new Audits({ ...shared, rng: rng.fork(), items, hosts })
  }

  get usage(): { orders: number; decisions: number } {
    return { orders: this.#items.size, decisions: this.#placing.decisions }
  }

  start(): void {
    this.#watching.start()
    this.#audits.start()
  }

  /** Looks at what has changed. Returns whether there was anything. */
  decide(): boolean {
    const changed = this.#items.takeChanged()
    for (const item of changed) this.#deciding.decide(item)
    return changed.length > 0
  }

  onBrokers(): void {
    this.#items.markAll()
  }

  onPeerUp(peer: Peer): void {
    this.#watching.onPeerUp(peer)
    for (const item of this.#items.ofOwner(peer)) this.#items.mark(item)
  }

  onPeerDown(peer: Peer): void {
    this.#rooms.onPeerDown(peer)
    this.#watching.onPeerDown(peer)
    this.#reporting.onPeerDown(peer)
    for (const item of this.#items.open()) {
      this.#placing.onPeerDown(peer, item)
      // the next broker in line may be this node
      this.#items.mark(item)
    }
  }

  onAudited(host: Peer, infohash: Infohash, isRight: boolean): void {
    this.#audits.onAudited(host, infohash, isRight)
  }

  onMessage(from: Peer, message: PlacementMessage): void {
    switch (message.type) {
      case 'order':
        this.#keeping.onOrder(from, message)
        return
      case 'leases':
        this.#keeping.onLeases(from, message)
        return
      case 'room':
        this.#rooms.onRoom(from, message.size)
        return
      case 'ask':
        this.#reporting.onAsk(from, message.infohash)
        return
      case 'recover':
        this.#reporting.onRecover(from)
        return
      case 'offer': {
        if (!this.#rates.take(from, 'offers', this.#outbox.now)) return
        const { bytes, usedBytes } = message.offer
        const isNewPlace = this.#hosts.onOffer(from, message.offer)
        this.#placing.onRoom(bytes - usedBytes, isNewPlace)
        return
      }
      case 'shown':
        this.#keeping.onShown(from, message)
        return
      case 'offers':
        this.#rooms.onOffers(from, message.offers)
        return
      case 'placed':
        this.#placing.onPlaced(from, message)
        return
      case 'still':
        if (this.#rates.take(from, 'others', this.#outbox.now)) this.#watching.onStill(from, message.digest)
        return
    }
  }
}
