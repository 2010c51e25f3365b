import type { Agenda, Appointment } from '../core/agenda.ts'
import type { Peer } from '../core/peer.ts'
import { PeerRates } from '../core/peer-rates.ts'
import type { Rng } from '../core/rng.ts'
import type { Adverts } from './adverts.ts'
import { type SuperPeerConfig, superPeerLimits } from './config.ts'
import type { Advert } from './messages.ts'
import type { Outbox } from './outbox.ts'

/** Adverts of one message that nobody has asked for. */
const TOLD = 4

/** Super-peers that are told at once of one that comes or goes. */
const PUSHED = 32

export interface GossipInit {
  config: SuperPeerConfig
  outbox: Outbox
  agenda: Agenda
  rng: Rng
  adverts: Adverts
  /** This node's own advert, while it is a super-peer. */
  own: () => Advert | undefined
  /** Who else may be told: super-peers of ours, clients. */
  partners: () => Iterable<Peer>
  /** Super-peers that are missed while none is left to ask. */
  missing: () => number
  /** How much they are missed. */
  demand: () => number
  /** Somebody misses so many, and we know of none that has room. */
  onShortage: (from: Peer, missing: number) => void
  onFresh: () => void
}

/** How super-peers become known: told to neighbours that come up, rarely to others, and to whoever misses some. */
export class Gossip {
  readonly #init: GossipInit
  readonly #neighbours = new Set<Peer>() // BOUNDED by the overlay's active view
  readonly #adverts = new PeerRates(superPeerLimits.adverts, superPeerLimits.maxRates)
  readonly #seeks = new PeerRates(superPeerLimits.seeks, superPeerLimits.maxRates)
  #seek: Appointment | undefined
  #seekMs: number

  constructor(init: GossipInit) {
    this.#init = init
    this.#seekMs = init.config.seekMs
  }

  start(): void {
    this.#later()
  }

  neighbourUp(peer: Peer): void {
    if (peer === this.#init.outbox.self || this.#neighbours.has(peer)) return
    this.#neighbours.add(peer)
    this.#tell(peer)
    this.seekSoon()
  }

  neighbourDown(peer: Peer): void {
    this.#neighbours.delete(peer)
  }

  /** This node's own has changed so much that others should know: neighbours, and super-peers that count on it. */
  push(): void {
    const own = this.#init.own()
    if (own === undefined) return
    for (const peer of this.#neighbours) this.#tell(peer)
    const others = this.#init.adverts.live().flatMap(({ peer }) => (this.#neighbours.has(peer) ? [] : [peer]))
    const message = { type: 'adverts', adverts: [own] } as const
    for (const peer of this.#init.rng.sample(others, PUSHED)) this.#init.outbox.send(peer, message)
  }

  onAdverts(from: Peer, adverts: readonly Advert[]): void {
    const { outbox, onFresh } = this.#init
    if (!this.#adverts.take(from, outbox.now)) return
    const fresh = this.#init.adverts.take(from, adverts)
    if (fresh === undefined) {
      outbox.penalise(from, 'an advert that nobody signed')
      return
    }
    if (fresh > 0) this.#seekMs = this.#init.config.seekMs
    onFresh()
  }

  onWanted(from: Peer, missing: number): void {
    const { outbox } = this.#init
    if (!this.#seeks.take(from, outbox.now)) return
    const adverts = this.some(superPeerLimits.maxAdverts, from)
    if (adverts.length > 0) outbox.send(from, { type: 'adverts', adverts })
    if (!this.#init.adverts.hasRoom && (this.#init.own()?.free ?? 0) === 0) this.#init.onShortage(from, missing)
  }

  /** Own first. */
  some(count: number, to: Peer): Advert[] {
    const own = this.#init.own()
    const others = this.#init.adverts.sample(own === undefined ? count : count - 1, to)
    return own === undefined ? others : [own, ...others]
  }

  /** Something is missed: asks soon, and then less and less often. */
  seekSoon(): void {
    this.#seekMs = this.#init.config.seekMs
    this.#seekLater()
  }

  #seekLater(): void {
    const { outbox, agenda, rng } = this.#init
    if (this.#seek !== undefined || this.#init.missing() === 0) return
    const wait = this.#seekMs * (0.5 + rng.unit())
    this.#seek = agenda.at(outbox.now, outbox.now + wait, () => {
      this.#seek = undefined
      const missing = this.#init.missing()
      if (missing === 0) return
      const asked = this.#somebody()
      if (asked !== undefined)
        outbox.send(asked, {
          type: 'advertsWanted',
          missing: Math.min(this.#init.demand(), superPeerLimits.maxMissing)
        })
      // who has two can wait
      const lastMs = this.#init.config.seekLastMs / (missing > 1 ? 4 : 1)
      this.#seekMs = Math.min(this.#seekMs * 2, lastMs)
      this.#seekLater()
    })
  }

  #later(): void {
    const { outbox, agenda, rng, config } = this.#init
    agenda.at(outbox.now, outbox.now + config.gossipMs * (0.75 + rng.unit() / 2), () => {
      this.#init.adverts.sweep()
      const peer = this.#somebody()
      // one that has no neighbours is at rest: it is told, and tells nobody
      if (peer !== undefined && (this.#neighbours.size > 0 || this.#init.own() !== undefined)) this.#tell(peer)
      this.#later()
    })
  }

  #somebody(): Peer | undefined {
    const peers = new Set([...this.#neighbours, ...this.#init.partners()])
    for (const { peer } of this.#init.adverts.live()) peers.add(peer)
    return peers.size === 0 ? undefined : this.#init.rng.pick([...peers])
  }

  #tell(to: Peer): void {
    const adverts = this.some(TOLD, to)
    if (adverts.length > 0) this.#init.outbox.send(to, { type: 'adverts', adverts })
  }
}
