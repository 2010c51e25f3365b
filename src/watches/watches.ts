import { resolve } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import type { GetEvent, GetOptions, Watch, WatchEvent, WatchOptions } from '../api.ts'
import { ShoalError } from '../errors.ts'
import { EventStream } from '../event-stream.ts'
import { originOf, ResultGroups } from '../search/grouping.ts'
import { wordsQueryOf } from '../search/query-text.ts'
import type { Searches } from '../search/searches.ts'
import { type WatchConfig, watchConfig, watchLimits } from './config.ts'
import { Fetches } from './fetches.ts'
import { WatchSchedule } from './schedule.ts'
import { WatchStore } from './store.ts'

/** What running watches takes. */
export interface WatchParts {
  searches: Pick<Searches, 'run'>
  /** This node's peer id. */
  self: string
  /** Neighbours there are to ask. */
  neighbours(): number
  get(target: string, options: GetOptions): AsyncIterable<GetEvent>
  disk?: (folder: string) => Promise<{ free: number; size: number }>
}

/** The saved searches of a home directory, and in a peer with a network their runs. */
export class Watches {
  readonly #store: WatchStore
  readonly #parts: WatchParts | undefined
  readonly #config: WatchConfig
  readonly #schedule: WatchSchedule
  readonly #fetches: Fetches | undefined
  readonly #readers = new Set<EventStream<WatchEvent>>() // BOUNDED by maxReaders
  readonly #abort = new AbortController()
  #started = false
  #running: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined

  /** @param parts undefined without a network: watches can be listed and changed */
  constructor(database: DatabaseSync, parts: WatchParts | undefined, config: Partial<WatchConfig> = {}) {
    this.#store = new WatchStore(database)
    this.#parts = parts
    this.#config = { ...watchConfig, ...config }
    this.#schedule = new WatchSchedule(this.#config, Math.random)
    this.#fetches =
      parts &&
      new Fetches({
        store: this.#store,
        config: this.#config,
        get: (target, options) => parts.get(target, options),
        ...(parts.disk === undefined ? {} : { disk: parts.disk }),
        tell: event => this.#tell(event),
        onEnd: () => this.#plan()
      })
  }

  /** Runs them from now on. */
  start(): void {
    if (this.#started || this.#parts === undefined) return
    this.#started = true
    for (const watch of this.#store.list()) this.#schedule.set(watch, Date.now())
    this.#plan()
  }

  async close(): Promise<void> {
    this.#abort.abort()
    clearTimeout(this.#timer)
    for (const reader of [...this.#readers]) reader.fail(new ShoalError('INTERRUPTED', 'the node stops'))
    await this.#fetches?.close()
    await this.#running
  }

  /** @throws ShoalError USAGE, REFUSED */
  put(text: string, { everyMs, get, out, cwd = '.', maxBytes }: WatchOptions): Watch {
    const { text: query } = wordsQueryOf(text)
    const { leastEveryMs, mostEveryMs, defaultMaxBytes } = watchLimits
    if (everyMs !== undefined && !(everyMs >= leastEveryMs && everyMs <= mostEveryMs)) {
      throw new ShoalError('USAGE', 'a watch is run every minute at most, and every 7 days at least')
    }
    const changes = {
      ...(everyMs === undefined ? {} : { everyMs: Math.round(everyMs) }),
      ...(get === undefined ? {} : { get }),
      ...(out === undefined ? {} : { out: resolve(cwd, out) }),
      ...(maxBytes === undefined ? {} : { maxBytes })
    }
    const defaults = { everyMs: this.#config.everyMs, get: false, out: resolve(cwd), maxBytes: defaultMaxBytes }
    const watch = this.#store.put(query, changes, defaults, Date.now())
    if (!watch.get) this.#fetches?.stop(watch.number)
    if (this.#started) {
      this.#schedule.set(watch, Date.now())
      this.#plan()
    }
    return this.#described(watch)
  }

  /** @throws ShoalError NOT_FOUND */
  remove(number: number): Watch {
    const watch = this.#store.get(number)
    if (watch === undefined) {
      throw new ShoalError('NOT_FOUND', `there is no watch ${number}`, { next: '`shoal watch` lists them.' })
    }
    this.#fetches?.stop(number)
    this.#schedule.delete(number)
    this.#store.remove(number)
    return watch
  }

  list(): Watch[] {
    return this.#store.list().map(watch => this.#described(watch))
  }

  /** @throws ShoalError NO_PEERS, REFUSED */
  events(signal?: AbortSignal): AsyncIterable<WatchEvent> {
    if (this.#parts === undefined) throw new ShoalError('NO_PEERS', 'this peer is offline')
    if (this.#readers.size >= watchLimits.maxReaders) throw new ShoalError('REFUSED', 'too many follow the watches')
    const events: EventStream<WatchEvent> = new EventStream<WatchEvent>({
      onStop: () => this.#readers.delete(events)
    })
    if (signal?.aborted === true) void events.return()
    else {
      this.#readers.add(events)
      signal?.addEventListener('abort', () => void events.return(), { once: true })
    }
    this.start()
    return events
  }

  /** The node has a new neighbour. */
  onNeighbour(): void {
    if (!this.#started) return
    this.#schedule.soon(Date.now())
    this.#plan()
  }

  #described(watch: Watch): Watch {
    const nextRunAt = this.#started ? this.#schedule.dueAt(watch.number) : undefined
    const problem =
      watch.problem ??
      (watch.get && this.#store.isExhausted(watch)
        ? 'it may fetch no more: raise --most, or narrow the query with size:'
        : undefined)
    return {
      ...watch,
      ...(nextRunAt === undefined ? {} : { nextRunAt: Math.round(nextRunAt) }),
      ...(problem === undefined ? {} : { problem })
    }
  }

  /** Begins what is due, and sets the clock for what is next. */
  #plan(): void {
    if (!this.#started || this.#abort.signal.aborted) return
    clearTimeout(this.#timer)
    const now = Date.now()
    this.#fetches?.fill(now)
    let at = this.#store.nextTry(now) ?? Number.POSITIVE_INFINITY
    const next = this.#schedule.next()
    // without neighbours nobody would answer; the first that comes is asked soon
    if (next !== undefined && this.#running === undefined && (this.#parts?.neighbours() ?? 0) > 0) {
      if (next.at <= now) {
        this.#running = this.#run(next.number).finally(() => {
          this.#running = undefined
          this.#plan()
        })
      } else at = Math.min(at, next.at)
    }
    if (at === Number.POSITIVE_INFINITY) return
    this.#timer = setTimeout(() => this.#plan(), Math.min(at - now, watchLimits.mostEveryMs))
    this.#timer.unref()
  }

  async #run(number: number): Promise<void> {
    const watch = this.#store.get(number)
    if (watch === undefined) return
    let complete = false
    try {
      complete = await this.#search(watch)
      this.#store.setProblem(number, undefined)
    } catch (error) {
      if (this.#abort.signal.aborted) return
      const { message } = error as Error
      this.#store.setProblem(number, message)
      if (message !== watch.problem) this.#tell({ type: 'problem', watch: number, query: watch.query, message })
    }
    this.#schedule.ran(number, Date.now(), complete)
  }

  /** Whether everybody has answered. */
  async #search(watch: Watch): Promise<boolean> {
    const { searches, self } = this.#parts as WatchParts
    const parsed = wordsQueryOf(watch.query)
    const groups = new ResultGroups({ self, query: parsed })
    const { complete } = await searches.run(
      {
        query: { kind: 'words', text: parsed.text },
        timeoutMs: this.#config.searchMs,
        onHits(found) {
          const origin = originOf(found)
          for (const hit of found.hits) groups.add(origin, hit)
        }
      },
      this.#abort.signal
    )
    if (this.#abort.signal.aborted) return false
    // it may have been removed or changed meanwhile
    const now = this.#store.get(watch.number)
    if (now === undefined) return complete
    const others = groups.sorted('best').filter(({ mine }) => !mine)
    for (const file of this.#store.found(now, others, Date.now())) {
      this.#tell({ type: 'found', watch: now.number, query: now.query, file })
    }
    return complete
  }

  #tell(event: WatchEvent): void {
    for (const reader of this.#readers) reader.push(event)
  }
}
