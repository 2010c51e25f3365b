import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import type { FileId } from '../../../protocols/core/ids.ts'
import { ContentError } from '../../../protocols/exchange/content.ts'
import { ShoalError } from '../../errors.ts'
import { PARTIAL_ENDING } from '../ignore.ts'
import { asContentError, type Files } from './files.ts'

/** Digits of the file's id in the name of its partial file. */
const ID_DIGITS = 16
/** File systems take 255 bytes; the ending of a partial file needs room. */
const LONGEST_WITH_ENDING = 255 - ID_DIGITS - 1 - PARTIAL_ENDING.length

/**
 * Where a file is put while it is being fetched: beside its place. Its id is a part of the name, so that another file
 * that is to have the same place never writes into it.
 */
export function partialPath(final: string, id: FileId): string {
  const folder = dirname(final)
  const name = final.slice(folder.length).replace(/^\//, '')
  const ending = `.${id.slice(0, ID_DIGITS)}${PARTIAL_ENDING}`
  if (Buffer.byteLength(name) <= LONGEST_WITH_ENDING) return final + ending
  return join(folder, createHash('sha256').update(name).digest('hex').slice(0, 32) + ending)
}

/**
 * Makes the folders `parts` below `root`, one by one. None of them may be a link: what a stranger named must stay below
 * the folder that the user named. @throws ContentError
 */
export async function makeFolders(files: Files, root: string, parts: readonly string[]): Promise<void> {
  let path = root
  for (const part of parts) {
    path = join(path, part)
    try {
      const stats = await files.lstat(path)
      if (stats === undefined) await files.mkdir(path)
      else if (!stats.isDirectory()) throw new ContentError('NOT_WRITABLE', `${path} is there and is not a folder`)
    } catch (error) {
      throw asContentError(error, path)
    }
  }
}

/**
 * Gives a whole partial file its name. Its bytes are on the disk first, and the name is never taken from another file.
 *
 * @throws ContentError, ShoalError EXISTS
 */
export async function giveName(files: Files, partial: string, final: string): Promise<void> {
  try {
    await files.link(partial, final)
    await files.unlink(partial)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') {
      if (await isSameFile(files, partial, final)) await files.unlink(partial)
      else throw new ShoalError('EXISTS', `${final} is there already`)
    } else if (code === 'EPERM' || code === 'ENOTSUP' || code === 'EMLINK' || code === 'ENOSYS') {
      if ((await files.lstat(final)) !== undefined) throw new ShoalError('EXISTS', `${final} is there already`)
      await files.rename(partial, final)
    } else {
      throw asContentError(error, final)
    }
  }
}

/** After a stop between `link` and `unlink`. */
async function isSameFile(files: Files, a: string, b: string): Promise<boolean> {
  const [one, other] = [await files.lstat(a), await files.lstat(b)]
  return one !== undefined && other !== undefined && one.ino === other.ino && one.dev === other.dev
}
