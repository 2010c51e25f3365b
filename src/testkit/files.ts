import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { seededRng } from '../../protocols/core/rng.ts'

const STEP_BYTES = 1024 * 1024

/** Writes a file of bytes that cannot be compressed and are the same for the same seed. */
export async function writeRandomFile(path: string, bytes: number, seed: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const rng = seededRng(seed)
  const words = new Uint32Array(STEP_BYTES / 4)
  const file = await open(path, 'w')
  try {
    for (let left = bytes; left > 0; left -= STEP_BYTES) {
      for (let i = 0; i < words.length; i++) words[i] = rng.uint32()
      await file.write(new Uint8Array(words.buffer, 0, Math.min(left, STEP_BYTES)))
    }
  } finally {
    await file.close()
  }
}

/** SHA-256 of a file's bytes as hex. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: STEP_BYTES }), hash)
  return hash.digest('hex')
}
