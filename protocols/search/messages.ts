import { fromString } from 'uint8arrays/from-string'
import { toString as bytesToString } from 'uint8arrays/to-string'
import { ByteReader } from '../core/byte-reader.ts'
import { ByteWriter } from '../core/byte-writer.ts'
import { type Codec, DecodeError } from '../core/codec.ts'
import { type FileId, type Infohash, idFromBytes, idToBytes, isHex256 } from '../core/ids.ts'
import type { Peer, PeerCodec } from '../core/peer.ts'
import { searchLimits } from './config.ts'

/** What is looked for: words of a name, or who holds a file or a collection. */
export type Query =
  | { readonly kind: 'words'; readonly text: string }
  | { readonly kind: 'id'; readonly id: FileId | Infohash }

export interface Hit {
  readonly id: FileId
  readonly name: string
  /** Bytes. */
  readonly size: number
  /** The collection that the file is part of. */
  readonly infohash?: Infohash
}

export interface Report {
  /** Nodes that were reached in this branch, the sender included; 0 when the query was not new or not taken. */
  readonly peers: number
  /** Query messages that were sent in this branch. */
  readonly messages: number
  /** Whether all of them were taken and reported on. */
  readonly complete: boolean
}

export type SearchMessage =
  | {
      readonly type: 'query'
      /** 16 random bytes in hex. */
      readonly id: string
      /** Hops that it may still travel, this one included. */
      readonly ttl: number
      /** Hops that it had travelled before this one. */
      readonly hops: number
      /** Hits that each holder may send. */
      readonly limit: number
      readonly query: Query
    }
  | {
      readonly type: 'hits'
      readonly id: string
      readonly holder: Peer
      /** Hops from the holder, this one included. */
      readonly hops: number
      readonly hits: readonly Hit[]
    }
  | ({ readonly type: 'report'; readonly id: string } & Report)

export type QueryMessage = Extract<SearchMessage, { type: 'query' }>
export type HitsMessage = Extract<SearchMessage, { type: 'hits' }>
export type ReportMessage = Extract<SearchMessage, { type: 'report' }>

const TYPES = ['query', 'hits', 'report'] as const
const KINDS = ['words', 'id'] as const
export const QUERY_ID_BYTES = 16

/** One byte of type, then the fields in the order of the README. */
export function searchCodec(peers: PeerCodec): Codec<SearchMessage> {
  return {
    encode(message) {
      const writer = new ByteWriter().u8(TYPES.indexOf(message.type)).bytes(fromString(message.id, 'base16'))
      switch (message.type) {
        case 'query':
          writer.u8(message.ttl).u8(message.hops).u8(message.limit)
          writeQuery(writer, message.query)
          break
        case 'hits':
          peers.write(writer, message.holder)
          writer.u8(message.hops).list(message.hits, writeHit)
          break
        case 'report':
          writer.u32(message.peers).u32(message.messages).u8(Number(message.complete))
          break
      }
      return writer.finish()
    },

    decode(bytes) {
      if (bytes.byteLength > searchLimits.maxMessageBytes) throw new DecodeError('a message that is too long')
      const reader = new ByteReader(bytes)
      const message = read(reader, peers)
      reader.end()
      return message
    }
  }
}

/** @throws RangeError when the query cannot be sent: an empty or too long text, or an id that is none */
export function checkQuery(query: Query): void {
  if (query.kind === 'id') {
    if (!isHex256(query.id)) throw new RangeError('the id of a query is not 64 hex digits')
    return
  }
  const bytes = textBytes(query.text)
  if (bytes === 0 || bytes > searchLimits.maxTextBytes) {
    throw new RangeError(`the text of a query has ${bytes} bytes, not 1 to ${searchLimits.maxTextBytes}`)
  }
}

const utf8 = new TextEncoder()

export function textBytes(text: string): number {
  return utf8.encode(text).byteLength
}

/** Bytes that a hit takes in a message. */
export function hitBytes(hit: Hit): number {
  return 32 + 8 + 2 + textBytes(hit.name) + 1 + (hit.infohash === undefined ? 0 : 32)
}

function read(reader: ByteReader, peers: PeerCodec): SearchMessage {
  const type = TYPES[reader.u8()]
  if (type === undefined) throw new DecodeError('a message of unknown type')
  const id = bytesToString(reader.bytes(QUERY_ID_BYTES), 'base16')
  switch (type) {
    case 'query':
      return { type, id, ttl: reader.u8(), hops: reader.u8(), limit: readLimit(reader), query: readQuery(reader) }
    case 'hits': {
      const message = {
        type,
        id,
        holder: peers.read(reader),
        hops: reader.u8(),
        hits: reader.list(searchLimits.maxHits, readHit)
      } as const
      if (message.hits.length === 0) throw new DecodeError('hits without a hit')
      return message
    }
    case 'report':
      return {
        type,
        id,
        peers: Math.min(reader.u32(), searchLimits.maxReportedPeers),
        messages: Math.min(reader.u32(), searchLimits.maxReportedMessages),
        complete: readFlag(reader)
      }
  }
}

function writeQuery(writer: ByteWriter, query: Query): void {
  writer.u8(KINDS.indexOf(query.kind))
  if (query.kind === 'words') writer.text(query.text)
  else writer.bytes(idToBytes(query.id))
}

function readQuery(reader: ByteReader): Query {
  const kind = KINDS[reader.u8()]
  if (kind === undefined) throw new DecodeError('a query of unknown kind')
  if (kind === 'id') return { kind, id: idFromBytes<FileId | Infohash>(reader.bytes(32)) }
  const text = reader.text(searchLimits.maxTextBytes)
  if (text === '') throw new DecodeError('a query without words')
  return { kind, text }
}

function writeHit(writer: ByteWriter, hit: Hit): void {
  writer.bytes(idToBytes(hit.id)).u53(hit.size).text(hit.name)
  writer.u8(Number(hit.infohash !== undefined))
  if (hit.infohash !== undefined) writer.bytes(idToBytes(hit.infohash))
}

function readHit(reader: ByteReader): Hit {
  const id = idFromBytes<FileId>(reader.bytes(32))
  const size = reader.u53()
  if (size > searchLimits.maxSize) throw new DecodeError('a hit that is larger than any file')
  const name = reader.text(searchLimits.maxNameBytes)
  if (name === '') throw new DecodeError('a hit without a name')
  if (!readFlag(reader)) return { id, size, name }
  return { id, size, name, infohash: idFromBytes<Infohash>(reader.bytes(32)) }
}

/** Higher limits are cut, not refused: other settings are no offence. */
function readLimit(reader: ByteReader): number {
  return Math.min(reader.u8(), searchLimits.maxHits)
}

function readFlag(reader: ByteReader): boolean {
  const flag = reader.u8()
  if (flag > 1) throw new DecodeError('a flag that is neither 0 nor 1')
  return flag === 1
}
