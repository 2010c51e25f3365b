import type { FileId } from '../core/ids.ts'
import { BLOCK_BYTES, blockCount, pieceLengthFor } from './merkle.ts'

export interface LayoutFile {
  /** Path below the collection's name; a single file's own name. */
  readonly path: readonly string[]
  /** Undefined for an empty file: it has no tree and no pieces. */
  readonly root: FileId | undefined
  readonly length: number
  readonly firstPiece: number
  readonly pieceCount: number
}

/**
 * The piece space of a swarm (BEP 52): files one after the other, every file begins at a piece boundary, so that a piece
 * belongs to exactly one file and may be short at that file's end.
 */
export class Layout {
  readonly files: readonly LayoutFile[]
  readonly pieceLength: number
  readonly pieceCount: number
  /** Bytes of all files together. */
  readonly length: number
  /** Indices of the files that have pieces, by their first piece. */
  readonly #withPieces: readonly number[]

  constructor(
    pieceLength: number,
    files: readonly { path: readonly string[]; root: FileId | undefined; length: number }[]
  ) {
    let piece = 0
    let length = 0
    this.pieceLength = pieceLength
    this.files = files.map(file => {
      const pieceCount = Math.ceil(file.length / pieceLength)
      const placed = { path: file.path, root: file.root, length: file.length, firstPiece: piece, pieceCount }
      piece += pieceCount
      length += file.length
      return placed
    })
    this.pieceCount = piece
    this.length = length
    this.#withPieces = this.files.flatMap((file, i) => (file.pieceCount > 0 ? [i] : []))
  }

  /** The swarm of one file that is named by its root. */
  static single(id: FileId, length: number, name: string): Layout {
    return new Layout(pieceLengthFor(length), [{ path: [name], root: id, length }])
  }

  /** Index of the file that the piece belongs to. @throws RangeError when there is no such piece */
  fileOfPiece(piece: number): number {
    if (!(piece >= 0 && piece < this.pieceCount)) throw new RangeError(`no piece ${piece}`)
    let low = 0
    let high = this.#withPieces.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (this.files[this.#withPieces[middle]!]!.firstPiece <= piece) low = middle
      else high = middle - 1
    }
    return this.#withPieces[low]!
  }

  pieceSize(piece: number): number {
    const file = this.files[this.fileOfPiece(piece)]!
    return Math.min(this.pieceLength, file.length - (piece - file.firstPiece) * this.pieceLength)
  }

  blocksIn(piece: number): number {
    return blockCount(this.pieceSize(piece))
  }

  blockSize(piece: number, block: number): number {
    return Math.min(BLOCK_BYTES, this.pieceSize(piece) - block * BLOCK_BYTES)
  }

  /** Where in its file the piece begins, in bytes. */
  offsetInFile(piece: number): number {
    return (piece - this.files[this.fileOfPiece(piece)]!.firstPiece) * this.pieceLength
  }
}
