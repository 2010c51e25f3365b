/**
 * Who is connected to whom. A link is a record of sixteen integers (one cache line) in one flat array; it is found by
 * its two ends through a hash table, and listed with the other links of each end. The lower peer is end 0.
 */

export const LINK_FIELDS = 16
export const LINK_LOG = 4

/** Offsets in a link's record. What is there for each end stands side by side: offset + 0 or 1. */
export const END = 0
export const STATE = 2
/** Counts up when what is under way on the link is lost: an event with another generation is void. */
export const GENERATION = 3
/** Channels (a bit each) that this end must hear `peerDown` on when the link is lost or could not be opened. */
export const TELL = 4
/** When the last message to this end arrives: a stream keeps its order. */
export const ARRIVES = 6
/** One-way delay, ms. */
export const DELAY = 8
/** When the link can carry messages, or could. */
export const OPENS = 9
const NEXT = 10
const PREVIOUS = 12

export const FREE = 0
export const OPENING = 1
export const OPEN = 2
/** Lost, or never opened; what is sent on it is lost until its ends have been told. */
export const BROKEN = 3

export const NO_LINK = -1

export class Links {
  /** All records. Replaced when it grows: read it again after `add`. */
  fields = new Int32Array(64 * LINK_FIELDS)
  /** First link of each peer. */
  #heads = new Int32Array(64).fill(NO_LINK)
  /** Open addressing with linear probing; link + 1, 0 is empty. At most half full. */
  #table = new Int32Array(256)
  #used = 0
  #free = NO_LINK
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Makes room for peers 0..count-1. */
  reserve(count: number): void {
    if (count <= this.#heads.length) return
    const heads = new Int32Array(Math.max(count, this.#heads.length * 2)).fill(NO_LINK)
    heads.set(this.#heads)
    this.#heads = heads
  }

  /** The link between two peers in whatever state, or NO_LINK. */
  find(a: number, b: number): number {
    const low = a < b ? a : b
    const high = a < b ? b : a
    const { fields } = this
    const table = this.#table
    const mask = table.length - 1
    for (let at = hash(low, high) & mask; ; at = (at + 1) & mask) {
      const link = (table[at] as number) - 1
      if (link === -1) return NO_LINK
      const record = link << LINK_LOG
      if (fields[record] === low && fields[record + 1] === high) return link
    }
  }

  /** A new link between two peers that have none: FREE, to be filled in. */
  add(a: number, b: number): number {
    let link = this.#free
    if (link !== NO_LINK) this.#free = this.fields[(link << LINK_LOG) + NEXT] as number
    else {
      link = this.#used++
      if (this.#used * LINK_FIELDS > this.fields.length) this.fields = doubled(this.fields)
    }
    const { fields } = this
    const record = link << LINK_LOG
    const generation = fields[record + GENERATION] as number
    fields.fill(0, record, record + LINK_FIELDS)
    fields[record + GENERATION] = generation
    fields[record + END] = a < b ? a : b
    fields[record + END + 1] = a < b ? b : a
    this.#size++
    if (this.#size * 2 > this.#table.length) this.#rehash()
    this.#enter(link)
    this.#list(record, link, 0)
    this.#list(record, link, 1)
    return link
  }

  /** Forgets a link. Its number is used again, with a later generation. */
  remove(link: number): void {
    const { fields } = this
    const record = link << LINK_LOG
    this.#unlist(record, 0)
    this.#unlist(record, 1)
    this.#leave(link)
    fields[record + STATE] = FREE
    fields[record + GENERATION]!++
    fields[record + NEXT] = this.#free
    this.#free = link
    this.#size--
  }

  /** All links of a peer, the newest first. */
  of(peer: number): number[] {
    const links: number[] = []
    for (let link = this.#heads[peer] as number; link !== NO_LINK; ) {
      links.push(link)
      const record = link << LINK_LOG
      link = this.fields[record + NEXT + (this.fields[record] === peer ? 0 : 1)] as number
    }
    return links
  }

  /** All links, in the order of their numbers. */
  all(): number[] {
    const links: number[] = []
    for (let link = 0; link < this.#used; link++) {
      if (this.fields[(link << LINK_LOG) + STATE] !== FREE) links.push(link)
    }
    return links
  }

  #list(record: number, link: number, side: 0 | 1): void {
    const { fields } = this
    const peer = fields[record + END + side] as number
    const next = this.#heads[peer] as number
    fields[record + PREVIOUS + side] = NO_LINK
    fields[record + NEXT + side] = next
    if (next !== NO_LINK) fields[this.#slot(next, peer) + PREVIOUS] = link
    this.#heads[peer] = link
  }

  #unlist(record: number, side: 0 | 1): void {
    const { fields } = this
    const peer = fields[record + END + side] as number
    const next = fields[record + NEXT + side] as number
    const previous = fields[record + PREVIOUS + side] as number
    if (next !== NO_LINK) fields[this.#slot(next, peer) + PREVIOUS] = previous
    if (previous !== NO_LINK) fields[this.#slot(previous, peer) + NEXT] = next
    else this.#heads[peer] = next
  }

  /** Where the record of `link` begins, moved by one when the peer is its end 1. */
  #slot(link: number, peer: number): number {
    const record = link << LINK_LOG
    return this.fields[record] === peer ? record : record + 1
  }

  #enter(link: number): void {
    const record = link << LINK_LOG
    const mask = this.#table.length - 1
    let at = hash(this.fields[record] as number, this.fields[record + 1] as number) & mask
    while (this.#table[at] !== 0) at = (at + 1) & mask
    this.#table[at] = link + 1
  }

  /** Deletion by moving back what was pushed on, so that no gravestones pile up. */
  #leave(link: number): void {
    const table = this.#table
    const mask = table.length - 1
    let hole = this.#home(link)
    while (table[hole] !== link + 1) hole = (hole + 1) & mask
    for (let at = (hole + 1) & mask; table[at] !== 0; at = (at + 1) & mask) {
      const home = this.#home((table[at] as number) - 1)
      if (((at - home) & mask) < ((at - hole) & mask)) continue
      table[hole] = table[at] as number
      hole = at
    }
    table[hole] = 0
  }

  #home(link: number): number {
    const record = link << LINK_LOG
    return hash(this.fields[record] as number, this.fields[record + 1] as number) & (this.#table.length - 1)
  }

  #rehash(): void {
    const entries = this.#table.filter(entry => entry !== 0)
    this.#table = new Int32Array(this.#table.length * 2)
    for (const entry of entries) this.#enter(entry - 1)
  }
}

function hash(low: number, high: number): number {
  const h = Math.imul(low, 0x9e3779b1) ^ Math.imul(high, 0x85ebca6b)
  return h ^ (h >>> 15)
}

function doubled(fields: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(fields.length * 2)
  larger.set(fields)
  return larger
}
