import type { Rng } from '../core/rng.ts'

/**
 * Pieces in order of how many peers have them, equals in random order. Every change costs a swap, at most one for each
 * count up to the number of peers; nothing is ever sorted.
 */
export class RarityOrder {
  readonly #rng: Rng
  /** The first `#size` places hold the pieces of the order, the rarest first. */
  readonly #places: Uint32Array
  /** Where a piece is; beyond `#size` when it is not in the order. */
  readonly #placeOf: Uint32Array
  /** How many counted peers have a piece, whether it is in the order or not. */
  readonly #counts: Uint16Array
  /** `#ends[n]`: behind the last piece that at most n peers have. BOUNDED by the number of peers. */
  readonly #ends: number[] = [0]
  #size = 0

  constructor(pieces: number, rng: Rng) {
    this.#rng = rng
    this.#places = new Uint32Array(pieces)
    this.#placeOf = new Uint32Array(pieces).fill(NOWHERE)
    this.#counts = new Uint16Array(pieces)
  }

  get size(): number {
    return this.#size
  }

  /** Pieces of the order that some counted peer has. */
  get available(): number {
    return this.#size - this.#ends[0]!
  }

  has(piece: number): boolean {
    return this.#placeOf[piece] !== NOWHERE
  }

  countOf(piece: number): number {
    return this.#counts[piece]!
  }

  add(piece: number): void {
    const count = this.#counts[piece]!
    this.#reach(count)
    // the new place at the end belongs to the largest count; each lower group hands its first place down
    this.#put(piece, this.#size++)
    this.#ends[this.#ends.length - 1] = this.#size
    for (let n = this.#ends.length - 1; n > count; n--) {
      const first = this.#ends[n - 1]!
      this.#swap(this.#placeOf[piece]!, first)
      this.#ends[n - 1] = first + 1
    }
    this.#shuffleIn(piece, count)
  }

  remove(piece: number): void {
    for (let n = this.#counts[piece]!; n < this.#ends.length; n++) {
      const last = this.#ends[n]! - 1
      this.#swap(this.#placeOf[piece]!, last)
      this.#ends[n] = last
    }
    this.#size--
    this.#placeOf[piece] = NOWHERE
  }

  /** One more peer has the piece. */
  increase(piece: number): void {
    const count = this.#counts[piece]!++
    if (!this.has(piece)) return
    this.#reach(count + 1)
    const last = this.#ends[count]! - 1
    this.#swap(this.#placeOf[piece]!, last)
    this.#ends[count] = last
    this.#shuffleIn(piece, count + 1)
  }

  decrease(piece: number): void {
    const count = this.#counts[piece]!--
    if (!this.has(piece)) return
    const first = this.#ends[count - 1]!
    this.#swap(this.#placeOf[piece]!, first)
    this.#ends[count - 1] = first + 1
    this.#shuffleIn(piece, count - 1)
  }

  /** The rarest piece that fits. With `counted` the pieces that no counted peer has are passed over. */
  findRarest(fits: (piece: number) => boolean, counted: boolean): number | undefined {
    for (let i = counted ? this.#ends[0]! : 0; i < this.#size; i++) {
      const piece = this.#places[i]!
      if (fits(piece)) return piece
    }
    return undefined
  }

  /** A piece that fits, wherever in the order. */
  findAny(fits: (piece: number) => boolean, rng: Rng): number | undefined {
    if (this.#size === 0) return undefined
    const start = rng.below(this.#size)
    for (let i = 0; i < this.#size; i++) {
      const piece = this.#places[(start + i) % this.#size]!
      if (fits(piece)) return piece
    }
    return undefined
  }

  #reach(count: number): void {
    while (this.#ends.length <= count) this.#ends.push(this.#size)
  }

  /** Trades places with a random equal. */
  #shuffleIn(piece: number, count: number): void {
    const first = count === 0 ? 0 : this.#ends[count - 1]!
    const equals = this.#ends[count]! - first
    if (equals > 1) this.#swap(this.#placeOf[piece]!, first + this.#rng.below(equals))
  }

  #put(piece: number, place: number): void {
    this.#places[place] = piece
    this.#placeOf[piece] = place
  }

  #swap(a: number, b: number): void {
    if (a === b) return
    const piece = this.#places[a]!
    this.#put(this.#places[b]!, a)
    this.#put(piece, b)
  }
}

const NOWHERE = 0xffff_ffff
