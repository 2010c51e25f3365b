import { mkdir, realpath } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type Content, ContentError } from '../../../protocols/exchange/content.ts'
import { BLOCK_BYTES, type BlockVerdict, type HashRange, type Layout } from '../../../protocols/metainfo/index.ts'
import { ShoalError } from '../../errors.ts'
import type { FinishedFile } from '../finished.ts'
import { asContentError, type Files, realFiles } from './files.ts'
import { PartialFile } from './partial-file.ts'
import { makeFolders } from './place.ts'
import type { TransferState } from './transfer-state.ts'
import type { Storage } from './verified-file.ts'

/** Files that are given their names at the same time. */
const NAMING_AT_ONCE = 16

export interface PartialContentInit {
  /** Swarm id. The transfer is in `state` already. */
  id: string
  layout: Layout
  /** Folder that the user named; made when it is not there. */
  folder: string
  /** The collection's own folder below it; undefined for a single file. */
  name: string | undefined
  state: TransferState
  storage: Storage
  files?: Files
  /** Bytes of earlier runs that were looked at. */
  onChecked?(bytes: number): void
}

/**
 * A transfer's files on disk. Each lies in a partial file beside its place until it is whole; then it is synced and
 * gets its name, which is never taken from another file. While a transfer runs, the state on disk holds nothing that
 * could be wrong: only piece layers, which are verified. What is there is found by hashing after an unclean stop, and
 * believed after a clean one.
 */
export class PartialContent implements Content {
  readonly layout: Layout
  readonly #init: PartialContentInit
  readonly #root: string
  readonly #files: (PartialFile | undefined)[]
  readonly #naming = new Set<Promise<void>>() // BOUNDED by NAMING_AT_ONCE and the files that are whole
  readonly #toName: PartialFile[] = [] // BOUNDED by the files
  readonly #layersKept = new Set<number>() // BOUNDED by the files
  #failure: unknown
  #closed = false

  private constructor(init: PartialContentInit, root: string) {
    this.#init = init
    this.#root = root
    this.layout = init.layout
    this.#files = init.layout.files.map(file => {
      if (file.root === undefined) return undefined
      return new PartialFile({
        file,
        pieceLength: init.layout.pieceLength,
        root,
        parts: this.#partsOf(file.path),
        final: join(root, ...this.#partsOf(file.path)),
        storage: init.storage,
        files: this.#port
      })
    })
  }

  /** @throws ContentError, ShoalError EXISTS */
  static async open(init: PartialContentInit): Promise<PartialContent> {
    const folder = resolve(init.folder)
    let root: string
    try {
      await mkdir(folder, { recursive: true })
      root = await realpath(folder)
    } catch (error) {
      throw asContentError(error, folder)
    }
    const content = new PartialContent(init, root)
    const stored = init.state.files(init.id)
    for (const [i, file] of content.#files.entries()) {
      try {
        await file?.open(stored.get(i), bytes => init.onChecked?.(bytes))
      } catch (error) {
        await content.#release()
        if (error instanceof ShoalError) throw error
        throw asContentError(error, file?.final ?? folder)
      }
      if (stored.get(i)?.layer !== undefined) content.#layersKept.add(i)
      if (file?.whole === true && !file.named) content.#toName.push(file)
    }
    init.state.forgetBlocks(init.id)
    return content
  }

  /** The file, or the collection's folder. */
  get path(): string {
    const first = this.layout.files[0]
    if (this.#init.name !== undefined) return join(this.#root, this.#init.name)
    return join(this.#root, ...(first?.path ?? []))
  }

  /** Whether something of a file is here that is not finished. */
  get hasUnfinished(): boolean {
    return this.#files.some(file => file !== undefined && !file.named && file.bytes > 0)
  }

  /** Bytes that are there and verified. */
  get bytes(): number {
    return this.#files.reduce((sum, file) => sum + (file?.bytes ?? 0), 0)
  }

  get whole(): boolean {
    return this.#files.every(file => file === undefined || file.whole)
  }

  storedBlocks(piece: number): number {
    const [file, own] = this.#at(piece)
    return file.storedBlocks(own)
  }

  hasBlock(piece: number, block: number): boolean {
    const [file, own] = this.#at(piece)
    return file.hasBlock(own, block)
  }

  async read(piece: number, begin: number, length: number): Promise<Uint8Array> {
    const [file, own] = this.#at(piece)
    if (!file.hasPiece(own)) throw new ContentError('CONTENT_GONE', 'the piece is not here')
    return await file.reader.read(own * this.layout.pieceLength + begin, length)
  }

  async hashes(fileIndex: number, range: HashRange): Promise<Uint8Array | undefined> {
    const file = this.#files[fileIndex]
    if (file === undefined) return undefined
    const known = file.tree.get(range)
    if (known !== undefined) return known
    const perPiece = this.layout.pieceLength / BLOCK_BYTES
    const first = Math.floor((range.index * 2 ** range.base) / perPiece)
    const last = Math.ceil(((range.index + range.length) * 2 ** range.base) / perPiece)
    for (let piece = first; piece < Math.min(last, file.tree.pieceCount); piece++) {
      if (!file.hasPiece(piece)) return undefined
    }
    return await file.reader.hashes(range)
  }

  missingHashes(piece: number): HashRange | undefined {
    const [file, own] = this.#at(piece)
    return file.tree.missing(own)
  }

  addHashes(fileIndex: number, range: HashRange, hashes: Uint8Array): 'good' | 'bad' {
    const file = this.#files[fileIndex]
    if (file === undefined) return 'bad'
    const verdict = file.tree.add(range, hashes)
    const layer = file.tree.pieceLayer()
    // the layer of a file within one piece is its own id
    if (verdict === 'good' && layer !== undefined && file.tree.pieceCount > 1 && !this.#layersKept.has(fileIndex)) {
      this.#layersKept.add(fileIndex)
      this.#init.state.putLayer(this.#init.id, fileIndex, layer)
    }
    return verdict
  }

  verify(piece: number, begin: number, parts: readonly Uint8Array[]): BlockVerdict {
    const [file, own] = this.#at(piece)
    return file.tree.verify(own, begin, parts)
  }

  async write(piece: number, begin: number, parts: readonly Uint8Array[]): Promise<void> {
    this.#throwFailure()
    const [file, own] = this.#at(piece)
    const before = file.whole
    await file.write(own, begin, parts)
    if (file.whole && !before) {
      this.#toName.push(file)
      this.#nameNext()
    }
  }

  /** A file's piece layer as a `.torrent` brings it. Layers that do not lead to the root are ignored. */
  learnPieceLayer(fileIndex: number, layer: Uint8Array): void {
    this.#files[fileIndex]?.tree.setPieceLayer(layer)
  }

  /**
   * Waits until every wanted file is on the disk under its name. Only when all of them are whole.
   *
   * @param isWanted by index; all when absent
   * @throws ContentError, ShoalError EXISTS
   */
  async finish(isWanted: (fileIndex: number) => boolean = () => true): Promise<FinishedFile[]> {
    this.#failure = undefined
    this.#nameNext()
    while (this.#naming.size > 0) await Promise.race(this.#naming)
    this.#throwFailure()
    const empty = await this.#makeEmptyFiles(isWanted)
    const wanted = this.#files.filter((file, i) => file !== undefined && isWanted(i)) as PartialFile[]
    for (const folder of new Set(wanted.map(file => file.folder))) await this.#port.syncFolder(folder)
    return [...empty, ...(await Promise.all(wanted.map(file => file.finished())))]
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    while (this.#naming.size > 0) await Promise.race(this.#naming)
    const remembered: { file: number; blocks: Uint8Array; stamp: string }[] = []
    for (const [i, file] of this.#files.entries()) {
      if (file === undefined || file.named || file.bytes === 0) continue
      try {
        await file.sync()
        const state = await file.remember()
        if (state !== undefined) remembered.push({ file: i, ...state })
      } catch {
        // nothing is said of this file: it is hashed when the transfer goes on
      }
    }
    try {
      this.#init.state.setBytesDone(this.#init.id, this.bytes)
      if (remembered.length > 0) this.#init.state.putBlocks(this.#init.id, remembered)
    } catch {
      // a full disk under the home directory: what is there is found by hashing when the transfer goes on
    } finally {
      await this.#release()
    }
  }

  get #port(): Files {
    return this.#init.files ?? realFiles
  }

  /** What went wrong in the background is told once, at the next call; the call after that tries again. */
  #throwFailure(): void {
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure
    this.#nameNext()
  }

  #nameNext(): void {
    while (this.#naming.size < NAMING_AT_ONCE) {
      const file = this.#toName.shift()
      if (file === undefined) return
      const naming = file
        .giveName()
        .catch(error => {
          this.#failure ??= error
          this.#toName.push(file)
        })
        .finally(() => {
          this.#naming.delete(naming)
          if (this.#failure === undefined) this.#nameNext()
        })
      this.#naming.add(naming)
    }
  }

  async #makeEmptyFiles(isWanted: (fileIndex: number) => boolean): Promise<FinishedFile[]> {
    const made: FinishedFile[] = []
    for (const [i, file] of this.layout.files.entries()) {
      if (file.root !== undefined || !isWanted(i)) continue
      const parts = this.#partsOf(file.path)
      const path = join(this.#root, ...parts)
      await makeFolders(this.#port, this.#root, parts.slice(0, -1))
      made.push(await this.#makeEmptyFile(path))
    }
    return made
  }

  async #makeEmptyFile(path: string): Promise<FinishedFile> {
    try {
      let there = await this.#port.lstat(path)
      if (there === undefined) {
        await (await this.#port.open(path, 'write')).close()
        there = await this.#port.lstat(path)
      }
      if (there?.isFile() !== true || there.size !== 0) {
        throw new ShoalError('EXISTS', `${path} is there already, and it is something else`)
      }
      const { mtimeMs, ino } = there
      const pieceLength = this.layout.pieceLength
      return { path, size: 0, mtimeMs, ino, root: undefined, pieceLength, pieceLayer: undefined }
    } catch (error) {
      if (error instanceof ShoalError) throw error
      throw asContentError(error, path)
    }
  }

  #partsOf(path: readonly string[]): string[] {
    return this.#init.name === undefined ? [...path] : [this.#init.name, ...path]
  }

  #at(piece: number): [PartialFile, number] {
    const index = this.layout.fileOfPiece(piece)
    return [this.#files[index]!, piece - this.layout.files[index]!.firstPiece]
  }

  async #release(): Promise<void> {
    await Promise.all(this.#files.map(file => file?.close()))
  }
}
