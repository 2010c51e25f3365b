import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { absoluteShare } from '../../daemon/caller-paths.ts'
import { ShoalError } from '../../errors.ts'
import type { Context } from '../context.ts'
import { shown } from '../escape.ts'
import { interruptible, withPeer } from '../peer.ts'

/** Writes the `.torrent` of a share. A file that is there is never replaced. */
export async function torrent(context: Context, share: string, file: string | undefined): Promise<void> {
  const { out } = context
  await withPeer(context, 'home', async shoal => {
    const made = await interruptible(context, shoal.torrent(absoluteShare(share)))
    const path = resolve(file ?? `${made.name}.torrent`)
    try {
      await writeFile(path, Buffer.from(made.torrent, 'base64'), { flag: 'wx' })
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      if (code === 'EEXIST')
        throw new ShoalError('EXISTS', `${path} exists already`, { next: 'Give another file name.' })
      throw new ShoalError('PERMISSION', `cannot write ${path}: ${message}`, { cause: error })
    }
    out.record('torrent', { file: path, infohash: made.infohash })
    out.say(shown(path))
  })
}
