import { fromString } from 'uint8arrays/from-string'
import { toString as bytesToString } from 'uint8arrays/to-string'
import { ByteReader } from '../core/byte-reader.ts'
import { ByteWriter } from '../core/byte-writer.ts'
import { type Codec, DecodeError } from '../core/codec.ts'
import { type FileId, type Infohash, idFromBytes, idToBytes, isHex256 } from '../core/ids.ts'
import type { Peer, PeerCodec } from '../core/peer.ts'
import { searchLimits } from './config.ts'
import { textBytes } from './hits.ts'
import { readAnswers, writeAnswers } from './hits-codec.ts'
import { readSummaryLevel, writeSummaryLevel } from './summary-codec.ts'

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

/** Hits of one holder. */
export interface HolderHits {
  readonly holder: Peer
  readonly hits: readonly Hit[]
}

export interface Answer extends HolderHits {
  /** Hops from whoever answers for the holder, this one included. */
  readonly hops: number
}

export interface Report {
  /** Nodes that were reached in this branch, the sender included; 0 when the query was not new or not taken. */
  readonly peers: number
  /** Query messages that were sent in this branch. */
  readonly messages: number
  /** Whether all of them were taken and reported on. */
  readonly complete: boolean
  /** Whether somebody in this branch has neighbours that would be asked with more budget or walkers, */
  readonly more: boolean
  /** or with more hops. */
  readonly beyond: boolean
}

/** One level of a summary: a Bloom filter, as the bits in which it differs from the one told before. */
export interface SummaryLevel {
  /** Size of the filter: a power of two. */
  readonly bits: number
  /** In rising order. */
  readonly flips: Uint32Array
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
      /** 255: to all. 1 and more: so many walkers. 0: only to where the summaries show a match. */
      readonly width: number
      /** Query messages that the receiver may have sent below itself. */
      readonly budget: number
      /** Holders that are enough; walkers stop there. */
      readonly want: number
      /** Hits that each holder may send. */
      readonly limit: number
      readonly query: Query
    }
  | {
      readonly type: 'hits'
      readonly id: string
      /** No holder twice. A hit that several have is the same object. */
      readonly answers: readonly Answer[]
      /** The sender's report, when these hits are the last of its branch. */
      readonly report?: Report
    }
  | ({ readonly type: 'report'; readonly id: string } & Report)
  | {
      readonly type: 'summary'
      /** From 1 on. */
      readonly version: number
      /** The version that this one is told as changes of; 0: of empty filters. */
      readonly base: number
      /** What is 0, 1 and 2 hops from the sender. */
      readonly levels: readonly SummaryLevel[]
    }
  /** The last summary could not be applied: the whole of it is wanted. */
  | { readonly type: 'summaryWanted' }

export type QueryMessage = Extract<SearchMessage, { type: 'query' }>
export type HitsMessage = Extract<SearchMessage, { type: 'hits' }>
export type ReportMessage = Extract<SearchMessage, { type: 'report' }>
export type SummaryMessage = Extract<SearchMessage, { type: 'summary' }>

const TYPES = ['query', 'hits', 'report', 'summary', 'summaryWanted'] as const
const KINDS = ['words', 'id'] as const
export const QUERY_ID_BYTES = 16

/** One byte of type, then the fields in the order of the README. */
export function searchCodec(peers: PeerCodec): Codec<SearchMessage> {
  return {
    encode(message) {
      const writer = new ByteWriter().u8(TYPES.indexOf(message.type))
      switch (message.type) {
        case 'query':
          writeId(writer, message.id)
          writer.u8(message.ttl).u8(message.hops).u8(message.width).varint(message.budget).u8(message.want)
          writer.u8(message.limit)
          writeQuery(writer, message.query)
          break
        case 'hits':
          writeId(writer, message.id)
          writeAnswers(writer, message.answers, peers)
          writer.u8(Number(message.report !== undefined))
          if (message.report !== undefined) writeReport(writer, message.report)
          break
        case 'report':
          writeId(writer, message.id)
          writeReport(writer, message)
          break
        case 'summary':
          writer.u32(message.version).u32(message.base).list(message.levels, writeSummaryLevel)
          break
        case 'summaryWanted':
          break
      }
      return writer.finish()
    },

    decode(bytes) {
      const reader = new ByteReader(bytes)
      const message = read(reader, peers)
      if (bytes.byteLength > maxBytesOf(message)) throw new DecodeError('a message that is too long')
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

function read(reader: ByteReader, peers: PeerCodec): SearchMessage {
  const type = TYPES[reader.u8()]
  if (type === undefined) throw new DecodeError('a message of unknown type')
  switch (type) {
    case 'query':
      return {
        type,
        id: readId(reader),
        ttl: reader.u8(),
        hops: reader.u8(),
        width: reader.u8(),
        budget: reader.varint(0xffff_ffff),
        want: reader.u8(),
        limit: readLimit(reader),
        query: readQuery(reader)
      }
    case 'hits': {
      const message = { type, id: readId(reader), answers: readAnswers(reader, peers) } as const
      return readFlag(reader) ? { ...message, report: readReport(reader) } : message
    }
    case 'report':
      return { type, id: readId(reader), ...readReport(reader) }
    case 'summary': {
      const [version, base] = [reader.u32(), reader.u32()]
      if (version === 0) throw new DecodeError('a summary of version 0')
      const levels: SummaryLevel[] = []
      reader.list(searchLimits.summaryBits.length, () => {
        levels.push(readSummaryLevel(reader, searchLimits.summaryBits[levels.length] as number))
      })
      if (levels.length === 0) throw new DecodeError('a summary without a level')
      return { type, version, base, levels }
    }
    case 'summaryWanted':
      return { type }
  }
}

function maxBytesOf({ type }: SearchMessage): number {
  const { maxSummaryBytes, maxHitsMessageBytes, maxMessageBytes } = searchLimits
  return type === 'summary' ? maxSummaryBytes : type === 'hits' ? maxHitsMessageBytes : maxMessageBytes
}

function writeId(writer: ByteWriter, id: string): void {
  writer.bytes(fromString(id, 'base16'))
}

function readId(reader: ByteReader): string {
  return bytesToString(reader.bytes(QUERY_ID_BYTES), 'base16')
}

function writeReport(writer: ByteWriter, { peers, messages, complete, more, beyond }: Report): void {
  writer
    .varint(peers)
    .varint(messages)
    .u8(Number(complete) + 2 * Number(more) + 4 * Number(beyond))
}

function readReport(reader: ByteReader): Report {
  const peers = Math.min(reader.varint(0xffff_ffff), searchLimits.maxReportedPeers)
  const messages = Math.min(reader.varint(0xffff_ffff), searchLimits.maxReportedMessages)
  const flags = reader.u8()
  if (flags > 7) throw new DecodeError('a report with unknown flags')
  return { peers, messages, complete: (flags & 1) !== 0, more: (flags & 2) !== 0, beyond: (flags & 4) !== 0 }
}

function writeQuery(writer: ByteWriter, query: Query): void {
  writer.u8(KINDS.indexOf(query.kind))
  if (query.kind === 'words') writer.varText(query.text)
  else writer.bytes(idToBytes(query.id))
}

function readQuery(reader: ByteReader): Query {
  const kind = KINDS[reader.u8()]
  if (kind === undefined) throw new DecodeError('a query of unknown kind')
  if (kind === 'id') return { kind, id: idFromBytes<FileId | Infohash>(reader.bytes(32)) }
  const text = reader.varText(searchLimits.maxTextBytes)
  if (text === '') throw new DecodeError('a query without words')
  return { kind, text }
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
