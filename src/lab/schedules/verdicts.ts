import { isIdeal, principalsOf, type RingViolation, violationsOf } from '../../../protocols/chord/invariant.ts'
import type { Place } from '../../../protocols/chord/ring.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { modelIdOf } from './rules.ts'

export interface Verdict {
  readonly violations: readonly RingViolation[]
  /** Peers are bits. */
  readonly principals: number
  readonly isIdeal: boolean
}

/** What is to be said of the places of all nodes, given by their ids; 0 is a node that is no member. */
export class Verdicts {
  readonly #placeAt: (placeId: number) => Place
  readonly #length: number
  readonly #leastPrincipals: number
  readonly #keptPrincipals: number
  /** BOUNDED: what the states of one search consist of. */
  readonly #verdicts = new Map<string, Verdict>()
  /** BOUNDED likewise. By place, who is in its list. */
  readonly #masks: number[] = []

  constructor(init: {
    placeAt: (placeId: number) => Place
    length: number
    leastPrincipals: number
    keptPrincipals: number
  }) {
    this.#placeAt = init.placeAt
    this.#length = init.length
    this.#leastPrincipals = init.leastPrincipals
    this.#keptPrincipals = init.keptPrincipals
  }

  get size(): number {
    return this.#verdicts.size
  }

  of(ids: readonly number[]): Verdict {
    const key = String.fromCharCode(...ids)
    const known = this.#verdicts.get(key)
    if (known !== undefined) return known
    const members = ids.flatMap((id, i) => (id === 0 ? [] : [{ peer: i as Peer, place: this.#placeAt(id) }]))
    const view = { members, idOf: modelIdOf, length: this.#length, leastPrincipals: this.#leastPrincipals }
    const verdict = {
      violations: violationsOf(view),
      principals: maskOf(principalsOf(view)),
      isIdeal: isIdeal(view)
    }
    this.#verdicts.set(key, verdict)
    return verdict
  }

  /** Every other member keeps a successor that is there, and enough principals remain. */
  mayFail(ids: readonly number[], victim: number): boolean {
    const { principals } = this.of(ids)
    if ((principals & (1 << victim)) !== 0 && countOf(principals) <= this.#keptPrincipals) return false
    let there = 0
    for (let i = 0; i < ids.length; i++) if (ids[i] !== 0 && i !== victim) there |= 1 << i
    return ids.every((id, i) => {
      if (id === 0 || i === victim) return true
      const successors = this.#successorMasks(id)
      return successors === 0 || (successors & there) !== 0
    })
  }

  #successorMasks(placeId: number): number {
    return (this.#masks[placeId] ??= maskOf(this.#placeAt(placeId).successors))
  }
}

function maskOf(peers: readonly Peer[]): number {
  return peers.reduce((mask, peer) => mask | (1 << (peer as number)), 0)
}

function countOf(mask: number): number {
  let count = 0
  for (let rest = mask; rest !== 0; rest &= rest - 1) count++
  return count
}
