import { BoundedMap } from '../core/bounded-map.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import type { Candidate, Domains } from './choice.ts'
import type { Offer } from './commands.ts'
import { type BrokerConfig, brokerLimits } from './config.ts'
import type { HostOffer } from './messages.ts'
import type { Outbox } from './outbox.ts'
import type { Reach } from './reach.ts'

interface Entry {
  offer: Offer
  /** When it was told, ms of the machine's clock. */
  at: number
  /** What was placed there and is not answered. */
  pendingBytes: number
}

interface Standing {
  /** 0..1. */
  trust: number
  at: number
  distrustedUntil: number
}

/** What a host may have used more for each time that one was asked in vain: evenness is not worth many questions. */
const STALE_STEP = 0.005

/** An hour after a failure half of the trust that it cost is back. */
const TRUST_MS = 3_600_000

/** Hosts with room, as they or other brokers say, and how well they have done. */
export class Hosts {
  readonly #config: BrokerConfig
  readonly #outbox: Outbox
  readonly #rng: Rng
  readonly #reach: Reach
  readonly #domainOf: (peer: Peer) => string | undefined
  /** Those that have told us, and those that others told us of: a stranger's talk pushes out nobody's own word. */
  readonly #own = new BoundedMap<Peer, Entry>(brokerLimits.maxHosts)
  readonly #heard = new BoundedMap<Peer, Entry>(brokerLimits.maxHearsay)
  readonly #standings = new BoundedMap<Peer, Standing>(brokerLimits.maxHosts)
  /** For drawing some without going through all. Rebuilt when it is much out of date. BOUNDED by the two above. */
  #list: Peer[] = []

  constructor(init: {
    config: BrokerConfig
    outbox: Outbox
    rng: Rng
    reach: Reach
    domainOf: (peer: Peer) => string | undefined
  }) {
    this.#config = init.config
    this.#outbox = init.outbox
    this.#rng = init.rng
    this.#reach = init.reach
    this.#domainOf = init.domainOf
  }

  domainsOf(host: Peer, claimed: string): Domains {
    return { claimed, seen: this.#domainOf(host) }
  }

  /** Empty for one that has said nothing. */
  domainSaid(host: Peer): string {
    return (this.#own.get(host) ?? this.#heard.get(host))?.offer.domain ?? ''
  }

  /** Returns whether the host is new here, or somewhere else than before. */
  onOffer(host: Peer, offer: Offer): boolean {
    const before = this.#own.get(host)
    const pendingBytes = before?.pendingBytes ?? this.#heard.get(host)?.pendingBytes ?? 0
    this.#own.set(host, { offer, at: this.#outbox.now, pendingBytes })
    this.#heard.delete(host)
    if (before === undefined) this.#list.push(host)
    return before === undefined || before.offer.domain !== offer.domain
  }

  /** What another broker says; what the host itself says counts for more. */
  onHeard({ host, offer }: HostOffer): void {
    const own = this.#own.get(host)
    if (own !== undefined && this.#isCurrent(own)) return
    const before = this.#heard.get(host)
    this.#heard.set(host, { offer, at: this.#outbox.now, pendingBytes: before?.pendingBytes ?? 0 })
    if (before === undefined) this.#list.push(host)
  }

  /** What a host that was asked to take something says of itself. It need not be registered here. */
  onAnswer(host: Peer, offer: Offer): void {
    const entry = this.#own.get(host) ?? this.#heard.get(host)
    if (entry === undefined) return
    entry.offer = offer
    entry.at = this.#outbox.now
  }

  reserve(host: Peer, bytes: number): void {
    const entry = this.#own.get(host) ?? this.#heard.get(host)
    if (entry !== undefined) entry.pendingBytes = Math.max(0, entry.pendingBytes + bytes)
  }

  /** What the host must have used at most when it is asked now, and so many steps more. */
  usedBytes(host: Peer, steps: number): number {
    const entry = this.#own.get(host) ?? this.#heard.get(host)
    if (entry === undefined) return 0
    return entry.offer.usedBytes + entry.pendingBytes + Math.floor(entry.offer.bytes * STALE_STEP * steps)
  }

  /** Some of those that may get a copy. */
  candidates(excluded: (host: Peer) => boolean): Candidate[] {
    if (this.#list.length > 2 * (this.#own.size + this.#heard.size)) {
      this.#list = [...new Set([...this.#own.keys(), ...this.#heard.keys()])]
    }
    const { maxCandidates } = brokerLimits
    const all = this.#list
    const some = all.length <= maxCandidates ? all : this.#draw(maxCandidates)
    const candidates = new Map<Peer, Candidate>()
    for (const peer of some) {
      const entry = this.#own.get(peer) ?? this.#heard.get(peer)
      if (entry === undefined || entry.offer.bytes === 0 || candidates.has(peer)) continue
      const isHearsay = !this.#own.has(peer)
      if (!this.#isCurrent(entry, isHearsay)) continue
      if (this.#reach.isDown(peer) || this.isDistrusted(peer) || excluded(peer)) continue
      const { offer, pendingBytes } = entry
      candidates.set(peer, {
        peer,
        domains: this.domainsOf(peer, offer.domain),
        bytes: offer.bytes,
        usedBytes: offer.usedBytes + pendingBytes,
        uptimeMs: offer.uptimeMs,
        uploadBytesPerS: offer.uploadBytesPerS,
        load: offer.load,
        trust: this.#trustOf(peer),
        isHearsay
      })
    }
    return [...candidates.values()]
  }

  /** For other brokers: the emptiest of those that are registered here, and some by chance. */
  emptiest(size: number): HostOffer[] {
    const roomy: { host: Peer; entry: Entry; share: number }[] = []
    for (const [host, entry] of this.#own) {
      const used = entry.offer.usedBytes + entry.pendingBytes
      if (entry.offer.bytes - used < size || !this.#isCurrent(entry)) continue
      if (this.#reach.isDown(host) || this.isDistrusted(host)) continue
      roomy.push({ host, entry, share: (used + size) / entry.offer.bytes })
    }
    roomy.sort((a, b) => a.share - b.share)
    const most = Math.floor((brokerLimits.maxOffers * 2) / 3)
    const told = [...roomy.slice(0, most), ...this.#rng.sample(roomy.slice(most), brokerLimits.maxOffers - most)]
    return told.map(({ host, entry: { offer, pendingBytes } }) => ({
      host,
      offer: { ...offer, usedBytes: offer.usedBytes + pendingBytes }
    }))
  }

  /** It was not there when it had to be, or could not do what it took. `by`: what is left of its trust. */
  onFailure(host: Peer, by: number): void {
    const { now } = this.#outbox
    const distrustedUntil = this.#standings.get(host)?.distrustedUntil ?? 0
    this.#standings.set(host, { trust: this.#trustOf(host) * by, at: now, distrustedUntil })
  }

  /** It has not what it says that it has. */
  distrust(host: Peer): void {
    const { now } = this.#outbox
    this.#standings.set(host, { trust: 0, at: now, distrustedUntil: now + this.#config.distrustMs })
  }

  isDistrusted(host: Peer): boolean {
    const standing = this.#standings.get(host)
    return standing !== undefined && standing.distrustedUntil > this.#outbox.now
  }

  #trustOf(host: Peer): number {
    const standing = this.#standings.get(host)
    if (standing === undefined) return 1
    return 1 - (1 - standing.trust) * 2 ** (-(this.#outbox.now - standing.at) / TRUST_MS)
  }

  #isCurrent({ at }: Entry, isHearsay = false): boolean {
    return this.#outbox.now - at <= (isHearsay ? 4 * this.#config.roomMs : 3 * this.#config.offerMs)
  }

  #draw(count: number): Peer[] {
    return Array.from({ length: count }, () => this.#rng.pick(this.#list))
  }
}
