import { isBetween, type RingId } from '../core/keyspace.ts'
import type { Peer } from '../core/peer.ts'
import type { Place } from './ring.ts'

/** A node that is there, and what it holds of the ring. */
export interface RingMember {
  readonly peer: Peer
  readonly place: Place
}

/** All nodes that are there, seen at once, as nobody on the network can see them. */
export interface RingView {
  /** Nodes with neither successors nor predecessor that nobody names are still joining and do not count. */
  readonly members: readonly RingMember[]
  readonly idOf: (peer: Peer) => RingId
  /** Of a full successor list, r. */
  readonly length: number
  /**
   * How many principals there must be. A ring that began with r + 1 nodes or more keeps r + 1. One that grows from a
   * single node has one at first: by default that is asked for.
   */
  readonly leastPrincipals?: number
}

export type RingViolation =
  /** It names nobody who is there, though it is not alone. */
  | { readonly type: 'noLiveSuccessor'; readonly peer: Peer }
  | { readonly type: 'listTooLong'; readonly peer: Peer; readonly count: number }
  | { readonly type: 'namesItself'; readonly peer: Peer }
  | { readonly type: 'namesTwice'; readonly peer: Peer; readonly successor: Peer }
  /** The list does not go clockwise, once around at most. */
  | { readonly type: 'listDisordered'; readonly peer: Peer; readonly successors: readonly Peer[] }
  /** Best successors lead around nowhere. */
  | { readonly type: 'noRing' }
  | { readonly type: 'severalRings'; readonly rings: readonly (readonly Peer[])[] }
  /** The ring goes around more than once before it closes. */
  | { readonly type: 'ringDisordered'; readonly ring: readonly Peer[] }
  /** Not on a ring, and its best successors lead to none. */
  | { readonly type: 'strayed'; readonly peer: Peer }
  /** Too few nodes that are skipped by nobody's list. */
  | { readonly type: 'fewPrincipals'; readonly principals: readonly Peer[]; readonly least: number }

/** All kinds there are. */
export const violationTypes: readonly RingViolation['type'][] = [
  'noLiveSuccessor',
  'listTooLong',
  'namesItself',
  'namesTwice',
  'listDisordered',
  'noRing',
  'severalRings',
  'ringDisordered',
  'strayed',
  'fewPrincipals'
]

/**
 * What is wrong with a ring; nothing is, if its nodes can repair it (P. Zave, arXiv 1610.01140). Empty lists belong to a
 * ring of one node that is its own successor. O(N r log N).
 */
export function violationsOf(view: RingView): RingViolation[] {
  const members = membersOf(view)
  const violations = members.flatMap(member => ofList(member, view))
  if (members.length === 0) return violations
  violations.push(...ofRing(members, view))
  const principals = principalsAmong(members, view)
  const least = Math.min(view.leastPrincipals ?? 1, members.length)
  if (principals.length < least) violations.push({ type: 'fewPrincipals', principals, least })
  return violations
}

/** Members that no list skips: no two neighbours in a list, its owner included, have one of these between them. */
export function principalsOf(view: RingView): Peer[] {
  return principalsAmong(membersOf(view), view)
}

/** Whether all lists and predecessors are what they should be: there is nothing left to repair. O(N (r + log N)). */
export function isIdeal(view: RingView): boolean {
  const order = clockwise(membersOf(view), view)
  const count = order.length
  return order.every(({ place }, i) => {
    const { successors, predecessor } = place
    if (successors.length !== Math.min(view.length, count - 1)) return false
    if (count > 1 && predecessor !== order[(i + count - 1) % count]?.peer) return false
    return successors.every((successor, k) => successor === order[(i + k + 1) % count]?.peer)
  })
}

/** One line about a violation, with `nameOf` its nodes. */
export function violationText(violation: RingViolation, nameOf: (peer: Peer) => string = String): string {
  const names = (peers: readonly Peer[]): string => `[${peers.map(nameOf).join(' ')}]`
  switch (violation.type) {
    case 'noLiveSuccessor':
      return `${nameOf(violation.peer)} has no successor that is there`
    case 'listTooLong':
      return `${nameOf(violation.peer)} has a list of ${violation.count}`
    case 'namesItself':
      return `${nameOf(violation.peer)} is in its own list`
    case 'namesTwice':
      return `${nameOf(violation.peer)} has ${nameOf(violation.successor)} in its list twice`
    case 'listDisordered':
      return `the list of ${nameOf(violation.peer)} is out of order: ${names(violation.successors)}`
    case 'noRing':
      return 'there is no ring'
    case 'severalRings':
      return `there are ${violation.rings.length} rings: ${violation.rings.map(names).join(' ')}`
    case 'ringDisordered':
      return `the ring is out of order: ${names(violation.ring)}`
    case 'strayed':
      return `${nameOf(violation.peer)} does not lead to the ring`
    case 'fewPrincipals':
      return `lists skip all but ${names(violation.principals)}; there must be ${violation.least} that none skips`
  }
}

/** What is wrong with one list, whoever is there. */
export function listViolationsOf(
  peer: Peer,
  successors: readonly Peer[],
  view: Omit<RingView, 'members'>
): RingViolation[] {
  const violations: RingViolation[] = []
  if (successors.length > view.length) violations.push({ type: 'listTooLong', peer, count: successors.length })
  if (successors.includes(peer)) violations.push({ type: 'namesItself', peer })
  const twice = successors.find((successor, i) => successors.indexOf(successor) !== i)
  if (twice !== undefined) violations.push({ type: 'namesTwice', peer, successor: twice })
  const self = view.idOf(peer)
  const isOrdered = successors.every(
    (successor, i) =>
      successor === peer || i === 0 || isBetween(view.idOf(successors[i - 1] as Peer), view.idOf(successor), self)
  )
  if (!isOrdered && twice === undefined) violations.push({ type: 'listDisordered', peer, successors })
  return violations
}

function membersOf({ members }: RingView): readonly RingMember[] {
  const named = new Set(members.flatMap(({ place }) => [...place.successors, place.predecessor]))
  return members.filter(
    ({ peer, place }) => place.successors.length > 0 || place.predecessor !== undefined || named.has(peer)
  )
}

function clockwise(members: readonly RingMember[], { idOf }: RingView): RingMember[] {
  return [...members].sort((a, b) => (idOf(a.peer) < idOf(b.peer) ? -1 : 1))
}

function ofList({ peer, place }: RingMember, view: RingView): RingViolation[] {
  return listViolationsOf(peer, place.successors, view)
}

/** Follows best successors, the first in each list who is there. */
function ofRing(members: readonly RingMember[], { idOf }: RingView): RingViolation[] {
  const violations: RingViolation[] = []
  const there = new Set(members.map(member => member.peer))
  const best = new Map<Peer, Peer>()
  for (const { peer, place } of members) {
    const next = place.successors.find(successor => there.has(successor))
    if (next !== undefined) best.set(peer, next)
    else if (place.successors.length === 0 || members.length === 1) best.set(peer, peer)
    else violations.push({ type: 'noLiveSuccessor', peer })
  }
  const rings: Peer[][] = []
  /** Where a walk that came by has ended; undefined is nowhere. */
  const ends = new Map<Peer, Peer[] | undefined>()
  for (const { peer } of members) {
    const walk: Peer[] = []
    const onWalk = new Set<Peer>()
    let at: Peer | undefined = peer
    while (at !== undefined && !ends.has(at) && !onWalk.has(at)) {
      walk.push(at)
      onWalk.add(at)
      at = best.get(at)
    }
    let end = at === undefined ? undefined : ends.get(at)
    if (at !== undefined && onWalk.has(at)) {
      end = walk.slice(walk.indexOf(at))
      rings.push(end)
    }
    for (const passed of walk) ends.set(passed, end)
  }
  if (rings.length === 0) violations.push({ type: 'noRing' })
  if (rings.length > 1) violations.push({ type: 'severalRings', rings })
  for (const ring of rings) {
    const first = ring[0] as Peer
    const isOrdered = ring.every(
      (peer, i) => i === 0 || i === ring.length - 1 || isBetween(idOf(first), idOf(peer), idOf(ring[i + 1] as Peer))
    )
    if (!isOrdered) violations.push({ type: 'ringDisordered', ring })
  }
  for (const { peer } of members) if (ends.get(peer) === undefined) violations.push({ type: 'strayed', peer })
  return violations
}

function principalsAmong(members: readonly RingMember[], view: RingView): Peer[] {
  const order = clockwise(members, view)
  const ids = order.map(member => view.idOf(member.peer))
  /** Over ranks: the sum up to a rank is how many pairs skip the node there. */
  const steps = new Int32Array(order.length + 1)
  const add = (from: number, to: number): void => {
    if (from >= to) return
    steps[from]! += 1
    steps[to]! -= 1
  }
  for (const { peer, place } of members) {
    let a = view.idOf(peer)
    for (const successor of place.successors.length === 0 ? [peer] : place.successors) {
      const b = view.idOf(successor)
      const from = rankAfter(ids, a)
      const to = rankFrom(ids, b)
      if (a < b) add(from, to)
      else {
        add(from, ids.length)
        add(0, to)
      }
      a = b
    }
  }
  let skips = 0
  return order.flatMap(({ peer }, rank) => ((skips += steps[rank] as number) === 0 ? [peer] : []))
}

/** The first rank whose id is not below this. */
export function rankFrom(ids: readonly RingId[], id: RingId): number {
  let low = 0
  let high = ids.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((ids[middle] as RingId) < id) low = middle + 1
    else high = middle
  }
  return low
}

/** The first rank whose id is above this. */
export function rankAfter(ids: readonly RingId[], id: RingId): number {
  const rank = rankFrom(ids, id)
  return ids[rank] === id ? rank + 1 : rank
}
