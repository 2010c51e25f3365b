const utf8 = new TextEncoder()

/** Writes the fields that ByteReader reads. A value that its field cannot hold is our own mistake: RangeError. */
export class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer>
  #view: DataView
  #at = 0

  constructor(expectedBytes = 256) {
    this.#bytes = new Uint8Array(expectedBytes)
    this.#view = new DataView(this.#bytes.buffer)
  }

  u8(value: number): this {
    checkRange(value, 0xff)
    const at = this.#grow(1)
    this.#view.setUint8(at, value)
    return this
  }

  u16(value: number): this {
    checkRange(value, 0xffff)
    const at = this.#grow(2)
    this.#view.setUint16(at, value)
    return this
  }

  u32(value: number): this {
    checkRange(value, 0xffff_ffff)
    const at = this.#grow(4)
    this.#view.setUint32(at, value)
    return this
  }

  u53(value: number): this {
    checkRange(value, Number.MAX_SAFE_INTEGER)
    const at = this.#grow(8)
    this.#view.setUint32(at, Math.floor(value / 0x1_0000_0000))
    this.#view.setUint32(at + 4, value >>> 0)
    return this
  }

  /** LEB128: a byte for each 7 bits. */
  varint(value: number): this {
    checkRange(value, Number.MAX_SAFE_INTEGER)
    let rest = value
    for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) this.u8((rest % 0x80) + 0x80)
    return this.u8(rest)
  }

  bytes(value: Uint8Array): this {
    const at = this.#grow(value.byteLength)
    this.#bytes.set(value, at)
    return this
  }

  shortBytes(value: Uint8Array): this {
    return this.u16(value.byteLength).bytes(value)
  }

  text(value: string): this {
    return this.shortBytes(utf8.encode(value))
  }

  varText(value: string): this {
    const bytes = utf8.encode(value)
    return this.varint(bytes.byteLength).bytes(bytes)
  }

  list<T>(items: readonly T[], write: (writer: this, item: T) => void): this {
    this.u16(items.length)
    for (const item of items) write(this, item)
    return this
  }

  /** The bytes written so far. The writer is not used again after this. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#at)
  }

  /** May replace the buffer: take the position first, then write. */
  #grow(length: number): number {
    const at = this.#at
    const end = at + length
    if (end > this.#bytes.byteLength) {
      const larger = new Uint8Array(Math.max(end, this.#bytes.byteLength * 2))
      larger.set(this.#bytes.subarray(0, at))
      this.#bytes = larger
      this.#view = new DataView(larger.buffer)
    }
    this.#at = end
    return at
  }
}

function checkRange(value: number, limit: number): void {
  if (!Number.isInteger(value) || value < 0 || value > limit) throw new RangeError(`${value} does not fit 0..${limit}`)
}
