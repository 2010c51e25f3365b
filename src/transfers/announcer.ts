import type { SwarmId } from '../../protocols/core/ids.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import type { TrackerCommand, TrackerEvent } from '../../protocols/tracker/index.ts'
import type { Reach } from '../libp2p/reach.ts'

/** What a swarm has moved, as trackers are told. */
export interface Moved {
  left: number
  uploaded: number
  downloaded: number
}

export interface Announced {
  /** Tiers of multiaddrs (BEP 12). */
  trackers: readonly (readonly string[])[]
  moved: Moved
  onPeers(peers: readonly Peer[]): void
}

/** Tells trackers of the swarms that this node is in, and the swarms of the peers that the trackers name. */
export class Announcer {
  readonly #command: (command: TrackerCommand) => void
  readonly #reach: Reach
  readonly #swarms = new Map<SwarmId, (peers: readonly Peer[]) => void>() // BOUNDED by the node's shares and transfers

  constructor(command: (command: TrackerCommand) => void, reach: Reach) {
    this.#command = command
    this.#reach = reach
  }

  /** Takes part in a swarm; again: with other trackers. Addresses that cannot be read are left out. */
  async join(swarm: SwarmId, { trackers, moved, onPeers }: Announced): Promise<void> {
    this.#swarms.set(swarm, onPeers)
    const tiers: Peer[][] = []
    const seen = new Set<Peer>() // one tracker may have several addresses
    for (const tier of trackers) {
      const peers = await Promise.all(tier.map(address => this.#reach.learn(address)))
      const news = peers.filter(peer => peer !== undefined && !seen.has(peer) && seen.add(peer)) as Peer[]
      if (news.length > 0) tiers.push(news)
    }
    // it may have been left while the addresses were looked up
    if (tiers.length === 0 || this.#swarms.get(swarm) !== onPeers) return
    this.#command({ type: 'join', swarm, tiers, left: moved.left })
  }

  update(swarm: SwarmId, moved: Moved): void {
    if (this.#swarms.has(swarm)) this.#command({ type: 'update', swarm, ...moved })
  }

  /** More peers are needed. */
  more(swarm: SwarmId): void {
    if (this.#swarms.has(swarm)) this.#command({ type: 'more', swarm })
  }

  leave(swarm: SwarmId): void {
    if (this.#swarms.delete(swarm)) this.#command({ type: 'leave', swarm })
  }

  /** What the tracker protocol tells. */
  onEvent(event: TrackerEvent): void {
    if (event.type === 'peers') this.#swarms.get(event.swarm)?.(event.peers)
  }
}
