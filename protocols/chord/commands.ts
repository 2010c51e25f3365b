import type { RingId } from '../core/keyspace.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import type { ChordConfig } from './config.ts'
import type { Fingers } from './fingers.ts'
import type { Place } from './ring.ts'

export type ChordCommand =
  /** Find the owner of a key; answered by `found` or `lookupFailed` with the same id. */
  | {
      readonly type: 'lookup'
      readonly id: number
      readonly key: RingId
      readonly mode?: 'recursive' | 'iterative'
      readonly orCopy?: boolean
      /** By so many routes that have no node in common, at most `maxRoutes`: asked one after another, and no copy. */
      readonly routes?: number
    }
  /** Enter the ring that this peer is on. Peers that connect are tried without a command. Undoes `leave`. */
  | { readonly type: 'join'; readonly contact: Peer }
  /** Say goodbye to the neighbours on the ring, and take no more part in it. */
  | { readonly type: 'leave' }
  /** Neighbours in the random overlay, from which other rings are noticed. */
  | { readonly type: 'neighbourUp'; readonly peer: Peer }
  | { readonly type: 'neighbourDown'; readonly peer: Peer }

export interface ChordInit {
  self: Peer
  rng: Rng
  /** SHA-256 of the peer id, the same for everyone who asks. */
  idOf: (peer: Peer) => RingId
  /** Whether this node has a copy of a record that it does not own, to answer lookups on the way. */
  hasCopy?: (key: RingId, now: number) => boolean
  /** Where it stands, and what it knows, when a ring is not grown but given: for simulations. */
  place?: Place
  fingers?: (table: Fingers) => void
  config?: Partial<ChordConfig>
}
