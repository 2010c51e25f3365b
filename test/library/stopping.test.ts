import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import type { ShareEvent } from '../../src/api.ts'
import { Catalogue } from '../../src/library/catalogue.ts'
import { HashPool } from '../../src/library/hash-pool.ts'
import { Indexer } from '../../src/library/indexer.ts'
import { Library } from '../../src/library/library.ts'
import { librarySchema } from '../../src/library/schema.ts'

const GIB = 1024 ** 3
const LONG_BYTES = 16 * GIB

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'shoal-stopping-')))
const open: { close(): Promise<void> }[] = []
after(async () => {
  await Promise.all(open.map(library => library.close()))
  rmSync(folder, { recursive: true })
})

let made = 0
/** A folder with files that are all hole: they take no room, and longer to hash than any test waits. */
function longFolder(): string {
  const root = join(folder, `long${made++}`)
  mkdirSync(root)
  for (let i = 0; i <= availableParallelism(); i++) {
    writeFileSync(join(root, `${i}.bin`), `${i}`)
    truncateSync(join(root, `${i}.bin`), LONG_BYTES)
  }
  return root
}

function makeDatabase(): DatabaseSync {
  const database = new DatabaseSync(':memory:')
  database.exec(`PRAGMA foreign_keys = ON; ${librarySchema}`)
  return database
}

function makeLibrary(): Library {
  const database = makeDatabase()
  const library = new Library({ database, exclude: [], watch: false, addresses: () => [] })
  open.push(library)
  return library
}

/** Shares it, and calls `during` in the middle of the hashing. */
async function shareAnd(
  library: Library,
  path: string,
  during: () => Promise<unknown> | unknown,
  signal?: AbortSignal
): Promise<ShareEvent[]> {
  const events: ShareEvent[] = []
  let called: Promise<unknown> | unknown
  for await (const event of library.share([path], signal === undefined ? {} : { signal })) {
    events.push(event)
    if (event.type === 'hashing') called ??= during()
  }
  await called
  return events
}

test('a file whose signal fires is hashed no further, and its place is free for others', async () => {
  const pool = new HashPool()
  open.push(pool)
  const root = longFolder()
  const small = join(root, 'small')
  writeFileSync(small, 'small')
  const abort = new AbortController()
  let steps = 0
  const files = Array.from({ length: availableParallelism() + 1 }, (_, i) => join(root, `${i}.bin`))
  const hashing = files.map(path =>
    pool.hash(
      { path, size: LONG_BYTES, refuseSecrets: false },
      () => {
        steps++
        abort.abort(new Error('enough'))
      },
      abort.signal
    )
  )
  for (const result of await Promise.allSettled(hashing)) {
    assert.equal(result.status === 'rejected' && result.reason.message, 'enough')
  }
  const before = steps
  const result = await pool.hash({ path: small, size: 5, refuseSecrets: false }, () => {}, new AbortController().signal)
  assert.equal(result.type, 'hashed')
  assert.equal(steps, before)
  await assert.rejects(
    pool.hash({ path: small, size: 5, refuseSecrets: false }, () => {}, abort.signal),
    /enough/
  )
})

test('a share that is interrupted stops hashing, and the next one does not wait for it', async () => {
  const library = makeLibrary()
  const root = longFolder()
  const abort = new AbortController()
  await shareAnd(library, root, () => abort.abort(), abort.signal)
  for (let i = 0; i <= availableParallelism(); i++) rmSync(join(root, `${i}.bin`))
  writeFileSync(join(root, 'small'), 'small')
  const events = await shareAnd(library, root, () => {})
  assert.equal(events.at(-1)?.type, 'shared')
  assert.equal(library.shares()[0]?.files, 1)
  assert.equal(library.totals().hashing, 0)
})

test('a folder that is unshared while it is hashed: its share ends and says so, and it can be shared again', async () => {
  const library = makeLibrary()
  const root = longFolder()
  const sharing = shareAnd(library, root, async () => {
    assert.ok(library.totals().hashing > 0)
    assert.deepEqual(await library.unshare([root]), [root])
  })
  await assert.rejects(sharing, (error: Error & { code: string; next: string }) => {
    assert.equal(error.code, 'INTERRUPTED')
    assert.equal(error.message, `${root} was unshared`)
    assert.match(error.next, /Share it again/)
    return true
  })
  assert.deepEqual(library.shares(), [])
  assert.deepEqual(library.totals(), { files: 0, bytes: 0, hashing: 0 })
  for (let i = 0; i <= availableParallelism(); i++) rmSync(join(root, `${i}.bin`))
  writeFileSync(join(root, 'small'), 'small')
  assert.equal((await shareAnd(library, root, () => {})).at(-1)?.type, 'shared')
})

test('a run that waits for one that is stopped does not begin', async () => {
  const catalogue = new Catalogue(makeDatabase())
  const indexer = new Indexer(catalogue, [])
  open.push(indexer)
  const path = longFolder()
  const share = catalogue.addShare({ path, name: 'long', folder: true, hidden: false })
  const { signal } = new AbortController()
  const begun = Promise.withResolvers<void>()
  const observer = { scanned() {}, progress: () => begun.resolve(), problem() {} }
  const runs = [1, 2, 3].map(() => indexer.run(share, observer, false, signal))
  await begun.promise
  const stopped = indexer.stop(share)
  catalogue.removeShare(share.id)
  for (const run of runs) await assert.rejects(run, { code: 'INTERRUPTED', message: `${path} was unshared` })
  await stopped
  assert.equal(indexer.filesToHash, 0)
})
