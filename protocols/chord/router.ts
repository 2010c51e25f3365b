import { isBetween, isOwned, type RingId } from '../core/keyspace.ts'
import type { Peer } from '../core/peer.ts'
import { chordLimits } from './config.ts'
import type { Fingers } from './fingers.ts'
import type { Hop } from './messages.ts'
import type { Ring } from './ring.ts'

const NOBODY: readonly Peer[] = []

/** What this node knows of the way to a key. */
export class Router {
  readonly #self: Peer
  readonly #idOf: (peer: Peer) => RingId
  readonly #ring: Ring
  readonly #fingers: Fingers
  readonly #isUp: (peer: Peer) => boolean
  readonly #hasCopy: (key: RingId) => boolean

  constructor(init: {
    self: Peer
    idOf: (peer: Peer) => RingId
    ring: Ring
    fingers: Fingers
    isUp: (peer: Peer) => boolean
    hasCopy: (key: RingId) => boolean
  }) {
    this.#self = init.self
    this.#idOf = init.idOf
    this.#ring = init.ring
    this.#fingers = init.fingers
    this.#isUp = init.isUp
    this.#hasCopy = init.hasCopy
  }

  /**
   * The same for a stranger. A node that has not entered a ring is of use to nobody but who has not either: two that meet
   * begin a ring. Whoever is on one is not told that this node owns everything.
   */
  hopFor(stranger: Peer, key: RingId, asOwner: boolean, lost: readonly Peer[], orCopy: boolean): Hop {
    if (!this.#ring.isAlone || lost.includes(stranger)) return this.hop(key, asOwner, lost, orCopy)
    return { role: 'way', predecessor: undefined, before: NOBODY, after: NOBODY }
  }

  /**
   * @param asOwner the asker knows of no living node between the key and this one
   * @param lost did not answer the asker; not named again
   * @param orCopy whether a copy of the record will do
   */
  hop(key: RingId, asOwner: boolean, lost: readonly Peer[], orCopy = false): Hop {
    const { predecessor: known, successors } = this.#ring
    const predecessor = this.#isLost(known, lost) ? undefined : known
    if (this.#owns(key, asOwner, lost)) return { role: 'owner', predecessor, before: NOBODY, after: successors }
    if (orCopy && this.#hasCopy(key)) return { role: 'copy', predecessor, before: NOBODY, after: NOBODY }
    const isUsable = (peer: Peer): boolean => !lost.includes(peer)
    const past = this.#countBefore(key, successors)
    const after =
      past < successors.length ? successors.slice(past).filter(isUsable).slice(0, chordLimits.owners) : NOBODY
    // as long as the list says who is next to the key, nobody need be asked that is before it
    const before = after.length > 0 ? NOBODY : this.#before(key, successors.slice(0, past), isUsable)
    return { role: 'way', predecessor, before, after }
  }

  /** How many of the successors lie before the key. Mostly it is none of their business, so the last is looked at first. */
  #countBefore(key: RingId, successors: readonly Peer[]): number {
    const selfId = this.#idOf(this.#self)
    const last = successors.at(-1)
    if (last !== undefined && isBetween(selfId, this.#idOf(last), key)) return successors.length
    let count = 0
    while (count < successors.length && isBetween(selfId, this.#idOf(successors[count] as Peer), key)) count++
    return count
  }

  /** Where different routes to a key may begin: nodes before it, as many as are known, the nearest to it first. */
  firstHops(key: RingId, count: number): readonly Peer[] {
    const { successors } = this.#ring
    return this.#before(key, successors.slice(0, this.#countBefore(key, successors)), () => true, count)
  }

  #before(
    key: RingId,
    list: readonly Peer[],
    isUsable: (peer: Peer) => boolean,
    candidates: number = chordLimits.candidates
  ): readonly Peer[] {
    const far = this.#fingers.before(key, candidates, isUsable)
    const [last, nearestOfList] = [far.at(-1), list.at(-1)]
    // fingers mostly begin where the list ends
    const areBeyond = last !== undefined && nearestOfList !== undefined && this.#isFarther(last, nearestOfList)
    if (far.length === candidates && areBeyond) return far
    const near = list.filter(isUsable).slice(-candidates).reverse()
    return far.length === 0 ? near : this.#nearestFirst(far, near).slice(0, candidates)
  }

  #owns(key: RingId, asOwner: boolean, lost: readonly Peer[]): boolean {
    const { predecessor, isAlone } = this.#ring
    if (isAlone && this.#isLost(predecessor, lost)) return true
    if (predecessor === undefined) return asOwner
    if (isOwned(this.#idOf(predecessor), key, this.#idOf(this.#self))) return true
    return asOwner && this.#isLost(predecessor, lost)
  }

  /** An asker that could not reach our predecessor is believed unless we have a connection to it. */
  #isLost(predecessor: Peer | undefined, lost: readonly Peer[]): boolean {
    return (
      predecessor === undefined ||
      this.#ring.isPredecessorLost ||
      (lost.includes(predecessor) && !this.#isUp(predecessor))
    )
  }

  /** Two lists, each from the nearest to the key on, as one. */
  #nearestFirst(a: readonly Peer[], b: readonly Peer[]): Peer[] {
    const merged: Peer[] = []
    for (let i = 0, j = 0; i < a.length || j < b.length; ) {
      const [x, y] = [a[i], b[j]]
      const takesX = y === undefined || (x !== undefined && this.#isFarther(x, y))
      const next = (takesX ? x : y) as Peer
      if (merged.at(-1) !== next) merged.push(next)
      if (takesX) i++
      else j++
    }
    return merged
  }

  /** Clockwise from this node. */
  #isFarther(a: Peer, b: Peer): boolean {
    return isBetween(this.#idOf(b), this.#idOf(a), this.#idOf(this.#self))
  }
}
