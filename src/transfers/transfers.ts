import { basename, resolve } from 'node:path'
import type { FileId, Infohash, SwarmId } from '../../protocols/core/ids.ts'
import { formatMagnet, type Metainfo, parseInfo } from '../../protocols/metainfo/index.ts'
import type { Hit } from '../../protocols/search/index.ts'
import type { GetEvent, GetOptions, Listing, TransferStatus } from '../api.ts'
import { ShoalError } from '../errors.ts'
import { EventStream } from '../event-stream.ts'
import type { LastResults } from '../search/results.ts'
import { sha256 } from '../sha256.ts'
import { findMetainfo, type MetainfoFinderParts } from './metainfo-finder.ts'
import { chooseFiles, type Plan, planOfCollection, planOfFile } from './plan.ts'
import type { Seeder } from './seeder.ts'
import { parseTarget, type Target } from './target.ts'
import { Transfer, type TransferParts } from './transfer.ts'

const MAX_ACTIVE = 64
const ID_SEARCH_MS = 5_000

export interface TransfersParts extends TransferParts, MetainfoFinderParts {
  seeder: Seeder
  lastResults: LastResults
}

/** Everything that this node is fetching, or has begun to. */
export class Transfers {
  readonly #parts: TransfersParts
  readonly #active = new Map<SwarmId, Transfer>() // BOUNDED by MAX_ACTIVE
  readonly #abort = new AbortController()

  constructor(parts: TransfersParts) {
    this.#parts = parts
  }

  get(text: string, options: GetOptions = {}): AsyncIterable<GetEvent> {
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
      const target = await this.#parse(text)
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

  async ls(text: string): Promise<Listing> {
    const target = await this.#parse(text)
    const plan = await this.#plan(target.kind === 'file' ? collectionOf(target) : target, this.#abort.signal)
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
    const paused = this.#parts.state
      .all()
      .filter(({ id }) => !this.#active.has(id as SwarmId))
      .map(
        ({ id, name, folder, size, bytesDone }): TransferStatus => ({
          id,
          name,
          path: folder,
          state: 'paused',
          size,
          bytesDone,
          rate: 0,
          sources: []
        })
      )
    return [...active, ...paused]
  }

  isFetching(id: SwarmId): boolean {
    return this.#active.has(id)
  }

  async close(): Promise<void> {
    this.#abort.abort(new ShoalError('INTERRUPTED', 'the node stops'))
    await Promise.all([...this.#active.values()].map(transfer => transfer.pause()))
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
    const running = await this.#running(idOf(target))
    if (running !== undefined) return running
    if (this.#active.size >= MAX_ACTIVE) throw new ShoalError('REFUSED', `${MAX_ACTIVE} transfers are running already`)

    const plan = await this.#plan(target, signal)
    const chosen = chooseFiles(plan, options.files)
    const begun = this.#parts.state.get(plan.id)?.folder
    const folder = resolve(options.cwd ?? '.', options.out ?? begun ?? '.')
    signal.throwIfAborted()
    // nothing is waited for between the last look and the entry: two who ask at once must meet
    for (let other = this.#active.get(plan.id); other !== undefined; other = this.#active.get(plan.id)) {
      if (other.ending === undefined) return other
      await other.ending
    }
    const transfer = new Transfer(this.#parts, {
      plan,
      folder,
      chosen,
      onEnd: seed => {
        if (this.#active.get(plan.id) === transfer) this.#active.delete(plan.id)
        if (seed !== undefined) this.#parts.seeder.adopt(seed, transfer.path)
      }
    })
    this.#active.set(plan.id, transfer)
    // from the entry on nobody opens it as a seed: one that is open is closed before its files are opened anew
    void this.#parts.seeder.close(plan.id).then(() => transfer.start())
    return transfer
  }

  /** One that is ending is waited for: its files are opened anew. */
  async #running(id: SwarmId): Promise<Transfer | undefined> {
    for (let running = this.#active.get(id); running?.ending !== undefined; running = this.#active.get(id)) {
      await running.ending
    }
    return this.#active.get(id)
  }

  async #parse(text: string): Promise<Target> {
    const target = await parseTarget(text, number => this.#parts.lastResults.get(number))
    if (target.kind !== 'either') return target
    return await this.#whichOfThem(target)
  }

  /** Whether 64 hex digits are a file or a collection: a transfer that was begun, the library, or the network knows. */
  async #whichOfThem(target: Extract<Target, { kind: 'either' }>): Promise<Target> {
    const { id, leads } = target
    const begun = this.#parts.state.get(id)
    if (begun !== undefined) {
      const known = mergeLeads(leads, begun.sources)
      if (begun.info !== undefined) return { kind: 'collection', infohash: id as Infohash, leads: known }
      return { kind: 'file', id: id as FileId, name: begun.name, size: begun.size, leads: known }
    }
    const own = this.#parts.library.lookup(id)
    const { hits, holders } = own === undefined ? await this.#hitsFor(id) : { hits: [own], holders: [] }
    const found = mergeLeads(leads, { holders, addresses: [], trackers: [] })
    const file = mostCommonSize(hits.filter(hit => hit.id === id))
    if (file !== undefined) {
      return { kind: 'file', id: id as FileId, name: file.name, size: file.size, leads: found }
    }
    if (hits.length > 0) return { kind: 'collection', infohash: id as Infohash, leads: found }
    throw new ShoalError('NOT_FOUND', `nobody has ${id.slice(0, 12)}…`)
  }

  async #plan(target: Target, signal: AbortSignal): Promise<Plan> {
    if (target.kind === 'either') return await this.#plan(await this.#whichOfThem(target), signal)
    const begun = this.#parts.state.get(target.kind === 'file' ? target.id : target.infohash)
    const leads = begun === undefined ? target.leads : mergeLeads(target.leads, begun.sources)
    if (target.kind === 'file') {
      const size = target.size ?? begun?.size ?? mostCommonSize((await this.#hitsFor(target.id)).hits)?.size
      if (size === undefined) throw new ShoalError('NOT_FOUND', `nobody has ${target.id.slice(0, 12)}…`)
      return planOfFile({ id: target.id, name: target.name ?? begun?.name, size, leads })
    }
    const known = target.metainfo ?? this.#knownMetainfo(target.infohash, begun?.info)
    if (known !== undefined) return planOfCollection(known, leads)
    const { metainfo, holder } = await findMetainfo(this.#parts, { infohash: target.infohash, leads, signal })
    return planOfCollection(metainfo, mergeLeads(leads, { holders: [holder as string], addresses: [], trackers: [] }))
  }

  #knownMetainfo(infohash: Infohash, begun: Uint8Array | undefined): Metainfo | undefined {
    return this.#parts.library.metainfo(infohash) ?? (begun === undefined ? undefined : parseInfo(begun, sha256))
  }

  /** @throws ShoalError NO_PEERS, TIMEOUT when nothing was found and not everybody could be asked */
  async #hitsFor(id: string): Promise<{ hits: Hit[]; holders: string[] }> {
    const hits: Hit[] = [] // BOUNDED by the search's limit
    const holders = new Set<string>()
    const { peersAsked, complete } = await this.#parts.searches.run(
      {
        query: { kind: 'id', id: id as FileId | Infohash },
        limit: 100,
        timeoutMs: ID_SEARCH_MS,
        onHits: (holder, _hops, found) => {
          for (const hit of found) {
            if (hit.id !== id && hit.infohash !== id) continue
            hits.push(hit)
            holders.add(holder as string)
          }
        }
      },
      this.#abort.signal
    )
    if (hits.length === 0 && peersAsked === 0 && complete)
      throw new ShoalError('NO_PEERS', 'no other peer is connected')
    if (hits.length === 0 && !complete) {
      throw new ShoalError('TIMEOUT', `not everybody could be asked for ${id.slice(0, 12)}…, and nobody else has it`)
    }
    return { hits, holders: [...holders] }
  }
}

function idOf(target: Target): SwarmId {
  return (target.kind === 'collection' ? target.infohash : target.id) as SwarmId
}

/** To look into: a file that is part of a collection stands for the collection. */
function collectionOf(target: Extract<Target, { kind: 'file' }>): Target {
  const { infohash, leads } = target
  return infohash === undefined ? target : { kind: 'collection', infohash, leads }
}

/** Equal ids are equal bytes, so who states another size than most is wrong. */
function mostCommonSize(hits: readonly Hit[]): Hit | undefined {
  const count = (hit: Hit): number => hits.filter(({ size }) => size === hit.size).length
  return hits.reduce<Hit | undefined>(
    (best, hit) => (best === undefined || count(hit) > count(best) ? hit : best),
    undefined
  )
}

type Leads = Target['leads']

function mergeLeads(a: Leads, b: Leads): Leads {
  const unique = (texts: string[]): string[] => [...new Set(texts)]
  return {
    holders: unique([...a.holders, ...b.holders]),
    addresses: unique([...a.addresses, ...b.addresses]),
    trackers: a.trackers.length > 0 ? a.trackers : b.trackers
  }
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
