import type { Input, Machine } from '../core/machine.ts'
import type { Peer } from '../core/peer.ts'
import { PeerRates } from '../core/peer-rates.ts'
import type { Rng } from '../core/rng.ts'
import { TokenBucket } from '../core/token-bucket.ts'
import { checkActiveSize, checkOverlayConfig, type OverlayConfig, overlayConfig, overlayLimits } from './config.ts'
import { Links, type Out, type OverlayEvent } from './links.ts'
import type { OverlayMessage } from './messages.ts'
import type { Population } from './population.ts'
import { Repair } from './repair.ts'
import { Shuffling } from './shuffling.ts'
import { Splitting } from './splitting.ts'
import { Swapping } from './swapping.ts'
import { type GroupOf, Views } from './views.ts'

export type OverlayCommand =
  /**
   * Enter the overlay through a peer that is in it; without one, through whoever is still known or comes of `contacts`. Peers
   * that connect are tried anyway. Undoes `leave`, however often.
   */
  | { readonly type: 'join'; readonly contact?: Peer | undefined }
  /** Rest: say goodbye to all neighbours and take no new ones. Whoever asks is told so. */
  | { readonly type: 'leave' }
  /**
   * Have so many neighbours from now on, 1 to 64. Places are filled like any that came free. Those that are too many are
   * handed over to one another, so that they have as many as before.
   */
  | { readonly type: 'size'; readonly activeSize: number }
  /** Answers `contactsWanted`: peers that may be there. */
  | { readonly type: 'contacts'; readonly peers: readonly Peer[] }

/** What wants something of a peer that takes part. */
const ASKS: ReadonlySet<OverlayMessage['type']> = new Set([
  'join',
  'forwardJoin',
  'neighbour',
  'shuffle',
  'alive',
  'swap',
  'handover'
])

/**
 * Random neighbour lists (HyParView): a small active view of symmetric links that is the random graph, and a larger
 * passive view, renewed by shuffles, to mend the active one from. See README.md for the rules.
 */
export class Overlay implements Machine<OverlayCommand, OverlayMessage, OverlayEvent> {
  readonly #self: Peer
  readonly #config: OverlayConfig
  readonly #rng: Rng
  readonly #views: Views
  readonly #links: Links
  readonly #repair: Repair
  readonly #shuffling: Shuffling
  readonly #swapping: Swapping
  readonly #splitting: Splitting
  readonly #requestRates = new PeerRates(overlayLimits.requests, overlayLimits.maxRates)
  readonly #walkRates = new PeerRates(overlayLimits.walks, overlayLimits.maxRates)
  readonly #newcomerRates = new PeerRates(overlayLimits.newcomers, overlayLimits.maxRates)
  readonly #shuffleRates = new PeerRates(overlayLimits.shuffles, overlayLimits.maxRates)
  readonly #joins = new TokenBucket(overlayLimits.joins)

  /** @throws RangeError on numbers that do not fit together */
  constructor(init: { self: Peer; rng: Rng; config?: Partial<OverlayConfig>; groupOf?: GroupOf }) {
    const { self, rng, groupOf } = init
    const config = checkOverlayConfig({ ...overlayConfig, ...init.config })
    this.#self = self
    this.#rng = rng
    this.#config = config
    const views = new Views({ self, config, rng, ...(groupOf === undefined ? {} : { groupOf }) })
    const links = new Links(views, config.activeSize)
    const repair = new Repair({ self, config, rng, views, links })
    this.#views = views
    this.#links = links
    this.#repair = repair
    this.#shuffling = new Shuffling({ self, config, rng, views, links })
    this.#swapping = new Swapping({ self, config, views, links, repair })
    this.#splitting = new Splitting({ self, config, views, links, repair })
  }

  handle(input: Input<OverlayCommand, OverlayMessage>, now: number): Out[] {
    this.#links.now = now
    switch (input.type) {
      case 'received':
        this.#onMessage(input.from, input.message)
        break
      case 'peerUp':
        if (input.peer !== this.#self) this.#repair.onPeerUp(input.peer)
        break
      case 'peerDown':
        this.#swapping.onPeerDown(input.peer)
        this.#repair.onPeerDown(input.peer)
        this.#drop(input.peer)
        break
      case 'tick':
        this.#onTick()
        break
      case 'join':
        this.#swapping.restart()
        this.#join(input.contact)
        break
      case 'leave':
        this.#leave()
        break
      case 'size':
        this.#resize(checkActiveSize(input.activeSize))
        break
      case 'contacts':
        for (const peer of input.peers.slice(0, overlayLimits.maxContacts)) this.#views.offerPassive(peer)
        this.#repair.soon()
        break
    }
    return this.#links.takeOutputs()
  }

  nextTick(): number | undefined {
    let next: number | undefined
    for (const due of [this.#shuffling.dueMs, this.#repair.dueMs, this.#swapping.dueMs]) {
      if (due !== undefined && (next === undefined || due < next)) next = due
    }
    return next
  }

  /** The present lists, for tests and for people. */
  views(): { active: Peer[]; passive: Peer[] } {
    return { active: [...this.#views.active.keys()], passive: [...this.#views.passive.keys()] }
  }

  /** How many peers the network seems to have. */
  get population(): Population {
    return this.#shuffling.population
  }

  #onMessage(from: Peer, message: OverlayMessage): void {
    if (from === this.#self) return
    if (this.#links.isLeaving && ASKS.has(message.type)) {
      this.#sayResting(from, message)
      return
    }
    // answers are no sign of a link
    const isAnswer =
      message.type === 'shuffleReply' || message.type === 'neighbourReply' || message.type === 'swapReply'
    if (!isAnswer) this.#views.heard(from, this.#links.now)
    switch (message.type) {
      case 'join':
        if (this.#allows(from) && this.#joins.take(this.#links.now)) this.#onJoin(from)
        return
      case 'forwardJoin':
        if (
          this.#isNeighbour(from) &&
          this.#walkRates.take(from, this.#links.now) &&
          this.#joins.take(this.#links.now)
        ) {
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
        if (!this.#isNeighbour(from) || !this.#shuffleRates.take(from, this.#links.now)) return
        if (this.#shuffling.onShuffle(from, message)) this.#repair.again()
        return
      case 'shuffleReply':
        if (this.#shuffling.onReply(from, message.nonce, message.peers)) this.#repair.again()
        return
      case 'alive':
        if (!message.answer && this.#allows(from) && this.#isNeighbour(from)) {
          this.#links.send(from, { type: 'alive', answer: true })
        }
        return
      case 'swap':
        if (!this.#allows(from)) return
        if (message.gives === from) this.#onSplit(from)
        else this.#swapping.onSwap(from, message.gives)
        return
      case 'swapReply':
        if (this.#swapping.isWith(from)) this.#swapping.onReply(from, message.gives)
        else this.#splitting.onReply(from, message.gives)
        return
      case 'handover':
        if (this.#isNeighbour(from)) this.#swapping.onHandover(from, message.to)
        return
    }
  }

  #onJoin(newcomer: Peer): void {
    const walk: OverlayMessage = { type: 'forwardJoin', newcomer, walk: this.#config.activeWalk }
    for (const neighbour of this.#views.active.keys()) {
      if (neighbour !== newcomer) this.#links.send(neighbour, walk)
    }
    this.#links.send(newcomer, { type: 'neighbourReply', accepted: this.#accept(newcomer) })
  }

  #onForwardJoin(from: Peer, newcomer: Peer, walk: number): void {
    if (newcomer === this.#self) return
    this.#views.wakes(newcomer)
    const { active, passive } = this.#views
    const next = walk === 0 ? undefined : this.#views.pickActive(from, newcomer)
    // whoever knows too few peers to fill its places sits in a small network, where all are to be neighbours
    const isWanted = this.#links.missing > passive.size
    if (next === undefined || (isWanted && !active.has(newcomer))) {
      if (this.#newcomerRates.take(from, this.#links.now)) this.#repair.request(newcomer, 'pushed')
      return
    }
    if (walk === this.#config.passiveWalk) this.#views.addPassive(newcomer, from)
    this.#links.send(next, { type: 'forwardJoin', newcomer, walk: walk - 1 })
  }

  #onNeighbour(from: Peer, urgent: boolean): void {
    const mayAsk = urgent || this.#links.has(from) || this.#repair.roomFor(from) > 0
    const accepted = mayAsk && this.#accept(from)
    if (!accepted) this.#views.offerPassive(from)
    this.#links.send(from, { type: 'neighbourReply', accepted })
  }

  #onNeighbourReply(from: Peer, accepted: boolean): void {
    const request = this.#repair.onAnswer(from, accepted)
    if (accepted && !this.#links.has(from)) {
      // given up, never asked, or filled up since: it must not keep a link that we do not have
      const isWanted =
        request !== undefined && !this.#links.isLeaving && (request.evicts !== 'nobody' || this.#links.missing > 0)
      if (!isWanted || !this.#accept(from, request.evicts === 'anybody')) this.#links.disconnect(from)
    }
    this.#repair.again()
  }

  /** It needs two places, and has no need of anybody else's while there is one here. */
  #onSplit(from: Peer): void {
    if (this.#links.has(from) || this.#repair.roomFor(from) > 0) this.#onNeighbour(from, false)
    else this.#splitting.onSplit(from)
  }

  #onDisconnect(from: Peer, leaving: boolean): void {
    const was = this.#drop(from, true)
    this.#shuffling.onAsked(leaving)
    if (leaving) {
      this.#swapping.onPeerDown(from)
      this.#repair.onLeaves(from)
    } else if (was) this.#views.addPassive(from, from)
  }

  #join(contact: Peer | undefined): void {
    this.#links.isLeaving = false
    if (contact === this.#self) return
    if (contact === undefined) {
      this.#repair.soon()
      return
    }
    this.#views.offerPassive(contact)
    this.#repair.askToJoin(contact)
    this.#repair.again()
  }

  #leave(): void {
    this.#links.isLeaving = true
    for (const peer of [...this.#views.active.keys()]) {
      this.#links.disconnect(peer)
      this.#links.remove(peer)
    }
    this.#repair.stop()
    this.#shuffling.stop()
    this.#swapping.stop()
  }

  #resize(activeSize: number): void {
    if (activeSize === this.#links.activeSize) return
    this.#links.resize(activeSize)
    const tooMany = this.#views.sampleActive(Math.max(0, -this.#links.missing), this.#self)
    for (let i = 0; i < tooMany.length; i += 2) {
      const [one, other] = tooMany.slice(i, i + 2) as [Peer, Peer | undefined]
      if (other === undefined) this.#links.pushOut(one)
      else {
        this.#links.handOver(one, other)
        this.#links.handOver(other, one)
      }
    }
    this.#repair.soon()
  }

  #onTick(): void {
    this.#swapping.tick()
    const { dueMs } = this.#shuffling
    if (dueMs !== undefined && dueMs <= this.#links.now) this.#shuffle()
    this.#repair.tick()
  }

  /** Renews the passive view, and looks whether the neighbours still are. */
  #shuffle(): void {
    this.#shuffling.begin()
    const { silenceMs } = this.#config
    for (const [peer, { heardMs }] of this.#views.active) {
      const silentMs = this.#links.now - heardMs
      if (silentMs > 2 * silenceMs) {
        this.#links.disconnect(peer)
        this.#drop(peer)
      } else if (silentMs > silenceMs) this.#links.send(peer, { type: 'alive', answer: false })
    }
    if (this.#shuffling.island.isTimeToLook()) this.#leaveIsland()
    this.#shuffling.shuffle()
    this.#swapping.onShuffle()
  }

  /** Joins again through somebody who is not among the few that are seen here. */
  #leaveIsland(): void {
    const others = this.#shuffling.island.look()
    const outside = others === undefined ? [] : this.#repair.candidates(1).filter(peer => !others.has(peer))
    if (outside.length > 0) this.#join(this.#rng.pick(outside))
  }

  /** Makes it a neighbour if it is none. In a full view another one goes for it; false when none may be made to. */
  #accept(peer: Peer, isOurChoice = false): boolean {
    if (this.#links.has(peer)) return true
    const { now } = this.#links
    let forcedUntilMs = now
    if (this.#repair.roomFor(peer) <= 0) {
      if (!isOurChoice) forcedUntilMs += this.#config.settleMs
      const evicted = isOurChoice ? this.#views.pickActive() : this.#views.toEvict(peer, now)
      if (evicted === undefined) return false
      this.#links.pushOut(evicted)
    }
    this.#repair.cancel(peer)
    this.#links.add(peer, forcedUntilMs)
    this.#shuffling.start()
    this.#repair.again()
    return true
  }

  #drop(peer: Peer, hasSentUsAway = false): boolean {
    const sinceMs = this.#links.remove(peer)
    if (sinceMs !== undefined) this.#repair.onLost(sinceMs, hasSentUsAway)
    return sinceMs !== undefined
  }

  /** Whoever asks is told to forget us, and need not wait for an answer. */
  #sayResting(from: Peer, message: OverlayMessage): void {
    if (message.type === 'alive' && message.answer) return
    const isRated = message.type !== 'forwardJoin' && message.type !== 'shuffle' && message.type !== 'handover'
    if (!isRated || this.#allows(from)) this.#links.disconnect(from)
  }

  /** Whether a peer may ask for something once more. */
  #allows(peer: Peer): boolean {
    if (this.#requestRates.take(peer, this.#links.now)) return true
    this.#links.penalise(peer, `more than ${overlayLimits.requests.rate} requests a second`)
    return false
  }

  /** Strangers cannot make us dial. One that takes us for its neighbour learns better: a link has two ends. */
  #isNeighbour(peer: Peer): boolean {
    if (this.#links.has(peer)) return true
    this.#links.disconnect(peer)
    return false
  }
}
