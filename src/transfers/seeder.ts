import type { FileId, Infohash, SwarmId } from '../../protocols/core/ids.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import { ContentError } from '../../protocols/exchange/content.ts'
import type { ExchangeService, SwarmHandle, SwarmNotice } from '../../protocols/exchange/handler.ts'
import { Layout, layoutOf } from '../../protocols/metainfo/index.ts'
import { SharedContent } from '../library/content/shared-content.ts'
import type { Storage } from '../library/content/verified-file.ts'
import type { Library, LocatedFile } from '../library/library.ts'
import type { Announcer, Membership } from './announcer.ts'

export const seederConfig = {
  /** A swarm that nobody has been in for so long is closed; it opens again when it is asked for. */
  idleMs: 60_000,
  everyMs: 10_000,
  /** Swarms open at once for strangers; the next one takes the place of the one that sent nothing for longest. */
  maxSwarms: 256,
  /** Of these, opened because one and the same peer asked. */
  maxPerPeer: 16,
  /** A swarm that has sent nothing for so long makes room for another one that the same peer asks for. */
  quietMs: 10_000
}

export interface SeederParts {
  exchange: ExchangeService
  library: Library
  storage: Storage
  announcer: Announcer
  /** This node as `/p2p/<id>`: the tracker that links to its collections name. */
  ownTracker: string
  /** What is being fetched now is given by the transfer. */
  isFetching(id: SwarmId): boolean
}

interface Seeding {
  handle: SwarmHandle
  /** The file, or the share that is the collection. */
  place: string
  /** Who asked for it; undefined for one that came from a transfer. */
  openedFor: Peer | undefined
  busyAt: number
  /** What a transfer announced goes on until its swarm is closed. */
  membership?: Membership | undefined
}

/** What a swarm is opened with. */
interface Source {
  content: SharedContent
  place: string
}

/** Gives what is shared to whoever asks: opens swarms when they are wanted and closes them when nobody is left. */
export class Seeder {
  readonly #parts: SeederParts
  readonly #swarms = new Map<SwarmId, Seeding>() // BOUNDED by maxSwarms, and finished transfers
  readonly #closing = new Map<SwarmId, Promise<void>>() // BOUNDED by what is read at once
  readonly #announced = new Map<Infohash, Membership>() // BOUNDED by the shares
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
  open(prefix: string, peer: Peer): SwarmHandle | undefined {
    const found = this.#parts.library.swarmByPrefix(prefix)
    if (found === undefined) return undefined
    const id: SwarmId = 'file' in found ? found.file : found.infohash
    const known = this.#swarms.get(id)?.handle ?? this.#parts.exchange.swarm(id)
    if (known !== undefined) return known
    if (this.#parts.isFetching(id) || this.#closing.has(id) || !this.#hasRoomFor(peer)) return undefined
    const source = 'file' in found ? this.#sourceOfFile(found.file) : this.#sourceOfCollection(found.infohash)
    if (source === undefined) return undefined
    this.#makeRoom(peer)
    const { content, place } = source
    const handle = this.#parts.exchange.open({ swarm: id, content, onEvent: notice => this.#onNotice(id, notice) })
    this.#swarms.set(id, { handle, place, openedFor: peer, busyAt: performance.now() })
    return handle
  }

  /** A transfer is done: its swarm goes on, for those who are still fetching. `place` is its file, or its folder. */
  adopt(handle: SwarmHandle, place: string, membership: Membership | undefined): void {
    handle.listen(notice => this.#onNotice(handle.swarm, notice))
    this.#swarms.set(handle.swarm, { handle, place, membership, openedFor: undefined, busyAt: performance.now() })
  }

  /** Closes a swarm, because its content is to be fetched again. It is closed when this resolves. Never throws. */
  async close(id: SwarmId): Promise<void> {
    this.#end(id)
    await this.#closing.get(id)
  }

  /** What is shared has changed: swarms of what is gone or lies elsewhere are closed, trackers hear of what is new. */
  onLibraryChange(): void {
    const { library, announcer } = this.#parts
    for (const [id, { place }] of this.#swarms) if (!library.placesOf(id).includes(place)) this.#end(id)
    const collections = new Map(library.collections().map(({ infohash, trackers }) => [infohash, trackers]))
    for (const [infohash, membership] of this.#announced) {
      if (collections.has(infohash)) continue
      this.#announced.delete(infohash)
      membership.leave()
    }
    for (const [infohash, trackers] of collections) {
      if (this.#announced.has(infohash)) continue
      const membership = announcer.join(infohash, {
        trackers: [[this.#parts.ownTracker], ...trackers],
        moved: { left: 0, uploaded: 0, downloaded: 0 },
        // a seed waits for others to come
        onPeers: () => {}
      })
      this.#announced.set(infohash, membership)
    }
  }

  #onNotice(id: SwarmId, notice: SwarmNotice): void {
    if (notice.type !== 'failed' || !(notice.error instanceof ContentError)) return
    const { code } = notice.error
    // whoever asks next gets it from where it lies then, if it is still shared
    if (code === 'CONTENT_GONE' || code === 'CONTENT_CHANGED') this.#end(id)
  }

  /** A peer has its part of the swarms. Another one takes the place of its own that is of least use. */
  #hasRoomFor(peer: Peer): boolean {
    const own = this.#ownOf(peer)
    if (own.length < seederConfig.maxPerPeer) return true
    return own.some(({ handle }) => handle.quietMs >= seederConfig.quietMs || handle.stats().peers.length === 0)
  }

  #makeRoom(peer: Peer): void {
    const own = this.#ownOf(peer)
    if (own.length >= seederConfig.maxPerPeer) this.#end(quietest(own))
    else if (this.#swarms.size >= seederConfig.maxSwarms) this.#end(quietest(this.#swarms.values()))
  }

  #ownOf(peer: Peer): Seeding[] {
    return [...this.#swarms.values()].filter(({ openedFor }) => openedFor === peer)
  }

  #sourceOfFile(id: FileId): Source | undefined {
    const located = this.#parts.library.locate(id)
    if (located === undefined) return undefined
    return this.#shared(located.path, Layout.single(id, located.size, id), [located])
  }

  #sourceOfCollection(infohash: Infohash): Source | undefined {
    const { library } = this.#parts
    const metainfo = library.metainfo(infohash)
    const located = library.filesOfCollection(infohash)
    const [place] = library.placesOf(infohash)
    if (metainfo === undefined || located === undefined || place === undefined) return undefined
    const files = metainfo.files.map(file => located.get(file.path.join('/')))
    if (metainfo.files.some((file, i) => file.root !== undefined && files[i] === undefined)) return undefined
    return this.#shared(place, layoutOf(metainfo), files)
  }

  #shared(place: string, layout: Layout, files: readonly (LocatedFile | undefined)[]): Source | undefined {
    const { library, storage } = this.#parts
    try {
      return {
        place,
        content: new SharedContent({ layout, files, storage, onChanged: path => library.withdraw(path) })
      }
    } catch {
      // what the catalogue says of it is no longer true: the next scan finds out
      return undefined
    }
  }

  #closeIdle(): void {
    const now = performance.now()
    for (const [id, seeding] of this.#swarms) {
      if (seeding.handle.stats().peers.length > 0) seeding.busyAt = now
      else if (now - seeding.busyAt >= seederConfig.idleMs) this.#end(id)
    }
  }

  #end(id: SwarmId): void {
    const seeding = this.#swarms.get(id)
    if (seeding === undefined) return
    this.#swarms.delete(id)
    seeding.membership?.leave()
    // what a close can fail at is told elsewhere, or harms nobody: the content is read anew when it is wanted
    const closed = seeding.handle.close().catch(() => {})
    this.#closing.set(
      id,
      closed.then(() => {
        this.#closing.delete(id)
      })
    )
  }
}

/** The one that went longest without a block sent. */
function quietest(seedings: Iterable<Seeding>): SwarmId {
  const all = [...seedings]
  return all.reduce((a, b) => (b.handle.quietMs > a.handle.quietMs ? b : a)).handle.swarm
}
