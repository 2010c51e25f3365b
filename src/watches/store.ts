import type { DatabaseSync } from 'node:sqlite'
import type { FileId } from '../../protocols/core/ids.ts'
import type { Watch, WatchedFile } from '../api.ts'
import { ShoalError } from '../errors.ts'
import { type Row, Statements } from '../statements.ts'
import { watchLimits } from './config.ts'

export const watchesSchema = `
CREATE TABLE IF NOT EXISTS watches (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  query TEXT NOT NULL UNIQUE,
  every_ms INTEGER NOT NULL,
  get INTEGER NOT NULL,
  folder TEXT NOT NULL,
  max_bytes INTEGER NOT NULL,
  added_at INTEGER NOT NULL,
  last_run_at INTEGER,
  problem TEXT
);
CREATE TABLE IF NOT EXISTS watched_files (
  watch INTEGER NOT NULL REFERENCES watches (number) ON DELETE CASCADE,
  id TEXT NOT NULL,
  size INTEGER NOT NULL,
  name TEXT NOT NULL,
  found_at INTEGER NOT NULL,
  seen_at INTEGER NOT NULL,
  state TEXT NOT NULL,
  tries INTEGER NOT NULL DEFAULT 0,
  not_before INTEGER NOT NULL DEFAULT 0,
  path TEXT,
  problem TEXT,
  PRIMARY KEY (watch, id, size)
);
CREATE INDEX IF NOT EXISTS watched_files_state ON watched_files (watch, state, found_at);
CREATE INDEX IF NOT EXISTS watched_files_id ON watched_files (id);
CREATE INDEX IF NOT EXISTS watched_files_seen ON watched_files (watch, seen_at);
CREATE INDEX IF NOT EXISTS watched_files_found ON watched_files (watch, found_at);
CREATE INDEX IF NOT EXISTS watched_files_later ON watched_files (not_before) WHERE state = 'waiting' AND not_before > 0;
`

export interface WatchSettings {
  everyMs: number
  get: boolean
  /** Absolute. */
  out: string
  maxBytes: number
}

/** A file of a watch that is to be fetched. */
export interface WantedFile {
  watch: number
  query: string
  id: FileId
  size: number
  name: string
  foundAt: number
  tries: number
  folder: string
}

type Key = Pick<WantedFile, 'watch' | 'id' | 'size'>

/** What was fetched, what is being fetched, and what left a part of it on the disk. */
const SPENT = "(state IN ('fetched', 'fetching') OR tries > 0)"

/** The saved searches and what they have found. */
export class WatchStore {
  readonly #sql: Statements

  constructor(database: DatabaseSync) {
    this.#sql = new Statements(database)
    // nothing is being fetched by a process that has just begun
    this.#sql.run("UPDATE watched_files SET state = 'waiting' WHERE state = 'fetching'")
  }

  /** Adds a watch, or changes what is given of one. @throws ShoalError REFUSED */
  put(query: string, changes: Partial<WatchSettings>, defaults: WatchSettings, now: number): Watch {
    const known = this.#sql.get('SELECT number FROM watches WHERE query = ?', query)
    if (known === undefined && this.#count() >= watchLimits.maxWatches) {
      throw new ShoalError('REFUSED', `there are ${watchLimits.maxWatches} watches already`, {
        next: 'Remove one: `shoal watch` lists them, `shoal unwatch NUMBER` removes.'
      })
    }
    // no upsert: it would use up a number each time
    if (known === undefined) {
      const { everyMs, get, out, maxBytes } = { ...defaults, ...changes }
      this.#sql.run(
        'INSERT INTO watches (query, every_ms, get, folder, max_bytes, added_at) VALUES (?, ?, ?, ?, ?, ?)',
        ...[query, everyMs, Number(get), out, maxBytes, now]
      )
    } else {
      const { everyMs = null, get, out = null, maxBytes = null } = changes
      this.#sql.run(
        `UPDATE watches SET every_ms = coalesce(?, every_ms), get = coalesce(?, get), folder = coalesce(?, folder),
           max_bytes = coalesce(?, max_bytes), problem = NULL WHERE query = ?`,
        ...[everyMs, get === undefined ? null : Number(get), out, maxBytes, query]
      )
    }
    const watch = watchOf(this.#sql.get('SELECT * FROM watches WHERE query = ?', query) as Row)
    const [from, to] = watch.get ? ['found', 'waiting'] : ['waiting', 'found']
    this.#sql.run('UPDATE watched_files SET state = ? WHERE watch = ? AND state = ?', to, watch.number, from)
    // whoever asks again has mended what was wrong
    if (changes.get === true) {
      const again = "UPDATE watched_files SET state = 'waiting', tries = 0, not_before = 0, problem = NULL"
      this.#sql.run(`${again} WHERE watch = ? AND (state = 'failed' OR problem IS NOT NULL)`, watch.number)
    }
    return this.#withFiles(watch)
  }

  remove(number: number): boolean {
    return this.#sql.run('DELETE FROM watches WHERE number = ?', number).changes !== 0
  }

  list(): Watch[] {
    return this.#sql.all('SELECT * FROM watches ORDER BY number').map(row => this.#withFiles(watchOf(row)))
  }

  /** Those that have something to fetch now. */
  fetching(now: number): Watch[] {
    return this.#sql
      .all(
        `SELECT * FROM watches WHERE get AND EXISTS
         (SELECT 1 FROM watched_files WHERE watch = number AND state = 'waiting' AND not_before <= ?) ORDER BY number`,
        now
      )
      .map(row => this.#withFiles(watchOf(row)))
  }

  get(number: number): Watch | undefined {
    const row = this.#sql.get('SELECT * FROM watches WHERE number = ?', number)
    return row === undefined ? undefined : this.#withFiles(watchOf(row))
  }

  /** A run has found these. Returns those that this watch had not found before. */
  found(watch: Watch, files: readonly { id: string; size: number; name: string }[], now: number): WatchedFile[] {
    const state = watch.get ? 'waiting' : 'found'
    const fresh: WatchedFile[] = []
    this.#sql.transaction(() => {
      this.#sql.run('UPDATE watches SET last_run_at = ? WHERE number = ?', now, watch.number)
      for (const { id, size, name } of files) {
        const seen = 'UPDATE watched_files SET seen_at = ? WHERE watch = ? AND id = ? AND size = ?'
        if (this.#sql.run(seen, now, watch.number, id, size).changes !== 0) continue
        this.#sql.run(
          `INSERT INTO watched_files (watch, id, size, name, found_at, seen_at, state) VALUES (?, ?, ?, ?, ?, ?, ?)`,
          ...[watch.number, id, size, name, now, now, state]
        )
        fresh.push({ id, size, name, foundAt: now, state })
      }
      this.#sql.run(
        `DELETE FROM watched_files WHERE rowid IN (
           SELECT rowid FROM watched_files WHERE watch = ?1 AND state NOT IN ('fetched', 'fetching')
           ORDER BY seen_at LIMIT max(0, (SELECT count(*) FROM watched_files WHERE watch = ?1) - ?2))`,
        watch.number,
        watchLimits.maxFiles
      )
    })
    return fresh
  }

  setProblem(number: number, problem: string | undefined): void {
    this.#sql.run('UPDATE watches SET problem = ? WHERE number = ?', problem ?? null, number)
  }

  /** Files to fetch of a watch, the longest known first: those that fit what it may still fetch. */
  wanted(watch: Watch, now: number, limit: number): WantedFile[] {
    if (watch.files.fetched >= watchLimits.maxFetched) return []
    return this.#sql
      .all(
        `SELECT * FROM watched_files AS f
       WHERE watch = ? AND state = 'waiting' AND not_before <= ? AND (tries > 0 OR size <= ?) AND NOT EXISTS
         (SELECT 1 FROM watched_files AS other WHERE other.id = f.id AND other.state IN ('fetched', 'fetching'))
       ORDER BY found_at, rowid LIMIT ?`,
        watch.number,
        now,
        watch.maxBytes - watch.bytes,
        limit
      )
      .map(row => wantedOf(row, watch))
  }

  /** Whether something is left to fetch that its watch may not fetch. */
  isExhausted(watch: Watch): boolean {
    const row = this.#sql.get(
      "SELECT 1 FROM watched_files WHERE watch = ? AND state = 'waiting' AND tries = 0 AND size > ? LIMIT 1",
      watch.number,
      watch.maxBytes - watch.bytes
    )
    return row !== undefined
  }

  /** When the next file that failed may be tried again. */
  nextTry(now: number): number | undefined {
    const row = this.#sql.get(
      "SELECT min(not_before) AS at FROM watched_files WHERE state = 'waiting' AND not_before > 0 AND not_before > ?",
      now
    )
    return typeof row?.at === 'number' ? row.at : undefined
  }

  setState(
    { watch, id, size }: Key,
    state: WatchedFile['state'],
    facts: { tries?: number; notBefore?: number; path?: string; problem?: string } = {}
  ): void {
    this.#sql.run(
      `UPDATE watched_files SET state = ?, tries = coalesce(?, tries), not_before = ?, path = ?, problem = ?
       WHERE watch = ? AND id = ? AND size = ?`,
      state,
      facts.tries ?? null,
      facts.notBefore ?? 0,
      facts.path ?? null,
      facts.problem ?? null,
      watch,
      id,
      size
    )
  }

  #count(): number {
    return Number(this.#sql.get('SELECT count(*) AS watches FROM watches')?.watches)
  }

  #withFiles(watch: Watch): Watch {
    const totals = this.#sql.get(
      `SELECT count(*) AS found, coalesce(sum(state = 'fetched'), 0) AS fetched,
         coalesce(sum(state IN ('waiting', 'fetching')), 0) AS waiting,
         coalesce(sum(CASE WHEN ${SPENT} THEN size END), 0) AS bytes
       FROM watched_files WHERE watch = ?`,
      watch.number
    ) as Row
    const latest = this.#sql
      .all(
        'SELECT * FROM watched_files WHERE watch = ? ORDER BY found_at DESC, rowid LIMIT ?',
        watch.number,
        watchLimits.maxLatest
      )
      .map(fileOf)
    const { found, fetched, waiting, bytes } = totals as Record<string, number>
    return { ...watch, files: { found, fetched, waiting } as Watch['files'], bytes: bytes as number, latest }
  }
}

function watchOf(row: Row): Watch {
  return {
    number: row.number as number,
    query: row.query as string,
    everyMs: row.every_ms as number,
    get: row.get === 1,
    out: row.folder as string,
    maxBytes: row.max_bytes as number,
    addedAt: row.added_at as number,
    ...(row.last_run_at === null ? {} : { lastRunAt: row.last_run_at as number }),
    files: { found: 0, fetched: 0, waiting: 0 },
    bytes: 0,
    latest: [],
    ...(row.problem === null ? {} : { problem: row.problem as string })
  }
}

function fileOf(row: Row): WatchedFile {
  return {
    id: row.id as string,
    name: row.name as string,
    size: row.size as number,
    foundAt: row.found_at as number,
    state: row.state as WatchedFile['state'],
    ...(row.path === null ? {} : { path: row.path as string }),
    ...(row.problem === null ? {} : { problem: row.problem as string })
  }
}

function wantedOf(row: Row, { query, out }: Watch): WantedFile {
  return {
    watch: row.watch as number,
    query,
    id: row.id as FileId,
    size: row.size as number,
    name: row.name as string,
    foundAt: row.found_at as number,
    tries: row.tries as number,
    folder: out
  }
}
