import { DatabaseSync } from 'node:sqlite'
import { ShoalError } from './errors.ts'

/** Counts up when a table changes its meaning; `MIGRATIONS` then leads there from every earlier version. */
const SCHEMA_VERSION = 2

/** By the version that was found: what is done before the tables that are missing are made. */
const MIGRATIONS: Readonly<Record<number, string>> = {
  // other columns; the library fills it again from the names that it knows
  1: 'DROP TABLE IF EXISTS words'
}

/**
 * Opens the one database of a node and makes the tables of its parts. WAL with `synchronous = NORMAL`: a power cut may
 * take the last transactions but never leaves half of one, and what a transaction speaks of was synced before it.
 *
 * @param schemas `CREATE … IF NOT EXISTS` statements, one text for each part
 * @throws ShoalError VERSION_MISMATCH when a newer shoal wrote it; IO_FAILED when it cannot be opened
 */
export function openDatabase(path: string, schemas: readonly string[]): DatabaseSync {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(path, { timeout: 5_000 })
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON')
    const found = versionOf(database)
    if (found > SCHEMA_VERSION) {
      throw new ShoalError('VERSION_MISMATCH', `${path} was written by a newer shoal (schema ${found})`)
    }
    database.exec('BEGIN IMMEDIATE')
    for (let version = found; version > 0 && version < SCHEMA_VERSION; version++) {
      database.exec(MIGRATIONS[version] ?? '')
    }
    for (const schema of schemas) database.exec(schema)
    database.exec(`PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`)
    return database
  } catch (error) {
    database?.close()
    if (error instanceof ShoalError) throw error
    throw new ShoalError('IO_FAILED', `cannot open ${path}: ${(error as Error).message}`, { cause: error })
  }
}

function versionOf(database: DatabaseSync): number {
  return Number(database.prepare('PRAGMA user_version').get()?.user_version ?? 0)
}
