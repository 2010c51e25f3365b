import { basename, resolve } from 'node:path'
import type { FileId, SwarmId } from '../../protocols/core/ids.ts'
import { formatMagnet } from '../../protocols/metainfo/index.ts'
import type { ForgetOptions, Forgotten, GetEvent, GetOptions, Listing, TransferStatus } from '../api.ts'
import { ShoalError } from '../errors.ts'
import { EventStream } from '../event-stream.ts'
import type { BegunTransfer } from '../library/content/transfer-state.ts'
import { BegunTransfers } from './begun.ts'
import { chooseFiles, type Plan } from './plan.ts'
import { idOf, type Planned, Planner, type PlannerParts } from './planner.ts'
import type { Seeder } from './seeder.ts'
import type { Target } from './target.ts'
import { Transfer, type TransferParts } from './transfer.ts'

const MAX_ACTIVE = 64

export interface TransfersParts extends TransferParts, PlannerParts {
  seeder: Seeder
}

/** Everything that this node is fetching, or has begun to. */
export class Transfers {
  readonly #parts: TransfersParts
  readonly #planner: Planner
  readonly #begun: BegunTransfers
  readonly #active = new Map<SwarmId, Transfer>() // BOUNDED by MAX_ACTIVE
  readonly #abort = new AbortController()

  constructor(parts: TransfersParts) {
    this.#parts = parts
    this.#planner = new Planner(parts)
    this.#begun = new BegunTransfers(parts.state)
  }

  get(text: string, options: GetOptions = {}): AsyncIterable<GetEvent> {
    return this.#fetch(() => this.#planner.parse(text), options)
  }

  /** The same for what a program knows to be had somewhere. */
  fetch(target: Target, options: GetOptions = {}): AsyncIterable<GetEvent> {
    return this.#fetch(async () => target, options)
  }

  async ls(text: string, options: { signal?: AbortSignal } = {}): Promise<Listing> {
    const signal =
      options.signal === undefined ? this.#abort.signal : AbortSignal.any([options.signal, this.#abort.signal])
    const target = await this.#planner.parse(text)
    const { plan } = await this.#planner.plan(target.kind === 'file' ? collectionOf(target) : target, signal)
    return {
      name: plan.name,
      ...(plan.metainfo === undefined ? {} : { infohash: plan.metainfo.infohash }),
      size: plan.layout.length,
      files: plan.layout.files.map(({ path, length, root = '' }) => ({
        path: plan.collection === undefined ? path.join('/') : `${plan.name}/${path.join('/')}`,
        size: length,
        id: root
      })),
      magnet: magnetOf(plan)
    }
  }

  list(): TransferStatus[] {
    const active = [...this.#active.values()].map(transfer => transfer.status())
    return [...active, ...this.#begun.list().filter(({ id }) => !this.#active.has(id as SwarmId))]
  }

  /** @throws ShoalError NOT_FOUND, USAGE when several are called so, PERMISSION, IO_FAILED */
  async forget(named: string, options: ForgetOptions = {}): Promise<Forgotten> {
    const begun = this.#begun.named(named)
    const id = begun.id as SwarmId
    for (let running = this.#active.get(id); running !== undefined; running = this.#active.get(id)) {
      await running.pause()
    }
    await this.#parts.seeder.close(id)
    return await this.#begun.forget(begun, options)
  }

  isFetching(id: SwarmId): boolean {
    return this.#active.has(id)
  }

  async close(): Promise<void> {
    this.#abort.abort(new ShoalError('INTERRUPTED', 'the node stops'))
    await Promise.all([...this.#active.values()].map(transfer => transfer.pause()))
  }

  #fetch(named: () => Promise<Target>, options: GetOptions): AsyncIterable<GetEvent> {
    const abort = new AbortController()
    let inner: EventStream<GetEvent> | undefined
    const events = new EventStream<GetEvent>({
      onStop: () => {
        abort.abort(new ShoalError('INTERRUPTED', 'fetching was interrupted'))
        void inner?.return()
      },
      isStale: (older, newer) => older.type === 'progress' && newer.type === 'progress',
      ...(options.signal === undefined ? {} : { signal: options.signal })
    })
    const signal = AbortSignal.any([abort.signal, this.#abort.signal])
    const run = async (): Promise<void> => {
      const target = await named()
      const here = await this.#alreadyHere(target)
      if (here !== undefined) {
        events.push({ type: 'done', transfer: here, bytesFetched: 0, bytesWasted: 0, elapsedMs: 0 })
        return
      }
      const transfer = await this.#begin(target, options, signal)
      inner = transfer.events()
      if (abort.signal.aborted) await inner.return()
      for await (const event of inner) events.push(event)
    }
    run().then(
      () => events.end(),
      error => events.fail(error)
    )
    return events
  }

  /** What this node shares need not be fetched, wherever it lies. */
  async #alreadyHere(target: Target): Promise<TransferStatus | undefined> {
    const id = idOf(target)
    const place = await this.#parts.library.placeOf(id)
    if (place === undefined) return undefined
    const { path, size } = place
    return { id, name: basename(path), path, state: 'done', size, bytesDone: size, rate: 0, sources: [] }
  }

  async #begin(target: Target, options: GetOptions, signal: AbortSignal): Promise<Transfer> {
    const joined = await this.#join(idOf(target), options)
    if (joined !== undefined) return joined
    if (this.#active.size >= MAX_ACTIVE) throw new ShoalError('REFUSED', `${MAX_ACTIVE} transfers are running already`)

    const planned = await this.#planner.plan(target, signal)
    const { id } = planned.plan
    const chosen = chooseFiles(planned.plan, options.files)
    const folder = folderFor(planned, options, this.#parts.state.get(id))
    signal.throwIfAborted()
    // nothing is waited for between the last look and the entry: two who ask at once must meet
    while (this.#active.has(id)) {
      const met = await this.#join(id, options)
      if (met !== undefined) return met
    }
    const transfer = new Transfer(this.#parts, {
      ...planned,
      folder,
      chosen,
      onEnd: seed => {
        if (this.#active.get(id) === transfer) this.#active.delete(id)
        if (seed !== undefined) this.#parts.seeder.adopt(seed.swarm, transfer.path, seed.membership)
      }
    })
    this.#active.set(id, transfer)
    // from the entry on nobody opens it as a seed: one that is open is closed before its files are opened anew
    void this.#parts.seeder.close(id).then(() => transfer.start())
    return transfer
  }

  /**
   * The transfer that fetches this already, and fetches what is asked for too from now on. One that is ending is waited
   * for: its files are opened anew.
   *
   * @throws ShoalError ALREADY_RUNNING when it goes elsewhere, NOT_FOUND for files that are not there
   */
  async #join(id: SwarmId, { out, cwd = '.', files }: GetOptions): Promise<Transfer | undefined> {
    for (let running = this.#active.get(id); running !== undefined; running = this.#active.get(id)) {
      if (running.ending !== undefined) {
        await running.ending
        continue
      }
      const { plan, folder } = running
      if (out !== undefined && resolve(cwd, out) !== folder) {
        throw new ShoalError('ALREADY_RUNNING', `${plan.name} is being fetched into ${folder} already`, {
          next: 'Wait for it, or stop that command first; without --out this one follows it.'
        })
      }
      if (running.widen(chooseFiles(plan, files))) return running
      // it is about to be done: what is asked for beyond that is another run
      await (running.ending ?? running.completing)
    }
    return undefined
  }
}

/**
 * Where it goes: where the user says, else where something of it is already.
 *
 * @throws ShoalError EXISTS when the user says another place than that
 */
function folderFor({ plan }: Planned, { out, cwd = '.' }: GetOptions, begun: BegunTransfer | undefined): string {
  const hasBytes = begun !== undefined && (begun.isProven || begun.bytesDone > 0)
  const folder = resolve(cwd, out ?? (hasBytes ? begun.folder : '.'))
  if (!hasBytes || folder === begun.folder) return folder
  throw new ShoalError('EXISTS', `a part of ${plan.name} is in ${begun.folder} already`, {
    next: `Without --out it goes on there; \`shoal forget ${plan.id} --delete\` drops that part.`
  })
}

/** To look into: a file that is part of a collection stands for the collection. */
function collectionOf(target: Extract<Target, { kind: 'file' }>): Target {
  const { infohash, leads } = target
  return infohash === undefined ? target : { kind: 'collection', infohash, leads }
}

function magnetOf(plan: Plan): string {
  const { name, leads, metainfo } = plan
  return formatMagnet({
    ...(metainfo === undefined ? { fileId: plan.id as FileId } : { infohash: metainfo.infohash }),
    name,
    size: plan.layout.length,
    trackers: leads.trackers.flat(),
    peers: leads.addresses
  })
}
