/** Random numbers as machines get them: handed in, seeded, the same on every machine and every run. */
export interface Rng {
  /** Uniform in 0..2^32-1. */
  uint32(): number
  /** Uniform integer in 0..bound-1; bound in 1..2^32. */
  below(bound: number): number
  /** Uniform in [0, 1). */
  unit(): number
  /** One of the items. @throws RangeError when there are none */
  pick<T>(items: readonly T[]): T
  /** At most `count` different items, in random order. The argument is not changed. */
  sample<T>(items: Iterable<T>, count: number): T[]
  /** An independent generator for a part of the work, so that one part's draws do not move another's. */
  fork(): Rng
}

/** sfc32 (Chris Doty-Humphrey, PractRand): 128 bits of state, seeded from one number through splitmix32. */
export function seededRng(seed: number): Rng {
  return new Sfc32(seed)
}

class Sfc32 implements Rng {
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(seed: number) {
    let state = (seed ^ Math.floor(seed / 0x1_0000_0000)) | 0
    const next = (): number => {
      state = (state + 0x9e3779b9) | 0
      let z = state ^ (state >>> 16)
      z = Math.imul(z, 0x21f0aaad)
      z ^= z >>> 15
      z = Math.imul(z, 0x735a2d97)
      return z ^ (z >>> 15)
    }
    this.#a = next()
    this.#b = next()
    this.#c = next()
    for (let i = 0; i < 12; i++) this.uint32()
  }

  uint32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum
    this.#c |= 0
    return sum >>> 0
  }

  below(bound: number): number {
    // the bias of a multiplication is below 2^-21 for every bound that occurs here
    return Math.floor((this.uint32() / 0x1_0000_0000) * bound)
  }

  unit(): number {
    return this.uint32() / 0x1_0000_0000
  }

  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError('nothing to pick from')
    return items[this.below(items.length)] as T
  }

  sample<T>(items: Iterable<T>, count: number): T[] {
    const pool = [...items]
    const taken = Math.min(count, pool.length)
    for (let i = 0; i < taken; i++) {
      const j = i + this.below(pool.length - i)
      const item = pool[j] as T
      pool[j] = pool[i] as T
      pool[i] = item
    }
    pool.length = taken
    return pool
  }

  fork(): Rng {
    return new Sfc32(this.uint32())
  }
}
