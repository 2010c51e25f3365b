export interface Appointment {
  readonly atMs: number
  readonly call: () => void
}

/** What is to be done at some time: all time limits and all that is done again and again. BOUNDED by who makes them. */
export class Agenda {
  /** The first ones last. */
  readonly #later: Appointment[] = []

  /** Never within the same input, so that nothing that is put off can go round in a circle. */
  at(now: number, atMs: number, call: () => void): Appointment {
    const appointment = { atMs: Math.max(Math.ceil(atMs), now + 1), call }
    this.#later.splice(this.#place(appointment.atMs), 0, appointment)
    return appointment
  }

  cancel(appointment: Appointment | undefined): void {
    if (appointment === undefined) return
    const at = this.#later.indexOf(appointment, this.#place(appointment.atMs))
    if (at !== -1) this.#later.splice(at, 1)
  }

  run(now: number): void {
    for (let next = this.#later.at(-1); next !== undefined && next.atMs <= now; next = this.#later.at(-1)) {
      this.#later.pop()
      next.call()
    }
  }

  nextTick(): number | undefined {
    return this.#later.at(-1)?.atMs
  }

  /** Before all that are due at the same time: those that came first are last, and go first. */
  #place(atMs: number): number {
    let low = 0
    let high = this.#later.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#later[middle] as Appointment).atMs > atMs) low = middle + 1
      else high = middle
    }
    return low
  }
}
