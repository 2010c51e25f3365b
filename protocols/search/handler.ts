import type { Startable } from '@libp2p/interface'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import { type ContactBook, contactPeers } from '../libp2p/contacts.ts'
import { Driver, type DriverComponents, type DriverStats } from '../libp2p/driver.ts'
import { peerFromId } from '../libp2p/peer-ids.ts'
import type { SearchCommand, SearchEvent } from './commands.ts'
import { type SearchConfig, searchLimits } from './config.ts'
import { checkQuery, type HolderHits, type Query, type SearchMessage, searchCodec } from './messages.ts'
import { Search } from './search.ts'

export const SEARCH_PROTOCOL = '/shoal/search/3.0.0'

export interface SearchServiceInit {
  contacts: ContactBook
  rng: Rng
  /** Who has it, of this node and those that it answers for; called for strangers, within the message's turn. */
  lookup(query: Query, limit: number): readonly HolderHits[]
  /** About how many peers the overlay has, if that is known. */
  population?(): number | undefined
  config?: Partial<SearchConfig>
  onEvent(event: SearchEvent): void
  onPenalty(peer: Peer, reason: string): void
}

/** The search machine as a libp2p service. Its neighbours are fed to it by command. */
export class SearchService implements Startable {
  readonly [Symbol.toStringTag] = '@shoal/search'
  readonly #search: Search
  readonly #driver: Driver<SearchCommand, SearchMessage, SearchEvent>

  constructor(components: DriverComponents, init: SearchServiceInit) {
    this.#search = new Search({
      self: peerFromId(components.peerId),
      rng: init.rng,
      lookup: (query, limit) => init.lookup(query, limit),
      population: () => init.population?.(),
      config: init.config
    })
    this.#driver = new Driver(components, {
      protocol: SEARCH_PROTOCOL,
      machine: this.#search,
      codec: searchCodec(contactPeers(init.contacts)),
      limits: { maxFrameBytes: searchLimits.maxSummaryBytes },
      contacts: init.contacts,
      onEvent: event => init.onEvent(event),
      onPenalty: (peer, reason) => init.onPenalty(peer, reason)
    })
  }

  get stats(): DriverStats {
    return this.#driver.stats
  }

  /** Whether a word or id seems to be shared in the neighbourhood. */
  isNear(key: string): boolean {
    return this.#search.isNear(key)
  }

  async start(): Promise<void> {
    await this.#driver.start()
  }

  async stop(): Promise<void> {
    await this.#driver.stop()
  }

  /** @throws RangeError on a query that no message can hold */
  command(command: SearchCommand): void {
    if (command.type === 'search') checkQuery(command.query)
    this.#driver.command(command)
  }
}

export function searchService(init: SearchServiceInit): (components: DriverComponents) => SearchService {
  return components => new SearchService(components, init)
}
