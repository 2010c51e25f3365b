import { fromString } from 'uint8arrays/from-string'
import { toString as bytesToString } from 'uint8arrays/to-string'
import { ByteReader } from '../core/byte-reader.ts'
import { ByteWriter } from '../core/byte-writer.ts'
import { type Codec, DecodeError } from '../core/codec.ts'
import { type FileId, type Infohash, idFromBytes, idToBytes } from '../core/ids.ts'
import type { Peer, PeerCodec } from '../core/peer.ts'
import { searchLimits } from '../search/config.ts'
import type { Query } from '../search/messages.ts'
import {
  BUCKET_HASH_BYTES,
  type CatalogueHead,
  type CatalogueItem,
  type ItemKey,
  isSoundName,
  KEY_BYTES,
  writeItem
} from './catalogue.ts'
import type { AskAccount } from './commands.ts'
import { superPeerLimits } from './config.ts'
import { type Advert, REFUSALS, type SharedHit, type SuperPeerMessage } from './messages.ts'

const TYPES = [
  'adverts',
  'advertsWanted',
  'volunteersWanted',
  'attach',
  'accepted',
  'refused',
  'update',
  'indexed',
  'hashesWanted',
  'hashes',
  'bucketsWanted',
  'items',
  'detach',
  'ping',
  'pong',
  'ask',
  'answer',
  'stopAsk'
] as const
const QUERY_KINDS = ['words', 'id'] as const
const { maxAdverts, maxSiblings, maxItemsInMessage, maxBits, maxBuckets, maxTold, maxHolders } = superPeerLimits

/** One byte of type, then the fields in the order of the README. */
export function superPeerCodec(peers: PeerCodec): Codec<SuperPeerMessage> {
  return {
    encode(message) {
      const writer = new ByteWriter().u8(TYPES.indexOf(message.type))
      write(writer, message, peers)
      return writer.finish()
    },
    decode(bytes) {
      const reader = new ByteReader(bytes)
      const type = TYPES[reader.u8()]
      if (type === undefined) throw new DecodeError('a message of unknown type')
      const message = read(type, reader, peers)
      reader.end()
      return message
    }
  }
}

function write(writer: ByteWriter, message: SuperPeerMessage, peers: PeerCodec): void {
  const writePeer = (to: ByteWriter, peer: Peer): void => peers.write(to, peer)
  const writeAdvert = (to: ByteWriter, advert: Advert): void => {
    peers.write(to, advert.peer)
    to.u32(advert.issued).u16(advert.free).u16(advert.clients).u32(advert.items).u8(advert.load)
    to.shortBytes(advert.signature)
  }
  const writeHead = (head: CatalogueHead): void => {
    peers.write(writer, head.publisher)
    writer.u53(head.seq).u32(head.expires).u32(head.count).u8(head.bits).bytes(fromString(head.root, 'base16'))
    writer.shortBytes(head.signature)
  }
  switch (message.type) {
    case 'adverts':
    case 'pong':
      writer.list(message.adverts, writeAdvert)
      return
    case 'attach':
      writeHead(message.head)
      writer.list(message.siblings, writePeer)
      return
    case 'refused':
      writer.u8(REFUSALS.indexOf(message.why)).list(message.adverts, writeAdvert)
      return
    case 'update':
      writeHead(message.head)
      writer.u53(message.base).list(message.added, writeItem).list(message.removed, writeKey)
      return
    case 'indexed':
      writer.u53(message.seq)
      return
    case 'hashesWanted':
      writer.u32(message.id).u8(message.bits)
      return
    case 'hashes':
      writer.u32(message.id).list(message.hashes, (to, hash) => to.bytes(hash))
      return
    case 'bucketsWanted':
      writer.u32(message.id)
      peers.write(writer, message.publisher)
      writer.u8(message.bits).list(message.buckets, (to, bucket) => to.u16(bucket))
      return
    case 'items':
      writer.u32(message.id).u8(Number(message.isLast)).list(message.items, writeItem)
      return
    case 'detach':
      writer.u8(Number(message.forget))
      return
    case 'ask':
      writer.u32(message.ask)
      writeQuery(writer, message.query)
      writer.u8(message.want).u8(message.limit).u32(message.budget).u32(message.timeoutMs)
      writer.u16(message.told.length)
      for (const tag of message.told) writer.u32(tag)
      return
    case 'answer':
      writer.u32(message.ask).list(message.holders, (to, { peer, hops }) => {
        peers.write(to, peer)
        to.u8(hops)
      })
      writer.list(message.hits, writeSharedHit).u8(Number(message.account !== undefined))
      if (message.account !== undefined) writeAccount(writer, message.account)
      return
    case 'stopAsk':
      writer.u32(message.ask)
      return
    case 'advertsWanted':
    case 'volunteersWanted':
      writer.u8(message.missing)
      return
    case 'accepted':
    case 'ping':
      return
  }
}

function read(type: SuperPeerMessage['type'], reader: ByteReader, peers: PeerCodec): SuperPeerMessage {
  const readAdvert = (from: ByteReader): Advert => ({
    peer: peers.read(from),
    issued: from.u32(),
    free: from.u16(),
    clients: from.u16(),
    items: from.u32(),
    load: from.u8(),
    signature: from.shortBytes(superPeerLimits.maxSignatureBytes).slice()
  })
  switch (type) {
    case 'adverts':
    case 'pong':
      return { type, adverts: reader.list(maxAdverts, readAdvert) }
    case 'advertsWanted':
    case 'volunteersWanted':
      return { type, missing: readMissing(reader) }
    case 'accepted':
    case 'ping':
      return { type }
    case 'attach':
      return { type, head: readHead(reader, peers), siblings: reader.list(maxSiblings, from => peers.read(from)) }
    case 'refused': {
      const why = REFUSALS[reader.u8()]
      if (why === undefined) throw new DecodeError('a refusal of unknown kind')
      return { type, why, adverts: reader.list(maxAdverts, readAdvert) }
    }
    case 'update':
      return {
        type,
        head: readHead(reader, peers),
        base: reader.u53(),
        added: reader.list(maxItemsInMessage, readItem),
        removed: reader.list(maxItemsInMessage, readKey)
      }
    case 'indexed':
      return { type, seq: reader.u53() }
    case 'hashesWanted':
      return { type, id: reader.u32(), bits: readBits(reader) }
    case 'hashes':
      return {
        type,
        id: reader.u32(),
        hashes: reader.list(2 ** maxBits, from => from.bytes(BUCKET_HASH_BYTES).slice())
      }
    case 'bucketsWanted': {
      const [id, publisher, bits] = [reader.u32(), peers.read(reader), readBits(reader)]
      const buckets = reader.list(maxBuckets, from => from.u16())
      if (buckets.some((bucket, i) => bucket >= 2 ** bits || bucket <= (buckets[i - 1] ?? -1))) {
        throw new DecodeError('buckets that are none, or out of order')
      }
      return { type, id, publisher, bits, buckets }
    }
    case 'items':
      return { type, id: reader.u32(), isLast: readFlag(reader), items: reader.list(maxItemsInMessage, readItem) }
    case 'detach':
      return { type, forget: readFlag(reader) }
    case 'ask': {
      const [ask, query, want, limit] = [reader.u32(), readQuery(reader), reader.u8(), reader.u8()]
      const [budget, timeoutMs] = [reader.u32(), reader.u32()]
      return { type, ask, query, want, limit, budget, timeoutMs, told: Uint32Array.from(reader.list(maxTold, u32)) }
    }
    case 'answer': {
      const ask = reader.u32()
      const holders = reader.list(maxHolders, from => ({ peer: peers.read(from), hops: from.u8() }))
      const hits = reader.list(maxItemsInMessage, from => readSharedHit(from, holders.length))
      return readFlag(reader)
        ? { type, ask, holders, hits, account: readAccount(reader) }
        : { type, ask, holders, hits }
    }
    case 'stopAsk':
      return { type, ask: reader.u32() }
  }
}

function u32(reader: ByteReader): number {
  return reader.u32()
}

function readHead(reader: ByteReader, peers: PeerCodec): CatalogueHead {
  const publisher = peers.read(reader)
  const [seq, expires, count] = [reader.u53(), reader.u32(), reader.u32()]
  if (count > superPeerLimits.maxItems) throw new DecodeError(`a catalogue of ${count} items`)
  const bits = readBits(reader)
  const root = bytesToString(reader.bytes(32), 'base16')
  const signature = reader.shortBytes(superPeerLimits.maxSignatureBytes).slice()
  return { publisher, seq, expires, count, bits, root, signature }
}

function readItem(reader: ByteReader): CatalogueItem {
  const id = idFromBytes<FileId>(reader.bytes(32))
  const size = reader.u53()
  if (size > searchLimits.maxSize) throw new DecodeError('an item that is larger than any file')
  const name = reader.text(searchLimits.maxNameBytes)
  if (!isSoundName(name)) throw new DecodeError('an item whose name is none')
  return readFlag(reader) ? { id, name, size, infohash: idFromBytes<Infohash>(reader.bytes(32)) } : { id, name, size }
}

function writeSharedHit(writer: ByteWriter, { hit, holders }: SharedHit): void {
  writeItem(writer, hit)
  // nearly always one: its place takes a byte, and one more says that there are no others
  writeVarint(writer, holders.length)
  let last = -1
  for (const place of holders) {
    writeVarint(writer, place - last - 1)
    last = place
  }
}

function readSharedHit(reader: ByteReader, holderCount: number): SharedHit {
  const hit = readItem(reader)
  const count = readVarint(reader)
  if (count === 0 || count > holderCount) throw new DecodeError(`a hit with ${count} of ${holderCount} holders`)
  const holders: number[] = []
  for (let i = 0, last = -1; i < count; i++) {
    last += readVarint(reader) + 1
    if (last >= holderCount) throw new DecodeError('a holder that is not listed')
    holders.push(last)
  }
  return { hit, holders }
}

/** LEB128 of at most 14 bits. */
function writeVarint(writer: ByteWriter, value: number): void {
  if (value >= 0x4000) throw new RangeError(`${value} is too large for two bytes`)
  if (value < 0x80) writer.u8(value)
  else writer.u8((value & 0x7f) | 0x80).u8(value >>> 7)
}

function readVarint(reader: ByteReader): number {
  const low = reader.u8()
  if (low < 0x80) return low
  const high = reader.u8()
  if (high >= 0x80 || high === 0) throw new DecodeError('a number that is too long')
  return (low & 0x7f) | (high << 7)
}

function writeAccount(writer: ByteWriter, { peersAsked, messages, complete, more }: AskAccount): void {
  writer
    .u32(peersAsked)
    .u32(messages)
    .u8(Number(complete) + 2 * Number(more))
}

function readAccount(reader: ByteReader): AskAccount {
  const peersAsked = Math.min(reader.u32(), searchLimits.maxReportedPeers)
  const messages = Math.min(reader.u32(), searchLimits.maxReportedMessages)
  const flags = reader.u8()
  if (flags > 3) throw new DecodeError('an account with unknown flags')
  return { peersAsked, messages, complete: (flags & 1) !== 0, more: (flags & 2) !== 0 }
}

function writeQuery(writer: ByteWriter, query: Query): void {
  writer.u8(QUERY_KINDS.indexOf(query.kind))
  if (query.kind === 'words') writer.text(query.text)
  else writer.bytes(idToBytes(query.id))
}

function readQuery(reader: ByteReader): Query {
  const kind = QUERY_KINDS[reader.u8()]
  if (kind === undefined) throw new DecodeError('a query of unknown kind')
  if (kind === 'id') return { kind, id: idFromBytes<FileId | Infohash>(reader.bytes(32)) }
  const text = reader.text(searchLimits.maxTextBytes)
  if (text === '') throw new DecodeError('a query without words')
  return { kind, text }
}

function writeKey(writer: ByteWriter, key: ItemKey): void {
  writer.bytes(fromString(key, 'base16'))
}

function readKey(reader: ByteReader): ItemKey {
  return bytesToString(reader.bytes(KEY_BYTES), 'base16') as ItemKey
}

function readBits(reader: ByteReader): number {
  const bits = reader.u8()
  if (bits > maxBits) throw new DecodeError(`a catalogue of 2^${bits} buckets`)
  return bits
}

function readMissing(reader: ByteReader): number {
  const missing = reader.u8()
  if (missing > superPeerLimits.maxMissing) throw new DecodeError(`a peer that misses ${missing} super-peers`)
  return missing
}

function readFlag(reader: ByteReader): boolean {
  const flag = reader.u8()
  if (flag > 1) throw new DecodeError('a flag that is neither 0 nor 1')
  return flag === 1
}
