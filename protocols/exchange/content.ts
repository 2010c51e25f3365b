import type { HashRange, Layout } from '../metainfo/index.ts'

/**
 * The bytes of one swarm on this node's disk: the port between the exchange and the storage of the application. Pieces
 * and blocks are those of BEP 52: a piece belongs to exactly one file, a block is 16 KiB or what a file ends with.
 */
export interface Content {
  readonly layout: Layout

  /**
   * How many blocks of the piece were stored and verified when the content was opened, or have been since. Asked of every
   * piece when a swarm opens, so that blocks are looked at only where some are here and some are not.
   */
  storedBlocks(piece: number): number

  /** Whether the block is one of those. Indices of the layout. */
  hasBlock(piece: number, block: number): boolean

  /**
   * Bytes to send. They have been verified against the tree since this process opened the file, and again when the file
   * was touched after that, so a file that was changed under our feet is never sent.
   *
   * @throws ContentError
   */
  read(piece: number, begin: number, length: number): Promise<Uint8Array>

  /**
   * Answers a BEP 52 hash request: `range.length` hashes of layer `range.base`, then `range.proofs` uncle hashes, joined.
   * Undefined when this node does not know them (reject).
   *
   * @throws ContentError
   */
  hashes(fileIndex: number, range: HashRange): Promise<Uint8Array | undefined>

  /**
   * What must be asked for before blocks of this piece can be verified one by one; undefined when nothing is missing.
   * A file's piece layer is known or missing in whole ranges of MAX_RANGE_HASHES.
   */
  missingHashes(piece: number): HashRange | undefined

  /** Adds hashes that a peer sent for `range`. 'bad': they do not lead to the root, nothing was kept. */
  addHashes(fileIndex: number, range: HashRange, hashes: Uint8Array): 'good' | 'bad'

  /**
   * Checks received bytes that start and end on block boundaries (or the end of the piece). 'unknown' when the leaves
   * are missing; a whole piece never needs leaves, only its own hash.
   */
  verify(piece: number, begin: number, parts: readonly Uint8Array[]): 'good' | 'bad' | 'unknown'

  /**
   * Stores bytes that `verify` called good. Resolves when they are handed to the operating system; how far the state on
   * disk speaks of them is the storage's business.
   *
   * @throws ContentError
   */
  write(piece: number, begin: number, parts: readonly Uint8Array[]): Promise<void>

  /** Releases file handles after what is under way; commits state. Idempotent. */
  close(): Promise<void>
}

/** Why content cannot be read or written now. The code is stable. */
export class ContentError extends Error {
  static override readonly name = 'ContentError'
  override readonly name = 'ContentError'
  readonly code: 'CONTENT_CHANGED' | 'CONTENT_GONE' | 'DISK_FULL' | 'NOT_WRITABLE' | 'IO_FAILED'

  constructor(code: ContentError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
