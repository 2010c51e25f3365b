import { ByteWriter } from '../core/byte-writer.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import type { Crypto } from '../core/signing.ts'
import { type SuperPeerConfig, superPeerLimits } from './config.ts'
import type { Advert } from './messages.ts'
import type { Outbox } from './outbox.ts'

const DOMAIN = new TextEncoder().encode('shoal-super-peer-1\n')

export interface Known {
  readonly peer: Peer
  /** Undefined for one that is remembered, or that was only named. */
  advert: Advert | undefined
  /** Clients that it would take, as far as is known. */
  free: number
  readonly teller: Peer | undefined
  /** When it was last heard of. */
  heardMs: number
  /** Not asked before. */
  notBeforeMs: number
  /** In a row. */
  failures: number
}

/** Failures in a row after which it is forgotten. */
const MAX_FAILURES = 4

/** Super-peers that are known by what they say of themselves. */
export class Adverts {
  readonly #config: SuperPeerConfig
  readonly #outbox: Outbox
  readonly #signing: Crypto
  readonly #rng: Rng
  readonly #known = new Map<Peer, Known>() // BOUNDED by maxKnown, and maxFromTeller of each teller

  constructor(init: { config: SuperPeerConfig; outbox: Outbox; signing: Crypto; rng: Rng }) {
    this.#config = init.config
    this.#outbox = init.outbox
    this.#signing = init.signing
    this.#rng = init.rng
  }

  get(peer: Peer): Known | undefined {
    return this.#known.get(peer)
  }

  /** All, also those of whom nothing has been heard for long. */
  all(): Iterable<Known> {
    return this.#known.values()
  }

  /** Those whose advert is valid. */
  live(): Known[] {
    return [...this.#known.values()].filter(({ advert }) => advert !== undefined && this.#isValid(advert))
  }

  /** Whether some super-peer would take somebody. */
  get hasRoom(): boolean {
    return this.live().some(({ free, failures }) => free > 0 && failures === 0)
  }

  /** About how many clients there are: each has so many super-peers. @param own this node's own */
  clientsOfAll(own: number): number {
    const all = this.live().reduce((sum, { advert }) => sum + (advert?.clients ?? 0), own)
    return Math.round(all / this.#config.supers)
  }

  /** This node's own, to be told others. */
  sign(what: Omit<Advert, 'peer' | 'issued' | 'signature'>): Advert {
    const { self, wallS } = this.#outbox
    const unsigned = { ...what, peer: self, issued: wallS }
    return { ...unsigned, signature: this.#signing.sign(advertBytes(this.#config.network, unsigned)) }
  }

  /** Remembered from before. */
  remember(peers: readonly Peer[]): void {
    for (const peer of peers.slice(0, superPeerLimits.maxFromTeller)) this.name(peer)
  }

  /** Somebody says that it is one. */
  name(peer: Peer): void {
    if (peer === this.#outbox.self || this.#known.has(peer)) return
    this.#add(peer, undefined, undefined)
  }

  /**
   * Adverts that a peer tells. Returns how many super-peers are new to us; undefined when the peer has forged one, or
   * passed on what it has not looked at.
   */
  take(from: Peer, adverts: readonly Advert[]): number | undefined {
    let fresh = 0
    for (const advert of adverts) {
      const { peer } = advert
      if (peer === this.#outbox.self || !this.#isValid(advert)) continue
      const known = this.#known.get(peer)
      if (known?.advert !== undefined && known.advert.issued >= advert.issued) continue
      if (!this.#signing.verify(peer, advertBytes(this.#config.network, advert), advert.signature)) return undefined
      if (known === undefined) {
        this.#add(peer, advert, from)
        fresh++
      } else {
        if (known.advert === undefined) fresh++
        known.advert = advert
        known.free = advert.free
        known.heardMs = this.#outbox.now
        if (from === peer) known.failures = 0
      }
    }
    return fresh
  }

  /** It answers. */
  worked(peer: Peer): void {
    this.name(peer)
    const known = this.#known.get(peer)
    if (known === undefined) return
    known.failures = 0
    known.heardMs = this.#outbox.now
  }

  /** It does not want us now. */
  refused(peer: Peer): void {
    const known = this.#known.get(peer)
    if (known === undefined) return
    known.notBeforeMs = this.#outbox.now + this.#config.refusedMs
    known.free = 0
  }

  failed(peer: Peer): void {
    const known = this.#known.get(peer)
    if (known === undefined) return
    known.failures++
    known.notBeforeMs = this.#outbox.now + this.#config.refusedMs * 2 ** (known.failures - 1)
    if (known.failures >= MAX_FAILURES) this.#known.delete(peer)
  }

  delete(peer: Peer): void {
    this.#known.delete(peer)
  }

  /** Some to tell: those with room first, chosen by chance, since all would choose the same. */
  sample(count: number, except?: Peer): Advert[] {
    const live = this.live().filter(({ peer, failures }) => peer !== except && failures === 0)
    const [open, full] = [live.filter(({ free }) => free > 0), live.filter(({ free }) => free === 0)]
    const chosen = this.#rng.sample(open, count)
    return [...chosen, ...this.#rng.sample(full, count - chosen.length)].flatMap(({ advert }) => advert ?? [])
  }

  /** Forgets those that have not been heard of for long. */
  sweep(): void {
    const { now } = this.#outbox
    const limitMs = this.#config.advertMs + superPeerLimits.reserveMs
    for (const [peer, { heardMs }] of this.#known) if (now - heardMs > limitMs) this.#known.delete(peer)
  }

  #isValid({ issued }: Advert): boolean {
    const age = this.#outbox.wallMs - issued * 1_000
    return age <= this.#config.advertMs && age >= -superPeerLimits.skewMs
  }

  #add(peer: Peer, advert: Advert | undefined, teller: Peer | undefined): void {
    if (teller !== undefined) {
      const told = [...this.#known.values()].filter(known => known.teller === teller)
      if (told.length >= superPeerLimits.maxFromTeller) this.#dropOldest(told)
    }
    if (this.#known.size >= superPeerLimits.maxKnown) this.#dropOldest([...this.#known.values()])
    this.#known.set(peer, {
      peer,
      advert,
      free: advert?.free ?? 0,
      teller,
      heardMs: this.#outbox.now,
      notBeforeMs: 0,
      failures: 0
    })
  }

  #dropOldest(among: readonly Known[]): void {
    let oldest = among[0]
    for (const known of among) if (oldest === undefined || known.heardMs < oldest.heardMs) oldest = known
    if (oldest !== undefined) this.#known.delete(oldest.peer)
  }
}

export function advertBytes(network: string, advert: Omit<Advert, 'peer' | 'signature'>): Uint8Array {
  return new ByteWriter(128)
    .bytes(DOMAIN)
    .text(network)
    .u32(advert.issued)
    .u16(advert.free)
    .u16(advert.clients)
    .u32(advert.items)
    .u8(advert.load)
    .finish()
}
