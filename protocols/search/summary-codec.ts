import type { ByteReader } from '../core/byte-reader.ts'
import type { ByteWriter } from '../core/byte-writer.ts'
import { DecodeError } from '../core/codec.ts'
import { MIN_BLOOM_BITS } from './bloom.ts'
import type { SummaryLevel } from './messages.ts'

const GAPS = 0
const BITMAP = 1

/** The bits that turn: as gaps (LEB128) while they are few, else one bit for each. */
export function writeSummaryLevel(writer: ByteWriter, { bits, flips }: SummaryLevel): void {
  writer.u8(Math.log2(bits))
  const gaps = gapsOf(flips, bits / 8)
  if (gaps !== undefined) {
    writer.u8(GAPS).u32(flips.length).bytes(gaps)
    return
  }
  const bitmap = new Uint8Array(bits / 8)
  for (const bit of flips) bitmap[bit >>> 3] = (bitmap[bit >>> 3] as number) | (1 << (bit & 7))
  writer.u8(BITMAP).bytes(bitmap)
}

/** @throws DecodeError */
export function readSummaryLevel(reader: ByteReader, maxBits: number): SummaryLevel {
  const bits = 2 ** reader.u8()
  if (bits < MIN_BLOOM_BITS || bits > maxBits) throw new DecodeError(`a summary of ${bits} bits`)
  const form = reader.u8()
  if (form === GAPS) return { bits, flips: readGaps(reader, bits) }
  if (form !== BITMAP) throw new DecodeError('a summary of unknown form')
  const bitmap = reader.bytes(bits / 8)
  const flips: number[] = []
  for (let i = 0; i < bitmap.length; i++) {
    const byte = bitmap[i] as number
    if (byte !== 0) for (let bit = 0; bit < 8; bit++) if ((byte & (1 << bit)) !== 0) flips.push(i * 8 + bit)
  }
  return { bits, flips: Uint32Array.from(flips) }
}

/** Undefined when they take as much as `limit`, bytes. */
function gapsOf(flips: Uint32Array, limit: number): Uint8Array | undefined {
  if (flips.length >= limit) return undefined
  const bytes: number[] = []
  let last = -1
  for (const bit of flips) {
    let gap = bit - last - 1
    last = bit
    for (; gap > 0x7f; gap >>>= 7) bytes.push((gap & 0x7f) | 0x80)
    bytes.push(gap)
  }
  return bytes.length < limit ? Uint8Array.from(bytes) : undefined
}

function readGaps(reader: ByteReader, bits: number): Uint32Array {
  const count = reader.u32()
  // each takes a byte at least, and nothing is allocated for bytes that did not arrive
  if (count > reader.left || count > bits) throw new DecodeError(`a summary of ${bits} bits in which ${count} turn`)
  const flips = new Uint32Array(count)
  let last = -1
  for (let i = 0; i < count; i++) {
    let gap = 0
    for (let shift = 0; ; shift += 7) {
      if (shift > 21) throw new DecodeError('a gap in a summary that is too long')
      const byte = reader.u8()
      gap |= (byte & 0x7f) << shift
      if ((byte & 0x80) === 0) break
    }
    last += gap + 1
    if (last >= bits) throw new DecodeError('a summary that goes on after its last bit')
    flips[i] = last
  }
  return flips
}
