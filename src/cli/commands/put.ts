import { resolve } from 'node:path'
import type { Placement, PutOptions } from '../../api.ts'
import { ShoalError } from '../../errors.ts'
import type { Context } from '../context.ts'
import { copiesText, placementText } from '../copies-text.ts'
import { shown } from '../escape.ts'
import { withPeer } from '../peer.ts'
import { reportShareEvent } from '../share-report.ts'

export interface PutCommandOptions {
  copies?: number
  hidden?: boolean
}

/** Has others keep copies of each path, one after the other. Returns the exit code. */
export async function put(context: Context, paths: string[], options: PutCommandOptions): Promise<number> {
  const { out, io } = context
  const { copies, hidden } = options
  const asked: PutOptions = {
    ...(copies === undefined ? {} : { copies }),
    ...(hidden === true ? { hidden } : {}),
    signal: io.interrupted
  }
  return await withPeer(context, 'network', async (shoal, own) => {
    let exitCode = 0
    for (const path of paths) {
      try {
        let last: Placement | undefined
        for await (const event of shoal.put(resolve(path), asked)) {
          if (event.type !== 'placement' && event.type !== 'done') {
            reportShareEvent(event, out)
            continue
          }
          out.record(event.type, event)
          const { placement } = event
          last = placement
          if (event.type === 'placement') out.progress(() => `${shown(placement.name)}: ${copiesText(placement)}`)
          else for (const line of placementText(placement, Date.now())) out.say(line)
        }
        if (io.interrupted.aborted) throw interrupted(last)
      } catch (error) {
        if (io.interrupted.aborted || paths.length === 1) throw error
        const failed = out.error(error)
        exitCode ||= failed.exitCode
      }
    }
    if (own) out.hint('The copies stay; a peer that runs here (shoal up) renews the order.')
    return exitCode
  })
}

function interrupted(last: Placement | undefined): ShoalError {
  if (last === undefined) return new ShoalError('INTERRUPTED', 'putting was interrupted')
  return new ShoalError('INTERRUPTED', `${last.name} has ${copiesText(last)} so far`, {
    next: 'The order stands: `shoal copies` tells how it goes on, `shoal drop` takes it back.'
  })
}
