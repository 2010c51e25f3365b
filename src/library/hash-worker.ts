import { type FileHandle, open } from 'node:fs/promises'
import { parentPort } from 'node:worker_threads'
import { hashLeaves, TreeBuilder } from '../../protocols/metainfo/index.ts'
import { sha256 } from '../sha256.ts'
import { looksSecret } from './ignore.ts'

/** Read at once; a multiple of every piece length below it. */
const READ_BYTES = 2 * 1024 * 1024

export interface HashJob {
  number: number
  path: string
  size: number
  pieceLength: number
  /** Leave out private keys, whatever they are called. */
  refuseSecrets: boolean
}

export type HashOrder = { type: 'hash'; jobs: HashJob[] } | { type: 'cancel'; numbers: number[] }

export type HashAnswer =
  | { number: number; type: 'progress'; bytes: number }
  | {
      number: number
      type: 'hashed'
      root: Uint8Array | undefined
      pieceLayer: Uint8Array | undefined
      mtimeMs: number
      ino: number
    }
  | { number: number; type: 'secret' | 'changed' | 'cancelled' }
  | { number: number; type: 'failed'; code: string; message: string }

const buffer = Buffer.allocUnsafeSlow(READ_BYTES)

const cancelled = new Set<number>() // BOUNDED by a batch

parentPort?.on('message', (order: HashOrder) => {
  if (order.type === 'cancel') for (const number of order.numbers) cancelled.add(number)
  else void hashAll(order.jobs)
})

/** The next batch comes when all of this one are answered. */
async function hashAll(jobs: HashJob[]): Promise<void> {
  cancelled.clear()
  for (const job of jobs) parentPort?.postMessage(await hashFile(job))
}

async function hashFile(job: HashJob): Promise<HashAnswer> {
  const { number } = job
  if (cancelled.has(number)) return { number, type: 'cancelled' }
  let file: FileHandle | undefined
  try {
    file = await open(job.path, 'r')
    const before = await file.stat()
    if (before.size !== job.size) return { number, type: 'changed' }
    const { mtimeMs, ino } = before
    if (job.size === 0) return { number, type: 'hashed', root: undefined, pieceLayer: undefined, mtimeMs, ino }

    const tree = new TreeBuilder({ length: job.size, pieceLength: job.pieceLength, sha256 })
    const step = Math.max(READ_BYTES, job.pieceLength)
    const room = step > buffer.byteLength ? Buffer.allocUnsafeSlow(step) : buffer
    for (let at = 0; at < job.size; at += step) {
      const length = Math.min(step, job.size - at)
      if (!(await readFully(file, room, length, at))) return { number, type: 'changed' }
      if (at === 0 && job.refuseSecrets && looksSecret(room.subarray(0, length))) return { number, type: 'secret' }
      for (let piece = 0; piece < length; piece += job.pieceLength) {
        tree.addPiece(hashLeaves(room.subarray(piece, Math.min(piece + job.pieceLength, length)), sha256))
      }
      if (cancelled.has(number)) return { number, type: 'cancelled' }
      parentPort?.postMessage({ number, type: 'progress', bytes: length } satisfies HashAnswer)
    }
    const after = await file.stat()
    if (after.size !== before.size || after.mtimeMs !== before.mtimeMs) return { number, type: 'changed' }
    return { number, type: 'hashed', ...tree.finish(), mtimeMs, ino }
  } catch (error) {
    const { code = 'IO_FAILED', message } = error as NodeJS.ErrnoException
    return { number, type: 'failed', code, message }
  } finally {
    await file?.close()
  }
}

async function readFully(file: FileHandle, into: Buffer, length: number, position: number): Promise<boolean> {
  for (let have = 0; have < length; ) {
    const { bytesRead } = await file.read(into, have, length - have, position + have)
    if (bytesRead === 0) return false
    have += bytesRead
  }
  return true
}
