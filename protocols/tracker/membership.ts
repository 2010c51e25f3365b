import type { SwarmId } from '../core/ids.ts'
import type { Peer } from '../core/peer.ts'
import type { AnnounceEvent } from './messages.ts'
import type { Tiers } from './tiers.ts'

export const NEVER = Number.POSITIVE_INFINITY

/** One swarm that this node takes part in, as its announcer sees it. */
export interface Membership {
  readonly swarm: SwarmId
  tiers: Tiers
  left: number
  uploaded: number
  downloaded: number
  /** `left` has been 0 in this membership: it is completed once. */
  complete: boolean
  /** A tracker still has to be told `completed`. */
  owesCompleted: boolean
  /** The announce that is under way. */
  asked: { readonly tracker: Peer; readonly event: AnnounceEvent; readonly until: number } | undefined
  /** Who answered last. */
  current: Peer | undefined
  /** When the next announce is due; NEVER while one is under way. */
  dueAt: number
  /** When `more` may ask again. */
  moreAt: number
  /** Trackers that were ever asked. BOUNDED by maxTrackers: those that are no longer named leave. */
  readonly standings: Map<Peer, Standing>
}

export interface Standing {
  /** Whether the tracker has us in its account: `asked` is a perhaps. */
  entry: 'none' | 'asked' | 'held'
  askedAt: number
  /** In a row. */
  failures: number
  /** It is left alone until then. */
  retryAt: number
}

export function standingOf(membership: Membership, tracker: Peer): Standing {
  let standing = membership.standings.get(tracker)
  if (standing === undefined) {
    standing = { entry: 'none', askedAt: Number.NEGATIVE_INFINITY, failures: 0, retryAt: Number.NEGATIVE_INFINITY }
    membership.standings.set(tracker, standing)
  }
  return standing
}
