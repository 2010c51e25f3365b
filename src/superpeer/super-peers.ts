import type { FileId } from '../../protocols/core/ids.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import { overlayConfig } from '../../protocols/overlay/index.ts'
import type { SearchCommand, SearchEvent } from '../../protocols/search/index.ts'
import {
  type Part,
  type Role,
  type Strength,
  type SuperPeerCommand,
  type SuperPeerEvent,
  superPeerLimits
} from '../../protocols/superpeer/index.ts'
import type { CatalogueHit } from '../library/catalogue.ts'
import { Searches, type SupersSearchEvent } from '../search/searches.ts'

export const superPeersConfig = {
  /** How often this node measures itself; the first time sooner, so that a new network need not wait. */
  measureMs: 30_000,
  firstMs: 2_000,
  /** Neighbours of a super-peer: with so many, all super-peers of a few thousand peers are one or two hops away. */
  neighbours: 20,
  /** Searches of clients that run at once. */
  maxRunning: 256,
  /** Numbers of clients' searches; never those of this node's own. */
  firstNumber: 2 ** 40,
  /** Changes of what is shared that come together are told together. */
  settleMs: 1_000
}

/** What the parts of a node are to this one. */
export interface SuperPeersParts {
  protocol: {
    command(command: SuperPeerCommand): void
    setRole(part: Part): void
    setStrength(strength: Strength): void
    setPopulation(about: number | undefined): void
    readonly canAsk: boolean
    readonly isResting: boolean
    /** Live super-peers that are known, and about how many clients all of them have. */
    readonly known: readonly Peer[]
    readonly clientsOfAll: number
    readonly role: Role
  }
  overlay: {
    join(contact: Peer | undefined): void
    leave(): void
    resize(neighbours: number): void
    /** `about`: how many peers seem to be in it, this one included. */
    readonly population: { readonly about?: number | undefined; readonly atLeast: number }
    views(): { active: readonly Peer[]; passive: readonly Peer[] }
  }
  /** The search over the overlay. */
  search(command: SearchCommand): void
  /** What this node shares, so many files at most. */
  files(limit: number): Iterable<CatalogueHit>
  measure(): Strength
  part: Part
  /** What clients can be found by has changed. */
  onKeys(): void
  /** This node's own part, or the super-peers that it is attached to, have changed. */
  onChange(): void
  /** Of this node's own searches, when super-peers were asked. */
  onSearchEvent(event: SupersSearchEvent): void
}

type AskEvent = Extract<SuperPeerEvent, { type: 'search' }>

/**
 * The super-peer protocol of a node, wired to the overlay, to the search over it and to what is shared here. A client leaves
 * the overlay and asks its super-peers; a super-peer has more neighbours there and searches for its clients.
 */
export class SuperPeers {
  readonly #parts: SuperPeersParts
  readonly #forClients: Searches
  readonly #asks = new Map<number, AbortController>() // BOUNDED by the protocol's maxAsks
  /** Searches of our own that super-peers were asked for. BOUNDED by those that run. */
  readonly #asked = new Set<number>()
  #measuring: NodeJS.Timeout | undefined
  #telling: NodeJS.Timeout | undefined
  #isRunning = false

  constructor(parts: SuperPeersParts) {
    const { maxRunning, firstNumber } = superPeersConfig
    this.#parts = parts
    this.#forClients = new Searches({ command: command => parts.search(command), maxRunning, firstNumber })
  }

  start(): void {
    this.#isRunning = true
    this.#parts.protocol.setRole(this.#parts.part)
    this.#tellShared()
    this.#measureIn(superPeersConfig.firstMs)
  }

  stop(): void {
    this.#isRunning = false
    clearTimeout(this.#measuring)
    clearTimeout(this.#telling)
    this.#forClients.close()
  }

  /** What this node shares may have changed. */
  changed(): void {
    if (!this.#isRunning || this.#telling !== undefined) return
    this.#telling = setTimeout(() => this.#tellShared(), superPeersConfig.settleMs)
    this.#telling.unref()
  }

  /** About how many other peers there are, those included that have left the overlay to super-peers. */
  get others(): number | undefined {
    const { protocol, overlay } = this.#parts
    const { about } = overlay.population
    const supers = protocol.known.length + (protocol.role === 'super' ? 1 : 0)
    if (supers === 0) return about === undefined ? undefined : about - 1
    const inOverlay = protocol.isResting ? supers : Math.max(about ?? 0, supers)
    return Math.max(inOverlay + protocol.clientsOfAll - 1, 0)
  }

  /** Peers that there are for all that is known; an estimate of all takes minutes, and whoever could serve waits for it. */
  get #atLeast(): number {
    const { overlay } = this.#parts
    const { active, passive } = overlay.views()
    return Math.max((this.others ?? 0) + 1, overlay.population.atLeast, active.length + passive.length + 1)
  }

  /** A search of this node's own: its super-peers are asked while it has some and has left the overlay to them. */
  command(command: SearchCommand): void {
    const { protocol, search } = this.#parts
    if (command.type === 'search' && protocol.isResting && protocol.canAsk) {
      this.#asked.add(command.search)
      protocol.command(command)
    } else if (command.type === 'stop' && this.#asked.delete(command.search)) protocol.command(command)
    else search(command)
  }

  /** What a proof has shown of a hit of this node's own search, if super-peers told it. */
  judge(search: number, holder: Peer, id: FileId, good: boolean): void {
    this.#parts.protocol.command({ type: 'verdict', search, holder, id, good })
  }

  /** What the search over the overlay tells: true when it was for a client. */
  onSearchEvent(event: SearchEvent): boolean {
    if (event.search < superPeersConfig.firstNumber) return false
    this.#forClients.onEvent(event)
    return true
  }

  onEvent(event: SuperPeerEvent): void {
    const { overlay, onKeys, onChange, onSearchEvent } = this.#parts
    switch (event.type) {
      case 'role':
        overlay.resize(event.role === 'super' ? superPeersConfig.neighbours : overlayConfig.activeSize)
        onChange()
        return
      case 'attached':
        onChange()
        return
      case 'resting': {
        // nobody may be known of whom is known for sure that it is there, just when all super-peers are gone
        if (event.resting) overlay.leave()
        else overlay.join(this.#parts.protocol.known[0])
        return
      }
      case 'keys':
        onKeys()
        return
      case 'search':
        void this.#answer(event)
        return
      case 'stopSearch':
        this.#asks.get(event.ask)?.abort()
        return
      case 'hits':
        onSearchEvent(event)
        return
      case 'searchDone':
        this.#asked.delete(event.search)
        onSearchEvent({ ...event, bySuperPeers: true })
        return
    }
  }

  async #answer({ ask, query, want, limit, budget, timeoutMs }: AskEvent): Promise<void> {
    const { protocol } = this.#parts
    const command = (told: SuperPeerCommand): void => protocol.command(told)
    const abort = new AbortController()
    this.#asks.set(ask, abort)
    try {
      const { peersAsked, messages, complete, more } = await this.#forClients.run(
        {
          query,
          want,
          limit,
          budget,
          timeoutMs,
          onHits({ holder, hops, hits }) {
            command({ type: 'found', ask, holder, hops, hits })
          }
        },
        abort.signal
      )
      command({ type: 'searched', ask, account: { peersAsked, messages, complete, more } })
    } catch {
      // too many run, or the node stops
      command({ type: 'searched', ask, account: { peersAsked: 0, messages: 0, complete: false, more: true } })
    } finally {
      this.#asks.delete(ask)
    }
  }

  #tellShared(): void {
    this.#telling = undefined
    if (!this.#isRunning) return
    const { protocol, files } = this.#parts
    protocol.command({ type: 'catalogue', items: files(superPeerLimits.maxItems) })
  }

  #measureIn(ms: number): void {
    this.#measuring = setTimeout(() => {
      const { protocol, measure } = this.#parts
      protocol.setStrength(measure())
      protocol.setPopulation(this.#atLeast)
      this.#measureIn(superPeersConfig.measureMs)
    }, ms)
    this.#measuring.unref()
  }
}
