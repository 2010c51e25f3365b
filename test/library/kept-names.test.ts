import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import type { FileId } from '../../protocols/core/ids.ts'
import { buildMetainfo, type Metainfo } from '../../protocols/metainfo/index.ts'
import type { FinishedFile } from '../../src/library/finished.ts'
import { Library } from '../../src/library/library.ts'
import { librarySchema } from '../../src/library/schema.ts'
import { sha256 } from '../../src/sha256.ts'

const PIECE_BYTES = 262_144
/** What a stranger calls files, and this node would not share of its own. */
const ALBUM = {
  'a.flac': 'music',
  '.cover.jpg': 'picture',
  'server.key': 'no key at all',
  'Thumbs.db': 'small pictures',
  '.git/HEAD': 'ref',
  '.git/objects/x.tmp': 'object',
  '.shoalignore': '*.flac\n'
}

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'shoal-kept-')))
const open: Library[] = []
after(async () => {
  await Promise.all(open.map(library => library.close()))
  rmSync(folder, { recursive: true })
})

function makeLibrary(): Library {
  const database = new DatabaseSync(':memory:')
  database.exec(`PRAGMA foreign_keys = ON; ${librarySchema}`)
  const library = new Library({ database, exclude: [], watch: false, addresses: () => [] })
  open.push(library)
  return library
}

let made = 0
function put(files: Record<string, string>, root = join(folder, `t${made++}`, 'Album')): string {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, path, '..'), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return root
}

/** The album as a transfer leaves it. */
function fetched(): { root: string; metainfo: Metainfo; files: FinishedFile[] } {
  const root = put(ALBUM)
  const files = Object.entries(ALBUM).map(([name, text]): FinishedFile => {
    const path = join(root, name)
    const { size, mtimeMs, ino } = statSync(path)
    const pieceLayer = sha256(Buffer.from(text))
    const id = Buffer.from(pieceLayer).toString('hex') as FileId
    return { path, size, mtimeMs, ino, root: id, pieceLength: PIECE_BYTES, pieceLayer }
  })
  const { metainfo } = buildMetainfo({
    name: 'Album',
    pieceLength: PIECE_BYTES,
    files: files.map(({ path, size, root: id }) => ({
      path: path.slice(root.length + 1).split('/'),
      length: size,
      root: id,
      layerPieceLength: PIECE_BYTES
    })),
    sha256
  })
  return { root, metainfo, files }
}

const namesIn = (library: Library): string[] =>
  library
    .shares()
    .flatMap(({ entries }) => entries!.map(({ path }) => path.slice(path.indexOf('/') + 1)))
    .sort()

const shareAgain = (library: Library, root: string, hidden = false): Promise<unknown> =>
  Array.fromAsync(library.share([root], { hidden }))

test('a fetched collection keeps all its names, and so its infohash; what else is hidden there is not shared', async () => {
  const library = makeLibrary()
  const { root, metainfo, files } = fetched()
  await library.addFinished(root, files, { metainfo, trackers: [] })
  put(
    { '.ssh/id_ed25519': 'own', '.own': 'own', '.git/config': 'own', '.git/objects/own': 'own', 'x.tmp': 'own' },
    root
  )
  for (let round = 0; round < 2; round++) {
    await shareAgain(library, root)
    assert.deepEqual(namesIn(library), Object.keys(ALBUM).sort())
    assert.equal(library.shares()[0]?.infohash, metainfo.infohash)
  }
})

test('a kept name whose file was changed is not the fetched file any more', async () => {
  const library = makeLibrary()
  const { root, metainfo, files } = fetched()
  await library.addFinished(root, files, { metainfo, trackers: [] })
  put({ 'server.key': 'now it is a key', '.shoalignore': 'a.*\n' }, root)
  await shareAgain(library, root)
  // the rules are the user's own as soon as they are not the fetched ones
  await shareAgain(library, root)
  const left = Object.keys(ALBUM).filter(name => !['server.key', '.shoalignore', 'a.flac'].includes(name))
  assert.deepEqual(namesIn(library), left.sort())
  assert.notEqual(library.shares()[0]?.infohash, metainfo.infohash)
})

test('a fetch into a share with hidden files leaves it one; without the option they are withdrawn', async () => {
  const library = makeLibrary()
  const { root, metainfo, files } = fetched()
  put({ '.own': 'own' }, root)
  await shareAgain(library, root, true)
  await library.addFinished(root, files, { metainfo, trackers: [] })
  await shareAgain(library, root, true)
  assert.ok(namesIn(library).includes('.own'))
  await shareAgain(library, root, false)
  for (const name of namesIn(library)) assert.doesNotMatch(name, /^\.|key$/)
})

test('a file that is shared by itself is shared whatever it is called, also when it has changed', async () => {
  const library = makeLibrary()
  const path = join(put({ 'server.key': 'no key at all' }), 'server.key')
  await shareAgain(library, path)
  writeFileSync(path, 'nor is this')
  await shareAgain(library, path)
  assert.deepEqual(
    library.shares()[0]?.entries?.map(({ size }) => size),
    [11]
  )
})
