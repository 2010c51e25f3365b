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

/** One reason to be in a swarm. The node is in it as long as there is one. */
export interface Membership {
  update(moved: Moved): void
  /** More peers are needed. */
  more(): void
  /** Idempotent. */
  leave(): void
}

interface Member {
  left: number
  onPeers: Announced['onPeers']
  /** Undefined while its addresses are looked up. */
  tiers: Peer[][] | undefined
}

interface Entry {
  readonly members: Set<Member> // BOUNDED by the node's shares, transfers and those who look into a target
  /** The tiers that the tracker protocol was told last; undefined while it knows nothing of the swarm. */
  told: Peer[][] | undefined
}

/** Tells trackers of the swarms that this node is in, and the swarms of the peers that the trackers name. */
export class Announcer {
  readonly #command: (command: TrackerCommand) => void
  readonly #reach: Pick<Reach, 'learn'>
  readonly #swarms = new Map<SwarmId, Entry>() // BOUNDED by the node's shares and transfers

  constructor(command: (command: TrackerCommand) => void, reach: Pick<Reach, 'learn'>) {
    this.#command = command
    this.#reach = reach
  }

  /**
   * Takes part in a swarm for a reason of its own: others that are in it stay when this one leaves. The trackers of all
   * are told. Addresses that cannot be read are left out.
   */
  join(swarm: SwarmId, { trackers, moved, onPeers }: Announced): Membership {
    const member: Member = { left: moved.left, onPeers, tiers: undefined }
    let entry = this.#swarms.get(swarm)
    if (entry === undefined) {
      entry = { members: new Set(), told: undefined }
      this.#swarms.set(swarm, entry)
    }
    const { members } = entry
    members.add(member)
    void this.#learn(trackers).then(tiers => {
      member.tiers = tiers
      if (members.has(member)) this.#settle(swarm)
    })
    return {
      update: ({ left, uploaded, downloaded }) => {
        member.left = left
        if (!members.has(member) || this.#swarms.get(swarm)?.told === undefined) return
        this.#command({ type: 'update', swarm, left: leastLeft(members), uploaded, downloaded })
      },
      more: () => {
        if (members.has(member) && this.#swarms.get(swarm)?.told !== undefined) this.#command({ type: 'more', swarm })
      },
      leave: () => {
        if (members.delete(member)) this.#settle(swarm)
      }
    }
  }

  /** What the tracker protocol tells. */
  onEvent(event: TrackerEvent): void {
    if (event.type !== 'peers') return
    for (const { onPeers } of [...(this.#swarms.get(event.swarm)?.members ?? [])]) onPeers(event.peers)
  }

  async #learn(trackers: Announced['trackers']): Promise<Peer[][]> {
    const tiers: Peer[][] = []
    for (const tier of trackers) {
      const peers = await Promise.all(tier.map(address => this.#reach.learn(address)))
      tiers.push(peers.filter(peer => peer !== undefined))
    }
    return tiers
  }

  /** Makes what the tracker protocol knows of a swarm what its members want. */
  #settle(swarm: SwarmId): void {
    const entry = this.#swarms.get(swarm)
    if (entry === undefined) return
    const { members, told } = entry
    if (members.size === 0) this.#swarms.delete(swarm)
    // the trackers of one that has just joined are known in a moment
    else if ([...members].some(({ tiers }) => tiers === undefined)) return
    const tiers = tiersOf(members)
    if (tiers.length === 0) {
      entry.told = undefined
      if (told !== undefined) this.#command({ type: 'leave', swarm })
    } else if (told === undefined || !isSame(told, tiers)) {
      entry.told = tiers
      this.#command({ type: 'join', swarm, tiers, left: leastLeft(members) })
    }
  }
}

/** One tracker may have several addresses, and be named by several members. */
function tiersOf(members: ReadonlySet<Member>): Peer[][] {
  const seen = new Set<Peer>()
  const all = [...members].flatMap(({ tiers = [] }) => tiers)
  return all.map(tier => tier.filter(peer => !seen.has(peer) && seen.add(peer))).filter(tier => tier.length > 0)
}

/** Who has everything is a seed, whatever else the node does with the swarm. */
function leastLeft(members: ReadonlySet<Member>): number {
  return Math.min(...[...members].map(({ left }) => left))
}

function isSame(a: Peer[][], b: Peer[][]): boolean {
  return a.length === b.length && a.every((tier, i) => tier.join() === b[i]?.join())
}
