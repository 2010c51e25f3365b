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

/**
 * Walks a folder: every file that may be shared, and why the others may not. Links are not followed, so there are no
 * loops and nothing outside the folder is shared. One folder is open at a time for each level.
 */
export async function* scan(
  root: string,
  options: { hidden: boolean; exclude: readonly string[] }
): AsyncGenerator<Scanned> {
  const open = [{ folder: root, parts: [] as string[], rules: new IgnoreRules() }]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { folder, parts } = next
    const rules = await next.rules.enter(folder, parts)
    let entries: AsyncIterable<Dirent>
    try {
      entries = await opendir(folder)
    } catch (error) {
      yield problem(parts.join('/') || '.', error)
      continue
    }
    const folders: typeof open = []
    try {
      for await (const entry of entries) {
        const inner = [...parts, entry.name]
        const path = inner.join('/')
        const absolute = join(folder, entry.name)
        const isFolder = entry.isDirectory()
        const reason = skipReason(entry, isFolder, inner, rules, options)
        if (reason !== undefined) {
          if (entry.name !== IGNORE_FILE) yield { type: 'skipped', path, reason }
        } else if (options.exclude.includes(absolute)) {
          yield { type: 'skipped', path, reason: 'secret' }
        } else if (isFolder) {
          if (inner.length < MAX_DEPTH) folders.push({ folder: absolute, parts: inner, rules })
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
  options: { hidden: boolean }
): SkipReason | undefined {
  if (entry.isSymbolicLink()) return 'link'
  if (!isFolder && !entry.isFile()) return 'special'
  const byName = skipByName(entry.name, isFolder, options.hidden)
  if (byName !== undefined) return byName
  if (entry.name === IGNORE_FILE || rules.ignores(parts, isFolder)) return 'ignored'
  try {
    checkName(entry.name)
  } catch (error) {
    if (error instanceof PathError) return 'name'
    throw error
  }
  return undefined
}

function problem(path: string, error: unknown): Scanned {
  const { code = 'IO_FAILED', message } = error as NodeJS.ErrnoException
  return { type: 'problem', path, code, message }
}
