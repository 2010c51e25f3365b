import { DecodeError } from './codec.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
/** Of the last byte of a number below 2^53, and so below 2^56. */
const MAX_VARINT_SCALE = 2 ** 49

/**
 * Reads big-endian fields from a message of a stranger. Every read checks what is left, every length has a limit given
 * by the caller, and nothing is allocated for bytes that did not arrive. All methods throw DecodeError.
 */
export class ByteReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get left(): number {
    return this.#bytes.byteLength - this.#at
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1))
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2))
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4))
  }

  /** A u64 that fits a safe integer; larger values are refused. */
  u53(): number {
    const at = this.#take(8)
    const high = this.#view.getUint32(at)
    if (high > 0x1fffff) throw new DecodeError('number above 2^53')
    return high * 0x1_0000_0000 + this.#view.getUint32(at + 4)
  }

  /** LEB128 of at most `limit`, in as few bytes as it takes. */
  varint(limit: number): number {
    let value = 0
    for (let scale = 1; scale <= MAX_VARINT_SCALE; scale *= 0x80) {
      const byte = this.u8()
      value += (byte & 0x7f) * scale
      if (value > limit) throw new DecodeError(`number above ${limit}`)
      if ((byte & 0x80) !== 0) continue
      if (byte === 0 && scale > 1) break
      return value
    }
    throw new DecodeError('number that is longer than it has to be')
  }

  /** A view, not a copy: copy what outlives the message. */
  bytes(length: number): Uint8Array {
    const at = this.#take(length)
    return this.#bytes.subarray(at, at + length)
  }

  /** Bytes behind a u16 length of at most `limit`. A view. */
  shortBytes(limit: number): Uint8Array {
    const length = this.u16()
    if (length > limit) throw new DecodeError(`field of ${length} bytes, limit ${limit}`)
    return this.bytes(length)
  }

  /** UTF-8 text behind a u16 length in bytes of at most `limit`. Malformed UTF-8 is refused. */
  text(limit: number): string {
    return decodeText(this.shortBytes(limit))
  }

  /** The same behind a varint. */
  varText(limit: number): string {
    const length = this.varint(Number.MAX_SAFE_INTEGER)
    if (length > limit) throw new DecodeError(`field of ${length} bytes, limit ${limit}`)
    return decodeText(this.bytes(length))
  }

  /** A u16 count of at most `limit`, then that many items. */
  list<T>(limit: number, read: (reader: this) => T): T[] {
    const count = this.u16()
    if (count > limit) throw new DecodeError(`list of ${count} items, limit ${limit}`)
    const items: T[] = []
    for (let i = 0; i < count; i++) items.push(read(this))
    return items
  }

  /** To be called last: a message has no trailing bytes. */
  end(): void {
    if (this.left > 0) throw new DecodeError(`${this.left} bytes after the message`)
  }

  #take(length: number): number {
    const at = this.#at
    if (length > this.#bytes.byteLength - at) throw new DecodeError('message ends inside a field')
    this.#at = at + length
    return at
  }
}

function decodeText(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw new DecodeError('text is not UTF-8')
  }
}
