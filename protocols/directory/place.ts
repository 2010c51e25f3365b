import { isOwned, type RingId, ringShare } from '../core/keyspace.ts'
import type { Peer } from '../core/peer.ts'
import { type DirectoryConfig, directoryLimits } from './config.ts'

/** The keys in (from, to]; all when the two are one point. */
export interface Arc {
  readonly from: RingId
  readonly to: RingId
}

/** Of four arcs of random lengths one sum in a thousand is three times as long as the mean. */
const NEAR_FACTOR = 3

interface Claim extends Arc {
  readonly atMs: number
}

/** Which keys this node is to keep: those it owns, and those of the owners that keep copies here. */
export class Place {
  readonly selfId: RingId
  /** The keys that this node owns, while it knows. */
  arc: Arc | undefined
  predecessor: Peer | undefined
  /** In order, without this node. */
  successors: readonly Peer[] = []
  readonly #self: Peer
  readonly #config: DirectoryConfig
  readonly idOf: (peer: Peer) => RingId
  /** What owners say that they own and keep copies of here. BOUNDED by maxClaims. */
  readonly #claims = new Map<Peer, Claim>()
  /** Since when the arc is what it is. */
  #settledMs = 0

  constructor(init: { self: Peer; idOf: (peer: Peer) => RingId; config: DirectoryConfig }) {
    this.#self = init.self
    this.idOf = init.idOf
    this.#config = init.config
    this.selfId = init.idOf(init.self)
  }

  get replicas(): readonly Peer[] {
    return this.successors.slice(0, this.#config.copies - 1)
  }

  onRing(predecessor: Peer | undefined, successors: readonly Peer[], now: number): void {
    const others = new Set(successors.slice(0, directoryLimits.maxReplicas))
    others.delete(this.#self)
    this.successors = [...others]
    this.predecessor = predecessor === this.#self ? undefined : predecessor
    const from =
      this.predecessor !== undefined ? this.idOf(this.predecessor) : others.size === 0 ? this.selfId : undefined
    if (from === this.arc?.from) return
    this.arc = from === undefined ? undefined : { from, to: this.selfId }
    this.#settledMs = now
  }

  owns(key: RingId): boolean {
    return isIn(this.arc, key)
  }

  /** Whether this node is to have what is under the key. */
  keeps(key: RingId, now: number): boolean {
    return this.owns(key) || this.#fresh(now).some(claim => isIn(claim, key))
  }

  /**
   * Whether this node may be one of the replicas of an owner that does not say so: the key is not farther before it than
   * those of so many nodes are, as densely as its successors lie.
   */
  isNear(key: RingId): boolean {
    const last = this.successors.at(-1)
    if (last === undefined || this.predecessor === undefined) return false
    // the list goes around
    if (last === this.predecessor) return true
    const meanShare = ringShare(this.selfId, this.idOf(last)) / this.successors.length
    return ringShare(key, this.selfId) <= NEAR_FACTOR * this.#config.copies * meanShare
  }

  /** Whether it is to have what this peer brings. */
  takesFrom(peer: Peer, key: RingId): boolean {
    return this.owns(key) || isIn(this.#claims.get(peer), key)
  }

  /**
   * An owner keeps copies of its arc here. It is believed; but of too many only those right before this node are, which
   * nobody can be without an id there.
   */
  onClaim(peer: Peer, from: RingId, now: number): void {
    this.#claims.delete(peer)
    this.#claims.set(peer, { from, to: this.idOf(peer), atMs: now })
    if (this.#claims.size <= directoryLimits.maxClaims) return
    let farthest = peer
    let share = -1
    for (const [claimer, claim] of this.#claims) {
      // those that count no more go first, whoever made them
      const isVoid = now - claim.atMs > this.#config.graceMs || this.#isGone(claim)
      const distance = ringShare(claim.to, this.selfId) + Number(isVoid)
      if (distance > share) [farthest, share] = [claimer, distance]
    }
    this.#claims.delete(farthest)
  }

  /** What to keep as arcs: all else is misplaced. Undefined when the own arc has not been what it is for so long. */
  arcsAtRest(now: number, restMs: number): [Arc, ...Arc[]] | undefined {
    if (this.arc === undefined || now - this.#settledMs < restMs) return undefined
    return [this.arc, ...this.#fresh(now)]
  }

  /** Who has said since that it owns the claimer's own id knows nothing of it: it has gone, or is on another ring. */
  #isGone({ to, atMs }: Claim): boolean {
    if (isIn(this.arc, to)) return true
    return [...this.#claims.values()].some(claim => claim.to !== to && claim.atMs >= atMs && isIn(claim, to))
  }

  #fresh(now: number): Claim[] {
    return [...this.#claims.values()].filter(({ atMs }) => now - atMs <= this.#config.graceMs)
  }
}

export function isIn(arc: Arc | undefined, key: RingId): boolean {
  return arc !== undefined && isOwned(arc.from, key, arc.to)
}
