import type { Context } from '../context.ts'
import { interruptible, withPeer } from '../peer.ts'
import { ringText } from '../ring-text.ts'

export async function ring(context: Context): Promise<void> {
  const { out } = context
  await withPeer(context, 'network', async (shoal, own) => {
    const status = await interruptible(context, shoal.ring())
    out.record('ring', { ...status, running: !own })
    if (own) {
      // one that ends with the command would only make others hand over to it and back
      out.say('No peer runs here, so it has no place on the ring: `shoal up` starts one. Its place would be')
      out.say(status.id)
      return
    }
    const lines = ringText(status)
    const title = lines.indexOf('') + 1
    for (const [i, line] of lines.entries()) out.say(title > 0 && i === title ? out.paint('bold', line) : line)
  })
}
