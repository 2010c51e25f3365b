/** Which blocks of a file are there: one bit each. */
export class BlockSet {
  readonly bits: Uint8Array
  readonly size: number
  #count = 0

  constructor(size: number, bits?: Uint8Array) {
    this.size = size
    this.bits = new Uint8Array(Math.ceil(size / 8))
    if (bits === undefined || bits.byteLength !== this.bits.byteLength) return
    for (let i = 0; i < size; i++) if ((bits[i >>> 3]! >>> (i & 7)) & 1) this.add(i)
  }

  get count(): number {
    return this.#count
  }

  get full(): boolean {
    return this.#count === this.size
  }

  has(index: number): boolean {
    return ((this.bits[index >>> 3]! >>> (index & 7)) & 1) === 1
  }

  hasAll(from: number, to: number): boolean {
    for (let i = from; i < to; i++) if (!this.has(i)) return false
    return true
  }

  /** Whether it was new. */
  add(index: number): boolean {
    if (this.has(index)) return false
    this.bits[index >>> 3]! |= 1 << (index & 7)
    this.#count++
    return true
  }
}
