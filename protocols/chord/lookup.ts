import { isBetween, isOwned, type RingId } from '../core/keyspace.ts'
import type { Peer } from '../core/peer.ts'
import { chordLimits } from './config.ts'
import type { Found, Hop } from './messages.ts'

export interface Question {
  readonly peer: Peer
  /** It is the first that is known past the key. */
  readonly asOwner: boolean
}

/**
 * The way to one key, hop by hop: who may be asked next, and what their answers and silences mean. Nodes before the key
 * lead nearer to it; nodes past it are asked whether they own it, the nearest first. Only the owner's own word ends it.
 */
export class Lookup {
  readonly key: RingId
  readonly #self: Peer
  readonly #idOf: (peer: Peer) => RingId
  /** Not asked yet, the nearest to the key first. */
  readonly #before: Peer[] = [] // BOUNDED by maxAsked × candidates
  readonly #after: Peer[] = [] // BOUNDED by maxAsked × owners
  /** How many hops lead there. */
  readonly #depths = new Map<Peer, number>() // BOUNDED by maxAsked × both
  readonly #lost: Peer[] = [] // BOUNDED by maxPeers
  /** The nearest before the key that answered. */
  #nearest: Peer | undefined
  /** Who began: this node, unless it knows nothing. */
  readonly #start: Peer | undefined
  #lostBefore = 0
  #asked = 0
  #found: Found | undefined

  /**
   * @param start what the asker knows itself, if it knows a way; else a contact, in `before`
   * @param isOutside the asker has no place on the ring, though others may still know of one
   */
  constructor(init: {
    self: Peer
    idOf: (peer: Peer) => RingId
    key: RingId
    start: Hop
    knowsWay: boolean
    isOutside: boolean
  }) {
    this.#self = init.self
    this.#idOf = init.idOf
    this.key = init.key
    if (init.isOutside) this.#lost.push(init.self)
    this.#lostBefore = this.#lost.length
    this.#start = init.knowsWay ? init.self : undefined
    if (this.#start !== undefined) this.#depths.set(this.#start, 0)
    this.#take(init.start, 1)
  }

  get found(): Found | undefined {
    return this.#found
  }

  /** Did not answer. */
  get lost(): readonly Peer[] {
    return this.#lost
  }

  get asked(): number {
    return this.#asked
  }

  /** Takes the next node to ask, which may be this one; undefined when nobody is left, or it is found. */
  next(): Question | undefined {
    if (this.#found !== undefined || this.#asked >= chordLimits.maxAsked) return undefined
    if (this.#before.length === 0 && this.#after.length === 0) this.#askAgain()
    const [before] = this.#before
    const asOwner = this.#after.length > 0 && (before === undefined || !this.#isNearer(before))
    const peer = asOwner ? this.#after.shift() : this.#before.shift()
    if (peer === undefined) return undefined
    this.#asked++
    return { peer, asOwner }
  }

  onHop(peer: Peer, hop: Hop): void {
    const depth = this.#depths.get(peer)
    if (depth === undefined || this.#found !== undefined) return
    const id = this.#idOf(peer)
    if (hop.role !== 'way') {
      const { predecessor } = hop
      const isCopy = hop.role === 'copy'
      if (!isCopy && predecessor !== undefined && !isOwned(this.#idOf(predecessor), this.key, id)) return
      this.#found = { owner: peer, isCopy, successors: hop.after, predecessor, via: this.#nearest, hops: depth }
      return
    }
    if (this.#isNearer(peer) && isBetween(this.#idOf(this.#self), id, this.key)) this.#nearest = peer
    const before = hop.before.filter(next => isBetween(id, this.#idOf(next), this.key))
    this.#take({ ...hop, before: before.slice(0, chordLimits.candidates) }, depth + 1)
  }

  onLost(peer: Peer): void {
    if (this.#lost.length < chordLimits.maxPeers) this.#lost.push(peer)
  }

  /** Whoever named only nodes that are gone may know others. */
  #askAgain(): void {
    const nearest = this.#nearest ?? this.#start
    if (nearest === undefined || this.#lost.length === this.#lostBefore) return
    this.#lostBefore = this.#lost.length
    this.#before.push(nearest)
  }

  #take(hop: Hop, depth: number): void {
    for (const peer of hop.before) this.#add(this.#before, peer, depth, (a, b) => this.#isBefore(a, b))
    for (const peer of hop.after.slice(0, chordLimits.owners)) {
      this.#add(this.#after, peer, depth, (a, b) => this.#isPast(a, b))
    }
  }

  #add(list: Peer[], peer: Peer, depth: number, isFirst: (a: Peer, b: Peer) => boolean): void {
    if (this.#depths.has(peer) || this.#lost.includes(peer)) return
    this.#depths.set(peer, depth)
    const at = list.findIndex(other => isFirst(peer, other))
    list.splice(at === -1 ? list.length : at, 0, peer)
  }

  /** Whether a node before the key is nearer to it than those that answered. */
  #isNearer(peer: Peer): boolean {
    return this.#nearest === undefined || isBetween(this.#idOf(this.#nearest), this.#idOf(peer), this.key)
  }

  /** Of two nodes before the key, whether `a` is the nearer one. */
  #isBefore(a: Peer, b: Peer): boolean {
    return isBetween(this.#idOf(b), this.#idOf(a), this.key)
  }

  /** Of two nodes at the key or past it, whether `a` is the nearer one. */
  #isPast(a: Peer, b: Peer): boolean {
    const [idA, idB] = [this.#idOf(a), this.#idOf(b)]
    return idB !== this.key && (idA === this.key || isBetween(this.key, idA, idB))
  }
}
