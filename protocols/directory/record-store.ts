import type { RingId } from '../core/keyspace.ts'
import type { Entry, StoredEntry } from './entry.ts'

/** A record without what it says: enough to compare. */
export interface Head {
  readonly key: RingId
  readonly publisherId: RingId
  readonly seq: number
  readonly hash: string
}

export interface Usage {
  readonly entries: number
  /** As `storedBytes` counts. */
  readonly bytes: number
}

/**
 * Where the directory keeps its entries: those of others that lie here, and apart from them this node's own. All calls
 * are synchronous. Indexes that are needed: (key, publisherId), expires, publisherId for the sums, due for the own ones.
 */
export interface RecordStore {
  get(key: RingId, publisherId: RingId): StoredEntry | undefined
  /** All of one key. */
  at(key: RingId): StoredEntry[]
  countAt(key: RingId): number
  /** Takes the place of the one with its key and publisher. */
  put(record: StoredEntry): void
  delete(key: RingId, publisherId: RingId): void
  /**
   * In (from, to], clockwise by key, those of one key by publisher; everything when the two are one point. The store is
   * not changed while this is read.
   */
  arc(from: RingId, to: RingId): Iterable<Head>
  /** Some that expired before this unix s. */
  expiredBefore(unixS: number, limit: number): Head[]
  usage(): Usage
  usageOf(publisherId: RingId): Usage

  /** This node's own entry under its key; `dueMs` is when something is to be done with it, in unix ms. Replaces. */
  putOwn(entry: Entry, dueMs: number): void
  getOwn(key: RingId): Entry | undefined
  deleteOwn(key: RingId): void
  /** Those due until then, the first ones first. */
  ownDue(untilMs: number, limit: number): Entry[]
  nextOwnDue(): number | undefined
  ownCount(): number
}
