import { isBetween, type RingId } from '../core/keyspace.ts'
import type { Peer } from '../core/peer.ts'
import { chordLimits } from './config.ts'
import type { Lookups } from './lookups.ts'
import type { Found } from './messages.ts'
import type { LookupCost } from './outbox.ts'
import type { Router } from './router.ts'

/**
 * Lookups by several routes that have no node in common, so that one liar spoils one of them. They begin at different
 * nodes, and each ends with the nodes past the key that it has been told of. A node cannot choose its id, so a liar can
 * name others of its kind, but none that is nearer to the key than the owner: of all that all routes have named the
 * nearest that lives is the owner, and those after it are its successors, whatever it says itself.
 */
export class Disjoint {
  readonly #idOf: (peer: Peer) => RingId
  readonly #lookups: Lookups
  readonly #router: Router

  constructor(init: { idOf: (peer: Peer) => RingId; lookups: Lookups; router: Router }) {
    this.#idOf = init.idOf
    this.#lookups = init.lookups
    this.#router = init.router
  }

  find(key: RingId, routes: number, onDone: (found: Found | undefined, cost: LookupCost) => void): void {
    const known = this.#router.hop(key, false, [])
    // whoever is next to the key, or is its owner, has to ask nobody on the way
    const firsts = known.before.length === 0 ? [] : this.#router.firstHops(key, Math.min(routes, chordLimits.maxRoutes))
    if (firsts.length < 2) {
      this.#lookups.begin({ key, mode: 'iterative', onDone })
      return
    }
    const shared = new Set<Peer>() // BOUNDED by maxRoutes × maxAsked
    const named = new Set<Peer>() // BOUNDED by maxRoutes × maxAsked × owners
    const costs: LookupCost[] = []
    for (const first of firsts) {
      this.#lookups.begin({
        key,
        mode: 'iterative',
        start: { role: 'way', predecessor: undefined, before: [first], after: [] },
        shared,
        onDone: (_, cost, past) => {
          costs.push(cost)
          for (const peer of past) named.add(peer)
          if (costs.length === firsts.length) this.#ask(key, [...named], costs, onDone)
        }
      })
    }
  }

  /** The owner, of those that were named. */
  #ask(
    key: RingId,
    named: readonly Peer[],
    costs: readonly LookupCost[],
    onDone: (found: Found | undefined, cost: LookupCost) => void
  ): void {
    const after = this.#inOrder(key, named)
    this.#lookups.begin({
      key,
      mode: 'iterative',
      // nobody has named any: then in the usual way
      ...(after.length === 0 ? {} : { start: { role: 'way', predecessor: undefined, before: [], after } as const }),
      onDone: (found, cost) => {
        const sum = sumOf([...costs, cost])
        if (found === undefined || after.length === 0) return onDone(found, sum)
        const others = this.#inOrder(this.#idOf(found.owner), [...named, ...found.successors])
        const successors = others.filter(peer => peer !== found.owner).slice(0, chordLimits.maxPeers)
        onDone({ ...found, successors }, sum)
      }
    })
  }

  /** Clockwise from a point, each once. */
  #inOrder(from: RingId, peers: readonly Peer[]): Peer[] {
    const idOf = this.#idOf
    const isFirst = (a: Peer, b: Peer): boolean =>
      idOf(a) === from || (idOf(b) !== from && isBetween(from, idOf(a), idOf(b)))
    return [...new Set(peers)].sort((a, b) => (isFirst(a, b) ? -1 : 1))
  }
}

function sumOf(costs: readonly LookupCost[]): LookupCost {
  const sum = (value: (cost: LookupCost) => number): number => costs.reduce((total, cost) => total + value(cost), 0)
  const routes = costs.slice(0, -1).map(({ elapsedMs }) => elapsedMs)
  return {
    asked: sum(({ asked }) => asked),
    lost: sum(({ lost }) => lost),
    lostPast: sum(({ lostPast }) => lostPast),
    stalls: sum(({ stalls }) => stalls),
    elapsedMs: Math.max(...routes) + (costs.at(-1)?.elapsedMs ?? 0)
  }
}
