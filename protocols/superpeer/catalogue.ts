import { toString as bytesToString } from 'uint8arrays/to-string'
import { ByteWriter } from '../core/byte-writer.ts'
import { type FileId, type Infohash, idToBytes, isHex256 } from '../core/ids.ts'
import type { Peer } from '../core/peer.ts'
import type { Crypto } from '../core/signing.ts'
import { searchLimits } from '../search/config.ts'
import { textBytes } from '../search/hits.ts'
import { superPeerLimits } from './config.ts'

declare const brand: unique symbol

/** What names an item within a catalogue: the first 16 bytes of the SHA-256 of its canonical bytes, as 32 hex digits. */
export type ItemKey = string & { readonly [brand]: 'ItemKey' }

/** A file that somebody has. The same bytes under another name, or in another collection, are another item. */
export interface CatalogueItem {
  readonly id: FileId
  /** Name or path, with `/`; UTF-8. */
  readonly name: string
  /** Bytes. */
  readonly size: number
  readonly infohash?: Infohash
}

export interface KeyedItem {
  readonly key: ItemKey
  readonly item: CatalogueItem
}

/** What a publisher says of its whole catalogue, signed. The one with the highest `seq` counts. */
export interface CatalogueHead {
  readonly publisher: Peer
  /** Rises with each head that is signed; begins at the publisher's clock in unix ms. */
  readonly seq: number
  /** Unix s. */
  readonly expires: number
  /** Items. */
  readonly count: number
  /** The catalogue is cut into 2^bits buckets by the first bits of its items' keys. */
  readonly bits: number
  /** SHA-256 over the hashes of all buckets in order, 32 bytes in hex. */
  readonly root: string
  readonly signature: Uint8Array
}

export interface Change {
  /** Keys that are not there yet. */
  readonly added: readonly KeyedItem[]
  readonly removed: readonly ItemKey[]
}

type Hash = Pick<Crypto, 'sha256'>

export const KEY_BYTES = 16
/** Of a bucket: as many bytes of a SHA-256, which nobody finds a second preimage of. */
export const BUCKET_HASH_BYTES = 16

const utf8 = new TextEncoder()
const HEAD_DOMAIN = utf8.encode('shoal-catalogue-head-1\n')
/** Items are passed on as they are, and their keys are asked for again and again. */
const KEYS = new WeakMap<CatalogueItem, ItemKey>()

/** What an item takes of a message, and counts for in quotas. */
export function itemBytes(item: CatalogueItem): number {
  return 32 + 8 + 2 + textBytes(item.name) + 1 + (item.infohash === undefined ? 0 : 32)
}

export function writeItem(writer: ByteWriter, item: CatalogueItem): void {
  writer.bytes(idToBytes(item.id)).u53(item.size).text(item.name)
  writer.u8(Number(item.infohash !== undefined))
  if (item.infohash !== undefined) writer.bytes(idToBytes(item.infohash))
}

export function keyOf(item: CatalogueItem, { sha256 }: Hash): ItemKey {
  let key = KEYS.get(item)
  if (key === undefined) {
    const writer = new ByteWriter(128)
    writeItem(writer, item)
    key = bytesToString(sha256(writer.finish()).subarray(0, KEY_BYTES), 'base16') as ItemKey
    KEYS.set(item, key)
  }
  return key
}

/** Whether a catalogue can hold it at all. */
export function isSound(item: CatalogueItem): boolean {
  const { id, name, size, infohash } = item
  if (!isHex256(id) || (infohash !== undefined && !isHex256(infohash))) return false
  if (!Number.isSafeInteger(size) || size < 0 || size > searchLimits.maxSize) return false
  return isSoundName(name)
}

/** As a hit can carry it; whoever shows names, or writes files, takes care of what is in them. */
export function isSoundName(name: string): boolean {
  return name !== '' && name.isWellFormed() && textBytes(name) <= searchLimits.maxNameBytes
}

/** How many bits cut so many items into buckets of about 16. */
export function bitsFor(count: number): number {
  let bits = 0
  while (count > superPeerLimits.bucketItems * 2 ** bits && bits < superPeerLimits.maxBits) bits++
  return bits
}

/** Which of 2^bits buckets a key lies in. */
export function bucketOf(key: ItemKey, bits: number): number {
  return Number.parseInt(key.slice(0, 4), 16) >>> (16 - bits)
}

/** The first key of a bucket, and the first behind it; the last one ends where no key is. For indexes by range. */
export function keyRange(bits: number, bucket: number): { from: ItemKey; to: ItemKey } {
  const edge = (at: number): ItemKey =>
    (at === 2 ** bits ? 'g' : (at * 2 ** (16 - bits)).toString(16).padStart(4, '0')) as ItemKey
  return { from: edge(bucket), to: edge(bucket + 1) }
}

/** Of all buckets, from the keys in rising order; 16 bytes each. */
export function bucketHashes(sortedKeys: Iterable<ItemKey>, bits: number, hash: Hash): Uint8Array[] {
  const buckets: ItemKey[][] = Array.from({ length: 2 ** bits }, () => [])
  for (const key of sortedKeys) (buckets[bucketOf(key, bits)] as ItemKey[]).push(key)
  return buckets.map(keys => bucketHash(keys, hash))
}

export function bucketHash(sortedKeys: readonly ItemKey[], { sha256 }: Hash): Uint8Array {
  return sha256(utf8.encode(sortedKeys.join(''))).subarray(0, BUCKET_HASH_BYTES)
}

export function rootOf(hashes: readonly Uint8Array[], { sha256 }: Hash): string {
  const writer = new ByteWriter(hashes.length * BUCKET_HASH_BYTES)
  for (const hash of hashes) writer.bytes(hash)
  return bytesToString(sha256(writer.finish()), 'base16')
}

/** What a publisher signs; whose key it is says who that is. */
export function headBytes(network: string, head: Omit<CatalogueHead, 'signature' | 'publisher'>): Uint8Array {
  return new ByteWriter(128)
    .bytes(HEAD_DOMAIN)
    .text(network)
    .u53(head.seq)
    .u32(head.expires)
    .u32(head.count)
    .u8(head.bits)
    .text(head.root)
    .finish()
}
