import { absoluteTarget } from '../../daemon/caller-paths.ts'
import type { Context } from '../context.ts'
import { shown } from '../escape.ts'
import { interruptible, withPeer } from '../peer.ts'
import { pairs, table } from '../table.ts'
import { checkTarget } from '../targets.ts'
import { bytesText, countText } from '../units.ts'

export async function ls(context: Context, target: string): Promise<void> {
  const { out, io } = context
  checkTarget(target)
  await withPeer(context, 'network', async shoal => {
    const listing = await interruptible(context, shoal.ls(absoluteTarget(target), { signal: io.interrupted }))
    out.record('listing', listing)
    const { name, size, infohash, magnet, files } = listing
    out.say(`${out.paint('bold', shown(name))}: ${countText(files.length, 'file')}, ${bytesText(size)}`)
    const facts: [string, string][] = [
      ...(infohash === undefined ? [] : [['infohash', shown(infohash)] as [string, string]]),
      ['magnet', shown(magnet)]
    ]
    for (const line of pairs(facts)) out.say(line)
    out.say('')
    const rows = files.map(file => [bytesText(file.size), shown(file.path)])
    for (const line of table([{ title: 'SIZE', right: true }, { title: 'NAME' }], rows)) out.say(line)
  })
}
