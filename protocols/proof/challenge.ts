import { BLOCK_BYTES, blockCount } from '../metainfo/index.ts'

/**
 * Which blocks of a file of `size` bytes answer a challenge. The last one, because its path proves where the file ends;
 * and one of the others, because only who has all of them has whichever is drawn. A file of one block has no other.
 */
export function challengedBlocks(challenge: number, size: number): number[] {
  const last = blockCount(size) - 1
  return last === 0 ? [0] : [last, challenge % last]
}

export function blockBytes(block: number, size: number): number {
  return Math.min(BLOCK_BYTES, size - block * BLOCK_BYTES)
}
