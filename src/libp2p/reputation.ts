import { BoundedMap } from '../../protocols/core/bounded-map.ts'
import type { Peer } from '../../protocols/core/peer.ts'

export const reputationLimits = {
  /** Peers whose misdeeds are remembered. */
  maxPeers: 4_096,
  /** Different reasons kept for one peer. */
  maxReasons: 16,
  /** Misdeeds within `forgetMs` at which a peer is sent away. */
  banAt: 10,
  /** Wrong content counts this much: no honest peer sends any. */
  contentWeight: 5,
  forgetMs: 10 * 60_000,
  banMs: 60 * 60_000
}

interface Account {
  score: number
  since: number
  bannedUntil: number
  reasons: BoundedMap<string, number>
}

/**
 * The account of what peers did wrong, fed by every protocol of the node. A peer that does too much of it is
 * disconnected and not talked to for a while. Old misdeeds are forgotten.
 */
export class Reputation {
  readonly #accounts = new BoundedMap<Peer, Account>(reputationLimits.maxPeers)
  readonly #onBan: (peer: Peer) => void
  readonly #clock: () => number

  constructor(init: { onBan(peer: Peer): void; clock: () => number }) {
    this.#onBan = init.onBan
    this.#clock = init.clock
  }

  /** @param weight 1 for a broken rule, `contentWeight` for wrong content */
  penalise(peer: Peer, reason: string, weight = 1): void {
    const now = this.#clock()
    const account = this.#accountOf(peer, now)
    const text = reason.slice(0, 200)
    account.score += weight
    account.reasons.set(text, (account.reasons.get(text) ?? 0) + 1)
    if (account.score >= reputationLimits.banAt && account.bannedUntil <= now) {
      account.bannedUntil = now + reputationLimits.banMs
      this.#onBan(peer)
    }
  }

  isBanned(peer: Peer): boolean {
    return (this.#accounts.get(peer)?.bannedUntil ?? 0) > this.#clock()
  }

  /** What the peer did wrong; empty for a good one. */
  reasonsOf(peer: Peer): { reason: string; count: number }[] {
    const account = this.#accounts.get(peer)
    return account === undefined ? [] : [...account.reasons].map(([reason, count]) => ({ reason, count }))
  }

  #accountOf(peer: Peer, now: number): Account {
    const known = this.#accounts.get(peer)
    if (known !== undefined && (now - known.since <= reputationLimits.forgetMs || known.bannedUntil > now)) return known
    const account: Account = {
      score: 0,
      since: now,
      bannedUntil: 0,
      reasons: new BoundedMap(reputationLimits.maxReasons)
    }
    this.#accounts.set(peer, account)
    return account
  }
}
