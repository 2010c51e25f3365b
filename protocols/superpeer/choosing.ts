import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import type { GroupOf } from './clients.ts'

export interface Candidate {
  readonly peer: Peer
  /** Clients that it takes still, as far as is known; 0 for one of whom nothing is known. */
  readonly free: number
  /** What it says of itself is not old. */
  readonly isLive: boolean
}

/**
 * The next super-peer to ask: of two that chance shows the one with more room (Mitzenmacher 2001), so that nobody needs to
 * know which has most; none of a network that one of ours is of while there are others; and one of whom nothing is
 * known for sure when there is no other.
 */
export function chooseSuper(
  candidates: readonly Candidate[],
  present: readonly Peer[],
  groupOf: GroupOf,
  rng: Rng
): Peer | undefined {
  const groups = new Set(present.map(groupOf))
  const isOther = ({ peer }: Candidate): boolean => {
    const group = groupOf(peer)
    return group === undefined || !groups.has(group)
  }
  const open = candidates.filter(({ isLive, free }) => isLive && free > 0)
  const vague = candidates.filter(({ isLive }) => !isLive)
  for (const pool of [open.filter(isOther), vague.filter(isOther), open, vague]) {
    if (pool.length === 0) continue
    const [first, second] = rng.sample(pool, 2) as [Candidate, Candidate?]
    return second !== undefined && second.free > first.free ? second.peer : first.peer
  }
  return undefined
}
