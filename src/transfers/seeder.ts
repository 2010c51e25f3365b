import type { FileId, Infohash, SwarmId } from '../../protocols/core/ids.ts'
import type { ExchangeService, SwarmHandle } from '../../protocols/exchange/handler.ts'
import { Layout, layoutOf } from '../../protocols/metainfo/index.ts'
import { SharedContent } from '../library/content/shared-content.ts'
import type { Storage } from '../library/content/verified-file.ts'
import type { Library, LocatedFile } from '../library/library.ts'
import type { Announcer } from './announcer.ts'

export const seederConfig = {
  /** A swarm that nobody has been in for so long is closed; it opens again when it is asked for. */
  idleMs: 60_000,
  everyMs: 10_000,
  /** Swarms open at once for strangers. */
  maxSwarms: 256
}

export interface SeederParts {
  exchange: ExchangeService
  library: Library
  storage: Storage
  announcer: Announcer
  /** This node as `/p2p/<id>`: the tracker that links to its collections name. */
  ownTracker: string
}

interface Seeding {
  handle: SwarmHandle
  busyAt: number
}

/** Gives what is shared to whoever asks: opens swarms when they are wanted and closes them when nobody is left. */
export class Seeder {
  readonly #parts: SeederParts
  readonly #swarms = new Map<SwarmId, Seeding>() // BOUNDED by maxSwarms, and finished transfers
  readonly #announced = new Set<Infohash>() // BOUNDED by the shares
  #timer: ReturnType<typeof setInterval> | undefined

  constructor(parts: SeederParts) {
    this.#parts = parts
  }

  start(): void {
    this.#timer = setInterval(() => this.#closeIdle(), seederConfig.everyMs)
    this.#timer.unref()
    this.onLibraryChange()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** A stranger asks for a swarm by the first 20 bytes of its id. Undefined when this node does not share it. */
  open(prefix: string): SwarmHandle | undefined {
    const found = this.#parts.library.swarmByPrefix(prefix)
    if (found === undefined || this.#swarms.size >= seederConfig.maxSwarms) return undefined
    const id: SwarmId = 'file' in found ? found.file : found.infohash
    const known = this.#swarms.get(id)?.handle ?? this.#parts.exchange.swarm(id)
    if (known !== undefined) return known
    const content = 'file' in found ? this.#contentOfFile(found.file) : this.#contentOfCollection(found.infohash)
    if (content === undefined) return undefined
    const handle = this.#parts.exchange.open({ swarm: id, content, onEvent: () => {} })
    this.#swarms.set(id, { handle, busyAt: performance.now() })
    return handle
  }

  /** A transfer is done: its swarm goes on, for those who are still fetching. */
  adopt(handle: SwarmHandle): void {
    this.#swarms.set(handle.swarm, { handle, busyAt: performance.now() })
  }

  /** Closes a swarm, because its content is to be fetched again. */
  async close(id: SwarmId): Promise<void> {
    const seeding = this.#swarms.get(id)
    this.#swarms.delete(id)
    await seeding?.handle.close()
  }

  /** What is shared has changed: swarms of what is gone are closed, trackers hear of what is new. */
  onLibraryChange(): void {
    const { library, announcer } = this.#parts
    for (const [id, { handle }] of this.#swarms) {
      if (library.lookup(id) !== undefined) continue
      this.#swarms.delete(id)
      this.#parts.announcer.leave(id)
      closeQuietly(handle)
    }
    const collections = new Map(library.collections().map(({ infohash, trackers }) => [infohash, trackers]))
    for (const infohash of this.#announced) {
      if (collections.has(infohash)) continue
      this.#announced.delete(infohash)
      announcer.leave(infohash)
    }
    for (const [infohash, trackers] of collections) {
      if (this.#announced.has(infohash)) continue
      this.#announced.add(infohash)
      void announcer.join(infohash, {
        trackers: [[this.#parts.ownTracker], ...trackers],
        moved: { left: 0, uploaded: 0, downloaded: 0 },
        // a seed waits for others to come
        onPeers: () => {}
      })
    }
  }

  #contentOfFile(id: FileId): SharedContent | undefined {
    const located = this.#parts.library.locate(id)
    if (located === undefined) return undefined
    return this.#shared(Layout.single(id, located.size, id), [located])
  }

  #contentOfCollection(infohash: Infohash): SharedContent | undefined {
    const { library } = this.#parts
    const metainfo = library.metainfo(infohash)
    const located = library.filesOfCollection(infohash)
    if (metainfo === undefined || located === undefined) return undefined
    const files = metainfo.files.map(file => located.get(file.path.join('/')))
    if (metainfo.files.some((file, i) => file.root !== undefined && files[i] === undefined)) return undefined
    return this.#shared(layoutOf(metainfo), files)
  }

  #shared(layout: Layout, files: readonly (LocatedFile | undefined)[]): SharedContent | undefined {
    const { library, storage } = this.#parts
    try {
      return new SharedContent({ layout, files, storage, onChanged: path => library.withdraw(path) })
    } catch {
      // what the catalogue says of it is no longer true: the next scan finds out
      return undefined
    }
  }

  #closeIdle(): void {
    const now = performance.now()
    for (const [id, seeding] of this.#swarms) {
      if (seeding.handle.stats().peers.length > 0) seeding.busyAt = now
      else if (now - seeding.busyAt >= seederConfig.idleMs) {
        this.#swarms.delete(id)
        if (!this.#announced.has(id as Infohash)) this.#parts.announcer.leave(id)
        closeQuietly(seeding.handle)
      }
    }
  }
}

function closeQuietly(handle: SwarmHandle): void {
  // what a close can fail at is told elsewhere, or harms nobody: the content is read anew when it is wanted
  handle.close().catch(() => {})
}
