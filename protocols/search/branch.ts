import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import { searchLimits } from './config.ts'
import type { Report } from './messages.ts'

/** The width of a flood: every neighbour at once. */
export const ALL = 255

/** What whoever sends a query lets the receiver do. */
export interface Order {
  /** Hops that are left below the receiver. */
  readonly ttl: number
  /** ALL: a flood. 1 and more: so many walkers. 0: only where the summaries say that it may match. */
  readonly width: number
  /** Query messages that may be sent below. */
  readonly budget: number
  /** Holders that are enough; a flood does not look at it. */
  readonly want: number
}

export interface Ask {
  readonly peer: Peer
  /** As the message carries it: the ttl includes the hop to this peer. */
  readonly order: Order
}

interface Child {
  /**
   * open: owes a report. late: still does, but is not waited for any more. more: would go on with more budget. edge: with
   * more hops. stuck: said more, and is asked again only by the next order: it did nothing with what it was given, or
   * somebody there refused or is silent, and asking over and over would make that worse.
   */
  state: 'open' | 'late' | 'done' | 'more' | 'edge' | 'stuck'
  ttl: number
  width: number
  budget: number
  /** Holders that are enough from it, those that it named, and of these those that nobody had named before. */
  want: number
  named: number
  found: number
  again: boolean
  /** Whether others are asked meanwhile that show a match. */
  isSlow: boolean
}

/** How a match turned out that a summary showed so many hops away. */
export interface Outcome {
  readonly hops: number
  readonly hasHit: boolean
}

/** Of many neighbours whose summary shows a match so many are asked first: what they bring tells how many it takes. */
const FIRST_SHOWN = 4
/** More than it should take, so that it does not come to a little less, and another go. */
const MARGIN = 1.25

/** What of the network a branch sees when it chooses whom to ask. */
export interface View {
  readonly neighbours: Iterable<Peer>
  /** Hops to the nearest match by way of this neighbour, as its summary has it; undefined when it shows none. */
  matchOf(peer: Peer): number | undefined
  readonly rng: Rng
}

/**
 * One node's part in a query: whom it asked, what is left to spend, who has not reported yet, and what the reports add
 * up to (the echo of Dijkstra and Scholten 1980: every query message is answered by one report). The nodes that took a
 * query are a tree, and no message goes to one that is known to have seen it.
 *
 * A flood spends its budget on all neighbours at once. A walk is a search of that tree in depth: what one neighbour did
 * not spend goes to the next. Either can be taken up again with another order, and goes on where it ended.
 */
export class Branch {
  // a node remembers thousands of branches, and of most no more than who asked: what they have not got is not made
  #children: Map<Peer, Child> | undefined // BOUNDED by the neighbours over the life of a query
  /** Who the query came from, */
  readonly #parent: Peer | undefined
  /** and others that sent it: it is in branches of their own. BOUNDED by the peers with a connection. */
  #seen: Set<Peer> | undefined
  #holders: Set<Peer> | undefined // BOUNDED by searchLimits.maxWant
  readonly #reserve: number
  /** Whether this node itself has more to say than it may for one order. */
  hasLeft = false
  #order: Order
  #reach: number
  #budget: number
  #width: number
  #open = 0
  #held = 0
  #peers = 0
  #messages = 0
  #complete = true
  #more = false
  #beyond = false
  #given = false

  /**
   * `parent`: who the query came from. `reserve`: shares of a flood's budget that are kept for neighbours that come up
   * later.
   */
  constructor(order: Order, { parent, reserve = 0 }: { parent?: Peer; reserve?: number } = {}) {
    this.#parent = parent
    this.#reserve = reserve
    this.#order = order
    this.#reach = order.ttl
    this.#budget = order.budget
    this.#width = order.width
  }

  /** Most hops from here that anybody who has the query from here can be away. */
  get reach(): number {
    return this.#reach
  }

  get order(): Order {
    return this.#order
  }

  /** Whether nobody is waited for. */
  get isOver(): boolean {
    return this.#open === 0
  }

  /** Budget of those that are late or lost: it may be spent, and nobody knows. */
  get held(): number {
    return this.#held
  }

  /** What happened since the last time this was asked. */
  takeSum(): Report {
    const sum = {
      peers: this.#peers,
      messages: this.#messages,
      complete: this.#complete,
      more: this.#more,
      beyond: this.#beyond
    }
    this.#peers = 0
    this.#messages = 0
    this.#complete = true
    return sum
  }

  hasAsked(peer: Peer): boolean {
    return this.#children?.has(peer) === true
  }

  countPeer(): void {
    this.#peers++
  }

  /** Hits of this holder came from a peer that was asked, or are our own. */
  countHolder(holder: Peer, from?: Peer): void {
    this.#holders ??= new Set()
    const isNew = this.#holders.size < searchLimits.maxWant && !this.#holders.has(holder)
    if (isNew) this.#holders.add(holder)
    const child = from === undefined ? undefined : this.#children?.get(from)
    if (child === undefined) return
    child.named++
    if (isNew) child.found++
  }

  /** This peer has the query from elsewhere. */
  sawAt(peer: Peer): void {
    if (peer !== this.#parent) {
      this.#seen ??= new Set()
      this.#seen.add(peer)
    }
    const child = this.#children?.get(peer)
    // one that refused it from here: what is left to be done there is another branch's
    if (child !== undefined && child.state !== 'open' && child.state !== 'late') child.state = 'done'
  }

  /** Goes on with another order. Those that are late are not waited for again; what they report is counted. */
  renew(order: Order): void {
    this.#order = order
    this.#reach = Math.max(this.#reach, order.ttl)
    this.#budget = order.budget
    this.#width = order.width
    this.#given = false
    this.#holders = undefined
    for (const child of this.#asked()) if (child.state === 'stuck') child.state = 'more'
  }

  /** Whom to ask now. When nobody, and nobody is waited for, the branch is over. */
  advance(view: View): Ask[] {
    if (this.#given) return []
    const { ttl, width } = this.#order
    const fresh: Peer[] = []
    for (const peer of view.neighbours) if (this.#isFresh(peer)) fresh.push(peer)
    let asks: Ask[] = []
    const isEnough = width !== ALL && this.#found >= this.#order.want
    if (ttl > 0 && this.#budget > 0 && !isEnough) {
      asks = width === ALL ? this.#flood(fresh, view.rng) : this.#walk(fresh, view)
    }
    if (this.#open === 0) {
      this.#more = this.hasLeft || (fresh.length > 0 && ttl > 0)
      this.#beyond = fresh.length > 0 && ttl === 0
      for (const { state } of this.#asked()) {
        if (state === 'more' || state === 'stuck') this.#more = true
        if (state === 'edge') this.#beyond = true
      }
    }
    return asks
  }

  /**
   * Whether a report of this peer was due, and what came of the match that its summary showed. One that comes late still is
   * due: it counts when we are asked again.
   */
  report(from: Peer, report: Report): { wasDue: boolean; outcome?: Outcome } {
    const child = this.#children?.get(from)
    if (child === undefined || (child.state !== 'open' && child.state !== 'late')) return { wasDue: false }
    // no lie can say more than was given: each peer below was sent a message
    const spent = Math.min(report.messages, child.budget)
    // what one that is late did not spend was of another order
    if (child.state === 'open') {
      this.#open--
      this.#budget += child.budget - spent
      if (child.width !== ALL) this.#width += child.width
    } else {
      this.#held -= child.budget
    }
    const didNothing = spent === 0 && child.named === 0 && (child.again || report.peers === 0)
    const isStuck = didNothing || !report.complete
    child.state = report.more ? (isStuck ? 'stuck' : 'more') : report.beyond ? 'edge' : 'done'
    this.#peers += Math.min(report.peers, spent + 1)
    this.#messages += spent
    this.#complete &&= report.complete
    // one that had the query already says nothing of its summary
    const wasShown = child.width === 0 && report.peers > 0
    return wasShown ? { wasDue: true, outcome: { hops: child.ttl, hasHit: child.named > 0 } } : { wasDue: true }
  }

  /** The peer cannot be reached any more, and what it was given is gone. It may be asked again. */
  lose(peer: Peer): void {
    const child = this.#children?.get(peer)
    if (child === undefined) return
    this.#children?.delete(peer)
    if (child.state !== 'open') return
    this.#open--
    this.#held += child.budget
    this.#complete = false
    if (child.width !== ALL) this.#width += child.width
  }

  /** Those that show a match have had time enough to tell how many others it takes: the next ones need not wait for them. */
  hurry(): void {
    for (const child of this.#asked()) if (child.state === 'open' && child.width === 0) child.isSlow = true
  }

  /**
   * Waits no longer, and asks nobody until it is renewed. Returns who is late though its summary showed a match, with the
   * hops to that.
   */
  giveUp(): { peer: Peer; hops: number }[] {
    if (this.#open > 0) {
      this.#complete = false
      this.#more = true
    }
    this.#open = 0
    this.#given = true
    const late: { peer: Peer; hops: number }[] = []
    for (const [peer, child] of this.#children ?? []) {
      if (child.state !== 'open') continue
      child.state = 'late'
      this.#held += child.budget
      if (child.width === 0) late.push({ peer, hops: child.ttl })
    }
    return late
  }

  #flood(fresh: Peer[], rng: Rng): Ask[] {
    let targets = fresh.length > this.#budget ? rng.sample(fresh, this.#budget) : fresh
    if (targets.length === 0 && this.#open === 0) targets = this.#withMore(rng)
    if (targets.length === 0) return []
    const reserve = fresh.length > 0 ? this.#reserve : 0
    const share = Math.floor((this.#budget - targets.length) / (targets.length + reserve))
    return targets.map(peer => this.#ask(peer, this.#order.ttl, ALL, share))
  }

  #walk(fresh: Peer[], view: View): Ask[] {
    const { ttl } = this.#order
    // what the summaries showed may be enough: nobody else is asked before it is known
    if (this.#isLookingNear()) return []
    let near: { peer: Peer; hops: number }[] = []
    for (const peer of fresh) {
      const hops = view.matchOf(peer)
      // what is further away than it may go cannot be found by asking this one
      if (hops !== undefined && hops <= ttl) near.push({ peer, hops })
    }
    if (near.length === 0) near = this.#withMoreToName()
    if (near.length > 0) {
      // the nearest, and no more than are wanted: where many ways are short, most lead to the same holders
      const order = view.rng.sample(near, near.length).sort((a, b) => a.hops - b.hops)
      const targets = order.slice(0, Math.min(this.#budget, this.#wanted, this.#mostShown(near.length)))
      const share = Math.floor((this.#budget - targets.length) / targets.length)
      const want = Math.ceil(this.#wanted / targets.length)
      return targets.map(({ peer, hops }) => this.#ask(peer, hops, 0, share, want))
    }
    if (this.#width === 0) return []
    const most = Math.min(this.#width, this.#budget)
    const targets = fresh.length > 0 ? view.rng.sample(fresh, most) : this.#withMore(view.rng).slice(0, most)
    if (targets.length === 0) return []
    const budget = this.#budget - targets.length
    const width = this.#width
    return targets.map((peer, i) =>
      this.#ask(peer, ttl, part(width, targets.length, i), part(budget, targets.length, i))
    )
  }

  /**
   * How many that show a match are asked at once. All show a common word, and a few of them have enough; what is rare
   * few have, and then all are asked.
   */
  #mostShown(count: number): number {
    let tried = 0
    let brought = 0
    for (const { state, width, found } of this.#asked()) {
      if (width !== 0 || state === 'open' || state === 'late') continue
      tried++
      brought += found
    }
    if (count <= FIRST_SHOWN || (tried > 0 && brought === 0)) return count
    return tried === 0 ? FIRST_SHOWN : Math.ceil((MARGIN * this.#wanted * tried) / brought)
  }

  /** Those that named as many holders as they were let, and could name others. */
  #withMoreToName(): { peer: Peer; hops: number }[] {
    const peers: { peer: Peer; hops: number }[] = []
    for (const [peer, { state, width, ttl, want, named }] of this.#children ?? []) {
      if (state === 'more' && width === 0 && named >= want && ttl <= this.#order.ttl) peers.push({ peer, hops: ttl })
    }
    return peers
  }

  #isLookingNear(): boolean {
    for (const { state, width, isSlow } of this.#asked()) if (state === 'open' && width === 0 && !isSlow) return true
    return false
  }

  /** Those that can be taken up again, as many as can be given something to spend. */
  #withMore(rng: Rng): Peer[] {
    const peers: Peer[] = []
    for (const [peer, { state, ttl }] of this.#children ?? []) {
      if (state === 'more' || (state === 'edge' && ttl < this.#order.ttl)) peers.push(peer)
    }
    return rng.sample(peers, Math.floor(this.#budget / 2))
  }

  #isFresh(peer: Peer): boolean {
    return peer !== this.#parent && this.#seen?.has(peer) !== true && this.#children?.has(peer) !== true
  }

  #asked(): Iterable<Child> {
    return this.#children?.values() ?? []
  }

  get #found(): number {
    return this.#holders?.size ?? 0
  }

  get #wanted(): number {
    return Math.max(1, this.#order.want - this.#found)
  }

  #ask(peer: Peer, ttl: number, width: number, budget: number, want = this.#wanted): Ask {
    this.#budget -= 1 + budget
    if (width !== ALL) this.#width -= width
    this.#children ??= new Map()
    const again = this.#children.has(peer)
    this.#children.set(peer, { state: 'open', ttl, width, budget, want, named: 0, found: 0, again, isSlow: false })
    this.#open++
    this.#messages++
    return { peer, order: { ttl, width, budget, want } }
  }
}

/** The i-th of `count` parts of a whole number, as equal as can be. */
function part(whole: number, count: number, i: number): number {
  return Math.floor((whole * (i + 1)) / count) - Math.floor((whole * i) / count)
}
