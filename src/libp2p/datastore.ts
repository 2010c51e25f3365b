import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { BaseDatastore } from 'datastore-core'
import { Key, type KeyQuery, type Pair, type Query } from 'interface-datastore'
import { NotFoundError } from 'interface-store'

export const datastoreSchema =
  'CREATE TABLE IF NOT EXISTS datastore (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID'

/** libp2p's datastore in the node's database: peers and their addresses. Records of kad-dht are not kept. */
export class SqliteDatastore extends BaseDatastore {
  readonly #database: DatabaseSync
  readonly #put: StatementSync
  readonly #get: StatementSync
  readonly #has: StatementSync
  readonly #delete: StatementSync
  readonly #all: StatementSync

  constructor(database: DatabaseSync) {
    super()
    this.#database = database
    this.#put = database.prepare('INSERT OR REPLACE INTO datastore VALUES (?, ?)')
    this.#get = database.prepare('SELECT value FROM datastore WHERE key = ?')
    this.#has = database.prepare('SELECT 1 FROM datastore WHERE key = ?')
    this.#delete = database.prepare('DELETE FROM datastore WHERE key = ?')
    this.#all = database.prepare('SELECT key, value FROM datastore WHERE substr(key, 1, length(?1)) = ?1 ORDER BY key')
  }

  override put(key: Key, value: Uint8Array): Key {
    // what kad-dht is told by strangers: this node only routes by it, and none of it may fill the disk
    if (!key.toString().startsWith('/dht/')) this.#put.run(key.toString(), value)
    return key
  }

  override get(key: Key): Uint8Array {
    const row = this.#get.get(key.toString())
    if (row === undefined) throw new NotFoundError(`no ${key}`)
    return new Uint8Array(row.value as Uint8Array)
  }

  override has(key: Key): boolean {
    return this.#has.get(key.toString()) !== undefined
  }

  override delete(key: Key): void {
    this.#delete.run(key.toString())
  }

  override batch(): ReturnType<BaseDatastore['batch']> {
    const steps: (() => void)[] = []
    return {
      put: (key, value) => void steps.push(() => this.put(key, value)),
      delete: key => void steps.push(() => this.delete(key)),
      commit: async () => {
        this.#database.exec('BEGIN')
        try {
          for (const step of steps.splice(0)) step()
          this.#database.exec('COMMIT')
        } catch (error) {
          this.#database.exec('ROLLBACK')
          throw error
        }
      }
    }
  }

  override *_all(query: Query): Generator<Pair> {
    for (const row of this.#all.all(query.prefix ?? '')) {
      yield { key: new Key(row.key as string), value: new Uint8Array(row.value as Uint8Array) }
    }
  }

  override *_allKeys(query: KeyQuery): Generator<Key> {
    for (const row of this.#all.all(query.prefix ?? '')) yield new Key(row.key as string)
  }
}
