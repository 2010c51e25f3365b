import type { Query, SearchAccount, SearchCommand, SearchEvent, Strategy } from '../../protocols/search/index.ts'
import { ShoalError } from '../errors.ts'

const MAX_RUNNING = 64

export interface SearchRun {
  query: Query
  strategy?: Strategy | undefined
  budget?: number | undefined
  ttl?: number | undefined
  limit?: number | undefined
  timeoutMs?: number | undefined
  onHits(hits: FoundHits): void
}

export type FoundHits = Extract<SearchEvent, { type: 'hits' }>

interface Running {
  run: SearchRun
  end(outcome: SearchAccount): void
  fail(error: ShoalError): void
}

/** This node's own searches: gives each a number of the machine's, and its events to whoever began it. */
export class Searches {
  readonly #command: (command: SearchCommand) => void
  readonly #running = new Map<number, Running>() // BOUNDED by MAX_RUNNING
  #next = 1
  #isClosed = false

  constructor(command: (command: SearchCommand) => void) {
    this.#command = command
  }

  /** Ends when everybody has answered, at the time limit, or with the signal. @throws ShoalError REFUSED, INTERRUPTED by `close` */
  async run(run: SearchRun, signal?: AbortSignal): Promise<SearchAccount> {
    if (this.#isClosed) throw stops()
    if (this.#running.size >= MAX_RUNNING)
      throw new ShoalError('REFUSED', `${MAX_RUNNING} searches are running already`)
    const search = this.#next++
    const { query, strategy, budget, ttl, limit, timeoutMs } = run
    return await new Promise((resolve, reject) => {
      const stop = (): void => this.#command({ type: 'stop', search })
      const leave = (): void => {
        this.#running.delete(search)
        signal?.removeEventListener('abort', onAbort)
      }
      const end = (outcome: SearchAccount): void => {
        leave()
        resolve(outcome)
      }
      const fail = (error: ShoalError): void => {
        stop()
        leave()
        reject(error)
      }
      const onAbort = (): void => {
        stop()
        end({ peersAsked: 0, messages: 0, complete: false, more: true, waves: [] })
      }
      this.#running.set(search, { run, end, fail })
      if (signal?.aborted === true) {
        onAbort()
        return
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#command({
        type: 'search',
        search,
        query,
        ...(strategy === undefined ? {} : { strategy }),
        ...(budget === undefined ? {} : { budget }),
        ...(ttl === undefined ? {} : { ttl }),
        ...(limit === undefined ? {} : { limit }),
        ...(timeoutMs === undefined ? {} : { timeoutMs })
      })
    })
  }

  /** The node stops: whoever waits for a search hears of it. */
  close(): void {
    this.#isClosed = true
    for (const { fail } of [...this.#running.values()]) fail(stops())
  }

  /** What the search protocol tells. */
  onEvent(event: SearchEvent): void {
    const running = this.#running.get(event.search)
    if (running === undefined) return
    if (event.type === 'hits') running.run.onHits(event)
    else {
      const { type, search, ...account } = event
      running.end(account)
    }
  }
}

function stops(): ShoalError {
  return new ShoalError('INTERRUPTED', 'the node stops')
}
