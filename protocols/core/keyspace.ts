import { fromString } from 'uint8arrays/from-string'
import { toString as bytesToString } from 'uint8arrays/to-string'

declare const brand: unique symbol

/**
 * A point on the ring of 2^256 ids: 64 lower-case hex digits, most significant first, so that `<` on two of them is the
 * order of the numbers. Ids of files, infohashes, hashes of words and of peers are such points.
 */
export type RingId = string & { readonly [brand]: 'RingId' }

/** 32 bytes, big-endian. @throws RangeError */
export function ringIdFromBytes(bytes: Uint8Array): RingId {
  if (bytes.byteLength !== 32) throw new RangeError(`an id has 32 bytes, not ${bytes.byteLength}`)
  return bytesToString(bytes, 'base16') as RingId
}

/** Its 32 bytes, big-endian. */
export function ringIdToBytes(id: RingId): Uint8Array {
  return fromString(id, 'base16')
}

/** Whether `x` is strictly inside the clockwise arc from `a` to `b`; if they are one point, whether it is another. */
export function isBetween(a: RingId, x: RingId, b: RingId): boolean {
  return a < b ? a < x && x < b : a < x || x < b
}

/** Whether `x` is in (a, b], the ids that are stored at `b` when `a` is its predecessor; if they are one point, all are. */
export function isOwned(a: RingId, x: RingId, b: RingId): boolean {
  return a < b ? a < x && x <= b : a < x || x <= b
}

const DIGITS = 64
const MODULUS = 1n << 256n

/** `id + offset` on the ring. */
export function ringAdd(id: RingId, offset: bigint): RingId {
  const sum = (((BigInt(`0x${id}`) + offset) % MODULUS) + MODULUS) % MODULUS
  return sum.toString(16).padStart(DIGITS, '0') as RingId
}

/** Clockwise from `a` to `b`, as a share of the ring in [0, 1); exact to about 2^-48. */
export function ringShare(a: RingId, b: RingId): number {
  const difference = headOf(b) - headOf(a)
  return (difference < 0 || (difference === 0 && b < a) ? difference + HEAD_SPAN : difference) / HEAD_SPAN
}

const HEAD_DIGITS = 12
/** One more than the largest head. */
export const HEAD_SPAN = 2 ** (4 * HEAD_DIGITS)

/** The first 48 bits of an id, which is as many as two of a billion ids need to differ. */
export function headOf(id: RingId): number {
  // twice as fast as to make a text of them and to parse it
  let [high, low] = [0, 0]
  for (let i = 0; i < HEAD_DIGITS / 2; i++) {
    high = (high << 4) | digitOf(id.charCodeAt(i))
    low = (low << 4) | digitOf(id.charCodeAt(i + HEAD_DIGITS / 2))
  }
  return high * 2 ** (2 * HEAD_DIGITS) + low
}

/** Of a lower-case hex digit: letters have bit 6, and their low four bits begin at 1. */
function digitOf(code: number): number {
  return (code & 15) + 9 * (code >>> 6)
}
