import type { GetEvent, TransferStatus } from '../api.ts'
import { EventStream } from '../event-stream.ts'

/** Shortest time between two progress events. */
const PROGRESS_MS = 200

/** Those who follow a transfer. */
export class Readers {
  readonly #readers = new Set<EventStream<GetEvent>>() // BOUNDED by those who asked for it, see Transfers
  readonly #onNone: () => void
  #toldAt = Number.NEGATIVE_INFINITY

  /** @param onNone the last one has ended its iteration */
  constructor(onNone: () => void) {
    this.#onNone = onNone
  }

  add(): EventStream<GetEvent> {
    const events: EventStream<GetEvent> = new EventStream<GetEvent>({
      onStop: () => {
        this.#readers.delete(events)
        if (this.#readers.size === 0) this.#onNone()
      },
      isStale: (older, newer) => older.type === 'progress' && newer.type === 'progress'
    })
    this.#readers.add(events)
    return events
  }

  /** Not at every call, unless it is `urgent`. */
  progress(status: () => TransferStatus, urgent = false): void {
    const now = performance.now()
    if (!urgent && now - this.#toldAt < PROGRESS_MS) return
    this.#toldAt = now
    this.tell({ type: 'progress', transfer: status() })
  }

  tell(event: GetEvent): void {
    for (const reader of this.#readers) reader.push(event)
  }

  /** After what waits to be read. */
  end(error?: unknown): void {
    for (const reader of this.#readers) {
      if (error === undefined) reader.end()
      else reader.fail(error)
    }
    this.#readers.clear()
  }
}
