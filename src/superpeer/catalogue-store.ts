import type { DatabaseSync } from 'node:sqlite'
import type { FileId, Infohash } from '../../protocols/core/ids.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import {
  type Hit,
  type ParsedQuery,
  parseQuery,
  type Query,
  QueryError,
  relevance,
  sizeMatches
} from '../../protocols/search/index.ts'
import type { CatalogueHead, CatalogueItem, Change, ItemKey, KeyedItem } from '../../protocols/superpeer/catalogue.ts'
import { itemBytes, keyRange } from '../../protocols/superpeer/catalogue.ts'
import type { CatalogueStore, HolderHits, SearchLimits, StoreUsage } from '../../protocols/superpeer/catalogue-store.ts'
import { matchExpression, type NamedFile, WordIndex } from '../library/word-index.ts'
import { type Row, Statements } from '../statements.ts'

/** Items that are looked at for one query, the newest first: a stranger's query costs no more than this. */
const MAX_CANDIDATES = 2_000

const ITEM = 'SELECT i.id, i.key, i.file, i.name, i.size, i.infohash'

/** Catalogues in the node's database, with a full-text index of the names. */
export class SqliteCatalogueStore implements CatalogueStore {
  readonly #sql: Statements
  readonly #words: WordIndex

  constructor(database: DatabaseSync) {
    this.#sql = new Statements(database)
    this.#words = new WordIndex(database, { table: 'catalogue_words', names: () => this.#names() })
  }

  head(publisher: Peer): CatalogueHead | undefined {
    const row = this.#sql.get('SELECT * FROM catalogues WHERE publisher = ?', publisher as string)
    return row === undefined ? undefined : headOf(row)
  }

  heads(): CatalogueHead[] {
    return this.#sql.all('SELECT * FROM catalogues ORDER BY id').map(headOf)
  }

  has(publisher: Peer, key: ItemKey): boolean {
    const sql = `SELECT 1 FROM catalogue_items i JOIN catalogues c ON c.id = i.catalogue
      WHERE c.publisher = ? AND i.key = ?`
    return this.#sql.get(sql, publisher as string, key) !== undefined
  }

  keys(publisher: Peer): ItemKey[] {
    const sql = `SELECT i.key FROM catalogue_items i JOIN catalogues c ON c.id = i.catalogue
      WHERE c.publisher = ? ORDER BY i.key`
    return this.#sql.all(sql, publisher as string).map(({ key }) => key as ItemKey)
  }

  bucket(publisher: Peer, bits: number, bucket: number): KeyedItem[] {
    const { from, to } = keyRange(bits, bucket)
    const sql = `${ITEM} FROM catalogue_items i JOIN catalogues c ON c.id = i.catalogue
      WHERE c.publisher = ? AND i.key >= ? AND i.key < ? ORDER BY i.key`
    return this.#sql
      .all(sql, publisher as string, from, to)
      .map(row => ({ key: row.key as ItemKey, item: itemOf(row) }))
  }

  apply(head: CatalogueHead, { added, removed }: Change): void {
    const sql = this.#sql
    sql.transaction(() => {
      const { publisher, seq, expires, count, bits, root, signature } = head
      const row = sql.get(
        `INSERT INTO catalogues (publisher, seq, expires, count, bits, root, signature) VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (publisher) DO UPDATE SET seq = excluded.seq, expires = excluded.expires, count = excluded.count,
           bits = excluded.bits, root = excluded.root, signature = excluded.signature
         RETURNING id`,
        publisher as string,
        seq,
        expires,
        count,
        bits,
        root,
        signature
      )
      const id = row?.id as number
      let [items, bytes] = [0, 0]
      for (const key of removed) {
        const gone = sql.get(
          'DELETE FROM catalogue_items WHERE catalogue = ? AND key = ? RETURNING id, key, file, name, size, infohash',
          id,
          key
        )
        if (gone === undefined) continue
        sql.run('DELETE FROM catalogue_words WHERE rowid = ?', gone.id as number)
        items--
        bytes -= itemBytes(itemOf(gone))
      }
      for (const { key, item } of added) {
        const { id: file, name, size, infohash = null } = item
        const put = sql.run(
          `INSERT INTO catalogue_items (catalogue, key, file, name, size, infohash) VALUES (?, ?, ?, ?, ?, ?)
           ON CONFLICT (catalogue, key) DO NOTHING`,
          id,
          key,
          file,
          name,
          size,
          infohash
        )
        if (put.changes === 0) continue
        this.#words.put({ id: put.lastInsertRowid, name, size })
        items++
        bytes += itemBytes(item)
      }
      sql.run('UPDATE catalogues SET items = items + ?, bytes = bytes + ? WHERE id = ?', items, bytes, id)
    })
  }

  drop(publisher: Peer): void {
    const sql = this.#sql
    sql.transaction(() => {
      sql.run(
        `DELETE FROM catalogue_words WHERE rowid IN (SELECT i.id FROM catalogue_items i
         JOIN catalogues c ON c.id = i.catalogue WHERE c.publisher = ?)`,
        publisher as string
      )
      sql.run('DELETE FROM catalogues WHERE publisher = ?', publisher as string)
    })
  }

  /** Of each holder the best of those that are looked at. */
  search(query: Query, { perHolder, total, isLive }: SearchLimits): HolderHits[] {
    const parsed = query.kind === 'words' ? parsedOf(query.text) : undefined
    if (query.kind === 'words' && parsed === undefined) return []
    const live = new Map<string, boolean>()
    const found = new Map<string, CatalogueItem[]>()
    let looked = 0
    for (const row of this.#candidates(query, parsed)) {
      if (looked++ >= MAX_CANDIDATES) break
      const holder = row.publisher as string
      let isThere = live.get(holder)
      if (isThere === undefined) live.set(holder, (isThere = isLive(holder as Peer)))
      if (!isThere) continue
      const item = itemOf(row)
      if (parsed !== undefined && !sizeMatches(parsed, item.size)) continue
      const items = found.get(holder)
      if (items === undefined) found.set(holder, [item])
      else items.push(item)
    }
    const answers: HolderHits[] = []
    let room = total
    for (const [holder, items] of found) {
      if (room <= 0) break
      const hits = bestOf(items, parsed, Math.min(perHolder, room))
      room -= hits.length
      answers.push({ holder: holder as Peer, hits })
    }
    return answers
  }

  /** Words of holders that are not there are among them until their catalogues go: a summary shows too much, no less. */
  *summaryKeys(isLive: (holder: Peer) => boolean): IterableIterator<string> {
    yield* this.#words.tokens()
    const told = new Set<string>()
    for (const { id, publisher } of this.#sql.all('SELECT id, publisher FROM catalogues')) {
      if (!isLive(publisher as string as Peer)) continue
      const sql = 'SELECT file AS id, infohash FROM catalogue_items WHERE catalogue = ?'
      for (const row of this.#sql.all(sql, id as number)) {
        for (const key of [row.id, row.infohash]) {
          if (key === null || told.has(key as string)) continue
          told.add(key as string)
          yield key as string
        }
      }
    }
  }

  usage(): StoreUsage {
    const row = this.#sql.get(
      'SELECT count(*) AS publishers, coalesce(sum(items), 0) AS items, coalesce(sum(bytes), 0) AS bytes FROM catalogues'
    )
    return { publishers: Number(row?.publishers), items: Number(row?.items), bytes: Number(row?.bytes) }
  }

  usageOf(publisher: Peer): Omit<StoreUsage, 'publishers'> {
    const row = this.#sql.get('SELECT items, bytes FROM catalogues WHERE publisher = ?', publisher as string)
    return { items: Number(row?.items ?? 0), bytes: Number(row?.bytes ?? 0) }
  }

  #candidates(query: Query, parsed: ParsedQuery | undefined): IterableIterator<Row> {
    const from = `${ITEM}, c.publisher FROM catalogue_items i JOIN catalogues c ON c.id = i.catalogue`
    if (parsed === undefined) {
      const id = query.kind === 'id' ? query.id : ''
      return this.#sql.iterate(`${from} WHERE i.file = ?1 OR i.infohash = ?1`, id)
    }
    return this.#sql.iterate(
      `${ITEM}, c.publisher FROM catalogue_words w JOIN catalogue_items i ON i.id = w.rowid
       JOIN catalogues c ON c.id = i.catalogue WHERE catalogue_words MATCH ? ORDER BY w.rowid DESC`,
      matchExpression(parsed)
    )
  }

  *#names(): IterableIterator<NamedFile> {
    for (const { id = null, name, size } of this.#sql.iterate('SELECT id, name, size FROM catalogue_items')) {
      yield { id, name: String(name), size: Number(size) }
    }
  }
}

function bestOf(items: readonly CatalogueItem[], parsed: ParsedQuery | undefined, limit: number): Hit[] {
  if (parsed === undefined || items.length <= limit) return items.slice(0, limit)
  return items
    .map(item => ({ item, score: relevance(parsed, item.name) }))
    .sort((a, b) => b.score - a.score)
    .slice(0, limit)
    .map(({ item }) => item)
}

function parsedOf(text: string): ParsedQuery | undefined {
  try {
    return parseQuery(text)
  } catch (error) {
    if (error instanceof QueryError) return undefined
    throw error
  }
}

function headOf(row: Row): CatalogueHead {
  return {
    publisher: row.publisher as string as Peer,
    seq: Number(row.seq),
    expires: Number(row.expires),
    count: Number(row.count),
    bits: Number(row.bits),
    root: row.root as string,
    signature: row.signature as Uint8Array
  }
}

function itemOf(row: Row): CatalogueItem {
  return {
    id: row.file as FileId,
    name: row.name as string,
    size: Number(row.size),
    ...(row.infohash === null ? {} : { infohash: row.infohash as Infohash })
  }
}
