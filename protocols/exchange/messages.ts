import { ByteReader } from '../core/byte-reader.ts'
import { ByteWriter } from '../core/byte-writer.ts'
import { DecodeError } from '../core/codec.ts'
import { type FileId, idFromBytes, idToBytes } from '../core/ids.ts'
import {
  ascii,
  type Bencode,
  decodeBencode,
  encodeBencode,
  HASH_BYTES,
  type HashRange,
  isHashRange,
  MAX_RANGE_HASHES,
  uncleCount
} from '../metainfo/index.ts'
import { exchangeLimits } from './config.ts'
import type { Features } from './handshake.ts'

/** A run of bytes within one piece. */
export interface Chunk {
  readonly piece: number
  readonly begin: number
  readonly length: number
}

/** What a machine sends and receives: BitTorrent's peer messages (BEP 3, 6, 10, 52). Bytes of pieces are not in it. */
export type ExchangeMessage =
  /** First of all, on both sides. Not a frame: its bytes come before the first one. */
  | { readonly type: 'handshake'; readonly features: Features }
  | { readonly type: 'keepAlive' | 'choke' | 'unchoke' | 'interested' | 'notInterested' }
  | PiecesMessage
  | { readonly type: 'have' | 'suggest' | 'allowedFast'; readonly piece: number }
  | ({ readonly type: 'request' | 'cancel' | 'reject' } & Chunk)
  | ({ readonly type: 'piece' } & Chunk)
  | { readonly type: 'hashRequest' | 'hashReject'; readonly root: FileId; readonly range: HashRange }
  | { readonly type: 'hashes'; readonly root: FileId; readonly range: HashRange; readonly hashes: Uint8Array }
  /** BEP 10 handshake. Absent: the peer does not say. */
  | {
      readonly type: 'extendedHandshake'
      readonly maxRequestBytes?: number
      readonly requestQueue?: number
      /** Bytes of all files of the swarm, as the peer knows it. */
      readonly contentBytes?: number
    }
  /** An extended message or a message id that we do not know. */
  | { readonly type: 'unknown'; readonly id: number }

/** Which pieces a peer has to begin with. Only as its first message. */
export type PiecesMessage =
  | { readonly type: 'haveAll' }
  | { readonly type: 'haveNone' }
  | { readonly type: 'bitfield'; readonly bits: Uint8Array }

export type ExtendedHandshake = Extract<ExchangeMessage, { type: 'extendedHandshake' }>
/** What goes into a frame as it is. A piece does not: its data is put behind `encodePieceHead`. */
export type FramedMessage = Exclude<ExchangeMessage, { type: 'handshake' } | { type: 'piece' } | { type: 'unknown' }>

/** A frame as it is read: the message, and for a piece its data as views of what arrived. */
export interface DecodedFrame {
  readonly message: ExchangeMessage
  readonly data: readonly Uint8Array[]
}

const IDS = {
  choke: 0,
  unchoke: 1,
  interested: 2,
  notInterested: 3,
  have: 4,
  bitfield: 5,
  request: 6,
  piece: 7,
  cancel: 8,
  suggest: 13,
  haveAll: 14,
  haveNone: 15,
  reject: 16,
  allowedFast: 17,
  extended: 20,
  hashRequest: 21,
  hashes: 22,
  hashReject: 23
} as const

const PIECE_HEAD_BYTES = 9
const NO_DATA: readonly Uint8Array[] = []
/** Everything but pieces, bitfields and hashes is far smaller. */
const MAX_SMALL_FRAME_BYTES = 1 + 1 + exchangeLimits.maxExtendedBytes

export function encodeFrame(message: FramedMessage): Uint8Array {
  switch (message.type) {
    case 'keepAlive':
      return new Uint8Array(0)
    case 'choke':
    case 'unchoke':
    case 'interested':
    case 'notInterested':
    case 'haveAll':
    case 'haveNone':
      return new Uint8Array([IDS[message.type]])
    case 'have':
    case 'suggest':
    case 'allowedFast':
      return new ByteWriter(5).u8(IDS[message.type]).u32(message.piece).finish()
    case 'bitfield':
      return new ByteWriter(1 + message.bits.byteLength).u8(IDS.bitfield).bytes(message.bits).finish()
    case 'request':
    case 'cancel':
    case 'reject':
      return new ByteWriter(13).u8(IDS[message.type]).u32(message.piece).u32(message.begin).u32(message.length).finish()
    case 'hashRequest':
    case 'hashReject':
      return hashHead(IDS[message.type], message.root, message.range, 0).finish()
    case 'hashes':
      return hashHead(IDS.hashes, message.root, message.range, message.hashes.byteLength).bytes(message.hashes).finish()
    case 'extendedHandshake':
      return encodeExtendedHandshake(message)
  }
}

/** What stands before the data in the frame of a piece. */
export function encodePieceHead(piece: number, begin: number): Uint8Array {
  return new ByteWriter(PIECE_HEAD_BYTES).u8(IDS.piece).u32(piece).u32(begin).finish()
}

/**
 * Reads one frame. What depends on the swarm (whether there is such a piece) is not checked here.
 *
 * @throws DecodeError
 */
export function decodeFrame(frame: readonly Uint8Array[]): DecodedFrame {
  const parts = frame[0]?.byteLength === 0 ? frame.filter(part => part.byteLength > 0) : frame
  const id = parts[0]?.[0]
  if (id === undefined) return { message: { type: 'keepAlive' }, data: NO_DATA }
  if (id === IDS.piece) return decodePiece(parts)
  return { message: decodeSmall(id, parts), data: NO_DATA }
}

function decodePiece(frame: readonly Uint8Array[]): DecodedFrame {
  const head = joined(frame, 0, PIECE_HEAD_BYTES)
  if (head.byteLength < PIECE_HEAD_BYTES) throw new DecodeError('message ends inside a field')
  const reader = new ByteReader(head)
  reader.u8()
  const piece = reader.u32()
  const begin = reader.u32()
  const data: Uint8Array[] = []
  let length = 0
  let skip = PIECE_HEAD_BYTES
  for (const part of frame) {
    if (part.byteLength <= skip) {
      skip -= part.byteLength
      continue
    }
    const rest = skip === 0 ? part : part.subarray(skip)
    skip = 0
    length += rest.byteLength
    data.push(rest)
  }
  if (length === 0) throw new DecodeError('a piece without data')
  if (length > exchangeLimits.maxRequestBytes) throw new DecodeError(`a piece message with ${length} bytes`)
  return { message: { type: 'piece', piece, begin, length }, data }
}

function decodeSmall(id: number, frame: readonly Uint8Array[]): ExchangeMessage {
  const length = frame.reduce((sum, part) => sum + part.byteLength, 0)
  if (length > MAX_SMALL_FRAME_BYTES && id !== IDS.bitfield && id !== IDS.hashes) {
    throw new DecodeError(`message ${id} of ${length} bytes`)
  }
  const reader = new ByteReader(joined(frame, 0, length))
  reader.u8()
  const message = readBody(id, reader)
  if (message.type !== 'unknown') reader.end()
  return message
}

function readBody(id: number, reader: ByteReader): ExchangeMessage {
  switch (id) {
    case IDS.choke:
      return { type: 'choke' }
    case IDS.unchoke:
      return { type: 'unchoke' }
    case IDS.interested:
      return { type: 'interested' }
    case IDS.notInterested:
      return { type: 'notInterested' }
    case IDS.haveAll:
      return { type: 'haveAll' }
    case IDS.haveNone:
      return { type: 'haveNone' }
    case IDS.have:
      return { type: 'have', piece: reader.u32() }
    case IDS.suggest:
      return { type: 'suggest', piece: reader.u32() }
    case IDS.allowedFast:
      return { type: 'allowedFast', piece: reader.u32() }
    case IDS.bitfield:
      return decodeBitfield(reader)
    case IDS.request:
      return { type: 'request', ...readChunk(reader) }
    case IDS.cancel:
      return { type: 'cancel', ...readChunk(reader) }
    case IDS.reject:
      return { type: 'reject', ...readChunk(reader) }
    case IDS.hashRequest:
      return { type: 'hashRequest', ...readHashHead(reader) }
    case IDS.hashReject:
      return { type: 'hashReject', ...readHashHead(reader) }
    case IDS.hashes:
      return decodeHashes(reader)
    case IDS.extended:
      return decodeExtended(reader)
    default:
      return { type: 'unknown', id }
  }
}

function readChunk(reader: ByteReader): Chunk {
  return { piece: reader.u32(), begin: reader.u32(), length: reader.u32() }
}

function decodeBitfield(reader: ByteReader): ExchangeMessage {
  if (reader.left > exchangeLimits.maxPieces / 8) throw new DecodeError(`a bitfield of ${reader.left} bytes`)
  return { type: 'bitfield', bits: reader.bytes(reader.left) }
}

function hashHead(id: number, root: FileId, range: HashRange, hashBytes: number): ByteWriter {
  return new ByteWriter(49 + hashBytes)
    .u8(id)
    .bytes(idToBytes(root))
    .u32(range.base)
    .u32(range.index)
    .u32(range.length)
    .u32(range.proofs)
}

/** Only the bounds of the fields: a range that makes no sense is for the receiver to reject. */
function readHashHead(reader: ByteReader): { root: FileId; range: HashRange } {
  const root = idFromBytes<FileId>(reader.bytes(HASH_BYTES))
  const range = { base: reader.u32(), index: reader.u32(), length: reader.u32(), proofs: reader.u32() }
  if (range.length > MAX_RANGE_HASHES) throw new DecodeError(`a range of ${range.length} hashes`)
  if (range.base > exchangeLimits.maxProofs || range.proofs > exchangeLimits.maxProofs) {
    throw new DecodeError('a range beyond the top of any tree')
  }
  return { root, range }
}

function decodeHashes(reader: ByteReader): ExchangeMessage {
  const head = readHashHead(reader)
  if (!isHashRange(head.range)) throw new DecodeError('hashes of no possible range')
  const count = head.range.length + uncleCount(head.range)
  if (reader.left !== count * HASH_BYTES) throw new DecodeError(`${reader.left} bytes are not ${count} hashes`)
  return { type: 'hashes', ...head, hashes: reader.bytes(reader.left) }
}

function encodeExtendedHandshake(message: ExtendedHandshake): Uint8Array {
  const fields = new Map<string, Bencode>([['m', new Map()]])
  if (message.requestQueue !== undefined) fields.set('reqq', message.requestQueue)
  if (message.maxRequestBytes !== undefined) fields.set('shoal_request', message.maxRequestBytes)
  if (message.contentBytes !== undefined) fields.set('shoal_size', message.contentBytes)
  fields.set('v', ascii('Shoal'))
  const body = encodeBencode(fields)
  return new ByteWriter(2 + body.byteLength).u8(IDS.extended).u8(0).bytes(body).finish()
}

function decodeExtended(reader: ByteReader): ExchangeMessage {
  if (reader.u8() !== 0) return { type: 'unknown', id: IDS.extended }
  const fields = decodeBencode(reader.bytes(reader.left), {
    maxBytes: exchangeLimits.maxExtendedBytes,
    maxDepth: exchangeLimits.maxExtendedDepth,
    maxTokens: exchangeLimits.maxExtendedTokens
  })
  if (!(fields instanceof Map)) throw new DecodeError('an extended handshake that is no dictionary')
  const requestQueue = positive(fields.get('reqq'))
  const maxRequestBytes = positive(fields.get('shoal_request'))
  const contentBytes = positive(fields.get('shoal_size'))
  return {
    type: 'extendedHandshake',
    ...(requestQueue === undefined ? {} : { requestQueue }),
    ...(maxRequestBytes === undefined ? {} : { maxRequestBytes }),
    ...(contentBytes === undefined ? {} : { contentBytes })
  }
}

function positive(value: Bencode | undefined): number | undefined {
  return typeof value === 'number' && value > 0 ? value : undefined
}

/** Bytes of the frame as one array; a view when they lie in one part. */
function joined(frame: readonly Uint8Array[], from: number, to: number): Uint8Array {
  const first = frame[0]!
  if (first.byteLength >= to) return first.subarray(from, to)
  const bytes = new Uint8Array(to - from)
  let filled = 0
  for (const part of frame) {
    const piece = part.subarray(0, bytes.byteLength - filled)
    bytes.set(piece, filled)
    filled += piece.byteLength
    if (filled === bytes.byteLength) break
  }
  return bytes.subarray(0, filled)
}
