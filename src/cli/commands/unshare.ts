import { absoluteShare } from '../../daemon/caller-paths.ts'
import type { Context } from '../context.ts'
import { shown } from '../escape.ts'
import { interruptible, withPeer } from '../peer.ts'

export async function unshare(context: Context, paths: string[]): Promise<void> {
  const { out } = context
  await withPeer(context, 'home', async shoal => {
    const removed = await interruptible(context, shoal.unshare(paths.map(absoluteShare)))
    for (const path of removed) {
      out.record('unshared', { path })
      out.say(`no longer shared: ${shown(path)}`)
    }
  })
}
