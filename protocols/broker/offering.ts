import { BoundedMap } from '../core/bounded-map.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import type { Agenda } from './agenda.ts'
import type { Offer } from './commands.ts'
import { type BrokerConfig, brokerLimits } from './config.ts'
import type { HostedItems } from './hosted-items.ts'
import type { KnownBrokers } from './known-brokers.ts'
import type { Outbox } from './outbox.ts'

/** Brokers that placed something here hear of what is left as well: they are likely to do it again. */
const MAX_PLACERS = 4

const utf8 = new TextEncoder()

const NOTHING: Offer = { bytes: 0, usedBytes: 0, uptimeMs: 0, uploadBytesPerS: 0, load: 0, domain: '' }

/** What this node offers, and who hears of it. */
export class Offering {
  readonly #config: BrokerConfig
  readonly #outbox: Outbox
  readonly #agenda: Agenda
  readonly #rng: Rng
  readonly #brokers: KnownBrokers
  readonly #items: () => HostedItems
  readonly #placers = new BoundedMap<Peer, true>(MAX_PLACERS)
  /** Used share of the offer that each was told. BOUNDED by the brokers of this host and MAX_PLACERS. */
  readonly #told = new Map<Peer, number>()
  #offer = NOTHING
  #isLeaving = false

  constructor(init: {
    config: BrokerConfig
    outbox: Outbox
    agenda: Agenda
    rng: Rng
    brokers: KnownBrokers
    items: () => HostedItems
  }) {
    this.#config = init.config
    this.#outbox = init.outbox
    this.#agenda = init.agenda
    this.#rng = init.rng
    this.#brokers = init.brokers
    this.#items = init.items
  }

  get domain(): string {
    return this.#offer.domain
  }

  get isOpen(): boolean {
    return !this.#isLeaving && this.#offer.bytes > 0
  }

  /** As it is now. */
  get current(): Offer {
    const { bytes, usedBytes } = this.#offer
    return {
      ...this.#offer,
      bytes: this.#isLeaving ? 0 : bytes,
      usedBytes: Math.max(usedBytes, this.#items().bytes)
    }
  }

  start(): void {
    const { now } = this.#outbox
    this.#agenda.at(now, now + this.#config.offerMs * (0.8 + this.#rng.unit() / 5), () => {
      if (this.isOpen) this.#tellAll()
      this.start()
    })
  }

  /** @throws RangeError on numbers that no offer can have: our own application's mistake */
  set(offer: Offer): void {
    const { bytes, usedBytes, uptimeMs, uploadBytesPerS, load, domain } = offer
    for (const number of [bytes, usedBytes, uptimeMs, uploadBytesPerS]) {
      if (!(Number.isSafeInteger(number) && number >= 0)) throw new RangeError(`an offer of ${number}`)
    }
    if (!(load >= 0 && load <= 1)) throw new RangeError(`a load of ${load}`)
    if (utf8.encode(domain).byteLength > brokerLimits.maxDomainBytes) throw new RangeError('a domain that is too long')
    const before = this.#offer
    this.#offer = { bytes, usedBytes, uptimeMs, uploadBytesPerS, load, domain }
    if (bytes > 0) this.#isLeaving = false
    if (before.bytes !== bytes || before.domain !== domain) this.#tellAll()
    else this.onUsed()
  }

  leave(): void {
    const wasOpen = this.isOpen
    this.#isLeaving = true
    if (wasOpen) this.#tellAll()
  }

  onBrokers(): void {
    const brokers = this.#listeners()
    for (const broker of brokers) if (this.isOpen && !this.#told.has(broker)) this.#tell(broker)
    for (const broker of this.#told.keys()) if (!brokers.has(broker)) this.#told.delete(broker)
  }

  onPeerUp(peer: Peer): void {
    if (this.isOpen && this.#listeners().has(peer)) this.#tell(peer)
  }

  onPlacer(broker: Peer): void {
    const left = this.#placers.set(broker, true)
    if (left !== undefined) this.#told.delete(left[0])
    // it hears of it by the answer
    this.#told.set(broker, this.#share())
  }

  /** After what is used has changed: told when it is much. */
  onUsed(): void {
    if (!this.isOpen) return
    const share = this.#share()
    for (const broker of this.#listeners()) {
      if (Math.abs(share - (this.#told.get(broker) ?? -1)) >= this.#config.offerStep) this.#tell(broker)
    }
  }

  #share(): number {
    const { bytes, usedBytes } = this.current
    return bytes === 0 ? 1 : usedBytes / bytes
  }

  #listeners(): Set<Peer> {
    return new Set([...this.#brokers.ofHost(this.#outbox.self, this.#config.brokers), ...this.#placers.keys()])
  }

  #tellAll(): void {
    for (const broker of this.#listeners()) this.#tell(broker)
  }

  #tell(broker: Peer): void {
    this.#told.set(broker, this.#share())
    this.#outbox.send(broker, { type: 'offer', offer: this.current })
  }
}
