import type { Stats } from 'node:fs'

/**
 * A file whose times are younger may be written at this moment: times have steps of some milliseconds, and writes through
 * a memory map are seen in them when the kernel has brought the page to the disk, which it does within half a minute.
 */
const STILL_MS = 60_000

/**
 * Pieces that were read and found right while their file lay still. As long as its size, its times and its inode are what
 * they were then, they are right: the kernel sets the time of change at every write, and nobody can set it back.
 */
export class ProvenPieces {
  #state = ''
  #pieces = new Set<number>() // BOUNDED by the pieces of the file

  /** @param stats of the open file, taken after the piece was read */
  has(piece: number, stats: Stats): boolean {
    return this.#pieces.has(piece) && this.#state === stateOf(stats)
  }

  /** The piece was read and found right. `stats` as for `has`. */
  add(piece: number, stats: Stats): void {
    if (Date.now() - Math.max(stats.mtimeMs, stats.ctimeMs) < STILL_MS) return
    const state = stateOf(stats)
    if (state !== this.#state) this.#pieces.clear()
    this.#state = state
    this.#pieces.add(piece)
  }
}

function stateOf({ size, mtimeMs, ctimeMs, ino }: Stats): string {
  return `${size} ${mtimeMs} ${ctimeMs} ${ino}`
}
