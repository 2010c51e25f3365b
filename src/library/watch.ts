import { type FSWatcher, statSync, watch } from 'node:fs'

/** Changes come in bursts: a rescan waits until it has been quiet for so long. */
const QUIET_MS = 500
/** What watching misses, or cannot see (network drives, no watches left), a rescan finds within this time. */
const EVERY_MS = 5 * 60_000
/** The same where the system gave no watch at all, or the path is gone for now. */
const EVERY_WITHOUT_WATCH_MS = 30_000

/**
 * Follows a shared file or folder: calls `onChange` some time after something in it has changed. The system watches what
 * lies at a path, not the path: when that was replaced, as editors do, what lies there now is watched.
 */
export class ShareWatcher {
  readonly #path: string
  readonly #folder: boolean
  readonly #onChange: () => void
  #watcher: FSWatcher | undefined
  #watched: string | undefined
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(path: string, folder: boolean, onChange: () => void) {
    this.#path = path
    this.#folder = folder
    this.#onChange = onChange
    this.#follow()
  }

  /** Asks for a rescan after a quiet time. */
  soon(waitMs = QUIET_MS): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#follow()
      this.#onChange()
    }, waitMs)
    this.#timer.unref()
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#watcher?.close()
  }

  #follow(): void {
    const there = identityOf(this.#path)
    if (there === undefined || there !== this.#watched) {
      this.#watcher?.close()
      this.#watcher = there === undefined ? undefined : this.#watch()
      this.#watched = this.#watcher === undefined ? undefined : there
    }
    this.soon(this.#watcher === undefined ? EVERY_WITHOUT_WATCH_MS : EVERY_MS)
  }

  #watch(): FSWatcher | undefined {
    try {
      const watcher = watch(this.#path, { recursive: this.#folder, persistent: false }, () => this.soon())
      watcher.on('error', () => {
        this.#watched = undefined
        this.soon()
      })
      return watcher
    } catch {
      // no watches left, or a file system without them
      return undefined
    }
  }
}

function identityOf(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path)
    return `${dev} ${ino}`
  } catch {
    return undefined
  }
}
