import { fromString } from 'uint8arrays/from-string'
import { toString as bytesToString } from 'uint8arrays/to-string'

declare const brand: unique symbol

/** A file's id: its BEP 52 `pieces root` as 64 lower-case hex digits. Equal bytes have equal ids. */
export type FileId = string & { readonly [brand]: 'FileId' }

/** A collection's id: the SHA-256 of its bencoded `info` dictionary (BEP 52 infohash) as 64 lower-case hex digits. */
export type Infohash = string & { readonly [brand]: 'Infohash' }

/** What a swarm is named by: a collection's infohash, or a single file's id. */
export type SwarmId = FileId | Infohash

const HEX_256 = /^[0-9a-f]{64}$/

export function isHex256(text: string): boolean {
  return HEX_256.test(text)
}

/** 32 bytes as the text form of an id. */
export function idFromBytes<Id extends FileId | Infohash>(bytes: Uint8Array): Id {
  if (bytes.byteLength !== 32) throw new RangeError(`an id has 32 bytes, not ${bytes.byteLength}`)
  return bytesToString(bytes, 'base16') as Id
}

export function idToBytes(id: FileId | Infohash): Uint8Array {
  return fromString(id, 'base16')
}
