import { resolve } from 'node:path'
import type { Share } from '../../api.ts'
import { ShoalError } from '../../errors.ts'
import type { Context } from '../context.ts'
import { shown } from '../escape.ts'
import { withPeer } from '../peer.ts'
import { reportShareEvent } from '../share-report.ts'

export async function share(context: Context, paths: string[], options: { hidden?: boolean }): Promise<void> {
  const { out, io } = context
  await withPeer(context, 'home', async (shoal, own) => {
    const hidden = options.hidden === true ? { hidden: true } : {}
    const absolute = paths.map(path => resolve(path))
    const shared: Share[] = []
    for await (const event of shoal.share(absolute, { ...hidden, signal: io.interrupted })) {
      reportShareEvent(event, out)
      if (event.type !== 'shared') continue
      shared.push(event.share)
      if (event.share.magnet !== '') out.say(`  ${shown(event.share.magnet)}`)
    }
    if (io.interrupted.aborted && shared.length < paths.length) {
      throw new ShoalError('INTERRUPTED', 'sharing was interrupted: what is hashed already is kept')
    }
    if (own) out.hint('Nobody can fetch it until a peer runs here: shoal up')
  })
}
