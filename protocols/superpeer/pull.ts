import type { Crypto } from '../core/signing.ts'
import {
  bucketHash,
  bucketHashes,
  bucketOf,
  type CatalogueHead,
  type CatalogueItem,
  type Change,
  type ItemKey,
  itemBytes,
  type KeyedItem,
  keyOf,
  rootOf
} from './catalogue.ts'
import { superPeerLimits } from './config.ts'

type Hash = Pick<Crypto, 'sha256'>

/**
 * One catalogue on its way here, checked against its signed head: first the hashes of its buckets, which make the root;
 * then the buckets in which what is here differs, each of which makes its hash, whoever tells it.
 */
export class Pull {
  readonly head: CatalogueHead
  readonly #hash: Hash
  readonly #own: readonly ItemKey[]
  #hashes: readonly Uint8Array[] | undefined
  readonly #missing = new Set<number>() // BOUNDED by 2^maxBits
  /** BOUNDED by maxItems and maxCatalogueBytes. */
  readonly #staged = new Map<number, readonly KeyedItem[]>()
  #items = 0
  #bytes = 0

  /** @param own the keys of this publisher that are here, in rising order */
  constructor(head: CatalogueHead, own: readonly ItemKey[], hash: Hash) {
    this.head = head
    this.#own = own
    this.#hash = hash
    // of one bucket nobody needs to tell the hash: the root is made of it alone
    if (head.bits === 0 && !this.#isBucket(0, own)) this.#missing.add(0)
  }

  get needsHashes(): boolean {
    return this.head.bits > 0 && this.#hashes === undefined
  }

  get missing(): number {
    return this.#missing.size
  }

  /** Whether nothing of it was here before. */
  get isNew(): boolean {
    return this.#own.length === 0
  }

  /** The next buckets to ask for, in order. */
  next(): number[] {
    return [...this.#missing].slice(0, superPeerLimits.maxBuckets).sort((a, b) => a - b)
  }

  /** False when they do not make the root. */
  takeHashes(hashes: readonly Uint8Array[]): boolean {
    const { bits, root } = this.head
    if (hashes.length !== 2 ** bits || rootOf(hashes, this.#hash) !== root) return false
    this.#hashes = hashes
    const own = bucketHashes(this.#own, bits, this.#hash)
    own.forEach((hash, bucket) => {
      if (!areSame(hash, hashes[bucket] as Uint8Array)) this.#missing.add(bucket)
    })
    return true
  }

  /**
   * The items that somebody has for these buckets. Returns how many of the buckets are whole; 'tooLarge' when the
   * catalogue is more than it may be.
   */
  takeItems(asked: readonly number[], items: readonly CatalogueItem[]): number | 'tooLarge' {
    const buckets = new Map<number, Map<ItemKey, CatalogueItem>>(asked.map(bucket => [bucket, new Map()]))
    for (const item of items) {
      const key = keyOf(item, this.#hash)
      buckets.get(bucketOf(key, this.head.bits))?.set(key, item)
    }
    let whole = 0
    for (const [bucket, found] of buckets) {
      const keys = [...found.keys()].sort()
      if (!this.#missing.has(bucket) || !this.#isBucket(bucket, keys)) continue
      const keyed = keys.map(key => ({ key, item: found.get(key) as CatalogueItem }))
      this.#items += keyed.length
      for (const { item } of keyed) this.#bytes += itemBytes(item)
      const { maxItems, maxCatalogueBytes } = superPeerLimits
      if (this.#items > maxItems || this.#bytes > maxCatalogueBytes) return 'tooLarge'
      this.#staged.set(bucket, keyed)
      this.#missing.delete(bucket)
      whole++
    }
    return whole
  }

  /** What makes of what is here what the head says. Undefined when the head says how many there are, and lies. */
  change(): Change | undefined {
    const { bits, count } = this.head
    const own = new Set(this.#own)
    const added: KeyedItem[] = []
    const kept = new Set<ItemKey>()
    for (const keyed of this.#staged.values()) {
      for (const item of keyed) {
        if (own.has(item.key)) kept.add(item.key)
        else added.push(item)
      }
    }
    const removed = this.#own.filter(key => this.#staged.has(bucketOf(key, bits)) && !kept.has(key))
    return this.#own.length + added.length - removed.length === count ? { added, removed } : undefined
  }

  #isBucket(bucket: number, sortedKeys: readonly ItemKey[]): boolean {
    const hash = bucketHash(sortedKeys, this.#hash)
    if (this.head.bits === 0) return rootOf([hash], this.#hash) === this.head.root
    return areSame(hash, this.#hashes?.[bucket] as Uint8Array)
  }
}

function areSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && a.every((byte, i) => byte === b[i])
}
