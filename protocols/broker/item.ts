import type { Peer } from '../core/peer.ts'
import type { Appointment } from './agenda.ts'
import type { Problem } from './commands.ts'
import type { Lease } from './lease.ts'
import { type ItemKey, itemKey, type Order } from './order.ts'

/** A lease of an item, as this broker knows it. */
export interface Known {
  lease: Lease
  /** When its host, or another broker that had it from the host, said so. */
  heardAt: number
  /** Its host could not prove that it has it. */
  isFailed: boolean
  /** The report that named it last. */
  report: number
  /** When the host was last told to let go of it, or of a newer order. */
  releasedAt: number | undefined
  renewedAt: number | undefined
}

/** An item that this node is a broker of. */
export interface Item {
  readonly key: ItemKey
  order: Order
  readonly leases: Map<Peer, Known> // BOUNDED by maxLeases
  /** Brokers that others named. BOUNDED by maxHeard. */
  heard: Peer[]
  /** Brokers that the owner named last. BOUNDED by maxNamed. */
  named: readonly Peer[]
  /** The owner has just said it for the first time: nobody can have a copy yet. */
  isFresh: boolean
  /** Hosts that were asked and have not answered. BOUNDED by the copies that are missing. */
  readonly pending: Map<Peer, Appointment>
  /** Hosts that cannot take it now. BOUNDED by maxTries. */
  readonly tried: Set<Peer>
  tries: number
  /** Of these, those that were in vain because more was used than was known. */
  stale: number
  /** Fetches that failed since one succeeded. */
  failures: number
  pausedFor: number
  pausedUntil: number
  pauseMs: number
  problem: Problem | undefined
  missingBytes: number
  /** While copies are missing: since when, and who has been asked for what it knows. */
  needSince: number | undefined
  consulted: { readonly waiting: Set<Peer>; readonly untilMs: number } | undefined
  surplusSince: number | undefined
  apartAt: number
  isCrowded: boolean
  /** When the first broker was last shown what is surplus here. */
  shownAt: number
  /** What was told the owner last, and that it is to be told. */
  told: string
  toldAt: number
  status: Appointment | undefined
  /** The next look at it. */
  timer: Appointment | undefined
  ranked: { readonly version: number; readonly peers: readonly Peer[] } | undefined
  /** When an owner, a host or a broker spoke of it last. */
  touchedAt: number
}

/** What is watched of a host. */
export interface Watch {
  readonly items: Set<Item>
  /** When it last said that all is as it was. */
  stillAt: number
  report: { readonly id: number; readonly at: number; count: number } | undefined
}

export function newItem(order: Order, isFresh: boolean, now: number): Item {
  return {
    key: itemKey(order),
    order,
    leases: new Map(),
    heard: [],
    named: [],
    isFresh,
    pending: new Map(),
    tried: new Set(),
    tries: 0,
    stale: 0,
    failures: 0,
    pausedFor: 0,
    pausedUntil: 0,
    pauseMs: 0,
    problem: undefined,
    missingBytes: 0,
    needSince: undefined,
    consulted: undefined,
    surplusSince: undefined,
    apartAt: 0,
    isCrowded: false,
    shownAt: Number.NEGATIVE_INFINITY,
    told: '',
    toldAt: 0,
    status: undefined,
    timer: undefined,
    ranked: undefined,
    touchedAt: now
  }
}
