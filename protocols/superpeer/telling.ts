import type { Peer } from '../core/peer.ts'
import { PeerRates } from '../core/peer-rates.ts'
import type { Crypto } from '../core/signing.ts'
import { TokenBucket } from '../core/token-bucket.ts'
import { bucketHashes, type CatalogueItem, itemBytes } from './catalogue.ts'
import type { CatalogueStore } from './catalogue-store.ts'
import { superPeerLimits } from './config.ts'
import type { SuperPeerMessageOf } from './messages.ts'
import type { Outbox } from './outbox.ts'

/** What reading a bucket counts for, whatever lies in it. */
const LOOK_BYTES = 512

/** What this node says of the catalogues that it has: a client of its own, a super-peer of those of its clients. */
export class Telling {
  readonly #outbox: Outbox
  readonly #store: CatalogueStore
  readonly #signing: Crypto
  readonly #bulk = new PeerRates(superPeerLimits.bulk, superPeerLimits.maxRates)
  readonly #allBulk = new TokenBucket(superPeerLimits.allBulk)
  #items = 0

  constructor(init: { outbox: Outbox; store: CatalogueStore; signing: Crypto }) {
    this.#outbox = init.outbox
    this.#store = init.store
    this.#signing = init.signing
  }

  /** Items that were told so far. */
  get items(): number {
    return this.#items
  }

  /** Of this node's own catalogue. */
  onHashesWanted(from: Peer, { id, bits }: SuperPeerMessageOf<'hashesWanted'>): void {
    const { self } = this.#outbox
    const head = this.#store.head(self)
    const mayTell = head?.bits === bits && this.#takes(from, 32 * 2 ** bits)
    const hashes = mayTell ? bucketHashes(this.#store.keys(self), bits, this.#signing) : []
    this.#outbox.send(from, { type: 'hashes', id, hashes })
  }

  onBucketsWanted(from: Peer, { id, publisher, bits, buckets }: SuperPeerMessageOf<'bucketsWanted'>): void {
    // an empty answer: it is asked of somebody else
    const items: CatalogueItem[] = []
    let bytes = 0
    for (const bucket of buckets) {
      // to look costs something as well
      if (!this.#takes(from, LOOK_BYTES)) break
      const more = this.#store.bucket(publisher, bits, bucket)
      const size = more.reduce((sum, { item }) => sum + itemBytes(item), 0)
      if (bytes + size > superPeerLimits.maxBulkBytes || !this.#takes(from, size)) break
      bytes += size
      for (const { item } of more) items.push(item)
    }
    this.#items += items.length
    const parts = inParts(items)
    parts.forEach((part, i) => {
      this.#outbox.send(from, { type: 'items', id, isLast: i === parts.length - 1, items: part })
    })
  }

  #takes(from: Peer, bytes: number): boolean {
    const { now } = this.#outbox
    return this.#bulk.take(from, now, bytes) && this.#allBulk.take(now, bytes)
  }
}

/** As many as a message holds in each, at least one part. */
function inParts(items: readonly CatalogueItem[]): CatalogueItem[][] {
  const parts: CatalogueItem[][] = [[]]
  let bytes = 0
  for (const item of items) {
    const size = itemBytes(item)
    const last = parts.at(-1) as CatalogueItem[]
    if (
      last.length >= superPeerLimits.maxItemsInMessage ||
      (bytes + size > superPeerLimits.maxPartBytes && bytes > 0)
    ) {
      parts.push([item])
      bytes = size
    } else {
      last.push(item)
      bytes += size
    }
  }
  return parts
}
