import type { Peer } from '../core/peer.ts'
import { searchLimits } from './config.ts'
import type { Report } from './messages.ts'

/**
 * One node's part in the echo of a query: whom it asked, who has not reported yet, and what the reports add up to
 * (Dijkstra and Scholten 1980, for a flood: every query message is answered by one report).
 */
export class Echo {
  /** BOUNDED by the neighbours of one moment; of a search of ours by those that come up while it runs. */
  readonly #asked = new Set<Peer>()
  readonly #open = new Set<Peer>() // BOUNDED by #asked
  #peers: number
  #messages = 0
  #complete = true
  #given = false

  /** `peers`: how many this node itself counts for. */
  constructor(peers: number) {
    this.#peers = peers
  }

  /** Whether nobody is waited for. */
  get isOver(): boolean {
    return this.#given || this.#open.size === 0
  }

  get sum(): Report {
    return {
      peers: Math.min(this.#peers, searchLimits.maxReportedPeers),
      messages: Math.min(this.#messages, searchLimits.maxReportedMessages),
      complete: this.#complete
    }
  }

  hasAsked(peer: Peer): boolean {
    return this.#asked.has(peer)
  }

  ask(peer: Peer): void {
    this.#asked.add(peer)
    this.#open.add(peer)
    this.#messages++
  }

  /** Returns false when no report of this peer is due. One that comes too late is due: nobody reads the sum any more. */
  report(from: Peer, report: Report): boolean {
    if (!this.#open.delete(from)) return false
    this.#peers += report.peers
    this.#messages += report.messages
    this.#complete &&= report.complete
    return true
  }

  /** The peer cannot be reached any more. It may be asked again. */
  lose(peer: Peer): void {
    this.#asked.delete(peer)
    if (this.#open.delete(peer)) this.#complete = false
  }

  /** Waits no longer. */
  giveUp(): void {
    if (!this.isOver) this.#complete = false
    this.#given = true
  }
}
