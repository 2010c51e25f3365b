import type { Shoal, Watch, WatchOptions } from '../../api.ts'
import { ShoalError } from '../../errors.ts'
import { wordsQueryOf } from '../../search/query-text.ts'
import type { Context } from '../context.ts'
import { shown } from '../escape.ts'
import { interruptible, withPeer } from '../peer.ts'
import { bytesOf } from '../sizes.ts'
import { table } from '../table.ts'
import { foundText, lastRunText, settingsText, watchEventText, watchedFileText } from '../watch-text.ts'

export interface WatchCommandOptions {
  get?: boolean
  every?: number
  out?: string
  most?: string
  follow?: boolean
  files?: boolean
}

/** Saves a search, lists the saved ones, or prints what they find. */
export async function watch(context: Context, words: string[], options: WatchCommandOptions): Promise<void> {
  const { get, every, out: folder, most, follow = false } = options
  const query = words.join(' ')
  const changes: WatchOptions = {
    ...(every === undefined ? {} : { everyMs: every }),
    ...(get === undefined ? {} : { get }),
    ...(folder === undefined ? {} : { out: folder }),
    ...(most === undefined ? {} : { maxBytes: bytesOf('--most', most) }),
    cwd: process.cwd()
  }
  if (words.length > 0) wordsQueryOf(query)
  else if (Object.keys(changes).length > 1) {
    throw new ShoalError('USAGE', 'which watch is meant?', { next: 'Give its words too, as `shoal watch` lists them.' })
  }
  await withPeer(context, follow ? 'network' : 'home', async (shoal, own) => {
    if (words.length > 0) sayWatch(context, await interruptible(context, shoal.watch(query, changes)), own && !follow)
    if (follow) await followAll(context, shoal)
    else if (words.length === 0) await list(context, shoal, options.files === true)
  })
}

function sayWatch({ out }: Context, watch: Watch, sleeps: boolean): void {
  out.record('watch', watch)
  out.say(`watch ${watch.number}: ${shown(watch.query)}, ${settingsText(watch)}`)
  if (sleeps) out.say('No peer runs: it begins with `shoal up`, and goes on whenever that runs.')
  else out.hint('`shoal watch` lists what it has found, `shoal watch --follow` prints it as it comes')
}

async function list(context: Context, shoal: Shoal, files: boolean): Promise<void> {
  const { out } = context
  const watches = await interruptible(context, shoal.watches())
  for (const one of watches) out.record('watch', one)
  if (watches.length === 0) {
    out.say('Nothing is watched. Save a search: shoal watch WORDS')
    return
  }
  const now = Date.now()
  const columns = [
    { title: 'NO', right: true },
    { title: 'LAST RUN', right: true },
    { title: 'FILES' },
    { title: 'QUERY' },
    { title: 'RUNS' }
  ]
  const rows = watches.map(one => [
    String(one.number),
    lastRunText(one, now),
    foundText(one),
    shown(one.query),
    settingsText(one)
  ])
  for (const [i, line] of table(columns, rows).entries()) out.say(i === 0 ? out.paint('bold', line) : line)
  for (const { number, problem } of watches) {
    if (problem !== undefined) out.say(`${out.paint('yellow', `watch ${number}:`)} ${shown(problem)}`)
  }
  if (!files) return
  for (const one of watches) {
    out.say(`\nwatch ${one.number}, the newest of ${one.files.found}:`)
    for (const file of one.latest) out.say(watchedFileText(file))
  }
}

/** Until the user ends it. */
async function followAll({ io, out }: Context, shoal: Shoal): Promise<void> {
  out.hint('waiting for what watches find; stop with Ctrl-C')
  for await (const event of shoal.watchEvents({ signal: io.interrupted })) {
    out.record(event.type, event)
    out.say(watchEventText(event))
  }
}
