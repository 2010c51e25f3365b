import type { Agenda, Appointment } from '../core/agenda.ts'
import type { Peer } from '../core/peer.ts'
import { PeerRates } from '../core/peer-rates.ts'
import { searchLimits } from '../search/config.ts'
import type { Hit } from '../search/messages.ts'
import { isSound, itemBytes } from './catalogue.ts'
import type { CatalogueStore } from './catalogue-store.ts'
import type { Clients } from './clients.ts'
import type { AskAccount, SuperPeerCommand } from './commands.ts'
import { type SuperPeerConfig, superPeerLimits } from './config.ts'
import type { SuperPeerMessageOf } from './messages.ts'
import type { Outbox } from './outbox.ts'
import { type Found, packed } from './packing.ts'
import { tagOf } from './tags.ts'

interface Asked {
  readonly client: Peer
  /** Its number there. */
  readonly ask: number
  readonly limit: number
  /** Tags of what the client knows. BOUNDED by maxTold, and what maxAnswerBytes hold. */
  readonly known: Set<number>
  /** BOUNDED by maxHolders. */
  readonly holders: Map<Peer, number>
  pending: Found[]
  bytes: number
  flush: Appointment | undefined
  end: Appointment | undefined
}

/** How much longer than the search itself a super-peer waits for its end. */
const LATE_MS = 1_000
const NOTHING: AskAccount = { peersAsked: 0, messages: 0, complete: false, more: true }

export interface AnsweringInit {
  config: SuperPeerConfig
  outbox: Outbox
  agenda: Agenda
  store: CatalogueStore
  clients: Clients
}

/** A super-peer's answers to what its clients ask: what lies here at once, then what the application finds elsewhere. */
export class Answering {
  readonly #init: AnsweringInit
  /** By the number that the application knows. BOUNDED by maxAsks. */
  readonly #asks = new Map<number, Asked>()
  readonly #rates = new PeerRates(superPeerLimits.asks, superPeerLimits.maxRates)
  #lastAsk = 0

  constructor(init: AnsweringInit) {
    this.#init = init
  }

  onAsk(from: Peer, message: SuperPeerMessageOf<'ask'>): void {
    const { outbox, clients, agenda } = this.#init
    const { ask, query, want } = message
    if (!clients.has(from)) {
      outbox.send(from, { type: 'refused', why: 'noSuper', adverts: [] })
      return
    }
    clients.heard(from)
    const running = [...this.#asks.values()].filter(({ client }) => client === from)
    const isTooMuch = running.length >= superPeerLimits.maxAsksOfClient || this.#asks.size >= superPeerLimits.maxAsks
    const isTwice = running.some(other => other.ask === ask)
    if (isTooMuch || isTwice || !this.#rates.take(from, outbox.now)) {
      outbox.send(from, { type: 'answer', ask, holders: [], hits: [], account: NOTHING })
      return
    }
    const limit = Math.min(Math.max(message.limit, 1), searchLimits.maxHits)
    const budget = Math.min(message.budget, superPeerLimits.maxBudget)
    const timeoutMs = Math.min(Math.max(message.timeoutMs, 1), superPeerLimits.maxTimeoutMs)
    const asked: Asked = {
      client: from,
      ask,
      limit,
      known: new Set(message.told),
      holders: new Map(),
      pending: [],
      bytes: 0,
      flush: undefined,
      end: undefined
    }
    this.#tellOwn(asked, query)
    if (budget === 0 || asked.holders.size >= Math.max(want, 1)) {
      this.#finish(asked, { peersAsked: 0, messages: 0, complete: true, more: true })
      return
    }
    this.#flush(asked)
    const number = ++this.#lastAsk
    this.#asks.set(number, asked)
    asked.end = agenda.at(outbox.now, outbox.now + timeoutMs + LATE_MS, () => this.#stop(number, NOTHING))
    outbox.tell({ type: 'search', ask: number, query, want: Math.max(want, 1), limit, budget, timeoutMs })
  }

  onFound({ ask, holder, hops, hits }: Extract<SuperPeerCommand, { type: 'found' }>): void {
    const asked = this.#asks.get(ask)
    if (asked === undefined) return
    for (const hit of hits) this.#add(asked, holder, hops + 1, hit)
    if (asked.pending.length === 0) return
    const { outbox, agenda, config } = this.#init
    asked.flush ??= agenda.at(outbox.now, outbox.now + config.batchMs, () => this.#flush(asked))
  }

  onSearched(ask: number, account: AskAccount): void {
    const asked = this.#asks.get(ask)
    if (asked === undefined) return
    this.#asks.delete(ask)
    this.#finish(asked, account)
  }

  onStopAsk(from: Peer, ask: number): void {
    for (const [number, asked] of this.#asks) if (asked.client === from && asked.ask === ask) this.#stop(number)
  }

  onGone(client: Peer): void {
    for (const [number, asked] of [...this.#asks]) if (asked.client === client) this.#stop(number)
  }

  #tellOwn(asked: Asked, query: SuperPeerMessageOf<'ask'>['query']): void {
    const { store, clients, outbox } = this.#init
    const isLive = (holder: Peer): boolean =>
      holder !== asked.client && (holder === outbox.self || clients.isLive(holder))
    const found = store.search(query, { perHolder: asked.limit, total: superPeerLimits.maxIndexHits, isLive })
    for (const { holder, hits } of found) for (const hit of hits) this.#add(asked, holder, 1, hit)
  }

  #add(asked: Asked, holder: Peer, hops: number, hit: Hit): void {
    const tag = tagOf(asked.ask, holder, hit.id)
    if (holder === asked.client || asked.known.has(tag) || !isSound(hit)) return
    const count = asked.holders.get(holder) ?? 0
    if (count >= asked.limit || (count === 0 && asked.holders.size >= superPeerLimits.maxHolders)) return
    const bytes = itemBytes(hit)
    if (asked.bytes + bytes > superPeerLimits.maxAnswerBytes) return
    asked.bytes += bytes
    asked.holders.set(holder, count + 1)
    asked.known.add(tag)
    asked.pending.push({ holder, hops: Math.min(hops, 255), hit })
  }

  /** The client waits no longer, or the application took too long. */
  #stop(number: number, account?: AskAccount): void {
    const asked = this.#asks.get(number)
    if (asked === undefined) return
    this.#asks.delete(number)
    this.#init.outbox.tell({ type: 'stopSearch', ask: number })
    if (account !== undefined) this.#finish(asked, account)
    else this.#settle(asked)
  }

  #finish(asked: Asked, account: AskAccount): void {
    this.#flush(asked, account)
    this.#settle(asked)
  }

  #settle(asked: Asked): void {
    this.#init.agenda.cancel(asked.end)
    this.#init.agenda.cancel(asked.flush)
  }

  #flush(asked: Asked, account?: AskAccount): void {
    const { outbox, agenda } = this.#init
    agenda.cancel(asked.flush)
    asked.flush = undefined
    const messages = packed(asked.pending)
    asked.pending = []
    if (messages.length === 0 && account !== undefined) messages.push({ holders: [], hits: [] })
    messages.forEach((message, i) => {
      const isLast = account !== undefined && i === messages.length - 1
      outbox.send(asked.client, { type: 'answer', ask: asked.ask, ...message, ...(isLast ? { account } : {}) })
    })
  }
}
