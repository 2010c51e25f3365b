import { isBetween, type RingId } from '../core/keyspace.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import type { ChordConfig } from './config.ts'
import type { Fingers } from './fingers.ts'
import type { Lookups } from './lookups.ts'
import type { Outbox } from './outbox.ts'
import type { Ring } from './ring.ts'

/** Fills the table of fingers and keeps it fresh: by what passes anyway, and by a lookup now and then. */
export class FingerUpkeep {
  readonly #self: Peer
  readonly #idOf: (peer: Peer) => RingId
  readonly #config: ChordConfig
  readonly #rng: Rng
  readonly #out: Outbox
  readonly #ring: Ring
  readonly #fingers: Fingers
  readonly #lookups: Lookups
  #dueMs: number | undefined
  #next = 0

  /** @param isStanding the table is full already */
  constructor(init: {
    self: Peer
    idOf: (peer: Peer) => RingId
    config: ChordConfig
    rng: Rng
    out: Outbox
    ring: Ring
    fingers: Fingers
    lookups: Lookups
    isStanding: boolean
  }) {
    this.#self = init.self
    this.#idOf = init.idOf
    this.#config = init.config
    this.#rng = init.rng
    this.#out = init.out
    this.#ring = init.ring
    this.#fingers = init.fingers
    this.#lookups = init.lookups
    if (init.isStanding) this.#dueMs = Math.floor(init.rng.unit() * init.config.fingerMs)
  }

  get dueMs(): number | undefined {
    return this.#dueMs
  }

  /** This node has entered a ring. */
  begin(): void {
    this.#next = 0
    this.#dueMs = this.#out.now + this.#config.firstFingerMs
  }

  /** It has just spoken to us. */
  learn(peer: Peer, roundTripMs?: number): void {
    const last = this.#ring.successors.at(-1)
    if (last === undefined || this.#ring.successors.length < this.#config.successors) return
    if (isBetween(this.#idOf(last), this.#idOf(peer), this.#idOf(this.#self))) this.#fingers.offer(peer, roundTripMs)
  }

  /** Answers on the way fill other slots as well, so that a new table is full after a few of these. */
  tick(): void {
    if (this.#dueMs === undefined || this.#dueMs > this.#out.now) return
    const { count } = this.#fingers
    const isNew = this.#next < count
    const { firstFingerMs, fingerMs } = this.#config
    this.#dueMs = this.#ring.isAlone
      ? undefined
      : this.#out.now + (isNew ? firstFingerMs : Math.ceil(fingerMs * (0.75 + this.#rng.unit() / 2)))
    if (count === 0 || this.#ring.successors.length < this.#config.successors) return
    let slot = this.#next++ % count
    // while the table is new only what is missing is looked for
    while (isNew && this.#fingers.at(slot) !== undefined && this.#next < count) slot = this.#next++
    const key = this.#fingers.target(slot, this.#rng.unit())
    this.#lookups.begin({ key, mode: 'iterative', onDone: () => {} })
  }
}
