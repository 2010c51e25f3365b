import type { DatabaseSync } from 'node:sqlite'
import { type Row, Statements } from '../../statements.ts'

/**
 * Transfers that are not finished. `layer` is a file's piece layer, kept as soon as it is known whole. `blocks` says
 * which blocks were on the disk when the transfer was closed in good order, and `stamp` what the partial file looked
 * like then; without both, what is there is found by hashing it. `transfer_proofs` says whether something was verified
 * and stored: a file's size, which its id does not tell, is proven from then on. `transfer_problems` is why the last run
 * failed.
 */
export const transferSchema = `
CREATE TABLE IF NOT EXISTS transfers (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  folder TEXT NOT NULL,
  size INTEGER NOT NULL,
  info BLOB,
  sources TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  bytes_done INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS transfer_files (
  transfer TEXT NOT NULL REFERENCES transfers (id) ON DELETE CASCADE,
  file INTEGER NOT NULL,
  layer BLOB,
  blocks BLOB,
  stamp TEXT,
  PRIMARY KEY (transfer, file)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS transfer_proofs (
  transfer TEXT PRIMARY KEY REFERENCES transfers (id) ON DELETE CASCADE,
  proven INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS transfer_problems (
  transfer TEXT PRIMARY KEY REFERENCES transfers (id) ON DELETE CASCADE,
  code TEXT NOT NULL,
  message TEXT NOT NULL,
  next TEXT NOT NULL
) WITHOUT ROWID;
`

export interface StoredTransfer {
  /** Swarm id. */
  id: string
  name: string
  /** Folder that the file, or the collection's own folder, goes into. */
  folder: string
  size: number
  /** The info dictionary of a collection. */
  info: Uint8Array | undefined
  sources: { holders: string[]; addresses: string[]; trackers: string[][] }
}

/** A transfer that is not finished, as the next run finds it. */
export interface BegunTransfer extends StoredTransfer {
  /** How much was there when it was last closed. */
  bytesDone: number
  /** Something of it was verified and stored. */
  isProven: boolean
  /** Why the last run failed. */
  problem: Problem | undefined
}

export interface Problem {
  code: string
  message: string
  next: string
}

export interface StoredFile {
  layer: Uint8Array | undefined
  blocks: Uint8Array | undefined
  stamp: string | undefined
}

export class TransferState {
  readonly #sql: Statements

  constructor(database: DatabaseSync) {
    this.#sql = new Statements(database)
  }

  /** A run begins. What is known of files of another size is forgotten. */
  put(transfer: StoredTransfer): void {
    const { id, name, folder, size, info = null, sources } = transfer
    this.#sql.transaction(() => {
      this.#sql.run(
        'DELETE FROM transfer_files WHERE transfer = ? AND NOT EXISTS (SELECT 1 FROM transfers WHERE id = ? AND size = ?)',
        id,
        id,
        size
      )
      this.#sql.run(
        `INSERT INTO transfers (id, name, folder, size, info, sources, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT (id) DO UPDATE SET name = excluded.name, folder = excluded.folder, size = excluded.size,
             bytes_done = iif(size = excluded.size, bytes_done, 0), info = excluded.info, sources = excluded.sources`,
        id,
        name,
        folder,
        size,
        info,
        JSON.stringify(sources),
        Date.now()
      )
      // what an earlier version, which kept no proofs, has closed with bytes in it is believed
      this.#sql.run('INSERT OR IGNORE INTO transfer_proofs SELECT id, bytes_done > 0 FROM transfers WHERE id = ?', id)
      this.#sql.run('DELETE FROM transfer_problems WHERE transfer = ?', id)
    })
  }

  all(): BegunTransfer[] {
    return this.#sql.all(`${SELECT} ORDER BY created_at`).map(transferOf)
  }

  get(id: string): BegunTransfer | undefined {
    const row = this.#sql.get(`${SELECT} WHERE id = ?`, id)
    return row === undefined ? undefined : transferOf(row)
  }

  /** Something of it was verified and stored. */
  setProven(id: string): void {
    this.#sql.run('UPDATE transfer_proofs SET proven = 1 WHERE transfer = ?', id)
  }

  /** It failed, for now. */
  setProblem(id: string, { code, message, next }: Problem): void {
    this.#sql.run(
      'INSERT OR REPLACE INTO transfer_problems SELECT id, ?, ?, ? FROM transfers WHERE id = ?',
      code,
      message,
      next,
      id
    )
  }

  /** How much was there when the transfer was last closed, for people. */
  setBytesDone(id: string, bytes: number): void {
    this.#sql.run('UPDATE transfers SET bytes_done = ? WHERE id = ?', bytes, id)
  }

  remove(id: string): void {
    this.#sql.run('DELETE FROM transfers WHERE id = ?', id)
  }

  files(id: string): Map<number, StoredFile> {
    const rows = this.#sql.all('SELECT * FROM transfer_files WHERE transfer = ?', id)
    return new Map(
      rows.map(row => [
        row.file as number,
        {
          layer: (row.layer ?? undefined) as Uint8Array | undefined,
          blocks: (row.blocks ?? undefined) as Uint8Array | undefined,
          stamp: (row.stamp ?? undefined) as string | undefined
        }
      ])
    )
  }

  putLayer(id: string, file: number, layer: Uint8Array): void {
    this.#sql.run(
      `INSERT INTO transfer_files (transfer, file, layer) VALUES (?, ?, ?)
         ON CONFLICT (transfer, file) DO UPDATE SET layer = excluded.layer`,
      id,
      file,
      layer
    )
  }

  /** Only after the blocks are on the disk. */
  putBlocks(id: string, files: readonly { file: number; blocks: Uint8Array; stamp: string }[]): void {
    const put = `INSERT INTO transfer_files (transfer, file, blocks, stamp) VALUES (?, ?, ?, ?)
       ON CONFLICT (transfer, file) DO UPDATE SET blocks = excluded.blocks, stamp = excluded.stamp`
    this.#sql.transaction(() => {
      for (const { file, blocks, stamp } of files) this.#sql.run(put, id, file, blocks, stamp)
    })
  }

  /** Before the first write of a run: what was said of blocks is no longer the whole truth. */
  forgetBlocks(id: string): void {
    this.#sql.run('UPDATE transfer_files SET blocks = NULL, stamp = NULL WHERE transfer = ?', id)
  }
}

const SELECT = `
SELECT transfers.*, coalesce(proven, bytes_done > 0) AS is_proven, code, message, next
FROM transfers
LEFT JOIN transfer_proofs ON transfer_proofs.transfer = id
LEFT JOIN transfer_problems ON transfer_problems.transfer = id`

function transferOf(row: Row): BegunTransfer {
  const { code, message, next } = row as { code: string | null; message: string; next: string }
  return {
    id: row.id as string,
    name: row.name as string,
    folder: row.folder as string,
    size: row.size as number,
    info: (row.info ?? undefined) as Uint8Array | undefined,
    sources: JSON.parse(row.sources as string) as StoredTransfer['sources'],
    bytesDone: row.bytes_done as number,
    isProven: row.is_proven === 1,
    problem: code === null ? undefined : { code, message, next }
  }
}
