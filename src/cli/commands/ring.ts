import type { RingStatus, Shoal } from '../../api.ts'
import type { Context } from '../context.ts'
import { interruptible, withPeer } from '../peer.ts'
import { ringText } from '../ring-text.ts'

/** How long a peer that was just started has to find its place. */
const PLACE_MS = 5_000
const POLL_MS = 50

export async function ring(context: Context): Promise<void> {
  const { out } = context
  await withPeer(context, 'network', async (shoal, own) => {
    const status = await interruptible(context, own ? placed(context, shoal) : shoal.ring())
    out.record('ring', { ...status, running: !own })
    if (own) out.say('No peer runs here (`shoal up` starts one). One that was started for this command says:')
    const lines = ringText(status)
    const title = lines.indexOf('') + 1
    for (const [i, line] of lines.entries()) out.say(title > 0 && i === title ? out.paint('bold', line) : line)
  })
}

async function placed({ out, io }: Context, shoal: Shoal): Promise<RingStatus> {
  const until = performance.now() + PLACE_MS
  for (;;) {
    const status = await shoal.ring()
    if (status.settled || performance.now() > until || io.interrupted.aborted) {
      out.clearProgress()
      return status
    }
    out.progress(() => 'looking for its place on the ring …')
    await new Promise(resolve => setTimeout(resolve, POLL_MS))
  }
}
