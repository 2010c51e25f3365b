import { mix } from '../core/mix.ts'
/**
 * Bloom filters of which several make one (B. Bloom, CACM 1970). Sizes are powers of two, and a key's bit in a smaller
 * filter is its bit in a larger one cut to fewer digits; so a filter can be folded, and one that is repeated stands for
 * the same keys in a larger size. That is what lets nodes with little and with much to share be put together.
 */
export type Bloom = Uint32Array

/** By size: most nodes share nothing, so that most filters are one of these. BOUNDED by the sizes there are. */
const EMPTY = new Map<number, Bloom>()
const NO_FLIPS = new Uint32Array(0)

/** Where a key's bits are, whatever the size. */
export interface KeyHash {
  readonly first: number
  readonly step: number
}

const HASHES = 4
export const MIN_BLOOM_BITS = 512

/** Not made against an adversary: whoever can choose keys that collide can also set all bits. */
export function hashKey(key: string): KeyHash {
  let first = 0x811c9dc5
  let step = 0x9747b28c
  for (let i = 0; i < key.length; i++) {
    const code = key.charCodeAt(i)
    first = Math.imul(first ^ code, 0x01000193)
    step = Math.imul(step ^ code, 0x5bd1e995)
    step ^= step >>> 15
  }
  return { first: mix(first) >>> 0, step: (mix(step) | 1) >>> 0 }
}

/** Room for the keys of many nodes with about as many: a union's density grows with each, and its size does not. */
export function bloomBits(keys: number, maxBits: number): number {
  let bits = MIN_BLOOM_BITS
  while (bits < maxBits && bits < keys * 256) bits *= 2
  return bits
}

/** The same one for all: filters are not written to once they are made. */
export function emptyBloom(bits: number): Bloom {
  let empty = EMPTY.get(bits)
  if (empty === undefined) {
    empty = new Uint32Array(bits / 32)
    EMPTY.set(bits, empty)
  }
  return empty
}

export function bloomOf(keys: Iterable<KeyHash>, bits: number): Bloom {
  const bloom = new Uint32Array(bits / 32)
  for (const { first, step } of keys) {
    for (let i = 0; i < HASHES; i++) {
      const bit = (first + Math.imul(i, step)) & (bits - 1)
      bloom[bit >>> 5] = (bloom[bit >>> 5] as number) | (1 << (bit & 31))
    }
  }
  return bloom
}

/** Whether the key may be in it. */
export function mayHave(bloom: Bloom, { first, step }: KeyHash): boolean {
  const mask = bloom.length * 32 - 1
  for (let i = 0; i < HASHES; i++) {
    const bit = (first + Math.imul(i, step)) & mask
    if (((bloom[bit >>> 5] as number) & (1 << (bit & 31))) === 0) return false
  }
  return true
}

/** All of them in one, in the size of the largest, at most `maxBits`. */
export function unionOf(blooms: readonly Bloom[], maxBits: number): Bloom {
  let words = MIN_BLOOM_BITS / 32
  for (const bloom of blooms) words = Math.max(words, bloom.length)
  words = Math.min(words, maxBits / 32)
  const filled = blooms.filter(bloom => bloom !== EMPTY.get(bloom.length * 32))
  if (filled.length === 0) return emptyBloom(words * 32)
  const union = new Uint32Array(words)
  for (const bloom of filled) {
    const longest = Math.max(words, bloom.length)
    for (let i = 0; i < longest; i++) {
      const at = i & (words - 1)
      union[at] = (union[at] as number) | (bloom[i & (bloom.length - 1)] as number)
    }
  }
  return union
}

/** Share of the bits that are set. */
export function density(bloom: Bloom): number {
  let set = 0
  for (const word of bloom) if (word !== 0) set += popcount(word)
  return set / (bloom.length * 32)
}

/** Bits in which two of the same size differ, in order. */
export function flipsBetween(before: Bloom, after: Bloom): Uint32Array {
  if (before === after) return NO_FLIPS
  const flips: number[] = []
  for (let i = 0; i < after.length; i++) {
    for (let rest = ((before[i] as number) ^ (after[i] as number)) >>> 0; rest !== 0; ) {
      const bit = 31 - Math.clz32(rest & -rest)
      flips.push(i * 32 + bit)
      rest = (rest & (rest - 1)) >>> 0
    }
  }
  return Uint32Array.from(flips)
}

/** A new one with these bits turned. */
export function flipped(bloom: Bloom, flips: Uint32Array): Bloom {
  const result = bloom.slice()
  for (const bit of flips) result[bit >>> 5] = (result[bit >>> 5] as number) ^ (1 << (bit & 31))
  return result
}

function popcount(word: number): number {
  let x = word - ((word >>> 1) & 0x55555555)
  x = (x & 0x33333333) + ((x >>> 2) & 0x33333333)
  return Math.imul((x + (x >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}
