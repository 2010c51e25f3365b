import { type FileId, idToBytes } from '../../../protocols/core/ids.ts'
import { ContentError } from '../../../protocols/exchange/content.ts'
import { BLOCK_BYTES, FileTree } from '../../../protocols/metainfo/index.ts'
import { blockBytes, type ShownBlock } from '../../../protocols/proof/index.ts'
import { sha256 } from '../../sha256.ts'
import type { LocatedFile } from '../library.ts'
import type { HandlePool } from './handle-pool.ts'
import { PieceCache } from './piece-cache.ts'
import { VerifiedFile } from './verified-file.ts'

export interface ProvableFileInit {
  id: FileId
  located: LocatedFile
  /** Of proofs alone: a file is closed after each. */
  handles: HandlePool
  /** The file is not what it was, or is gone. */
  onChanged(path: string): void
}

/** Shows blocks of a shared file with their paths: whole pieces are read and checked for it, and none is kept. */
export class ProvableFile {
  readonly #init: ProvableFileInit

  constructor(init: ProvableFileInit) {
    this.#init = init
  }

  get size(): number {
    return this.#init.located.size
  }

  /** The end of a file and one other block lie in two pieces at the most. */
  get costBytes(): number {
    const { size, pieceLength } = this.#init.located
    return Math.min(size, 2 * pieceLength)
  }

  /** Undefined when the file cannot be read, or is not what it was when it was indexed. */
  async show(blocks: readonly number[]): Promise<ShownBlock[] | undefined> {
    const { located, handles, onChanged } = this.#init
    try {
      const file = this.#open()
      const shown: ShownBlock[] = []
      for (const block of blocks) shown.push(await showBlock(file, block))
      return shown
    } catch (error) {
      if (!(error instanceof ContentError)) throw error
      if (error.code === 'CONTENT_CHANGED' || error.code === 'CONTENT_GONE') onChanged(located.path)
      return undefined
    } finally {
      // an open file would go on being shown after it was deleted
      await handles.release([located.path])
    }
  }

  #open(): VerifiedFile {
    const { id, handles, located } = this.#init
    const { path, size: length, pieceLength, pieceLayer, mtimeMs, ino } = located
    const tree = new FileTree({ root: idToBytes(id), length, pieceLength, sha256 })
    if (tree.setPieceLayer(pieceLayer) === 'bad') throw new ContentError('CONTENT_CHANGED', `${path} has another tree`)
    // a cache of its own, of one piece: what strangers ask for does not push out what is being sent
    return new VerifiedFile({ path, tree, storage: { handles, cache: new PieceCache(0) }, stamp: { mtimeMs, ino } })
  }
}

async function showBlock(file: VerifiedFile, block: number): Promise<ShownBlock> {
  const { tree } = file
  const data = await file.read(block * BLOCK_BYTES, blockBytes(block, tree.length))
  // read has checked the piece, so the tree knows its leaves
  const uncles = tree.path(block)
  if (uncles === undefined) throw new RangeError(`block ${block} has no path`)
  return { data: data.slice(), uncles }
}
