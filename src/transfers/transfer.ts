import type { FileId } from '../../protocols/core/ids.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import type { SwarmHandle, SwarmNotice } from '../../protocols/exchange/handler.ts'
import type { SwarmStats } from '../../protocols/exchange/swarm-events.ts'
import type { GetEvent, TransferStatus } from '../api.ts'
import { ShoalError } from '../errors.ts'
import type { EventStream } from '../event-stream.ts'
import type { Reach } from '../libp2p/reach.ts'
import type { Library } from '../library/library.ts'
import type { Membership, Moved } from './announcer.ts'
import { Download, type DownloadParts, together } from './download.ts'
import type { FinderParts } from './finder.ts'
import { Holders } from './holders.ts'
import { type Plan, planOfFile } from './plan.ts'
import { Readers } from './readers.ts'
import type { SizeClaim } from './sizes.ts'
import { adviceOn, asTransferError, sourcesOf, stallOf } from './transfer-status.ts'

export const transferConfig = {
  /** How often sources are looked after. */
  everyMs: 250,
  /** Without a new block for so long, the transfer says why. */
  stalledMs: 5_000
}

export interface TransferParts extends FinderParts, DownloadParts {
  library: Library
  reach: Reach
}

export interface TransferInit {
  plan: Plan
  /** Who states which size of a file. Of all holders that are known, for a file; empty for a collection. */
  claims: readonly SizeClaim[]
  /** Whether the size of a file is certain. */
  isProven: boolean
  /** Absolute folder that the file, or the collection's own folder, goes into. */
  folder: string
  /** Indices of files to fetch; undefined for all. */
  chosen: ReadonlySet<number> | undefined
  /** It has ended: done, paused or failed. A swarm that is done goes on as a seed. */
  onEnd(seed: { swarm: SwarmHandle; membership: Membership | undefined } | undefined): void
}

type State = TransferStatus['state']

/**
 * One file or collection that is being fetched, from all its holders at once. Nothing is stored of a file whose size is
 * not certain but its last piece, which proves it: when the holders of one size fail, those of the next are tried.
 */
export class Transfer {
  readonly folder: string
  readonly #parts: TransferParts
  readonly #init: TransferInit
  readonly #holders: Holders
  readonly #readers = new Readers(() => void this.pause())
  readonly #startedAt = performance.now()
  #plan: Plan
  #chosen: ReadonlySet<number> | undefined
  #isProven: boolean
  #hasStored = false
  #state: State = 'checking'
  #error: ShoalError | undefined // of a failed one
  #path: string
  #download: Download | undefined
  /** Downloads are opened and closed one after the other. Never rejects. */
  #opening: Promise<void> = Promise.resolve()
  /** The download is about to be replaced. */
  #isLeaving = false
  #run = 0
  /** What downloads that are closed have moved. */
  #before: SwarmStats | undefined
  #timer: ReturnType<typeof setInterval> | undefined
  #lastStoredAt = performance.now()
  #lastStoredBytes = 0
  #completing: Promise<void> | undefined
  #ending: Promise<void> | undefined

  constructor(parts: TransferParts, init: TransferInit) {
    this.#parts = parts
    this.#init = init
    this.#plan = init.plan
    this.#chosen = init.chosen
    this.#isProven = init.isProven || init.plan.metainfo !== undefined
    this.folder = init.folder
    this.#path = init.folder
    this.#holders = new Holders(parts, { claims: init.claims, onNews: () => this.#work() })
  }

  get plan(): Plan {
    return this.#plan
  }

  /** Resolves when a transfer that is ending has released its files; undefined while it runs. */
  get ending(): Promise<void> | undefined {
    return this.#ending
  }

  /** Resolves when all that was wanted is here and has its place; undefined before the last block is here. */
  get completing(): Promise<void> | undefined {
    return this.#completing
  }

  /** Where the file or the collection's folder lies, or will. */
  get path(): string {
    return this.#path
  }

  /** A new reader of what happens. When the last one ends its iteration, the transfer pauses. */
  events(): EventStream<GetEvent> {
    const events = this.#readers.add()
    if (this.#isOver()) this.#readers.end(this.#error ?? this.#interrupted())
    return events
  }

  start(): void {
    this.#inTurn(async () => {
      await this.#open(this.#plan, [])
      if (this.#download === undefined || this.#isOver() || this.#state === 'finishing') return
      this.#holders.start(this.#plan, this.#moved())
      this.#timer = setInterval(() => this.#work(), transferConfig.everyMs)
      this.#timer.unref()
      this.#work()
      this.#tellProgress()
    })
  }

  /** Fetches these files too, if it does not already. False when it is too late for that. */
  widen(chosen: ReadonlySet<number> | undefined): boolean {
    if (this.#isOver()) return false
    const before = this.#chosen
    if (before === undefined || chosen?.isSubsetOf(before) === true) return true
    if (this.#completing !== undefined) return false
    this.#isLeaving = true
    this.#chosen = chosen === undefined ? undefined : before.union(chosen)
    this.#inTurn(() => this.#reopen(this.#plan))
    return true
  }

  /** Ends it for now, with all that is here kept. What is whole is finished, whoever still reads of it. */
  async pause(): Promise<void> {
    if (this.#completing !== undefined) await this.#completing
    if (!this.#isOver()) await this.#stop('paused', this.#interrupted())
    await this.#ending
  }

  status(): TransferStatus {
    const { id, name, layout } = this.#plan
    const stats = this.#stats()
    const size = stats?.wantedBytes ?? layout.length
    const bytesDone = stats?.storedBytes ?? 0
    const rate = this.#isOver() ? 0 : Math.round(stats?.down ?? 0)
    const reason = this.#reason(stats)
    return {
      id,
      name,
      path: this.#path,
      state: this.#state === 'fetching' && reason !== undefined ? 'stalled' : this.#state,
      size,
      bytesDone,
      rate,
      ...(rate > 0 && bytesDone < size ? { etaMs: Math.round(((size - bytesDone) / rate) * 1000) } : {}),
      sources: sourcesOf(stats),
      ...(reason === undefined ? {} : { reason }),
      ...(this.#state === 'paused' || this.#state === 'failed' ? { next: adviceOn(id, this.#error) } : {})
    }
  }

  #inTurn(work: () => Promise<void>): void {
    this.#opening = this.#opening.then(async () => {
      if (this.#isOver() || this.#completing !== undefined) return
      try {
        await work()
      } catch (error) {
        this.#fail(error)
      }
    })
  }

  async #open(plan: Plan, peers: readonly Peer[]): Promise<void> {
    this.#plan = plan
    this.#state = 'checking'
    const run = ++this.#run
    const download = await Download.open(this.#parts, {
      plan,
      folder: this.folder,
      chosen: this.#chosen,
      isProven: this.#isProven,
      onChecked: () => {
        if (this.#ending !== undefined) throw this.#interrupted()
        this.#tellProgress()
      },
      onNotice: notice => {
        if (run === this.#run) this.#onNotice(notice)
      }
    })
    this.#download = download
    this.#path = download.content.path
    if (this.#ending !== undefined) return
    this.#state = 'finding'
    this.#holders.beginSwarm(plan.layout.length, peers)
    this.#lastStoredBytes = download.swarm.stats().storedBytes
    if (download.hasProof) this.#prove()
    if (download.swarm.stats().isFinished) this.#finish()
  }

  /** The same swarm with another size or more files. */
  async #reopen(plan: Plan): Promise<void> {
    const { swarm } = this.#download ?? {}
    const peers = swarm?.stats().peers ?? []
    this.#run++
    await swarm?.close()
    this.#before = together(this.#before, swarm?.stats())
    this.#download = undefined
    if (this.#ending !== undefined) return
    this.#isLeaving = false
    await this.#open(plan, plan === this.#plan ? peers.map(({ peer }) => peer) : [])
    this.#work()
  }

  #onNotice(notice: SwarmNotice): void {
    this.#holders.onNotice(notice)
    switch (notice.type) {
      case 'progress':
        if (this.#state === 'finding') this.#state = 'fetching'
        this.#tellProgress()
        return
      case 'pieceDone':
        // nothing else is stored before the piece that proves the size
        if (!this.#hasStored) this.#prove()
        return
      case 'done':
        this.#finish()
        return
      case 'liar':
        this.#readers.tell({ type: 'liar', peerId: notice.peer as string, reason: notice.reason })
        return
      case 'failed':
        // what cannot be read is not sent, and harms nobody here
        if (notice.during === 'writing') this.#fail(notice.error)
        return
      default:
        return
    }
  }

  /** What is stored can be nothing else: the size is right, and the place is where it goes on. */
  #prove(): void {
    this.#hasStored = true
    this.#isProven = true
    try {
      this.#parts.state.setProven(this.#plan.id)
    } catch {
      // a full disk under the home directory: it is proven again the next time
    }
  }

  #work(): void {
    const download = this.#download
    if (download === undefined || this.#isLeaving || this.#completing !== undefined || this.#isOver()) return
    const { swarm, plan } = download
    const now = performance.now()
    const { storedBytes } = swarm.stats()
    if (storedBytes > this.#lastStoredBytes) {
      this.#lastStoredBytes = storedBytes
      this.#lastStoredAt = now
      this.#holders.onStored(now)
    }
    const size = this.#holders.work(swarm, { now, bytes: plan.layout.length, isProven: this.#isProven })
    this.#holders.membership?.update(this.#moved())
    if (size !== undefined) this.#trySize(size)
    this.#tellProgress()
  }

  #trySize(size: number): void {
    const { id, name, leads } = this.#plan
    const plan = planOfFile({ id: id as FileId, name, size, leads })
    this.#isLeaving = true
    this.#inTurn(() => this.#reopen(plan))
  }

  #finish(): void {
    if (this.#isLeaving || this.#completing !== undefined || this.#isOver()) return
    this.#state = 'finishing'
    this.#tellProgress(true)
    this.#completing = this.#complete().catch(error => this.#fail(error))
  }

  async #complete(): Promise<void> {
    const { id, metainfo, leads } = this.#plan
    const chosen = this.#chosen
    const { content, swarm } = this.#download as Download
    const files = await content.finish(index => chosen === undefined || chosen.has(index))
    if (this.#isOver()) return
    this.#stopFinding()
    this.#holders.membership?.update(this.#moved())
    // other files of the collection may be half here, from an earlier choice: they are not forgotten
    if (!content.hasUnfinished) this.#parts.state.remove(id)
    const isWhole = chosen === undefined && metainfo !== undefined
    await this.#parts.library.addFinished(
      content.path,
      files,
      isWhole ? { metainfo, trackers: leads.trackers } : undefined
    )
    if (this.#isOver()) return
    const stats = this.#stats()
    this.#state = 'done'
    this.#readers.tell({
      type: 'done',
      transfer: this.status(),
      bytesFetched: (stats?.receivedBytes ?? 0) - (stats?.wastedBytes ?? 0),
      bytesWasted: stats?.wastedBytes ?? 0,
      elapsedMs: Math.round(performance.now() - this.#startedAt)
    })
    this.#readers.end()
    this.#init.onEnd({ swarm, membership: this.#holders.membership })
  }

  #fail(thrown: unknown): void {
    if (this.#isOver()) return
    void this.#stop('failed', asTransferError(thrown))
  }

  async #stop(state: 'paused' | 'failed', error: ShoalError): Promise<void> {
    this.#state = state
    this.#stopFinding()
    this.#holders.membership?.leave()
    if (state === 'failed') {
      this.#error = error
      this.#remember(error)
    }
    this.#ending = this.#release(error)
    await this.#ending
  }

  #remember({ code, message, next }: ShoalError): void {
    try {
      this.#parts.state.setProblem(this.#plan.id, { code, message, next })
    } catch {
      // a full disk under the home directory: whoever reads is told all the same
    }
  }

  async #release(error: ShoalError): Promise<void> {
    await this.#opening
    try {
      await this.#download?.close()
    } catch (thrown) {
      this.#error ??= asTransferError(thrown)
    } finally {
      this.#init.onEnd(undefined)
      this.#readers.end(error)
    }
  }

  #stopFinding(): void {
    clearInterval(this.#timer)
    this.#holders.stop()
  }

  #isOver(): boolean {
    return this.#state === 'done' || this.#state === 'paused' || this.#state === 'failed'
  }

  #stats(): SwarmStats | undefined {
    return together(this.#before, this.#download?.swarm.stats())
  }

  /** Who fetches a part of a collection is no seed when that is here: what is left counts against the whole. */
  #moved(): Moved {
    const stats = this.#stats()
    return {
      left: this.#plan.layout.length - (stats?.storedBytes ?? 0),
      uploaded: stats?.sentBytes ?? 0,
      downloaded: stats?.receivedBytes ?? 0
    }
  }

  /** Why nothing moves; undefined while it does, or before there was time. */
  #reason(stats: SwarmStats | undefined): string | undefined {
    if (this.#state === 'failed') return this.#error?.message
    if (this.#state !== 'finding' && this.#state !== 'fetching') return undefined
    if (stats === undefined || performance.now() - this.#lastStoredAt < transferConfig.stalledMs) return undefined
    return stallOf(stats, this.#holders.known)
  }

  #interrupted(): ShoalError {
    return new ShoalError('INTERRUPTED', `${this.#plan.name} is paused`)
  }

  #tellProgress(urgent = false): void {
    this.#readers.progress(() => this.status(), urgent)
  }
}
