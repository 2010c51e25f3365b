import type { Peer } from '../../protocols/core/peer.ts'
import { ContentError } from '../../protocols/exchange/content.ts'
import type { ExchangeService, SwarmHandle, SwarmNotice } from '../../protocols/exchange/handler.ts'
import type { SwarmStats } from '../../protocols/exchange/swarm-events.ts'
import type { GetEvent, SourceStatus, TransferStatus } from '../api.ts'
import { asShoalError, type ErrorCode, ShoalError } from '../errors.ts'
import { EventStream } from '../event-stream.ts'
import type { Reach } from '../libp2p/reach.ts'
import { PartialContent } from '../library/content/partial-content.ts'
import type { TransferState } from '../library/content/transfer-state.ts'
import type { Storage } from '../library/content/verified-file.ts'
import type { Library } from '../library/library.ts'
import type { Moved } from './announcer.ts'
import { Finder, type FinderParts } from './finder.ts'
import type { Plan } from './plan.ts'
import { Sources } from './sources.ts'

export const transferConfig = {
  /** How often sources are looked after. */
  everyMs: 250,
  /** Shortest time between two progress events. */
  progressMs: 200,
  /** Without a new block for so long, the transfer says why. */
  stalledMs: 5_000,
  /** Peers with something for us at which nobody else is searched for. */
  enoughPeers: 8
}

export interface TransferParts extends FinderParts {
  exchange: ExchangeService
  library: Library
  state: TransferState
  storage: Storage
  reach: Reach
}

export interface TransferInit {
  plan: Plan
  /** Absolute folder that the file, or the collection's own folder, goes into. */
  folder: string
  /** Indices of files to fetch; undefined for all. */
  chosen: ReadonlySet<number> | undefined
  /** It has ended: done, paused or failed. A swarm that is done goes on as a seed. */
  onEnd(seed: SwarmHandle | undefined): void
}

type State = TransferStatus['state']

/** One file or collection that is being fetched, from all its holders at once. */
export class Transfer {
  readonly plan: Plan
  readonly folder: string
  readonly #parts: TransferParts
  readonly #init: TransferInit
  readonly #sources = new Sources()
  readonly #readers = new Set<EventStream<GetEvent>>() // BOUNDED by those who asked for it, see Transfers
  readonly #startedAt = performance.now()
  #state: State = 'checking'
  #error: ShoalError | undefined // of a failed one
  #content: PartialContent | undefined
  #swarm: SwarmHandle | undefined
  #finder: Finder | undefined
  #timer: ReturnType<typeof setInterval> | undefined
  #checkedBytes = 0
  #lastStoredAt = performance.now()
  #lastStoredBytes = 0
  #toldAt = Number.NEGATIVE_INFINITY
  #ending: Promise<void> | undefined
  #final: { stats: SwarmStats; bytesDone: number } | undefined

  constructor(parts: TransferParts, init: TransferInit) {
    this.#parts = parts
    this.#init = init
    this.plan = init.plan
    this.folder = init.folder
  }

  /** Where the file or the collection's folder lies, or will. */
  get path(): string {
    return this.#content?.path ?? this.folder
  }

  /** Resolves when a transfer that is ending has released its files; undefined while it runs. */
  get ending(): Promise<void> | undefined {
    return this.#ending
  }

  /** A new reader of what happens. When the last one ends its iteration, the transfer pauses. */
  events(signal?: AbortSignal): EventStream<GetEvent> {
    const events: EventStream<GetEvent> = new EventStream<GetEvent>({
      onStop: () => {
        this.#readers.delete(events)
        if (this.#readers.size === 0) void this.pause()
      },
      isStale: (older, newer) => older.type === 'progress' && newer.type === 'progress',
      ...(signal === undefined ? {} : { signal })
    })
    if (this.#isOver()) events.fail(this.#error ?? new ShoalError('INTERRUPTED', `${this.plan.name} is paused`))
    else this.#readers.add(events)
    return events
  }

  async start(): Promise<void> {
    const { plan, folder, chosen } = this.#init
    const { state, storage, exchange } = this.#parts
    try {
      state.put({
        id: plan.id,
        name: plan.name,
        folder,
        size: plan.layout.length,
        info: plan.metainfo?.infoBytes,
        sources: plan.leads
      })
      const content = await PartialContent.open({
        id: plan.id,
        layout: plan.layout,
        folder,
        name: plan.collection,
        state,
        storage,
        onChecked: bytes => {
          this.#checkedBytes += bytes
          this.#tellProgress()
        }
      })
      this.#content = content
      for (const [index, file] of plan.layout.files.entries()) {
        const layer = file.root === undefined ? undefined : plan.metainfo?.pieceLayers.get(file.root)
        if (layer !== undefined) content.learnPieceLayer(index, layer)
      }
      if (this.#ending !== undefined) {
        await content.close()
        return
      }
      this.#state = 'finding'
      this.#swarm = exchange.open({
        swarm: plan.id,
        content,
        ...(chosen === undefined ? {} : { wanted: piece => chosen.has(plan.layout.fileOfPiece(piece)) }),
        onEvent: notice => this.#onNotice(notice)
      })
    } catch (error) {
      this.#fail(error)
      return
    }
    if (this.#swarm.stats().isFinished) {
      this.#finish()
      return
    }
    this.#finder = new Finder(this.#parts, {
      id: plan.id,
      leads: plan.leads,
      moved: this.#moved(),
      onPeer: peer => this.#onPeer(peer),
      // a file's id does not tell its size: who states another one has another file
      accepts: hit => plan.metainfo !== undefined || hit.size === plan.layout.length
    })
    this.#finder.start()
    this.#timer = setInterval(() => this.#work(), transferConfig.everyMs)
    this.#timer.unref()
    this.#tellProgress()
  }

  /** Ends it for now, with all that is here kept. */
  async pause(): Promise<void> {
    if (this.#isOver()) return
    await this.#end('paused', new ShoalError('INTERRUPTED', `${this.plan.name} is paused`))
  }

  status(): TransferStatus {
    const { plan } = this.#init
    const stats = this.#stats()
    const size = stats?.wantedBytes ?? plan.layout.length
    const bytesDone = this.#final?.bytesDone ?? stats?.storedBytes ?? 0
    const rate = this.#isOver() ? 0 : Math.round(stats?.down ?? 0)
    const reason = this.#reason(stats)
    return {
      id: plan.id,
      name: plan.name,
      path: this.path,
      state: this.#state === 'fetching' && reason !== undefined ? 'stalled' : this.#state,
      size,
      bytesDone,
      rate,
      ...(rate > 0 && bytesDone < size ? { etaMs: Math.round(((size - bytesDone) / rate) * 1000) } : {}),
      sources: sourcesOf(stats),
      ...(reason === undefined ? {} : { reason })
    }
  }

  #onNotice(notice: SwarmNotice): void {
    switch (notice.type) {
      case 'progress':
        if (this.#state === 'finding') this.#state = 'fetching'
        this.#tellProgress()
        return
      case 'pieceDone':
        return
      case 'done':
        this.#finish()
        return
      case 'liar':
        this.#sources.refuse(notice.peer)
        this.#tell({ type: 'liar', peerId: notice.peer as string, reason: notice.reason })
        return
      case 'peerUp':
        this.#sources.succeeded(notice.peer)
        return
      case 'peerDown':
        if (notice.why === 'liar' || notice.why === 'violation' || notice.why === 'incompatible') {
          this.#sources.refuse(notice.peer)
        } else this.#sources.tried(notice.peer, performance.now())
        return
      case 'failed':
        // what cannot be read is not sent, and harms nobody here
        if (notice.during === 'writing') this.#fail(notice.error)
        return
    }
  }

  #onPeer(peer: Peer): void {
    if (peer !== this.#parts.reach.self && this.#sources.add(peer)) this.#work()
  }

  /** Dials those who are due, and has more searched for while there are too few. */
  #work(): void {
    const swarm = this.#swarm
    if (swarm === undefined || this.#isOver()) return
    const now = performance.now()
    const { peers, storedBytes } = swarm.stats()
    if (storedBytes > this.#lastStoredBytes) {
      this.#lastStoredBytes = storedBytes
      this.#lastStoredAt = now
    }
    // who has nothing for us is no reason to stop looking for those who have
    const useful = peers.filter(({ isInteresting, isSnubbing }) => isInteresting && !isSnubbing).length
    if (this.#finder !== undefined) this.#finder.isEnough = useful >= transferConfig.enoughPeers
    for (const peer of this.#sources.due(now, useful, peer => swarm.isConnected(peer))) {
      this.#sources.tried(peer, now)
      void this.#connect(swarm, peer)
    }
    this.#parts.announcer.update(this.plan.id, this.#moved())
    this.#tellProgress()
  }

  async #connect(swarm: SwarmHandle, peer: Peer): Promise<void> {
    const id = await this.#parts.reach.prepare(peer)
    if (id === undefined) this.#sources.refuse(peer)
    else if (!this.#isOver()) await swarm.connect(id)
  }

  #finish(): void {
    if (this.#isOver() || this.#state === 'finishing') return
    this.#state = 'finishing'
    this.#tellProgress(true)
    this.#complete().catch(error => this.#fail(error))
  }

  async #complete(): Promise<void> {
    const { plan, chosen, onEnd } = this.#init
    const content = this.#content as PartialContent
    const swarm = this.#swarm as SwarmHandle
    const files = await content.finish(index => chosen === undefined || chosen.has(index))
    if (this.#isOver()) return
    this.#stopFinding()
    this.#parts.announcer.update(plan.id, this.#moved())
    const stats = swarm.stats()
    this.#final = { stats, bytesDone: stats.storedBytes }
    // other files of the collection may be half here, from an earlier choice: they are not forgotten
    if (!content.hasUnfinished) this.#parts.state.remove(plan.id)
    const { metainfo } = plan
    const { trackers } = plan.leads
    const isWhole = chosen === undefined && metainfo !== undefined
    await this.#parts.library.addFinished(content.path, files, isWhole ? { metainfo, trackers } : undefined)
    this.#state = 'done'
    this.#tell({
      type: 'done',
      transfer: this.status(),
      bytesFetched: stats.receivedBytes - stats.wastedBytes,
      bytesWasted: stats.wastedBytes,
      elapsedMs: Math.round(performance.now() - this.#startedAt)
    })
    for (const reader of this.#readers) reader.end()
    this.#readers.clear()
    onEnd(swarm)
  }

  #fail(thrown: unknown): void {
    if (this.#isOver()) return
    void this.#end('failed', asTransferError(thrown))
  }

  async #end(state: 'paused' | 'failed', error: ShoalError): Promise<void> {
    if (this.#ending !== undefined) return await this.#ending
    const stats = this.#stats()
    this.#final = stats && { stats, bytesDone: stats.storedBytes }
    this.#state = state
    if (state === 'failed') this.#error = error
    this.#stopFinding()
    this.#parts.announcer.leave(this.plan.id)
    this.#ending = this.#release(error)
    await this.#ending
  }

  async #release(error: ShoalError): Promise<void> {
    try {
      await this.#swarm?.close()
    } catch (thrown) {
      this.#error ??= asTransferError(thrown)
    } finally {
      this.#init.onEnd(undefined)
      for (const reader of this.#readers) reader.fail(error)
      this.#readers.clear()
    }
  }

  #stopFinding(): void {
    clearInterval(this.#timer)
    this.#finder?.stop()
  }

  #isOver(): boolean {
    return this.#state === 'done' || this.#state === 'paused' || this.#state === 'failed'
  }

  #stats(): SwarmStats | undefined {
    return this.#final?.stats ?? this.#swarm?.stats()
  }

  /** Who fetches a part of a collection is no seed when that is here: what is left counts against the whole. */
  #moved(): Moved {
    const stats = this.#stats()
    return {
      left: this.plan.layout.length - (stats?.storedBytes ?? 0),
      uploaded: stats?.sentBytes ?? 0,
      downloaded: stats?.receivedBytes ?? 0
    }
  }

  /** Why nothing moves; undefined while it does, or before there was time. */
  #reason(stats: SwarmStats | undefined): string | undefined {
    if (this.#state === 'failed') return this.#error?.message
    if (this.#state !== 'finding' && this.#state !== 'fetching') return undefined
    if (stats === undefined || performance.now() - this.#lastStoredAt < transferConfig.stalledMs) return undefined
    const { peers } = stats
    if (peers.length === 0) {
      const known = this.#sources.size
      if (known === 0) return 'nobody who has it has been found yet'
      return known === 1
        ? 'the only known holder cannot be reached'
        : `none of the ${known} known holders can be reached`
    }
    if (peers.every(({ isInteresting }) => !isInteresting)) return 'the connected peers have none of what is missing'
    if (peers.every(({ isChoking }) => isChoking)) return 'all holders are busy with others: waiting for a turn'
    return 'the holders send nothing'
  }

  #tellProgress(now = false): void {
    const time = performance.now()
    if (!now && time - this.#toldAt < transferConfig.progressMs) return
    this.#toldAt = time
    this.#tell({ type: 'progress', transfer: this.status() })
  }

  #tell(event: GetEvent): void {
    for (const reader of this.#readers) reader.push(event)
  }
}

/** Everyone who sent something, most first: those who left and those who are there. */
function sourcesOf(stats: SwarmStats | undefined): SourceStatus[] {
  if (stats === undefined) return []
  const sources = new Map<Peer, SourceStatus>()
  for (const { peer, goodBytes } of stats.pastSources) {
    sources.set(peer, { peerId: peer as string, bytes: goodBytes, rate: 0 })
  }
  for (const { peer, goodBytes, down } of stats.peers) {
    const past = sources.get(peer)?.bytes ?? 0
    sources.set(peer, { peerId: peer as string, bytes: past + goodBytes, rate: Math.round(down) })
  }
  return [...sources.values()].sort((a, b) => b.bytes - a.bytes)
}

const CODES: Record<ContentError['code'], ErrorCode> = {
  DISK_FULL: 'DISK_FULL',
  NOT_WRITABLE: 'PERMISSION',
  CONTENT_CHANGED: 'IO_FAILED',
  CONTENT_GONE: 'IO_FAILED',
  IO_FAILED: 'IO_FAILED'
}

/** What content threw, as an error for users. */
function asTransferError(thrown: unknown): ShoalError {
  if (thrown instanceof ContentError) return new ShoalError(CODES[thrown.code], thrown.message, { cause: thrown })
  return asShoalError(thrown)
}
