/** Which hashes a BEP 52 `hash request` is about. */
export interface HashRange {
  /** Lowest layer that is asked for: 0 are the leaves. */
  base: number
  /** First hash on that layer; a multiple of `length`. */
  index: number
  /** How many hashes of that layer; a power of two, 2 … 512. */
  length: number
  /**
   * Ancestor layers to include uncle hashes of. The first log2(length) - 1 of them can be computed from the range itself
   * and are counted but not sent.
   */
  proofs: number
}

/** Most hashes of the base layer in one request (BEP 52: SHOULD NOT be greater). */
export const MAX_RANGE_HASHES = 512
/** More layers than any file of 2^50 bytes has. */
const MAX_LAYERS = 40

export function isHashRange({ base, index, length, proofs }: HashRange): boolean {
  return (
    base <= MAX_LAYERS &&
    proofs <= MAX_LAYERS &&
    length >= 2 &&
    length <= MAX_RANGE_HASHES &&
    (length & (length - 1)) === 0 &&
    index % length === 0
  )
}

/** How many uncle hashes an answer carries. */
export function uncleCount(range: HashRange): number {
  return Math.max(0, range.proofs - Math.log2(range.length) + 1)
}

export function sameRange(a: HashRange, b: HashRange): boolean {
  return a.base === b.base && a.index === b.index && a.length === b.length && a.proofs === b.proofs
}
