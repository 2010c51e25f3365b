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
  /** About how many peers there are, if that is known, */
  readonly population?: number | undefined
  /** and of how many of them the summaries at one peer tell: at most a hop away, and at most as far as they reach. */
  readonly sight: { readonly near: number; readonly all: number }
}

/** What a search has come to so far. */
export interface Progress {
  readonly found: number
  readonly peers: number
  /** Query messages, and what was given to peers that say nothing. */
  readonly spent: number
  /** Whether somebody was left out for want of budget, width or hops. */
  readonly more: boolean
  /** Query messages of the last wave, the peers that it reached, and whether all of these have reported. */
  readonly lastSpent: number
  readonly lastPeers: number
  readonly isComplete: boolean
}

const RING_STEP = 2
const MAX_WAVES = 24
/** The first go of several walkers: steps of each before they look back (Lv et al. 2002: every fourth step). */
const STEPS_BEFORE_CHECK = 4

/**
 * When what has been asked and its summaries tell of so many times as many peers as there are, one that was not among
 * them is rare: e^-5, less than one in a hundred.
 */
const COVER = 5

/** Walks in a row that met nobody new, after which there is nobody new to be met from here. */
const IDLE_WALKS = 2

/** The waves of one search: each is chosen by what the one before it found. */
export class Plan {
  readonly #init: PlanInit
  readonly #config: SearchConfig
  #waves = 0
  #ttl = 1
  #last: Wave | undefined
  /** Peers that were asked, or that the summaries of one told of, as often as that was so. */
  #seen = 0
  /** Holders before the last wave. */
  #found = 0
  #hasLooked = false
  #idleWalks = 0

  constructor(init: PlanInit, config: SearchConfig) {
    this.#init = init
    this.#config = config
  }

  /** Undefined when the search is over. */
  next(progress: Progress): Wave | undefined {
    const first = this.#last === undefined
    this.#look(progress)
    if (!first && !progress.more) return undefined
    const rest = this.#init.budget - progress.spent
    if (rest < 1 || ++this.#waves > MAX_WAVES) return undefined
    this.#last = this.#choose(progress, rest, first)
    return this.#last
  }

  #choose(progress: Progress, rest: number, first: boolean): Wave | undefined {
    const { strategy, ttl, want } = this.#init
    if (strategy === 'flood') return first ? { ...this.#flood(ttl, rest), waitMs: Number.POSITIVE_INFINITY } : undefined
    const floodsFirst = strategy === 'ring' || (strategy === 'auto' && !this.#init.isLarge)
    if (progress.found >= want && !(first && floodsFirst)) return undefined
    if (strategy === 'ring') {
      if (!first) this.#ttl += RING_STEP
      if (this.#ttl - RING_STEP >= ttl) return undefined
      return this.#flood(Math.min(this.#ttl, ttl), rest)
    }
    if (strategy === 'auto' && first) {
      const cheap = Math.min(rest, this.#config.cheapFlood)
      if (floodsFirst) return this.#flood(ttl, cheap)
      if (this.#init.hasKeys) return this.#near(cheap, progress.found)
    }
    if (this.#unseen(progress) <= 0 || this.#hasMetAll(progress)) return undefined
    if (!first && this.#last?.how === 'walk' && progress.lastSpent === 0) return undefined
    return this.#walk(progress, rest)
  }

  /** Walkers come to the same peers again and again: one go of that is enough where about all are known to be asked. */
  #hasMetAll({ peers, lastPeers }: Progress): boolean {
    this.#idleWalks = this.#last?.how === 'walk' && lastPeers === 0 ? this.#idleWalks + 1 : 0
    const { population } = this.#init
    return this.#idleWalks >= (population !== undefined && peers + 1 >= population ? 1 : IDLE_WALKS)
  }

  /** What the last wave has seen: those that it reached, and those that the summaries there tell of. */
  #look({ found, lastSpent, lastPeers, isComplete }: Progress): void {
    const how = this.#last?.how
    if (how === undefined || !isComplete) {
      this.#found = found
      return
    }
    const { sight, walkers } = this.#init
    if (how !== 'flood' && !this.#hasLooked) {
      this.#hasLooked = true
      // by way of each neighbour only the nearest that is shown is asked, and hides those behind it
      this.#seen += lastSpent === 0 ? sight.all : sight.near
    }
    this.#seen += lastPeers
    // where a walker ends it has nothing left to follow what the summaries there show
    if (how === 'walk' && lastSpent > walkers) {
      this.#seen += lastPeers * (1 - walkers / lastSpent) * (sight.near - 1)
    }
    // and those that summaries led to look no further where the match was
    if (how === 'summaries') this.#seen += Math.max(0, lastPeers - found + this.#found) * (sight.near - 1)
    this.#found = found
  }

  /** How many peers are still to be looked at until it is likely enough that all have been. */
  #unseen({ peers }: Progress): number {
    const { population, hasKeys } = this.#init
    if (population === undefined || !hasKeys) return Number.POSITIVE_INFINITY
    return COVER * Math.max(population, peers + 1) - this.#seen
  }

  #flood(ttl: number, budget: number): Wave {
    const order = { ttl, width: ALL, budget, want: this.#init.want }
    return { how: 'flood', order, waitMs: ttl * this.#config.hopMs }
  }

  /** Where the summaries show something: cheap and quick, and it measures how common the thing is. */
  #near(budget: number, found: number): Wave {
    const { summaryHops, hopMs } = this.#config
    const order = { ttl: summaryHops, width: 0, budget, want: this.#init.want - found }
    return { how: 'summaries', order, waitMs: summaryHops * hopMs }
  }

  /**
   * As many peers as should have what is still wanted, going by how many had it; twice as many as before when nobody
   * had.
   */
  #walk(progress: Progress, rest: number): Wave {
    const { found, peers, lastSpent } = progress
    const { walkers, want } = this.#init
    const order = { ttl: this.#config.maxWalk, width: walkers, want: Math.max(1, want - found) }
    let budget = rest
    if (walkers > 1) {
      const least = Math.max(walkers * STEPS_BEFORE_CHECK, lastSpent * 2)
      const needed = found > 0 ? Math.ceil((1.25 * peers * (want - found)) / found) : least
      // of the messages of a walk about every other one reaches somebody new
      const unseen = 2 * Math.ceil(this.#unseen(progress) / this.#init.sight.near)
      budget = Math.min(rest, Math.max(walkers * STEPS_BEFORE_CHECK, Math.min(needed, unseen)))
    }
    const steps = Math.max(STEPS_BEFORE_CHECK, Math.ceil(budget / walkers))
    return { how: 'walk', order: { ...order, budget }, waitMs: steps * this.#config.hopMs }
  }
}
