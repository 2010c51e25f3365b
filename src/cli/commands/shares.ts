import type { Context } from '../context.ts'
import { shown } from '../escape.ts'
import { interruptible, withPeer } from '../peer.ts'
import { table } from '../table.ts'
import { bytesText, countText } from '../units.ts'

export interface SharesOptions {
  files?: boolean
  magnets?: boolean
}

/** Exactly what strangers can see, and beside it the places that they cannot. */
export async function shares(context: Context, options: SharesOptions): Promise<void> {
  const { out } = context
  await withPeer(context, 'home', async shoal => {
    const list = await interruptible(context, shoal.shares())
    for (const share of list) out.record('share', share)
    if (list.length === 0) {
      out.say('Nothing is shared. Share a file or a folder: shoal share PATH')
      return
    }
    const columns = [
      { title: 'FILES', right: true },
      { title: 'SIZE', right: true },
      { title: 'LEFT OUT', right: true },
      { title: 'NAME' },
      { title: 'PATH' }
    ]
    const rows = list.map(({ files, bytes, skipped, name, path }) => [
      String(files),
      bytesText(bytes),
      String(skipped),
      shown(name),
      shown(path)
    ])
    for (const [i, line] of table(columns, rows).entries()) out.say(i === 0 ? out.paint('bold', line) : line)
    if (options.magnets === true) {
      for (const { name, magnet } of list) out.say(`\n${shown(name)}\n${shown(magnet)}`)
    }
    if (options.files !== true) return
    const entries = list.flatMap(share => share.entries ?? [])
    out.say(`\nStrangers see ${countText(entries.length, 'file')}:`)
    const files = entries.map(({ size, path }) => [bytesText(size), shown(path)])
    for (const line of table([{ title: 'SIZE', right: true }, { title: 'NAME' }], files).slice(1)) out.say(line)
  })
}
