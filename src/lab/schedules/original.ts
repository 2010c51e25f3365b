import type { Place, RingAction } from '../../../protocols/chord/ring.ts'
import { isBetween, type RingId } from '../../../protocols/core/keyspace.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import type { NodeInit, NodeRules, Rules } from './rules.ts'

interface OriginalState {
  readonly predecessor: Peer | undefined
  readonly successors: readonly Peer[]
  readonly step: 'join' | 'stabilize' | 'reconcile' | undefined
}

/**
 * A node after Stoica et al., "Chord" (SIGCOMM 2001, figure 7, with the successor lists of §5.2 and the check of the
 * predecessor of the journal version), kept to be refuted: one enters with one successor, takes its successor's
 * predecessor for its own successor unasked, copies lists entry by entry, and forgets a predecessor that fails.
 */
class OriginalNode implements NodeRules {
  readonly isBusy = false
  readonly #self: Peer
  readonly #idOf: (peer: Peer) => RingId
  readonly #length: number
  #predecessor: Peer | undefined
  #successors: readonly Peer[]
  #step: OriginalState['step']

  constructor({ self, idOf, length, state }: NodeInit) {
    const { predecessor, successors, step } = state as Partial<OriginalState>
    this.#self = self
    this.#idOf = idOf
    this.#length = length
    this.#predecessor = predecessor
    this.#successors = successors ?? []
    this.#step = step
  }

  get state(): OriginalState {
    return { predecessor: this.#predecessor, successors: this.#successors, step: this.#step }
  }

  get place(): Place {
    return { predecessor: this.#predecessor, successors: this.#successors }
  }

  join(member: Peer): RingAction[] {
    return this.#ask('join', member)
  }

  stabilize(): RingAction[] {
    const [successor] = this.#successors
    const check: RingAction[] = this.#predecessor === undefined ? [] : [{ type: 'ping', peer: this.#predecessor }]
    if (successor !== undefined) return [...check, ...this.#ask('stabilize', successor)]
    // it is its own successor, and the predecessor of that is between the two
    if (this.#predecessor === undefined || this.#step !== undefined) return check
    return [...check, ...this.#adopt(this.#predecessor)]
  }

  onPlace(from: Peer, place: Place): RingAction[] {
    const step = this.#step
    this.#step = undefined
    switch (step) {
      case undefined:
        return []
      case 'join': {
        const next = place.successors[0] ?? from
        // the lookup of the paper is one step, and cannot be wrong by now
        if (this.#isBetween(from, this.#self, next)) this.#successors = [next]
        return []
      }
      case 'stabilize': {
        const closer = place.predecessor
        const [successor] = this.#successors
        if (closer !== undefined && (successor === undefined || this.#isBetween(this.#self, closer, successor))) {
          return this.#adopt(closer)
        }
        return [{ type: 'notify', peer: from }, ...this.#ask('reconcile', from)]
      }
      case 'reconcile':
        for (const [i, successor] of place.successors.entries()) this.#put(i + 1, successor)
        return []
    }
  }

  onBusy(): void {
    this.#step = undefined
  }

  onFailed(peer: Peer): RingAction[] {
    this.#step = undefined
    if (this.#predecessor === peer) this.#predecessor = undefined
    const left = this.#successors.filter(successor => successor !== peer)
    // its own successor: alone
    this.#successors = left[0] === this.#self ? [] : left
    return []
  }

  onPong(): RingAction[] {
    return []
  }

  onNotify(from: Peer): RingAction[] {
    if (this.#predecessor === undefined || this.#isBetween(this.#predecessor, from, this.#self)) {
      this.#predecessor = from
    }
    return []
  }

  onLeaving(from: Peer, place: Place): RingAction[] {
    const [next] = place.successors
    if (this.#predecessor === from) this.#predecessor = place.predecessor === this.#self ? undefined : place.predecessor
    if (this.#successors[0] === from && next !== undefined && next !== this.#self) this.#put(0, next)
    return this.onFailed(from)
  }

  #adopt(successor: Peer): RingAction[] {
    this.#put(0, successor)
    return [{ type: 'notify', peer: successor }, ...this.#ask('reconcile', successor)]
  }

  #put(index: number, successor: Peer): void {
    if (index >= this.#length) return
    const list = [...this.#successors]
    // entries before it may have failed meanwhile
    list[Math.min(index, list.length)] = successor
    this.#successors = list
  }

  #ask(step: NonNullable<OriginalState['step']>, peer: Peer): RingAction[] {
    if (this.#step !== undefined || peer === this.#self) return []
    this.#step = step
    return [{ type: 'query', peer }]
  }

  #isBetween(a: Peer, x: Peer, b: Peer): boolean {
    return isBetween(this.#idOf(a), this.#idOf(x), this.#idOf(b))
  }
}

export const originalRules: Rules = { name: 'original', create: init => new OriginalNode(init) }
