import { type Place, Ring, type RingAction } from '../../../protocols/chord/ring.ts'
import type { RingId } from '../../../protocols/core/keyspace.ts'
import type { Peer } from '../../../protocols/core/peer.ts'

/** What a node of the model does: the part of `Ring` that others see. */
export interface NodeRules {
  /** All that it knows, as plain data; two nodes in one place with equal states behave equally. */
  readonly state: object
  readonly place: Place
  readonly isBusy: boolean
  join(member: Peer): RingAction[]
  stabilize(): RingAction[]
  onPlace(from: Peer, place: Place): RingAction[]
  onBusy(from: Peer): void
  onFailed(peer: Peer): RingAction[]
  onPong(peer: Peer): RingAction[]
  onNotify(from: Peer): RingAction[]
  onLeaving(from: Peer, place: Place): RingAction[]
}

export interface NodeInit {
  readonly self: Peer
  readonly idOf: (peer: Peer) => RingId
  readonly length: number
  readonly state: object
}

export interface Rules {
  readonly name: string
  readonly create: (init: NodeInit) => NodeRules
}

/** Those of `protocols/chord/ring.ts`. */
export const correctedRules: Rules = { name: 'corrected', create: init => new Ring(init) }

/** Peers of the model are 0, 1, 2 … clockwise. */
export function modelIdOf(peer: Peer): RingId {
  return peer.toString(16).padStart(64, '0') as RingId
}
