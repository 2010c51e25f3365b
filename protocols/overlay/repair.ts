import { BoundedMap } from '../core/bounded-map.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import { type OverlayConfig, overlayLimits } from './config.ts'
import type { Links } from './links.ts'
import { RepairSchedule } from './repair-schedule.ts'
import { type Request, Requests } from './requests.ts'
import type { Views } from './views.ts'

/** Looks for neighbours while there are too few: whom to ask, and what became of it. */
export class Repair {
  readonly #self: Peer
  readonly #config: OverlayConfig
  readonly #rng: Rng
  readonly #views: Views
  readonly #links: Links
  readonly #schedule: RepairSchedule
  readonly #requests: Requests
  /** Peers with a connection to us. */
  readonly #connected = new BoundedMap<Peer, true>(overlayLimits.maxConnected)
  #contactsWantedMs = Number.NEGATIVE_INFINITY

  constructor(init: { self: Peer; config: OverlayConfig; rng: Rng; views: Views; links: Links }) {
    this.#self = init.self
    this.#config = init.config
    this.#rng = init.rng
    this.#views = init.views
    this.#links = init.links
    this.#schedule = new RepairSchedule(init.config)
    this.#requests = new Requests(init.config.requestTimeoutMs)
  }

  /** When to `tick`. */
  get dueMs(): number | undefined {
    const [repair, request] = [this.#schedule.dueMs, this.#requests.dueMs]
    return repair === undefined || (request !== undefined && request < repair) ? request : repair
  }

  isAsking(peer: Peer): boolean {
    return this.#requests.has(peer)
  }

  /** Places that anyone may have who asks for one. */
  roomFor(peer: Peer): number {
    return this.#links.missing - this.#requests.placesKeptFromOthers(peer)
  }

  /** Asks it, unless it is asked or a neighbour already or too many are asked. */
  request(peer: Peer, evicts: Request['evicts'], seeks: Request['seeks'] = 'place'): void {
    if (peer === this.#self || this.#links.has(peer) || this.#requests.has(peer)) return
    this.#views.offerPassive(peer)
    if (this.#requests.isFull) return
    this.#requests.note(peer, this.#links.now, { evicts, seeks })
    if (seeks === 'split') this.#links.send(peer, { type: 'swap', gives: this.#self })
    else this.#links.send(peer, { type: 'neighbour', urgent: this.#links.isAlone })
  }

  askToJoin(contact: Peer): void {
    this.#requests.note(contact, this.#links.now, { evicts: 'anybody', seeks: 'place' })
    this.#links.send(contact, { type: 'join' })
  }

  /** The request that this answers, if there was one; it is over. */
  onAnswer(from: Peer, accepted: boolean): Request | undefined {
    const request = this.#requests.take(from)
    if (request === undefined) return undefined
    this.#schedule.answered()
    this.#schedule.asked(accepted)
    if (!accepted && this.#links.isAlone) this.#schedule.turnedAway()
    return request
  }

  /** Whether it was asked to split a link; that is over. */
  onSplitAnswer(from: Peer): boolean {
    if (this.#requests.takeSplit(from) === undefined) return false
    this.#schedule.answered()
    return true
  }

  onPeerUp(peer: Peer): void {
    this.#connected.set(peer, true)
    if (this.#links.isLeaving) return
    this.#views.offerPassive(peer)
    const { size, neighbours } = this.#requests
    if (this.#links.missing > neighbours && size < overlayLimits.requestsAtOnce) this.request(peer, 'nobody')
    else this.soon()
  }

  onPeerDown(peer: Peer): void {
    this.#connected.delete(peer)
    this.#views.forget(peer)
    if (this.#requests.take(peer) !== undefined && this.#links.hasRoom) this.#schedule.foundDead(this.#links.now)
  }

  /** It leaves, or rests: it is there, but for nobody. Like the dead it is no sign that others are full. */
  onLeaves(peer: Peer): void {
    const wasAsked = this.#requests.take(peer) !== undefined
    this.#connected.delete(peer)
    this.#views.rests(peer)
    if (wasAsked && this.#links.hasRoom) this.#schedule.foundDead(this.#links.now)
  }

  /** It has become a neighbour, or will not. */
  cancel(peer: Peer): void {
    this.#requests.take(peer)
  }

  /** A neighbour is no more that was one since then. */
  onLost(sinceMs: number, hasSentUsAway: boolean): void {
    const { hasRoom, isAlone, now } = this.#links
    if (!hasRoom) return
    if (now - sinceMs >= this.#config.repairLastMs) {
      this.#schedule.lostSettled(now, isAlone)
      return
    }
    // whoever sends us away at once is crowded: asking again and again makes it worse
    if (isAlone && hasSentUsAway) this.#schedule.turnedAway()
    this.#schedule.again(now)
  }

  /** There is a place to fill, or somebody new to fill it with. */
  soon(): void {
    if (this.#links.hasRoom) this.#schedule.soon(this.#links.now, this.#links.isAlone)
  }

  /** The same, after the wait that has come of refusals. */
  again(): void {
    if (this.#links.hasRoom) this.#schedule.again(this.#links.now)
  }

  stop(): void {
    this.#schedule.stop()
    this.#requests.clear()
  }

  tick(): void {
    const { now } = this.#links
    for (const peer of this.#requests.takeExpired(now)) {
      this.#views.forget(peer)
      if (this.#links.hasRoom) this.#schedule.foundDead(now)
    }
    const { dueMs } = this.#schedule
    if (dueMs !== undefined && dueMs <= now) this.#repair()
  }

  /**
   * Whom to ask, at least so many if they are known: the passive view, if those are too few whoever is connected, and
   * then whoever was there in a better time.
   */
  candidates(wanted: number): Peer[] {
    const { passive, acquaintances } = this.#views
    const candidates = new Set<Peer>()
    for (const known of [passive.keys(), this.#connected.keys(), acquaintances]) {
      if (candidates.size >= wanted) break
      const free = [...known].filter(peer => !this.#links.has(peer) && !this.#requests.has(peer))
      for (const peer of this.#rng.sample(free, free.length)) candidates.add(peer)
    }
    return [...candidates]
  }

  #repair(): void {
    if (!this.#links.hasRoom) {
      this.#schedule.stop()
      return
    }
    const { isTurnedAway } = this.#schedule
    this.#schedule.begin(this.#links.now)
    const atOnce = this.#schedule.atOnce(this.#links.missing)
    const wanted = atOnce - this.#requests.neighbours
    if (wanted <= 0) return
    const candidates = this.candidates(wanted)
    if (candidates.length === 0) this.#wantContacts()
    else if (this.#links.isAlone && isTurnedAway) {
      // it is crowded, but one that is there can pass us on
      const there = candidates.filter(peer => this.#connected.has(peer))
      this.askToJoin(this.#rng.pick(there.length > 0 ? there : candidates))
    } else {
      for (const peer of candidates) {
        if (this.#requests.neighbours >= atOnce) break
        this.request(peer, 'nobody', this.#isToSplit() ? 'split' : 'place')
      }
    }
  }

  /** Whoever was asked is full, and two places are free that no request under way is for. */
  #isToSplit(): boolean {
    const { missing, isAlone } = this.#links
    return this.#schedule.isRefused && !isAlone && missing - this.#requests.neighbours >= 2
  }

  #wantContacts(): void {
    const { now } = this.#links
    if (now - this.#contactsWantedMs < overlayLimits.contactsEveryMs) return
    this.#contactsWantedMs = now
    this.#links.tell({ type: 'contactsWanted' })
  }
}
