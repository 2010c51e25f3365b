import type { RingId } from '../../../protocols/core/keyspace.ts'
import type { Peer } from '../../../protocols/core/peer.ts'

/** Peers whose place on the ring is their number: 0 to 255 are spread evenly. */
export const idOf = (peer: Peer): RingId => (peer as number).toString(16).padStart(2, '0').padEnd(64, '0') as RingId

export const keyAt = (place: number): RingId => idOf(place as Peer)

export const peers = (...numbers: number[]): Peer[] => numbers as Peer[]
