import type { Context } from '../context.ts'
import { interruptible, withPeer } from '../peer.ts'
import { removedText } from '../watch-text.ts'

export async function unwatch(context: Context, numbers: number[]): Promise<void> {
  const { out } = context
  await withPeer(context, 'home', async shoal => {
    for (const number of numbers) {
      const removed = await interruptible(context, shoal.unwatch(number))
      out.record('unwatched', removed)
      out.say(removedText(removed))
    }
  })
}
