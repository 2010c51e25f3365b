import type { Agenda, Appointment } from '../core/agenda.ts'
import { isBetween, isOwned, type RingId, ringAdd } from '../core/keyspace.ts'
import type { Rng } from '../core/rng.ts'
import type { Comparing } from './comparing.ts'
import { type DirectoryConfig, directoryLimits } from './config.ts'
import type { Lookups } from './lookups.ts'
import type { Outbox } from './outbox.ts'
import { type Arc, isIn, type Place } from './place.ts'
import type { Head, RecordStore } from './record-store.ts'

/** What goes again: the expired, and what does not belong here, once its owner has it. */
export class Sweeping {
  readonly #config: DirectoryConfig
  readonly #outbox: Outbox
  readonly #agenda: Agenda
  readonly #rng: Rng
  readonly #records: RecordStore
  readonly #place: Place
  readonly #lookups: Lookups
  readonly #comparing: Comparing
  /** Where the next sweep begins. */
  #cursor: RingId
  #next: Appointment | undefined
  /** Where the arc began that the next sweep is for. */
  #arcFrom: RingId | undefined
  /** The sweep is the first one since the arc has changed. */
  #isFirst = true
  #isStarted = false

  constructor(init: {
    config: DirectoryConfig
    outbox: Outbox
    agenda: Agenda
    rng: Rng
    records: RecordStore
    place: Place
    lookups: Lookups
    comparing: Comparing
  }) {
    this.#config = init.config
    this.#outbox = init.outbox
    this.#agenda = init.agenda
    this.#rng = init.rng
    this.#records = init.records
    this.#place = init.place
    this.#lookups = init.lookups
    this.#comparing = init.comparing
    this.#cursor = init.place.selfId
  }

  /** An arc that has become shorter may leave much that its new owners do not know of, as where two rings meet. */
  onRing(): void {
    if (!this.#isStarted) this.#later(this.#config.expireMs, () => this.#expire())
    this.#isStarted = true
    const from = this.#place.arc?.from
    if (from === this.#arcFrom && this.#next !== undefined) return
    this.#arcFrom = from
    this.#cursor = this.#place.selfId
    this.#isFirst = true
    this.#sweepIn(this.#config.restMs)
  }

  #expire(): void {
    const unixS = (this.#outbox.wallMs - directoryLimits.skewMs) / 1_000
    const expired = this.#records.expiredBefore(unixS, directoryLimits.maxSwept)
    for (const { key, publisherId } of expired) this.#records.delete(key, publisherId)
    const isMore = expired.length === directoryLimits.maxSwept
    this.#later(isMore ? MORE_MS : this.#config.expireMs, () => this.#expire())
  }

  #sweep(): void {
    this.#next = undefined
    const again = (isMore: boolean): void => {
      // the ring may have planned one meanwhile
      if (this.#next === undefined) this.#sweepIn(isMore ? MORE_MS : this.#config.sweepMs)
    }
    const arcs = this.#place.arcsAtRest(this.#outbox.now, this.#config.restMs / 2)
    // right after a change some claims are of owners that were it for a moment, and have got nothing
    const gap = arcs && gapAfter(this.#cursor, this.#isFirst ? [arcs[0]] : arcs)
    if (gap === undefined) {
      if (arcs !== undefined) this.#isFirst = false
      this.#cursor = this.#place.selfId
      again(false)
      return
    }
    const keys = keysOf(this.#records.arc(gap.from, gap.to))
    const [first] = keys
    this.#cursor = gap.to
    if (first === undefined) {
      again(true)
      return
    }
    this.#lookups.find(first, 'careful', found => {
      const owner = found?.owner
      const ownerId = owner === undefined || owner === this.#outbox.self ? first : this.#place.idOf(owner)
      const from = ringAdd(first, -1n)
      const to = keys.findLast(key => isOwned(from, key, ownerId)) ?? first
      this.#cursor = to
      const isSeat = found?.replicas.slice(0, this.#config.copies - 1).includes(this.#outbox.self) === true
      // that one's comparison is still to come
      if (owner === undefined || owner === this.#outbox.self || isSeat || this.#comparing.isUnderWay(owner)) {
        return again(true)
      }
      this.#comparing.start(owner, { from, to }, 'offer', () => again(true))
    })
  }

  #sweepIn(ms: number): void {
    this.#agenda.cancel(this.#next)
    this.#next = this.#later(ms, () => this.#sweep())
  }

  #later(ms: number, call: () => void): Appointment {
    const { now } = this.#outbox
    return this.#agenda.at(now, now + ms * (0.75 + this.#rng.unit() / 2), call)
  }
}

const MORE_MS = 1_000

/** The first keys of some records, in order. */
function keysOf(heads: Iterable<Head>): RingId[] {
  const keys: RingId[] = []
  let read = 0
  for (const { key } of heads) {
    if (key !== keys.at(-1)) keys.push(key)
    if (++read === directoryLimits.maxSwept) break
  }
  return keys
}

/**
 * The first arc clockwise after a point that is in none of these; undefined when it is not far to the first of them, this
 * node's own, where a sweep ends.
 */
export function gapAfter(cursor: RingId, [own, ...claims]: readonly [Arc, ...Arc[]]): Arc | undefined {
  let from = cursor
  // each of them can move the beginning once
  for (let moved = 0; moved <= claims.length; moved++) {
    if (from === own.from || isInside(own, from)) return undefined
    const cover = claims.find(claim => claim.from === from || isInside(claim, from))
    if (cover === undefined) break
    if (cover.from === cover.to || isOwned(from, own.from, cover.to)) return undefined
    from = cover.to
  }
  const to = claims.reduce((first, claim) => (isBetween(from, claim.from, first) ? claim.from : first), own.from)
  return { from, to }
}

function isInside(arc: Arc, point: RingId): boolean {
  return point !== arc.to && isIn(arc, point)
}
