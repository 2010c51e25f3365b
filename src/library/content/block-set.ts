/** Which blocks of a file are there: one bit each, and a count for each group of blocks, which are its pieces. */
export class BlockSet {
  readonly bits: Uint8Array
  readonly size: number
  readonly #groupSize: number
  readonly #counts: Uint16Array
  #count = 0

  /** @param init.bits of a set of the same size; those of another are ignored. `groupSize` is a power of two below 2^16. */
  constructor(init: { size: number; groupSize: number; bits?: Uint8Array | undefined }) {
    const { size, groupSize, bits } = init
    this.size = size
    this.bits = new Uint8Array(Math.ceil(size / 8))
    this.#groupSize = groupSize
    this.#counts = new Uint16Array(Math.ceil(size / groupSize))
    if (bits?.byteLength !== this.bits.byteLength) return
    this.bits.set(bits)
    this.#countAll()
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

  /** How many blocks of the group are there. */
  countIn(group: number): number {
    return this.#counts[group]!
  }

  /** Whether it was new. */
  add(index: number): boolean {
    if (this.has(index)) return false
    this.bits[index >>> 3]! |= 1 << (index & 7)
    this.#counts[Math.floor(index / this.#groupSize)]!++
    this.#count++
    return true
  }

  addAll(): void {
    this.bits.fill(0xff)
    this.#countAll()
  }

  /** A byte at a time where groups allow it: a file of 1 TiB has 2^26 blocks. */
  #countAll(): void {
    if (this.size % 8 > 0) this.bits[this.bits.byteLength - 1]! &= 0xff >>> (8 - (this.size % 8))
    this.#counts.fill(0)
    this.#count = 0
    for (let byte = 0; byte < this.bits.byteLength; byte++) {
      const bits = this.bits[byte]!
      const ones = ONES[bits]!
      this.#count += ones
      if (this.#groupSize >= 8) this.#counts[Math.floor((byte * 8) / this.#groupSize)]! += ones
      else
        for (let i = 0; i < 8; i++) if ((bits >>> i) & 1) this.#counts[Math.floor((byte * 8 + i) / this.#groupSize)]!++
    }
  }
}

const ONES = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length)
