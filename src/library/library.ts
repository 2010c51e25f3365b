import { lstat, realpath } from 'node:fs/promises'
import { basename, join, relative, resolve, sep } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import type { FileId, Infohash, SwarmId } from '../../protocols/core/ids.ts'
import { checkName, encodeTorrent, type Metainfo, parseMetainfo } from '../../protocols/metainfo/index.ts'
import { parseQuery, QueryError } from '../../protocols/search/index.ts'
import type { Share, ShareEvent, ShareOptions, TorrentFile } from '../api.ts'
import { ShoalError } from '../errors.ts'
import { EventStream } from '../event-stream.ts'
import { sha256 } from '../sha256.ts'
import { Catalogue, type CatalogueHit, type ShareRow } from './catalogue.ts'
import { buildCollection, magnetOf } from './collection.ts'
import { type FinishedCollection, type FinishedFile, keepFinished } from './finished.ts'
import { isLeftOutByName } from './ignore.ts'
import type { IndexObserver } from './index-share.ts'
import { Indexer } from './indexer.ts'
import { isInside } from './inside.ts'
import { ShareWatcher } from './watch.ts'

const PROGRESS_EVERY_MS = 100
/** A rescan follows when files were still being written. */
const UNSETTLED_MS = 2_000

export interface LocatedFile {
  path: string
  size: number
  mtimeMs: number
  ino: number
  pieceLength: number
  pieceLayer: Uint8Array
}

export interface LibraryInit {
  database: DatabaseSync
  /** Absolute paths that are never shared: the node's own home. */
  exclude: readonly string[]
  /** Whether shares are followed while this runs. */
  watch: boolean
  /** Our addresses, for magnet links. */
  addresses(): string[]
  /** The set of shared files has changed. */
  onChange?(): void
}

const NO_OBSERVER: IndexObserver = { scanned() {}, progress() {}, problem() {} }

/** What this node shares: folders and files that the user named, indexed by id and by word. */
export class Library {
  readonly #init: LibraryInit
  readonly #catalogue: Catalogue
  readonly #indexer: Indexer
  readonly #watchers = new Map<number, ShareWatcher>() // BOUNDED by the shares
  readonly #abort = new AbortController()

  constructor(init: LibraryInit) {
    this.#init = init
    this.#catalogue = new Catalogue(init.database)
    this.#indexer = new Indexer(this.#catalogue, init.exclude)
  }

  /** Looks at every share for what has changed, in the background, and follows them. */
  start(): void {
    if (!this.#init.watch) return
    for (const share of this.#catalogue.shares()) {
      this.#follow(share)
      void this.#rescan(share, false)
    }
  }

  async close(): Promise<void> {
    this.#abort.abort(new ShoalError('INTERRUPTED', 'the node stops'))
    for (const watcher of this.#watchers.values()) watcher.close()
    await this.#indexer.close()
  }

  share(paths: readonly string[], options: ShareOptions = {}): AsyncIterable<ShareEvent> {
    const abort = new AbortController()
    const events = new EventStream<ShareEvent>({
      onStop: () => abort.abort(new ShoalError('INTERRUPTED', 'sharing was interrupted')),
      isStale: (older, newer) => older.type === 'hashing' && newer.type === 'hashing' && older.path === newer.path,
      ...(options.signal === undefined ? {} : { signal: options.signal })
    })
    const signal = AbortSignal.any([abort.signal, this.#abort.signal])
    const run = async (): Promise<void> => {
      const added: ShareRow[] = []
      for (const path of paths) added.push(await this.#add(path, options.hidden ?? false))
      for (const share of added) {
        await this.#index(share, observerOf(share.path, events), false, signal)
        if (this.#init.watch) this.#follow(share)
        events.push({ type: 'shared', share: this.#describe(this.#catalogue.shareAt(share.path) ?? share) })
      }
    }
    run().then(
      () => events.end(),
      error => events.fail(error)
    )
    return events
  }

  async unshare(paths: readonly string[]): Promise<string[]> {
    const shares = paths.map(path => this.#shareNamed(path))
    for (const share of shares) {
      this.#watchers.get(share.id)?.close()
      this.#watchers.delete(share.id)
      const stopped = this.#indexer.stop(share)
      this.#catalogue.removeShare(share.id)
      await stopped
    }
    this.#init.onChange?.()
    return shares.map(({ path }) => path)
  }

  /** Exactly what strangers can see: names, sizes and ids of files, by paths that begin with the share's name. */
  shares(): Share[] {
    return this.#catalogue.shares().map(share => ({
      ...this.#describe(share),
      entries: this.#catalogue.filesOf(share.id).map(file => ({
        path: share.folder ? `${share.name}/${file.path}` : file.path,
        size: file.size,
        id: file.root ?? ''
      }))
    }))
  }

  /** @throws ShoalError NOT_FOUND; REFUSED for a share that cannot have one, or not yet */
  torrent(named: string): TorrentFile {
    const share = this.#catalogue.shareOfCollection(named as Infohash) ?? this.#shareNamed(named)
    const torrent = this.#catalogue.torrentOf(share.id)
    if (torrent === undefined) {
      throw new ShoalError('REFUSED', `${named} has no torrent`, {
        next: 'Wait until it is hashed; `shoal share` tells why.'
      })
    }
    const metainfo = parseMetainfo(torrent, sha256)
    const own = this.#init.addresses()
    const trackers = own.length === 0 ? metainfo.trackers : [own, ...metainfo.trackers]
    const { name, infohash } = metainfo
    return { name, infohash, torrent: Buffer.from(encodeTorrent({ ...metainfo, trackers })).toString('base64') }
  }

  totals(): { files: number; bytes: number; hashing: number } {
    return { ...this.#catalogue.totals(), hashing: this.#indexer.filesToHash }
  }

  /** Everything that a search can find: words of names, file ids and infohashes. */
  keys(): Iterable<string> {
    return this.#catalogue.keys()
  }

  /** What matches the query, best first. A text that is no query in this version of the language finds nothing. */
  search(text: string, limit: number): CatalogueHit[] {
    try {
      return this.#catalogue.search(parseQuery(text), limit)
    } catch (error) {
      if (error instanceof QueryError) return []
      throw error
    }
  }

  /** The file with this id, or a file of the collection with this infohash. */
  lookup(id: string): CatalogueHit | undefined {
    return this.#catalogue.lookup(id)
  }

  /** Which swarm of ours an exchange handshake asks for: the first 20 bytes of its id, as hex. */
  swarmByPrefix(prefix: string): { infohash: Infohash } | { file: FileId } | undefined {
    return this.#catalogue.swarmByPrefix(prefix)
  }

  /** Where a file's bytes lie. */
  locate(id: FileId): LocatedFile | undefined {
    for (const row of this.#catalogue.filesById(id)) {
      if (row.pieceLayer === undefined) continue
      const { size, mtimeMs, ino, pieceLength, pieceLayer } = row
      const path = row.folder ? join(row.sharePath, ...row.path.split('/')) : row.sharePath
      return { path, size, mtimeMs, ino, pieceLength, pieceLayer }
    }
    return undefined
  }

  /** The files that have this id, and the shares that are the collection with it. */
  placesOf(id: SwarmId): string[] {
    return this.#catalogue
      .placesOf(id)
      .map(({ share, path }) => (path === undefined ? share : join(share, ...path.split('/'))))
  }

  /** Collections that this node has whole, with the trackers that they came with. */
  collections(): { infohash: Infohash; name: string; size: number; trackers: string[][] }[] {
    return this.#catalogue.shares().flatMap(({ id, infohash, name, trackers }) => {
      return infohash === undefined ? [] : [{ infohash, name, size: this.#catalogue.totals(id).bytes, trackers }]
    })
  }

  /** Files that this node has, each once, the largest first. */
  files(limit: number): Iterable<CatalogueHit> {
    return this.#catalogue.largest(limit)
  }

  /** Where something that is shared lies, if it is as it was when it was hashed: a file by its id, or a collection. */
  async placeOf(id: SwarmId): Promise<{ path: string; size: number } | undefined> {
    const share = this.#catalogue.shareOfCollection(id as Infohash)
    const files =
      share === undefined ? [this.locate(id as FileId)] : (this.filesOfCollection(id as Infohash)?.values() ?? [])
    let size = 0
    let path = share?.path
    for (const file of files) {
      if (file === undefined || !(await isUnchanged(file))) return undefined
      path ??= file.path
      size += file.size
    }
    return path === undefined ? undefined : { path, size }
  }

  /** Paths of the shares that lie in a folder. */
  sharesBelow(folder: string): string[] {
    return this.#catalogue
      .shares()
      .map(({ path }) => path)
      .filter(path => isInside(path, folder))
  }

  infoOf(infohash: Infohash): Uint8Array | undefined {
    return this.#catalogue.infoOf(infohash)
  }

  metainfo(infohash: Infohash): Metainfo | undefined {
    const share = this.#catalogue.shareOfCollection(infohash)
    const torrent = share === undefined ? undefined : this.#catalogue.torrentOf(share.id)
    return torrent === undefined ? undefined : parseMetainfo(torrent, sha256)
  }

  /** Files of a collection that we share, by the path in the collection. */
  filesOfCollection(infohash: Infohash): Map<string, LocatedFile> | undefined {
    const share = this.#catalogue.shareOfCollection(infohash)
    if (share === undefined) return undefined
    const located = new Map<string, LocatedFile>()
    for (const file of this.#catalogue.filesOf(share.id)) {
      const path = share.folder ? join(share.path, ...file.path.split('/')) : share.path
      const { size, mtimeMs, ino, pieceLength, pieceLayer } = file
      if (pieceLayer !== undefined) located.set(file.path, { path, size, mtimeMs, ino, pieceLength, pieceLayer })
    }
    return located
  }

  /** Shares what was fetched, see `keepFinished`. */
  async addFinished(path: string, files: readonly FinishedFile[], collection?: FinishedCollection): Promise<void> {
    const { share, keep } = await keepFinished(this.#catalogue, path, files, collection)
    if (keep === undefined) this.#publish(share)
    else {
      this.#catalogue.setCollection(share.id, keep)
      this.#init.onChange?.()
    }
    if (this.#init.watch) this.#follow(share)
  }

  /** A file is not what it was: it is withdrawn at once and looked at again. */
  withdraw(path: string): void {
    for (const share of this.#catalogue.shares()) {
      if (share.path !== path && !isInside(path, share.path)) continue
      const inside = share.folder ? relative(share.path, path).split(sep).join('/') : share.name
      if (this.#catalogue.removeFile(share.id, inside)) {
        this.#publish(share)
        const watcher = this.#watchers.get(share.id)
        if (watcher !== undefined) watcher.soon()
        else void this.#rescan(share, true)
      }
    }
  }

  async #add(path: string, hidden: boolean): Promise<ShareRow> {
    const wanted = resolve(path)
    let place: string
    let folder: boolean
    try {
      place = await realpath(wanted)
      const stats = await lstat(place)
      folder = stats.isDirectory()
      if (!folder && !stats.isFile()) throw new ShoalError('USAGE', `${path} is neither a file nor a folder`)
    } catch (error) {
      if (error instanceof ShoalError) throw error
      const { code, message } = error as NodeJS.ErrnoException
      if (code === 'ENOENT') throw new ShoalError('NOT_FOUND', `there is no ${path}`, { next: 'Check the path.' })
      throw new ShoalError('PERMISSION', `cannot read ${path}: ${message}`, {
        cause: error,
        next: 'Check the rights of the file or folder.'
      })
    }
    const name = basename(place) || 'root'
    try {
      checkName(name)
    } catch (error) {
      throw new ShoalError('USAGE', `${path} cannot be shared: ${(error as Error).message}`)
    }
    for (const own of this.#init.exclude) {
      if (place === own || isInside(place, own)) throw new ShoalError('USAGE', `${path} is shoal's own folder`)
    }
    for (const share of this.#catalogue.shares()) {
      if (share.folder && isInside(place, share.path)) {
        throw new ShoalError('EXISTS', `${path} is shared already, as a part of ${share.path}`, {
          next: 'There is nothing to do; `shoal shares` lists what is shared.'
        })
      }
    }
    return this.#catalogue.transaction(() => {
      const before = this.#catalogue.shareAt(place)
      if (before?.hidden === true && !hidden) this.#withdrawHidden(before)
      return this.#catalogue.addShare({ path: place, name, folder, hidden })
    })
  }

  /** Else the next scan would take them for files that came with a collection. */
  #withdrawHidden({ id }: ShareRow): void {
    for (const path of [...this.#catalogue.pathsOf(id)]) {
      if (isLeftOutByName(path, false)) this.#catalogue.removeFile(id, path)
    }
  }

  async #rescan(share: ShareRow, settle: boolean): Promise<void> {
    try {
      await this.#index(share, NO_OBSERVER, settle, this.#abort.signal)
    } catch {
      // the node stops, or the share was removed; what is wrong with the disk shows at the next look
    }
  }

  async #index(share: ShareRow, observer: IndexObserver, settle: boolean, signal: AbortSignal): Promise<void> {
    const { changed, unsettled } = await this.#indexer.run(share, observer, settle, signal)
    if (changed || share.infohash === undefined) {
      const problem = this.#publish(share)
      if (problem !== undefined) observer.problem(share.path, 'BAD_PATH', `it has no magnet link: ${problem}`)
    }
    if (unsettled > 0) this.#watchers.get(share.id)?.soon(UNSETTLED_MS)
  }

  #publish(share: ShareRow): string | undefined {
    const problem = buildCollection(this.#catalogue, share)
    this.#init.onChange?.()
    return problem
  }

  #follow(share: ShareRow): void {
    if (this.#watchers.has(share.id)) return
    this.#watchers.set(share.id, new ShareWatcher(share.path, share.folder, () => void this.#rescan(share, true)))
  }

  /** By its path, or by its name when no other share has it. */
  #shareNamed(named: string): ShareRow {
    const share = this.#catalogue.shareAt(resolve(named))
    if (share !== undefined) return share
    const [only, other] = this.#catalogue.shares().filter(({ name }) => name === named)
    if (only !== undefined && other === undefined) return only
    throw new ShoalError('NOT_FOUND', `${named} is not shared`, { next: '`shoal shares` lists what is shared.' })
  }

  #describe(share: ShareRow): Share {
    const { files, bytes } = this.#catalogue.totals(share.id)
    const { path, name, addedAt, skipped, infohash = '' } = share
    return {
      path,
      name,
      files,
      bytes,
      infohash,
      magnet: magnetOf(share, bytes, this.#init.addresses()),
      addedAt,
      skipped
    }
  }
}

function observerOf(path: string, events: EventStream<ShareEvent>): IndexObserver {
  const started = performance.now()
  let told = 0
  return {
    scanned: ({ files, bytes, skipped }) => events.push({ type: 'scanned', path, files, bytes, skipped }),
    progress: (done, all) => {
      const now = performance.now()
      if (now - told < PROGRESS_EVERY_MS && done.files < all.files) return
      told = now
      const rate = Math.round(done.bytes / Math.max((now - started) / 1000, 0.001))
      events.push({
        type: 'hashing',
        path,
        filesDone: done.files,
        files: all.files,
        bytesDone: done.bytes,
        bytes: all.bytes,
        rate
      })
    },
    problem: (file, code, message) => events.push({ type: 'problem', path: file, code, message })
  }
}

async function isUnchanged({ path, size, mtimeMs, ino }: LocatedFile): Promise<boolean> {
  try {
    const stats = await lstat(path)
    return stats.isFile() && stats.size === size && stats.mtimeMs === mtimeMs && stats.ino === ino
  } catch {
    return false
  }
}
