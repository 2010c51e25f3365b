import type { ByteReader } from '../core/byte-reader.ts'
import type { ByteWriter } from '../core/byte-writer.ts'
import { DecodeError } from '../core/codec.ts'
import { type FileId, type Infohash, idFromBytes, idToBytes } from '../core/ids.ts'
import type { PeerCodec } from '../core/peer.ts'
import { searchLimits } from './config.ts'
import { hitKey, worstBytes } from './hits.ts'
import type { Answer, Hit } from './messages.ts'

/** How a hit is told from the one before it. */
const INFOHASH = 1
const SAME_INFOHASH = 2
const SAME_FILE = 4
/** Holders of a hit as one bit for each; else so many indexes. */
const BITMAP = 0
/** More hits than fit: nothing is made for those that did not arrive. */
const MAX_HITS = searchLimits.maxHitsMessageBytes

/** The holders, then each hit once with who of them has it. */
export function writeAnswers(writer: ByteWriter, answers: readonly Answer[], peers: PeerCodec): void {
  writer.varint(answers.length)
  const hits = new Map<string, { hit: Hit; having: number[] }>()
  for (const [index, { holder, hops, hits: list }] of answers.entries()) {
    peers.write(writer, holder)
    writer.u8(hops)
    for (const hit of list) {
      const key = hitKey(hit)
      const entry = hits.get(key)
      if (entry === undefined) hits.set(key, { hit, having: [index] })
      else if (entry.having.at(-1) !== index) entry.having.push(index)
    }
  }
  writer.varint(hits.size)
  let before: Hit | undefined
  for (const { hit, having } of hits.values()) {
    writeHit(writer, hit, before)
    if (answers.length > 1) writeHaving(writer, having, answers.length)
    before = hit
  }
}

/** @throws DecodeError */
export function readAnswers(reader: ByteReader, peers: PeerCodec): Answer[] {
  const count = reader.varint(searchLimits.maxHoldersInMessage)
  const answers: { holder: Answer['holder']; hops: number; hits: Hit[] }[] = []
  for (let i = 0; i < count; i++) answers.push({ holder: peers.read(reader), hops: reader.u8(), hits: [] })
  if (new Set(answers.map(({ holder }) => holder)).size < count) throw new DecodeError('a holder that is named twice')
  let before: Hit | undefined
  for (let left = reader.varint(MAX_HITS); left > 0; left--) {
    const hit = readHit(reader, before)
    for (const index of count > 1 ? readHaving(reader, count) : [0]) {
      const list = answers[index]?.hits
      if (list === undefined) throw new DecodeError('a hit of a holder that is not named')
      if (list.length >= searchLimits.maxHits)
        throw new DecodeError(`more than ${searchLimits.maxHits} hits of a holder`)
      list.push(hit)
    }
    before = hit
  }
  if (count === 0 || answers.some(({ hits }) => hits.length === 0)) throw new DecodeError('a holder without a hit')
  // whoever passes it on may know longer records of the holders, and must not break the rule by that
  if (worstBytes(answers) > searchLimits.maxHitsMessageBytes) throw new DecodeError('hits that are too long')
  return answers
}

function writeHit(writer: ByteWriter, { id, size, name, infohash }: Hit, before: Hit | undefined): void {
  const isSameFile = before !== undefined && before.id === id && before.size === size
  const isSameInfohash = infohash !== undefined && before?.infohash === infohash
  const named = isSameInfohash ? SAME_INFOHASH : infohash === undefined ? 0 : INFOHASH
  writer.u8(named + (isSameFile ? SAME_FILE : 0))
  if (!isSameFile) writer.bytes(idToBytes(id)).varint(size)
  writer.varText(name)
  if (infohash !== undefined && !isSameInfohash) writer.bytes(idToBytes(infohash))
}

function readHit(reader: ByteReader, before: Hit | undefined): Hit {
  const flags = reader.u8()
  const named = flags & (INFOHASH | SAME_INFOHASH)
  if (flags > 7 || named === 3) throw new DecodeError('a hit with unknown flags')
  const isSameFile = (flags & SAME_FILE) !== 0
  if (before === undefined && (isSameFile || named === SAME_INFOHASH)) throw new DecodeError('a first hit like another')
  const { id, size } =
    before !== undefined && isSameFile
      ? before
      : { id: idFromBytes<FileId>(reader.bytes(32)), size: reader.varint(searchLimits.maxSize) }
  const name = reader.varText(searchLimits.maxNameBytes)
  if (name === '') throw new DecodeError('a hit without a name')
  if (named === 0) return { id, size, name }
  const infohash = named === INFOHASH ? idFromBytes<Infohash>(reader.bytes(32)) : before?.infohash
  if (infohash === undefined) throw new DecodeError('a hit in the collection of one that is in none')
  return { id, size, name, infohash }
}

/** Indexes while they take fewer bytes, else one bit for each holder. */
function writeHaving(writer: ByteWriter, having: readonly number[], holders: number): void {
  const bitmap = new Uint8Array(Math.ceil(holders / 8))
  if (having.length < bitmap.byteLength) {
    writer.u8(having.length).bytes(Uint8Array.from(having))
    return
  }
  for (const index of having) bitmap[index >>> 3] = (bitmap[index >>> 3] as number) | (1 << (index & 7))
  writer.u8(BITMAP).bytes(bitmap)
}

function readHaving(reader: ByteReader, holders: number): number[] {
  const count = reader.u8()
  const having: number[] = []
  if (count === BITMAP) {
    for (const [i, byte] of reader.bytes(Math.ceil(holders / 8)).entries()) {
      for (let bit = 0; bit < 8; bit++) if ((byte & (1 << bit)) !== 0) having.push(i * 8 + bit)
    }
    if (having.length === 0) throw new DecodeError('a hit of nobody')
    return having
  }
  for (const index of reader.bytes(count)) {
    if (index <= (having.at(-1) ?? -1)) throw new DecodeError('holders of a hit that are not in order')
    having.push(index)
  }
  return having
}
