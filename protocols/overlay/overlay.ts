import { BoundedMap } from '../core/bounded-map.ts'
import type { Input, Machine, Output } from '../core/machine.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import { TokenBucket } from '../core/token-bucket.ts'
import { checkOverlayConfig, type OverlayConfig, overlayConfig, overlayLimits } from './config.ts'
import { IslandWatch } from './island-watch.ts'
import type { OverlayMessage } from './messages.ts'
import { PeerRates } from './rates.ts'
import { Views } from './views.ts'

export type OverlayCommand =
  /** Enter the overlay through a peer that is in it. Peers that connect are tried anyway. Undoes `leave`. */
  | { readonly type: 'join'; readonly contact: Peer }
  /** Say goodbye to all neighbours and take no new ones. */
  | { readonly type: 'leave' }

export type OverlayEvent =
  | { readonly type: 'neighbourUp'; readonly peer: Peer }
  | { readonly type: 'neighbourDown'; readonly peer: Peer }

type Out = Output<OverlayMessage, OverlayEvent>

interface Request {
  /** When it is given up. */
  untilMs: number
  /** Who goes when the view is full by the time of the answer: nobody, whoever may be pushed out, or just anybody. */
  evicts: 'nobody' | 'pushed' | 'anybody'
}

/**
 * Random neighbour lists (HyParView): a small active view of symmetric links that is the random graph, and a larger
 * passive view, renewed by shuffles, to mend the active one from. See README.md for the rules.
 */
export class Overlay implements Machine<OverlayCommand, OverlayMessage, OverlayEvent> {
  readonly #self: Peer
  readonly #config: OverlayConfig
  readonly #rng: Rng
  readonly #views: Views
  /** Neighbour requests of ours, the oldest first. BOUNDED by maxRequests. */
  readonly #requests = new Map<Peer, Request>()
  /** Peers with a connection to us: the last resort. */
  readonly #connected = new BoundedMap<Peer, true>(overlayLimits.maxConnected)
  readonly #requestRates = new PeerRates(overlayLimits.requests)
  readonly #walkRates = new PeerRates(overlayLimits.walks)
  readonly #newcomerRates = new PeerRates(overlayLimits.newcomers)
  readonly #shuffleRates = new PeerRates(overlayLimits.shuffles)
  readonly #joins = new TokenBucket(overlayLimits.joins)
  /** Our last shuffle and what it sent away, until it is answered. BOUNDED by a shuffle. */
  #shuffled: { nonce: number; peers: Peer[] } | undefined
  readonly #island = new IslandWatch()
  #out: Out[] = []
  #now = 0
  #leaving = false
  #nextShuffle: number | undefined
  #nextRepair: number | undefined
  #lastRepair = Number.NEGATIVE_INFINITY
  #repairWait: number

  /** @throws RangeError on numbers that do not fit together */
  constructor(init: { self: Peer; rng: Rng; config?: Partial<OverlayConfig> }) {
    this.#self = init.self
    this.#rng = init.rng
    this.#config = checkOverlayConfig({ ...overlayConfig, ...init.config })
    this.#views = new Views({ self: init.self, config: this.#config, rng: init.rng })
    this.#repairWait = this.#config.repairMs
  }

  handle(input: Input<OverlayCommand, OverlayMessage>, now: number): Out[] {
    this.#now = now
    switch (input.type) {
      case 'received':
        this.#onMessage(input.from, input.message)
        break
      case 'peerUp':
        this.#onPeerUp(input.peer)
        break
      case 'peerDown':
        this.#onPeerDown(input.peer)
        break
      case 'tick':
        this.#onTick()
        break
      case 'join':
        this.#join(input.contact)
        break
      case 'leave':
        this.#leave()
        break
    }
    const out = this.#out
    this.#out = []
    return out
  }

  nextTick(): number | undefined {
    let next = this.#nextShuffle
    if (this.#nextRepair !== undefined && (next === undefined || this.#nextRepair < next)) next = this.#nextRepair
    if (this.#requests.size > 0) {
      // all wait equally long, so the oldest is due first
      const { untilMs } = this.#requests.values().next().value as Request
      if (next === undefined || untilMs < next) next = untilMs
    }
    return next
  }

  /** The present lists, for tests and for people. */
  views(): { active: Peer[]; passive: Peer[] } {
    return { active: [...this.#views.active.keys()], passive: [...this.#views.passive.keys()] }
  }

  #onMessage(from: Peer, message: OverlayMessage): void {
    if (from === this.#self) return
    // answers are no sign of a link
    if (message.type !== 'shuffleReply' && message.type !== 'neighbourReply') this.#views.heard(from, this.#now)
    switch (message.type) {
      case 'join':
        if (this.#allows(from) && this.#joins.take(this.#now)) this.#onJoin(from)
        return
      case 'forwardJoin':
        if (this.#isNeighbour(from) && this.#walkRates.take(from, this.#now) && this.#joins.take(this.#now)) {
          this.#onForwardJoin(from, message.newcomer, message.walk)
        }
        return
      case 'neighbour':
        if (this.#allows(from)) this.#onNeighbour(from, message.urgent)
        return
      case 'neighbourReply':
        this.#onNeighbourReply(from, message.accepted)
        return
      case 'disconnect':
        this.#onDisconnect(from, message.leaving)
        return
      case 'shuffle':
        if (this.#isNeighbour(from) && this.#shuffleRates.take(from, this.#now)) this.#onShuffle(from, message)
        return
      case 'shuffleReply':
        this.#onShuffleReply(from, message)
        return
      case 'alive':
        if (!message.answer && this.#allows(from) && this.#isNeighbour(from)) {
          this.#send(from, { type: 'alive', answer: true })
        }
        return
    }
  }

  #onJoin(newcomer: Peer): void {
    if (this.#leaving) {
      this.#send(newcomer, { type: 'neighbourReply', accepted: false })
      return
    }
    const walk: OverlayMessage = { type: 'forwardJoin', newcomer, walk: this.#config.activeWalk }
    for (const neighbour of this.#views.active.keys()) {
      if (neighbour !== newcomer) this.#send(neighbour, walk)
    }
    this.#send(newcomer, { type: 'neighbourReply', accepted: this.#accept(newcomer) })
  }

  #onForwardJoin(from: Peer, newcomer: Peer, walk: number): void {
    if (newcomer === this.#self || this.#leaving) return
    const { active, passive } = this.#views
    const next = walk === 0 ? undefined : this.#views.pickActive(from, newcomer)
    // whoever knows too few peers to fill its places sits in a small network, where all are to be neighbours
    const isWanted = this.#config.activeSize - active.size > passive.size
    if (next === undefined || (isWanted && !active.has(newcomer))) {
      if (this.#newcomerRates.take(from, this.#now)) this.#request(newcomer, { urgent: false, evicts: 'pushed' })
      return
    }
    if (walk === this.#config.passiveWalk) this.#views.addPassive(newcomer, from)
    this.#send(next, { type: 'forwardJoin', newcomer, walk: walk - 1 })
  }

  #onNeighbour(from: Peer, urgent: boolean): void {
    const mayAsk = urgent || this.#views.active.has(from) || this.#missing() > 0
    const accepted = mayAsk && !this.#leaving && this.#accept(from)
    if (!accepted) this.#views.offerPassive(from)
    this.#send(from, { type: 'neighbourReply', accepted })
  }

  #onNeighbourReply(from: Peer, accepted: boolean): void {
    const request = this.#requests.get(from)
    this.#requests.delete(from)
    if (accepted && !this.#views.active.has(from)) {
      // given up, never asked, or filled up since: it must not keep a link that we do not have
      const isWanted = request !== undefined && !this.#leaving && (request.evicts !== 'nobody' || this.#missing() > 0)
      if (!isWanted || !this.#accept(from, request.evicts === 'anybody'))
        this.#send(from, { type: 'disconnect', leaving: this.#leaving })
    }
    this.#repairIn(this.#repairWait)
  }

  #onDisconnect(from: Peer, leaving: boolean): void {
    const was = this.#drop(from)
    if (leaving) {
      this.#requests.delete(from)
      this.#connected.delete(from)
      this.#views.removePassive(from)
    } else if (was) this.#views.addPassive(from, from)
  }

  #onShuffle(from: Peer, message: Extract<OverlayMessage, { type: 'shuffle' }>): void {
    const { origin, nonce, walk, peers } = message
    if (origin === this.#self) return
    if (!this.#views.active.has(origin)) this.#island.sawShuffleOf(origin)
    const next = walk > 1 ? this.#views.pickActive(from, origin) : undefined
    if (next !== undefined) {
      this.#send(next, { type: 'shuffle', origin, nonce, walk: walk - 1, peers })
      return
    }
    // as many as came, with their origin
    const answer = this.#views.samplePassive(Math.min(peers.length + 1, overlayLimits.maxPeersInMessage), origin)
    this.#send(origin, { type: 'shuffleReply', nonce, peers: [...answer] })
    this.#views.addPassive(origin, from, answer)
    for (const peer of peers) this.#views.addPassive(peer, from, answer)
    this.#repairIn(this.#repairWait)
  }

  #onShuffleReply(from: Peer, message: Extract<OverlayMessage, { type: 'shuffleReply' }>): void {
    // only what answers our last shuffle, from one whom it has reached, and once
    if (this.#shuffled?.nonce !== message.nonce) return
    const expendable = this.#shuffled.peers
    this.#shuffled = undefined
    for (const peer of message.peers.slice(0, expendable.length + 1)) this.#views.addPassive(peer, from, expendable)
    this.#repairIn(this.#repairWait)
  }

  #onPeerUp(peer: Peer): void {
    if (peer === this.#self) return
    this.#connected.set(peer, true)
    if (this.#leaving) return
    this.#views.offerPassive(peer)
    if (this.#missing() > this.#requests.size && this.#requests.size < overlayLimits.maxRequests) {
      this.#request(peer, { urgent: this.#views.active.size === 0, evicts: 'nobody' })
    } else this.#repairSoon()
  }

  #onPeerDown(peer: Peer): void {
    this.#connected.delete(peer)
    this.#views.removePassive(peer)
    if (this.#requests.delete(peer)) this.#repairIn(this.#repairWait)
    this.#drop(peer)
  }

  #join(contact: Peer): void {
    this.#leaving = false
    if (contact === this.#self) return
    this.#views.offerPassive(contact)
    this.#askToJoin(contact)
    this.#repairIn(this.#config.repairMs)
  }

  #askToJoin(contact: Peer): void {
    this.#note(contact, 'anybody')
    this.#send(contact, { type: 'join' })
  }

  #leave(): void {
    this.#leaving = true
    for (const peer of [...this.#views.active.keys()]) {
      this.#send(peer, { type: 'disconnect', leaving: true })
      this.#drop(peer)
    }
    this.#nextRepair = undefined
    this.#nextShuffle = undefined
    this.#shuffled = undefined
    this.#requests.clear()
  }

  #onTick(): void {
    for (const [peer, { untilMs }] of this.#requests) {
      if (untilMs > this.#now) continue
      this.#requests.delete(peer)
      this.#views.removePassive(peer)
      this.#repairSoon()
    }
    if (this.#nextShuffle !== undefined && this.#nextShuffle <= this.#now) this.#shuffle()
    if (this.#nextRepair !== undefined && this.#nextRepair <= this.#now) this.#repair()
  }

  /** Renews the passive view, and looks whether the neighbours still are. */
  #shuffle(): void {
    const { shuffleMs, shuffleActive, shufflePassive, activeWalk, silenceMs } = this.#config
    this.#nextShuffle = this.#now + Math.floor(shuffleMs * (0.75 + this.#rng.unit() / 2))
    for (const [peer, { heardMs }] of this.#views.active) {
      const silentMs = this.#now - heardMs
      if (silentMs > 2 * silenceMs) {
        this.#send(peer, { type: 'disconnect', leaving: false })
        this.#drop(peer)
      } else if (silentMs > silenceMs) this.#send(peer, { type: 'alive', answer: false })
    }
    if (this.#island.isTimeToLook()) this.#leaveIsland()
    const to = this.#views.pickActive()
    if (to === undefined) return
    const passive = this.#views.samplePassive(shufflePassive, to)
    const peers = [...this.#views.sampleActive(shuffleActive, to), ...passive]
    const nonce = this.#rng.uint32()
    this.#shuffled = { nonce, peers: [...peers] }
    this.#send(to, { type: 'shuffle', origin: this.#self, nonce, walk: activeWalk, peers })
  }

  /** Joins again through somebody who is not among the few that are seen here. */
  #leaveIsland(): void {
    const others = this.#island.look()
    const outside = others === undefined ? [] : this.#candidates().filter(peer => !others.has(peer))
    if (outside.length > 0) this.#join(this.#rng.pick(outside))
  }

  /** Asks for neighbours while there are too few. */
  #repair(): void {
    this.#nextRepair = undefined
    if (this.#leaving || this.#missing() <= 0) return
    this.#lastRepair = this.#now
    const wanted = Math.min(this.#missing(), overlayLimits.maxRequests) - this.#requests.size
    if (wanted > 0) {
      const urgent = this.#views.active.size === 0
      // whoever we know refuses us or soon sends us away again: it is crowded, but it can pass us on
      const isTurnedAway = urgent && this.#repairWait > this.#config.repairMs
      for (const peer of this.#rng.sample(this.#candidates(), isTurnedAway ? 1 : wanted)) {
        if (isTurnedAway) this.#askToJoin(peer)
        else this.#request(peer, { urgent, evicts: 'nobody' })
      }
    }
    // a small network has fewer peers than the view has places: ask again, but less and less often
    this.#repairIn(this.#repairWait)
    this.#repairWait = Math.min(this.#repairWait * 2, this.#config.repairLastMs)
  }

  /** Whom to ask: the passive view, and else whoever is connected. */
  #candidates(): Peer[] {
    const { active, passive } = this.#views
    const isFree = (peer: Peer): boolean => !active.has(peer) && !this.#requests.has(peer)
    const known = [...passive.keys()].filter(isFree)
    return known.length > 0 ? known : [...this.#connected.keys()].filter(isFree)
  }

  /** There is a place to fill, or somebody new to fill it with. Without any neighbour it is urgent. */
  #repairSoon(): void {
    const { repairMs } = this.#config
    this.#repairWait = repairMs
    this.#repairIn(this.#views.active.size > 0 ? repairMs : Math.max(0, this.#lastRepair + repairMs - this.#now))
  }

  #repairIn(waitMs: number): void {
    if (this.#leaving || this.#missing() <= 0) return
    const at = this.#now + waitMs
    if (this.#nextRepair === undefined || this.#nextRepair > at) this.#nextRepair = at
  }

  #missing(): number {
    return this.#config.activeSize - this.#views.active.size
  }

  #request(peer: Peer, { urgent, evicts }: { urgent: boolean; evicts: Request['evicts'] }): void {
    if (peer === this.#self || this.#views.active.has(peer) || this.#requests.has(peer)) return
    this.#views.offerPassive(peer)
    if (this.#requests.size >= overlayLimits.maxRequests) return
    this.#note(peer, evicts)
    this.#send(peer, { type: 'neighbour', urgent })
  }

  #note(peer: Peer, evicts: Request['evicts']): void {
    const [oldest] = this.#requests.keys()
    // an answer to the one that is forgotten here is declined
    if (oldest !== undefined && this.#requests.size >= overlayLimits.maxRequests) this.#requests.delete(oldest)
    this.#requests.delete(peer)
    this.#requests.set(peer, { untilMs: this.#now + this.#config.requestTimeoutMs, evicts })
  }

  /** Makes it a neighbour if it is none. In a full view another one goes for it; false when none may be made to. */
  #accept(peer: Peer, isOurChoice = false): boolean {
    if (this.#views.active.has(peer)) return true
    let forcedUntilMs = this.#now
    if (this.#missing() <= 0) {
      if (!isOurChoice) forcedUntilMs += this.#config.settleMs
      const evicted = isOurChoice ? this.#views.pickActive() : this.#views.toEvict(this.#now)
      if (evicted === undefined) return false
      this.#send(evicted, { type: 'disconnect', leaving: false })
      this.#drop(evicted)
      this.#views.addPassive(evicted, evicted)
    }
    this.#requests.delete(peer)
    this.#views.addActive(peer, this.#now, forcedUntilMs)
    this.#nextShuffle ??= this.#now + Math.floor(this.#config.shuffleMs * this.#rng.unit())
    this.#out.push({ type: 'event', event: { type: 'neighbourUp', peer } })
    this.#repairIn(this.#repairWait)
    return true
  }

  #drop(peer: Peer): boolean {
    const neighbour = this.#views.removeActive(peer)
    if (neighbour === undefined) return false
    this.#out.push({ type: 'event', event: { type: 'neighbourDown', peer } })
    // whoever sends us away at once is crowded: asking again and again makes it worse
    if (this.#now - neighbour.sinceMs >= this.#config.repairLastMs) this.#repairSoon()
    else this.#repairIn(this.#repairWait)
    return true
  }

  /** Whether a peer may ask for something once more. */
  #allows(peer: Peer): boolean {
    if (this.#requestRates.take(peer, this.#now)) return true
    this.#out.push({ type: 'penalise', peer, reason: `more than ${overlayLimits.requests.rate} requests a second` })
    return false
  }

  /** Strangers cannot make us dial. One that takes us for its neighbour learns better: a link has two ends. */
  #isNeighbour(peer: Peer): boolean {
    if (this.#views.active.has(peer)) return true
    this.#send(peer, { type: 'disconnect', leaving: this.#leaving })
    return false
  }

  #send(to: Peer, message: OverlayMessage): void {
    this.#out.push({ type: 'send', to, message })
  }
}
