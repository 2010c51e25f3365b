import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import fc from 'fast-check'
import type { FileId } from '../../protocols/core/ids.ts'
import { matches, type ParsedQuery, parseQuery, QueryError } from '../../protocols/search/index.ts'
import { openDatabase } from '../../src/database.ts'
import { Catalogue } from '../../src/library/catalogue.ts'
import { Library } from '../../src/library/library.ts'
import { librarySchema } from '../../src/library/schema.ts'
import { MAX_CANDIDATES, matchExpression, publicName } from '../../src/library/word-index.ts'

const folder = mkdtempSync(join(tmpdir(), 'shoal-words-'))
after(() => rmSync(folder, { recursive: true }))

const idOf = (n: number): FileId => n.toString(16).padStart(64, '0') as FileId

interface TestFile {
  path: string
  size: number
}

function fill(catalogue: Catalogue, share: string, files: readonly TestFile[]): void {
  const { id } = catalogue.addShare({ path: `/x/${share}`, name: share, folder: true, hidden: false })
  catalogue.transaction(() => {
    files.forEach(({ path, size }, i) => {
      const file = {
        share: id,
        path,
        size,
        mtimeMs: 1,
        ino: i,
        root: idOf(i + 1),
        pieceLength: 1,
        pieceLayer: undefined
      }
      catalogue.putFile(file, share, true)
    })
  })
}

function catalogueOf(files: readonly TestFile[], share = 'S'): Catalogue {
  const database = new DatabaseSync(':memory:')
  database.exec(librarySchema)
  const catalogue = new Catalogue(database)
  fill(catalogue, share, files)
  return catalogue
}

const word = fc.oneof(
  fc.constantFrom(
    'sea',
    'SEA',
    'seaside',
    'Blue',
    'fooBar9',
    'foo',
    'bar',
    '9',
    '東京都',
    '東',
    '都',
    'é',
    'e',
    'straße'
  ),
  fc.constantFrom(
    'STRASSE',
    'of',
    's',
    'ไทย',
    'ท',
    'IMG',
    '0001',
    'x'.repeat(70),
    'İ',
    'ſ',
    'ﬁ',
    'ΟΔΟΣ',
    'और',
    'が',
    '한국'
  ),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 3 })
)
const gap = fc.constantFrom(' ', '/', '-', '_', '.', '', '"', '*')
const extension = fc.constantFrom('.mkv', '.MP3', '.pdf', '.iso', '', '.', '.tar.gz', '.x')
const size = fc.oneof(
  fc.nat(3_000),
  fc.constantFrom(0, 1, 1_000, 1_023, 1_024, 1_000_000, 2 ** 30, 2 ** 30 - 1, 2 ** 50)
)
const file = fc
  .tuple(fc.array(fc.tuple(word, gap), { minLength: 1, maxLength: 5 }), extension, size)
  .map(([list, end, bytes]) => ({ path: `${list.flat().join('')}${end}`, size: bytes }))
const piece = fc
  .tuple(fc.constantFrom('', '', '', '-'), word, gap, fc.option(word, { nil: '' }))
  .chain(([sign, a, g, b]) =>
    fc.constantFrom(
      `${sign}${a}`,
      `${sign}${a}*`,
      `${sign}${a}${g}${b}`,
      `${sign}"${a} ${b}"`,
      `${sign}"${a}${g}${b}"*`
    )
  )
const filter = fc.constantFrom(
  ...['type:video', 'type:mkv,audio', '-type:pdf', 'type:gz', 'type:program', '-type:x', 'type:archive'],
  ...[
    'size:1K..',
    'size:..1023',
    'size:>1KiB',
    'size:<1Gi',
    '-size:0..1K',
    'size:1000..1024',
    'size:..0',
    'size:>=1024Ti'
  ]
)
const query = fc
  .array(fc.oneof({ arbitrary: piece, weight: 3 }, filter), { minLength: 1, maxLength: 5 })
  .map(list => list.join(' '))

test('the index finds exactly what the language means', () => {
  let compared = 0
  let found = 0
  fc.assert(
    fc.property(
      fc.array(file, { minLength: 1, maxLength: 12 }),
      fc.array(query, { minLength: 1, maxLength: 6 }),
      (files, texts) => {
        const unique = [...new Map(files.map(one => [one.path, one])).values()]
        const catalogue = catalogueOf(unique)
        // a part of a name as it stands is a query that finds something
        for (const text of [...texts, ...unique.map(({ path }) => path.slice(0, 20))]) {
          let parsed: ParsedQuery
          try {
            parsed = parseQuery(text)
          } catch (error) {
            assert.ok(error instanceof QueryError, String(error))
            continue
          }
          const expected = unique.flatMap((one, i) =>
            matches(parsed, { name: `S/${one.path}`, size: one.size }) ? [idOf(i + 1)] : []
          )
          const answer = catalogue.search(parsed, 100).map(({ id }) => id)
          assert.deepEqual(answer.toSorted(), expected, `${JSON.stringify(text)} as ${matchExpression(parsed)}`)
          compared++
          found += expected.length
        }
      }
    ),
    { numRuns: 250 }
  )
  assert.ok(compared > 1_000 && found > 500, `${found} in ${compared}: the test looks at next to nothing`)
})

test('the best name comes first, and a file with two names once', () => {
  const catalogue = catalogueOf([
    { path: 'blue sea/one.mkv', size: 1 },
    { path: 'Blue Sea.mkv', size: 2 },
    { path: 'a film of the blue deep sea.mkv', size: 3 }
  ])
  const names = (text: string): string[] => catalogue.search(parseQuery(text), 10).map(({ name }) => name)
  assert.deepEqual(names('blue sea'), ['S/Blue Sea.mkv', 'S/a film of the blue deep sea.mkv', 'S/blue sea/one.mkv'])
  fill(catalogue, 'Sea', [{ path: 'other', size: 1 }])
  assert.deepEqual(names('sea').filter(name => name === 'Sea/other' || name === 'S/blue sea/one.mkv').length, 1)
  assert.equal(catalogue.search(parseQuery('sea'), 1).length, 1)
})

test('a query looks at so many files at most, however many match', () => {
  const files = Array.from({ length: MAX_CANDIDATES + 50 }, (_, i) => ({ path: `common ${i}.bin`, size: i }))
  const catalogue = catalogueOf(files)
  const hits = catalogue.search(parseQuery('common'), 10_000)
  assert.equal(hits.length, MAX_CANDIDATES)
  assert.ok(
    hits.some(({ size }) => size === files.length - 1),
    'the newest are among them'
  )
  assert.equal(
    catalogue.search(parseQuery('"common 0"'), 10).length,
    1,
    'what is asked for exactly is found among any number'
  )
})

test('a path that no message can hold is known by its end', () => {
  const long = `${'deep'.repeat(60)}/`.repeat(6)
  assert.equal(publicName('S', `${long}needle.txt`, true).length <= 1_024, true)
  assert.ok(publicName('S', `${long}needle.txt`, true).endsWith('/needle.txt'))
  assert.equal(publicName('S', 'a', true), 'S/a')
  assert.equal(publicName('a', 'a', false), 'a')
  const [hit] = catalogueOf([{ path: `${long}needle.txt`, size: 1 }]).search(parseQuery('needle'), 1)
  assert.ok(hit !== undefined && matches(parseQuery('needle type:txt'), hit))
})

test('what is no query in this version finds nothing and throws nothing', async () => {
  const database = new DatabaseSync(':memory:')
  database.exec(librarySchema)
  const library = new Library({ database, exclude: [], watch: false, addresses: () => [] })
  for (const text of ['', '"', 'colour:red', 'size:red', '-x', 'a*', 'x'.repeat(300)]) {
    assert.deepEqual(library.search(text, 5), [], text)
  }
  await library.close()
})

test('a home directory of the first version is indexed anew and loses nothing', () => {
  const path = join(folder, 'old.db')
  const old = new DatabaseSync(path)
  const tables = librarySchema.replace(/CREATE VIRTUAL TABLE[\s\S]*/, '')
  old.exec(`${tables}
    CREATE VIRTUAL TABLE words USING fts5 (
      text, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
    );
    PRAGMA user_version = 1;
    INSERT INTO shares (id, path, name, folder, hidden, added_at) VALUES (1, '/x/S', 'S', 1, 0, 0), (2, '/x/f.MKV', 'f.MKV', 0, 0, 0);
    INSERT INTO files (id, share, path, size, mtime_ms, ino, root, piece_length, scan)
      VALUES (7, 1, 'a/Sea.mkv', 5, 1, 1, '${idOf(7)}', 1, 1), (9, 2, 'f.MKV', 6, 1, 1, '${idOf(9)}', 1, 1);
    INSERT INTO words (rowid, text) VALUES (7, 'S/a/Sea.mkv'), (9, 'f.MKV');`)
  old.close()

  const database = openDatabase(path, [librarySchema])
  const catalogue = new Catalogue(database)
  assert.deepEqual(
    catalogue
      .search(parseQuery('type:video size:..1K'), 10)
      .map(({ name }) => name)
      .toSorted(),
    ['S/a/Sea.mkv', 'f.MKV']
  )
  assert.equal(catalogue.totals().files, 2)
  catalogue.removeFile(1, 'a/Sea.mkv')
  database.close()

  const again = openDatabase(path, [librarySchema])
  assert.equal(new Catalogue(again).search(parseQuery('type:video'), 10).length, 1)
  // made by another version of the language
  again.exec("UPDATE words_made SET version = '0'; INSERT INTO words (words) VALUES ('delete-all')")
  assert.equal(new Catalogue(again).search(parseQuery('type:video'), 10).length, 1)
  again.close()
})
