import type { Agenda } from '../core/agenda.ts'
import type { Peer } from '../core/peer.ts'
import type { CatalogueStore } from './catalogue-store.ts'
import { type SuperPeerConfig, superPeerLimits } from './config.ts'
import type { Refusal } from './messages.ts'
import type { Outbox } from './outbox.ts'

export type GroupOf = (peer: Peer) => string | undefined

interface Client {
  readonly group: string | undefined
  heardMs: number
  /** Its connection is gone since then. */
  downMs: number | undefined
}

/** Sweeps in the time after which a client counts as gone. */
const SWEEPS = 4

export interface ClientsInit {
  config: SuperPeerConfig
  outbox: Outbox
  agenda: Agenda
  store: CatalogueStore
  groupOf: GroupOf
  /** One went. */
  onGone: (peer: Peer) => void
  /** Who is answered for has changed. */
  onChange: () => void
}

/** The clients of a super-peer: who may be one, and who is there. */
export class Clients {
  readonly #init: ClientsInit
  readonly #clients = new Map<Peer, Client>() // BOUNDED by maxSlots
  slots: number
  /** Takes no new ones. */
  isClosed = true

  constructor(init: ClientsInit) {
    this.#init = init
    this.slots = init.config.slots
  }

  start(): void {
    this.#sweepLater()
  }

  get count(): number {
    return this.#clients.size
  }

  get free(): number {
    return this.isClosed ? 0 : Math.max(0, this.slots - this.#clients.size)
  }

  peers(): Iterable<Peer> {
    return this.#clients.keys()
  }

  has(peer: Peer): boolean {
    return this.#clients.has(peer)
  }

  /** Whether it is answered for: it is there, or was a moment ago. */
  isLive = (peer: Peer): boolean => this.#clients.has(peer)

  /** Takes it, or says why not. One that is there already is heard of. */
  admit(peer: Peer): Refusal | undefined {
    const client = this.#clients.get(peer)
    if (client === undefined) {
      if (this.isClosed) return 'noSuper'
      if (this.#clients.size >= this.slots) return 'full'
      const group = this.#init.groupOf(peer)
      if (group !== undefined && this.#countOf(group) >= this.#mostOfGroup) return 'group'
      this.#clients.set(peer, { group, heardMs: this.#init.outbox.now, downMs: undefined })
      // a catalogue of before counts again
      if (this.#init.store.head(peer) !== undefined) this.#init.onChange()
    } else {
      this.heard(peer)
    }
    return undefined
  }

  heard(peer: Peer): void {
    const client = this.#clients.get(peer)
    if (client === undefined) return
    client.heardMs = this.#init.outbox.now
    client.downMs = undefined
  }

  onDown(peer: Peer): void {
    const client = this.#clients.get(peer)
    if (client !== undefined) client.downMs ??= this.#init.outbox.now
  }

  remove(peer: Peer): void {
    if (!this.#clients.delete(peer)) return
    this.#init.onGone(peer)
    this.#init.onChange()
  }

  #countOf(group: string): number {
    let count = 0
    for (const client of this.#clients.values()) if (client.group === group) count++
    return count
  }

  get #mostOfGroup(): number {
    return Math.max(1, Math.floor(this.slots * superPeerLimits.groupShare))
  }

  #sweepLater(): void {
    const { outbox, agenda, config, store } = this.#init
    agenda.at(outbox.now, outbox.now + config.goneMs / SWEEPS, () => {
      const { now, self } = outbox
      for (const [peer, { heardMs, downMs }] of this.#clients) {
        // a client that is there says something in each time of a ping
        const isSilent = now - heardMs > 3 * config.pingMs
        if (isSilent || (downMs !== undefined && now - downMs > config.goneMs)) this.remove(peer)
      }
      for (const { publisher, expires } of [...store.heads()]) {
        if (publisher === self || expires * 1_000 + superPeerLimits.skewMs > outbox.wallMs) continue
        store.drop(publisher)
        if (this.#clients.has(publisher)) this.remove(publisher)
      }
      this.#sweepLater()
    })
  }
}
