import type { Context } from '../context.ts'
import { placementText } from '../copies-text.ts'
import { interruptible, withPeer } from '../peer.ts'

export async function copies(context: Context, options: { recover?: boolean }): Promise<void> {
  const { out } = context
  await withPeer(context, 'network', async shoal => {
    const placements = await interruptible(context, shoal.copies({ recover: options.recover === true }))
    for (const placement of placements) out.record('placement', placement)
    if (placements.length === 0) out.say('Nothing was put elsewhere: shoal put PATH has other peers keep copies.')
    for (const [i, placement] of placements.entries()) {
      if (i > 0) out.say('')
      for (const [line, text] of placementText(placement, Date.now()).entries()) {
        out.say(line === 0 ? out.paint('bold', text) : text)
      }
    }
  })
}
