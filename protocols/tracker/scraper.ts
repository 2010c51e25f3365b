import { BoundedMap } from '../core/bounded-map.ts'
import type { SwarmId } from '../core/ids.ts'
import type { Peer } from '../core/peer.ts'
import { type TrackerConfig, trackerLimits } from './config.ts'
import type { SwarmCount } from './messages.ts'
import type { TrackerOutput } from './tracker.ts'

interface Scrape {
  /** Swarms without an answer yet. BOUNDED by what the application asks for. */
  readonly swarms: Set<SwarmId>
  until: number
}

/** Asks other trackers for their counts, without taking part in anything. */
export class Scraper {
  readonly #config: TrackerConfig
  readonly #emit: (output: TrackerOutput) => void
  readonly #scrapes = new BoundedMap<Peer, Scrape>(trackerLimits.maxScrapes)

  constructor(init: { config: TrackerConfig; emit: (output: TrackerOutput) => void }) {
    this.#config = init.config
    this.#emit = init.emit
  }

  scrape(tracker: Peer, swarms: readonly SwarmId[], now: number): void {
    const asked = [...new Set(swarms)]
    if (asked.length === 0) return
    const waiting = this.#scrapes.get(tracker)?.swarms ?? new Set<SwarmId>()
    for (const swarm of asked) waiting.add(swarm)
    const evicted = this.#scrapes.set(tracker, { swarms: waiting, until: now + this.#config.answerMs })
    if (evicted !== undefined) this.#fail(evicted[0], evicted[1], 'given up for newer scrapes')
    for (let at = 0; at < asked.length; at += trackerLimits.maxScrapeSwarms) {
      const part = asked.slice(at, at + trackerLimits.maxScrapeSwarms)
      this.#emit({ type: 'send', to: tracker, message: { type: 'scrape', swarms: part } })
    }
  }

  onScraped(tracker: Peer, counts: readonly SwarmCount[]): void {
    const scrape = this.#scrapes.get(tracker)
    if (scrape === undefined) return
    const swarms = counts.filter(count => scrape.swarms.delete(count.swarm))
    if (scrape.swarms.size === 0) this.#scrapes.delete(tracker)
    if (swarms.length > 0) this.#emit({ type: 'event', event: { type: 'scraped', tracker, swarms } })
  }

  onPeerDown(peer: Peer): void {
    const scrape = this.#scrapes.get(peer)
    if (scrape !== undefined) this.#giveUp(peer, scrape, 'cannot be reached')
  }

  nextTick(): number | undefined {
    // set again means newest, so the oldest is due first
    return this.#scrapes.oldest()?.[1].until
  }

  onTick(now: number): void {
    for (;;) {
      const oldest = this.#scrapes.oldest()
      if (oldest === undefined || oldest[1].until > now) return
      this.#giveUp(oldest[0], oldest[1], 'does not answer')
    }
  }

  #giveUp(tracker: Peer, scrape: Scrape, reason: string): void {
    this.#scrapes.delete(tracker)
    this.#fail(tracker, scrape, reason)
  }

  #fail(tracker: Peer, scrape: Scrape, reason: string): void {
    for (const swarm of scrape.swarms) {
      this.#emit({ type: 'event', event: { type: 'trackerFailed', swarm, tracker, reason: `scrape: ${reason}` } })
    }
  }
}
