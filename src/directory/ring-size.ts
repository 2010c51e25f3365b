import type { Place } from '../../protocols/chord/ring.ts'
import { type RingId, ringShare } from '../../protocols/core/keyspace.ts'
import type { Peer } from '../../protocols/core/peer.ts'

/**
 * About how many nodes are on the ring, this one included: exact while the list of successors goes around it, else from
 * how dense the list is. With 16 of them two of three guesses are within a quarter.
 */
export function ringSize(selfId: RingId, { predecessor, successors }: Place, idOf: (peer: Peer) => RingId): number {
  const last = successors.at(-1)
  if (last === undefined) return 1
  const atLeast = successors.length + 1
  if (last === predecessor) return atLeast
  // of n random points the k-th is so far away that (k - 1) / distance is n on average
  const guess = 1 + (successors.length - 1) / ringShare(selfId, idOf(last))
  return Math.max(Math.round(guess), atLeast)
}
