import type { DatabaseSync } from 'node:sqlite'
import type { RingId } from '../../protocols/core/keyspace.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import {
  type Entry,
  type EntryKind,
  type Head,
  type RecordStore,
  type StoredEntry,
  storedBytes,
  type Usage
} from '../../protocols/directory/index.ts'
import { type Row, Statements } from '../statements.ts'

/** Heads that are read at once. No statement stays open between them. */
const PAGE = 1_000

const LOWEST = Buffer.alloc(0)
const HIGHEST = Buffer.alloc(32, 0xff)
/** Above every id. */
const BEYOND = Buffer.alloc(33, 0xff)

const HEADS = 'SELECT key, publisher_id, seq, hash FROM directory_records'
const RECORDS = `SELECT r.key, r.publisher_id, r.publisher, r.kind, r.seq, r.expires, r.is_removed, r.hash, r.signature,
    coalesce(r.payload, v.payload) AS payload
  FROM directory_records r LEFT JOIN directory_values v ON r.payload IS NULL AND v.key = r.key`
const OWN = 'SELECT key, publisher, kind, seq, expires, is_removed, payload, signature FROM directory_own'

/**
 * The directory's entries in the node's database. Every change is a transaction of its own. A power cut may take the last
 * ones: what lay here for others comes back from the other holders with the next comparison; an own entry that was just
 * published is at its holders, but this node does not renew it any more.
 */
export class SqliteRecordStore implements RecordStore {
  readonly #sql: Statements
  readonly #network: string
  readonly #usage: { entries: number; bytes: number }
  /** Sums that are asked for with every put. BOUNDED by the entries. */
  readonly #byPublisher = new Map<RingId, { entries: number; bytes: number }>()

  /**
   * @param init.network what is signed with every entry: those of others that were kept in another one are worth nothing
   * here and are dropped, this node's own wait until it is back there
   * @param init.self entries that this node published under an earlier key are dropped
   */
  constructor(database: DatabaseSync, init: { network: string; self: Peer }) {
    const sql = new Statements(database)
    this.#sql = sql
    this.#network = init.network
    sql.transaction(() => {
      if (sql.get('SELECT network FROM directory_network')?.network !== init.network) {
        sql.run('DELETE FROM directory_records')
        sql.run('DELETE FROM directory_values')
        sql.run('INSERT OR REPLACE INTO directory_network VALUES (1, ?)', init.network)
      }
      sql.run('DELETE FROM directory_own WHERE publisher <> ?', init.self as string)
    })
    this.#usage = { entries: 0, bytes: 0 }
    const sums =
      'SELECT publisher_id, count(*) AS entries, sum(bytes) AS bytes FROM directory_records GROUP BY publisher_id'
    for (const row of sql.iterate(sums)) {
      const sum = { entries: Number(row.entries), bytes: Number(row.bytes) }
      this.#byPublisher.set(hexOf(row.publisher_id), sum)
      this.#usage.entries += sum.entries
      this.#usage.bytes += sum.bytes
    }
  }

  get(key: RingId, publisherId: RingId): StoredEntry | undefined {
    const row = this.#sql.get(`${RECORDS} WHERE r.key = ? AND r.publisher_id = ?`, blob(key), blob(publisherId))
    return row === undefined ? undefined : recordOf(row)
  }

  at(key: RingId): StoredEntry[] {
    return this.#sql.all(`${RECORDS} WHERE r.key = ?`, blob(key)).map(recordOf)
  }

  countAt(key: RingId): number {
    return Number(this.#sql.get('SELECT count(*) AS n FROM directory_records WHERE key = ?', blob(key))?.n)
  }

  put({ entry, publisherId, hash }: StoredEntry): void {
    const { kind, seq, expires, isRemoved, payload, signature } = entry
    const key = blob(entry.key)
    const isShared = kind === 'value' && !isRemoved
    const bytes = storedBytes(entry)
    const before = this.#sql.transaction(() => {
      const old = this.#remove(entry.key, publisherId)
      this.#sql.run(
        'INSERT INTO directory_records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
        ...[
          key,
          blob(publisherId),
          entry.publisher as string,
          kind,
          seq,
          expires,
          Number(isRemoved),
          blob(hash),
          bytes
        ],
        ...[signature, isShared ? null : payload]
      )
      if (isShared) this.#sql.run('INSERT OR IGNORE INTO directory_values VALUES (?, ?)', key, payload)
      else if (old?.isShared === true) this.#dropValue(key)
      return old
    })
    if (before !== undefined) this.#count(publisherId, -1, before.bytes)
    this.#count(publisherId, 1, bytes)
  }

  delete(key: RingId, publisherId: RingId): void {
    const old = this.#sql.transaction(() => {
      const removed = this.#remove(key, publisherId)
      if (removed?.isShared === true) this.#dropValue(blob(key))
      return removed
    })
    if (old !== undefined) this.#count(publisherId, -1, old.bytes)
  }

  *arc(from: RingId, to: RingId): Generator<Head> {
    if (from < to) {
      yield* this.#between(blob(from), blob(to))
    } else {
      yield* this.#between(blob(from), HIGHEST)
      yield* this.#between(LOWEST, blob(to))
    }
  }

  expiredBefore(unixS: number, limit: number): Head[] {
    return this.#sql.all(`${HEADS} WHERE expires < ? LIMIT ?`, unixS, limit).map(headOf)
  }

  usage(): Usage {
    return this.#usage
  }

  usageOf(publisherId: RingId): Usage {
    return this.#byPublisher.get(publisherId) ?? { entries: 0, bytes: 0 }
  }

  putOwn(entry: Entry, dueMs: number): void {
    const { kind, seq, expires, isRemoved, payload, signature } = entry
    this.#sql.run(
      'INSERT OR REPLACE INTO directory_own VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
      ...[this.#network, blob(entry.key), entry.publisher as string, kind, seq, expires, Number(isRemoved)],
      ...[payload, signature, dueMs]
    )
  }

  getOwn(key: RingId): Entry | undefined {
    const row = this.#sql.get(`${OWN} WHERE network = ? AND key = ?`, this.#network, blob(key))
    return row === undefined ? undefined : entryOf(row)
  }

  deleteOwn(key: RingId): void {
    this.#sql.run('DELETE FROM directory_own WHERE network = ? AND key = ?', this.#network, blob(key))
  }

  ownDue(untilMs: number, limit: number): Entry[] {
    const due = `${OWN} WHERE network = ? AND due_ms <= ? ORDER BY due_ms LIMIT ?`
    return this.#sql.all(due, this.#network, untilMs, limit).map(entryOf)
  }

  nextOwnDue(): number | undefined {
    const due = this.#sql.get('SELECT min(due_ms) AS due FROM directory_own WHERE network = ?', this.#network)?.due
    return typeof due === 'number' ? due : undefined
  }

  ownCount(): number {
    return Number(this.#sql.get('SELECT count(*) AS n FROM directory_own WHERE network = ?', this.#network)?.n)
  }

  /** Keys of what this node publishes, without what it has taken back. */
  ownKeys(): RingId[] {
    const keys = 'SELECT key FROM directory_own WHERE network = ? AND NOT is_removed ORDER BY key'
    return this.#sql.all(keys, this.#network).map(({ key }) => hexOf(key))
  }

  /** How many these are. */
  publishedCount(): number {
    const count = 'SELECT count(*) AS n FROM directory_own WHERE network = ? AND NOT is_removed'
    return Number(this.#sql.get(count, this.#network)?.n)
  }

  /**
   * Own entries of which this node itself is a holder become due. For when it was alone and enters a ring: most of them
   * belong elsewhere there.
   */
  bringAgain(publisherId: RingId, dueMs: number): void {
    this.#sql.run(
      `UPDATE directory_own SET due_ms = min(due_ms, ?) WHERE network = ? AND EXISTS
        (SELECT 1 FROM directory_records r WHERE r.key = directory_own.key AND r.publisher_id = ?)`,
      dueMs,
      this.#network,
      blob(publisherId)
    )
  }

  #remove(key: RingId, publisherId: RingId): { bytes: number; isShared: boolean } | undefined {
    const [removed] = this.#sql.all(
      'DELETE FROM directory_records WHERE key = ? AND publisher_id = ? RETURNING bytes, payload IS NULL AS is_shared',
      blob(key),
      blob(publisherId)
    )
    return removed && { bytes: Number(removed.bytes), isShared: Boolean(removed.is_shared) }
  }

  /** A value that nobody publishes any more. */
  #dropValue(key: Buffer): void {
    this.#sql.run(
      `DELETE FROM directory_values WHERE key = ?1 AND NOT EXISTS
        (SELECT 1 FROM directory_records WHERE key = ?1 AND payload IS NULL)`,
      key
    )
  }

  /** Keys in (from, to], where `from` is below `to`. */
  *#between(from: Buffer, to: Buffer): Generator<Head> {
    let after: [Buffer, Buffer] = [from, BEYOND]
    for (;;) {
      const page = this.#sql.all(
        `${HEADS} WHERE (key, publisher_id) > (?, ?) AND key <= ? ORDER BY key, publisher_id LIMIT ?`,
        ...after,
        to,
        PAGE
      )
      for (const row of page) yield headOf(row)
      const last = page.at(-1)
      if (last === undefined || page.length < PAGE) return
      after = [Buffer.from(last.key as Uint8Array), Buffer.from(last.publisher_id as Uint8Array)]
    }
  }

  #count(publisherId: RingId, sign: 1 | -1, bytes: number): void {
    this.#usage.entries += sign
    this.#usage.bytes += sign * bytes
    const its = this.#byPublisher.get(publisherId) ?? { entries: 0, bytes: 0 }
    its.entries += sign
    its.bytes += sign * bytes
    if (its.entries > 0) this.#byPublisher.set(publisherId, its)
    else this.#byPublisher.delete(publisherId)
  }
}

function blob(hex: string): Buffer {
  return Buffer.from(hex, 'hex')
}

function hexOf(value: unknown): RingId {
  const { buffer, byteOffset, byteLength } = value as Uint8Array
  return Buffer.from(buffer, byteOffset, byteLength).toString('hex') as RingId
}

function headOf(row: Row): Head {
  return { key: hexOf(row.key), publisherId: hexOf(row.publisher_id), seq: Number(row.seq), hash: hexOf(row.hash) }
}

function recordOf(row: Row): StoredEntry {
  return { entry: entryOf(row), publisherId: hexOf(row.publisher_id), hash: hexOf(row.hash) }
}

function entryOf(row: Row): Entry {
  return {
    key: hexOf(row.key),
    kind: row.kind as EntryKind,
    publisher: row.publisher as string as Peer,
    seq: Number(row.seq),
    expires: Number(row.expires),
    isRemoved: row.is_removed === 1,
    payload: row.payload as Uint8Array,
    signature: row.signature as Uint8Array
  }
}
