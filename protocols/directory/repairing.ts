import type { Agenda, Appointment } from '../core/agenda.ts'
import type { RingId } from '../core/keyspace.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import type { Comparing } from './comparing.ts'
import type { DirectoryConfig } from './config.ts'
import type { Outbox } from './outbox.ts'
import type { Place } from './place.ts'

/** When the owner of an arc compares it with whom. */
export class Repairing {
  readonly #config: DirectoryConfig
  readonly #outbox: Outbox
  readonly #agenda: Agenda
  readonly #rng: Rng
  readonly #place: Place
  readonly #comparing: Comparing
  /** When each replica is compared with next. BOUNDED by the replicas. */
  readonly #due = new Map<Peer, Appointment>()
  /** Where the arc began when each replica was last found equal. BOUNDED by the replicas. */
  readonly #equalFrom = new Map<Peer, RingId>()
  /** One at a time: what one has brought need not be brought by the next. */
  #compared: Peer | undefined
  #waiting = new Set<Peer>() // BOUNDED by the replicas
  #isLeaving = false

  constructor(init: {
    config: DirectoryConfig
    outbox: Outbox
    agenda: Agenda
    rng: Rng
    place: Place
    comparing: Comparing
  }) {
    this.#config = init.config
    this.#outbox = init.outbox
    this.#agenda = init.agenda
    this.#rng = init.rng
    this.#place = init.place
    this.#comparing = init.comparing
  }

  onRing(): void {
    const { arc, replicas } = this.#place
    this.#isLeaving = false
    for (const [peer, appointment] of this.#due) {
      if (replicas.includes(peer)) continue
      this.#agenda.cancel(appointment)
      this.#due.delete(peer)
      this.#equalFrom.delete(peer)
    }
    if (arc === undefined) return
    // the nearest first: who has just joined gets its arc from there
    const inMs = this.#config.settleMs * (0.5 + this.#rng.unit())
    for (const replica of replicas) {
      if (this.#equalFrom.get(replica) !== arc.from || !this.#due.has(replica)) this.#plan(replica, inMs)
    }
  }

  /** Somebody has brought what this node owns: its replicas are to have it soon, but are not compared with for each. */
  onBrought(): void {
    const soonMs = this.#outbox.now + this.#config.restMs
    for (const replica of this.#place.replicas) {
      const due = this.#due.get(replica)
      if (due !== undefined && due.atMs > soonMs) this.#plan(replica, this.#config.restMs)
    }
  }

  /** Gives the next holders what they lack, for a while. */
  leave(then: () => void): void {
    this.#isLeaving = true
    for (const appointment of this.#due.values()) this.#agenda.cancel(appointment)
    this.#due.clear()
    this.#waiting.clear()
    this.#equalFrom.clear()
    const { arc } = this.#place
    // the one after the replicas becomes one of them
    const heirs = arc === undefined ? [] : this.#place.successors.slice(0, this.#config.copies)
    let waiting = heirs.length
    let isOver = false
    const end = (): void => {
      if (isOver) return
      isOver = true
      this.#agenda.cancel(limit)
      then()
    }
    const { now } = this.#outbox
    const limit = this.#agenda.at(now, now + this.#config.leaveMs, end)
    if (arc === undefined || waiting === 0) {
      end()
      return
    }
    for (const heir of heirs) {
      this.#comparing.start(heir, arc, 'handOver', () => {
        if (--waiting === 0) end()
      })
    }
  }

  #plan(replica: Peer, inMs: number): void {
    const { now } = this.#outbox
    this.#agenda.cancel(this.#due.get(replica))
    this.#due.set(
      replica,
      this.#agenda.at(now, now + inMs, () => this.#compare(replica))
    )
  }

  #compare(replica: Peer): void {
    const { arc } = this.#place
    this.#due.delete(replica)
    if (arc === undefined || this.#isLeaving || !this.#place.replicas.includes(replica)) return
    if (this.#compared !== undefined) {
      this.#waiting.add(replica)
      return
    }
    const { compareMs, recompareMs } = this.#config
    this.#compared = replica
    const goOn = (): void => {
      if (this.#compared !== replica) return
      this.#compared = undefined
      this.#next()
    }
    const { now } = this.#outbox
    const patience = this.#agenda.at(now, now + this.#config.queueMs, goOn)
    this.#comparing.start(replica, arc, 'repair', isDone => {
      this.#agenda.cancel(patience)
      goOn()
      if (this.#isLeaving || !this.#place.replicas.includes(replica)) return
      if (isDone) this.#equalFrom.set(replica, arc.from)
      // the ring may have planned another one meanwhile
      if (this.#due.has(replica)) return
      this.#plan(replica, (isDone ? compareMs : recompareMs) * (0.75 + this.#rng.unit() / 2))
    })
  }

  #next(): void {
    for (const replica of this.#waiting) {
      this.#waiting.delete(replica)
      this.#compare(replica)
      if (this.#compared !== undefined) return
    }
  }
}
