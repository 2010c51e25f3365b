import type { RingId } from '../core/keyspace.ts'
import { mix } from '../core/mix.ts'
import type { Digest, Listed, Part } from './messages.ts'
import type { Head } from './record-store.ts'

/**
 * Adds up records so that their order does not matter. Each comparison has a salt of its own, so that nobody can make
 * up entries whose sums cancel out the lack of others.
 */
export class Sum {
  readonly #salt: number
  #count = 0
  #low = 0
  #high = 0

  constructor(salt: number) {
    this.#salt = salt
  }

  add({ hash }: Head): void {
    const a = Number.parseInt(hash.slice(0, 8), 16)
    const b = Number.parseInt(hash.slice(8, 16), 16)
    const low = mix(mix(a ^ this.#salt) + b)
    this.#count++
    this.#low = (this.#low + low) >>> 0
    this.#high = (this.#high + mix(mix(low + this.#salt) ^ a)) >>> 0
  }

  get digest(): Digest {
    return { count: this.#count, low: this.#low, high: this.#high }
  }
}

export function digestOf(heads: Iterable<Head>, salt: number): Digest {
  const sum = new Sum(salt)
  for (const head of heads) sum.add(head)
  return sum.digest
}

export function areSame(a: Digest, b: Digest): boolean {
  return a.count === b.count && a.low === b.low && a.high === b.high
}

/** About equally many records in each, those of one key together; so it takes few splits however close the keys are. */
export function partsOf(heads: readonly Head[], count: number, to: RingId, salt: number): Part[] {
  const parts: Part[] = []
  let sum = new Sum(salt)
  let taken = 0
  for (let i = 0; i < heads.length; i++) {
    const { key } = heads[i] as Head
    sum.add(heads[i] as Head)
    taken++
    const isLastOfKey = heads[i + 1]?.key !== key
    if (isLastOfKey && taken >= heads.length / count && parts.length < count - 1 && i + 1 < heads.length) {
      parts.push({ to: key, ...sum.digest })
      sum = new Sum(salt)
      taken = 0
    }
  }
  return [...parts, { to, ...sum.digest }]
}

/**
 * Which record it is, whatever its version: 8 bytes that are only known within one comparison. Mixed instead of hashed, so
 * that a stranger who asks for many makes little work: the publisher's id is a hash, and of a key every bit counts.
 */
export function shortIdOf({ key, publisherId }: Pick<Head, 'key' | 'publisherId'>, salt: number): string {
  const half = (first: number, seed: number): string => {
    const word = (id: RingId, n: number): number => Number.parseInt(id.slice(8 * n, 8 * n + 8), 16)
    let mixed = seed
    for (let n = first; n < 8; n += 2) mixed = mix(mixed ^ word(key, n))
    return (mix(mixed ^ word(publisherId, first)) >>> 0).toString(16).padStart(8, '0')
  }
  return half(0, salt) + half(1, ~salt)
}

export function listedOf(head: Head, salt: number): Listed {
  return { id: shortIdOf(head, salt), seq: head.seq, hash: head.hash.slice(0, 16) }
}
