import type { Agenda, Appointment } from '../core/agenda.ts'
import type { SuperPeerConfig } from './config.ts'
import type { Outbox } from './outbox.ts'

/** Fewer super-peers than these answer for nobody alone. */
const LEAST = 2

/**
 * Whether this node may leave the overlay: enough super-peers have its whole catalogue. One that dies is replaced before
 * it matters.
 */
export class Resting {
  readonly #config: SuperPeerConfig
  readonly #outbox: Outbox
  readonly #agenda: Agenda
  #isResting = false
  /** A change of mind that waits. */
  #later: Appointment | undefined

  constructor(init: { config: SuperPeerConfig; outbox: Outbox; agenda: Agenda }) {
    this.#config = init.config
    this.#outbox = init.outbox
    this.#agenda = init.agenda
  }

  get isResting(): boolean {
    return this.#isResting
  }

  /** @param existing super-peers that this node could have */
  update(holding: number, existing: number): void {
    const enough = Math.max(LEAST, Math.min(this.#config.supers, existing))
    if (this.#isResting) {
      if (holding >= LEAST) this.#forget()
      else if (holding === 0) this.#set(false)
      else this.#in(this.#config.restGraceMs, false)
    } else if (holding >= enough) {
      this.#set(true)
    } else if (holding >= LEAST) {
      this.#in(this.#config.restSettleMs, true)
    } else {
      this.#forget()
    }
  }

  #in(ms: number, isResting: boolean): void {
    const { now } = this.#outbox
    this.#later ??= this.#agenda.at(now, now + ms, () => {
      this.#later = undefined
      this.#set(isResting)
    })
  }

  #set(isResting: boolean): void {
    this.#forget()
    if (isResting === this.#isResting) return
    this.#isResting = isResting
    this.#outbox.tell({ type: 'resting', resting: isResting })
  }

  #forget(): void {
    this.#agenda.cancel(this.#later)
    this.#later = undefined
  }
}
