import type { DatabaseSync } from 'node:sqlite'
import type { FileId, Infohash } from '../../protocols/core/ids.ts'
import type { RingId } from '../../protocols/core/keyspace.ts'
import { type Draft, directoryLimits, type Entry } from '../../protocols/directory/index.ts'
import { nameTokens } from '../../protocols/search/index.ts'
import { Statements } from '../statements.ts'
import { encodeHolding, encodeWordFiles, holdersKey, metainfoKey, type WordFile, wordKey } from './payloads.ts'

export const publisherConfig = {
  /** What changes together is published together, and no more often than this. */
  settleMs: 2_000,
  everyMs: 15_000,
  /** What is near, and how many peers there are, changes without a word: looked at again after so long. */
  reviewMs: 30 * 60_000,
  /** Files that are published under their ids, the largest first: each costs a lookup and four copies every half day. */
  maxFiles: 1_000,
  /** Words of one name, and of all. */
  wordsOfFile: 3,
  maxWords: 1_000,
  /** Shorter ones are in too many names. */
  minWordLength: 3,
  /** In a smaller network a flood asks everybody. */
  wordsFromPeers: 100,
  metainfoPublishers: 3,
  atOnce: 8
}

/** Keys under which this node says what it shares: others of its entries are the user's. */
export const publisherSchema = `
CREATE TABLE IF NOT EXISTS published_shares (key TEXT PRIMARY KEY) WITHOUT ROWID;`

export interface PublishedFile {
  id: FileId
  name: string
  size: number
  infohash?: Infohash
}

export interface PublisherParts {
  database: DatabaseSync
  library: {
    /** The largest first. */
    files(limit: number): Iterable<PublishedFile>
    collections(): { infohash: Infohash; name: string; size: number; trackers: string[][] }[]
    infoOf(infohash: Infohash): Uint8Array | undefined
  }
  directory: {
    get(key: RingId): Promise<{ total: number }>
    put(draft: Draft): Promise<unknown>
    remove(key: RingId): Promise<void>
    own(key: RingId): Entry | undefined
  }
  /** Whether summaries of the neighbourhood show this word: then a walk finds it. */
  isNear(word: string): boolean
  /** Other peers that there are, as far as is known. */
  others(): number | undefined
  ownTracker: string
  config?: Partial<typeof publisherConfig>
}

/**
 * Says in the global directory what this node shares: the metainfo of each collection, that it has it, the same of each
 * file, and under words of names what the search does not find near. What is no longer shared is taken back.
 */
export class Publisher {
  readonly #parts: PublisherParts
  readonly #config: typeof publisherConfig
  readonly #sql: Statements
  #timer: NodeJS.Timeout | undefined
  #dueMs = Number.POSITIVE_INFINITY
  #lastMs = Number.NEGATIVE_INFINITY
  #running: Promise<void> | undefined
  #isClosed = false

  constructor(parts: PublisherParts) {
    this.#parts = parts
    this.#config = { ...publisherConfig, ...parts.config }
    this.#sql = new Statements(parts.database)
  }

  /** What is shared, or what is near, may have changed. */
  changed(): void {
    const { settleMs, everyMs } = this.#config
    this.#in(Math.max(settleMs, this.#lastMs + everyMs - performance.now()))
  }

  /** Publishes what is new and takes back what is gone. Entries that find no place are tried again by the directory. */
  async now(): Promise<void> {
    if (this.#isClosed) return
    this.#lastMs = performance.now()
    await this.#running
    this.#running = this.#publish()
    await this.#running
    this.#in(this.#config.reviewMs)
  }

  /** What is under way ends when the directory is closed: `stopped` is settled then. */
  stop(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  get stopped(): Promise<void> {
    return this.#running ?? Promise.resolve()
  }

  #in(waitMs: number): void {
    const dueMs = performance.now() + waitMs
    if (this.#isClosed || dueMs >= this.#dueMs) return
    clearTimeout(this.#timer)
    this.#dueMs = dueMs
    this.#timer = setTimeout(() => {
      this.#dueMs = Number.POSITIVE_INFINITY
      void this.now()
    }, waitMs)
    this.#timer.unref()
  }

  async #publish(): Promise<void> {
    const wanted = this.#wanted()
    const before = new Set(this.#sql.all('SELECT key FROM published_shares').map(({ key }) => String(key) as RingId))
    const work: (() => Promise<unknown>)[] = []
    for (const [key, draft] of wanted) {
      if (before.has(key) && isSame(this.#parts.directory.own(key), draft)) continue
      work.push(async () => {
        if (draft.kind === 'value' && (await this.#isThere(key))) return
        this.#sql.run('INSERT OR IGNORE INTO published_shares VALUES (?)', key)
        await this.#parts.directory.put(draft)
      })
    }
    for (const key of before) {
      if (wanted.has(key)) continue
      work.push(async () => {
        await this.#parts.directory.remove(key)
        this.#sql.run('DELETE FROM published_shares WHERE key = ?', key)
      })
    }
    const next = async (): Promise<void> => {
      for (let task = work.shift(); task !== undefined && !this.#isClosed; task = work.shift()) {
        // the directory goes on trying by itself
        await task().catch(() => {})
      }
    }
    await Promise.all(Array.from({ length: this.#config.atOnce }, next))
  }

  /** A metainfo is the same whoever publishes it: a few do for all. */
  async #isThere(key: RingId): Promise<boolean> {
    const { total } = await this.#parts.directory.get(key)
    return total >= this.#config.metainfoPublishers
  }

  #wanted(): Map<RingId, Draft> {
    const { library, ownTracker } = this.#parts
    const wanted = new Map<RingId, Draft>()
    for (const { infohash, name, size, trackers } of library.collections()) {
      const info = library.infoOf(infohash)
      if (info !== undefined && info.byteLength <= directoryLimits.valueBytes) {
        wanted.set(metainfoKey(infohash), { kind: 'value', payload: info })
      }
      const key = holdersKey(infohash)
      const payload = encodeHolding({ of: 'collection', size, name, trackers: [ownTracker, ...trackers.flat()] })
      wanted.set(key, { kind: 'member', key, payload })
    }
    const files = [...library.files(this.#config.maxFiles)]
    for (const { id, ...file } of files) {
      const key = holdersKey(id)
      wanted.set(key, { kind: 'member', key, payload: encodeHolding({ of: 'file', ...file, trackers: [ownTracker] }) })
    }
    const others = this.#parts.others()
    if (others !== undefined && others < this.#config.wordsFromPeers) return wanted
    for (const [word, having] of this.#rareWords(files)) {
      const key = wordKey(word)
      wanted.set(key, { kind: 'member', key, payload: encodeWordFiles(having) })
    }
    return wanted
  }

  /** The longest words of each name, which are the rarest as a rule, as far as the neighbourhood does not have them. */
  #rareWords(files: readonly PublishedFile[]): Map<string, WordFile[]> {
    const { wordsOfFile, maxWords, minWordLength } = this.#config
    const words = new Map<string, WordFile[]>()
    for (const { id, name, size } of files) {
      const tokens = [...nameTokens(name)].filter(token => token.length >= minWordLength)
      const rare = tokens.sort((a, b) => b.length - a.length).filter(token => !this.#parts.isNear(token))
      for (const word of rare.slice(0, wordsOfFile)) {
        const having = words.get(word)
        if (having !== undefined) having.push({ id, size, name })
        else if (words.size < maxWords) words.set(word, [{ id, size, name }])
      }
    }
    return words
  }
}

function isSame(entry: Entry | undefined, draft: Draft): boolean {
  if (entry === undefined || entry.isRemoved || entry.kind !== draft.kind || draft.kind === 'own') return false
  return Buffer.compare(entry.payload, draft.payload) === 0
}
