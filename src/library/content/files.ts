import { constants, type Stats } from 'node:fs'
import * as fs from 'node:fs/promises'
import { ContentError } from '../../../protocols/exchange/content.ts'

/** An open file, as far as content needs one. */
export interface OpenFile {
  /** Fills `into` from `position`; fewer bytes only at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>
  /** Writes all parts one behind the other. */
  write(parts: readonly Uint8Array[], position: number): Promise<void>
  stat(): Promise<Stats>
  /** Returns when the bytes are on the disk. */
  datasync(): Promise<void>
  close(): Promise<void>
}

/** The file system, as far as content needs one. Tests put one in its place that fails or stops at any operation. */
export interface Files {
  /** Never follows a link in the last part of the path. */
  open(path: string, how: 'read' | 'write'): Promise<OpenFile>
  lstat(path: string): Promise<Stats | undefined>
  /** One folder; the one above it exists. It may be there already. */
  mkdir(path: string): Promise<void>
  /** A second name for a file. Fails with EEXIST when the name is taken: nothing is ever replaced. */
  link(existing: string, name: string): Promise<void>
  /** Only where links do not work, onto a name that is free. */
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  /** Returns when the names in a folder are on the disk. */
  syncFolder(path: string): Promise<void>
}

const READ = constants.O_RDONLY | constants.O_NOFOLLOW
const WRITE = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW

export const realFiles: Files = {
  async open(path, how) {
    const handle = await fs.open(path, how === 'read' ? READ : WRITE, 0o644)
    return {
      async read(into, position) {
        let have = 0
        while (have < into.byteLength) {
          const { bytesRead } = await handle.read(into, have, into.byteLength - have, position + have)
          if (bytesRead === 0) break
          have += bytesRead
        }
        return have
      },
      async write(parts, position) {
        let length = 0
        for (const part of parts) length += part.byteLength
        const { bytesWritten } = await handle.writev(parts as Uint8Array[], position)
        // a disk that fills up takes a part of it and says why at the next call
        for (let done = bytesWritten; done < length; ) {
          const rest = skip(parts, done)
          done += (await handle.writev(rest, position + done)).bytesWritten
        }
      },
      stat: () => handle.stat(),
      datasync: () => handle.datasync(),
      close: () => handle.close()
    }
  },
  async lstat(path) {
    try {
      return await fs.lstat(path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  },
  async mkdir(path) {
    try {
      await fs.mkdir(path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  },
  link: (existing, name) => fs.link(existing, name),
  rename: (from, to) => fs.rename(from, to),
  unlink: path => fs.unlink(path),
  async syncFolder(path) {
    const handle = await fs.open(path, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  }
}

function skip(parts: readonly Uint8Array[], bytes: number): Uint8Array[] {
  const rest: Uint8Array[] = []
  let left = bytes
  for (const part of parts) {
    if (left >= part.byteLength) left -= part.byteLength
    else {
      rest.push(part.subarray(left))
      left = 0
    }
  }
  return rest
}

const CODES: Record<string, ContentError['code']> = {
  ENOSPC: 'DISK_FULL',
  EDQUOT: 'DISK_FULL',
  EFBIG: 'DISK_FULL',
  EROFS: 'NOT_WRITABLE',
  EACCES: 'NOT_WRITABLE',
  EPERM: 'NOT_WRITABLE',
  EISDIR: 'NOT_WRITABLE',
  ENOTDIR: 'NOT_WRITABLE',
  EEXIST: 'NOT_WRITABLE',
  ELOOP: 'NOT_WRITABLE',
  ENOENT: 'CONTENT_GONE'
}

/** What the file system threw, as an error of content. */
export function asContentError(error: unknown, path: string): ContentError {
  if (error instanceof ContentError) return error
  const { code = '', message } = error as NodeJS.ErrnoException
  return new ContentError(CODES[code] ?? 'IO_FAILED', `${path}: ${message}`, { cause: error })
}
