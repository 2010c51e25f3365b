import type { Context } from '../context.ts'
import { shown } from '../escape.ts'
import { interruptible, withPeer } from '../peer.ts'
import { statusText } from '../status-text.ts'

export async function status(context: Context): Promise<void> {
  const { out } = context
  await withPeer(context, 'network', async (shoal, own) => {
    const [current, transfers] = await interruptible(context, Promise.all([shoal.status(), shoal.transfers()]))
    // whether a peer stays when the command has ended
    out.record('status', { ...current, running: !own })
    for (const transfer of transfers) out.record('transfer', transfer)
    if (own) out.say('No peer runs here (`shoal up` starts one). One that was started for this command says:')
    for (const line of statusText(current, transfers, Date.now())) out.say(line)
    for (const { message, next } of current.problems) {
      out.say('')
      out.say(`${out.paint('yellow', 'problem:')} ${shown(message)}`)
      out.say(`  ${shown(next)}`)
    }
  })
}
