import type { Input, Machine, Output } from '../core/machine.ts'
import type { Peer } from '../core/peer.ts'
import { hashKey } from './bloom.ts'
import type { SearchCommand, SearchEvent } from './commands.ts'
import { type SearchConfig, searchConfig } from './config.ts'
import { Links, type LinksInit } from './links.ts'
import type { SearchMessage } from './messages.ts'
import { OwnSearches } from './own-searches.ts'
import { Relay } from './relay.ts'

/**
 * Search over the random overlay by flooding and by walks that summaries of the neighbourhood lead, each within a budget
 * of messages; with hits on the way back, and an echo that tells when everybody has answered. See README.md for the
 * rules.
 */
export class Search implements Machine<SearchCommand, SearchMessage, SearchEvent> {
  readonly #links: Links
  readonly #own: OwnSearches
  readonly #relay: Relay

  constructor(init: LinksInit & { config?: Partial<SearchConfig> | undefined }) {
    this.#links = new Links(init, init.config === undefined ? searchConfig : { ...searchConfig, ...init.config })
    this.#own = new OwnSearches(this.#links)
    this.#relay = new Relay(this.#links)
  }

  /** @throws RangeError on a `search` that cannot be: a number in use, or a query that `checkQuery` refuses */
  handle(input: Input<SearchCommand, SearchMessage>, now: number): Output<SearchMessage, SearchEvent>[] {
    const out = this.#links.begin(now)
    switch (input.type) {
      case 'received':
        if (input.from !== this.#links.self) this.#onMessage(input.from, input.message)
        break
      case 'search':
        this.#own.start(input)
        break
      case 'stop':
        this.#own.stop(input.search)
        break
      case 'share':
        this.#links.summaries.share(input.keys, now)
        break
      case 'neighbourUp':
        if (input.peer === this.#links.self) break
        this.#links.neighbourUp(input.peer)
        this.#own.neighbourUp()
        break
      case 'neighbourDown':
        // it may still owe us reports, and will send them as long as it is connected
        this.#links.neighbourDown(input.peer)
        break
      case 'peerUp':
        break
      case 'peerDown':
        this.#links.neighbourDown(input.peer)
        this.#relay.peerDown(input.peer)
        this.#own.peerDown(input.peer)
        break
      case 'tick':
        this.#relay.onTick()
        this.#own.onTick()
        this.#links.tellSummaries()
        break
    }
    return out
  }

  nextTick(): number | undefined {
    const next = Math.min(this.#relay.nextTick(), this.#own.nextTick(), this.#links.summaries.nextDue())
    return next === Number.POSITIVE_INFINITY ? undefined : next
  }

  /** Whether a summary of the neighbourhood shows a word or id that is shared there; it may be wrong now and then. */
  isNear(key: string): boolean {
    return this.#links.summaries.shows(hashKey(key))
  }

  #onMessage(from: Peer, message: SearchMessage): void {
    switch (message.type) {
      case 'query':
        if (!this.#links.takesArrival(from)) return
        if (!this.#own.onQuery(from, message.id)) this.#relay.onQuery(from, message)
        return
      case 'hits':
        if (!this.#own.onHits(from, message) && !this.#relay.onHits(from, message)) this.#links.onStray(from)
        return
      case 'report':
        if (!this.#own.onReport(from, message) && !this.#relay.onReport(from, message)) this.#links.onStray(from)
        return
      case 'summary':
        this.#links.onSummary(from, message)
        return
      case 'summaryWanted':
        this.#links.onSummaryWanted(from)
        return
    }
  }
}
