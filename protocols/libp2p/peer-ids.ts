import type { PeerId } from '@libp2p/interface'
import { peerIdFromMultihash, peerIdFromString } from '@libp2p/peer-id'
import { decode as decodeMultihash } from 'multiformats/hashes/digest'
import { DecodeError } from '../core/codec.ts'
import type { Peer } from '../core/peer.ts'

/** A machine's name for a peer of the network. */
export function peerFromId(id: PeerId): Peer {
  return id.toString() as Peer
}

/** @throws when it is no peer of the network */
export function idFromPeer(peer: Peer): PeerId {
  return peerIdFromString(peer as string)
}

/** The peer id in bytes as libp2p writes it: a multihash. */
export function peerToBytes(peer: Peer): Uint8Array {
  return idFromPeer(peer).toMultihash().bytes
}

/** @throws DecodeError */
export function peerFromBytes(bytes: Uint8Array): Peer {
  try {
    return peerFromId(peerIdFromMultihash(decodeMultihash(bytes)))
  } catch {
    throw new DecodeError('not a peer id')
  }
}
