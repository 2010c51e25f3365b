import { mkdir, statfs } from 'node:fs/promises'
import { formatMagnet } from '../../protocols/metainfo/index.ts'
import type { GetEvent, GetOptions, WatchEvent, WatchedFile } from '../api.ts'
import { asShoalError, type ErrorCode, ShoalError } from '../errors.ts'
import type { WatchConfig } from './config.ts'
import type { WantedFile, WatchStore } from './store.ts'

export interface FetchesInit {
  store: WatchStore
  config: WatchConfig
  get(target: string, options: GetOptions): AsyncIterable<GetEvent>
  /** Free bytes of the disk of a folder, and all of them. */
  disk?: (folder: string) => Promise<{ free: number; size: number }>
  tell(event: WatchEvent): void
  /** A fetch has ended: there is room for another. */
  onEnd(): void
}

interface Active {
  watch: number
  stop: AbortController
  ended: Promise<void>
}

/** What another try cannot make better. */
const FINAL: ReadonlySet<ErrorCode> = new Set(['EXISTS', 'VERIFICATION_FAILED', 'BAD_METAINFO', 'USAGE'])

/**
 * The fetches of all watches: few at once, none that would fill the disk, none that keeps its place without getting
 * anything. What is here of a file stays, so that the next try goes on with it.
 */
export class Fetches {
  readonly #init: FetchesInit
  readonly #abort = new AbortController()
  readonly #active = new Map<string, Active>() // BOUNDED by maxFetches

  constructor(init: FetchesInit) {
    this.#init = init
  }

  /** Begins what there is room for. */
  fill(now: number): void {
    const { store, config } = this.#init
    if (this.#abort.signal.aborted) return
    for (const watch of store.fetching(now)) {
      const running = [...this.#active.values()].filter(active => active.watch === watch.number).length
      const room = Math.min(config.maxFetchesOfOne - running, config.maxFetches - this.#active.size)
      if (room <= 0) continue
      // one at a time: each takes of what the watch may still fetch
      for (let i = 0; i < room; i++) {
        const [file] = store.wanted(store.get(watch.number) ?? watch, now, 1)
        if (file === undefined) break
        this.#begin(file)
      }
    }
  }

  async close(): Promise<void> {
    this.#abort.abort()
    await Promise.all([...this.#active.values()].map(({ ended }) => ended))
  }

  /** A watch fetches nothing more: what it was fetching is paused. */
  stop(watch: number): void {
    for (const active of this.#active.values()) if (active.watch === watch) active.stop.abort()
  }

  #begin(file: WantedFile): void {
    const { store } = this.#init
    store.setState(file, 'fetching')
    const stop = new AbortController()
    const ended = this.#fetch(file, stop).then(() => {
      this.#active.delete(file.id)
      this.#init.onEnd()
    })
    this.#active.set(file.id, { watch: file.watch, stop, ended })
  }

  async #fetch(file: WantedFile, stop: AbortController): Promise<void> {
    const { store } = this.#init
    try {
      await this.#checkDisk(file)
      const path = await this.#untilDone(file, stop)
      if (path === undefined) {
        if (stop.signal.aborted) store.setState(file, 'found')
        else if (this.#abort.signal.aborted) store.setState(file, 'waiting')
        else this.#failed(file, new ShoalError('TIMEOUT', 'nobody sends it'))
        return
      }
      store.setState(file, 'fetched', { path })
      this.#init.tell({
        type: 'fetched',
        watch: file.watch,
        query: file.query,
        file: stateOf(file, 'fetched', { path })
      })
    } catch (error) {
      if (this.#abort.signal.aborted) store.setState(file, 'waiting')
      else this.#failed(file, asShoalError(error))
    }
  }

  #failed(file: WantedFile, error: ShoalError): void {
    const { store, config } = this.#init
    const tries = file.tries + 1
    const problem = error.message
    const isFinal = FINAL.has(error.code) || tries >= config.maxTries
    const notBefore = Date.now() + config.retryMs * tries
    // a full disk is nobody's fault and passes
    if (error.code === 'DISK_FULL') store.setState(file, 'waiting', { problem, notBefore: Date.now() + config.retryMs })
    else store.setState(file, isFinal ? 'failed' : 'waiting', { problem, tries, notBefore })
    this.#init.tell({ type: 'problem', watch: file.watch, query: file.query, message: `${file.name}: ${problem}` })
  }

  /** The path of what was fetched; undefined when it was stopped, or nothing came for too long. */
  async #untilDone(file: WantedFile, stop: AbortController): Promise<string | undefined> {
    const { get, config } = this.#init
    const stalled = new AbortController()
    const timer = setTimeout(() => stalled.abort(), config.stalledMs)
    let bytesDone = -1
    try {
      const { id, name, size, folder } = file
      const target = formatMagnet({ fileId: id, name: name.slice(name.lastIndexOf('/') + 1), size })
      const signal = AbortSignal.any([this.#abort.signal, stop.signal, stalled.signal])
      for await (const event of get(target, { out: folder, signal })) {
        if (event.type === 'done') return event.transfer.path
        if (event.type !== 'progress' || event.transfer.bytesDone <= bytesDone) continue
        bytesDone = event.transfer.bytesDone
        timer.refresh()
      }
      return undefined
    } catch (error) {
      if (stalled.signal.aborted || stop.signal.aborted) return undefined
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  /** @throws ShoalError DISK_FULL, PERMISSION */
  async #checkDisk({ folder, size }: WantedFile): Promise<void> {
    const { config, disk = diskOf } = this.#init
    let found: { free: number; size: number }
    try {
      await mkdir(folder, { recursive: true })
      found = await disk(folder)
    } catch (error) {
      throw new ShoalError('PERMISSION', `cannot use ${folder}: ${(error as Error).message}`, { cause: error })
    }
    const kept = Math.max(config.minFreeBytes, found.size * config.minFreeShare)
    if (found.free - size < kept) throw new ShoalError('DISK_FULL', 'there is not enough free space for it')
  }
}

async function diskOf(folder: string): Promise<{ free: number; size: number }> {
  const { bavail, blocks, bsize } = await statfs(folder)
  return { free: bavail * bsize, size: blocks * bsize }
}

function stateOf(
  { id, name, size, foundAt }: WantedFile,
  state: WatchedFile['state'],
  facts: { path?: string }
): WatchedFile {
  return { id, name, size, foundAt, state, ...facts }
}
