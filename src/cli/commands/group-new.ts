import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { ShoalError } from '../../errors.ts'
import { newGroupKey } from '../../libp2p/group-key.ts'
import type { Context } from '../context.ts'
import { shown } from '../escape.ts'

const DEFAULT_FILE = 'shoal-group.key'

/** Makes the key of a private group. The key itself is never printed. */
export async function groupNew({ out }: Context, file = DEFAULT_FILE): Promise<void> {
  const path = resolve(file)
  try {
    // never through what lies there already, be it a link
    await writeFile(path, newGroupKey(), { flag: 'wx', mode: 0o600 })
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') throw new ShoalError('EXISTS', `${path} exists already, and a key is never overwritten`)
    throw new ShoalError('PERMISSION', `cannot write ${path}: ${message}`, { cause: error })
  }
  out.record('group-key', { file: path })
  out.say(`${shown(path)} is the key of a new private group.`)
  out.say(
    'Copy it to each machine of the group by a way that nobody can read (scp, a USB stick), and start the peers with'
  )
  out.say('')
  out.say(`  shoal up --group ${shown(file)}`)
  out.say('')
  out.say(
    'Whoever has the file can join; nobody else can connect. Commands that start a peer of their own need it too.'
  )
}
