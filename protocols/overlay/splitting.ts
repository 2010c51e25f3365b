import type { Peer } from '../core/peer.ts'
import type { OverlayConfig } from './config.ts'
import type { Links } from './links.ts'
import type { Repair } from './repair.ts'
import type { Views } from './views.ts'

/**
 * Lets a peer in where all the others are full: link w–b becomes u–w and u–b. No degree changes but that of u, which
 * gains two. Here u is whoever misses that many, w a random peer that it knows, b a neighbour of w.
 */
export class Splitting {
  readonly #self: Peer
  readonly #config: OverlayConfig
  readonly #views: Views
  readonly #links: Links
  readonly #repair: Repair

  constructor(init: { self: Peer; config: OverlayConfig; views: Views; links: Links; repair: Repair }) {
    this.#self = init.self
    this.#config = init.config
    this.#views = init.views
    this.#links = init.links
    this.#repair = init.repair
  }

  /** We are w, who has no place free: b is told of u. */
  onSplit(from: Peer): void {
    const { now } = this.#links
    const evicted = this.#views.toSplit(from, now)
    if (evicted === undefined) {
      this.#views.offerPassive(from)
      this.#links.send(from, { type: 'swapReply' })
      return
    }
    this.#repair.cancel(from)
    this.#links.handOver(evicted, from)
    // what it says of its need cannot be checked: it has pushed in like any other that does
    this.#links.add(from, now + this.#config.settleMs)
    this.#links.send(from, { type: 'swapReply', gives: evicted })
  }

  /** We are u: b, who asks us, is asked too, since either may hear of it first. */
  onReply(from: Peer, gives: Peer | undefined): void {
    const wasAsked = this.#repair.onSplitAnswer(from)
    if (gives !== undefined && !this.#links.has(from)) {
      if (!wasAsked || !this.#links.hasRoom || gives === this.#self) this.#links.disconnect(from)
      else {
        this.#links.add(from, this.#links.now)
        if (this.#links.hasRoom) this.#repair.request(gives, 'nobody', 'keptPlace')
      }
    }
    this.#repair.again()
  }
}
