import { HEAD_SPAN, headOf, isBetween, type RingId, ringAdd, ringShare } from '../core/keyspace.ts'
import type { Peer } from '../core/peer.ts'
import { chordLimits } from './config.ts'

/** A finger makes room only for a node that is clearly nearer: round trips vary. */
const NEARER = 0.8

/** One digit of a distance, and the fingers for its values from 1 on. */
interface Level {
  /** Bits of the digit. */
  readonly width: number
  /** Bits down to its end, from the first one of an id on. */
  readonly end: number
  /** The slot of its highest value. */
  readonly firstSlot: number
}

/**
 * Shortcut links: the distance to a node is read as a few digits, and for each digit and each of its values there is one
 * node so far away. Any node of that arc serves, so the one with the shortest round trip is kept. The digits are as wide
 * as the number of fingers allows, and end where the successor list knows everybody. Slots are numbered from the
 * farthest on.
 */
export class Fingers {
  readonly #self: Peer
  readonly #selfHead: number
  readonly #idOf: (peer: Peer) => RingId
  /** BOUNDED by maxFingers. */
  #slots: (Peer | undefined)[] = []
  /** Of the fingers that it is known of, ms. BOUNDED by maxFingers. */
  #roundTrips: Map<Peer, number> | undefined
  readonly #digitBits: number
  #bits = 0
  #levels: readonly Level[] = []

  /** @param digitBits the widest digit, bits */
  constructor(self: Peer, idOf: (peer: Peer) => RingId, digitBits: number) {
    this.#digitBits = digitBits
    this.#self = self
    this.#idOf = idOf
    this.#selfHead = headOf(idOf(self))
  }

  /** Every node that is a finger, the farthest first. */
  *[Symbol.iterator](): Generator<Peer> {
    for (const peer of this.#slots) if (peer !== undefined) yield peer
  }

  /** Slots there are. */
  get count(): number {
    return this.#levels.reduce((sum, { width }) => sum + 2 ** width - 1, 0)
  }

  /** The successor list ends at this node: fingers are for all that is beyond. */
  fit(last: Peer): void {
    const bits = Math.ceil(-Math.log2(Math.max(ringShare(this.#idOf(this.#self), this.#idOf(last)), 2 ** -40)))
    // arcs of the same number of nodes differ: not for each of them is the table made anew
    if (bits <= this.#bits && bits >= this.#bits - 1 && this.#bits > 0) return
    this.#bits = Math.max(bits, 1)
    this.#levels = levelsOf(this.#bits, this.#digitBits)
    const [peers, roundTrips] = [[...this], this.#roundTrips]
    this.#slots = new Array(this.count).fill(undefined)
    this.#roundTrips = undefined
    for (const peer of peers) this.offer(peer, roundTrips?.get(peer))
  }

  at(slot: number): Peer | undefined {
    return this.#slots[slot]
  }

  /** Where the arc of a slot begins, seen from us; `share` in [0, 1) of its length further on. */
  target(slot: number, share = 0): RingId {
    const level = this.#levels.findLast(({ firstSlot }) => firstSlot <= slot)
    if (level === undefined) throw new RangeError(`no slot ${slot}`)
    const width = 1n << BigInt(256 - level.end)
    const digit = BigInt(2 ** level.width - 1 - (slot - level.firstSlot))
    const within = (width * BigInt(Math.floor(share * 2 ** 32))) >> 32n
    return ringAdd(this.#idOf(this.#self), width * digit + within)
  }

  /**
   * Puts the first node of each arc into its slot: for a ring that is not grown but given.
   * @param firstIn the first node at or past `begin` and before `end`, points of which these are the first 48 bits
   */
  fill(firstIn: (begin: number, end: number) => Peer | undefined): void {
    for (const { width, end, firstSlot } of this.#levels) {
      const span = HEAD_SPAN / 2 ** end
      for (let digit = 1; digit < 2 ** width; digit++) {
        const begin = (this.#selfHead + digit * span) % HEAD_SPAN
        this.#slots[firstSlot + 2 ** width - 1 - digit] = firstIn(begin, (begin + span) % HEAD_SPAN)
      }
    }
  }

  /**
   * A node that has just answered, after `roundTripMs` when that is known. It takes its slot if that is empty, or if it
   * is clearly nearer than the finger there.
   */
  offer(peer: Peer, roundTripMs?: number): void {
    const slot = this.#slotOf(this.#idOf(peer))
    if (slot === undefined || peer === this.#self) return
    const present = this.#slots[slot]
    const measured = roundTripMs ?? Number.POSITIVE_INFINITY
    const known = (present === undefined ? undefined : this.#roundTrips?.get(present)) ?? Number.POSITIVE_INFINITY
    if (present === peer ? measured < known : present === undefined || measured < NEARER * known) {
      this.#set(slot, peer, roundTripMs)
    }
  }

  /** Returns whether it was one. */
  remove(peer: Peer): boolean {
    const slot = this.#slotOf(this.#idOf(peer))
    if (slot === undefined || this.#slots[slot] !== peer) return false
    this.#slots[slot] = undefined
    this.#roundTrips?.delete(peer)
    return true
  }

  /** The fingers nearest before a key, at most `count`, the nearest first. */
  before(key: RingId, count: number, isUsable: (peer: Peer) => boolean): Peer[] {
    const found: Peer[] = []
    const selfId = this.#idOf(this.#self)
    const from = this.#slotOf(key) ?? this.#slots.length
    for (let slot = from; slot < this.#slots.length && found.length < count; slot++) {
      const peer = this.#slots[slot]
      if (peer === undefined || !isUsable(peer)) continue
      if (slot > from || isBetween(selfId, this.#idOf(peer), key)) found.push(peer)
    }
    return found
  }

  /** The slot that nodes so far away belong into; undefined when the successor list is for them. */
  #slotOf(id: RingId): number | undefined {
    let distance = headOf(id) - this.#selfHead
    if (distance < 0) distance += HEAD_SPAN
    for (const { width, end, firstSlot } of this.#levels) {
      const digit = Math.floor(distance / (HEAD_SPAN / 2 ** end))
      if (digit > 0) return firstSlot + 2 ** width - 1 - digit
    }
    return undefined
  }

  #set(slot: number, peer: Peer, roundTripMs: number | undefined): void {
    const present = this.#slots[slot]
    if (present !== undefined) this.#roundTrips?.delete(present)
    this.#slots[slot] = peer
    if (roundTripMs === undefined) return
    this.#roundTrips ??= new Map()
    this.#roundTrips.set(peer, roundTripMs)
  }
}

/** By the bits of all digits and of the widest. BOUNDED by 40 × 6. */
const LEVELS = new Map<number, readonly Level[]>()

/** So many bits in as few digits as their width and the number of fingers allow. All nodes share these few tables. */
function levelsOf(bits: number, widest: number): readonly Level[] {
  const known = LEVELS.get(bits * 8 + widest)
  if (known !== undefined) return known
  for (let count = Math.ceil(bits / widest); ; count++) {
    const widths = widthsOf(bits, count, widest)
    if (widths.reduce((sum, width) => sum + 2 ** width - 1, 0) > chordLimits.maxFingers) continue
    const levels: Level[] = []
    let [end, firstSlot] = [0, 0]
    for (const width of widths) {
      end += width
      levels.push({ width, end, firstSlot })
      firstSlot += 2 ** width - 1
    }
    LEVELS.set(bits * 8 + widest, levels)
    return levels
  }
}

/**
 * All digits as wide as so many may be; what is over or missing is the last one's. So nodes that see one bit more or less
 * have the same digits but for the last: they judge differently how many nodes there are, and what one has resolved on the
 * way to a key, another need not resolve again in digits of its own.
 */
function widthsOf(bits: number, count: number, widest: number): number[] {
  let width = widest
  while (width > 1 && count * (2 ** width - 1) > chordLimits.maxFingers) width--
  const widths = new Array<number>(count).fill(width)
  const left = bits - count * width
  if (left < 0) widths[count - 1]! += left
  for (let i = 0; i < left; i++) widths[count - 1 - (i % count)]!++
  return widths
}
