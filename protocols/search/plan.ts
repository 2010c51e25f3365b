import { ALL, type Order } from './branch.ts'
import type { SearchConfig } from './config.ts'

/**
 * flood: all neighbours, and theirs. ring: floods that grow until enough is found. walk: walkers led by the summaries.
 * auto: what fits the network and how common the thing turns out to be.
 */
export type Strategy = 'auto' | 'flood' | 'ring' | 'walk'

/** One go of a search: an order for the branch at the searcher. */
export interface Wave {
  /** summaries: only where they show a match. */
  readonly how: 'flood' | 'summaries' | 'walk'
  readonly order: Order
  /** How long it may hold up those after it; infinite when it may take the search's whole time. */
  readonly waitMs: number
}

export interface PlanInit {
  readonly strategy: Strategy
  readonly budget: number
  readonly want: number
  readonly walkers: number
  /** Hops of a flood. */
  readonly ttl: number
  /** Whether the summaries can be asked for this query. */
  readonly hasKeys: boolean
  /** Whether it is known that a cheap flood does not reach everybody. */
  readonly isLarge: boolean
}

/** What a search has come to so far. */
export interface Progress {
  readonly found: number
  readonly peers: number
  /** Query messages, and what was given to peers that say nothing. */
  readonly spent: number
  /** Whether somebody was left out for want of budget, width or hops. */
  readonly more: boolean
  /** Query messages of the last wave. */
  readonly lastSpent: number
}

const RING_STEP = 2
const MAX_WAVES = 24
/** The first go of several walkers: steps of each before they look back (Lv et al. 2002: every fourth step). */
const STEPS_BEFORE_CHECK = 4

/** The waves of one search: each is chosen by what the one before it found. */
export class Plan {
  readonly #init: PlanInit
  readonly #config: SearchConfig
  #waves = 0
  #ttl = 1
  #last: Wave | undefined

  constructor(init: PlanInit, config: SearchConfig) {
    this.#init = init
    this.#config = config
  }

  /** Undefined when the search is over. */
  next(progress: Progress): Wave | undefined {
    const first = this.#last === undefined
    if (!first && !progress.more) return undefined
    const rest = this.#init.budget - progress.spent
    if (rest < 1 || ++this.#waves > MAX_WAVES) return undefined
    this.#last = this.#choose(progress, rest, first)
    return this.#last
  }

  #choose(progress: Progress, rest: number, first: boolean): Wave | undefined {
    const { strategy, ttl, want } = this.#init
    if (strategy === 'flood') return first ? { ...this.#flood(ttl, rest), waitMs: Number.POSITIVE_INFINITY } : undefined
    if (!first && progress.found >= want) return undefined
    if (strategy === 'ring') {
      if (!first) this.#ttl += RING_STEP
      if (this.#ttl - RING_STEP >= ttl) return undefined
      return this.#flood(Math.min(this.#ttl, ttl), rest)
    }
    if (strategy === 'auto' && first) {
      const cheap = Math.min(rest, this.#config.cheapFlood)
      return this.#init.isLarge ? this.#near(cheap) : this.#flood(ttl, cheap)
    }
    if (!first && this.#last?.how === 'walk' && progress.lastSpent === 0) return undefined
    return this.#walk(progress, rest)
  }

  #flood(ttl: number, budget: number): Wave {
    const order = { ttl, width: ALL, budget, want: this.#init.want }
    return { how: 'flood', order, waitMs: ttl * this.#config.hopMs }
  }

  /** Where the summaries show something: cheap and quick, and it measures how common the thing is. */
  #near(budget: number): Wave {
    if (!this.#init.hasKeys) return this.#flood(this.#init.ttl, budget)
    const { summaryHops, hopMs } = this.#config
    const order = { ttl: summaryHops, width: 0, budget, want: this.#init.want }
    return { how: 'summaries', order, waitMs: summaryHops * hopMs }
  }

  /**
   * As many peers as should have what is still wanted, going by how many had it; twice as many as before when nobody
   * had.
   */
  #walk({ found, peers, lastSpent }: Progress, rest: number): Wave {
    const { walkers, want } = this.#init
    const order = { ttl: this.#config.maxWalk, width: walkers, want: Math.max(1, want - found) }
    let budget = rest
    if (walkers > 1) {
      const least = Math.max(walkers * STEPS_BEFORE_CHECK, lastSpent * 2)
      const needed = found > 0 ? Math.ceil((1.25 * peers * (want - found)) / found) : least
      budget = Math.min(rest, Math.max(walkers * STEPS_BEFORE_CHECK, needed))
    }
    const steps = Math.max(STEPS_BEFORE_CHECK, Math.ceil(budget / walkers))
    return { how: 'walk', order: { ...order, budget }, waitMs: steps * this.#config.hopMs }
  }
}
