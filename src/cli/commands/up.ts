import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Shoal } from '../../api.ts'
import { serve } from '../../daemon/server.ts'
import { ShoalError } from '../../errors.ts'
import { socketPathOf } from '../../home.ts'
import { type Change, changesBetween, type Snapshot } from '../changes.ts'
import { type Context, configOf } from '../context.ts'
import { shown } from '../escape.ts'
import type { Output } from '../output.ts'
import { closeWithin } from '../peer.ts'
import { reportShareEvent } from '../share-report.ts'
import { bytesOf } from '../sizes.ts'
import { hostingText, identityText, sharedText } from '../status-text.ts'
import { pairs } from '../table.ts'
import { addressText, peerText } from '../transfer-text.ts'
import { bytesText, countText } from '../units.ts'
import { watchEventText } from '../watch-text.ts'

const LOOK_EVERY_MS = 1_000
/** More peers than these that come or go at once are told of by number. */
const MOST_NAMED = 3
/** A stop may take no longer, whatever does not end. */
const STOP_MS = 4_500

export interface UpCommandOptions {
  hidden?: boolean
  role?: 'auto' | 'peer' | 'super'
  offer?: string
  domain?: string
  /** Milliseconds. */
  lostAfter?: number
}

/** Runs a peer until the user ends it. */
export async function up(context: Context, paths: string[], options: UpCommandOptions): Promise<void> {
  const { io, out } = context
  const { role, offer, domain, lostAfter } = options
  const part = {
    ...(role === undefined ? {} : { role }),
    ...(offer === undefined ? {} : { offer: bytesOf('--offer', offer) }),
    ...(domain === undefined ? {} : { domain }),
    ...(lostAfter === undefined ? {} : { lostAfterMs: lostAfter })
  }
  await checkPaths(paths)
  const node = await context.createNode({ ...configOf(context), ...part, watch: true })
  let server: { close(): Promise<void> } | undefined
  try {
    server = await serve(node, socketPathOf(context.home), { onFault: error => out.error(error) })
    const first = await look(node)
    sayStart(first, paths, out)
    const stopped = io.interrupted.aborted
      ? Promise.resolve()
      : new Promise(resolve => io.interrupted.addEventListener('abort', resolve, { once: true }))
    const work = Promise.all([
      shareAll(node, paths, options.hidden === true, context),
      follow(node, first, paths.length > 0, context),
      followWatches(node, context)
    ])
    await Promise.race([stopped, work])
  } finally {
    out.hint('stopping …')
    const ended = await closeWithin(
      STOP_MS,
      async () => await server?.close(),
      () => node.close()
    )
    if (!ended) out.note('The peer did not end in time. Nothing that was verified is lost.')
    out.record('stopped', {})
  }
}

async function checkPaths(paths: string[]): Promise<void> {
  for (const path of paths) {
    await stat(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') throw new ShoalError('NOT_FOUND', `there is no ${path}`, { next: 'Check the path.' })
      throw new ShoalError('PERMISSION', `cannot read ${path}: ${error.message}`, { cause: error })
    })
  }
}

function sayStart({ status }: Snapshot, paths: readonly string[], out: Output): void {
  out.record('started', status)
  out.say(`${out.paint('bold', `shoal ${shown(status.version)}`)}, process ${status.pid}`)
  for (const line of pairs([...identityText(status), ['shares', sharedText(status, paths)], ...hostingText(status)]))
    out.say(line)
  out.say('Stop with Ctrl-C. In another terminal: shoal search WORDS, shoal get NUMBER, shoal status')
  for (const problem of status.problems) sayChange({ type: 'problem', ...problem }, out)
}

/** One after the other, so that one that cannot be shared does not keep the others. */
async function shareAll(node: Shoal, paths: string[], hidden: boolean, { io, out }: Context): Promise<void> {
  for (const path of paths) {
    if (io.interrupted.aborted) return
    try {
      const options = { signal: io.interrupted, ...(hidden ? { hidden } : {}) }
      for await (const event of node.share([resolve(path)], options)) reportShareEvent(event, out)
    } catch (error) {
      if (io.interrupted.aborted) return
      out.error(error)
    }
  }
}

async function follow(node: Shoal, first: Snapshot, sharing: boolean, { io, out }: Context): Promise<void> {
  let before = first
  // what the peer was told to share at its start is reported by itself
  let quiet = sharing
  for (;;) {
    await new Promise(resolve => setTimeout(resolve, LOOK_EVERY_MS).unref())
    if (io.interrupted.aborted) return
    const after = await look(node)
    const changes = changesBetween(before, after)
    for (const change of changes) out.record(change.type, change)
    sayPeers(changes, after, out)
    for (const change of changes) {
      if (change.type === 'shared' && quiet) quiet = false
      else sayChange(change, out)
    }
    before = after
  }
}

async function followWatches(node: Shoal, { io, out }: Context): Promise<void> {
  for await (const event of node.watchEvents({ signal: io.interrupted })) {
    out.record('watch', { ...event, type: `watch-${event.type}` })
    out.say(watchEventText(event))
  }
}

async function look(node: Shoal): Promise<Snapshot> {
  const [status, peers, transfers] = await Promise.all([node.status(), node.peers(), node.transfers()])
  return { status, peers, transfers }
}

function sayPeers(changes: readonly Change[], after: Snapshot, out: Output): void {
  const joined = changes.filter(change => change.type === 'peer-joined')
  const left = changes.filter(change => change.type === 'peer-left')
  if (joined.length + left.length === 0) return
  const now = `${after.peers.length} connected`
  if (joined.length + left.length > MOST_NAMED) {
    out.say(`${countText(joined.length, 'peer')} joined, ${left.length} left: ${now}`)
    return
  }
  for (const { peer } of joined) {
    out.say(`peer ${peerText(peer.peerId)} joined, ${addressText(peer.address)} (${shown(peer.foundBy)}): ${now}`)
  }
  for (const { peerId } of left) out.say(`peer ${peerText(peerId)} left: ${now}`)
}

function sayChange(change: Change, out: Output): void {
  switch (change.type) {
    case 'transfer': {
      const { name, state, bytesDone, size, reason } = change.transfer
      const why = reason === undefined ? '' : `: ${shown(reason)}`
      out.say(`transfer of ${shown(name)}: ${state}, ${bytesText(bytesDone)} of ${bytesText(size)}${why}`)
      break
    }
    case 'shared':
      out.say(`shares ${countText(change.files, 'file')}, ${bytesText(change.bytes)}`)
      break
    case 'addresses':
      out.say(`reachable at ${change.addresses.map(shown).join(', ') || 'no address'}`)
      break
    case 'problem':
      out.say(`${out.paint('yellow', 'problem:')} ${shown(change.message)}`)
      out.say(`  ${shown(change.next)}`)
      break
    case 'problem-solved':
      out.say(`no longer a problem: ${shown(change.message)}`)
      break
    case 'peer-joined':
    case 'peer-left':
      break
  }
}
