import { createHash } from 'node:crypto'
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { ShoalError } from './errors.ts'

/** Longest path that every system takes for a Unix socket, with room for its terminating zero. */
const MAX_SOCKET_PATH_BYTES = 100

/** A home directory that this process holds alone. Everything a node keeps is below it. */
export interface Home {
  readonly path: string
  readonly keyFile: string
  readonly database: string
  readonly socketPath: string
  /** What this node keeps for others. */
  readonly hosted: string
  /** Gives the directory back. Idempotent. A process that dies gives it back too. */
  release(): void
}

/**
 * Opens (and makes) a home directory and locks it. The lock is one that the operating system holds on an open file, so
 * it is gone with the process however that ends, and no age of a file is ever compared.
 *
 * @throws ShoalError ALREADY_RUNNING when another process, or this one, holds it; PERMISSION when it cannot be written
 */
export async function openHome(directory: string): Promise<Home> {
  const path = resolve(directory)
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
    if (((await stat(path)).mode & 0o077) !== 0) await chmod(path, 0o700)
  } catch (error) {
    throw new ShoalError('PERMISSION', `cannot use ${path} as home directory: ${(error as Error).message}`, {
      cause: error
    })
  }

  const lock = await takeLock(path)
  await writeFile(pidFileOf(path), `${process.pid}\n`, { mode: 0o600 })
  return {
    path,
    keyFile: join(path, 'key'),
    database: join(path, 'shoal.db'),
    hosted: join(path, 'hosted'),
    socketPath: socketPathOf(path),
    release() {
      if (lock.isOpen) lock.close()
    }
  }
}

/** Where the running node of a home directory listens for commands: in the directory unless its path is too long. */
export function socketPathOf(directory: string): string {
  const path = resolve(directory)
  const inside = join(path, 'shoal.sock')
  if (Buffer.byteLength(inside) <= MAX_SOCKET_PATH_BYTES) return inside
  const name = createHash('sha256').update(path).digest('hex').slice(0, 24)
  return join(process.env.XDG_RUNTIME_DIR ?? tmpdir(), `shoal-${name}.sock`)
}

async function takeLock(path: string): Promise<DatabaseSync> {
  let lock: DatabaseSync | undefined
  try {
    lock = new DatabaseSync(join(path, 'lock'), { timeout: 0 })
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
    return lock
  } catch (error) {
    lock?.close()
    if (/locked|busy/i.test((error as Error).message)) {
      const pid = (await readFile(pidFileOf(path), 'utf8').catch(() => '')).trim()
      const who = pid === '' ? 'another process' : `process ${pid}`
      throw new ShoalError('ALREADY_RUNNING', `${path} is in use by ${who}`)
    }
    throw new ShoalError('PERMISSION', `cannot lock ${path}: ${(error as Error).message}`, { cause: error })
  }
}

function pidFileOf(path: string): string {
  return join(path, 'pid')
}
