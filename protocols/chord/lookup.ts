import { isBetween, isOwned, type RingId } from '../core/keyspace.ts'
import type { Peer } from '../core/peer.ts'
import { chordLimits } from './config.ts'
import type { Found, Hop } from './messages.ts'

export interface Question {
  readonly peer: Peer
  /** No living node is known between the key and it. */
  readonly asOwner: boolean
}

/** A node at the key or past it. */
interface Candidate {
  readonly peer: Peer
  state: 'new' | 'asked' | 'answered' | 'lost'
  /** How many were known to be lost when it was asked. */
  lostThen: number
}

/**
 * The way to one key, hop by hop: who may be asked next, and what their answers and silences mean. Nodes before the key
 * lead nearer to it. Of those past it the nearest that lives is the owner, and only its own word ends the lookup.
 */
export class Lookup {
  readonly key: RingId
  readonly #self: Peer
  readonly #idOf: (peer: Peer) => RingId
  /** Before the key and not asked yet, the nearest first. BOUNDED by maxAsked × candidates. */
  readonly #before: Peer[] = []
  /** The nearest first. BOUNDED by maxAsked × owners. */
  readonly #after: Candidate[] = []
  /** How many hops lead there. BOUNDED by both. */
  readonly #depths = new Map<Peer, number>()
  readonly #lost: Peer[] = [] // BOUNDED by maxPeers
  readonly #shared: Set<Peer> | undefined
  /** The nearest before the key that answered. */
  #nearest: Peer | undefined
  #lostWhenNearest = 0
  #asked = 0
  #found: Found | undefined

  /**
   * @param start what the asker knows itself, if it knows a way; else a contact, in `before`
   * @param isOutside the asker has no place on the ring, though others may still know of one
   * @param shared this is one of several routes, and these are the nodes that any of them has asked: none is asked twice.
   *   It ends at the key, and what lies past it is the answer.
   */
  constructor(init: {
    self: Peer
    idOf: (peer: Peer) => RingId
    key: RingId
    start: Hop
    knowsWay: boolean
    isOutside: boolean
    shared?: Set<Peer> | undefined
  }) {
    this.#self = init.self
    this.#shared = init.shared
    this.#idOf = init.idOf
    this.key = init.key
    if (init.isOutside) this.#lost.push(init.self)
    if (init.knowsWay) this.#nearest = init.self
    this.#take(init.start, 1)
  }

  get found(): Found | undefined {
    return this.#found
  }

  /** Did not answer. */
  get lost(): readonly Peer[] {
    return this.#lost
  }

  /** Of these, nodes past the key. */
  get lostPast(): number {
    return this.#after.filter(({ state }) => state === 'lost').length
  }

  /** Nodes at the key or past it that were named, the nearest first. */
  get past(): Peer[] {
    return this.#after.map(({ peer }) => peer)
  }

  get asked(): number {
    return this.#asked
  }

  /** Takes the next node to ask, which may be this one; undefined when nobody is left for now, or it is found. */
  next(): Question | undefined {
    if (this.#found !== undefined || this.#asked >= chordLimits.maxAsked) return undefined
    const question =
      this.#shared === undefined
        ? (this.#nextBefore() ?? this.#nextAfter() ?? this.#nextAgain())
        : this.#nextOfRoute(this.#shared)
    if (question !== undefined) this.#asked++
    return question
  }

  onHop(peer: Peer, hop: Hop): void {
    const depth = this.#depths.get(peer) ?? (peer === this.#self ? 0 : undefined)
    if (depth === undefined || this.#found !== undefined) return
    const id = this.#idOf(peer)
    // on a route a node's word about itself is no more than one about another
    if (this.#shared !== undefined && hop.role !== 'way') {
      this.#insertAfter(peer)
      return
    }
    if (hop.role !== 'way') {
      const { predecessor } = hop
      const isCopy = hop.role === 'copy'
      if (!isCopy && predecessor !== undefined && !isOwned(this.#idOf(predecessor), this.key, id)) return
      const via = this.#nearest === this.#self ? undefined : this.#nearest
      this.#found = { owner: peer, isCopy, successors: hop.after, predecessor, via, hops: depth }
      return
    }
    const candidate = this.#after.find(({ peer: known }) => known === peer)
    if (candidate === undefined && this.#isNearer(peer)) {
      this.#nearest = peer
      this.#lostWhenNearest = this.#lost.length
    }
    if (candidate !== undefined) {
      candidate.state = 'answered'
      if (hop.predecessor !== undefined && this.#isPast(hop.predecessor, peer)) {
        this.#addAfter(hop.predecessor, depth + 1)
        return
      }
    }
    const before = hop.before.filter(next => isBetween(id, this.#idOf(next), this.key))
    this.#take({ ...hop, before: before.slice(0, chordLimits.candidates) }, depth + 1)
  }

  onLost(peer: Peer): void {
    if (this.#lost.length < chordLimits.maxPeers) this.#lost.push(peer)
    const candidate = this.#after.find(({ peer: known }) => known === peer)
    if (candidate !== undefined) candidate.state = 'lost'
  }

  #nextBefore(): Question | undefined {
    const [peer] = this.#before
    if (peer === undefined || (this.#after.length > 0 && !this.#isNearer(peer))) return undefined
    this.#before.shift()
    return { peer, asOwner: false }
  }

  #nextOfRoute(shared: Set<Peer>): Question | undefined {
    for (let question = this.#nextBefore(); question !== undefined; question = this.#nextBefore()) {
      if (shared.has(question.peer)) continue
      shared.add(question.peer)
      return question
    }
    return undefined
  }

  #nextAfter(): Question | undefined {
    let areNearerLost = true
    for (const candidate of this.#after) {
      const { peer, state, lostThen } = candidate
      // it lives, so no farther one is the owner; but it did not know that those before it are gone
      const isNews = state === 'answered' && areNearerLost && lostThen < this.#lost.length
      if (state === 'new' || isNews) {
        candidate.state = 'asked'
        candidate.lostThen = this.#lost.length
        return { peer, asOwner: areNearerLost }
      }
      if (state === 'answered') return undefined
      if (state === 'asked') areNearerLost = false
    }
    return undefined
  }

  /** Whoever named only nodes that are gone may know others. */
  #nextAgain(): Question | undefined {
    const isUseless = this.#after.every(({ state }) => state === 'lost')
    if (!isUseless || this.#nearest === undefined || this.#lostWhenNearest >= this.#lost.length) return undefined
    this.#lostWhenNearest = this.#lost.length
    return { peer: this.#nearest, asOwner: false }
  }

  #take(hop: Hop, depth: number): void {
    for (const peer of hop.before) {
      if (!this.#isNews(peer, depth)) continue
      const at = this.#before.findIndex(other => isBetween(this.#idOf(other), this.#idOf(peer), this.key))
      this.#before.splice(at === -1 ? this.#before.length : at, 0, peer)
    }
    for (const peer of hop.after.slice(0, chordLimits.owners)) this.#addAfter(peer, depth)
  }

  #addAfter(peer: Peer, depth: number): void {
    if (this.#isNews(peer, depth)) this.#insertAfter(peer)
  }

  #insertAfter(peer: Peer): void {
    const at = this.#after.findIndex(other => this.#isPast(peer, other.peer))
    this.#after.splice(at === -1 ? this.#after.length : at, 0, { peer, state: 'new', lostThen: 0 })
  }

  #isNews(peer: Peer, depth: number): boolean {
    if (this.#depths.has(peer) || this.#lost.includes(peer)) return false
    this.#depths.set(peer, depth)
    return true
  }

  /** Whether a node before the key is nearer to it than those that answered. */
  #isNearer(peer: Peer): boolean {
    return this.#nearest === undefined || isBetween(this.#idOf(this.#nearest), this.#idOf(peer), this.key)
  }

  /** Of two nodes at the key or past it, whether `a` is the nearer one. */
  #isPast(a: Peer, b: Peer): boolean {
    const [idA, idB] = [this.#idOf(a), this.#idOf(b)]
    return idB !== this.key && (idA === this.key || isBetween(this.key, idA, idB))
  }
}
