import { createHash } from 'node:crypto'
import { ByteReader } from '../../protocols/core/byte-reader.ts'
import { ByteWriter } from '../../protocols/core/byte-writer.ts'
import { DecodeError } from '../../protocols/core/codec.ts'
import { type FileId, type Infohash, idFromBytes, idToBytes } from '../../protocols/core/ids.ts'
import { type RingId, ringIdFromBytes } from '../../protocols/core/keyspace.ts'

/** What a node says in the directory of what it shares. See README.md of `protocols/directory` for what carries it. */

export const payloadLimits = {
  maxNameBytes: 255,
  maxTrackers: 4,
  maxTrackerBytes: 300,
  /** Files that one publisher names under one word, and how long their names are there; all of it in 2 KiB. */
  maxWordFiles: 16,
  maxWordNameBytes: 120,
  wordBytes: 2_000
} as const

/** Of a file, or a collection: I have it. */
export interface Holding {
  readonly of: 'file' | 'collection'
  /** Of the file, or of all files of the collection. */
  readonly size: number
  readonly name: string
  /** Of a file: a collection that it is in. */
  readonly infohash?: Infohash
  /** Multiaddrs with `/p2p/`. */
  readonly trackers: readonly string[]
}

/** Under a word: I have this file, whose name has the word. */
export interface WordFile {
  readonly id: FileId
  readonly size: number
  readonly name: string
}

const VERSION = 1

/** Where a collection's metainfo lies: its infohash is the hash of it. */
export function metainfoKey(infohash: Infohash): RingId {
  return infohash as string as RingId
}

/** Where those lie who have the file or collection. */
export function holdersKey(id: FileId | Infohash): RingId {
  return hashOf('shoal-holders-1\n', id)
}

/** Where the files lie whose names have this token (see `nameTokens`). */
export function wordKey(token: string): RingId {
  return hashOf('shoal-word-1\n', token)
}

export function encodeHolding({ of, size, name, infohash, trackers }: Holding): Uint8Array {
  const writer = new ByteWriter()
    .u8(VERSION)
    .u8(Number(of === 'collection'))
    .u53(size)
  writer.text(cut(name, payloadLimits.maxNameBytes)).u8(Number(infohash !== undefined))
  if (infohash !== undefined) writer.bytes(idToBytes(infohash))
  const short = trackers.filter(tracker => Buffer.byteLength(tracker) <= payloadLimits.maxTrackerBytes)
  return writer.list(short.slice(0, payloadLimits.maxTrackers), (to, tracker) => to.text(tracker)).finish()
}

/** @throws DecodeError */
export function decodeHolding(payload: Uint8Array): Holding {
  const reader = readerOf(payload)
  const of = readFlag(reader) ? 'collection' : 'file'
  const [size, name] = [reader.u53(), reader.text(payloadLimits.maxNameBytes)]
  const infohash = readFlag(reader) ? { infohash: idFromBytes<Infohash>(reader.bytes(32)) } : {}
  const trackers = reader.list(payloadLimits.maxTrackers, from => from.text(payloadLimits.maxTrackerBytes))
  reader.end()
  return { of, size, name, ...infohash, trackers }
}

/** As many of them as there is room for. */
export function encodeWordFiles(files: readonly WordFile[]): Uint8Array {
  const fitting: WordFile[] = []
  let bytes = 3
  for (const file of files) {
    const name = cut(file.name, payloadLimits.maxWordNameBytes)
    bytes += 42 + Buffer.byteLength(name)
    if (fitting.length === payloadLimits.maxWordFiles || bytes > payloadLimits.wordBytes) break
    fitting.push({ ...file, name })
  }
  return new ByteWriter()
    .u8(VERSION)
    .list(fitting, (to, { id, size, name }) => to.bytes(idToBytes(id)).u53(size).text(name))
    .finish()
}

/** @throws DecodeError */
export function decodeWordFiles(payload: Uint8Array): WordFile[] {
  const reader = readerOf(payload)
  const files = reader.list(payloadLimits.maxWordFiles, from => ({
    id: idFromBytes<FileId>(from.bytes(32)),
    size: from.u53(),
    name: from.text(payloadLimits.maxWordNameBytes)
  }))
  reader.end()
  return files
}

function hashOf(domain: string, text: string): RingId {
  return ringIdFromBytes(createHash('sha256').update(domain).update(text).digest())
}

function readerOf(payload: Uint8Array): ByteReader {
  const reader = new ByteReader(payload)
  const version = reader.u8()
  if (version !== VERSION) throw new DecodeError(`version ${version}`)
  return reader
}

function readFlag(reader: ByteReader): boolean {
  const flag = reader.u8()
  if (flag > 1) throw new DecodeError('a flag that is neither 0 nor 1')
  return flag === 1
}

/** The end of a path says more than its beginning. */
function cut(name: string, maxBytes: number): string {
  let short = name
  while (Buffer.byteLength(short) > maxBytes) {
    const slash = short.indexOf('/')
    short = slash >= 0 ? short.slice(slash + 1) : short.slice(Math.ceil(short.length / 8) || 1)
  }
  return short.isWellFormed() ? short : short.toWellFormed()
}
