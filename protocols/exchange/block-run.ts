import { BLOCK_BYTES, type Layout } from '../metainfo/index.ts'
import type { Chunk } from './messages.ts'

/** Blocks `block` … `block + blocks - 1` of one piece. */
export interface BlockRun {
  readonly piece: number
  readonly block: number
  readonly blocks: number
}

export function chunkOf(layout: Layout, { piece, block, blocks }: BlockRun): Chunk {
  const begin = block * BLOCK_BYTES
  const end = Math.min(begin + blocks * BLOCK_BYTES, layout.pieceSize(piece))
  return { piece, begin, length: end - begin }
}

/** Undefined when the bytes are not whole blocks of a piece. */
export function runOf(layout: Layout, { piece, begin, length }: Chunk): BlockRun | undefined {
  if (piece >= layout.pieceCount || begin % BLOCK_BYTES !== 0 || length === 0) return undefined
  const end = begin + length
  const size = layout.pieceSize(piece)
  if (end > size || (end < size && end % BLOCK_BYTES !== 0)) return undefined
  return { piece, block: begin / BLOCK_BYTES, blocks: Math.ceil(length / BLOCK_BYTES) }
}
