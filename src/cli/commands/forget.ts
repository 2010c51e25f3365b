import type { Context } from '../context.ts'
import { shown } from '../escape.ts'
import { interruptible, withPeer } from '../peer.ts'
import { countText } from '../units.ts'

/** One after the other; what goes wrong with one does not keep the others. Returns the exit code. */
export async function forget(context: Context, transfers: string[], options: { delete?: boolean }): Promise<number> {
  const { out, io } = context
  return await withPeer(context, 'home', async shoal => {
    let exitCode = 0
    for (const transfer of transfers) {
      try {
        const forgotten = await interruptible(
          context,
          shoal.forget(transfer, options.delete === true ? { delete: true } : {})
        )
        out.record('forgotten', { transfer, ...forgotten })
        const { name, deleted, kept } = forgotten
        const what = deleted.length === 0 ? '' : `, and ${countText(deleted.length, 'unfinished file')} deleted`
        out.say(`${shown(name)} is forgotten${what}`)
        if (kept.length > 0)
          out.say('  what was fetched is still there; it is yours to delete, or use --delete next time:')
        for (const path of kept) out.say(`  ${shown(path)}`)
      } catch (error) {
        if (io.interrupted.aborted || transfers.length === 1) throw error
        const failed = out.error(error)
        exitCode ||= failed.exitCode
      }
    }
    return exitCode
  })
}
