import { isBetween, type RingId, ringAdd } from '../core/keyspace.ts'
import type { Peer } from '../core/peer.ts'
import { chordLimits } from './config.ts'

/** Fingers of one level: the digits 1 to 15 of a number in base 16. */
const DIGITS = 15
const SLOTS = chordLimits.levels * DIGITS
const BITS = 48
/** A finger makes room only for a node that is clearly nearer: round trips vary. */
const NEARER = 0.8

/**
 * Shortcut links in base 16: for each hex digit of a distance, and each value that it can have, one node so far away.
 * Any node of that arc serves, so the one with the shortest round trip is kept. Slots are numbered from the farthest on.
 */
export class Fingers {
  readonly #self: Peer
  readonly #selfHead: number
  readonly #idOf: (peer: Peer) => RingId
  /** BOUNDED by levels × 15. */
  readonly #slots: (Peer | undefined)[] = []
  /** Of the fingers that it is known of, ms. BOUNDED by levels × 15. */
  #roundTrips: Map<Peer, number> | undefined

  constructor(self: Peer, idOf: (peer: Peer) => RingId) {
    this.#self = self
    this.#idOf = idOf
    this.#selfHead = headOf(idOf(self))
  }

  /** Every node that is a finger, the farthest first. */
  *[Symbol.iterator](): Generator<Peer> {
    for (const peer of this.#slots) if (peer !== undefined) yield peer
  }

  get size(): number {
    return this.#slots.reduce((sum, peer) => sum + Number(peer !== undefined), 0)
  }

  /** Slots from the farthest on that may hold a node which is no successor; `last` is the last one of these. */
  countBeyond(last: Peer | undefined): number {
    return last === undefined ? 0 : (this.slotOf(this.#idOf(last)) ?? SLOTS - 1) + 1
  }

  at(slot: number): Peer | undefined {
    return this.#slots[slot]
  }

  /** The slot that nodes so far away belong into; undefined when they are nearer than all of them. */
  slotOf(id: RingId): number | undefined {
    let distance = headOf(id) - this.#selfHead
    if (distance < 0) distance += 2 ** BITS
    const digit = Math.floor(distance / 2 ** (BITS - 4 * chordLimits.levels))
    if (digit < 1) return undefined
    const level = Math.floor((31 - Math.clz32(digit)) / 4)
    return SLOTS - (level * DIGITS + ((digit >>> (4 * level)) & 15))
  }

  /** Where the arc of a slot begins, seen from us; `share` in [0, 1) of its length further on. */
  target(slot: number, share = 0): RingId {
    const place = SLOTS - 1 - slot
    const width = 1n << BigInt(256 - 4 * chordLimits.levels + 4 * Math.floor(place / DIGITS))
    const digit = BigInt((place % DIGITS) + 1)
    const within = (width * BigInt(Math.floor(share * 2 ** 32))) >> 32n
    return ringAdd(this.#idOf(this.#self), width * digit + within)
  }

  /**
   * A node that has just answered, after `roundTripMs` when that is known. It takes its slot if that is empty, or if it
   * is clearly nearer than the finger there.
   */
  offer(peer: Peer, roundTripMs?: number): void {
    if (peer === this.#self) return
    const slot = this.slotOf(this.#idOf(peer))
    if (slot === undefined) return
    const present = this.#slots[slot]
    const measured = roundTripMs ?? Number.POSITIVE_INFINITY
    const known = (present === undefined ? undefined : this.#roundTrips?.get(present)) ?? Number.POSITIVE_INFINITY
    if (present === peer ? measured < known : present === undefined || measured < NEARER * known) {
      this.#set(slot, peer, roundTripMs)
    }
  }

  /** Puts a node into its slot without asking anybody: for simulations of a ring that stands. */
  assume(peer: Peer): void {
    const slot = this.slotOf(this.#idOf(peer))
    if (slot !== undefined) this.#set(slot, peer, undefined)
  }

  remove(peer: Peer): void {
    const slot = this.slotOf(this.#idOf(peer))
    if (slot === undefined || this.#slots[slot] !== peer) return
    this.#slots[slot] = undefined
    this.#roundTrips?.delete(peer)
  }

  /** The fingers nearest before a key, at most `count`, the nearest first. */
  before(key: RingId, count: number, isUsable: (peer: Peer) => boolean): Peer[] {
    const found: Peer[] = []
    const selfId = this.#idOf(this.#self)
    const from = this.slotOf(key) ?? SLOTS
    for (let slot = from; slot < this.#slots.length && found.length < count; slot++) {
      const peer = this.#slots[slot]
      if (peer === undefined || !isUsable(peer)) continue
      if (slot > from || isBetween(selfId, this.#idOf(peer), key)) found.push(peer)
    }
    return found
  }

  #set(slot: number, peer: Peer, roundTripMs: number | undefined): void {
    const present = this.#slots[slot]
    if (present !== undefined) this.#roundTrips?.delete(present)
    // without holes, which make an array slow
    while (this.#slots.length < slot) this.#slots.push(undefined)
    this.#slots[slot] = peer
    if (roundTripMs === undefined) return
    this.#roundTrips ??= new Map()
    this.#roundTrips.set(peer, roundTripMs)
  }
}

/** The first 48 bits: no two of a billion nodes are so near that the rest would matter for a shortcut. */
function headOf(id: RingId): number {
  return Number.parseInt(id.slice(0, BITS / 4), 16)
}
