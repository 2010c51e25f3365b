import type { Stats } from 'node:fs'
import { ContentError } from '../../../protocols/exchange/content.ts'
import {
  BLOCK_BYTES,
  type FileTree,
  type HashRange,
  hashLeaves,
  isHashRange,
  layerOf
} from '../../../protocols/metainfo/index.ts'
import { sha256 } from '../../sha256.ts'
import { asContentError } from './files.ts'
import type { HandlePool } from './handle-pool.ts'
import type { PieceCache } from './piece-cache.ts'
import { ProvenPieces } from './proven-pieces.ts'

/** Most bytes that are read and hashed to answer one request for hashes below the piece layer. */
const MAX_HASHED_BYTES = 32 * 1024 * 1024

let files = 0

export interface Storage {
  handles: HandlePool
  cache: PieceCache
}

/**
 * Reads a file piece by piece and checks each against its tree before a byte of it leaves: what was changed under our
 * feet is never served. A piece that was checked is checked again only when the file was touched since. The leaves of the
 * pieces in the cache are known to the tree, so it answers requests for them.
 */
export class VerifiedFile {
  path: string
  readonly tree: FileTree
  readonly #storage: Storage
  readonly #number = files++
  readonly #reading = new Map<number, Promise<Uint8Array>>() // BOUNDED by the exchange's reads under way
  readonly #cached = new Set<number>() // BOUNDED by the cache
  readonly #proven = new ProvenPieces()
  /** Size, time and inode that the file must still have; undefined while it is being written. */
  #stamp: { mtimeMs: number; ino: number } | undefined
  #stampChecked = false

  constructor(init: { path: string; tree: FileTree; storage: Storage; stamp?: { mtimeMs: number; ino: number } }) {
    this.path = init.path
    this.tree = init.tree
    this.#storage = init.storage
    this.#stamp = init.stamp
  }

  /** @throws ContentError */
  async read(position: number, length: number): Promise<Uint8Array> {
    const size = this.tree.pieceLength
    const first = Math.floor(position / size)
    const last = Math.floor((position + length - 1) / size)
    if (length === this.tree.pieceSize(first) && position === first * size) return await this.#wholePiece(first)
    if (first === last) {
      const piece = await this.#piece(first)
      return piece.subarray(position - first * size, position - first * size + length)
    }
    const bytes = new Uint8Array(length)
    for (let i = first; i <= last; i++) {
      const piece = await this.#piece(i)
      const from = Math.max(position, i * size)
      const to = Math.min(position + length, i * size + piece.byteLength)
      bytes.set(piece.subarray(from - i * size, to - i * size), from - position)
    }
    return bytes
  }

  /** Answers a hash request; undefined when it is none, or asks for too much. @throws ContentError */
  async hashes(range: HashRange): Promise<Uint8Array | undefined> {
    if (!isHashRange(range)) return undefined
    const known = this.tree.get(range)
    if (known !== undefined || range.base >= layerOf(this.tree.pieceLength)) return known
    const from = range.index * 2 ** range.base * BLOCK_BYTES
    const to = Math.min(from + range.length * 2 ** range.base * BLOCK_BYTES, this.tree.length)
    if (from >= this.tree.length || to - from > MAX_HASHED_BYTES) return undefined
    const size = this.tree.pieceLength
    for (let i = Math.floor(from / size); i * size < to; i++) await this.#piece(i)
    return this.tree.get(range)
  }

  /** Forgets what was read: the file lies elsewhere now, or is closed. */
  forget(): void {
    for (const index of [...this.#cached]) this.#storage.cache.delete(this.#key(index))
  }

  #piece(index: number): Promise<Uint8Array> {
    const cached = this.#storage.cache.get(this.#key(index))
    if (cached !== undefined) return Promise.resolve(cached.data)
    let reading = this.#reading.get(index)
    if (reading === undefined) {
      reading = this.#readPiece(index).finally(() => this.#reading.delete(index))
      this.#reading.set(index, reading)
    }
    return reading
  }

  /**
   * A piece that is asked for as a whole is not kept: nobody asks for its other blocks soon, and buffers that die young
   * cost a fraction of those that a cache has made old.
   */
  async #wholePiece(index: number): Promise<Uint8Array> {
    const cached = this.#storage.cache.get(this.#key(index)) ?? this.#reading.get(index)
    if (cached !== undefined) return await this.#piece(index)
    const { data, stats } = await this.#readBytes(index)
    if (this.#proven.has(index, stats)) return data
    this.#check(index, data, stats)
    this.tree.forgetLeaves(index)
    return data
  }

  async #readPiece(index: number): Promise<Uint8Array> {
    const { data, stats } = await this.#readBytes(index)
    this.#check(index, data, stats)
    const onEvict = (): void => {
      this.#cached.delete(index)
      this.tree.forgetLeaves(index)
    }
    this.#storage.cache.set(this.#key(index), { data, onEvict })
    this.#cached.add(index)
    return data
  }

  /** @throws ContentError, also when the piece is not whole */
  async #readBytes(index: number): Promise<{ data: Uint8Array; stats: Stats }> {
    const data = Buffer.allocUnsafeSlow(this.tree.pieceSize(index))
    try {
      return await this.#storage.handles.with(this.path, 'read', async file => {
        if (!this.#stampChecked && this.#stamp !== undefined) {
          const { size, mtimeMs, ino } = await file.stat()
          if (size !== this.tree.length || mtimeMs !== this.#stamp.mtimeMs || ino !== this.#stamp.ino) {
            throw this.#changed()
          }
          this.#stampChecked = true
        }
        const read = await file.read(data, index * this.tree.pieceLength)
        if (read < data.byteLength) throw this.#changed()
        return { data, stats: await file.stat() }
      })
    } catch (error) {
      throw asContentError(error, this.path)
    }
  }

  /** The piece is what the tree says; its leaves are known from now on. @throws ContentError */
  #check(index: number, data: Uint8Array, stats: Stats): void {
    if (this.tree.setLeaves(index, hashLeaves(data, sha256)) === 'bad') throw this.#changed()
    this.#proven.add(index, stats)
  }

  #changed(): ContentError {
    return new ContentError('CONTENT_CHANGED', `${this.path} has changed`)
  }

  #key(index: number): string {
    return `${this.#number} ${index}`
  }
}
