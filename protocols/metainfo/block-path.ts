import { BLOCK_BYTES, blockCount, climbPath, padHash, sameBytes, siblingOf, treeHeight } from './merkle.ts'
import { HASH_BYTES, type Sha256 } from './sha.ts'

export interface BlockPath {
  /** Number of the block in the file. */
  readonly block: number
  /** Its bytes. */
  readonly data: Uint8Array
  /** Its uncles from the leaf to the root, joined: one for each layer of the tree of a file of that length. */
  readonly uncles: Uint8Array
}

/**
 * Whether the block lies just there in a file of `length` bytes with this root. Beside the hashes, the block must have
 * its whole size, since 64 bytes can be two hashes of the tree; and what lies past the end must be padding, since only
 * with it does the path of the last block say that nothing follows.
 */
export function leadsToRoot(root: Uint8Array, length: number, path: BlockPath, sha256: Sha256): boolean {
  const blocks = blockCount(length)
  const height = treeHeight(blocks)
  const { block, data, uncles } = path
  if (block < 0 || block >= blocks || uncles.byteLength !== height * HASH_BYTES) return false
  if (data.byteLength !== Math.min(BLOCK_BYTES, length - block * BLOCK_BYTES)) return false
  for (let layer = 0, position = block; layer < height; layer++, position = Math.floor(position / 2)) {
    if (siblingOf(position) * 2 ** layer < blocks) continue
    const uncle = uncles.subarray(layer * HASH_BYTES, (layer + 1) * HASH_BYTES)
    if (!sameBytes(uncle, padHash(layer, sha256))) return false
  }
  return sameBytes(climbPath(sha256(data), block, uncles, sha256), root)
}
