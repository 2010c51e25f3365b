import type { RingId } from '../core/keyspace.ts'
import type { Peer } from '../core/peer.ts'
import { listViolationsOf, type RingView, type RingViolation, rankAfter, rankFrom, violationsOf } from './invariant.ts'
import type { Place } from './ring.ts'

/** Where lists have entries, and how many pairs of neighbours in them begin and end there. */
interface Point {
  starts: number
  ends: number
}

/**
 * The invariant of a ring, kept up to date place by place: told every change, it knows in no time whether all is well.
 *
 * It rests on Zave's theorem. If every list is in order and names a node that is there, and one node is skipped by no
 * list, then from every node the best successors lead to that one and from it around in one ring in order: nobody's best
 * successor is beyond it, since what lies before that in the list is dead, and what lies between was not skipped.
 *
 * A change costs O(r (log N + nodes that the list skips)); a node more or less also a move of an array of N.
 */
export class RingWatch {
  readonly #view: Omit<RingView, 'members'>
  /** BOUNDED, like all here, by the nodes that the caller has. */
  readonly #places = new Map<Peer, Place>()
  /** How many lists and predecessors name a node. */
  readonly #named = new Map<Peer, number>()
  readonly #holders = new Map<Peer, Set<Peer>>()
  readonly #members = new Map<Peer, RingId>()
  /** Members clockwise. */
  readonly #ids: RingId[] = []
  readonly #peers: Peer[] = []
  readonly #points = new Map<RingId, Point>()
  readonly #pointIds: RingId[] = []
  /** By how many pairs a member is skipped. */
  readonly #skips = new Map<Peer, number>()
  #principals = 0
  /** Members that name nobody who is there, and those whose list is out of order. */
  readonly #stranded = new Set<Peer>()
  readonly #disordered = new Set<Peer>()

  constructor(view: Omit<RingView, 'members'>) {
    this.#view = view
  }

  get memberCount(): number {
    return this.#members.size
  }

  get principalCount(): number {
    return this.#principals
  }

  /** The same as that there are no violations. O(1). */
  get isSound(): boolean {
    const count = this.#members.size
    if (count === 0) return true
    const least = Math.min(this.#view.leastPrincipals ?? 1, count)
    if (this.#disordered.size > 0 || this.#principals < least) return false
    return this.#stranded.size === 0 || count === 1
  }

  /** What is wrong. O(1) if nothing is, else as long as `violationsOf` takes. */
  violations(): RingViolation[] {
    // without a principal there may be one ring all the same
    return this.isSound ? [] : violationsOf(this.view())
  }

  /** All that it was told, for a check in full. */
  view(): RingView {
    return { ...this.#view, members: [...this.#places].map(([peer, place]) => ({ peer, place })) }
  }

  /** A node is there, or holds something else than before. */
  set(peer: Peer, place: Place): void {
    const before = this.#places.get(peer)
    if (before !== undefined && isSame(before.successors, place.successors)) {
      if (before.predecessor === place.predecessor) return
      this.#places.set(peer, place)
    } else {
      this.#places.set(peer, place)
      if (before !== undefined && this.#members.has(peer)) this.#replace(peer, before.successors, place.successors)
    }
    for (const named of namesIn(place)) this.#named.set(named, (this.#named.get(named) ?? 0) + 1)
    if (before !== undefined) this.#forget(before)
    this.#consider(peer)
    for (const named of namesIn(place)) this.#consider(named)
  }

  /** A node is there no more. */
  remove(peer: Peer): void {
    const place = this.#places.get(peer)
    if (place === undefined) return
    if (this.#members.has(peer)) this.#leave(peer)
    this.#places.delete(peer)
    this.#forget(place)
  }

  #forget(place: Place): void {
    for (const named of namesIn(place)) {
      const count = (this.#named.get(named) as number) - 1
      if (count > 0) this.#named.set(named, count)
      else this.#named.delete(named)
      this.#consider(named)
    }
  }

  /** One that names nobody is a member only if somebody names it. */
  #consider(peer: Peer): void {
    const place = this.#places.get(peer)
    if (place === undefined) return
    const isMember = place.successors.length > 0 || place.predecessor !== undefined || this.#named.has(peer)
    if (isMember === this.#members.has(peer)) return
    if (isMember) this.#enter(peer)
    else this.#leave(peer)
  }

  #enter(peer: Peer): void {
    const id = this.#view.idOf(peer)
    const rank = rankFrom(this.#ids, id)
    const skips = this.#ids.length === 0 ? 0 : this.#skipsAt(id, (rank + this.#ids.length - 1) % this.#ids.length)
    this.#ids.splice(rank, 0, id)
    this.#peers.splice(rank, 0, peer)
    this.#members.set(peer, id)
    this.#skips.set(peer, skips)
    if (skips === 0) this.#principals++
    this.#admit(peer)
    for (const holder of this.#holders.get(peer) ?? []) this.#stranded.delete(holder)
  }

  #leave(peer: Peer): void {
    this.#withdraw(peer)
    const rank = rankFrom(this.#ids, this.#members.get(peer) as RingId)
    this.#ids.splice(rank, 1)
    this.#peers.splice(rank, 1)
    this.#members.delete(peer)
    if (this.#skips.get(peer) === 0) this.#principals--
    this.#skips.delete(peer)
    for (const holder of this.#holders.get(peer) ?? []) this.#findStranded(holder)
  }

  /** A member's list counts from now on. */
  #admit(peer: Peer): void {
    this.#replace(peer, undefined, (this.#places.get(peer) as Place).successors)
  }

  #withdraw(peer: Peer): void {
    this.#replace(peer, (this.#places.get(peer) as Place).successors, undefined)
    this.#disordered.delete(peer)
    this.#stranded.delete(peer)
  }

  /** Most of a list stays as it is when it changes: only pairs that come or go are counted anew. */
  #replace(peer: Peer, before: readonly Peer[] | undefined, after: readonly Peer[] | undefined): void {
    const coming = pairsOf(peer, after)
    for (const [a, b] of pairsOf(peer, before)) {
      const kept = coming.findIndex(pair => pair[0] === a && pair[1] === b)
      if (kept === -1) this.#changePair(a, b, -1)
      else coming.splice(kept, 1)
    }
    for (const [a, b] of coming) this.#changePair(a, b, 1)
    for (const successor of before ?? []) {
      if (after?.includes(successor)) continue
      const holders = this.#holders.get(successor)
      holders?.delete(peer)
      if (holders?.size === 0) this.#holders.delete(successor)
    }
    if (after === undefined) return
    for (const successor of after) {
      const holders = this.#holders.get(successor)
      if (holders === undefined) this.#holders.set(successor, new Set([peer]))
      else holders.add(peer)
    }
    if (listViolationsOf(peer, after, this.#view).length > 0) this.#disordered.add(peer)
    else this.#disordered.delete(peer)
    this.#findStranded(peer)
  }

  #findStranded(peer: Peer): void {
    const { successors } = this.#places.get(peer) as Place
    const isStranded = successors.length > 0 && !successors.some(successor => this.#members.has(successor))
    if (isStranded) this.#stranded.add(peer)
    else this.#stranded.delete(peer)
  }

  #changePair(from: Peer, to: Peer, change: 1 | -1): void {
    const a = this.#view.idOf(from)
    const b = this.#view.idOf(to)
    this.#changePoint(a, change, 0)
    this.#changePoint(b, 0, change)
    this.#changeSkips(a, b, change)
  }

  #changeSkips(a: RingId, b: RingId, change: 1 | -1): void {
    const from = rankAfter(this.#ids, a)
    const to = rankFrom(this.#ids, b)
    const count = a < b ? Math.max(0, to - from) : this.#ids.length - from + to
    for (let i = 0; i < count; i++) {
      const peer = this.#peers[(from + i) % this.#peers.length] as Peer
      const skips = this.#skips.get(peer) as number
      if (skips === 0) this.#principals--
      if (skips + change === 0) this.#principals++
      this.#skips.set(peer, skips + change)
    }
  }

  #changePoint(id: RingId, starts: number, ends: number): void {
    let point = this.#points.get(id)
    if (point === undefined) {
      point = { starts: 0, ends: 0 }
      this.#points.set(id, point)
      this.#pointIds.splice(rankFrom(this.#pointIds, id), 0, id)
    }
    point.starts += starts
    point.ends += ends
    if (point.starts > 0 || point.ends > 0) return
    this.#points.delete(id)
    this.#pointIds.splice(rankFrom(this.#pointIds, id), 1)
  }

  /** As many as skip the member before it, but for the pairs that begin or end on the way from there. */
  #skipsAt(id: RingId, rankBefore: number): number {
    const before = this.#ids[rankBefore] as RingId
    let skips = this.#skips.get(this.#peers[rankBefore] as Peer) as number
    const count = this.#pointIds.length
    const from = rankFrom(this.#pointIds, before)
    const to = rankAfter(this.#pointIds, id)
    const passed = before < id ? to - from : count - from + to
    for (let i = 0; i < passed; i++) {
      const at = this.#pointIds[(from + i) % count] as RingId
      const point = this.#points.get(at) as Point
      if (at !== id) skips += point.starts
      if (at !== before) skips -= point.ends
    }
    return skips
  }
}

function namesIn({ successors, predecessor }: Place): Peer[] {
  return predecessor === undefined ? [...successors] : [...successors, predecessor]
}

/** Neighbours in a list, its owner before the first. One without a list is its own successor. */
function pairsOf(peer: Peer, successors: readonly Peer[] | undefined): [Peer, Peer][] {
  if (successors === undefined) return []
  if (successors.length === 0) return [[peer, peer]]
  return successors.map((successor, i) => [i === 0 ? peer : (successors[i - 1] as Peer), successor])
}

function isSame(a: readonly Peer[], b: readonly Peer[]): boolean {
  return a.length === b.length && a.every((peer, i) => peer === b[i])
}
