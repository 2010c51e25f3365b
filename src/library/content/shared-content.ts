import { idToBytes } from '../../../protocols/core/ids.ts'
import { type Content, ContentError } from '../../../protocols/exchange/content.ts'
import { FileTree, type HashRange, type Layout } from '../../../protocols/metainfo/index.ts'
import { sha256 } from '../../sha256.ts'
import type { LocatedFile } from '../library.ts'
import { type Storage, VerifiedFile } from './verified-file.ts'

export interface SharedContentInit {
  layout: Layout
  /** Where each file of the layout lies; undefined for empty ones. */
  files: readonly (LocatedFile | undefined)[]
  storage: Storage
  /** A file is not what it was, or is gone. */
  onChanged(path: string): void
}

/** Whole files that this node shares, as the content of a swarm. */
export class SharedContent implements Content {
  readonly layout: Layout
  readonly #files: readonly (VerifiedFile | undefined)[]
  readonly #onChanged: (path: string) => void
  readonly #storage: Storage

  constructor(init: SharedContentInit) {
    this.layout = init.layout
    this.#storage = init.storage
    this.#onChanged = init.onChanged
    this.#files = init.layout.files.map((file, i) => {
      const located = init.files[i]
      if (file.root === undefined) return undefined
      if (located === undefined) throw new RangeError('a file of the layout lies nowhere')
      const { path, size: length, pieceLength, pieceLayer, mtimeMs, ino } = located
      const tree = new FileTree({ root: idToBytes(file.root), length, pieceLength, sha256 })
      if (tree.setPieceLayer(pieceLayer) === 'bad') throw new RangeError(`the tree of ${path} is not its file's`)
      return new VerifiedFile({ path, tree, storage: init.storage, stamp: { mtimeMs, ino } })
    })
  }

  storedBlocks(piece: number): number {
    return this.layout.blocksIn(piece)
  }

  hasBlock(): boolean {
    return true
  }

  async read(piece: number, begin: number, length: number): Promise<Uint8Array> {
    const file = this.#fileAt(this.layout.fileOfPiece(piece))
    return await this.#watched(file, () => file.read(this.layout.offsetInFile(piece) + begin, length))
  }

  async hashes(fileIndex: number, range: HashRange): Promise<Uint8Array | undefined> {
    const file = this.#fileAt(fileIndex)
    return await this.#watched(file, () => file.hashes(range))
  }

  missingHashes(): undefined {
    return undefined
  }

  addHashes(): 'bad' {
    return 'bad'
  }

  verify(): 'unknown' {
    return 'unknown'
  }

  async write(): Promise<void> {
    throw new ContentError('NOT_WRITABLE', 'the content is whole')
  }

  async close(): Promise<void> {
    for (const file of this.#files) file?.forget()
    await this.#storage.handles.release(this.#files.flatMap(file => file?.path ?? []))
  }

  #fileAt(index: number): VerifiedFile {
    const file = this.#files[index]
    if (file === undefined) throw new RangeError('an empty file has no bytes')
    return file
  }

  async #watched<T>(file: VerifiedFile, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      const code = error instanceof ContentError ? error.code : undefined
      if (code === 'CONTENT_CHANGED' || code === 'CONTENT_GONE') this.#onChanged(file.path)
      throw error
    }
  }
}
