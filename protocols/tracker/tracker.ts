import { BoundedMap } from '../core/bounded-map.ts'
import type { SwarmId } from '../core/ids.ts'
import type { Input, Machine, Output } from '../core/machine.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import { TokenBucket } from '../core/token-bucket.ts'
import { Accounts } from './accounts.ts'
import { Announcer } from './announcer.ts'
import { type TrackerConfig, trackerConfig, trackerLimits } from './config.ts'
import type { Announce, SwarmCount, TrackerMessage } from './messages.ts'
import { Scraper } from './scraper.ts'

export type TrackerCommand =
  /**
   * Take part in a swarm: announce to the trackers of these tiers (BEP 12: a tier's trackers in random order, the next
   * tier when all of one fail). Again: replaces the tiers.
   */
  | {
      readonly type: 'join'
      readonly swarm: SwarmId
      readonly tiers: readonly (readonly Peer[])[]
      /** Bytes that are lacking; 0 for a seed. */
      readonly left: number
    }
  /**
   * What has been moved since the join. The first `left` of 0 announces `completed` at once, other changes go with the
   * next announce.
   */
  | {
      readonly type: 'update'
      readonly swarm: SwarmId
      readonly left: number
      readonly uploaded: number
      readonly downloaded: number
    }
  /** Ask again soon: more peers are needed. At most once in the tracker's shortest interval. */
  | { readonly type: 'more'; readonly swarm: SwarmId }
  | { readonly type: 'leave'; readonly swarm: SwarmId }
  | { readonly type: 'scrape'; readonly tracker: Peer; readonly swarms: readonly SwarmId[] }

export type TrackerEvent =
  /** Some of those in the swarm, in random order, never this node; and how many the tracker has in all. */
  | {
      readonly type: 'peers'
      readonly swarm: SwarmId
      readonly tracker: Peer
      readonly peers: readonly Peer[]
      readonly seeds: number
      readonly leeches: number
    }
  /** An announce or a scrape came to nothing. For an announce the next tracker is asked already. */
  | { readonly type: 'trackerFailed'; readonly swarm: SwarmId; readonly tracker: Peer; readonly reason: string }
  /** Zeros for a swarm that the tracker has no account of. A large scrape is answered in several of these. */
  | { readonly type: 'scraped'; readonly tracker: Peer; readonly swarms: readonly SwarmCount[] }

export type TrackerOutput = Output<TrackerMessage, TrackerEvent>

interface Rates {
  announces: TokenBucket
  refusals: TokenBucket
  scrapes: TokenBucket
}

/**
 * A tracker and its client in one: every node keeps accounts for whoever announces to it, and announces itself to the
 * trackers of the swarms that it takes part in. See README.md for the rules.
 */
export class Tracker implements Machine<TrackerCommand, TrackerMessage, TrackerEvent> {
  readonly #self: Peer
  readonly #config: TrackerConfig
  readonly #accounts: Accounts
  readonly #announcer: Announcer
  readonly #scraper: Scraper
  readonly #rates = new BoundedMap<Peer, Rates>(trackerLimits.maxRates)
  #out: TrackerOutput[] = []

  constructor(init: { self: Peer; rng: Rng; config?: Partial<TrackerConfig> }) {
    const { self, rng } = init
    const config = { ...trackerConfig, ...init.config }
    const emit = (output: TrackerOutput): void => {
      this.#out.push(output)
    }
    this.#self = self
    this.#config = config
    this.#accounts = new Accounts({ self, rng: rng.fork(), config })
    this.#announcer = new Announcer({ self, rng: rng.fork(), config, accounts: this.#accounts, emit })
    this.#scraper = new Scraper({ config, emit })
  }

  /** The account of one swarm as this node keeps it; undefined when it keeps none. */
  account(swarm: SwarmId): { seeds: number; leeches: number; completed: number } | undefined {
    return this.#accounts.account(swarm)
  }

  /** Who is in it, for tests and for people. */
  entries(swarm: SwarmId): { peer: Peer; seed: boolean; away: boolean }[] {
    return [...this.#accounts.entries(swarm)]
  }

  /** Swarms that this node takes part in. */
  joined(): SwarmId[] {
    return this.#announcer.swarms()
  }

  handle(input: Input<TrackerCommand, TrackerMessage>, now: number): TrackerOutput[] {
    switch (input.type) {
      case 'received':
        if (input.from !== this.#self) this.#onMessage(input.from, input.message, now)
        break
      case 'peerUp':
        this.#announcer.onPeerUp(input.peer, now)
        break
      case 'peerDown':
        this.#accounts.onPeerDown(input.peer, now)
        this.#announcer.onPeerDown(input.peer, now)
        this.#scraper.onPeerDown(input.peer)
        break
      case 'tick':
        this.#accounts.onTick(now)
        this.#announcer.onTick(now)
        this.#scraper.onTick(now)
        break
      case 'join':
        this.#announcer.join(input, now)
        break
      case 'update':
        this.#announcer.update(input, now)
        break
      case 'more':
        this.#announcer.more(input.swarm, now)
        break
      case 'leave':
        this.#announcer.leave(input.swarm, now)
        break
      case 'scrape':
        this.#onScrapeCommand(input.tracker, input.swarms, now)
        break
    }
    const out = this.#out
    this.#out = []
    return out
  }

  nextTick(): number | undefined {
    const accounts = this.#accounts.nextTick() ?? Number.POSITIVE_INFINITY
    const announcer = this.#announcer.nextTick() ?? Number.POSITIVE_INFINITY
    const scraper = this.#scraper.nextTick() ?? Number.POSITIVE_INFINITY
    const next = Math.min(accounts, announcer, scraper)
    return next === Number.POSITIVE_INFINITY ? undefined : next
  }

  #onMessage(from: Peer, message: TrackerMessage, now: number): void {
    switch (message.type) {
      case 'announce':
        this.#onAnnounce(from, message, now)
        return
      case 'announced':
        this.#announcer.onAnnounced(from, message, now)
        return
      case 'refused':
        this.#announcer.onRefused(from, message, now)
        return
      case 'scrape':
        if (!this.#ratesOf(from).scrapes.take(now)) return
        this.#send(from, { type: 'scraped', swarms: this.#accounts.scrape(message.swarms) })
        return
      case 'scraped':
        this.#scraper.onScraped(from, message.swarms)
        return
    }
  }

  #onAnnounce(from: Peer, message: Announce, now: number): void {
    const { swarm, event, left } = message
    if (event === 'completed' && left > 0) {
      this.#penalise(from, 'announces that it has completed a swarm of which it lacks something')
      return
    }
    // to go costs nothing, and is never refused
    if (event !== 'stopped' && !this.#ratesOf(from).announces.take(now)) {
      if (this.#ratesOf(from).refusals.take(now)) {
        this.#send(from, { type: 'refused', swarm, reason: 'tooOften', retryMs: this.#config.minIntervalMs })
      } else {
        this.#penalise(from, 'goes on announcing though it is told that it does so too often')
      }
      return
    }
    const answer = this.#accounts.announce(from, message, now)
    if (answer !== undefined) this.#send(from, answer)
  }

  #onScrapeCommand(tracker: Peer, swarms: readonly SwarmId[], now: number): void {
    if (tracker !== this.#self) this.#scraper.scrape(tracker, swarms, now)
    else this.#out.push({ type: 'event', event: { type: 'scraped', tracker, swarms: this.#accounts.scrape(swarms) } })
  }

  #ratesOf(peer: Peer): Rates {
    let rates = this.#rates.get(peer)
    if (rates === undefined) {
      const { announces, refusals, scrapes } = trackerLimits
      rates = {
        announces: new TokenBucket(announces),
        refusals: new TokenBucket(refusals),
        scrapes: new TokenBucket(scrapes)
      }
      this.#rates.set(peer, rates)
    }
    return rates
  }

  #send(to: Peer, message: TrackerMessage): void {
    this.#out.push({ type: 'send', to, message })
  }

  #penalise(peer: Peer, reason: string): void {
    this.#out.push({ type: 'penalise', peer, reason })
  }
}
