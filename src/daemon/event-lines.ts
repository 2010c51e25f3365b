import { asShoalError, ShoalError } from '../errors.ts'
import { errorMessage, HEARTBEAT } from './protocol.ts'

const encoder = new TextEncoder()

export interface EventLinesInit {
  /** Begins the work. The signal is for work that waits and would not see the end of its iteration. */
  start(signal: AbortSignal): AsyncIterable<unknown>
  heartbeatMs: number
  onFault?: ((error: ShoalError) => void) | undefined
}

/**
 * Events of a piece of work as lines of JSON. An event is asked for only when the reader has taken the one before, so a
 * slow reader slows the work and costs no memory. A reader that leaves ends the work.
 */
export class EventLines {
  readonly body: ReadableStream<Uint8Array>
  /** Settles when the last line was handed over, or the reader left. */
  readonly ended: Promise<void>
  readonly #init: EventLinesInit
  readonly #abort = new AbortController()
  #events: AsyncIterator<unknown> | undefined
  #asking = false
  #arrived: IteratorResult<unknown> | undefined
  #failure: ShoalError | undefined
  #wake: (() => void) | undefined
  #isEnded = false
  #end!: () => void

  constructor(init: EventLinesInit) {
    this.#init = init
    this.ended = new Promise(resolve => {
      this.#end = resolve
    })
    try {
      this.#events = init.start(this.#abort.signal)[Symbol.asyncIterator]()
    } catch (error) {
      this.#fail(error)
    }
    this.body = new ReadableStream<Uint8Array>(
      { pull: controller => this.#pull(controller), cancel: () => this.#leave() },
      { highWaterMark: 0 }
    )
  }

  /** Ends the work and tells the reader why. */
  stop(reason: ShoalError): void {
    if (this.#isEnded) return
    this.#failure = reason
    this.#stopWork()
    this.#wake?.()
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    if (this.#failure === undefined) this.#ask()
    if (this.#arrived === undefined && this.#failure === undefined) await this.#somethingNew()
    if (this.#isEnded) return

    if (this.#failure !== undefined) {
      controller.enqueue(line(errorMessage(this.#failure)))
      this.#finish(controller)
    } else if (this.#arrived === undefined) {
      controller.enqueue(line(HEARTBEAT))
    } else if (this.#arrived.done === true) {
      this.#finish(controller)
    } else {
      controller.enqueue(line(this.#arrived.value))
      this.#arrived = undefined
    }
  }

  #ask(): void {
    if (this.#asking || this.#events === undefined) return
    this.#asking = true
    this.#events.next().then(
      result => {
        this.#asking = false
        this.#arrived = result
        this.#wake?.()
      },
      error => {
        this.#asking = false
        this.#fail(error)
        this.#wake?.()
      }
    )
  }

  /** Until an event, a failure or a stop, at most as long as a reader is left without a sign of life. */
  #somethingNew(): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(resolve, this.#init.heartbeatMs)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = asShoalError(error)
    if (this.#failure.code === 'INTERNAL') this.#init.onFault?.(this.#failure)
  }

  #finish(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.#isEnded = true
    controller.close()
    this.#end()
  }

  #leave(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#stopWork()
    this.#wake?.()
    this.#end()
  }

  #stopWork(): void {
    this.#abort.abort(new ShoalError('INTERRUPTED', 'nobody reads the events any more'))
    // a generator that waits answers only when its wait is over: nobody waits for that
    this.#events?.return?.().catch(() => {})
  }
}

function line(value: unknown): Uint8Array {
  return encoder.encode(`${JSON.stringify(value)}\n`)
}
