import assert from 'node:assert/strict'
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import type { Infohash } from '../../protocols/core/ids.ts'
import { parseMagnet, parseMetainfo } from '../../protocols/metainfo/index.ts'
import type { Share, ShareEvent } from '../../src/api.ts'
import { Library } from '../../src/library/library.ts'
import { librarySchema } from '../../src/library/schema.ts'
import { sha256 } from '../../src/sha256.ts'
import { eventually } from '../../src/testkit/wait.ts'
import { naiveTree } from '../protocols/metainfo/naive-tree.ts'

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'shoal-library-')))
const open: Library[] = []
after(async () => {
  await Promise.all(open.map(library => library.close()))
  rmSync(folder, { recursive: true })
})

function make(database = new DatabaseSync(':memory:'), watch = false, exclude: string[] = []): Library {
  database.exec(librarySchema)
  const library = new Library({ database, exclude, watch, addresses: () => ['/ip4/127.0.0.1/tcp/1/p2p/x'] })
  open.push(library)
  return library
}

let made = 0
function tree(files: Record<string, string | Uint8Array>): string {
  const root = join(folder, `share${made++}`)
  mkdirSync(root)
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(root, path, '..'), { recursive: true })
    writeFileSync(join(root, path), content)
  }
  return root
}

async function shareAll(
  library: Library,
  paths: string[],
  hidden = false
): Promise<{ shares: Share[]; events: ShareEvent[] }> {
  const events = await Array.fromAsync(library.share(paths, { hidden }))
  return { shares: events.flatMap(event => (event.type === 'shared' ? [event.share] : [])), events }
}

const names = (library: Library): string[] =>
  library
    .shares()
    .flatMap(share => share.entries!.map(({ path }) => path))
    .sort()

test('a folder is hashed into trees that anybody can check, and becomes a torrent', async () => {
  const big = new Uint8Array(700_000).map((_, i) => i * 7)
  const root = tree({ 'a/big.bin': big, 'small.txt': 'hello', empty: '' })
  const library = make()
  const { shares } = await shareAll(library, [root])
  const entries = library.shares()[0]!.entries!
  assert.deepEqual(
    entries.map(({ path, size }) => [path.slice(path.indexOf('/') + 1), size]),
    [
      ['a/big.bin', 700_000],
      ['empty', 0],
      ['small.txt', 5]
    ]
  )
  assert.equal(entries[0]!.id, Buffer.from(naiveTree(big).at(-1)![0]!).toString('hex'))
  const infohash = shares[0]!.infohash as Infohash
  assert.equal(parseMagnet(shares[0]!.magnet).infohash, infohash)
  const metainfo = library.metainfo(infohash)!
  assert.equal(metainfo.infohash, infohash)
  assert.deepEqual(
    parseMetainfo(
      metainfo.infoBytes.length > 0
        ? Buffer.concat([Buffer.from('d4:info'), metainfo.infoBytes, Buffer.from('e')])
        : big,
      sha256
    ).files,
    metainfo.files
  )
  assert.equal(library.locate(entries[0]!.id as never)?.path, join(root, 'a/big.bin'))
  assert.deepEqual(library.swarmByPrefix(entries[0]!.id.slice(0, 40)), { file: entries[0]!.id })
  assert.deepEqual(library.swarmByPrefix(infohash.slice(0, 40)), { infohash })
})

test('what is hidden, secret, ignored, temporary or a link is not shared, unless asked', async () => {
  const root = tree({
    'ok.txt': '1',
    '.hidden': '2',
    '.ssh/id_ed25519': '3',
    'deep/.env': '4',
    'deep/server.key': '5',
    'x.shoal-part': '6',
    'notes.txt': 'x\n-----BEGIN OPENSSH PRIVATE KEY-----\n',
    'build/out.o': '7',
    'keep/build/yes': '8',
    '.shoalignore': '/build\n*.log\n!important.log\n',
    'a.log': '9',
    'important.log': '10',
    'deep/.shoalignore': 'only\n',
    'deep/only': '11',
    only: '12'
  })
  symlinkSync('/etc', join(root, 'link'))
  const library = make()
  const { shares } = await shareAll(library, [root])
  const short = names(library).map(name => name.slice(name.indexOf('/') + 1))
  assert.deepEqual(short, ['important.log', 'keep/build/yes', 'ok.txt', 'only'])
  assert.ok(shares[0]!.skipped >= 9)
  const all = make()
  await shareAll(all, [root], true)
  const shown = names(all).join()
  assert.match(shown, /\.ssh\/id_ed25519/)
  assert.doesNotMatch(shown, /link|shoal-part|build\/out/)
})

test('only what has changed is hashed again, also after a restart', async () => {
  const root = tree({ one: 'first', two: 'second' })
  const database = new DatabaseSync(':memory:')
  await shareAll(make(database), [root])
  const again = make(database)
  const hashed = (events: ShareEvent[]): number =>
    events.reduce((most, event) => (event.type === 'hashing' ? Math.max(most, event.files) : most), 0)
  assert.equal(hashed((await shareAll(again, [root])).events), 0)
  appendFileSync(join(root, 'two'), ' more')
  renameSync(join(root, 'one'), join(root, 'three'))
  const { events } = await shareAll(again, [root])
  assert.equal(hashed(events), 2)
  assert.deepEqual(
    names(again).map(name => name.split('/')[1]),
    ['three', 'two']
  )
})

test('changes are followed while it runs', async () => {
  const root = tree({ one: 'first' })
  const library = make(undefined, true)
  await shareAll(library, [root])
  mkdirSync(join(root, 'sub'))
  writeFileSync(join(root, 'sub', 'new'), 'new')
  const long = new Date(Date.now() - 60_000)
  utimesSync(join(root, 'sub', 'new'), long, long)
  await eventually('the new file', () => names(library).length === 2)
  rmSync(join(root, 'one'))
  await eventually('the old file is gone', () => names(library).length === 1)
  assert.equal(library.search('first', 9).length, 0)
})

test('words are found in names and folders, all of them', async () => {
  const root = tree({
    'Müller/holidayPhotos2024.jpg': 'a',
    'music/Björk - Jóga.flac': 'b',
    'music/joga copy.flac': 'b',
    'x (1).txt': 'c'
  })
  const library = make()
  await shareAll(library, [root])
  const found = (query: string): string[] => library.search(query, 10).map(hit => hit.name.split('/').at(-1)!)
  assert.deepEqual(found('photos'), ['holidayPhotos2024.jpg'])
  assert.deepEqual(found('muller 2024'), ['holidayPhotos2024.jpg'])
  assert.equal(found('joga').length, 1, 'equal bytes are one hit')
  assert.deepEqual(found('bjork jo*'), ['Björk - Jóga.flac'])
  assert.deepEqual(found('photos bjork'), [])
  for (const query of [
    '',
    '*',
    '"',
    'a AND',
    'NEAR(',
    '-',
    ':',
    'x'.repeat(10_000),
    '"; DROP TABLE files; --',
    '\0',
    '(((('
  ]) {
    assert.doesNotThrow(() => library.search(query, 10), query.slice(0, 20))
  }
  assert.equal(library.lookup(library.search('photos', 1)[0]!.id)?.size, 1)
})

test('what cannot be shared is refused with a reason', async () => {
  const root = tree({ 'in/side': 'x' })
  const own = tree({ key: 'secret' })
  const library = make(undefined, false, [own])
  await assert.rejects(shareAll(library, [join(root, 'nothing')]), { code: 'NOT_FOUND' })
  await assert.rejects(shareAll(library, [own]), { code: 'USAGE' })
  await shareAll(library, [root])
  await assert.rejects(shareAll(library, [join(root, 'in')]), { code: 'EXISTS' })
  await assert.rejects(library.unshare(['/nowhere']), { code: 'NOT_FOUND' })
  assert.deepEqual(await library.unshare([root]), [root])
  assert.deepEqual(library.shares(), [])
  assert.equal(library.search('side', 5).length, 0)
})

test('the same share scanned by many at once keeps all its files', async () => {
  const root = tree(Object.fromEntries(Array.from({ length: 1_500 }, (_, i) => [`${i}.txt`, `${i}`])))
  const library = make()
  await shareAll(library, [root])
  const before = library.shares()[0]!
  for (let round = 0; round < 4; round++) {
    await Promise.all([1, 2, 3].map(() => shareAll(library, [root])))
    const now = library.shares()[0]!
    assert.deepEqual([now.files, now.infohash], [before.files, before.infohash], `round ${round}`)
  }
})

test('a shared file that is replaced again and again is followed', async () => {
  const root = tree({ 'doc.txt': 'one' })
  const path = join(root, 'doc.txt')
  const library = make(undefined, true)
  await shareAll(library, [path])
  for (const text of ['second', 'the third']) {
    writeFileSync(`${path}.new`, text)
    renameSync(`${path}.new`, path)
    await eventually(text, () => library.shares()[0]?.entries?.[0]?.size === text.length)
  }
})

test('a file that turns out to be changed is withdrawn at once', async () => {
  const root = tree({ 'one.txt': 'first', 'two.txt': 'second' })
  const library = make()
  await shareAll(library, [root])
  const before = library.shares()[0]!.infohash
  library.withdraw(join(root, 'one.txt'))
  assert.deepEqual(
    names(library).map(name => name.split('/')[1]),
    ['two.txt']
  )
  assert.notEqual(library.shares()[0]!.infohash, before)
})

test('what was fetched is shared without being hashed', async () => {
  const root = tree({ 'film.mkv': 'whole' })
  const library = make()
  const { id, layer } = {
    id: Buffer.from(sha256(Buffer.from('whole'))).toString('hex'),
    layer: sha256(Buffer.from('whole'))
  }
  const path = join(root, 'film.mkv')
  await library.addFinished(path, [
    { path, size: 5, mtimeMs: 1, ino: 1, root: id as never, pieceLength: 262_144, pieceLayer: layer }
  ])
  assert.deepEqual(
    library.search('film', 5).map(hit => hit.id),
    [id]
  )
  assert.equal(library.shares()[0]!.magnet.startsWith('magnet:'), true)
})

test('hostile names on disk break nothing', async () => {
  const root = tree({ 'new\nline': 'a', 'esc\u001b[31mred': 'b', 'quote\'"': 'c', '-rf': 'd', ok: 'e' })
  const library = make()
  const { shares } = await shareAll(library, [root])
  assert.deepEqual(
    names(library).map(name => name.split('/')[1]),
    ['-rf', 'ok', 'quote\'"']
  )
  assert.equal(shares[0]!.skipped, 2)
})
