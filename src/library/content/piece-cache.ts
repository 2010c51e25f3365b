/** A piece that was read and found right. */
export interface CachedPiece {
  data: Uint8Array
  /** Called when the piece leaves the cache. */
  onEvict(): void
}

/** Verified pieces of all content of the node, so that requests for their blocks are views of one read. */
export class PieceCache {
  readonly #limitBytes: number
  readonly #pieces = new Map<string, CachedPiece>() // BOUNDED by #limitBytes
  #bytes = 0

  constructor(limitBytes = 32 * 1024 * 1024) {
    this.#limitBytes = limitBytes
  }

  get(key: string): CachedPiece | undefined {
    const piece = this.#pieces.get(key)
    if (piece === undefined) return undefined
    this.#pieces.delete(key)
    this.#pieces.set(key, piece)
    return piece
  }

  set(key: string, piece: CachedPiece): void {
    this.delete(key)
    this.#pieces.set(key, piece)
    this.#bytes += piece.data.byteLength
    for (const [oldest] of this.#pieces) {
      if (this.#bytes <= this.#limitBytes || oldest === key) return
      this.delete(oldest)
    }
  }

  delete(key: string): void {
    const piece = this.#pieces.get(key)
    if (piece === undefined) return
    this.#pieces.delete(key)
    this.#bytes -= piece.data.byteLength
    piece.onEvict()
  }
}
