import type { WatchConfig } from './config.ts'

interface Entry {
  everyMs: number
  dueAt: number
  /** By this process. */
  ranAt: number
  /** How many times slower than wanted. */
  slower: number
}

/** Times differ by so much, that nodes which started together do not search together. */
const JITTER = 0.1
/** The network could not answer in time: it is asked less, down to this. */
const MOST_SLOWER = 8

/** When which watch is run. Knows no clock: every time is an argument. */
export class WatchSchedule {
  readonly #config: WatchConfig
  /** 0 to 1. */
  readonly #random: () => number
  readonly #entries = new Map<number, Entry>() // BOUNDED by the watches
  #lastRunAt = Number.NEGATIVE_INFINITY

  constructor(config: WatchConfig, random: () => number) {
    this.#config = config
    this.#random = random
  }

  /** A watch that is new, that was changed, or that this process learns of. */
  set(watch: { number: number; everyMs: number; lastRunAt?: number }, now: number): void {
    const { number, everyMs, lastRunAt } = watch
    const known = this.#entries.get(number)
    const dueAt = lastRunAt === undefined ? now : Math.max(now, Math.min(lastRunAt, now) + everyMs)
    this.#entries.set(number, {
      everyMs,
      dueAt: known === undefined ? dueAt : Math.min(known.dueAt, dueAt),
      ranAt: known?.ranAt ?? Number.NEGATIVE_INFINITY,
      slower: known?.slower ?? 1
    })
  }

  delete(number: number): void {
    this.#entries.delete(number)
  }

  /** A neighbour came: it may have what was not found so far. */
  soon(now: number): void {
    const { soonMs, againMs } = this.#config
    const at = now + soonMs * (1 + this.#random())
    for (const entry of this.#entries.values()) {
      entry.dueAt = Math.min(entry.dueAt, Math.max(at, entry.ranAt + againMs))
    }
  }

  /** @param complete everybody who was asked has answered */
  ran(number: number, now: number, complete: boolean): void {
    this.#lastRunAt = now
    const entry = this.#entries.get(number)
    if (entry === undefined) return
    entry.ranAt = now
    entry.slower = complete ? 1 : Math.min(entry.slower * 2, MOST_SLOWER)
    entry.dueAt = now + entry.everyMs * entry.slower * (1 - JITTER + 2 * JITTER * this.#random())
  }

  dueAt(number: number): number | undefined {
    return this.#entries.get(number)?.dueAt
  }

  /** Which one is next, and when. */
  next(): { number: number; at: number } | undefined {
    let next: { number: number; at: number } | undefined
    for (const [number, { dueAt }] of this.#entries) {
      if (next === undefined || dueAt < next.at) next = { number, at: dueAt }
    }
    return next && { ...next, at: Math.max(next.at, this.#lastRunAt + this.#config.gapMs) }
  }
}
