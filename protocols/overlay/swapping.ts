import type { Peer } from '../core/peer.ts'
import { PeerRates } from '../core/peer-rates.ts'
import { type OverlayConfig, overlayLimits } from './config.ts'
import type { Links } from './links.ts'
import type { Repair } from './repair.ts'
import { SwapSchedule } from './swap-schedule.ts'
import type { Views } from './views.ts'

/**
 * Keeps the graph random, however it came about: links u–a and w–b become u–w and a–b. Such switches leave every degree
 * as it is, and many of them make a graph like any other with these degrees. Here u is whoever begins, w a random peer
 * of its passive view, a and b a neighbour of each.
 */
export class Swapping {
  readonly #self: Peer
  readonly #config: OverlayConfig
  readonly #views: Views
  readonly #links: Links
  readonly #repair: Repair
  readonly #schedule: SwapSchedule
  readonly #handoverRates = new PeerRates(overlayLimits.handovers, overlayLimits.maxRates)

  constructor(init: { self: Peer; config: OverlayConfig; views: Views; links: Links; repair: Repair }) {
    this.#self = init.self
    this.#config = init.config
    this.#views = init.views
    this.#links = init.links
    this.#repair = init.repair
    this.#schedule = new SwapSchedule(init.config.swapShuffles, init.config.requestTimeoutMs)
  }

  /** When to `tick`. */
  get dueMs(): number | undefined {
    return this.#schedule.dueMs
  }

  /** The node is new among its neighbours. */
  restart(): void {
    this.#schedule.restart()
  }

  /** This node rests. */
  stop(): void {
    this.#schedule.stop()
  }

  tick(): void {
    const silent = this.#schedule.takeExpired(this.#links.now)
    if (silent !== undefined) this.#views.forget(silent)
  }

  onPeerDown(peer: Peer): void {
    this.#schedule.take(peer)
  }

  /** To be called at each shuffle. We are u. */
  onShuffle(): void {
    if (!this.#schedule.isTime() || this.#links.missing > 0) return
    const { now } = this.#links
    const partner = this.#views.pickPassive()
    const gives = this.#views.pickSettled(now - this.#config.repairLastMs)
    if (partner === undefined || gives === undefined || this.#repair.isAsking(partner)) return
    this.#schedule.begin(partner, gives, now)
    this.#links.send(partner, { type: 'swap', gives })
  }

  /** Whether a swap with this peer is under way. */
  isWith(peer: Peer): boolean {
    return this.#schedule.isWith(peer)
  }

  /** We are w: b is pushed out for u, and told of a. */
  onSwap(from: Peer, gives: Peer): void {
    const { now, missing } = this.#links
    const areNew = !this.#links.has(from) && !this.#links.has(gives) && gives !== this.#self && gives !== from
    // free places are for those who have too few neighbours
    const isPossible = areNew && missing <= 0
    const evicted = isPossible ? this.#views.toSwap(from, now) : undefined
    if (evicted === undefined) {
      this.#views.offerPassive(from)
      this.#links.send(from, { type: 'swapReply' })
      return
    }
    this.#links.handOver(evicted, gives)
    this.#links.add(from, now)
    this.#links.send(from, { type: 'swapReply', gives: evicted })
  }

  /** We are u: a is told of b. */
  onReply(from: Peer, gives: Peer | undefined): void {
    const swap = this.#schedule.take(from)
    if (gives === undefined || this.#links.has(from)) return
    const { now, isLeaving, missing } = this.#links
    const isPossible = swap !== undefined && !isLeaving && gives !== this.#self
    if (!isPossible || (missing <= 0 && !this.#links.has(swap.gives))) {
      this.#links.disconnect(from)
      return
    }
    if (missing <= 0) this.#links.handOver(swap.gives, gives)
    this.#links.add(from, now)
    this.#schedule.done()
  }

  /** We are a or b. Both ask the other, since either may hear of it first. */
  onHandover(from: Peer, to: Peer): void {
    const sinceMs = this.#links.remove(from)
    this.#views.addPassive(from, from)
    if (this.#handoverRates.take(from, this.#links.now)) this.#repair.request(to, 'nobody', 'keptPlace')
    if (sinceMs !== undefined) this.#repair.onLost(sinceMs, false)
  }
}
