import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { generateKey } from '@libp2p/pnet'
import { ShoalError } from '../errors.ts'

const KEY_FILE_BYTES = 95
const FORMAT = /^\/key\/swarm\/psk\/1\.0\.0\/\r?\n\/base16\/\r?\n[0-9a-f]{64}\s*$/

/** A new pre-shared group key in libp2p's text format (pnet). Whoever has it can join, nobody else can connect. */
export function newGroupKey(): string {
  const key = new Uint8Array(KEY_FILE_BYTES)
  generateKey(key)
  return `${new TextDecoder().decode(key).trimEnd()}\n`
}

const NEXT = 'Give --group the file that `shoal group new` made: a copy of the same one on every machine of the group.'

/** @throws ShoalError BAD_KEY */
export async function readGroupKey(path: string): Promise<Uint8Array> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    throw new ShoalError('BAD_KEY', `cannot read the group key ${path}: ${(error as Error).message}`, {
      cause: error,
      next: NEXT
    })
  }
  if (!FORMAT.test(text)) throw new ShoalError('BAD_KEY', `${path} is no group key`, { next: NEXT })
  return new TextEncoder().encode(text.trimEnd())
}

/** A name for the group that tells nothing of its key: groups on one network look for their own members only. */
export function groupTag(key: Uint8Array | undefined): string {
  if (key === undefined) return '_shoal'
  return `_shoal-${createHash('sha256').update('shoal group').update(key).digest('hex').slice(0, 12)}`
}
