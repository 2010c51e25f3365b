import { type HashRange, isHashRange, MAX_RANGE_HASHES, uncleCount } from './hash-range.ts'
import {
  BLOCK_BYTES,
  blockCount,
  climb,
  climbPath,
  hashAt,
  layerOf,
  padHash,
  parentLayer,
  sameBytes,
  siblingOf,
  treeHeight
} from './merkle.ts'
import { HASH_BYTES, type Sha256 } from './sha.ts'

export type BlockVerdict = 'good' | 'bad' | 'unknown'

/**
 * What is known and verified of one file's merkle tree: its root, hashes of its piece layer, and the leaves of some
 * pieces. A leech fills it from its peers' answers; a seed begins with the piece layer. Nothing unverified is kept.
 * Memory: 32 bytes a piece, as many for the layers above once somebody asks for them, and 32 bytes a block of the pieces
 * whose leaves are held (see `forgetLeaves`).
 */
export class FileTree {
  readonly length: number
  readonly pieceLength: number
  readonly pieceCount: number
  readonly #root: Uint8Array
  readonly #sha256: Sha256
  readonly #height: number
  /** The layer with one hash a piece; the top of the tree for a file within one piece. */
  readonly #pieceLayerAt: number
  readonly #blocksPerPiece: number
  readonly #layer: Uint8Array
  readonly #known: Uint8Array
  #knownCount = 0
  /** Made when somebody asks for a hash above the piece layer: a stranger may do so for 49 bytes, often. */
  #above: Uint8Array[] | undefined
  readonly #leaves = new Map<number, Uint8Array>() // BOUNDED by the pieces under way: their owner forgets them
  /** Of pieces whose leaves take more than one request. BOUNDED like #leaves. */
  readonly #partialLeaves = new Map<number, { leaves: Uint8Array; ranges: Set<number> }>()

  /** @param init.length at least 1; `pieceLength` a power of two of at least a block. RangeError otherwise */
  constructor(init: { root: Uint8Array; length: number; pieceLength: number; sha256: Sha256 }) {
    const { root, length, pieceLength } = init
    if (root.byteLength !== HASH_BYTES) throw new RangeError('a root has 32 bytes')
    if (!Number.isSafeInteger(length) || length < 1) throw new RangeError('a tree needs at least one byte')
    if (pieceLength < BLOCK_BYTES || !Number.isInteger(Math.log2(pieceLength))) throw new RangeError('piece length')
    this.length = length
    this.pieceLength = pieceLength
    this.pieceCount = Math.ceil(length / pieceLength)
    this.#root = root
    this.#sha256 = init.sha256
    this.#height = treeHeight(blockCount(length))
    this.#pieceLayerAt = Math.min(layerOf(pieceLength), this.#height)
    this.#blocksPerPiece = pieceLength / BLOCK_BYTES
    this.#layer = new Uint8Array(this.pieceCount * HASH_BYTES)
    this.#known = new Uint8Array(this.pieceCount)
    if (this.pieceCount === 1) this.#learnPieceHashes(0, root)
  }

  /** The next request needed before blocks of this piece can be verified one by one; undefined when there is none. */
  missing(piece: number): HashRange | undefined {
    if (this.#known[piece] === 0) return this.#pieceLayerRange(piece)
    if (this.#blocksIn(piece) === 1 || this.#leaves.has(piece)) return undefined
    const have = this.#partialLeaves.get(piece)?.ranges
    const length = Math.min(MAX_RANGE_HASHES, 2 ** this.#pieceLayerAt)
    for (let first = 0; first < this.#blocksIn(piece); first += length) {
      if (have?.has(first) === true) continue
      return { base: 0, index: piece * this.#blocksPerPiece + first, length, proofs: this.#pieceLayerAt - 1 }
    }
    return undefined
  }

  /** The request that brings the hash of a piece; undefined when it is known. */
  missingPieceHash(piece: number): HashRange | undefined {
    return this.#known[piece] === 0 ? this.#pieceLayerRange(piece) : undefined
  }

  /**
   * Adds the hashes of an answer: the range's, then its uncles', joined. 'bad' when they do not lead to what is known,
   * or were not asked for by `missing`: then nothing is kept.
   */
  add(range: HashRange, hashes: Uint8Array): 'good' | 'bad' {
    if (!isHashRange(range) || hashes.byteLength !== (range.length + uncleCount(range)) * HASH_BYTES) return 'bad'
    if (this.pieceCount > 1 && range.base === this.#pieceLayerAt) return this.#addPieceHashes(range, hashes)
    if (range.base === 0) return this.#addLeaves(range, hashes)
    return 'bad'
  }

  /** Answers a request from what is known; undefined when something of it is not. */
  get(range: HashRange): Uint8Array | undefined {
    if (!isHashRange(range)) return undefined
    const { base, index, length } = range
    const top = base + Math.log2(length)
    const width = 2 ** (this.#height - base)
    if (top > this.#height || index + length > width) return undefined
    const answer = new Uint8Array((length + uncleCount(range)) * HASH_BYTES)
    for (let i = 0; i < length; i++) {
      const hash = this.#node(base, index + i)
      if (hash === undefined) return undefined
      answer.set(hash, i * HASH_BYTES)
    }
    let position = index / length
    for (let i = 0; i < uncleCount(range); i++) {
      if (top + i >= this.#height) return undefined
      const uncle = this.#node(top + i, position ^ 1)
      if (uncle === undefined) return undefined
      answer.set(uncle, (length + i) * HASH_BYTES)
      position >>>= 1
    }
    return answer
  }

  /** Uncles of a block from its leaf to the root, joined; undefined when something of them is not known. */
  path(block: number): Uint8Array | undefined {
    const uncles = new Uint8Array(this.#height * HASH_BYTES)
    for (let layer = 0, position = block; layer < this.#height; layer++, position = Math.floor(position / 2)) {
      const uncle = this.#node(layer, siblingOf(position))
      if (uncle === undefined) return undefined
      uncles.set(uncle, layer * HASH_BYTES)
    }
    return uncles
  }

  /** Takes a whole piece layer, joined. 'bad' when it does not lead to the root: then nothing is kept. */
  setPieceLayer(layer: Uint8Array): 'good' | 'bad' {
    if (layer.byteLength !== this.pieceCount * HASH_BYTES) return 'bad'
    const root = climb(layer, this.#pieceLayerAt, this.#height, this.#sha256)
    if (!sameBytes(root, this.#root)) return 'bad'
    this.#learnPieceHashes(0, layer)
    return 'good'
  }

  /** The whole piece layer, joined; undefined while a hash is missing. */
  pieceLayer(): Uint8Array | undefined {
    return this.#knownCount === this.pieceCount ? this.#layer : undefined
  }

  /**
   * Checks bytes that begin on a block boundary of the piece and end on one, or at the end of the piece. A whole piece
   * is checked against its own hash; less needs the leaves ('unknown' without them).
   */
  verify(piece: number, begin: number, parts: readonly Uint8Array[]): BlockVerdict {
    const size = this.pieceSize(piece)
    const length = parts.reduce((sum, part) => sum + part.byteLength, 0)
    const end = begin + length
    if (begin % BLOCK_BYTES !== 0 || length === 0 || end > size || (end < size && end % BLOCK_BYTES !== 0)) return 'bad'
    if (this.#known[piece] === 0) return 'unknown'
    const whole = length === size
    const expected = this.#leaves.get(piece)
    if (expected === undefined && !whole) return 'unknown'

    const leaves = this.#leavesOf(parts, length)
    if (expected !== undefined) {
      const first = (begin / BLOCK_BYTES) * HASH_BYTES
      return sameBytes(leaves, expected.subarray(first, first + leaves.byteLength)) ? 'good' : 'bad'
    }
    const hash = climb(leaves, 0, this.#pieceLayerAt, this.#sha256)
    if (!sameBytes(hash, hashAt(this.#layer, piece))) return 'bad'
    return 'good'
  }

  /** Keeps the leaves of a piece that the caller has computed from verified bytes. 'bad' when they are not the piece's. */
  setLeaves(piece: number, leaves: Uint8Array): 'good' | 'bad' {
    if (this.#known[piece] === 0 || leaves.byteLength !== this.#blocksIn(piece) * HASH_BYTES) return 'bad'
    const hash = climb(leaves, 0, this.#pieceLayerAt, this.#sha256)
    if (!sameBytes(hash, hashAt(this.#layer, piece))) return 'bad'
    this.#leaves.set(piece, leaves)
    return 'good'
  }

  /** Frees the leaves of a piece; they can be had again from peers or from the piece's bytes. */
  forgetLeaves(piece: number): void {
    this.#partialLeaves.delete(piece)
    this.#leaves.delete(piece)
  }

  pieceSize(piece: number): number {
    return Math.min(this.pieceLength, this.length - piece * this.pieceLength)
  }

  #blocksIn(piece: number): number {
    return blockCount(this.pieceSize(piece))
  }

  #pieceLayerRange(piece: number): HashRange {
    const base = this.#pieceLayerAt
    const length = Math.min(MAX_RANGE_HASHES, 2 ** (this.#height - base))
    return { base, index: piece - (piece % length), length, proofs: this.#height - base - 1 }
  }

  #addPieceHashes(range: HashRange, hashes: Uint8Array): 'good' | 'bad' {
    const { base, index, length, proofs } = range
    const expected = this.#pieceLayerRange(Math.min(index, this.pieceCount - 1))
    if (expected.index !== index || expected.length !== length || expected.proofs !== proofs) return 'bad'
    const real = Math.min(length, this.pieceCount - index)
    const pad = padHash(base, this.#sha256)
    for (let i = real; i < length; i++) if (!sameBytes(hashAt(hashes, i), pad)) return 'bad'
    if (!sameBytes(this.#climbWithUncles(range, hashes), this.#root)) return 'bad'
    this.#learnPieceHashes(index, hashes.subarray(0, real * HASH_BYTES))
    return 'good'
  }

  #addLeaves(range: HashRange, hashes: Uint8Array): 'good' | 'bad' {
    const { index, length } = range
    const piece = Math.floor(index / this.#blocksPerPiece)
    if (piece >= this.pieceCount || this.#known[piece] === 0) return 'bad'
    const first = index - piece * this.#blocksPerPiece
    const blocks = this.#blocksIn(piece)
    if (
      first >= blocks ||
      length !== Math.min(MAX_RANGE_HASHES, 2 ** this.#pieceLayerAt) ||
      range.proofs !== this.#pieceLayerAt - 1
    ) {
      return 'bad'
    }
    const real = Math.min(length, blocks - first)
    const zero = padHash(0, this.#sha256)
    for (let i = real; i < length; i++) if (!sameBytes(hashAt(hashes, i), zero)) return 'bad'
    if (!sameBytes(this.#climbWithUncles(range, hashes), hashAt(this.#layer, piece))) return 'bad'

    const leaves = hashes.subarray(0, real * HASH_BYTES)
    if (real === blocks) {
      this.#leaves.set(piece, leaves.slice())
      return 'good'
    }
    const partial = this.#partialLeaves.get(piece) ?? {
      leaves: new Uint8Array(blocks * HASH_BYTES),
      ranges: new Set<number>()
    }
    partial.leaves.set(leaves, first * HASH_BYTES)
    partial.ranges.add(first)
    this.#partialLeaves.set(piece, partial)
    if (partial.ranges.size === Math.ceil(blocks / length)) {
      this.#partialLeaves.delete(piece)
      this.#leaves.set(piece, partial.leaves)
    }
    return 'good'
  }

  /** The ancestor that the range and its uncles lead to. */
  #climbWithUncles({ base, index, length }: HashRange, hashes: Uint8Array): Uint8Array {
    const top = climb(hashes.subarray(0, length * HASH_BYTES), base, base + Math.log2(length), this.#sha256)
    return climbPath(top, index / length, hashes.subarray(length * HASH_BYTES), this.#sha256)
  }

  #learnPieceHashes(first: number, hashes: Uint8Array): void {
    this.#layer.set(hashes, first * HASH_BYTES)
    const end = first + hashes.byteLength / HASH_BYTES
    for (let i = first; i < end; i++) {
      this.#knownCount += 1 - this.#known[i]!
      this.#known[i] = 1
    }
  }

  /** A node of the tree, computed from what is held below it; undefined when that is not enough. */
  #node(layer: number, index: number): Uint8Array | undefined {
    const span = 2 ** layer
    if (index * span >= blockCount(this.length)) return padHash(layer, this.#sha256)
    if (layer === this.#height) return this.#root
    if (layer === this.#pieceLayerAt) return this.#known[index] === 1 ? hashAt(this.#layer, index) : undefined
    if (layer > this.#pieceLayerAt) {
      const first = index * 2 ** (layer - this.#pieceLayerAt)
      const end = Math.min(first + 2 ** (layer - this.#pieceLayerAt), this.pieceCount)
      if (this.#knownCount === this.pieceCount)
        return hashAt(this.#layersAbove()[layer - this.#pieceLayerAt - 1]!, index)
      // while hashes are missing there is little above them to tell, and whoever asks has it computed each time
      if (end - first > MAX_RANGE_HASHES) return undefined
      for (let i = first; i < end; i++) if (this.#known[i] === 0) return undefined
      return climb(this.#layer.subarray(first * HASH_BYTES, end * HASH_BYTES), this.#pieceLayerAt, layer, this.#sha256)
    }
    const piece = Math.floor((index * span) / this.#blocksPerPiece)
    const leaves = this.#leaves.get(piece)
    if (leaves === undefined) return undefined
    const first = index * span - piece * this.#blocksPerPiece
    const end = Math.min(first + span, leaves.byteLength / HASH_BYTES)
    return climb(leaves.subarray(first * HASH_BYTES, end * HASH_BYTES), 0, layer, this.#sha256)
  }

  /** The layers between the piece layer, which is known whole, and the root. */
  #layersAbove(): readonly Uint8Array[] {
    if (this.#above === undefined) {
      this.#above = []
      let hashes = this.#layer
      for (let layer = this.#pieceLayerAt; layer < this.#height; layer++) {
        hashes = parentLayer(hashes, layer, this.#sha256)
        this.#above.push(hashes)
      }
    }
    return this.#above
  }

  #leavesOf(parts: readonly Uint8Array[], length: number): Uint8Array {
    const leaves = new Uint8Array(blockCount(length) * HASH_BYTES)
    let block = 0
    let split: Uint8Array | undefined
    let filled = 0
    for (const part of parts) {
      let at = 0
      while (at < part.byteLength) {
        const room = Math.min(BLOCK_BYTES, length - block * BLOCK_BYTES)
        if (filled === 0 && part.byteLength - at >= room) {
          leaves.set(this.#sha256(part.subarray(at, at + room)), block++ * HASH_BYTES)
          at += room
          continue
        }
        // a block that lies across two parts is joined: one in four with the record size of noise
        split ??= new Uint8Array(BLOCK_BYTES)
        const take = Math.min(room - filled, part.byteLength - at)
        split.set(part.subarray(at, at + take), filled)
        filled += take
        at += take
        if (filled === room) {
          leaves.set(this.#sha256(split.subarray(0, room)), block++ * HASH_BYTES)
          filled = 0
        }
      }
    }
    return leaves
  }
}
