import type { FileId, Infohash } from '../../protocols/core/ids.ts'
import type { Hit } from '../../protocols/search/index.ts'

/** A size that peers state for a file. Only its last block proves it: a file's id does not tell its size. */
export interface SizeClaim {
  size: number
  /** What one of the holders calls the file. */
  name: string
  /** Peer ids. A neighbour can name any holder it likes: how many there are only says what is tried first. */
  holders: string[]
}

/**
 * The one size at which bytes that are not the file's lead to its id: the two hashes below the root, one behind the other,
 * are 64 bytes, and their hash is the root. Whoever states it for a longer file can prove it, so it is believed last.
 */
const FORGEABLE_SIZE = 64

export interface Support {
  size: number
  /** Holders that say it themselves, in the exchange. */
  firsthand: number
  /** Holders of whom it is said. */
  hearsay: number
}

/** Sorts the size that is to be tried first to the front; equals stay in their order. */
export function bySupport(a: Support, b: Support): number {
  const isForgeable = (size: number): number => Number(size === FORGEABLE_SIZE)
  return isForgeable(a.size) - isForgeable(b.size) || b.firsthand - a.firsthand || b.hearsay - a.hearsay
}

/** What the hits for one id say: who has a collection of that id, and who has a file, of which size. */
export class Claims {
  readonly #id: string
  readonly #files = new Map<number, { name: string; holders: Set<string> }>() // BOUNDED by the search's limit
  readonly #collection = new Set<string>() // BOUNDED likewise, and by the entries of one key

  constructor(id: FileId | Infohash | string) {
    this.#id = id
  }

  add(holder: string, hit: Hit): void {
    if (hit.infohash === this.#id) this.#collection.add(holder)
    if (hit.id !== this.#id) return
    const known = this.#files.get(hit.size)
    if (known === undefined) this.#files.set(hit.size, { name: hit.name, holders: new Set([holder]) })
    else known.holders.add(holder)
  }

  addCollection(holder: string): void {
    this.#collection.add(holder)
  }

  /** A size that nobody states now, from an earlier time. */
  expect(size: number, name: string): void {
    this.#files.set(size, { name, holders: new Set() })
  }

  get isEmpty(): boolean {
    return this.#files.size === 0 && this.#collection.size === 0
  }

  get collectionHolders(): string[] {
    return [...this.#collection]
  }

  /** The size of most distinct holders first. */
  get files(): SizeClaim[] {
    return [...this.#files]
      .map(([size, { name, holders }]) => ({ size, name, holders: [...holders], firsthand: 0, hearsay: holders.size }))
      .sort(bySupport)
      .map(({ size, name, holders }) => ({ size, name, holders }))
  }
}
