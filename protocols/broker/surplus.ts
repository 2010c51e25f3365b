import type { Peer } from '../core/peer.ts'
import { type Domains, shareDomain } from './choice.ts'
import type { LeaseState } from './lease.ts'

/** A copy as it is looked at to decide how many there are and which may go. */
export interface Copy {
  readonly host: Peer
  readonly state: LeaseState
  readonly domains: Domains
  /** The host can be reached, and has not failed. */
  readonly isLive: boolean
  /** Unix ms. */
  readonly since: number
  /** See `KnownBrokers.weight`. */
  readonly weight: number
}

/** Whether two copies lie together. */
export function isCrowded(copies: readonly Copy[]): boolean {
  return copies.some((one, i) => copies.slice(0, i).some(other => shareDomain(one.domains, other.domains)))
}

/** Those that count. */
export function counted(copies: readonly Copy[]): Copy[] {
  return copies.filter(({ isLive, state }) => isLive && state !== 'leaving')
}

/** The best order that every broker comes to: complete ones first, then the older ones, which move least. */
function better(a: Copy, b: Copy): number {
  const held = Number(b.state === 'held') - Number(a.state === 'held')
  return held || a.since - b.since || b.weight - a.weight
}

/** Hosts apart first, each as good as there is. */
function apartFirst(copies: readonly Copy[]): Copy[] {
  const sorted = copies.toSorted(better)
  const apart: Copy[] = []
  const together: Copy[] = []
  for (const copy of sorted) {
    const isApart = !apart.some(other => shareDomain(copy.domains, other.domains))
    ;(isApart ? apart : together).push(copy)
  }
  return [...apart, ...together]
}

/** Those that would stay if nothing changed: as many as are wanted, as far apart as they are. */
export function keptOf(live: readonly Copy[], wanted: number): Copy[] {
  return apartFirst(live).slice(0, wanted)
}

/**
 * What may go of an item of which `wanted` copies are wanted. A complete copy only goes when as many complete ones stay,
 * as far apart as all of them are; one that is being fetched when as many are counted without it, unless it lies apart
 * and two of the others do not. One that is leaving or has failed goes when there are enough complete ones.
 */
export function surplusOf(copies: readonly Copy[], wanted: number): Copy[] {
  const live = counted(copies)
  const held = live.filter(({ state }) => state === 'held')
  const fetching = live.filter(({ state }) => state === 'fetching').toSorted(better)
  if (held.length < wanted) {
    const kept = apartFirst([...held, ...fetching])
    const keptHosts = new Set([
      ...held,
      ...kept.filter(({ state }) => state === 'fetching').slice(0, wanted - held.length)
    ])
    return fetching.filter(copy => !keptHosts.has(copy))
  }
  const stays = keptOf(held, wanted)
  const useful = isCrowded(stays)
    ? fetching.find(copy => !stays.some(other => shareDomain(copy.domains, other.domains)))
    : undefined
  // while one is on its way that makes them lie apart nothing that is complete has to go yet
  const leaving = copies.filter(({ isLive, state }) => isLive && state === 'leaving')
  return [...held.filter(copy => !stays.includes(copy)), ...fetching.filter(copy => copy !== useful), ...leaving]
}
