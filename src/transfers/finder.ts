import type { FileId, Infohash, SwarmId } from '../../protocols/core/ids.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import type { Hit } from '../../protocols/search/index.ts'
import type { Sources as DirectorySources } from '../directory/finding.ts'
import type { Reach } from '../libp2p/reach.ts'
import type { Searches } from '../search/searches.ts'
import type { Announcer, Membership, Moved } from './announcer.ts'
import type { Leads } from './target.ts'

export const finderConfig = {
  /** A search for the id of the content, again at growing intervals while more peers are needed. */
  searchFirstMs: 1_000,
  searchLastMs: 60_000,
  searchTimeoutMs: 5_000,
  /** Hits of one search that are looked at. */
  maxHits: 200,
  /** Trackers that the directory names and that are asked. */
  maxTrackers: 4
}

export interface FinderParts {
  searches: Searches
  announcer: Announcer
  directory: DirectorySources
  reach: Reach
}

export interface FinderInit {
  id: SwarmId
  leads: Leads
  /** What trackers are told at first. */
  moved: Moved
  /** A peer that is said to have the content, and the hit that says so if it was a search; may come again. */
  onPeer(peer: Peer, hit?: Hit): void
  /** Whether a hit for the id is what is looked for; all are when absent. */
  accepts?(hit: Hit): boolean
}

/**
 * Looks for peers that have a swarm's content until it is stopped, by every way this node has: what the user's link
 * named, the trackers, a search for the id, and the global directory.
 */
export class Finder {
  readonly #parts: FinderParts
  readonly #init: FinderInit
  readonly #abort = new AbortController()
  #waitMs = finderConfig.searchFirstMs
  #timer: ReturnType<typeof setTimeout> | undefined
  #searching: Promise<void> | undefined
  #isEnough = false
  /** Trackers that holders in the directory named. */
  #led: Membership | undefined
  /** This node's part in the swarm, for as long as whoever looks wants it: it does not end with the looking. */
  readonly membership: Membership

  constructor(parts: FinderParts, init: FinderInit) {
    this.#parts = parts
    this.#init = init
    this.membership = parts.announcer.join(init.id, {
      trackers: init.leads.trackers,
      moved: init.moved,
      onPeers: peers => {
        if (this.#abort.signal.aborted) return
        for (const peer of peers) init.onPeer(peer)
      }
    })
  }

  start(): void {
    const { leads, onPeer } = this.#init
    for (const holder of leads.holders) onPeer(holder as Peer)
    void this.#learn(leads.addresses)
    // who named holders has just searched for them
    if (leads.holders.length > 0) this.#later()
    else void this.#search()
  }

  stop(): void {
    this.#abort.abort()
    clearTimeout(this.#timer)
    this.#led?.leave()
  }

  /** While there are peers enough, nobody is searched for. */
  set isEnough(isEnough: boolean) {
    const wasEnough = this.#isEnough
    this.#isEnough = isEnough
    if (!wasEnough || isEnough) return
    this.#waitMs = finderConfig.searchFirstMs
    this.membership.more()
    this.#later()
  }

  async #learn(addresses: readonly string[]): Promise<void> {
    for (const address of addresses) {
      const peer = await this.#parts.reach.learn(address)
      if (peer !== undefined && !this.#abort.signal.aborted) this.#init.onPeer(peer)
    }
  }

  async #search(): Promise<void> {
    if (this.#abort.signal.aborted || this.#searching !== undefined) return
    const { id, onPeer, accepts = () => true } = this.#init
    const search = this.#parts.searches
      .run(
        {
          query: { kind: 'id', id: id as FileId | Infohash },
          limit: finderConfig.maxHits,
          timeoutMs: finderConfig.searchTimeoutMs,
          onHits: ({ holder, hits }) => {
            for (const hit of hits) {
              if ((hit.id === id || hit.infohash === id) && accepts(hit)) onPeer(holder, hit)
            }
          }
        },
        this.#abort.signal
      )
      .catch(() => {})
    this.#searching = Promise.all([search, this.#askDirectory()]).then(() => {})
    await this.#searching
    this.#searching = undefined
    this.#later()
  }

  async #askDirectory(): Promise<void> {
    const { id, onPeer, accepts = () => true, moved } = this.#init
    const { signal } = this.#abort
    const holders = await this.#parts.directory.holdersOf(id, signal)
    if (signal.aborted) return
    for (const { peer, hit } of holders) if (hit === undefined || accepts(hit)) onPeer(peer, hit)
    const trackers = new Set(holders.flatMap(holder => holder.trackers))
    if (trackers.size === 0 || this.#led !== undefined) return
    this.#led = this.#parts.announcer.join(id, {
      trackers: [[...trackers].slice(0, finderConfig.maxTrackers)],
      moved,
      onPeers: peers => {
        if (!signal.aborted) for (const peer of peers) onPeer(peer)
      }
    })
  }

  #later(): void {
    clearTimeout(this.#timer)
    if (this.#abort.signal.aborted || this.#isEnough) return
    this.#timer = setTimeout(() => void this.#search(), this.#waitMs)
    this.#timer.unref()
    this.#waitMs = Math.min(this.#waitMs * 2, finderConfig.searchLastMs)
  }
}
