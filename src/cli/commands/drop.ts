import type { Context } from '../context.ts'
import { shown } from '../escape.ts'
import { interruptible, withPeer } from '../peer.ts'
import { countText } from '../units.ts'

/** Returns the exit code. */
export async function drop(context: Context, names: string[]): Promise<number> {
  const { out, io } = context
  return await withPeer(context, 'network', async shoal => {
    let exitCode = 0
    for (const name of names) {
      try {
        const placement = await interruptible(context, shoal.drop(name))
        out.record('dropped', placement)
        const { hosts, isHere } = placement
        const rest = isHere ? 'what is shared here stays' : 'the original is not here'
        out.say(`${shown(placement.name)}: ${countText(hosts.length, 'copy', 'copies')} let go; ${rest}`)
      } catch (error) {
        if (io.interrupted.aborted || names.length === 1) throw error
        const failed = out.error(error)
        exitCode ||= failed.exitCode
      }
    }
    return exitCode
  })
}
