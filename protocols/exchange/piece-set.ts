/** Which pieces somebody has, as BitTorrent's bitfield: the high bit of the first byte is piece 0. */
export class PieceSet {
  readonly size: number
  readonly #bits: Uint8Array
  #count = 0

  constructor(size: number) {
    this.size = size
    this.#bits = new Uint8Array(Math.ceil(size / 8))
  }

  static all(size: number): PieceSet {
    const set = new PieceSet(size)
    set.#bits.fill(0xff)
    if (size % 8 > 0) set.#bits[set.#bits.byteLength - 1] = 0xff << (8 - (size % 8))
    set.#count = size
    return set
  }

  /** Undefined when the bytes are not a bitfield of so many pieces: wrong length, or a spare bit set. */
  static fromBitfield(bitfield: Uint8Array, size: number): PieceSet | undefined {
    if (bitfield.byteLength !== Math.ceil(size / 8)) return undefined
    const set = new PieceSet(size)
    set.#bits.set(bitfield)
    for (const byte of bitfield) set.#count += ONES[byte]!
    for (let i = size; i < bitfield.byteLength * 8; i++) if (set.#bit(i)) return undefined
    return set
  }

  get count(): number {
    return this.#count
  }

  get isFull(): boolean {
    return this.#count === this.size
  }

  has(piece: number): boolean {
    return this.#bit(piece)
  }

  /** False when it was there. */
  add(piece: number): boolean {
    if (this.#bit(piece)) return false
    this.#bits[piece >>> 3]! |= 0x80 >>> (piece & 7)
    this.#count++
    return true
  }

  each(visit: (piece: number) => void): void {
    for (let byte = 0; byte < this.#bits.byteLength; byte++) {
      const bits = this.#bits[byte]!
      for (let i = 0; bits > 0 && i < 8; i++) if (bits & (0x80 >>> i)) visit(byte * 8 + i)
    }
  }

  toBitfield(): Uint8Array {
    return this.#bits.slice()
  }

  #bit(piece: number): boolean {
    return (this.#bits[piece >>> 3]! & (0x80 >>> (piece & 7))) !== 0
  }
}

const ONES = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length)
