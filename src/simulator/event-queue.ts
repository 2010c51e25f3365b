/**
 * When the next event is due: a queue for integer milliseconds, made for a simulator.
 *
 * It is a timing wheel of three levels. The lowest has one bucket a millisecond, the next one bucket for all of those,
 * and so on; when the clock enters a bucket of a higher level its events move down in order. A level holds only times
 * that the level below cannot hold, so everything that moves down came before whatever is pushed there later: events
 * of one millisecond leave in the order in which they were pushed, always. Push and pop cost a constant.
 *
 * An event is a record of `FIELDS` integers in one flat array (32 bytes, half a cache line) and one payload. Nothing is
 * allocated for it once the pool has grown to the greatest number of events in flight.
 */

/** Integers of a record. The first two are the queue's; the others belong to whoever pushed it. */
export const FIELDS = 8
const FIELDS_LOG = 3
const NEXT = 0
const TIME = 1

/** One more than the last time that can be used: 24.8 days, so that every time is a 31-bit integer. */
export const END_OF_TIME = 2 ** 31 - 1

const NONE = -1
const LOW_BITS = 11
const HIGH_BITS = 10
const LOW = 1 << LOW_BITS
const HIGH = 1 << HIGH_BITS
const MIDDLE_SHIFT = LOW_BITS
const TOP_SHIFT = LOW_BITS + HIGH_BITS

export class EventQueue<Payload> {
  /** All records, `FIELDS` integers each; record `r` begins at `r * FIELDS`. Replaced when it grows: read it again after a push. */
  fields: Int32Array
  /** The payload of each record. */
  readonly payloads: (Payload | undefined)[] = []
  readonly #low = new Level(LOW)
  readonly #middle = new Level(HIGH)
  readonly #top = new Level(HIGH)
  #now = 0
  #size = 0
  #free = NONE
  #used = 0
  #capacity: number

  constructor(expectedEvents = 1024) {
    this.#capacity = Math.max(1, expectedEvents)
    this.fields = new Int32Array(this.#capacity * FIELDS)
  }

  /** The time of the event that was popped last, or the limit that nothing was found before. */
  get now(): number {
    return this.#now
  }

  get size(): number {
    return this.#size
  }

  /** Reserves a record for an event at `time` and returns its number; the caller fills in its fields. */
  push(time: number, payload: Payload | undefined): number {
    if (!(time >= this.#now && time < END_OF_TIME)) throw new RangeError(`time ${time} is not in ${this.#now}..2^31-2`)
    let record = this.#free
    if (record !== NONE) {
      this.#free = this.fields[record << FIELDS_LOG] as number
      this.payloads[record] = payload
    } else {
      record = this.#used++
      if (record === this.#capacity) this.#grow()
      this.payloads.push(payload)
    }
    this.fields[(record << FIELDS_LOG) + TIME] = time
    this.#size++
    const moved = time ^ this.#now
    if (moved >>> MIDDLE_SHIFT === 0) this.#low.append(this.fields, time & (LOW - 1), record)
    else if (moved >>> TOP_SHIFT === 0) this.#middle.append(this.fields, (time >>> MIDDLE_SHIFT) & (HIGH - 1), record)
    else this.#top.append(this.fields, time >>> TOP_SHIFT, record)
    return record
  }

  /**
   * Takes the next event that is due at `limit` or before; -1 when there is none. `now` is then its time, or the limit.
   * The record stays the caller's until it is given back with `release`.
   */
  pop(limit: number): number {
    for (;;) {
      const bucket = this.#low.firstFrom(this.#now & (LOW - 1))
      if (bucket !== NONE) {
        const time = (this.#now & -LOW) + bucket
        if (time > limit) break
        this.#now = time
        this.#size--
        return this.#low.shift(this.fields, bucket)
      }
      if (!this.#descend(limit)) break
    }
    // every bucket that begins at `limit` or before has moved down already
    if (limit > this.#now) this.#now = Math.min(limit, END_OF_TIME - 1)
    return NONE
  }

  /** Gives a record back. Its payload is forgotten. */
  release(record: number): void {
    this.payloads[record] = undefined
    this.fields[record << FIELDS_LOG] = this.#free
    this.#free = record
  }

  /** Moves the clock to the start of the next bucket above that has events; false when that is after the limit. */
  #descend(limit: number): boolean {
    const middle = this.#middle.firstFrom((this.#now >>> MIDDLE_SHIFT) & (HIGH - 1))
    if (middle !== NONE) {
      const start = ((this.#now >>> TOP_SHIFT) << TOP_SHIFT) + middle * LOW
      if (start > limit) return false
      this.#enter(start)
      return true
    }
    const top = this.#top.firstFrom(this.#now >>> TOP_SHIFT)
    if (top === NONE || top * LOW * HIGH > limit) return false
    this.#enter(top * LOW * HIGH)
    return true
  }

  /** Sets the clock to the start of a bucket above and moves its events down. Nothing is due before. */
  #enter(time: number): void {
    const moved = time ^ this.#now
    this.#now = time
    if (moved >>> TOP_SHIFT !== 0) {
      const { fields } = this
      for (let record = this.#top.take(time >>> TOP_SHIFT); record !== NONE; ) {
        const next = fields[(record << FIELDS_LOG) + NEXT] as number
        const at = fields[(record << FIELDS_LOG) + TIME] as number
        this.#middle.append(fields, (at >>> MIDDLE_SHIFT) & (HIGH - 1), record)
        record = next
      }
    }
    if (moved >>> MIDDLE_SHIFT !== 0) {
      const { fields } = this
      for (let record = this.#middle.take((time >>> MIDDLE_SHIFT) & (HIGH - 1)); record !== NONE; ) {
        const next = fields[(record << FIELDS_LOG) + NEXT] as number
        const at = fields[(record << FIELDS_LOG) + TIME] as number
        this.#low.append(fields, at & (LOW - 1), record)
        record = next
      }
    }
  }

  #grow(): void {
    this.#capacity *= 2
    const fields = new Int32Array(this.#capacity * FIELDS)
    fields.set(this.fields)
    this.fields = fields
  }
}

/** Buckets of one level: each a list of records, first in, first out, and a bit that says whether it holds any. */
class Level {
  readonly #heads: Int32Array
  readonly #tails: Int32Array
  readonly #filled: Int32Array

  constructor(buckets: number) {
    this.#heads = new Int32Array(buckets).fill(NONE)
    this.#tails = new Int32Array(buckets)
    this.#filled = new Int32Array(buckets >>> 5)
  }

  append(fields: Int32Array, bucket: number, record: number): void {
    fields[(record << FIELDS_LOG) + NEXT] = NONE
    if (this.#heads[bucket] === NONE) {
      this.#heads[bucket] = record
      this.#filled[bucket >>> 5]! |= 1 << (bucket & 31)
    } else {
      fields[((this.#tails[bucket] as number) << FIELDS_LOG) + NEXT] = record
    }
    this.#tails[bucket] = record
  }

  /** Removes the first record of a bucket that holds one. */
  shift(fields: Int32Array, bucket: number): number {
    const record = this.#heads[bucket] as number
    const next = fields[(record << FIELDS_LOG) + NEXT] as number
    this.#heads[bucket] = next
    if (next === NONE) this.#filled[bucket >>> 5]! &= ~(1 << (bucket & 31))
    return record
  }

  /** Empties a bucket and returns the first of its records, which stay linked. */
  take(bucket: number): number {
    const record = this.#heads[bucket] as number
    this.#heads[bucket] = NONE
    this.#filled[bucket >>> 5]! &= ~(1 << (bucket & 31))
    return record
  }

  /** The first bucket from `bucket` on that holds something. */
  firstFrom(bucket: number): number {
    if (this.#heads[bucket] !== NONE) return bucket
    const filled = this.#filled
    let index = bucket >>> 5
    let word = (filled[index] as number) & (-1 << (bucket & 31))
    while (word === 0) {
      if (++index === filled.length) return NONE
      word = filled[index] as number
    }
    return (index << 5) + 31 - Math.clz32(word & -word)
  }
}
