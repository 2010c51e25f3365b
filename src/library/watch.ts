import { type FSWatcher, watch } from 'node:fs'

/** Changes come in bursts: a rescan waits until it has been quiet for so long. */
const QUIET_MS = 500
/** What watching misses, or cannot see (network drives, no watches left), a rescan finds within this time. */
const EVERY_MS = 5 * 60_000
/** The same where the system gave no watch at all. */
const EVERY_WITHOUT_WATCH_MS = 30_000

/** Follows a shared file or folder: calls `onChange` some time after something in it has changed. */
export class ShareWatcher {
  readonly #onChange: () => void
  #watcher: FSWatcher | undefined
  #quiet: ReturnType<typeof setTimeout> | undefined
  #every: ReturnType<typeof setInterval>

  constructor(path: string, folder: boolean, onChange: () => void) {
    this.#onChange = onChange
    try {
      this.#watcher = watch(path, { recursive: folder, persistent: false }, () => this.soon())
      this.#watcher.on('error', () => this.#watcher?.close())
    } catch {
      // no watches left, or a file system without them
    }
    this.#every = setInterval(onChange, this.#watcher === undefined ? EVERY_WITHOUT_WATCH_MS : EVERY_MS)
    this.#every.unref()
  }

  /** Asks for a rescan after a quiet time. */
  soon(waitMs = QUIET_MS): void {
    clearTimeout(this.#quiet)
    this.#quiet = setTimeout(this.#onChange, waitMs)
    this.#quiet.unref()
  }

  close(): void {
    clearTimeout(this.#quiet)
    clearInterval(this.#every)
    this.#watcher?.close()
  }
}
