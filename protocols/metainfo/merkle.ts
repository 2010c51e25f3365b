import { HASH_BYTES, type Sha256 } from './sha.ts'

/**
 * The merkle tree of a file (BEP 52): SHA-256 over blocks of 16 KiB, paired upwards. Layer 0 are the leaves; leaves past
 * the end of the file are 32 zero bytes. A layer is held as its real hashes joined; what a layer lacks to a power of two
 * is the hash of a subtree that has only zero leaves (`padHash`).
 */
export const BLOCK_BYTES = 16_384

const MIN_PIECE_BYTES = 256 * 1024
const MAX_PIECE_BYTES = 16 * 1024 * 1024
/** A file has about this many pieces at the most, until pieces reach their largest size. */
const WANTED_PIECES = 2_048

/** Piece length that Shoal chooses for so many bytes: a power of two in 256 KiB … 16 MiB that grows with the size. */
export function pieceLengthFor(size: number): number {
  let length = MIN_PIECE_BYTES
  while (length < MAX_PIECE_BYTES && size / length > WANTED_PIECES) length *= 2
  return length
}

export function blockCount(length: number): number {
  return Math.ceil(length / BLOCK_BYTES)
}

/** Layers above the leaves: 0 for one leaf, 1 for two, 2 for three or four. */
export function treeHeight(leaves: number): number {
  if (leaves <= 1) return 0
  // a file of 2^50 bytes has more leaves than 32 bits count
  const high = Math.floor((leaves - 1) / 2 ** 32)
  return high === 0 ? 32 - Math.clz32(leaves - 1) : 64 - Math.clz32(high)
}

/** Which layer has one hash for each `bytes` of the file; `bytes` a power of two of at least a block. */
export function layerOf(bytes: number): number {
  return Math.log2(bytes / BLOCK_BYTES)
}

/** Leaf hashes of bytes that begin at a block boundary, joined. The last block may be short. */
export function hashLeaves(data: Uint8Array, sha256: Sha256): Uint8Array {
  const leaves = new Uint8Array(blockCount(data.byteLength) * HASH_BYTES)
  for (let i = 0, at = 0; at < data.byteLength; i++, at += BLOCK_BYTES) {
    leaves.set(sha256(data.subarray(at, at + BLOCK_BYTES)), i * HASH_BYTES)
  }
  return leaves
}

const pads: Uint8Array[] = [new Uint8Array(HASH_BYTES)]

/** Hash of a subtree of zero leaves whose top is on `layer`. */
export function padHash(layer: number, sha256: Sha256): Uint8Array {
  for (let i = pads.length; i <= layer; i++) pads.push(hashPair(pads[i - 1]!, pads[i - 1]!, sha256))
  return pads[layer]!
}

/** The layer above: `hashes` are the real hashes of `layer`, joined. */
export function parentLayer(hashes: Uint8Array, layer: number, sha256: Sha256): Uint8Array {
  const count = hashes.byteLength / HASH_BYTES
  const parents = new Uint8Array(Math.ceil(count / 2) * HASH_BYTES)
  for (let i = 0; i < count; i += 2) {
    const at = i * HASH_BYTES
    const parent =
      i + 1 < count
        ? sha256(hashes.subarray(at, at + 2 * HASH_BYTES))
        : hashPair(hashes.subarray(at, at + HASH_BYTES), padHash(layer, sha256), sha256)
    parents.set(parent, (i / 2) * HASH_BYTES)
  }
  return parents
}

/** The hashes of `toLayer` above the given real hashes of `layer`, as far as they are real. */
export function climb(hashes: Uint8Array, layer: number, toLayer: number, sha256: Sha256): Uint8Array {
  let at = hashes
  for (let l = layer; l < toLayer; l++) at = parentLayer(at, l, sha256)
  return at
}

/** The ancestor that a hash and its uncles lead to: `uncles` joined, from its own layer upwards. */
export function climbPath(hash: Uint8Array, position: number, uncles: Uint8Array, sha256: Sha256): Uint8Array {
  let at = hash
  let place = position
  for (let i = 0; i < uncles.byteLength / HASH_BYTES; i++) {
    const uncle = hashAt(uncles, i)
    at = isRight(place) ? hashPair(uncle, at, sha256) : hashPair(at, uncle, sha256)
    place = Math.floor(place / 2)
  }
  return at
}

/** Position of the other child of the same parent. */
export function siblingOf(position: number): number {
  return isRight(position) ? position - 1 : position + 1
}

/** Positions on the leaf layer go beyond 32 bits, where bit operators end. */
function isRight(position: number): boolean {
  return position % 2 === 1
}

export function hashPair(left: Uint8Array, right: Uint8Array, sha256: Sha256): Uint8Array {
  const pair = new Uint8Array(2 * HASH_BYTES)
  pair.set(left)
  pair.set(right, HASH_BYTES)
  return sha256(pair)
}

export function hashAt(hashes: Uint8Array, index: number): Uint8Array {
  return hashes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES)
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.byteLength !== b.byteLength) return false
  for (let i = 0; i < a.byteLength; i++) if (a[i] !== b[i]) return false
  return true
}
