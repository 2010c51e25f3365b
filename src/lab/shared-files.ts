import { hash } from 'node:crypto'
import type { FileId } from '../../protocols/core/ids.ts'
import type { Rng } from '../../protocols/core/rng.ts'
import type { CatalogueItem } from '../../protocols/superpeer/index.ts'

/** Words of a name. */
const WORDS = 3
const MAX_SIZE = 2 ** 32

export interface SharedFilesInit {
  peers: number
  /** Different ones. */
  files: number
  /** Copies of all of them together. */
  copies: number
  /** Different words. */
  words: number
  /** Popularity of the i-th file, and of the i-th word, falls with i to this power. */
  skew: number
}

/** A query of one word, and who has how many files that match. */
export interface WordQuery {
  readonly from: number
  readonly text: string
  readonly hits: ReadonlyMap<number, number>
  /** Pairs of a peer and a file. */
  readonly results: number
}

/** Files with words in their names, copied to peers by popularity (Zipf), and queries for their words. */
export class SharedFiles {
  readonly ofPeer: CatalogueItem[][]
  readonly #rng: Rng
  readonly #peers: number
  readonly #holders = new Map<string, Map<number, number>>()
  /** Words that some file has, as often as copies of files have them: what is common is asked for more often. */
  readonly #asked: string[] = []

  constructor({ peers, files, copies, words, skew }: SharedFilesInit, rng: Rng) {
    this.#rng = rng
    this.#peers = peers
    this.ofPeer = Array.from({ length: peers }, () => [])
    const word = zipf(words, skew, rng)
    const items = Array.from({ length: files }, (_, i) => {
      const name = `${Array.from({ length: WORDS }, () => `w${word()}`).join(' ')} f${i}.dat`
      return { id: hash('sha256', name, 'hex') as FileId, name, size: rng.below(MAX_SIZE) }
    })
    const popular = zipf(files, skew, rng)
    for (let i = 0; i < copies; i++) {
      // each file once at least, as long as there are copies
      const item = items[i < files ? i : popular()] as CatalogueItem
      const peer = rng.below(peers)
      const own = this.ofPeer[peer] as CatalogueItem[]
      if (own.includes(item)) continue
      own.push(item)
      const terms = new Set(item.name.split(' ').slice(0, WORDS))
      for (const term of terms) {
        const holders = this.#holders.get(term) ?? new Map<number, number>()
        holders.set(peer, (holders.get(peer) ?? 0) + 1)
        this.#holders.set(term, holders)
        this.#asked.push(term)
      }
    }
  }

  /** By one of these peers, for a word that others have. */
  query(from: readonly number[]): WordQuery {
    for (;;) {
      const text = this.#rng.pick(this.#asked)
      const asker = this.#rng.pick(from)
      const hits = new Map(this.#holders.get(text))
      hits.delete(asker)
      if (hits.size === 0) continue
      return { from: asker, text, hits, results: hits.values().reduce((sum, count) => sum + count, 0) }
    }
  }

  get peers(): number {
    return this.#peers
  }
}

/** Draws 0..count-1, the i-th in proportion to (i + 1)^-skew. */
function zipf(count: number, skew: number, rng: Rng): () => number {
  const sums = new Float64Array(count)
  let sum = 0
  for (let i = 0; i < count; i++) {
    sum += (i + 1) ** -skew
    sums[i] = sum
  }
  return () => {
    const at = rng.unit() * sum
    let [low, high] = [0, count - 1]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((sums[middle] as number) < at) low = middle + 1
      else high = middle
    }
    return low
  }
}
