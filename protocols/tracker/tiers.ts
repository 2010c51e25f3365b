import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import { trackerLimits } from './config.ts'

/**
 * The trackers of one swarm in the order in which they are asked (BEP 12): tier after tier, each in an order of our own
 * that is random at first and then led by who answers. This node itself comes last in its tier: its own account is kept
 * up to date anyway.
 */
export class Tiers {
  readonly #tiers: Peer[][] // BOUNDED by maxTrackers

  constructor(tiers: readonly (readonly Peer[])[], self: Peer, rng: Rng) {
    const named = new Set<Peer>()
    this.#tiers = tiers.map(tier => {
      const fresh: Peer[] = []
      for (const tracker of tier) {
        if (named.size >= trackerLimits.maxTrackers) break
        if (named.has(tracker)) continue
        named.add(tracker)
        fresh.push(tracker)
      }
      const others = rng.sample(
        fresh.filter(tracker => tracker !== self),
        fresh.length
      )
      return fresh.includes(self) ? [...others, self] : others
    })
  }

  *[Symbol.iterator](): Generator<Peer> {
    for (const tier of this.#tiers) yield* tier
  }

  has(tracker: Peer): boolean {
    return this.#tiers.some(tier => tier.includes(tracker))
  }

  /** Whether `a` is asked before `b`. */
  isBefore(a: Peer, b: Peer): boolean {
    for (const tracker of this) {
      if (tracker === b) return false
      if (tracker === a) return true
    }
    return false
  }

  /** It has answered: it is asked first of its tier from now on. */
  toFront(tracker: Peer): void {
    for (const tier of this.#tiers) {
      const at = tier.indexOf(tracker)
      if (at <= 0) continue
      tier.splice(at, 1)
      tier.unshift(tracker)
    }
  }
}
