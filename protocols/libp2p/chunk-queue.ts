/** Chunks below this that follow one another are gathered in buffers of TAIL_BYTES; others are kept as they came. */
const SMALL_CHUNK_BYTES = 1_024
const TAIL_BYTES = 16 * 1024

/**
 * Bytes that have arrived and are not read yet, as views of what arrived. A stranger chooses how they are cut: the number
 * of chunks stays in proportion to the bytes, and taking some costs no more for being cut small.
 */
export class ChunkQueue {
  readonly #chunks: Uint8Array[] = [] // BOUNDED by the reader, through byteLength
  /** Where crumbs are gathered: the last chunk is a view of it. */
  #tail: { room: Uint8Array; used: number } | undefined
  #byteLength = 0

  get byteLength(): number {
    return this.#byteLength
  }

  append(bytes: Uint8Array): void {
    if (bytes.byteLength === 0) return
    this.#byteLength += bytes.byteLength
    const last = this.#chunks.at(-1)
    const isCrumb = bytes.byteLength < SMALL_CHUNK_BYTES
    if (!isCrumb || (this.#tail === undefined && (last === undefined || last.byteLength >= SMALL_CHUNK_BYTES))) {
      this.#tail = undefined
      this.#chunks.push(bytes)
      return
    }
    if (this.#tail === undefined) this.#gather(this.#chunks.pop() as Uint8Array)
    this.#gather(bytes)
  }

  /** The next `length` bytes, of at least as many. */
  take(length: number): Uint8Array[] {
    const parts: Uint8Array[] = []
    let left = length
    let whole = 0
    while (left > 0) {
      const chunk = this.#chunks[whole] as Uint8Array
      if (chunk.byteLength <= left) {
        parts.push(chunk)
        whole++
        left -= chunk.byteLength
      } else {
        parts.push(chunk.subarray(0, left))
        this.#chunks[whole] = chunk.subarray(left)
        left = 0
      }
    }
    this.#chunks.splice(0, whole)
    if (this.#chunks.length === 0) this.#tail = undefined
    this.#byteLength -= length
    return parts
  }

  #gather(bytes: Uint8Array): void {
    if (this.#tail === undefined || this.#tail.used + bytes.byteLength > TAIL_BYTES) {
      this.#tail = { room: new Uint8Array(TAIL_BYTES), used: 0 }
      this.#chunks.push(this.#tail.room.subarray(0, 0))
    }
    const { room, used } = this.#tail
    room.set(bytes, used)
    this.#tail.used = used + bytes.byteLength
    const begin = (this.#chunks.at(-1) as Uint8Array).byteOffset
    this.#chunks[this.#chunks.length - 1] = room.subarray(begin, this.#tail.used)
  }
}
