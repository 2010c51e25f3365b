import { hash } from 'node:crypto'
import type { FileId } from '../../../protocols/core/ids.ts'
import { idFromBytes, idToBytes } from '../../../protocols/core/ids.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import type { Content } from '../../../protocols/exchange/content.ts'
import {
  BLOCK_BYTES,
  FileTree,
  type HashRange,
  hashLeaves,
  Layout,
  TreeBuilder
} from '../../../protocols/metainfo/index.ts'

export const sha256 = (data: Uint8Array): Uint8Array => hash('sha256', data, 'buffer')

export interface Sample {
  layout: Layout
  /** Bytes of each file. */
  files: Uint8Array[]
  pieceLayers: Uint8Array[]
}

/** Random files of the given sizes as one swarm. */
export function sampleOf(sizes: number[], pieceLength: number, seed = 1): Sample {
  const rng = seededRng(seed)
  const files = sizes.map(size => {
    const words = new Uint32Array(Math.ceil(size / 4))
    for (let i = 0; i < words.length; i++) words[i] = rng.uint32()
    return new Uint8Array(words.buffer, 0, size)
  })
  const trees = files.map(file => {
    if (file.byteLength === 0) return undefined
    const builder = new TreeBuilder({ length: file.byteLength, pieceLength, sha256 })
    for (let at = 0; at < file.byteLength; at += pieceLength) {
      builder.addPiece(hashLeaves(file.subarray(at, at + pieceLength), sha256))
    }
    return builder.finish()
  })
  const layout = new Layout(
    pieceLength,
    files.map((file, i) => {
      const tree = trees[i]
      return { path: [`${i}`], root: tree && idFromBytes<FileId>(tree.root), length: file.byteLength }
    })
  )
  return { layout, files, pieceLayers: trees.map(tree => tree?.pieceLayer ?? new Uint8Array(0)) }
}

/** Content in memory. The synchronous half serves tests in virtual time. */
export class MemoryContent implements Content {
  readonly layout: Layout
  readonly files: Uint8Array[]
  readonly #trees: (FileTree | undefined)[]
  readonly #blocks = new Set<string>()
  #leafPieces = new Set<number>()
  /** Bytes that are changed on the way out. */
  corrupt: ((piece: number, begin: number) => boolean) | undefined
  /** Throws to fail a write. */
  beforeWrite: ((piece: number, begin: number) => void) | undefined
  beforeRead: ((piece: number, begin: number) => Promise<void>) | undefined
  reads = 0
  writes = 0
  isClosed = false

  private constructor(sample: Sample, files: Uint8Array[]) {
    this.layout = sample.layout
    this.files = files
    this.#trees = sample.layout.files.map(({ root, length }) =>
      root === undefined
        ? undefined
        : new FileTree({ root: idToBytes(root), length, pieceLength: sample.layout.pieceLength, sha256 })
    )
  }

  static whole(sample: Sample): MemoryContent {
    const content = new MemoryContent(sample, sample.files)
    content.learnPieceLayers(sample)
    for (let piece = 0; piece < sample.layout.pieceCount; piece++) {
      for (let block = 0; block < sample.layout.blocksIn(piece); block++) content.#blocks.add(`${piece}/${block}`)
    }
    return content
  }

  static empty(sample: Sample): MemoryContent {
    return new MemoryContent(
      sample,
      sample.files.map(file => new Uint8Array(file.byteLength))
    )
  }

  /** With some blocks already there, as after a restart: their hashes have to be fetched again. */
  static partial(sample: Sample, has: (piece: number, block: number) => boolean): MemoryContent {
    const content = MemoryContent.empty(sample)
    for (let piece = 0; piece < sample.layout.pieceCount; piece++) {
      for (let block = 0; block < sample.layout.blocksIn(piece); block++) {
        if (!has(piece, block)) continue
        const begin = block * BLOCK_BYTES
        const at = content.#at(piece, begin)
        const bytes = sample.files[at.file]!.subarray(at.offset, at.offset + sample.layout.blockSize(piece, block))
        content.store(piece, begin, [bytes])
      }
    }
    return content
  }

  learnPieceLayers(sample: Sample): void {
    for (const [i, tree] of this.#trees.entries()) tree?.setPieceLayer(sample.pieceLayers[i]!)
  }

  get isWhole(): boolean {
    for (let piece = 0; piece < this.layout.pieceCount; piece++) {
      for (let block = 0; block < this.layout.blocksIn(piece); block++) if (!this.hasBlock(piece, block)) return false
    }
    return true
  }

  storedBlocks(piece: number): number {
    let stored = 0
    for (let block = 0; block < this.layout.blocksIn(piece); block++) if (this.hasBlock(piece, block)) stored++
    return stored
  }

  hasBlock(piece: number, block: number): boolean {
    return this.#blocks.has(`${piece}/${block}`)
  }

  bytes(piece: number, begin: number, length: number): Uint8Array {
    const { file, offset } = this.#at(piece, begin)
    const bytes = this.files[file]!.subarray(offset, offset + length)
    if (!this.corrupt?.(piece, begin)) return bytes
    const wrong = bytes.slice()
    wrong[wrong.byteLength >> 1]! ^= 1
    return wrong
  }

  hashesNow(fileIndex: number, range: HashRange): Uint8Array | undefined {
    const tree = this.#trees[fileIndex]!
    if (range.base === 0) this.#learnLeaves(fileIndex, range)
    return tree.get(range)
  }

  missingHashes(piece: number): HashRange | undefined {
    const file = this.layout.fileOfPiece(piece)
    return this.#trees[file]!.missing(piece - this.layout.files[file]!.firstPiece)
  }

  addHashes(fileIndex: number, range: HashRange, hashes: Uint8Array): 'good' | 'bad' {
    return this.#trees[fileIndex]!.add(range, hashes)
  }

  verify(piece: number, begin: number, parts: readonly Uint8Array[]): 'good' | 'bad' | 'unknown' {
    const file = this.layout.fileOfPiece(piece)
    return this.#trees[file]!.verify(piece - this.layout.files[file]!.firstPiece, begin, parts)
  }

  store(piece: number, begin: number, parts: readonly Uint8Array[]): void {
    this.beforeWrite?.(piece, begin)
    this.writes++
    const { file, offset } = this.#at(piece, begin)
    let at = 0
    for (const part of parts) {
      this.files[file]!.set(part, offset + at)
      at += part.byteLength
    }
    for (let block = begin / BLOCK_BYTES; block * BLOCK_BYTES < begin + at; block++)
      this.#blocks.add(`${piece}/${block}`)
  }

  async read(piece: number, begin: number, length: number): Promise<Uint8Array> {
    this.reads++
    await this.beforeRead?.(piece, begin)
    return this.bytes(piece, begin, length)
  }

  async hashes(fileIndex: number, range: HashRange): Promise<Uint8Array | undefined> {
    return this.hashesNow(fileIndex, range)
  }

  async write(piece: number, begin: number, parts: readonly Uint8Array[]): Promise<void> {
    this.store(piece, begin, parts)
  }

  async close(): Promise<void> {
    this.isClosed = true
  }

  /** As a seed does: leaves are computed from the bytes when they are asked for. */
  #learnLeaves(fileIndex: number, range: HashRange): void {
    const { firstPiece, pieceCount } = this.layout.files[fileIndex]!
    const perPiece = this.layout.pieceLength / BLOCK_BYTES
    const last = Math.min(pieceCount, Math.ceil((range.index + range.length) / perPiece))
    for (let i = Math.floor(range.index / perPiece); i < last; i++) {
      const piece = firstPiece + i
      if (this.#leafPieces.has(piece)) continue
      for (let block = 0; block < this.layout.blocksIn(piece); block++) if (!this.hasBlock(piece, block)) return
      const { offset } = this.#at(piece, 0)
      const bytes = this.files[fileIndex]!.subarray(offset, offset + this.layout.pieceSize(piece))
      if (this.#trees[fileIndex]!.setLeaves(i, hashLeaves(bytes, sha256)) === 'good') this.#leafPieces.add(piece)
    }
  }

  #at(piece: number, begin: number): { file: number; offset: number } {
    return { file: this.layout.fileOfPiece(piece), offset: this.layout.offsetInFile(piece) + begin }
  }
}
