import { dirname } from 'node:path'
import { idToBytes } from '../../../protocols/core/ids.ts'
import { ContentError } from '../../../protocols/exchange/content.ts'
import {
  BLOCK_BYTES,
  blockCount,
  FileTree,
  hashLeaves,
  type LayoutFile,
  TreeBuilder
} from '../../../protocols/metainfo/index.ts'
import { ShoalError } from '../../errors.ts'
import { sha256 } from '../../sha256.ts'
import type { FinishedFile } from '../finished.ts'
import { BlockSet } from './block-set.ts'
import { asContentError, type Files } from './files.ts'
import { giveName, makeFolders, partialPath } from './place.ts'
import type { StoredFile } from './transfer-state.ts'
import { type Storage, VerifiedFile } from './verified-file.ts'

/** Bytes that are written before they are brought to the disk in the background. */
const SYNC_BYTES = 32 * 1024 * 1024

export interface PartialFileInit {
  file: LayoutFile
  pieceLength: number
  /** Folder that all files of the transfer lie below; it exists. */
  root: string
  /** Path below it. */
  parts: readonly string[]
  final: string
  storage: Storage
  files: Files
}

/** One file of a transfer: its partial file, what of it is there, and how it gets its name. */
export class PartialFile {
  readonly file: LayoutFile
  readonly tree: FileTree
  readonly final: string
  readonly partial: string
  readonly #init: PartialFileInit
  readonly #reader: VerifiedFile
  readonly #blocksPerPiece: number
  #blocks: BlockSet
  #ready: Promise<void> | undefined
  #named = false
  #unsyncedBytes = 0
  #syncing: Promise<void> | undefined
  #syncFailure: ContentError | undefined

  constructor(init: PartialFileInit) {
    this.#init = init
    this.file = init.file
    this.final = init.final
    this.partial = partialPath(init.final, init.file.root!)
    this.#blocksPerPiece = init.pieceLength / BLOCK_BYTES
    this.tree = new FileTree({
      root: idToBytes(init.file.root!),
      length: init.file.length,
      pieceLength: init.pieceLength,
      sha256
    })
    this.#blocks = this.#blockSet()
    this.#reader = new VerifiedFile({ path: this.partial, tree: this.tree, storage: init.storage })
  }

  get whole(): boolean {
    return this.#blocks.full
  }

  get named(): boolean {
    return this.#named
  }

  /** Bytes of blocks that are there. */
  get bytes(): number {
    const blocks = this.#blocks
    const missingOfLast = blocks.size * BLOCK_BYTES - this.file.length
    return blocks.count * BLOCK_BYTES - (blocks.has(blocks.size - 1) ? missingOfLast : 0)
  }

  /**
   * Finds out what is there from an earlier run. What was closed in good order is believed when the partial file looks
   * as it did; else every piece is hashed. @throws ShoalError EXISTS when its place is taken by something else
   */
  async open(stored: StoredFile | undefined, onChecked: (bytes: number) => void): Promise<void> {
    if (stored?.layer !== undefined) this.tree.setPieceLayer(stored.layer)
    const { files } = this.#init
    const taken = await files.lstat(this.final)
    if (taken !== undefined) {
      const same = taken.isFile() && taken.size === this.file.length && (await this.#isWholeAt(this.final, onChecked))
      if (!same) throw new ShoalError('EXISTS', `${this.final} is there already, and it is something else`)
      this.#blocks.addAll()
      this.#named = true
      this.#reader.path = this.final
      // after a stop between the two names
      if ((await files.lstat(this.partial))?.isFile() === true) await files.unlink(this.partial)
      return
    }
    const partial = await files.lstat(this.partial)
    if (partial === undefined || this.tree.pieceLayer() === undefined) return
    if (!partial.isFile()) throw new ShoalError('EXISTS', `${this.partial} is there already, and it is no file`)
    if (stored?.blocks !== undefined && stored.stamp === stampOf(partial)) {
      this.#blocks = this.#blockSet(stored.blocks)
      return
    }
    await this.#findPieces(Math.min(partial.size, this.file.length), onChecked)
  }

  hasBlock(piece: number, block: number): boolean {
    return this.#blocks.has(piece * this.#blocksPerPiece + block)
  }

  storedBlocks(piece: number): number {
    return this.#blocks.countIn(piece)
  }

  hasPiece(piece: number): boolean {
    return this.#blocks.countIn(piece) === blockCount(this.tree.pieceSize(piece))
  }

  get reader(): VerifiedFile {
    return this.#reader
  }

  /** Stores verified bytes. @throws ContentError */
  async write(piece: number, begin: number, parts: readonly Uint8Array[]): Promise<void> {
    this.#ready ??= this.#makeReady()
    try {
      await this.#ready
    } catch (error) {
      this.#ready = undefined
      throw error
    }
    const position = piece * this.#init.pieceLength + begin
    let length = 0
    for (const part of parts) length += part.byteLength
    try {
      await this.#init.storage.handles.with(this.partial, 'write', file => file.write(parts, position))
    } catch (error) {
      throw asContentError(error, this.partial)
    }
    const end = blockCount(position + length)
    for (let i = position / BLOCK_BYTES; i < end; i++) this.#blocks.add(i)
    if (this.hasPiece(piece)) this.tree.forgetLeaves(piece)
    this.#unsyncedBytes += length
    if (this.#unsyncedBytes >= SYNC_BYTES && this.#syncing === undefined) this.#syncAhead()
  }

  /** The whole file gets its name: bytes to the disk first, then the name. @throws ContentError, ShoalError EXISTS */
  async giveName(): Promise<void> {
    if (this.#named) return
    const { storage, files } = this.#init
    await this.sync()
    await storage.handles.release([this.partial])
    const size = (await files.lstat(this.partial))?.size
    if (size !== this.file.length) {
      throw new ContentError(
        'CONTENT_CHANGED',
        `${this.partial} was changed by somebody else: remove it and fetch again`
      )
    }
    await giveName(files, this.partial, this.final)
    this.#named = true
    this.#reader.path = this.final
  }

  /** What was written is on the disk. @throws ContentError */
  async sync(): Promise<void> {
    await this.#syncing
    const failure = this.#syncFailure
    this.#syncFailure = undefined
    // the kernel tells it once: that the next one succeeds does not say that those bytes are there
    if (failure !== undefined) throw failure
    await this.#datasync()
  }

  /** What to remember of a file that is not whole, after `sync`. */
  async remember(): Promise<{ blocks: Uint8Array; stamp: string } | undefined> {
    const stats = await this.#init.files.lstat(this.partial)
    return stats === undefined ? undefined : { blocks: this.#blocks.bits, stamp: stampOf(stats) }
  }

  async finished(): Promise<FinishedFile> {
    const stats = await this.#init.files.lstat(this.final)
    const { root, length } = this.file
    const known = this.tree.pieceLayer()
    return {
      path: this.final,
      size: length,
      mtimeMs: stats?.mtimeMs ?? 0,
      ino: stats?.ino ?? 0,
      root,
      pieceLength: this.#init.pieceLength,
      pieceLayer: known
    }
  }

  async close(): Promise<void> {
    this.#reader.forget()
    await this.#init.storage.handles.release([this.partial, this.final])
  }

  get folder(): string {
    return dirname(this.final)
  }

  /** While more is fetched, so that there is little left to wait for at the end. */
  #syncAhead(): void {
    this.#unsyncedBytes = 0
    this.#syncing = this.#datasync()
      .catch((error: ContentError) => {
        this.#syncFailure = error
      })
      .finally(() => {
        this.#syncing = undefined
      })
  }

  async #datasync(): Promise<void> {
    try {
      await this.#init.storage.handles.with(this.partial, 'write', file => file.datasync())
    } catch (error) {
      throw asContentError(error, this.partial)
    }
  }

  #blockSet(bits?: Uint8Array): BlockSet {
    return new BlockSet({ size: blockCount(this.file.length), groupSize: this.#blocksPerPiece, bits })
  }

  async #makeReady(): Promise<void> {
    const { files, root, parts } = this.#init
    await makeFolders(files, root, parts.slice(0, -1))
  }

  async #isWholeAt(path: string, onChecked: (bytes: number) => void): Promise<boolean> {
    const { pieceLength, storage } = this.#init
    const length = this.file.length
    const builder = new TreeBuilder({ length, pieceLength, sha256 })
    const room = Buffer.allocUnsafeSlow(Math.min(pieceLength, length))
    return await storage.handles.with(path, 'read', async file => {
      for (let at = 0; at < length; at += pieceLength) {
        const bytes = room.subarray(0, Math.min(pieceLength, length - at))
        if ((await file.read(bytes, at)) < bytes.byteLength) return false
        builder.addPiece(hashLeaves(bytes, sha256))
        onChecked(bytes.byteLength)
      }
      const { root, pieceLayer } = builder.finish()
      if (Buffer.compare(root, idToBytes(this.file.root!)) !== 0) return false
      this.tree.setPieceLayer(pieceLayer)
      return true
    })
  }

  async #findPieces(length: number, onChecked: (bytes: number) => void): Promise<void> {
    const { pieceLength, storage } = this.#init
    const room = Buffer.allocUnsafeSlow(Math.min(pieceLength, this.file.length))
    await storage.handles.with(this.partial, 'read', async file => {
      for (let piece = 0; piece * pieceLength < length; piece++) {
        const bytes = room.subarray(0, this.tree.pieceSize(piece))
        const read = await file.read(bytes, piece * pieceLength)
        onChecked(read)
        // a hole reads as zeros: not worth a hash
        if (read < bytes.byteLength || (bytes[0] === 0 && isZero(bytes))) continue
        if (this.tree.verify(piece, 0, [bytes]) !== 'good') continue
        const first = piece * this.#blocksPerPiece
        for (let i = 0; i < blockCount(bytes.byteLength); i++) this.#blocks.add(first + i)
      }
    })
  }
}

function stampOf(stats: { size: number; mtimeMs: number; ino: number }): string {
  return `${stats.size} ${stats.mtimeMs} ${stats.ino}`
}

const zeros = Buffer.alloc(BLOCK_BYTES)

function isZero(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.byteLength; at += BLOCK_BYTES) {
    const block = bytes.subarray(at, at + BLOCK_BYTES)
    if (Buffer.compare(block, zeros.subarray(0, block.byteLength)) !== 0) return false
  }
  return true
}
