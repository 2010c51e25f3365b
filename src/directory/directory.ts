import type { Place } from '../../protocols/chord/ring.ts'
import type { RingId } from '../../protocols/core/keyspace.ts'
import {
  type DirectoryCommand,
  type DirectoryEvent,
  type Draft,
  directoryLimits,
  type Entry,
  ownPayload
} from '../../protocols/directory/index.ts'
import { ShoalError } from '../errors.ts'
import { failureOf } from './failures.ts'

/** Where this node stands on the ring. */
export interface RingPlace extends Place {
  /**
   * It has successors, or there is nobody who could be one. Until then a key may seem to lie here that has its owner
   * elsewhere.
   */
  readonly isOnRing: boolean
}

export interface Answer {
  /** Verified, one of each publisher, none that was taken back. */
  readonly entries: readonly Entry[]
  /** Entries that some node has, of which these are some. */
  readonly total: number
  /** These are all, as those who keep the key say. */
  readonly isComplete: boolean
}

export interface Published {
  readonly key: RingId
  /** Nodes that have said that they have it. */
  readonly copies: number
}

/** The global directory as the application sees it. All calls reject with ShoalError. */
export interface DirectoryCalls {
  /**
   * Verified entries under a key.
   *
   * @param options.careful asks one of those with copies as well, in case the owner hides something
   * @throws ShoalError UNREACHABLE when nobody who should know could be asked, REFUSED when too much is under way here
   */
  get(key: RingId, options?: { careful?: boolean; signal?: AbortSignal }): Promise<Answer>
  /**
   * Publishes and keeps it published until it is removed, also over restarts. Resolves when the first put is done. Unless
   * the draft itself is refused, one that fails is kept as well, and tried again.
   *
   * @throws ShoalError UNREACHABLE, REFUSED, USAGE when it is too large
   */
  put(draft: Draft): Promise<Published>
  /** Adds to the set of items that this node states under the key. @throws ShoalError as `put` */
  append(key: RingId, items: readonly Uint8Array[]): Promise<Published>
  /**
   * Takes back what this node states under the key; with `items`, only these of its set, and all when none is left.
   *
   * @throws ShoalError NOT_FOUND when there is nothing; else as `put`, and then it is tried again
   */
  remove(key: RingId, items?: readonly Uint8Array[]): Promise<void>
  /** Keys of this node's own entries. */
  published(): Iterable<RingId>
  /** This node's own entry under a key, as it was put last. */
  own(key: RingId): Entry | undefined
  readonly place: RingPlace
}

/** How long a call waits for this node to find its place on the ring while it knows peers. */
const PLACE_MS = 5_000
const POLL_MS = 50

interface Waiting {
  resolve(event: DirectoryEvent & { type: 'stored' | 'got' }): void
  reject(error: ShoalError): void
}

export interface RingDirectoryInit {
  /** Gives the machine a command, and tells whether it took it: it throws when the disk is full. */
  command(command: DirectoryCommand): boolean
  /** Keys of this node's own entries, without those that were taken back. */
  ownKeys(): Iterable<RingId>
  own(key: RingId): Entry | undefined
  place(): RingPlace
}

/** Calls to the directory machine, each of which ends by one of its events. */
export class RingDirectory implements DirectoryCalls {
  readonly #init: RingDirectoryInit
  readonly #waiting = new Map<number, Waiting>() // BOUNDED by maxWaiting and maxGets of the machine
  readonly #closed = new AbortController()
  #lastId = 0
  #placing: Promise<void> | undefined

  constructor(init: RingDirectoryInit) {
    this.#init = init
  }

  get place(): RingPlace {
    return this.#init.place()
  }

  published(): Iterable<RingId> {
    return this.#init.ownKeys()
  }

  own(key: RingId): Entry | undefined {
    return this.#init.own(key)
  }

  async get(key: RingId, options: { careful?: boolean; signal?: AbortSignal } = {}): Promise<Answer> {
    const { careful = false, signal } = options
    const event = await this.#call(id => ({ type: 'get', id, key, careful }), signal)
    if (event.type !== 'got') throw new ShoalError('INTERNAL', `the directory answers a get by ${event.type}`)
    const { entries, total } = event
    // who is alone among peers cannot speak for them
    return { entries, total, isComplete: event.isComplete && this.place.isOnRing }
  }

  async put(draft: Draft): Promise<Published> {
    if (draft.kind === 'own') checkName(draft.name)
    return await this.#store(id => ({ type: 'put', id, entry: draft }))
  }

  async append(key: RingId, items: readonly Uint8Array[]): Promise<Published> {
    checkItems(items)
    return await this.#store(id => ({ type: 'append', id, key, items }))
  }

  async remove(key: RingId, items?: readonly Uint8Array[]): Promise<void> {
    await this.#store(id => ({ type: 'remove', id, key, ...(items === undefined ? {} : { items }) }))
  }

  onEvent(event: Exclude<DirectoryEvent, { type: 'lookup' | 'left' }>): void {
    const waiting = this.#waiting.get(event.id)
    this.#waiting.delete(event.id)
    if (event.type === 'failed') waiting?.reject(failureOf(event))
    else waiting?.resolve(event)
  }

  /** Ends all calls. What was put stays published. */
  close(): void {
    this.#closed.abort()
    for (const { reject } of this.#waiting.values()) reject(stopped())
    this.#waiting.clear()
  }

  async #store(commandOf: (id: number) => DirectoryCommand): Promise<Published> {
    const event = await this.#call(commandOf)
    if (event.type !== 'stored') throw new ShoalError('INTERNAL', `the directory answers a put by ${event.type}`)
    return { key: event.key, copies: event.copies }
  }

  async #call(
    commandOf: (id: number) => DirectoryCommand,
    signal?: AbortSignal
  ): Promise<DirectoryEvent & { type: 'stored' | 'got' }> {
    await this.#findPlace(signal)
    if (this.#closed.signal.aborted) throw stopped()
    if (signal?.aborted === true) throw left()
    const id = ++this.#lastId
    let leave = (): void => {}
    try {
      return await new Promise((resolve, reject) => {
        leave = () => reject(left())
        signal?.addEventListener('abort', leave, { once: true })
        this.#waiting.set(id, { resolve, reject })
        const isTaken = this.#init.command(commandOf(id))
        if (!isTaken) reject(new ShoalError('IO_FAILED', 'the directory cannot write to the home directory'))
      })
    } finally {
      signal?.removeEventListener('abort', leave)
      this.#waiting.delete(id)
    }
  }

  /** All who wait for it wait together. */
  async #findPlace(signal: AbortSignal | undefined): Promise<void> {
    if (this.place.isOnRing) return
    this.#placing ??= this.#placed().finally(() => {
      this.#placing = undefined
    })
    if (signal === undefined) return await this.#placing
    if (signal.aborted) throw left()
    let leave = (): void => {}
    const gone = new Promise<never>((_, reject) => {
      leave = () => reject(left())
      signal.addEventListener('abort', leave, { once: true })
    })
    try {
      await Promise.race([this.#placing, gone])
    } finally {
      signal.removeEventListener('abort', leave)
    }
  }

  async #placed(): Promise<void> {
    const until = performance.now() + PLACE_MS
    while (!this.place.isOnRing && !this.#closed.signal.aborted && performance.now() < until) {
      await new Promise(resolve => setTimeout(resolve, POLL_MS).unref())
    }
  }
}

/** What only a caller can do wrong is said to the caller: the machine throws on it. */
function checkName(name: string): void {
  try {
    ownPayload(name, new Uint8Array())
  } catch (error) {
    throw new ShoalError('USAGE', (error as Error).message, { cause: error })
  }
}

function checkItems(items: readonly Uint8Array[]): void {
  if (items.length === 0) throw new ShoalError('USAGE', 'there is nothing to add')
  const longest = Math.max(...items.map(({ byteLength }) => byteLength))
  if (longest > directoryLimits.memberBytes) {
    throw new ShoalError('USAGE', `an item has ${longest} bytes, and at most ${directoryLimits.memberBytes} fit`)
  }
}

function stopped(): ShoalError {
  return new ShoalError('INTERRUPTED', 'the node stops')
}

function left(): ShoalError {
  return new ShoalError('INTERRUPTED', 'nobody waits for the answer any more')
}
