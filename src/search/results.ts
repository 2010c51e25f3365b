import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { FileId, Infohash } from '../../protocols/core/ids.ts'

export const resultsSchema = `
CREATE TABLE IF NOT EXISTS results (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  size INTEGER NOT NULL,
  infohash TEXT,
  holders TEXT NOT NULL
)`

/** What a number of the last search stands for. */
export interface StoredResult {
  id: FileId
  name: string
  size: number
  infohash?: Infohash
  /** Peer ids as text. */
  holders: string[]
}

/** The results of the last search, so that `get 3` works in the next command and after a restart. */
export class LastResults {
  readonly #database: DatabaseSync
  readonly #put: StatementSync
  readonly #get: StatementSync
  #search = 0

  constructor(database: DatabaseSync) {
    this.#database = database
    this.#put = database.prepare('INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?)')
    this.#get = database.prepare('SELECT * FROM results WHERE number = ?')
  }

  /**
   * A new search begins: its numbers start at 1 again. What is returned keeps its results, until the next search begins.
   */
  begin(): (number: number, result: StoredResult) => void {
    const search = ++this.#search
    this.#database.exec('DELETE FROM results')
    return (number, { id, name, size, infohash, holders }) => {
      if (search === this.#search) this.#put.run(number, id, name, size, infohash ?? null, JSON.stringify(holders))
    }
  }

  get(number: number): StoredResult | undefined {
    const row = this.#get.get(number) as Record<string, string | number | null> | undefined
    if (row === undefined) return undefined
    return {
      id: row.id as FileId,
      name: row.name as string,
      size: row.size as number,
      ...(row.infohash === null ? {} : { infohash: row.infohash as Infohash }),
      holders: JSON.parse(row.holders as string) as string[]
    }
  }
}
