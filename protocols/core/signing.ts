import type { Peer } from './peer.ts'

/** Functions of the node that machines are handed: they have no keys themselves. */
export interface Crypto {
  sha256(bytes: Uint8Array): Uint8Array
  /** With this node's key. */
  sign(bytes: Uint8Array): Uint8Array
  /** Whether the peer has signed these bytes. Never throws: a peer without a key that can be known verifies nothing. */
  verify(peer: Peer, bytes: Uint8Array, signature: Uint8Array): boolean
}
