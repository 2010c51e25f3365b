import { createHash } from 'node:crypto'
import { BoundedMap } from '../core/bounded-map.ts'
import { type RingId, ringIdFromBytes } from '../core/keyspace.ts'
import type { Peer } from '../core/peer.ts'
import { peerToBytes } from './peer-ids.ts'

/** Ids that are remembered, since everything is compared by them; any other is computed anew. */
const MAX_IDS = 8_192

/** Where a peer stands on the ring: the SHA-256 of its peer id's bytes. Nobody chooses it, and everyone can check it. */
export class RingIds {
  readonly #known = new BoundedMap<Peer, RingId>(MAX_IDS)

  readonly idOf = (peer: Peer): RingId => {
    const known = this.#known.get(peer)
    if (known !== undefined) return known
    const id = ringIdFromBytes(createHash('sha256').update(peerToBytes(peer)).digest())
    this.#known.set(peer, id)
    return id
  }
}
