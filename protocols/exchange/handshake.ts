import { DecodeError } from '../core/codec.ts'

/** pstrlen, protocol name, 8 reserved bytes, 20 of the swarm, 20 of the peer (BEP 3). */
export const HANDSHAKE_BYTES = 68
const SWARM_AT = 28
const PEER_AT = 48
const PROTOCOL = new TextEncoder().encode('\x13BitTorrent protocol')
const CLIENT = new TextEncoder().encode('-SH0010-') // BEP 20

export interface WireHandshake {
  /** The first 20 bytes of the swarm's id. */
  readonly swarm: Uint8Array
  readonly peerId: Uint8Array
  readonly features: Features
}

/** What both sides must have set for it to count. */
export interface Features {
  /** BEP 6: have all, have none, reject. */
  readonly fast: boolean
  /** BEP 10. */
  readonly extended: boolean
  /** BEP 52: hash requests. */
  readonly v2: boolean
}

export const ourFeatures: Features = { fast: true, extended: true, v2: true }

export function encodeHandshake({ swarm, peerId, features }: WireHandshake): Uint8Array {
  if (swarm.byteLength !== 20 || peerId.byteLength !== 20) throw new RangeError('a handshake names 20 bytes of each')
  const bytes = new Uint8Array(HANDSHAKE_BYTES)
  bytes.set(PROTOCOL)
  if (features.extended) bytes[25]! |= 0x10
  if (features.fast) bytes[27]! |= 0x04
  if (features.v2) bytes[27]! |= 0x10
  bytes.set(swarm, SWARM_AT)
  bytes.set(peerId, PEER_AT)
  return bytes
}

/** Unknown reserved bits are ignored. @throws DecodeError */
export function decodeHandshake(bytes: Uint8Array): WireHandshake {
  if (bytes.byteLength !== HANDSHAKE_BYTES) throw new DecodeError(`a handshake of ${bytes.byteLength} bytes`)
  if (PROTOCOL.some((byte, i) => bytes[i] !== byte)) throw new DecodeError('not the BitTorrent protocol')
  return {
    swarm: bytes.slice(SWARM_AT, PEER_AT),
    peerId: bytes.slice(PEER_AT),
    features: {
      extended: (bytes[25]! & 0x10) !== 0,
      fast: (bytes[27]! & 0x04) !== 0,
      v2: (bytes[27]! & 0x10) !== 0
    }
  }
}

/** The 20 bytes that name a peer of Shoal: the client's mark and the beginning of a digest of its libp2p id. */
export function wirePeerId(digest: Uint8Array): Uint8Array {
  const id = new Uint8Array(20)
  id.set(CLIENT)
  id.set(digest.subarray(0, 12), CLIENT.byteLength)
  return id
}
