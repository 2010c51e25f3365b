import type { FileId } from '../../protocols/core/ids.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import type { Query, SearchAccount, SearchCommand, SearchEvent, Strategy } from '../../protocols/search/index.ts'
import type { SuperPeerEvent } from '../../protocols/superpeer/index.ts'
import { ShoalError } from '../errors.ts'

const MAX_RUNNING = 64

/** What a proof has shown of a hit: whether it was true. */
export type Judge = (holder: Peer, id: FileId, isTrue: boolean) => void

export interface SearchesInit {
  command(command: SearchCommand): void
  /** What proofs have shown of the hits of a search. */
  judge?(search: number, verdict: Parameters<Judge>): void
  /** Of this node's searches; those for others have numbers of their own. */
  firstNumber?: number
  maxRunning?: number
}

export interface SearchRun {
  query: Query
  strategy?: Strategy | undefined
  budget?: number | undefined
  ttl?: number | undefined
  limit?: number | undefined
  want?: number | undefined
  timeoutMs?: number | undefined
  onHits(hits: FoundHits): void
  /** Before the first hits; `judge` may be called as long as the search is remembered, also after its end. */
  onBegin?(judge: Judge): void
}

/** What super-peers were asked for comes from their protocol. */
export type SupersSearchEvent =
  | Extract<SuperPeerEvent, { type: 'hits' }>
  | (Extract<SuperPeerEvent, { type: 'searchDone' }> & { bySuperPeers: true })

export type FoundHits = Extract<SearchEvent | SupersSearchEvent, { type: 'hits' }>

/** How a search ended. bySuperPeers: those that were asked are super-peers. */
export type SearchOutcome = SearchAccount & { readonly bySuperPeers?: boolean }

interface Running {
  run: SearchRun
  end(outcome: SearchOutcome): void
  fail(error: ShoalError): void
}

/** This node's own searches: gives each a number of the machine's, and its events to whoever began it. */
export class Searches {
  readonly #init: SearchesInit
  readonly #maxRunning: number
  readonly #running = new Map<number, Running>() // BOUNDED by maxRunning
  #next: number
  #isClosed = false

  constructor(init: SearchesInit) {
    this.#init = init
    this.#maxRunning = init.maxRunning ?? MAX_RUNNING
    this.#next = init.firstNumber ?? 1
  }

  /** Ends when everybody has answered, at the time limit, or with the signal. @throws ShoalError REFUSED, INTERRUPTED by `close` */
  async run(run: SearchRun, signal?: AbortSignal): Promise<SearchOutcome> {
    if (this.#isClosed) throw stops()
    if (this.#running.size >= this.#maxRunning)
      throw new ShoalError('REFUSED', `${this.#maxRunning} searches are running already`)
    const search = this.#next++
    const { query, strategy, budget, ttl, limit, want, timeoutMs } = run
    run.onBegin?.((...verdict) => this.#init.judge?.(search, verdict))
    return await new Promise((resolve, reject) => {
      const stop = (): void => this.#init.command({ type: 'stop', search })
      const leave = (): void => {
        this.#running.delete(search)
        signal?.removeEventListener('abort', onAbort)
      }
      const end = (outcome: SearchOutcome): void => {
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
      this.#init.command({
        type: 'search',
        search,
        query,
        ...(strategy === undefined ? {} : { strategy }),
        ...(budget === undefined ? {} : { budget }),
        ...(ttl === undefined ? {} : { ttl }),
        ...(limit === undefined ? {} : { limit }),
        ...(want === undefined ? {} : { want }),
        ...(timeoutMs === undefined ? {} : { timeoutMs })
      })
    })
  }

  /** The node stops: whoever waits for a search hears of it. */
  close(): void {
    this.#isClosed = true
    for (const { fail } of [...this.#running.values()]) fail(stops())
  }

  /** What the search protocol tells, or that of super-peers. */
  onEvent(event: SearchEvent | SupersSearchEvent): void {
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
