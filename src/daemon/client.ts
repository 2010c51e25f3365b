import { lstat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type {
  CopiesOptions,
  DirectoryAnswer,
  DirectoryDraft,
  DirectoryGetOptions,
  DirectoryPut,
  ForgetOptions,
  Forgotten,
  GetEvent,
  GetOptions,
  Listing,
  LsOptions,
  PeerStatus,
  Placement,
  PutEvent,
  PutOptions,
  RingStatus,
  SearchEvent,
  SearchOptions,
  Share,
  ShareEvent,
  ShareOptions,
  Shoal,
  Status,
  TorrentFile,
  TransferStatus,
  Watch,
  WatchEvent,
  WatchOptions
} from '../api.ts'
import { ShoalError } from '../errors.ts'
import { VERSION } from '../version.ts'
import { absoluteShare, absoluteTarget } from './caller-paths.ts'
import { type Hello, PROTOCOL } from './protocol.ts'
import { SocketRequests } from './socket-requests.ts'

/** How long a running peer may take to say who it is: a busy one is slow, one that is suspended never answers. */
const HELLO_MS = 10_000

export interface ConnectOptions {
  helloMs?: number
}

/**
 * The running peer that listens on a socket; undefined when there is none.
 *
 * @throws ShoalError VERSION_MISMATCH when it is of another kind, TIMEOUT when it does not answer, PERMISSION when the
 * socket is somebody else's
 */
export async function connect(socketPath: string, options: ConnectOptions = {}): Promise<Shoal | undefined> {
  if (!(await isOurSocket(socketPath))) return undefined
  const requests = new SocketRequests(socketPath)
  const hello = await greet(requests, socketPath, options.helloMs ?? HELLO_MS)
  if (hello === undefined) return undefined
  if (hello.protocol === PROTOCOL) return new SocketShoal(requests)
  requests.close()
  throw new ShoalError(
    'VERSION_MISMATCH',
    `the running peer (process ${hello.pid}) is shoal ${hello.version} and this is ${VERSION}: ` +
      `they do not understand each other; stop the older and start it again from the newer`
  )
}

/** Somebody else could put a socket where ours would be, when that is in a folder for all. */
async function isOurSocket(path: string): Promise<boolean> {
  try {
    const stats = await lstat(path)
    if (!stats.isSocket()) return false
    const user = process.getuid?.()
    if (user === undefined || stats.uid === user) return true
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return false
    throw new ShoalError('PERMISSION', `cannot look at ${path}: ${(error as Error).message}`, { cause: error })
  }
  throw new ShoalError('PERMISSION', `the peer at ${path} runs for another user`)
}

async function greet(requests: SocketRequests, socketPath: string, limitMs: number): Promise<Hello | undefined> {
  const signal = AbortSignal.timeout(limitMs)
  try {
    const hello = (await requests.answer({ method: 'GET', path: '/v1/hello', signal })) as Partial<Hello> | null
    const { protocol = 0, version = 'unknown', pid = 0 } = hello ?? {}
    return { protocol: Number(protocol), version: String(version), pid: Number(pid) }
  } catch (error) {
    if (signal.aborted) throw new ShoalError('TIMEOUT', `the running peer at ${socketPath} does not answer`)
    // a socket whose process was killed, or that just ends
    const { code } = error as ShoalError
    if (code === 'NETWORK' || code === 'INTERRUPTED') return undefined
    throw error
  }
}

/** A Shoal that lives in another process. */
class SocketShoal implements Shoal {
  readonly #requests: SocketRequests

  constructor(requests: SocketRequests) {
    this.#requests = requests
  }

  async status(): Promise<Status> {
    return (await this.#requests.answer({ method: 'GET', path: '/v1/status' })) as Status
  }

  async peers(): Promise<PeerStatus[]> {
    return (await this.#requests.answer({ method: 'GET', path: '/v1/peers' })) as PeerStatus[]
  }

  async ring(): Promise<RingStatus> {
    return (await this.#requests.answer({ method: 'GET', path: '/v1/ring' })) as RingStatus
  }

  async shares(): Promise<Share[]> {
    return (await this.#requests.answer({ method: 'GET', path: '/v1/shares' })) as Share[]
  }

  async transfers(): Promise<TransferStatus[]> {
    return (await this.#requests.answer({ method: 'GET', path: '/v1/transfers' })) as TransferStatus[]
  }

  async ls(target: string, { signal }: LsOptions = {}): Promise<Listing> {
    const body = { target: absoluteTarget(target) }
    return (await this.#requests.answer({ method: 'POST', path: '/v1/ls', body, signal })) as Listing
  }

  async forget(transfer: string, options: ForgetOptions = {}): Promise<Forgotten> {
    const body = { ...options, transfer }
    return (await this.#requests.answer({ method: 'POST', path: '/v1/forget', body })) as Forgotten
  }

  async torrent(share: string): Promise<TorrentFile> {
    const body = { share: absoluteShare(share) }
    return (await this.#requests.answer({ method: 'POST', path: '/v1/torrent', body })) as TorrentFile
  }

  async unshare(paths: string[]): Promise<string[]> {
    const body = { paths: paths.map(absoluteShare) }
    return (await this.#requests.answer({ method: 'POST', path: '/v1/unshare', body })) as string[]
  }

  share(paths: string[], { signal, ...options }: ShareOptions = {}): AsyncIterable<ShareEvent> {
    return this.#stream('/v1/share', { ...options, paths: paths.map(path => resolve(path)) }, signal)
  }

  put(path: string, { signal, ...options }: PutOptions = {}): AsyncIterable<PutEvent> {
    return this.#stream('/v1/put', { ...options, path: resolve(path) }, signal)
  }

  async copies(options: CopiesOptions = {}): Promise<Placement[]> {
    return (await this.#requests.answer({ method: 'POST', path: '/v1/copies', body: options })) as Placement[]
  }

  async drop(named: string): Promise<Placement> {
    return (await this.#requests.answer({ method: 'POST', path: '/v1/drop', body: { named } })) as Placement
  }

  search(query: string, { signal, ...options }: SearchOptions = {}): AsyncIterable<SearchEvent> {
    return this.#stream('/v1/search', { ...options, query }, signal)
  }

  get(target: string, { signal, out, cwd = '.', ...options }: GetOptions = {}): AsyncIterable<GetEvent> {
    const place = { ...(out === undefined ? {} : { out: resolve(cwd, out) }), cwd: resolve(cwd) }
    return this.#stream('/v1/get', { ...options, target: absoluteTarget(target), ...place }, signal)
  }

  async watch(query: string, { out, cwd = '.', ...options }: WatchOptions = {}): Promise<Watch> {
    const place = { ...(out === undefined ? {} : { out: resolve(cwd, out) }), cwd: resolve(cwd) }
    const body = { ...options, query, ...place }
    return (await this.#requests.answer({ method: 'POST', path: '/v1/watch', body })) as Watch
  }

  async unwatch(number: number): Promise<Watch> {
    return (await this.#requests.answer({ method: 'POST', path: '/v1/unwatch', body: { number } })) as Watch
  }

  async watches(): Promise<Watch[]> {
    return (await this.#requests.answer({ method: 'GET', path: '/v1/watches' })) as Watch[]
  }

  watchEvents({ signal }: { signal?: AbortSignal } = {}): AsyncIterable<WatchEvent> {
    return this.#stream('/v1/watch-events', {}, signal)
  }

  async directoryGet(key: string, { signal, ...options }: DirectoryGetOptions = {}): Promise<DirectoryAnswer> {
    const body = { ...options, key }
    return (await this.#requests.answer({ method: 'POST', path: '/v1/directory-get', body, signal })) as DirectoryAnswer
  }

  async directoryPut(entry: DirectoryDraft): Promise<DirectoryPut> {
    return (await this.#requests.answer({ method: 'POST', path: '/v1/directory-put', body: entry })) as DirectoryPut
  }

  async directoryAppend(key: string, items: string[]): Promise<DirectoryPut> {
    const body = { key, items }
    return (await this.#requests.answer({ method: 'POST', path: '/v1/directory-append', body })) as DirectoryPut
  }

  async directoryRemove(key: string, items?: string[]): Promise<string> {
    const body = { key, items }
    return (await this.#requests.answer({ method: 'POST', path: '/v1/directory-remove', body })) as string
  }

  async close(): Promise<void> {
    this.#requests.close()
  }

  /** Ends at once, and without an error, when it is left or the signal says so: also while it waits for an event. */
  #stream<T>(path: string, body: unknown, signal: AbortSignal | undefined): AsyncIterableIterator<T> {
    const left = new AbortController()
    const stop = signal === undefined ? left.signal : AbortSignal.any([left.signal, signal])
    const events = this.#requests.events({ method: 'POST', path, body, signal: stop })
    return {
      async next() {
        if (stop.aborted) return { done: true, value: undefined }
        try {
          return (await events.next()) as IteratorResult<T>
        } catch (error) {
          if (stop.aborted) return { done: true, value: undefined }
          throw error
        }
      },
      async return() {
        left.abort()
        return { done: true, value: undefined }
      },
      [Symbol.asyncIterator]() {
        return this
      }
    }
  }
}
