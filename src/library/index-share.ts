import { type FileId, idFromBytes } from '../../protocols/core/ids.ts'
import { pieceLengthFor } from '../../protocols/metainfo/index.ts'
import type { Catalogue, ShareRow } from './catalogue.ts'
import type { HashPool, HashResult } from './hash-pool.ts'
import { isLeftOutByName } from './ignore.ts'
import { type ScannedFile, scan, statFile } from './scan.ts'

/** Files handed to the hash pool and not yet in the catalogue: bounds what a large share holds in memory. */
const MAX_UNDER_WAY = 1_024
/** See `settle`. */
const SETTLED_MS = 1_500

export interface IndexObserver {
  scanned(totals: { files: number; bytes: number; skipped: number }): void
  progress(done: { files: number; bytes: number }, all: { files: number; bytes: number }): void
  problem(path: string, code: string, message: string): void
}

export interface IndexOutcome {
  changed: boolean
  /** Files that were still being written: look again soon. */
  unsettled: number
  hashedBytes: number
}

/**
 * Brings the catalogue's rows of one share up to date with the disk: files that are as they were are left alone, others
 * are hashed, and those that are gone are removed.
 */
export async function indexShare(
  share: ShareRow,
  parts: {
    catalogue: Catalogue
    pool: HashPool
    /** Absolute paths that are never shared. */
    exclude: readonly string[]
    /** Leave files alone that were changed a moment ago: they are probably still being written. */
    settle: boolean
    observer: IndexObserver
    signal: AbortSignal
  }
): Promise<IndexOutcome> {
  const { catalogue, observer, signal } = parts
  const number = catalogue.beginScan()
  const outcome: IndexOutcome = { changed: false, unsettled: 0, hashedBytes: 0 }
  const changed: ScannedFile[] = [] // BOUNDED by what has changed: a few hundred bytes a file
  let skipped = 0
  let files = 0
  let bytes = 0
  let failed = false

  const kept = fetchedNames(catalogue, share)
  const found = share.folder
    ? scan(share.path, { hidden: share.hidden, exclude: parts.exclude, kept })
    : [await statFile(share.name, share.path)]
  for await (const item of found) {
    signal.throwIfAborted()
    if (item.type === 'skipped') skipped++
    else if (item.type === 'problem') {
      failed ||= item.path === '.'
      observer.problem(item.path, item.code, item.message)
    } else {
      const isKnown = catalogue.touch(share.id, item, number)
      if (!isKnown && kept.has(item.path)) {
        // it is not the file that was fetched; rules of the user's own may have come with it
        skipped++
        outcome.unsettled++
        continue
      }
      files++
      bytes += item.size
      if (isKnown) continue
      if (parts.settle && Math.abs(Date.now() - item.mtimeMs) < SETTLED_MS) {
        outcome.unsettled++
        continue
      }
      changed.push(item)
    }
  }
  observer.scanned({ files, bytes, skipped })

  await hashAll(share, changed, parts, outcome)
  signal.throwIfAborted()
  // a folder that cannot be read at all may be a drive that is not plugged in: keep what is known of it
  if (!failed && !(!share.folder && files === 0 && (await isAway(share.path)))) {
    if (catalogue.removeUnseen(share.id, number) > 0) outcome.changed = true
  }
  catalogue.setSkipped(share.id, skipped)
  return outcome
}

/**
 * Files that a scan would leave out for their names: they came with a collection, whose infohash is of all of them.
 */
function fetchedNames(catalogue: Catalogue, share: ShareRow): Set<string> {
  const names = new Set<string>()
  // a file that the user named is not scanned for
  if (!share.folder) return names
  for (const path of catalogue.pathsOf(share.id)) if (isLeftOutByName(path, share.hidden)) names.add(path)
  return names
}

async function hashAll(
  share: ShareRow,
  changed: readonly ScannedFile[],
  { catalogue, pool, observer, signal: outer }: Parameters<typeof indexShare>[1],
  outcome: IndexOutcome
): Promise<void> {
  const all = { files: changed.length, bytes: changed.reduce((sum, { size }) => sum + size, 0) }
  const done = { files: 0, bytes: 0 }
  const underWay = new Set<Promise<void>>() // BOUNDED by MAX_UNDER_WAY
  const failure = new AbortController()
  const signal = AbortSignal.any([outer, failure.signal])
  try {
    for (const file of changed) {
      signal.throwIfAborted()
      let reported = 0
      const onProgress = (stepBytes: number): void => {
        reported += stepBytes
        done.bytes += stepBytes
        observer.progress(done, all)
      }
      const hashing = pool
        .hash({ path: file.absolute, size: file.size, refuseSecrets: !share.hidden }, onProgress, signal)
        .then(result => {
          // it may have been ready when the run was stopped
          signal.throwIfAborted()
          done.files++
          done.bytes += file.size - reported
          outcome.hashedBytes += file.size
          store(share, file, result, catalogue, observer, outcome)
          observer.progress(done, all)
        })
        .finally(() => underWay.delete(hashing))
      underWay.add(hashing)
      if (underWay.size >= MAX_UNDER_WAY) await Promise.race(underWay)
    }
    await Promise.all(underWay)
  } finally {
    // nothing goes on behind a run that has failed
    failure.abort()
    await Promise.allSettled(underWay)
  }
}

function store(
  share: ShareRow,
  file: ScannedFile,
  result: HashResult,
  catalogue: Catalogue,
  observer: IndexObserver,
  outcome: IndexOutcome
): void {
  if (result.type === 'hashed') {
    outcome.changed = true
    catalogue.putFile(
      {
        share: share.id,
        path: file.path,
        size: file.size,
        mtimeMs: result.mtimeMs,
        ino: result.ino,
        root: result.root === undefined ? undefined : idFromBytes<FileId>(result.root),
        pieceLength: pieceLengthFor(file.size),
        pieceLayer: result.pieceLayer
      },
      share.name,
      share.folder
    )
    return
  }
  if (catalogue.removeFile(share.id, file.path)) outcome.changed = true
  if (result.type === 'changed') outcome.unsettled++
  else if (result.type === 'failed') observer.problem(file.path, result.code, result.message)
}

async function isAway(path: string): Promise<boolean> {
  const folder = path.slice(0, path.lastIndexOf('/')) || '/'
  return (await statFile('', folder)).type === 'problem'
}
