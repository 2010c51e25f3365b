import { ByteReader } from '../core/byte-reader.ts'
import { ByteWriter } from '../core/byte-writer.ts'
import { type Codec, DecodeError } from '../core/codec.ts'
import type { RingId } from '../core/keyspace.ts'
import type { Peer, PeerCodec } from '../core/peer.ts'
import { directoryLimits } from './config.ts'
import type { Entry } from './entry.ts'
import { readEntry, readId, writeEntry, writeId } from './entry-codec.ts'

/** What became of an entry that was brought. The first three say that it, or a newer one, is there. */
export const OUTCOMES = [
  'stored',
  'same',
  'old',
  'expired',
  'future',
  'tooLarge',
  'tooLong',
  'wrongKey',
  'forged',
  'full',
  'keyFull',
  'quota',
  'notMine',
  'tooOften'
] as const
export type Outcome = (typeof OUTCOMES)[number]

/** One record as it is listed: which it is, and which of its versions. */
export interface Listed {
  /** 16 hex digits, see `shortIdOf`. */
  readonly id: string
  readonly seq: number
  /** The first 16 hex digits of its hash. */
  readonly hash: string
}

/** How many records there are in an arc, and a sum over them that does not depend on their order. */
export interface Digest {
  readonly count: number
  readonly low: number
  readonly high: number
}

/** A part of an arc: from where the one before it ended to `to`, that key included. */
export interface Part extends Digest {
  readonly to: RingId
}

export type DirectoryMessage =
  /** Keep this, and see to it that your replicas do. */
  | { readonly type: 'store'; readonly id: number; readonly entry: Entry }
  /** `hint`: with `notMine`, the sender's predecessor, at which its arc begins. */
  | {
      readonly type: 'stored'
      readonly id: number
      readonly outcome: Outcome
      readonly copies: number
      readonly hint?: Peer
    }
  /** What is there under this key? `isCached`: in the copies of hot keys. */
  | { readonly type: 'fetch'; readonly id: number; readonly key: RingId; readonly isCached: boolean }
  /** `isMine`: the sender is to have it, so that nothing means that there is nothing. */
  | {
      readonly type: 'fetched'
      readonly id: number
      readonly isMine: boolean
      readonly isHot: boolean
      /** Entries that the sender has, of which these are some. */
      readonly total: number
      readonly entries: readonly Entry[]
    }
  /** Keep these. With `arcFrom`: I own (arcFrom, my id], and you are to keep copies of it. */
  | { readonly type: 'push'; readonly id: number; readonly arcFrom?: RingId; readonly entries: readonly Entry[] }
  /** One outcome for each entry, in their order. */
  | { readonly type: 'pushed'; readonly id: number; readonly outcomes: readonly Outcome[] }
  /** This is what I have in (from, to]; what have you? `isOwner`: it is my arc, and you are to keep copies of it. */
  | {
      readonly type: 'compare'
      readonly id: number
      readonly salt: number
      readonly isOwner: boolean
      readonly from: RingId
      readonly to: RingId
      readonly digest: Digest
    }
  | { readonly type: 'same'; readonly id: number }
  | { readonly type: 'listing'; readonly id: number; readonly records: readonly Listed[] }
  | { readonly type: 'parts'; readonly id: number; readonly parts: readonly Part[] }
  /** Give me these of (from, to]. */
  | {
      readonly type: 'pull'
      readonly id: number
      readonly salt: number
      readonly from: RingId
      readonly to: RingId
      readonly ids: readonly string[]
    }
  /** As many of them, in the order of their keys, as there is room for. */
  | { readonly type: 'pulled'; readonly id: number; readonly entries: readonly Entry[] }
  /** Answers anything that was asked too often. */
  | { readonly type: 'busy'; readonly id: number }
  /** A copy of what is asked so often that its owner has too much to do. */
  | { readonly type: 'cache'; readonly key: RingId; readonly total: number; readonly entries: readonly Entry[] }

export type Question = Extract<DirectoryMessage, { type: 'store' | 'fetch' | 'push' | 'compare' | 'pull' }>
export type Answer = Exclude<DirectoryMessage, Question | { type: 'cache' }>

const TYPES = [
  'store',
  'stored',
  'fetch',
  'fetched',
  'push',
  'pushed',
  'compare',
  'same',
  'listing',
  'parts',
  'pull',
  'pulled',
  'busy',
  'cache'
] as const

const { maxEntriesInMessage, maxListed, maxParts } = directoryLimits

/** One byte of type, then the fields in the order of the README. */
export function directoryCodec(peers: PeerCodec): Codec<DirectoryMessage> {
  return {
    encode(message) {
      const writer = new ByteWriter().u8(TYPES.indexOf(message.type))
      write(writer, message, peers)
      return writer.finish()
    },
    decode(bytes) {
      const reader = new ByteReader(bytes)
      const message = read(reader, peers)
      reader.end()
      return message
    }
  }
}

function write(writer: ByteWriter, message: DirectoryMessage, peers: PeerCodec): void {
  if (message.type === 'cache') {
    writeId(writer, message.key)
    writer.u16(message.total)
    writeEntries(writer, message.entries, peers)
    return
  }
  writer.u32(message.id)
  switch (message.type) {
    case 'store':
      writeEntry(writer, message.entry, peers)
      return
    case 'stored':
      writer.u8(OUTCOMES.indexOf(message.outcome)).u8(message.copies)
      writer.u8(Number(message.hint !== undefined))
      if (message.hint !== undefined) peers.write(writer, message.hint)
      return
    case 'fetch':
      writeId(writer, message.key)
      writer.u8(Number(message.isCached))
      return
    case 'fetched':
      writer.u8(Number(message.isMine)).u8(Number(message.isHot)).u16(message.total)
      writeEntries(writer, message.entries, peers)
      return
    case 'push':
      writer.u8(Number(message.arcFrom !== undefined))
      if (message.arcFrom !== undefined) writeId(writer, message.arcFrom)
      writeEntries(writer, message.entries, peers)
      return
    case 'pushed':
      checkLength(message.outcomes, maxEntriesInMessage)
      writer.list(message.outcomes, (to, outcome) => to.u8(OUTCOMES.indexOf(outcome)))
      return
    case 'compare':
      writer.u32(message.salt).u8(Number(message.isOwner))
      writeId(writer, message.from)
      writeId(writer, message.to)
      writeDigest(writer, message.digest)
      return
    case 'listing':
      checkLength(message.records, maxListed)
      writer.list(message.records, (to, { id, seq, hash }) => {
        writeShort(to, id)
        to.u53(seq)
        writeShort(to, hash)
      })
      return
    case 'parts':
      checkLength(message.parts, maxParts)
      writer.list(message.parts, (to, part) => {
        writeId(to, part.to)
        writeDigest(to, part)
      })
      return
    case 'pull':
      checkLength(message.ids, maxEntriesInMessage)
      writer.u32(message.salt)
      writeId(writer, message.from)
      writeId(writer, message.to)
      writer.list(message.ids, writeShort)
      return
    case 'pulled':
      writeEntries(writer, message.entries, peers)
      return
    case 'same':
    case 'busy':
      return
  }
}

function read(reader: ByteReader, peers: PeerCodec): DirectoryMessage {
  const type = TYPES[reader.u8()]
  if (type === undefined) throw new DecodeError('a message of unknown type')
  if (type === 'cache') {
    return { type, key: readId(reader), total: reader.u16(), entries: readEntries(reader, peers) }
  }
  const id = reader.u32()
  switch (type) {
    case 'store':
      return { type, id, entry: readEntry(reader, peers) }
    case 'stored': {
      const outcome = readOutcome(reader)
      const copies = reader.u8()
      return readFlag(reader) ? { type, id, outcome, copies, hint: peers.read(reader) } : { type, id, outcome, copies }
    }
    case 'fetch':
      return { type, id, key: readId(reader), isCached: readFlag(reader) }
    case 'fetched': {
      const isMine = readFlag(reader)
      const isHot = readFlag(reader)
      return { type, id, isMine, isHot, total: reader.u16(), entries: readEntries(reader, peers) }
    }
    case 'push': {
      const arcFrom = readFlag(reader) ? readId(reader) : undefined
      const entries = readEntries(reader, peers)
      return arcFrom === undefined ? { type, id, entries } : { type, id, arcFrom, entries }
    }
    case 'pushed':
      return { type, id, outcomes: reader.list(maxEntriesInMessage, readOutcome) }
    case 'compare': {
      const salt = reader.u32()
      const isOwner = readFlag(reader)
      return { type, id, salt, isOwner, from: readId(reader), to: readId(reader), digest: readDigest(reader) }
    }
    case 'listing':
      return {
        type,
        id,
        records: reader.list(maxListed, from => ({ id: readShort(from), seq: from.u53(), hash: readShort(from) }))
      }
    case 'parts':
      return { type, id, parts: reader.list(maxParts, from => ({ to: readId(from), ...readDigest(from) })) }
    case 'pull': {
      const salt = reader.u32()
      const [from, to] = [readId(reader), readId(reader)]
      return { type, id, salt, from, to, ids: reader.list(maxEntriesInMessage, readShort) }
    }
    case 'pulled':
      return { type, id, entries: readEntries(reader, peers) }
    case 'same':
    case 'busy':
      return { type, id }
  }
}

function writeEntries(writer: ByteWriter, entries: readonly Entry[], peers: PeerCodec): void {
  checkLength(entries, maxEntriesInMessage)
  writer.list(entries, (to, entry) => writeEntry(to, entry, peers))
}

function readEntries(reader: ByteReader, peers: PeerCodec): Entry[] {
  return reader.list(maxEntriesInMessage, from => readEntry(from, peers))
}

function writeDigest(writer: ByteWriter, { count, low, high }: Digest): void {
  writer.u32(count).u32(high).u32(low)
}

function readDigest(reader: ByteReader): Digest {
  const count = reader.u32()
  const high = reader.u32()
  return { count, low: reader.u32(), high }
}

/** 16 hex digits. */
function writeShort(writer: ByteWriter, short: string): void {
  writer.u32(Number.parseInt(short.slice(0, 8), 16)).u32(Number.parseInt(short.slice(8), 16))
}

function readShort(reader: ByteReader): string {
  return hex32(reader.u32()) + hex32(reader.u32())
}

function hex32(value: number): string {
  return value.toString(16).padStart(8, '0')
}

function readOutcome(reader: ByteReader): Outcome {
  const outcome = OUTCOMES[reader.u8()]
  if (outcome === undefined) throw new DecodeError('an unknown outcome')
  return outcome
}

function readFlag(reader: ByteReader): boolean {
  const flag = reader.u8()
  if (flag > 1) throw new DecodeError('a flag that is neither 0 nor 1')
  return flag === 1
}

function checkLength(list: readonly unknown[], limit: number): void {
  if (list.length > limit) throw new RangeError(`a message with ${list.length} items, limit ${limit}`)
}
