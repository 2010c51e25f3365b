import { ByteReader } from '../core/byte-reader.ts'
import { ByteWriter } from '../core/byte-writer.ts'
import { type Codec, DecodeError } from '../core/codec.ts'
import type { Peer, PeerCodec } from '../core/peer.ts'
import { overlayLimits } from './config.ts'

export type OverlayMessage =
  /** A newcomer asks its first contact to be passed on. */
  | { readonly type: 'join' }
  /** The newcomer on its walk. */
  | { readonly type: 'forwardJoin'; readonly newcomer: Peer; readonly walk: number }
  /** Be my neighbour. `urgent` when the sender has none: it may not be refused. */
  | { readonly type: 'neighbour'; readonly urgent: boolean }
  | { readonly type: 'neighbourReply'; readonly accepted: boolean }
  /** We are not, or no longer, neighbours. `leaving`: do not remember me either. */
  | { readonly type: 'disconnect'; readonly leaving: boolean }
  /** `nonce` says which shuffle of the origin's it is, so that only who has seen it can answer it. */
  | {
      readonly type: 'shuffle'
      readonly origin: Peer
      readonly nonce: number
      readonly walk: number
      readonly peers: readonly Peer[]
    }
  | { readonly type: 'shuffleReply'; readonly nonce: number; readonly peers: readonly Peer[] }
  /** Are we still neighbours? */
  | { readonly type: 'alive'; readonly answer: boolean }
  /** Take me in place of a neighbour of yours, which is to be the neighbour of `gives`: that is one of mine. */
  | { readonly type: 'swap'; readonly gives: Peer }
  /** The neighbour that went for the sender of the swap; none when it is refused. */
  | { readonly type: 'swapReply'; readonly gives?: Peer }
  /** We are no longer neighbours: `to` is to be yours in my place, and has a free one for you. */
  | { readonly type: 'handover'; readonly to: Peer }

const TYPES = [
  'join',
  'forwardJoin',
  'neighbour',
  'neighbourReply',
  'disconnect',
  'shuffle',
  'shuffleReply',
  'alive',
  'swap',
  'swapReply',
  'handover'
] as const

/** One byte of type, then the fields in the order of the README. */
export function overlayCodec(peers: PeerCodec): Codec<OverlayMessage> {
  const writePeer = (writer: ByteWriter, peer: Peer): void => peers.write(writer, peer)
  const writePeers = (writer: ByteWriter, list: readonly Peer[]): void => {
    if (list.length > overlayLimits.maxPeersInMessage) throw new RangeError(`a message with ${list.length} peers`)
    writer.list(list, writePeer)
  }
  const readPeer = (reader: ByteReader): Peer => peers.read(reader)
  return {
    encode(message) {
      const writer = new ByteWriter().u8(TYPES.indexOf(message.type))
      switch (message.type) {
        case 'join':
          break
        case 'forwardJoin':
          writePeer(writer, message.newcomer)
          writer.u8(message.walk)
          break
        case 'neighbour':
          writer.u8(Number(message.urgent))
          break
        case 'neighbourReply':
          writer.u8(Number(message.accepted))
          break
        case 'disconnect':
          writer.u8(Number(message.leaving))
          break
        case 'shuffle':
          writePeer(writer, message.origin)
          writer.u32(message.nonce).u8(message.walk)
          writePeers(writer, message.peers)
          break
        case 'shuffleReply':
          writer.u32(message.nonce)
          writePeers(writer, message.peers)
          break
        case 'alive':
          writer.u8(Number(message.answer))
          break
        case 'swap':
          writePeer(writer, message.gives)
          break
        case 'swapReply':
          writer.u8(Number(message.gives !== undefined))
          if (message.gives !== undefined) writePeer(writer, message.gives)
          break
        case 'handover':
          writePeer(writer, message.to)
          break
      }
      return writer.finish()
    },

    decode(bytes) {
      const reader = new ByteReader(bytes)
      const message = read(reader, readPeer)
      reader.end()
      return message
    }
  }
}

function read(reader: ByteReader, readPeer: (reader: ByteReader) => Peer): OverlayMessage {
  const type = TYPES[reader.u8()]
  if (type === undefined) throw new DecodeError('a message of unknown type')
  switch (type) {
    case 'join':
      return { type }
    case 'forwardJoin':
      return { type, newcomer: readPeer(reader), walk: readWalk(reader) }
    case 'neighbour':
      return { type, urgent: readFlag(reader) }
    case 'neighbourReply':
      return { type, accepted: readFlag(reader) }
    case 'disconnect':
      return { type, leaving: readFlag(reader) }
    case 'shuffle':
      return {
        type,
        origin: readPeer(reader),
        nonce: reader.u32(),
        walk: readWalk(reader),
        peers: reader.list(overlayLimits.maxPeersInMessage, readPeer)
      }
    case 'shuffleReply':
      return { type, nonce: reader.u32(), peers: reader.list(overlayLimits.maxPeersInMessage, readPeer) }
    case 'alive':
      return { type, answer: readFlag(reader) }
    case 'swap':
      return { type, gives: readPeer(reader) }
    case 'swapReply':
      return readFlag(reader) ? { type, gives: readPeer(reader) } : { type }
    case 'handover':
      return { type, to: readPeer(reader) }
  }
}

/** Longer walks are cut, not refused: other settings are no offence. */
function readWalk(reader: ByteReader): number {
  return Math.min(reader.u8(), overlayLimits.maxWalk)
}

function readFlag(reader: ByteReader): boolean {
  const flag = reader.u8()
  if (flag > 1) throw new DecodeError('a flag that is neither 0 nor 1')
  return flag === 1
}
