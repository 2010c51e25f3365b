import type { Files, OpenFile } from './files.ts'

interface Entry {
  file: Promise<OpenFile>
  users: number
}

/** Open files of all content of the node: the least recently used one that is idle is closed when there are too many. */
export class HandlePool {
  readonly #files: Files
  readonly #limit: number
  readonly #entries = new Map<string, Entry>() // BOUNDED by #limit and the operations under way

  constructor(files: Files, limit = 64) {
    this.#files = files
    this.#limit = limit
  }

  get size(): number {
    return this.#entries.size
  }

  /** Runs `work` with the file open. A file that is written is opened, and made, for both. */
  async with<T>(path: string, how: 'read' | 'write', work: (file: OpenFile) => Promise<T>): Promise<T> {
    const key = `${how} ${path}`
    const entry = this.#entries.get(key) ?? { file: this.#files.open(path, how), users: 0 }
    entry.users++
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    this.#evict()
    try {
      return await work(await entry.file)
    } catch (error) {
      // a handle that failed is not kept: the next use opens the file as it is then
      if (this.#entries.get(key) === entry && entry.users === 1) this.#drop(key, entry)
      throw error
    } finally {
      entry.users--
      if (entry.users === 0 && this.#entries.get(key) !== entry) void close(entry)
    }
  }

  /** Closes what is open of these paths. */
  async release(paths: Iterable<string>): Promise<void> {
    const closing: Promise<void>[] = []
    for (const path of paths) {
      for (const key of [`read ${path}`, `write ${path}`]) {
        const entry = this.#entries.get(key)
        if (entry === undefined) continue
        this.#entries.delete(key)
        if (entry.users === 0) closing.push(close(entry))
      }
    }
    await Promise.all(closing)
  }

  #evict(): void {
    for (const [key, entry] of this.#entries) {
      if (this.#entries.size <= this.#limit) return
      if (entry.users === 0) this.#drop(key, entry)
    }
  }

  #drop(key: string, entry: Entry): void {
    this.#entries.delete(key)
    if (entry.users === 0) void close(entry)
  }
}

async function close(entry: Entry): Promise<void> {
  try {
    await (await entry.file).close()
  } catch {
    // it was never open, or is closed
  }
}
