import { blockCount, climb, layerOf, treeHeight } from './merkle.ts'
import { HASH_BYTES, type Sha256 } from './sha.ts'

/**
 * Builds a file's tree from its leaves as they come, and keeps only the piece layer. Leaves are added in order, a whole
 * piece at a time (the last may be short).
 */
export class TreeBuilder {
  readonly #sha256: Sha256
  readonly #blocks: number
  readonly #pieceLayerAt: number
  readonly #perPiece: number
  readonly #layer: Uint8Array
  #blocksSeen = 0
  #pieces = 0

  /** @param length of the file, at least 1 */
  constructor(init: { length: number; pieceLength: number; sha256: Sha256 }) {
    this.#sha256 = init.sha256
    this.#blocks = blockCount(init.length)
    // a file within one piece has its root where its own tree ends
    this.#pieceLayerAt = Math.min(layerOf(init.pieceLength), treeHeight(this.#blocks))
    this.#perPiece = init.pieceLength / 16_384
    this.#layer = new Uint8Array(Math.ceil(this.#blocks / this.#perPiece) * HASH_BYTES)
  }

  /** Leaf hashes of the next piece, joined. @throws RangeError when they are not just that piece's */
  addPiece(leaves: Uint8Array): void {
    const count = leaves.byteLength / HASH_BYTES
    if (count !== Math.min(this.#perPiece, this.#blocks - this.#blocksSeen)) {
      throw new RangeError(`${count} leaves are not a piece`)
    }
    this.#blocksSeen += count
    this.#layer.set(climb(leaves, 0, this.#pieceLayerAt, this.#sha256), this.#pieces * HASH_BYTES)
    this.#pieces++
  }

  /** Root and piece layer; the layer of a file within one piece is its root alone. */
  finish(): { root: Uint8Array; pieceLayer: Uint8Array } {
    if (this.#blocksSeen !== this.#blocks) throw new RangeError('leaves are missing')
    const root = climb(this.#layer, this.#pieceLayerAt, treeHeight(this.#blocks), this.#sha256)
    return { root, pieceLayer: this.#layer }
  }
}
