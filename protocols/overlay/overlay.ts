import { BoundedMap } from '../core/bounded-map.ts'
import type { Input, Machine, Output } from '../core/machine.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import { TokenBucket } from '../core/token-bucket.ts'
import { type OverlayConfig, overlayConfig, overlayLimits } from './config.ts'
import type { OverlayMessage } from './messages.ts'
import { Views } from './views.ts'

export type OverlayCommand =
  /** Enter the overlay through a peer that is in it. Peers that connect are tried anyway. */
  | { readonly type: 'join'; readonly contact: Peer }
  /** Say goodbye to all neighbours and take no new ones. */
  | { readonly type: 'leave' }

export type OverlayEvent =
  | { readonly type: 'neighbourUp'; readonly peer: Peer }
  | { readonly type: 'neighbourDown'; readonly peer: Peer }

type Out = Output<OverlayMessage, OverlayEvent>

/**
 * Random neighbour lists (HyParView): a small active view of symmetric links that is the random graph, and a larger
 * passive view, renewed by shuffles, to mend the active one from. See README.md for the rules.
 */
export class Overlay implements Machine<OverlayCommand, OverlayMessage, OverlayEvent> {
  readonly #self: Peer
  readonly #config: OverlayConfig
  readonly #rng: Rng
  readonly #views: Views
  /** Neighbour requests of ours, and when each is given up. BOUNDED by maxRequests, and answers free them. */
  readonly #requests = new Map<Peer, number>()
  /** When each neighbour last said anything. BOUNDED by the active view. */
  readonly #heard = new Map<Peer, number>()
  /** Peers with a connection to us: the last resort. */
  readonly #connected = new BoundedMap<Peer, true>(overlayLimits.maxConnected)
  readonly #rates = new BoundedMap<Peer, TokenBucket>(overlayLimits.maxRates)
  readonly #joins = new TokenBucket(overlayLimits.joins)
  #shuffled: Peer[] = [] // BOUNDED by a shuffle
  #out: Out[] = []
  #now = 0
  #leaving = false
  #nextShuffle: number | undefined
  #nextRepair: number | undefined
  #repairWait: number

  constructor(init: { self: Peer; rng: Rng; config?: Partial<OverlayConfig> }) {
    this.#self = init.self
    this.#rng = init.rng
    this.#config = { ...overlayConfig, ...init.config }
    this.#views = new Views({ self: init.self, passiveSize: this.#config.passiveSize, rng: init.rng })
    this.#repairWait = this.#config.repairMs
  }

  handle(input: Input<OverlayCommand, OverlayMessage>, now: number): Out[] {
    this.#now = now
    switch (input.type) {
      case 'received':
        this.#onMessage(input.from, input.message)
        break
      case 'peerUp':
        this.#connected.set(input.peer, true)
        this.#views.addPassive(input.peer)
        this.#repairSoon()
        break
      case 'peerDown':
        this.#onPeerDown(input.peer)
        break
      case 'tick':
        this.#onTick()
        break
      case 'join':
        if (input.contact !== this.#self) {
          this.#views.addPassive(input.contact)
          this.#send(input.contact, { type: 'join' })
          this.#repairSoon()
        }
        break
      case 'leave':
        this.#onLeave()
        break
    }
    const out = this.#out
    this.#out = []
    return out
  }

  nextTick(): number | undefined {
    let next = Math.min(this.#nextShuffle ?? Number.POSITIVE_INFINITY, this.#nextRepair ?? Number.POSITIVE_INFINITY)
    for (const at of this.#requests.values()) next = Math.min(next, at)
    return next === Number.POSITIVE_INFINITY ? undefined : next
  }

  /** The present lists, for tests and for people. */
  views(): { active: Peer[]; passive: Peer[] } {
    return { active: [...this.#views.active], passive: [...this.#views.passive] }
  }

  #onMessage(from: Peer, message: OverlayMessage): void {
    if (from === this.#self) return
    if (this.#views.active.has(from)) this.#heard.set(from, this.#now)
    switch (message.type) {
      case 'join':
        if (this.#allows(from) && this.#joins.take(this.#now)) this.#onJoin(from)
        return
      case 'forwardJoin':
        // only neighbours walk with somebody: a stranger cannot make us dial
        if (this.#views.active.has(from) && this.#joins.take(this.#now)) {
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
        if (this.#allows(from)) this.#onShuffle(from, message)
        return
      case 'shuffleReply':
        this.#integrate(message.peers)
        return
      case 'alive':
        if (!message.answer) {
          // a link that only one side knows of is no link
          if (this.#views.active.has(from)) this.#send(from, { type: 'alive', answer: true })
          else this.#send(from, { type: 'disconnect', leaving: false })
        }
        return
    }
  }

  #onJoin(newcomer: Peer): void {
    if (this.#leaving) return
    for (const neighbour of this.#views.active) {
      if (neighbour !== newcomer) {
        this.#send(neighbour, { type: 'forwardJoin', newcomer, walk: this.#config.activeWalk })
      }
    }
    this.#accept(newcomer)
    this.#send(newcomer, { type: 'neighbourReply', accepted: true })
  }

  #onForwardJoin(from: Peer, newcomer: Peer, walk: number): void {
    if (newcomer === this.#self || this.#views.active.has(newcomer)) return
    if (walk === 0 || this.#views.active.size <= 1) {
      this.#request(newcomer, false)
      return
    }
    if (walk === this.#config.passiveWalk) this.#views.addPassive(newcomer)
    const next = this.#views.sampleActive(2, from).find(peer => peer !== newcomer)
    if (next === undefined) this.#request(newcomer, false)
    else this.#send(next, { type: 'forwardJoin', newcomer, walk: walk - 1 })
  }

  #onNeighbour(from: Peer, urgent: boolean): void {
    const accepted =
      !this.#leaving && (urgent || this.#views.active.has(from) || this.#views.active.size < this.#config.activeSize)
    if (accepted) this.#accept(from)
    else this.#views.addPassive(from)
    this.#send(from, { type: 'neighbourReply', accepted })
  }

  #onNeighbourReply(from: Peer, accepted: boolean): void {
    const asked = this.#requests.delete(from)
    if (accepted) {
      // an answer to a join, or to a request that was given up, is as good
      if (this.#leaving) this.#send(from, { type: 'disconnect', leaving: true })
      else if (asked || this.#views.passive.has(from) || this.#views.active.has(from)) this.#accept(from)
      else this.#send(from, { type: 'disconnect', leaving: false })
    }
    this.#repairSoon()
  }

  #onDisconnect(from: Peer, leaving: boolean): void {
    this.#drop(from)
    this.#requests.delete(from)
    if (leaving) this.#views.removePassive(from)
    else this.#views.addPassive(from)
  }

  #onShuffle(from: Peer, message: Extract<OverlayMessage, { type: 'shuffle' }>): void {
    const { origin, walk, peers } = message
    if (origin === this.#self) return
    const next = walk > 1 ? this.#views.sampleActive(2, from).find(peer => peer !== origin) : undefined
    if (next !== undefined) {
      this.#send(next, { type: 'shuffle', origin, walk: walk - 1, peers })
      return
    }
    const answer = this.#views.samplePassive(peers.length)
    this.#send(origin, { type: 'shuffleReply', peers: answer })
    const expendable = [...answer]
    for (const peer of [origin, ...peers]) this.#views.addPassive(peer, expendable)
    this.#repairSoon()
  }

  #integrate(peers: readonly Peer[]): void {
    // only what answers a shuffle of ours, and once
    if (this.#shuffled.length === 0) return
    const expendable = this.#shuffled
    this.#shuffled = []
    for (const peer of peers.slice(0, overlayLimits.maxPeersInMessage)) this.#views.addPassive(peer, expendable)
    this.#repairSoon()
  }

  #onPeerDown(peer: Peer): void {
    this.#connected.delete(peer)
    this.#requests.delete(peer)
    this.#views.removePassive(peer)
    this.#drop(peer)
    this.#repairSoon()
  }

  #onLeave(): void {
    this.#leaving = true
    for (const peer of [...this.#views.active]) {
      this.#send(peer, { type: 'disconnect', leaving: true })
      this.#drop(peer)
    }
    this.#nextRepair = undefined
    this.#nextShuffle = undefined
    this.#requests.clear()
  }

  #onTick(): void {
    for (const [peer, until] of this.#requests) {
      if (until > this.#now) continue
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
    for (const peer of [...this.#views.active]) {
      const silent = this.#now - (this.#heard.get(peer) ?? this.#now)
      if (silent > 2 * silenceMs) {
        this.#drop(peer)
        this.#repairSoon()
      } else if (silent > silenceMs) this.#send(peer, { type: 'alive', answer: false })
    }
    const [to] = this.#views.sampleActive(1)
    if (to === undefined) return
    const own = this.#views.samplePassive(shufflePassive)
    const peers = [...this.#views.sampleActive(shuffleActive, to), ...own]
    this.#shuffled = peers
    this.#send(to, { type: 'shuffle', origin: this.#self, walk: activeWalk, peers })
  }

  /** Asks for neighbours while there are too few: from the passive view, and from whoever is connected. */
  #repair(): void {
    this.#nextRepair = undefined
    const { activeSize, repairLastMs } = this.#config
    const missing = activeSize - this.#views.active.size - this.#requests.size
    if (this.#leaving || missing <= 0) return
    const candidates = [...this.#views.passive].filter(peer => !this.#requests.has(peer))
    const room = Math.min(missing, overlayLimits.maxRequests - this.#requests.size)
    const chosen = this.#rng.sample(candidates, room)
    if (chosen.length === 0) {
      for (const peer of this.#connected.keys()) {
        if (!this.#views.active.has(peer) && !this.#requests.has(peer)) this.#views.addPassive(peer)
      }
    }
    for (const peer of chosen) this.#request(peer, this.#views.active.size === 0)
    // a small network has fewer peers than the view has places: ask again, but less and less often
    this.#nextRepair = this.#now + this.#repairWait
    this.#repairWait = Math.min(this.#repairWait * 2, repairLastMs)
  }

  #repairSoon(): void {
    if (this.#leaving || this.#views.active.size + this.#requests.size >= this.#config.activeSize) return
    const at = this.#now + (this.#views.active.size === 0 ? 0 : this.#repairWait)
    if (this.#nextRepair === undefined || this.#nextRepair > at) this.#nextRepair = at
  }

  #request(peer: Peer, urgent: boolean): void {
    if (this.#leaving || peer === this.#self || this.#views.active.has(peer) || this.#requests.has(peer)) return
    if (this.#requests.size >= overlayLimits.maxRequests) {
      this.#views.addPassive(peer)
      return
    }
    this.#requests.set(peer, this.#now + this.#config.requestTimeoutMs)
    this.#send(peer, { type: 'neighbour', urgent })
  }

  #accept(peer: Peer): void {
    if (this.#views.active.has(peer)) return
    while (this.#views.active.size >= this.#config.activeSize) {
      const [dropped] = this.#views.sampleActive(1) as [Peer]
      this.#send(dropped, { type: 'disconnect', leaving: false })
      this.#drop(dropped)
      this.#views.addPassive(dropped)
    }
    this.#requests.delete(peer)
    this.#views.addActive(peer)
    this.#heard.set(peer, this.#now)
    this.#repairWait = this.#config.repairMs
    this.#nextShuffle ??= this.#now + Math.floor(this.#config.shuffleMs * this.#rng.unit())
    this.#out.push({ type: 'event', event: { type: 'neighbourUp', peer } })
    this.#repairSoon()
  }

  #drop(peer: Peer): void {
    this.#heard.delete(peer)
    if (!this.#views.removeActive(peer)) return
    this.#out.push({ type: 'event', event: { type: 'neighbourDown', peer } })
    this.#repairSoon()
  }

  #allows(peer: Peer): boolean {
    let bucket = this.#rates.get(peer)
    if (bucket === undefined) {
      bucket = new TokenBucket(overlayLimits.perPeer)
      this.#rates.set(peer, bucket)
    }
    return bucket.take(this.#now)
  }

  #send(to: Peer, message: OverlayMessage): void {
    this.#out.push({ type: 'send', to, message })
  }
}
