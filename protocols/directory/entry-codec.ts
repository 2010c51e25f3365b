import type { ByteReader } from '../core/byte-reader.ts'
import type { ByteWriter } from '../core/byte-writer.ts'
import { DecodeError } from '../core/codec.ts'
import { type RingId, ringIdFromBytes, ringIdToBytes } from '../core/keyspace.ts'
import type { PeerCodec } from '../core/peer.ts'
import { directoryLimits } from './config.ts'
import { type Entry, KINDS, maxPayloadBytes } from './entry.ts'

const REMOVED = 0x80

/** An entry without its payload and its publisher. */
const FIXED_BYTES = 32 + 1 + 8 + 4 + 2 + 2 + directoryLimits.maxSignatureBytes

/** What an entry takes of a message at most, whoever its publisher is. */
export function wireBytes(entry: Entry): number {
  return FIXED_BYTES + directoryLimits.maxPeerBytes + entry.payload.byteLength
}

/** As many of the first entries as one message has room for, at least one. */
export function fitting(entries: readonly Entry[]): Entry[] {
  let bytes = 0
  const fit: Entry[] = []
  for (const entry of entries) {
    bytes += wireBytes(entry)
    if (fit.length === directoryLimits.maxEntriesInMessage) break
    if (fit.length > 0 && bytes > directoryLimits.maxMessageBytes) break
    fit.push(entry)
  }
  return fit
}

export function writeId(writer: ByteWriter, id: RingId): void {
  writer.bytes(ringIdToBytes(id))
}

export function readId(reader: ByteReader): RingId {
  return ringIdFromBytes(reader.bytes(32))
}

export function writeEntry(writer: ByteWriter, entry: Entry, peers: PeerCodec): void {
  if (entry.payload.byteLength > maxPayloadBytes(entry.kind)) throw new RangeError('a payload that nobody would read')
  writeId(writer, entry.key)
  writer.u8(KINDS.indexOf(entry.kind) | (entry.isRemoved ? REMOVED : 0))
  peers.write(writer, entry.publisher)
  writer.u53(entry.seq).u32(entry.expires).shortBytes(entry.payload).shortBytes(entry.signature)
}

/** Copies what it keeps: the message's bytes are not held. @throws DecodeError */
export function readEntry(reader: ByteReader, peers: PeerCodec): Entry {
  const key = readId(reader)
  const flags = reader.u8()
  const kind = KINDS[flags & ~REMOVED]
  if (kind === undefined) throw new DecodeError('an entry of unknown kind')
  return {
    key,
    kind,
    publisher: peers.read(reader),
    seq: reader.u53(),
    expires: reader.u32(),
    isRemoved: (flags & REMOVED) !== 0,
    payload: reader.shortBytes(maxPayloadBytes(kind)).slice(),
    signature: reader.shortBytes(directoryLimits.maxSignatureBytes).slice()
  }
}
