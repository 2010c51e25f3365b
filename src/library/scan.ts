import type { Dirent } from 'node:fs'
import { lstat, opendir } from 'node:fs/promises'
import { join } from 'node:path'
import { checkName, PathError } from '../../protocols/metainfo/index.ts'
import { IGNORE_FILE, IgnoreRules, type SkipReason, skipByName } from './ignore.ts'

/** Folders deeper than a path may have parts are not entered. */
const MAX_DEPTH = 63

export interface ScannedFile {
  type: 'file'
  /** Below the share, joined by `/`; the file's own name when the share is a file. */
  path: string
  absolute: string
  size: number
  mtimeMs: number
  ino: number
}

export type Scanned =
  | ScannedFile
  | { type: 'skipped'; path: string; reason: SkipReason }
  | { type: 'problem'; path: string; code: string; message: string }

export interface ScanOptions {
  /** Hidden files and well-known secrets are shared too. */
  hidden: boolean
  /** Absolute paths that are left out. */
  exclude: readonly string[]
  /** Paths below the root of files that are found whatever they are called. */
  kept: ReadonlySet<string>
}

interface OpenFolder {
  folder: string
  parts: string[]
  rules: IgnoreRules
  /** It was entered for the kept files in it alone. */
  forKept: boolean
}

/**
 * Walks a folder: every file that may be shared, and why the others may not. Links are not followed, so there are no
 * loops and nothing outside the folder is shared. One folder is open at a time for each level.
 */
export async function* scan(root: string, options: ScanOptions): AsyncGenerator<Scanned> {
  const keptFolders = foldersOf(options.kept)
  const open: OpenFolder[] = [{ folder: root, parts: [], rules: new IgnoreRules(), forKept: false }]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { folder, parts } = next
    // rules that were fetched with the files are a stranger's
    const areOwn = !options.kept.has([...parts, IGNORE_FILE].join('/'))
    const rules = areOwn ? await next.rules.enter(folder, parts) : next.rules
    let entries: AsyncIterable<Dirent>
    try {
      entries = await opendir(folder)
    } catch (error) {
      yield problem(parts.join('/') || '.', error)
      continue
    }
    const folders: OpenFolder[] = []
    try {
      for await (const entry of entries) {
        const inner = [...parts, entry.name]
        const path = inner.join('/')
        const absolute = join(folder, entry.name)
        const isFolder = entry.isDirectory()
        const byName = next.forKept ? 'hidden' : skipByName(entry.name, isFolder, options.hidden)
        const isKept = (isFolder ? keptFolders : options.kept).has(path)
        const reason = skipReason(entry, isFolder, inner, rules, isKept, byName)
        if (reason !== undefined) {
          if (entry.name !== IGNORE_FILE) yield { type: 'skipped', path, reason }
        } else if (options.exclude.includes(absolute)) {
          yield { type: 'skipped', path, reason: 'secret' }
        } else if (isFolder) {
          if (inner.length < MAX_DEPTH)
            folders.push({ folder: absolute, parts: inner, rules, forKept: byName !== undefined })
          else yield { type: 'problem', path, code: 'TOO_DEEP', message: 'the folder lies too deep' }
        } else {
          yield await statFile(path, absolute)
        }
      }
    } catch (error) {
      yield problem(parts.join('/') || '.', error)
    }
    open.push(...folders.reverse())
  }
}

/** A file that was named itself, or found. */
export async function statFile(path: string, absolute: string): Promise<Scanned> {
  try {
    const { size, mtimeMs, ino } = await lstat(absolute)
    return { type: 'file', path, absolute, size, mtimeMs, ino }
  } catch (error) {
    return problem(path, error)
  }
}

function skipReason(
  entry: Dirent,
  isFolder: boolean,
  parts: readonly string[],
  rules: IgnoreRules,
  isKept: boolean,
  byName: SkipReason | undefined
): SkipReason | undefined {
  if (entry.isSymbolicLink()) return 'link'
  if (!isFolder && !entry.isFile()) return 'special'
  if (byName !== undefined && !isKept) return byName
  if ((entry.name === IGNORE_FILE && !isKept) || rules.ignores(parts, isFolder)) return 'ignored'
  try {
    checkName(entry.name)
  } catch (error) {
    if (error instanceof PathError) return 'name'
    throw error
  }
  return undefined
}

/** All folders that the paths lie in. */
function foldersOf(paths: ReadonlySet<string>): Set<string> {
  const folders = new Set<string>()
  for (const path of paths) {
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) folders.add(path.slice(0, end))
  }
  return folders
}

function problem(path: string, error: unknown): Scanned {
  const { code = 'IO_FAILED', message } = error as NodeJS.ErrnoException
  return { type: 'problem', path, code, message }
}
