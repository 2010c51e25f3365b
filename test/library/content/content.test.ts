import assert from 'node:assert/strict'
import type { Stats } from 'node:fs'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, afterEach, test } from 'node:test'
import { type FileId, idFromBytes, idToBytes } from '../../../protocols/core/ids.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import type { Content } from '../../../protocols/exchange/content.ts'
import {
  BLOCK_BYTES,
  FileTree,
  hashLeaves,
  Layout,
  pieceLengthFor,
  TreeBuilder
} from '../../../protocols/metainfo/index.ts'
import { type Files, type OpenFile, realFiles } from '../../../src/library/content/files.ts'
import { HandlePool } from '../../../src/library/content/handle-pool.ts'
import { PartialContent } from '../../../src/library/content/partial-content.ts'
import { PieceCache } from '../../../src/library/content/piece-cache.ts'
import { partialPath } from '../../../src/library/content/place.ts'
import { SharedContent } from '../../../src/library/content/shared-content.ts'
import { TransferState, transferSchema } from '../../../src/library/content/transfer-state.ts'
import { VerifiedFile } from '../../../src/library/content/verified-file.ts'
import { sha256 } from '../../../src/sha256.ts'
import { eventually } from '../../../src/testkit/wait.ts'

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'shoal-content-')))
after(() => rmSync(folder, { recursive: true }))
let made = 0
const fresh = (): string => {
  const path = join(folder, `t${made++}`)
  mkdirSync(path)
  return path
}

interface Source {
  layout: Layout
  files: { path: string[]; data: Uint8Array }[]
  seed: SharedContent
  disk: string
  changed: string[]
}

function randomBytes(length: number, seed: number): Uint8Array {
  const rng = seededRng(seed)
  return Uint8Array.from({ length }, () => rng.uint32() & 0xff)
}

const left = new Set<OpenFile>()
/** What a test leaves open, as a machine does that stops, is closed at its end. */
const diskFiles: Files = {
  ...realFiles,
  async open(path, how) {
    const file = await realFiles.open(path, how)
    left.add(file)
    return {
      ...file,
      async close() {
        left.delete(file)
        await file.close()
      }
    }
  }
}
afterEach(async () => {
  for (const file of left) await file.close()
  left.clear()
})

/** Files on disk, and a seed that serves them. */
function source(sizes: Record<string, number>, pieceLength = 4 * BLOCK_BYTES): Source {
  const disk = fresh()
  const changed: string[] = []
  const files = Object.entries(sizes).map(([path, length], i) => ({
    path: path.split('/'),
    data: randomBytes(length, i + 1)
  }))
  const trees = files.map(({ data }) => treeOf(data, pieceLengthFor(data.byteLength)))
  const layout = new Layout(
    pieceLength,
    files.map(({ path, data }, i) => ({ path, length: data.byteLength, root: trees[i]?.root }))
  )
  const located = files.map(({ path, data }, i) => {
    const at = join(disk, ...path)
    mkdirSync(join(at, '..'), { recursive: true })
    writeFileSync(at, data)
    const { mtimeMs, ino } = statSync(at)
    const tree = trees[i]
    return (
      tree && {
        path: at,
        size: data.byteLength,
        mtimeMs,
        ino,
        pieceLength: pieceLengthFor(data.byteLength),
        pieceLayer: tree.pieceLayer
      }
    )
  })
  const seed = new SharedContent({
    layout,
    files: located,
    storage: storage(diskFiles),
    onChanged: path => changed.push(path)
  })
  return { layout, files, seed, disk, changed }
}

function treeOf(data: Uint8Array, pieceLength: number): { root: FileId; pieceLayer: Uint8Array } | undefined {
  if (data.byteLength === 0) return undefined
  const builder = new TreeBuilder({ length: data.byteLength, pieceLength, sha256 })
  for (let at = 0; at < data.byteLength; at += pieceLength)
    builder.addPiece(hashLeaves(data.subarray(at, at + pieceLength), sha256))
  const { root, pieceLayer } = builder.finish()
  return { root: idFromBytes<FileId>(root), pieceLayer }
}

function storage(files: Files) {
  return { handles: new HandlePool(files, 8), cache: new PieceCache(1024 * 1024) }
}

function state(): TransferState {
  const database = new DatabaseSync(':memory:')
  database.exec(`PRAGMA foreign_keys = ON; ${transferSchema}`)
  const made = new TransferState(database)
  made.put({
    id: 'swarm',
    name: 'things',
    folder: '',
    size: 0,
    info: undefined,
    sources: { holders: [], addresses: [], trackers: [] }
  })
  return made
}

const openPartial = (
  from: Source,
  target: string,
  at: TransferState,
  files: Files = diskFiles,
  name: string | undefined = 'things'
): Promise<PartialContent> =>
  PartialContent.open({
    id: 'swarm',
    layout: from.layout,
    folder: target,
    name,
    state: at,
    storage: storage(files),
    files
  })

/** Moves block by block what is missing, as the exchange does, until `limit` blocks have been moved. */
async function fetch(from: Content, to: Content, limit = Number.POSITIVE_INFINITY): Promise<number> {
  let moved = 0
  for (let piece = 0; piece < to.layout.pieceCount; piece++) {
    for (let block = 0; block < to.layout.blocksIn(piece); block++) {
      if (to.hasBlock(piece, block)) continue
      if (moved >= limit) return moved
      const file = to.layout.fileOfPiece(piece)
      for (let range = to.missingHashes(piece); range !== undefined; range = to.missingHashes(piece)) {
        assert.equal(to.addHashes(file, range, (await from.hashes(file, range))!), 'good')
      }
      const begin = block * BLOCK_BYTES
      const bytes = await from.read(piece, begin, to.layout.blockSize(piece, block))
      assert.equal(to.verify(piece, begin, [bytes]), 'good')
      await to.write(piece, begin, [bytes.subarray(0, 100), bytes.subarray(100)])
      moved++
    }
  }
  return moved
}

function assertWhole(from: Source, target: string): void {
  for (const { path, data } of from.files) {
    assert.equal(Buffer.compare(readFileSync(join(target, 'things', ...path)), data), 0, path.join('/'))
  }
  const left = readdirSync(target, { recursive: true })
    .map(String)
    .filter(name => name.endsWith('.shoal-part'))
  assert.deepEqual(left, [])
}

const SIZES = { 'a/one.bin': 300_000, 'a/two.bin': 16_384, empty: 0, 'z.bin': 70_001 }

test('a collection is fetched, verified block by block, and gets its names only when whole', async () => {
  const from = source(SIZES)
  const target = fresh()
  const to = await openPartial(from, target, state())
  const moved = await fetch(from.seed, to, 10)
  assert.equal(moved, 10)
  assert.equal(existsSync(join(target, 'things/a/one.bin')), false)
  assert.equal(to.bytes, 10 * BLOCK_BYTES)
  await fetch(from.seed, to)
  assert.equal(to.whole, true)
  const finished = await to.finish()
  assertWhole(from, target)
  assert.deepEqual(
    finished.map(({ size }) => size),
    [0, 300_000, 16_384, 70_001]
  )
  assert.ok(finished.every(({ size, pieceLayer }) => size === 0 || pieceLayer !== undefined))
  await to.close()
})

test('what was closed in good order goes on where it was, block by block', async () => {
  const from = source(SIZES)
  const target = fresh()
  const at = state()
  const first = await openPartial(from, target, at)
  await fetch(from.seed, first, 7)
  await first.close()
  const second = await openPartial(from, target, at)
  assert.equal(second.bytes, 7 * BLOCK_BYTES)
  const total = from.files.reduce((sum, { data }) => sum + Math.ceil(data.byteLength / BLOCK_BYTES), 0)
  assert.equal(await fetch(from.seed, second), total - 7)
  await second.finish()
  assertWhole(from, target)
})

test('after an unclean stop whole pieces are found again, and what is wrong is not', async () => {
  const from = source(SIZES)
  const target = fresh()
  const at = state()
  await fetch(from.seed, await openPartial(from, target, at), 11)
  const part = partialPath(join(target, 'things/a/one.bin'), from.layout.files[0]!.root!)
  const bytes = readFileSync(part)
  bytes[5 * BLOCK_BYTES] = bytes[5 * BLOCK_BYTES]! ^ 1
  writeFileSync(part, bytes)
  const again = await openPartial(from, target, at)
  assert.equal(again.bytes, 4 * BLOCK_BYTES, 'the first piece is right, the second was changed, the third is not whole')
  await fetch(from.seed, again)
  await again.finish()
  assertWhole(from, target)
})

test('a partial file that was changed after a clean stop is not believed', async () => {
  const from = source({ 'one.bin': 300_000 })
  const target = fresh()
  const at = state()
  const first = await openPartial(from, target, at)
  await fetch(from.seed, first, 8)
  await first.close()
  const part = partialPath(join(target, 'things/one.bin'), from.layout.files[0]!.root!)
  const bytes = readFileSync(part)
  bytes[0] = bytes[0]! ^ 1
  writeFileSync(part, bytes)
  utimesSync(part, 5, 5)
  const again = await openPartial(from, target, at)
  assert.equal(again.bytes, 4 * BLOCK_BYTES)
})

test('a partial leech serves the pieces it has, and no others', async () => {
  const from = source({ 'one.bin': 300_000 })
  const to = await openPartial(from, fresh(), state())
  await fetch(from.seed, to, 6)
  assert.deepEqual(Buffer.from(await to.read(0, 100, 1000)), Buffer.from(from.files[0]!.data.subarray(100, 1100)))
  await assert.rejects(to.read(1, 0, 1000), { code: 'CONTENT_GONE' })
  const other = await openPartial(from, fresh(), state())
  const layer = other.missingHashes(0)!
  assert.equal(other.addHashes(0, layer, (await to.hashes(0, layer))!), 'good')
  const leaves = other.missingHashes(0)!
  assert.equal(other.addHashes(0, leaves, (await to.hashes(0, leaves))!), 'good')
  assert.equal(await to.hashes(0, other.missingHashes(4)!), undefined)
})

test('nothing that is there is touched: a file of the same name, a folder, a link', async () => {
  const from = source({ 'a/one.bin': 50_000 })
  for (const plant of ['file', 'folder', 'link'] as const) {
    const target = fresh()
    const outside = fresh()
    if (plant === 'link') {
      mkdirSync(join(target, 'things'))
      symlinkSync(outside, join(target, 'things/a'))
      const to = await openPartial(from, target, state())
      await assert.rejects(fetch(from.seed, to), { code: 'NOT_WRITABLE' })
      assert.deepEqual(readdirSync(outside), [])
    } else {
      mkdirSync(join(target, 'things/a'), { recursive: true })
      if (plant === 'file') writeFileSync(join(target, 'things/a/one.bin'), 'mine')
      else mkdirSync(join(target, 'things/a/one.bin'))
      await assert.rejects(openPartial(from, target, state()), { code: 'EXISTS' })
    }
  }
})

test('a planted link in place of the partial file is not written through', async () => {
  const from = source({ 'one.bin': 50_000 })
  const target = fresh()
  const victim = join(fresh(), 'victim')
  writeFileSync(victim, 'precious')
  mkdirSync(join(target, 'things'))
  symlinkSync(victim, partialPath(join(target, 'things/one.bin'), from.layout.files[0]!.root!))
  await assert.rejects(async () => fetch(from.seed, await openPartial(from, target, state())), {
    code: /^(EXISTS|NOT_WRITABLE)$/
  })
  assert.equal(readFileSync(victim, 'utf8'), 'precious')
})

test('a file that is there already and is right is not fetched', async () => {
  const from = source({ 'one.bin': 100_000 })
  const target = fresh()
  mkdirSync(join(target, 'things'))
  writeFileSync(join(target, 'things/one.bin'), from.files[0]!.data)
  const to = await openPartial(from, target, state())
  assert.equal(to.whole, true)
  assert.equal(await fetch(from.seed, to), 0)
  await to.finish()
})

test('a shared file that was changed is never served, and is told', async () => {
  for (const change of ['bytes', 'shorter', 'gone'] as const) {
    const from = source({ 'one.bin': 600_000 })
    const path = join(from.disk, 'one.bin')
    if (change === 'gone') rmSync(path)
    else if (change === 'shorter') writeFileSync(path, from.files[0]!.data.subarray(0, 100))
    else {
      const { atime, mtime } = statSync(path)
      const bytes = Buffer.from(from.files[0]!.data)
      bytes[400_000]! ^= 1
      writeFileSync(path, bytes)
      utimesSync(path, atime, mtime)
    }
    const piece = Math.floor(400_000 / from.layout.pieceLength)
    await assert.rejects(from.seed.read(piece, 0, 16_384), {
      code: change === 'gone' ? 'CONTENT_GONE' : 'CONTENT_CHANGED'
    })
    assert.deepEqual(from.changed, [path])
  }
})

test('a piece is hashed once while its file lies still, and again when the file was touched', async context => {
  const from = source({ 'one.bin': 300_000 })
  const path = join(from.disk, 'one.bin')
  // nobody can set back the time of the last change, so the file system says so
  let ageMs = 3_600_000
  const files: Files = {
    ...diskFiles,
    async open(path, how) {
      const file = await diskFiles.open(path, how)
      const stat = async (): Promise<Stats> => {
        const stats = await file.stat()
        return Object.assign(stats, { mtimeMs: stats.mtimeMs - ageMs, ctimeMs: stats.ctimeMs - ageMs })
      }
      return { ...file, stat }
    }
  }
  const { root, length } = from.layout.files[0]!
  const pieceLength = from.layout.pieceLength
  let hashed = 0
  const tree = new FileTree({ root: idToBytes(root!), length, pieceLength, sha256 })
  assert.equal(tree.setPieceLayer(treeOf(from.files[0]!.data, pieceLength)!.pieceLayer), 'good')
  const { setLeaves } = tree
  tree.setLeaves = (piece, leaves) => {
    hashed++
    return setLeaves.call(tree, piece, leaves)
  }
  const reader = new VerifiedFile({ path, tree, storage: { handles: new HandlePool(files), cache: new PieceCache() } })
  const read = async (): Promise<void> => {
    const bytes = await reader.read(pieceLength, pieceLength)
    assert.equal(Buffer.compare(bytes, from.files[0]!.data.subarray(pieceLength, 2 * pieceLength)), 0)
  }
  await read()
  await read()
  assert.equal(hashed, 1)
  const touched = new Date()
  utimesSync(path, touched, touched)
  await read()
  assert.equal(hashed, 2)
  // a block of it costs a hash: its leaves are to be known
  await reader.read(pieceLength, 16_384)
  assert.equal(hashed, 3)
  reader.forget()

  // bytes are changed, and the time of writing is set back
  const bytes = Buffer.from(from.files[0]!.data)
  bytes[pieceLength + 5]! ^= 1
  writeFileSync(path, bytes)
  utimesSync(path, touched, touched)
  await assert.rejects(read(), { code: 'CONTENT_CHANGED' })

  // what was changed just now may be changed again without a trace
  ageMs = 0
  writeFileSync(path, from.files[0]!.data)
  hashed = 0
  await read()
  await read()
  assert.equal(hashed, 2)
  context.mock.timers.enable({ apis: ['Date'], now: Date.now() + 120_000 })
  await read()
  assert.equal(hashed, 3, 'found right while it was young')
  await read()
  assert.equal(hashed, 3)
})

/** A file system that fails, or is dead from then on, at its n-th operation. */
function failing(at: number, error: string | undefined): { files: Files; count: () => number } {
  let n = 0
  let dead = false
  const step = (): void => {
    n++
    if (dead || n === at) {
      dead = error === undefined
      throw Object.assign(new Error(error ?? 'the machine stops'), { code: error ?? 'EIO' })
    }
  }
  const files: Files = {
    ...diskFiles,
    async open(path, how) {
      step()
      const file = await diskFiles.open(path, how)
      return {
        ...file,
        async write(parts, position) {
          try {
            step()
          } catch (error) {
            // half of it is there
            await file.write([parts[0]!], position)
            throw error
          }
          await file.write(parts, position)
        },
        async datasync() {
          step()
          await file.datasync()
        }
      }
    },
    async mkdir(path) {
      step()
      await diskFiles.mkdir(path)
    },
    async link(a, b) {
      step()
      await diskFiles.link(a, b)
    },
    async unlink(path) {
      step()
      await diskFiles.unlink(path)
    }
  }
  return { files, count: () => n }
}

const SMALL = { 'a/one.bin': 150_000, 'b/two.bin': 20_000, empty: 0 }

test('stopped at any operation, it goes on to the right files, and no wrong file is ever seen', async () => {
  const from = source(SMALL)
  const counter = failing(Number.POSITIVE_INFINITY, undefined)
  const whole = await openPartial(from, fresh(), state(), counter.files)
  await fetch(from.seed, whole)
  await whole.finish()
  const operations = counter.count()
  assert.ok(operations > 15, `${operations} operations`)
  for (let n = 1; n <= operations; n++) {
    const target = fresh()
    const at = state()
    try {
      const to = await openPartial(from, target, at, failing(n, undefined).files)
      await fetch(from.seed, to)
      await to.finish()
    } catch {
      // the machine has stopped here
    }
    for (const { path, data } of from.files) {
      const final = join(target, 'things', ...path)
      if (existsSync(final)) assert.equal(Buffer.compare(readFileSync(final), data), 0, `operation ${n}`)
    }
    const again = await openPartial(from, target, at)
    await fetch(from.seed, again)
    await again.finish()
    assertWhole(from, target)
  }
})

for (const errno of ['ENOSPC', 'EIO', 'EACCES', 'EROFS', 'EMFILE']) {
  test(`${errno} at any operation is told, loses nothing, and the transfer goes on`, async () => {
    const from = source(SMALL)
    for (let n = 1; n <= 20; n++) {
      const target = fresh()
      const to = await openPartial(from, target, state(), failing(n, errno).files)
      let before = -1
      for (let tries = 0; tries < 4; tries++) {
        try {
          await fetch(from.seed, to)
          await to.finish()
          break
        } catch (error) {
          assert.match(
            (error as { code: string }).code,
            /^(DISK_FULL|NOT_WRITABLE|IO_FAILED)$/,
            `operation ${n}: ${error}`
          )
          assert.ok(to.bytes >= before)
          before = to.bytes
        }
      }
      assertWhole(from, target)
    }
  })
}

test('open files are bounded', async () => {
  const many = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`f${i}`, 20_000]))
  const from = source(many)
  const handles = new HandlePool(diskFiles, 8)
  const to = await PartialContent.open({
    id: 'swarm',
    layout: from.layout,
    folder: fresh(),
    name: 'things',
    state: state(),
    storage: { handles, cache: new PieceCache() }
  })
  await fetch(from.seed, to)
  assert.ok(handles.size <= 8, `${handles.size} open`)
  await to.finish()
  await to.close()
  assert.equal(handles.size, 0)
})

test('a file that grows while it is served is withdrawn at its next opening', async () => {
  const from = source({ 'one.bin': 50_000 })
  appendFileSync(join(from.disk, 'one.bin'), 'x')
  await assert.rejects(from.seed.read(0, 0, 100), { code: 'CONTENT_CHANGED' })
})

test('a large file is brought to the disk while more is fetched, and what fails there is told', async () => {
  const MIB = 1024 * 1024
  const layout = Layout.single('11'.repeat(32) as FileId, 5 * 16 * MIB, 'large')
  const { pieceLength } = layout
  let syncs = 0
  const files: Files = {
    ...diskFiles,
    async open(path, how) {
      const file = await diskFiles.open(path, how)
      return {
        ...file,
        async datasync() {
          if (++syncs === 2) throw Object.assign(new Error('the disk has a fault'), { code: 'EIO' })
        }
      }
    }
  }
  const at = state()
  at.put({
    id: 'large',
    name: 'large',
    folder: '',
    size: layout.length,
    info: undefined,
    sources: { holders: [], addresses: [], trackers: [] }
  })
  const content = await PartialContent.open({
    id: 'large',
    layout,
    folder: fresh(),
    name: undefined,
    state: at,
    storage: { handles: new HandlePool(files), cache: new PieceCache() },
    files
  })
  const piece = new Uint8Array(pieceLength)
  for (let i = 0; i < layout.pieceCount; i++) {
    await content.write(i, 0, [piece])
    const written = (i + 1) * pieceLength
    if (written === 32 * MIB || written === 64 * MIB) {
      await eventually('it is synced', () => syncs === written / (32 * MIB))
    }
  }
  await assert.rejects(content.finish(), { code: 'IO_FAILED' })
  await content.finish()
  assert.equal(syncs, 3)
  await content.close()
})
