import type { Agenda, Appointment } from '../core/agenda.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import type { Adverts } from './adverts.ts'
import type { CatalogueHead } from './catalogue.ts'
import { type Candidate, chooseSuper } from './choosing.ts'
import type { GroupOf } from './clients.ts'
import type { SuperPeerConfig } from './config.ts'
import type { Refusal, SuperPeerMessageOf } from './messages.ts'
import type { Outbox } from './outbox.ts'

interface Link {
  state: 'asking' | 'attached'
  /** Of the catalogue that it has said to have. */
  indexed: number | undefined
  heardMs: number
  /** It goes, and stays until another is found. */
  isLeaving: boolean
  /** By when it has to have answered. */
  limit: Appointment | undefined
  ping: Appointment | undefined
}

/** How long a super-peer that took us may say nothing before it has the catalogue, in times of a request. */
const INDEX_REQUESTS = 6

export interface AttachingInit {
  config: SuperPeerConfig
  outbox: Outbox
  agenda: Agenda
  rng: Rng
  adverts: Adverts
  groupOf: GroupOf
  /** Undefined: nobody is wanted yet. */
  head: () => CatalogueHead | undefined
  isAvoided: (peer: Peer) => boolean
  /** Who are attached, or what they have, has changed. */
  onChange: () => void
  /** Others are needed and nobody is left. */
  onMissing: () => void
  onLost: (peer: Peer) => void
}

/** The client's side: which super-peers this node has, and that it has enough. */
export class Attaching {
  readonly #init: AttachingInit
  readonly #links = new Map<Peer, Link>() // BOUNDED by twice `supers`
  #told: readonly Peer[] = []
  /** A super-peer is nobody's client. */
  #isOff = false

  constructor(init: AttachingInit) {
    this.#init = init
  }

  get supers(): readonly Peer[] {
    return this.#told
  }

  /** Attached ones that have the whole catalogue as it was said last or, for a change of a moment ago, before. */
  get holding(): number {
    let count = 0
    for (const { state, indexed, isLeaving } of this.#links.values()) {
      if (state === 'attached' && indexed !== undefined && !isLeaving) count++
    }
    return count
  }

  /** That this node has or could have. */
  get existing(): number {
    let count = this.#told.length
    for (const { peer } of this.#init.adverts.live()) if (!this.has(peer) && !this.#init.isAvoided(peer)) count++
    return count
  }

  get missing(): number {
    return this.#isOff ? 0 : Math.max(0, this.#init.config.supers - this.#staying.length)
  }

  /** Whether there is one to be asked, or being asked. */
  get hasCandidates(): boolean {
    for (const { state } of this.#links.values()) if (state === 'asking') return true
    return this.#candidates().some(({ isLive, free }) => isLive && free > 0)
  }

  has(peer: Peer): boolean {
    return this.#links.get(peer)?.state === 'attached'
  }

  /** Looks for what is missing. */
  maintain(): void {
    const { head, rng, groupOf, config } = this.#init
    if (this.#isOff || head() === undefined) return
    while (this.#staying.length + this.#count('asking') < config.supers) {
      const present = [...this.#links].flatMap(([peer, { isLeaving }]) => (isLeaving ? [] : [peer]))
      const peer = chooseSuper(this.#candidates(), present, groupOf, rng)
      if (peer === undefined) {
        this.#init.onMissing()
        break
      }
      this.#ask(peer)
    }
    if (this.#staying.length >= config.supers) {
      for (const [peer, { isLeaving }] of [...this.#links]) if (isLeaving) this.leave(peer)
    }
  }

  /** The catalogue has changed. */
  onHead(head: CatalogueHead, update: SuperPeerMessageOf<'update'> | undefined): void {
    for (const [peer, link] of this.#links) {
      const isStep = update !== undefined && link.indexed === update.base
      this.#init.outbox.send(peer, isStep ? update : { type: 'attach', head, siblings: this.#siblings(peer) })
      this.#expect(peer, link, 1)
    }
    this.maintain()
  }

  onAccepted(from: Peer): void {
    const link = this.#links.get(from)
    if (link === undefined) return
    this.#heard(from, link)
    this.#expect(from, link, INDEX_REQUESTS)
    this.#changed()
  }

  onIndexed(from: Peer, seq: number): void {
    const link = this.#links.get(from)
    const head = this.#init.head()
    if (link === undefined || head === undefined || seq > head.seq) return
    this.#heard(from, link)
    link.indexed = seq
    if (seq === head.seq) this.#settle(link)
    this.#changed()
    this.maintain()
  }

  /** It asks for something of the catalogue, so it is at work. */
  onAsked(from: Peer): void {
    const link = this.#links.get(from)
    if (link?.state !== 'attached') return
    link.heardMs = this.#init.outbox.now
    if (link.limit !== undefined) this.#expect(from, link, INDEX_REQUESTS)
  }

  onPong(from: Peer): void {
    const link = this.#links.get(from)
    if (link?.state !== 'attached') return
    this.#heard(from, link)
    if (link.indexed === this.#init.head()?.seq) this.#settle(link)
  }

  onRefused(from: Peer, why: Refusal): void {
    const link = this.#links.get(from)
    if (link === undefined) return
    this.#init.adverts.refused(from)
    if (why === 'leaving' && link.state === 'attached') {
      link.isLeaving = true
      // it serves a little longer than it takes to find another
      const { agenda, outbox, config } = this.#init
      agenda.at(outbox.now, outbox.now + config.steppingMs, () => {
        if (this.#links.get(from) === link) this.leave(from)
      })
      this.#changed()
    } else {
      this.#drop(from)
    }
    this.maintain()
  }

  onDown(peer: Peer): void {
    if (!this.#links.has(peer)) return
    this.#init.adverts.failed(peer)
    this.#drop(peer)
    this.maintain()
  }

  /** We go. */
  leave(peer: Peer): void {
    this.#init.outbox.send(peer, { type: 'detach', forget: true })
    this.#drop(peer)
  }

  leaveAll(forget: boolean): void {
    for (const peer of [...this.#links.keys()]) {
      this.#init.outbox.send(peer, { type: 'detach', forget })
      this.#drop(peer)
    }
  }

  turn(isOn: boolean): void {
    this.#isOff = !isOn
    if (isOn) this.maintain()
    else this.leaveAll(true)
  }

  get #staying(): Link[] {
    return [...this.#links.values()].filter(({ state, isLeaving }) => state === 'attached' && !isLeaving)
  }

  #count(state: Link['state']): number {
    let count = 0
    for (const link of this.#links.values()) if (link.state === state) count++
    return count
  }

  #candidates(): Candidate[] {
    const { adverts, isAvoided, outbox } = this.#init
    const live = new Set(adverts.live())
    const candidates: Candidate[] = []
    for (const known of adverts.all()) {
      const { peer, free, notBeforeMs } = known
      if (this.#links.has(peer) || notBeforeMs > outbox.now || isAvoided(peer)) continue
      candidates.push({ peer, free, isLive: live.has(known) })
    }
    return candidates
  }

  #siblings(except: Peer): Peer[] {
    return [...this.#links].flatMap(([peer, { indexed }]) => (indexed === undefined || peer === except ? [] : [peer]))
  }

  #ask(peer: Peer): void {
    const head = this.#init.head()
    if (head === undefined) return
    const { outbox } = this.#init
    const link: Link = {
      state: 'asking',
      indexed: undefined,
      heardMs: outbox.now,
      isLeaving: false,
      limit: undefined,
      ping: undefined
    }
    this.#links.set(peer, link)
    outbox.send(peer, { type: 'attach', head, siblings: this.#siblings(peer) })
    this.#expect(peer, link, 1)
  }

  #heard(peer: Peer, link: Link): void {
    const { outbox, adverts } = this.#init
    link.heardMs = outbox.now
    adverts.worked(peer)
    if (link.state === 'attached') return
    link.state = 'attached'
    this.#pingLater(peer, link)
  }

  /** It is given up when it has said nothing by then. */
  #expect(peer: Peer, link: Link, requests: number): void {
    const { outbox, agenda, config } = this.#init
    this.#settle(link)
    link.limit = agenda.at(outbox.now, outbox.now + requests * config.requestMs, () => this.onDown(peer))
  }

  #settle(link: Link): void {
    this.#init.agenda.cancel(link.limit)
    link.limit = undefined
  }

  #pingLater(peer: Peer, link: Link): void {
    const { outbox, agenda, rng, config } = this.#init
    link.ping = agenda.at(outbox.now, outbox.now + config.pingMs * (0.75 + rng.unit() / 2), () => {
      this.#pingLater(peer, link)
      if (link.limit !== undefined) return
      outbox.send(peer, { type: 'ping' })
      this.#expect(peer, link, 1)
    })
  }

  #drop(peer: Peer): void {
    const link = this.#links.get(peer)
    if (link === undefined) return
    this.#settle(link)
    this.#init.agenda.cancel(link.ping)
    this.#links.delete(peer)
    if (link.state === 'attached') this.#init.onLost(peer)
    this.#changed()
  }

  #changed(): void {
    const { outbox } = this.#init
    const supers = [...this.#links].flatMap(([peer, { state }]) => (state === 'attached' ? [peer] : []))
    if (supers.length !== this.#told.length || supers.some((peer, i) => peer !== this.#told[i])) {
      this.#told = supers
      outbox.tell({ type: 'attached', supers })
    }
    this.#init.onChange()
  }
}
