import { isBetween, type RingId } from '../core/keyspace.ts'
import type { Peer } from '../core/peer.ts'

/** What a node says of its place on the ring. */
export interface Place {
  readonly predecessor: Peer | undefined
  /** Clockwise, the nearest first. Shorter than it may be when these are all other nodes. */
  readonly successors: readonly Peer[]
}

/** What is to be done now. Queries and pings end in one of `onPlace`, `onBusy`, `onPong` and `onFailed`. */
export type RingAction =
  /** Ask the peer for its place. */
  | { readonly type: 'query'; readonly peer: Peer }
  /** Ask whether it is there. */
  | { readonly type: 'ping'; readonly peer: Peer }
  /** Tell it that we take it for our successor. */
  | { readonly type: 'notify'; readonly peer: Peer }
  /** Tell it, who took us for its successor, that there is a nearer one. */
  | { readonly type: 'look'; readonly peer: Peer }

/** Which answer is awaited, and what for. `unite` brings in a node of another ring. */
interface Step {
  readonly type: 'join' | 'successor' | 'closer' | 'unite'
  readonly peer: Peer
}

/** All that a node knows. */
export interface RingState extends Place {
  /** The predecessor did not answer, and nobody has come in its place. */
  readonly isPredecessorLost: boolean
  readonly step: Step | undefined
  /** Took us for its successor while it is found out whether the predecessor is there. */
  readonly claimant: Peer | undefined
}

/**
 * One node's pointers, and the only rules by which they change: join, stabilize and rectify as P. Zave corrected them
 * (arXiv 1610.01140), with lists that are shorter where a ring has fewer nodes than they have places. Nothing is adopted
 * that has not just answered, lists are replaced as a whole, and a node that awaits an answer tells nobody its place.
 */
export class Ring {
  readonly #self: Peer
  readonly #idOf: (peer: Peer) => RingId
  readonly #length: number
  #successors: readonly Peer[] = []
  #predecessor: Peer | undefined
  #isPredecessorLost = false
  #step: Step | undefined
  #claimant: Peer | undefined

  /**
   * @param length of the successor list, r
   * @param state to begin with: a ring that stands need not be grown again. By default alone.
   */
  constructor(init: { self: Peer; idOf: (peer: Peer) => RingId; length: number; state?: Partial<RingState> }) {
    this.#self = init.self
    this.#idOf = init.idOf
    this.#length = init.length
    this.#successors = this.#from([], init.state?.successors ?? [])
    this.#predecessor = init.state?.predecessor
    this.#isPredecessorLost = init.state?.isPredecessorLost ?? false
    this.#step = init.state?.step
    this.#claimant = init.state?.claimant
  }

  get state(): RingState {
    return {
      predecessor: this.#predecessor,
      successors: this.#successors,
      isPredecessorLost: this.#isPredecessorLost,
      step: this.#step,
      claimant: this.#claimant
    }
  }

  get predecessor(): Peer | undefined {
    return this.#predecessor
  }

  get successors(): readonly Peer[] {
    return this.#successors
  }

  get isPredecessorLost(): boolean {
    return this.#isPredecessorLost
  }

  get isAlone(): boolean {
    return this.#successors.length === 0
  }

  /** An answer is under way that will change the place: it must not be told. */
  get isBusy(): boolean {
    return this.#step !== undefined
  }

  get place(): Place {
    return { predecessor: this.#predecessor, successors: this.#successors }
  }

  /** Enter the ring behind this member, which must be the nearest one before us. */
  join(member: Peer): RingAction[] {
    return this.#ask('join', member)
  }

  /** To be called again and again. */
  stabilize(): RingAction[] {
    const [successor] = this.#successors
    if (successor !== undefined) return this.#ask('successor', successor)
    // alone on a ring of one: whoever came behind us is also before us
    return this.#predecessor === undefined || this.#isPredecessorLost ? [] : this.#ask('join', this.#predecessor)
  }

  /** A node of another ring takes our key for its own. One that is nearer than our successor becomes it. */
  unite(owner: Peer): RingAction[] {
    const [successor] = this.#successors
    if (successor !== undefined && !this.#isBetween(this.#self, owner, successor)) {
      return [{ type: 'notify', peer: owner }]
    }
    return this.#ask('unite', owner)
  }

  onPlace(from: Peer, place: Place): RingAction[] {
    const step = this.#take(from)
    switch (step?.type) {
      case undefined:
        return []
      case 'join':
        return this.#enter(from, place)
      case 'successor': {
        const closer = place.predecessor
        this.#successors = this.#from([from], place.successors.length > 0 ? place.successors : this.#successors)
        if (closer !== undefined && this.#isBetween(this.#self, closer, from)) return this.#ask('closer', closer)
        return [{ type: 'notify', peer: from }]
      }
      case 'closer':
        this.#successors = this.#from([from], place.successors.length > 0 ? place.successors : this.#successors)
        return [{ type: 'notify', peer: from }, ...this.#closerThan(from, place)]
      case 'unite':
        this.#successors = this.#from([from], this.#inOrder([...place.successors, ...this.#successors]))
        return [{ type: 'notify', peer: from }, ...this.#closerThan(from, place)]
    }
  }

  /** It is there, and will say later. Ask again after a while. */
  onBusy(from: Peer): void {
    this.#take(from)
  }

  /** It does not answer. */
  onFailed(peer: Peer): RingAction[] {
    const step = this.#take(peer)
    const actions: RingAction[] = []
    this.#successors = this.#successors.filter(successor => successor !== peer)
    if (peer === this.#claimant) this.#claimant = undefined
    if (peer === this.#predecessor) {
      this.#isPredecessorLost = this.#claimant === undefined
      this.#predecessor = this.#claimant ?? peer
      this.#claimant = undefined
    }
    const [successor] = this.#successors
    if (successor !== undefined && step?.type === 'closer') actions.push({ type: 'notify', peer: successor })
    if (successor !== undefined && step?.type === 'successor') actions.push(...this.stabilize())
    return actions
  }

  onPong(peer: Peer): RingAction[] {
    if (peer !== this.#predecessor) return []
    const claimant = this.#claimant
    this.#isPredecessorLost = false
    this.#claimant = undefined
    return claimant === undefined || claimant === peer ? [] : [{ type: 'look', peer: claimant }]
  }

  /** Rectify: `from` takes us for its successor. */
  onNotify(from: Peer): RingAction[] {
    const before = this.#predecessor
    if (from === this.#self) return []
    if (before === undefined || from === before || this.#isPredecessorLost) {
      this.#setPredecessor(from)
      return []
    }
    if (this.#isBetween(before, from, this.#self)) {
      this.#setPredecessor(from)
      return [{ type: 'look', peer: before }]
    }
    if (this.#claimant === undefined || this.#isBetween(this.#claimant, from, this.#self)) this.#claimant = from
    return [{ type: 'ping', peer: before }]
  }

  /** It goes, and leaves us what it knew. As good as a failure that was noticed at once. */
  onLeaving(from: Peer, place: Place): RingAction[] {
    const wasFirst = this.#successors[0] === from
    if (this.#successors.length === 1 && wasFirst) {
      // whoever it named is asked before anything else
      this.#successors = this.#from([], this.#inOrder([...place.successors]))
    }
    const inherited = from === this.#predecessor ? place.predecessor : undefined
    const actions = this.onFailed(from)
    if (inherited !== undefined && inherited !== this.#self && this.#isPredecessorLost) this.#setPredecessor(inherited)
    return wasFirst && !this.isBusy ? [...actions, ...this.stabilize()] : actions
  }

  #enter(member: Peer, place: Place): RingAction[] {
    // it may still know us from before we lost our place
    const others = place.successors.filter(peer => peer !== this.#self)
    const next = others[0] ?? member
    const namesUs = place.successors[0] === this.#self
    if (next !== member && !namesUs && !this.#isBetween(member, this.#self, next)) return []
    // not a node more than it names: its list may be short because some failed, and lead by far not around to itself
    this.#successors = this.#from([next], others)
    this.#setPredecessor(member)
    return this.stabilize()
  }

  /** Once more at once when a new successor knows of one that is nearer still: where rings meet there may be many. */
  #closerThan(successor: Peer, { predecessor }: Place): RingAction[] {
    const isNearer = predecessor !== undefined && this.#isBetween(this.#self, predecessor, successor)
    return isNearer ? this.stabilize() : []
  }

  #setPredecessor(peer: Peer): void {
    this.#predecessor = peer
    this.#isPredecessorLost = false
    if (this.#claimant === peer) this.#claimant = undefined
  }

  #ask(type: Step['type'], peer: Peer): RingAction[] {
    if (this.#step !== undefined || peer === this.#self) return []
    this.#step = { type, peer }
    return [{ type: 'query', peer }]
  }

  #take(peer: Peer): Step | undefined {
    const step = this.#step
    if (step?.peer !== peer) return undefined
    this.#step = undefined
    return step
  }

  /** As far as the list goes clockwise from us and not around: so it is ordered, whatever a stranger wrote. */
  #from(list: Peer[], rest: readonly Peer[]): readonly Peer[] {
    for (const peer of rest) {
      if (list.length === this.#length) break
      if (peer === this.#self) break
      const last = list.at(-1) ?? this.#self
      if (peer === last) continue
      if (!this.#isBetween(last, peer, this.#self)) break
      list.push(peer)
    }
    return list
  }

  #inOrder(peers: Peer[]): Peer[] {
    return peers
      .filter(peer => peer !== this.#self)
      .sort((a, b) => (a === b ? 0 : this.#isBetween(this.#self, a, b) ? -1 : 1))
  }

  #isBetween(a: Peer, x: Peer, b: Peer): boolean {
    return isBetween(this.#idOf(a), this.#idOf(x), this.#idOf(b))
  }
}
