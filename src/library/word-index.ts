import { versions } from 'node:process'
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import { nameWords, type ParsedQuery, searchLimits, type Term, typesOf } from '../../protocols/search/index.ts'

/**
 * The tokens of each file's name, made by `nameWords`: SQLite only has to split them at blanks again, which `ascii` does
 * with small letters. Types and sizes are words too, so that a query that asks for them looks at nothing else. Prefix
 * indexes keep the beginning of a word as cheap as a word.
 */
export function wordsSchema(table: string): string {
  return `
CREATE VIRTUAL TABLE IF NOT EXISTS ${table} USING fts5 (
  whole, parts, types, bits, content = '', contentless_delete = 1, tokenize = 'ascii', prefix = '1 2 3'
);
CREATE VIRTUAL TABLE IF NOT EXISTS ${table}_known USING fts5vocab (${table}, col);
CREATE TABLE IF NOT EXISTS ${table}_made (version TEXT NOT NULL);
`
}

/** Counts up when names give other tokens or files other types than before. */
const WORDS_VERSION = 1
/** Unicode knows more letters from time to time. */
const MADE_BY = `${WORDS_VERSION} unicode ${versions.unicode ?? ''}`

/**
 * Files that are looked at for one query, the newest first. A stranger's query costs no more than this, however many files
 * match; `bm25` would look at all, and tell no more: all that it weighs is how often a word stands in a name.
 */
export const MAX_CANDIDATES = 500

/** Largest size is a PiB: 51 bits. */
const MOST_BITS = 51

export interface NamedFile {
  /** The row of its words. */
  id: SQLInputValue
  name: string
  size: number
}

/** A full-text index of names of files; what the files are is in tables of whoever has it. */
export class WordIndex {
  readonly #database: DatabaseSync
  readonly #table: string
  readonly #put: StatementSync

  /**
   * @param init.table as its schema was made with
   * @param init.names all files that are in it, in case it has to be made anew
   */
  constructor(database: DatabaseSync, init: { table: string; names(): Iterable<NamedFile> }) {
    const { table } = init
    this.#database = database
    this.#table = table
    this.#put = database.prepare(`INSERT INTO ${table} (rowid, whole, parts, types, bits) VALUES (?, ?, ?, ?, ?)`)
    this.#remakeIfOutdated(init.names)
  }

  put({ id, name, size }: NamedFile): void {
    const { whole, parts } = nameWords(name)
    this.#put.run(id, whole.join(' '), parts.join(' '), typesOf(name).join(' '), String(bitsOf(size)))
  }

  /** All tokens of names, each once; for a while also some of files that are gone. */
  *tokens(): IterableIterator<string> {
    const known = this.#database.prepare(
      `SELECT DISTINCT term FROM ${this.#table}_known WHERE col IN ('whole', 'parts')`
    )
    for (const { term } of known.iterate()) yield term as string
  }

  /** From the names that the tables know; no file is touched. */
  #remakeIfOutdated(names: () => Iterable<NamedFile>): void {
    const table = this.#table
    const made = this.#database.prepare(`SELECT version FROM ${table}_made`).get()
    if (made?.version === MADE_BY) return
    this.#database.exec(`BEGIN; DELETE FROM ${table}_made; INSERT INTO ${table} (${table}) VALUES ('delete-all')`)
    try {
      for (const file of names()) this.put(file)
      this.#database.prepare(`INSERT INTO ${table}_made VALUES (?)`).run(MADE_BY)
      this.#database.exec('COMMIT')
    } catch (error) {
      this.#database.exec('ROLLBACK')
      throw error
    }
  }
}

/** The name that strangers see: a path that begins with the share's name. If no message can hold it, its end. */
export function publicName(share: string, path: string, folder: boolean): string {
  let name = folder ? `${share}/${path}` : path
  while (Buffer.byteLength(name) > searchLimits.maxNameBytes) {
    const slash = name.indexOf('/')
    if (slash < 0) return name
    name = name.slice(slash + 1)
  }
  return name
}

/** A query as an FTS5 expression that finds what `matches` finds, but for sizes: of these only the powers of two. */
export function matchExpression({ terms, excluded }: ParsedQuery): string {
  const wanted = terms.flatMap(clauseOf)
  const unwanted = excluded.filter(({ kind }) => kind !== 'size').flatMap(clauseOf)
  const not = unwanted.length === 0 ? '' : ` NOT (${unwanted.join(' OR ')})`
  return `(${wanted.join(' AND ')})${not}`
}

/** No token has a quote in it. */
function clauseOf(term: Term): string[] {
  switch (term.kind) {
    case 'words':
      return [`({whole parts} : "${term.tokens.join(' ')}"${term.prefix ? ' *' : ''})`]
    case 'type':
      return [`(types : (${term.types.map(type => `"${type}"`).join(' OR ')}))`]
    case 'size': {
      const [least, most] = [bitsOf(term.least), bitsOf(term.most)]
      if (least === 0 && most === MOST_BITS) return []
      const bits = Array.from({ length: most - least + 1 }, (_, i) => `"${least + i}"`)
      return [`(bits : (${bits.join(' OR ')}))`]
    }
  }
}

function bitsOf(size: number): number {
  return size < 1 ? 0 : Math.min(size.toString(2).length, MOST_BITS)
}
