import { randomBytes } from 'node:crypto'
import { chmod, link, open, readFile, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { ShoalError } from '../errors.ts'

/**
 * The key that makes this node the peer it is: read from its file, or made when there is none. The file is for its owner
 * alone (0600).
 *
 * @throws ShoalError BAD_KEY when the file is damaged, PERMISSION when it cannot be read or written
 */
export async function loadOrCreateKey(path: string): Promise<PrivateKey> {
  let bytes: Uint8Array
  try {
    bytes = await readFile(path)
    if (((await stat(path)).mode & 0o077) !== 0) await chmod(path, 0o600)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return await createKey(path)
    throw new ShoalError('PERMISSION', `cannot read the key file ${path}: ${(error as Error).message}`, {
      cause: error
    })
  }
  try {
    const key = privateKeyFromProtobuf(bytes)
    if (key.type !== 'Ed25519') throw new Error(`it holds a key of type ${key.type}`)
    return key
  } catch (error) {
    throw new ShoalError('BAD_KEY', `the key file ${path} is damaged: ${(error as Error).message}`, { cause: error })
  }
}

async function createKey(path: string): Promise<PrivateKey> {
  const key = await generateKeyPair('Ed25519')
  const draft = join(dirname(path), `.key-${randomBytes(6).toString('hex')}`)
  try {
    const file = await open(draft, 'wx', 0o600)
    try {
      await file.writeFile(privateKeyToProtobuf(key))
      await file.sync()
    } finally {
      await file.close()
    }
    // a link never replaces a key that somebody else has just made
    await link(draft, path)
    return key
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return await loadOrCreateKey(path)
    throw new ShoalError('PERMISSION', `cannot write the key file ${path}: ${(error as Error).message}`, {
      cause: error
    })
  } finally {
    await unlink(draft).catch(() => {})
  }
}
