import { resolve } from 'node:path'
import type { GetEvent, GetOptions, Shoal, TransferStatus } from '../../api.ts'
import { absoluteTarget } from '../../daemon/caller-paths.ts'
import { ShoalError } from '../../errors.ts'
import type { Context } from '../context.ts'
import { shown } from '../escape.ts'
import { withPeer } from '../peer.ts'
import { checkTarget } from '../targets.ts'
import { doneText, peerText, progressText } from '../transfer-text.ts'
import { bytesText } from '../units.ts'

const RECORD_EVERY_MS = 100

export interface GetCommandOptions {
  out?: string
  file?: string[]
}

/** Fetches one target after the other; what goes wrong with one does not keep the others. Returns the exit code. */
export async function get(context: Context, targets: string[], options: GetCommandOptions): Promise<number> {
  const { out, io } = context
  for (const target of targets) checkTarget(target)
  const asked: GetOptions = {
    ...(options.out === undefined ? {} : { out: resolve(options.out) }),
    ...(options.file === undefined ? {} : { files: options.file }),
    signal: io.interrupted
  }
  return await withPeer(context, 'network', async shoal => {
    let exitCode = 0
    for (const target of targets) {
      try {
        await getOne(context, shoal, target, asked)
      } catch (error) {
        if (io.interrupted.aborted || targets.length === 1) throw error
        const failed = out.error(error)
        exitCode ||= failed.exitCode
      }
    }
    return exitCode
  })
}

async function getOne({ out, io }: Context, shoal: Shoal, target: string, options: GetOptions): Promise<void> {
  let last: TransferStatus | undefined
  let recordedAt = Number.NEGATIVE_INFINITY
  for await (const event of shoal.get(absoluteTarget(target), options)) {
    switch (event.type) {
      case 'progress': {
        const { transfer } = event
        const now = performance.now()
        if (transfer.state !== last?.state || now - recordedAt >= RECORD_EVERY_MS) {
          recordedAt = now
          out.record('progress', { target, transfer })
        }
        last = transfer
        out.progress(columns => progressText(transfer, columns))
        break
      }
      case 'liar':
        out.record('liar', { target, ...event })
        if (!out.json) out.note(`${peerText(event.peerId)} sent wrong bytes and was dropped: ${shown(event.reason)}`)
        break
      case 'done':
        out.record('done', { target, ...event })
        sayDone(event, out)
        return
    }
  }
  if (!io.interrupted.aborted) throw new ShoalError('INTERNAL', 'the transfer ended without a result')
  const here = last === undefined ? '' : `: ${bytesText(last.bytesDone)} of ${bytesText(last.size)} are here`
  throw new ShoalError('INTERRUPTED', `${last?.name ?? 'the transfer'} is paused${here}`)
}

function sayDone(event: Extract<GetEvent, { type: 'done' }>, out: Context['out']): void {
  const [path = '', ...facts] = doneText(event)
  out.say(out.paint('bold', path))
  for (const line of facts) out.say(line)
}
