import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import type { FileId, Infohash } from '../../protocols/core/ids.ts'
import { type ParsedQuery, relevance, sizeMatches } from '../../protocols/search/index.ts'
import { type Row, Statements } from '../statements.ts'
import { MAX_CANDIDATES, matchExpression, type NamedFile, publicName, WordIndex } from './word-index.ts'

export interface ShareRow {
  id: number
  path: string
  name: string
  folder: boolean
  hidden: boolean
  addedAt: number
  skipped: number
  infohash: Infohash | undefined
  /** Tiers of multiaddrs (BEP 12) that the collection came with; none for one that was made here. */
  trackers: string[][]
}

export interface FileRow {
  id: number
  share: number
  /** Below the share, joined by `/`. */
  path: string
  size: number
  mtimeMs: number
  ino: number
  root: FileId | undefined
  pieceLength: number
  pieceLayer: Uint8Array | undefined
}

export interface CatalogueHit {
  id: FileId
  /** Path that begins with the share's name. */
  name: string
  size: number
  infohash?: Infohash
}

/** The tables of the library. All calls are synchronous and short; many changes go into one `transaction`. */
export class Catalogue {
  readonly #sql: Statements
  readonly #words: WordIndex
  #scan: number

  constructor(database: DatabaseSync) {
    this.#sql = new Statements(database)
    this.#words = new WordIndex(database, { table: 'words', names: () => this.#names() })
    this.#scan = Number(this.#sql.get('SELECT max(scan) AS scan FROM files')?.scan ?? 0)
  }

  transaction<T>(change: () => T): T {
    return this.#sql.transaction(change)
  }

  addShare(share: { path: string; name: string; folder: boolean; hidden: boolean }): ShareRow {
    this.#sql.run(
      `INSERT INTO shares (path, name, folder, hidden, added_at) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (path) DO UPDATE SET hidden = excluded.hidden, folder = excluded.folder`,
      share.path,
      share.name,
      Number(share.folder),
      Number(share.hidden),
      Date.now()
    )
    return this.shareAt(share.path) as ShareRow
  }

  removeShare(id: number): void {
    this.transaction(() => {
      this.#sql.run('DELETE FROM words WHERE rowid IN (SELECT id FROM files WHERE share = ?)', id)
      this.#sql.run('DELETE FROM shares WHERE id = ?', id)
    })
  }

  shares(): ShareRow[] {
    return this.#sql.all('SELECT * FROM shares ORDER BY added_at, id').map(shareOf)
  }

  shareAt(path: string): ShareRow | undefined {
    const row = this.#sql.get('SELECT * FROM shares WHERE path = ?', path)
    return row === undefined ? undefined : shareOf(row)
  }

  setSkipped(share: number, skipped: number): void {
    this.#sql.run('UPDATE shares SET skipped = ? WHERE id = ?', skipped, share)
  }

  setCollection(
    share: number,
    collection:
      | { infohash: Infohash; torrent: Uint8Array; info: Uint8Array; trackers?: readonly (readonly string[])[] }
      | undefined
  ): void {
    const { infohash = null, torrent = null, info = null, trackers = [] } = collection ?? {}
    this.#sql.run(
      'UPDATE shares SET infohash = ?, torrent = ?, info = ?, trackers = ? WHERE id = ?',
      infohash,
      torrent,
      info,
      JSON.stringify(trackers),
      share
    )
  }

  torrentOf(share: number): Uint8Array | undefined {
    return bytesOf(this.#sql.get('SELECT torrent FROM shares WHERE id = ?', share)?.torrent)
  }

  infoOf(infohash: Infohash): Uint8Array | undefined {
    return bytesOf(this.#sql.get('SELECT info FROM shares WHERE infohash = ?', infohash)?.info)
  }

  shareOfCollection(infohash: Infohash): ShareRow | undefined {
    const row = this.#sql.get('SELECT * FROM shares WHERE infohash = ?', infohash)
    return row === undefined ? undefined : shareOf(row)
  }

  /** A swarm is asked for by the first 20 bytes of its id. */
  swarmByPrefix(prefix: string): { infohash: Infohash } | { file: FileId } | undefined {
    const end = `${prefix}g`
    const share = this.#sql.get('SELECT infohash FROM shares WHERE infohash >= ? AND infohash < ? LIMIT 1', prefix, end)
    if (share !== undefined) return { infohash: share.infohash as Infohash }
    const file = this.#sql.get('SELECT root FROM files WHERE root >= ? AND root < ? LIMIT 1', prefix, end)
    return file === undefined ? undefined : { file: file.root as FileId }
  }

  /** A scan begins: rows it does not touch are of files that are gone. */
  beginScan(): number {
    return ++this.#scan
  }

  /** Whether the file is known as it is; then it counts as seen by this scan. */
  touch(share: number, file: { path: string; size: number; mtimeMs: number; ino: number }, scan: number): boolean {
    const row = this.#sql.get(
      'SELECT id, size, mtime_ms, ino FROM files WHERE share = ? AND path = ?',
      share,
      file.path
    )
    if (row === undefined || row.size !== file.size || row.mtime_ms !== file.mtimeMs || row.ino !== file.ino)
      return false
    this.#sql.run('UPDATE files SET scan = max(scan, ?) WHERE id = ?', scan, row.id as number)
    return true
  }

  putFile(file: Omit<FileRow, 'id'>, shareName: string, folder: boolean): void {
    const { share, path, size, mtimeMs, ino, root = null, pieceLength, pieceLayer = null } = file
    this.removeFile(share, path)
    const { lastInsertRowid } = this.#sql.run(
      `INSERT INTO files (share, path, size, mtime_ms, ino, root, piece_length, piece_layer, scan)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      share,
      path,
      size,
      mtimeMs,
      ino,
      root,
      pieceLength,
      pieceLayer,
      this.#scan
    )
    this.#words.put({ id: lastInsertRowid, name: publicName(shareName, path, folder), size })
  }

  removeFile(share: number, path: string): boolean {
    const row = this.#sql.get('SELECT id FROM files WHERE share = ? AND path = ?', share, path)
    if (row === undefined) return false
    this.#sql.run('DELETE FROM words WHERE rowid = ?', row.id as number)
    this.#sql.run('DELETE FROM files WHERE id = ?', row.id as number)
    return true
  }

  /** Forgets the files that a scan has not seen. Returns how many. */
  removeUnseen(share: number, scan: number): number {
    return this.transaction(() => {
      this.#sql.run('DELETE FROM words WHERE rowid IN (SELECT id FROM files WHERE share = ? AND scan < ?)', share, scan)
      return Number(this.#sql.run('DELETE FROM files WHERE share = ? AND scan < ?', share, scan).changes)
    })
  }

  filesOf(share: number): FileRow[] {
    return this.#sql.all('SELECT * FROM files WHERE share = ? ORDER BY path', share).map(fileOf)
  }

  /** Paths of the share's files. Nothing may be changed before the last one. */
  *pathsOf(share: number): Generator<string> {
    for (const row of this.#sql.iterate('SELECT path FROM files WHERE share = ?', share)) yield row.path as string
  }

  filesById(id: FileId): (FileRow & { sharePath: string; shareName: string; folder: boolean })[] {
    return this.#sql
      .all(
        `SELECT files.*, shares.path AS share_path, shares.name AS share_name, shares.folder AS folder
       FROM files JOIN shares ON shares.id = files.share WHERE root = ? LIMIT 16`,
        id
      )
      .map(row => ({
        ...fileOf(row),
        sharePath: row.share_path as string,
        shareName: row.share_name as string,
        folder: row.folder === 1
      }))
  }

  /** Shares that are the collection with this id, and files with it: `path` is below a share that is a folder. */
  placesOf(id: string): { share: string; path: string | undefined }[] {
    return this.#sql
      .all(
        `SELECT path AS share, NULL AS path FROM shares WHERE infohash = ?1 UNION ALL SELECT * FROM (
         SELECT shares.path, CASE folder WHEN 1 THEN files.path END FROM files JOIN shares ON shares.id = files.share
         WHERE root = ?1 AND piece_layer IS NOT NULL LIMIT 16)`,
        id
      )
      .map(({ share, path }) => ({ share: share as string, path: (path ?? undefined) as string | undefined }))
  }

  totals(share?: number): { files: number; bytes: number } {
    const row =
      share === undefined
        ? this.#sql.get('SELECT count(*) AS files, coalesce(sum(size), 0) AS bytes FROM files')
        : this.#sql.get('SELECT count(*) AS files, coalesce(sum(size), 0) AS bytes FROM files WHERE share = ?', share)
    return { files: row?.files as number, bytes: row?.bytes as number }
  }

  /** Files that match, best first, each id once. Of more than `MAX_CANDIDATES` the newest are looked at. */
  search(query: ParsedQuery, limit: number): CatalogueHit[] {
    const rows = this.#sql.all(
      `SELECT files.root, files.path, files.size, shares.name, shares.folder, shares.infohash
       FROM (SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid DESC LIMIT ${MAX_CANDIDATES}) AS found
       JOIN files ON files.id = found.rowid JOIN shares ON shares.id = files.share WHERE files.root IS NOT NULL`,
      matchExpression(query)
    )
    const ranked = rows
      .map(hitOf)
      .filter(({ size }) => sizeMatches(query, size))
      .map(hit => ({ hit, score: relevance(query, hit.name) }))
      .sort((a, b) => b.score - a.score)
    const hits = new Map<FileId, CatalogueHit>()
    for (const { hit } of ranked) {
      if (hits.size >= limit) break
      if (!hits.has(hit.id)) hits.set(hit.id, hit)
    }
    return [...hits.values()]
  }

  /** Everything that a search can find: words of names, file ids and infohashes. */
  *keys(): IterableIterator<string> {
    yield* this.#words.tokens()
    for (const sql of ['SELECT DISTINCT root AS id FROM files', 'SELECT infohash AS id FROM shares']) {
      for (const { id } of this.#sql.all(`${sql} WHERE id IS NOT NULL`)) yield id as string
    }
  }

  /** Files by their ids, the largest first. */
  *largest(limit: number): IterableIterator<CatalogueHit> {
    const rows = this.#sql.all(
      `SELECT files.root, files.path, files.size, shares.name, shares.folder, shares.infohash
       FROM files JOIN shares ON shares.id = files.share
       WHERE files.root IS NOT NULL GROUP BY files.root ORDER BY files.size DESC, files.root LIMIT ?`,
      limit
    )
    for (const row of rows) yield hitOf(row)
  }

  *#names(): IterableIterator<NamedFile> {
    const files = this.#sql.iterate(
      `SELECT files.id, files.path, files.size, shares.name, shares.folder
       FROM files JOIN shares ON shares.id = files.share ORDER BY files.id`
    )
    for (const { id = null, path, size, name, folder } of files) {
      yield { id, name: publicName(String(name), String(path), folder === 1), size: Number(size) }
    }
  }

  /** The file with this id, or the first file of the collection with it. */
  lookup(id: string): CatalogueHit | undefined {
    const row = this.#sql.get(
      `SELECT files.root, files.path, files.size, shares.name, shares.folder, shares.infohash
       FROM files JOIN shares ON shares.id = files.share
       WHERE files.root IS NOT NULL AND (files.root = ?1 OR shares.infohash = ?1) LIMIT 1`,
      id
    )
    return row === undefined ? undefined : hitOf(row)
  }
}

function hitOf(row: Row): CatalogueHit {
  return {
    id: row.root as FileId,
    name: publicName(row.name as string, row.path as string, row.folder === 1),
    size: row.size as number,
    ...(row.infohash === null ? {} : { infohash: row.infohash as Infohash })
  }
}

function shareOf(row: Row): ShareRow {
  return {
    id: row.id as number,
    path: row.path as string,
    name: row.name as string,
    folder: row.folder === 1,
    hidden: row.hidden === 1,
    addedAt: row.added_at as number,
    skipped: row.skipped as number,
    infohash: (row.infohash ?? undefined) as Infohash | undefined,
    trackers: JSON.parse(row.trackers as string) as string[][]
  }
}

function fileOf(row: Row): FileRow {
  return {
    id: row.id as number,
    share: row.share as number,
    path: row.path as string,
    size: row.size as number,
    mtimeMs: row.mtime_ms as number,
    ino: row.ino as number,
    root: (row.root ?? undefined) as FileId | undefined,
    pieceLength: row.piece_length as number,
    pieceLayer: bytesOf(row.piece_layer)
  }
}

function bytesOf(value: SQLInputValue | undefined): Uint8Array | undefined {
  return value instanceof Uint8Array ? value : undefined
}
