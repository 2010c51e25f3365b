import type { Agenda, Appointment } from '../core/agenda.ts'
import type { RingId } from '../core/keyspace.ts'
import type { Found } from './commands.ts'
import { directoryLimits } from './config.ts'
import type { Outbox } from './outbox.ts'

/** Questions to the ring, which of the nodes a key belongs to. */
export class Lookups {
  readonly #outbox: Outbox
  readonly #agenda: Agenda
  readonly #limitMs: number
  /** BOUNDED by maxLookups. */
  readonly #waiting = new Map<number, { limit: Appointment; then: (found: Found | undefined) => void }>()
  #lastId = 0

  constructor(init: { outbox: Outbox; agenda: Agenda; limitMs: number }) {
    this.#outbox = init.outbox
    this.#agenda = init.agenda
    this.#limitMs = init.limitMs
  }

  /** `then` is called once, with nothing when the ring does not know. */
  find(key: RingId, how: 'usual' | 'orCached' | 'careful', then: (found: Found | undefined) => void): void {
    const { now } = this.#outbox
    if (this.#waiting.size >= directoryLimits.maxLookups) {
      this.#agenda.at(now, now, () => then(undefined))
      return
    }
    const id = ++this.#lastId
    const limit = this.#agenda.at(now, now + this.#limitMs, () => this.end(id, undefined))
    this.#waiting.set(id, { limit, then })
    const [mayBeCached, isCareful] = [how === 'orCached', how === 'careful']
    this.#outbox.tell({ type: 'lookup', id, key, mayBeCached, isCareful })
  }

  end(id: number, found: Found | undefined): void {
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return
    this.#waiting.delete(id)
    this.#agenda.cancel(waiting.limit)
    waiting.then(found)
  }
}
