import type { Shoal } from '../api.ts'
import { connect } from '../daemon/client.ts'
import { ShoalError } from '../errors.ts'
import { socketPathOf } from '../home.ts'
import { type Context, configOf, networkOptionsOf } from './context.ts'

/** How long a peer that was just started has to find a first neighbour. */
const DISCOVERY_MS = 5_000
const POLL_MS = 50
/** A peer that holds the home directory but does not listen yet is about to. */
const STARTING_MS = 3_000
/** Nothing may keep a command that is done. */
const CLOSE_MS = 4_500

export type Need =
  /** Its home directory is enough. */
  | 'home'
  /** Other peers. */
  | 'network'

/**
 * Gives a command the running peer of its home directory, or one that lives as long as the command. Such a peer listens
 * on the socket too, so that a second command can look at it.
 */
export async function withPeer<T>(
  context: Context,
  need: Need,
  use: (shoal: Shoal, own: boolean) => Promise<T>
): Promise<T> {
  const running = await connect(socketPathOf(context.home))
  if (running !== undefined) return await useRunning(context, running, use)
  let node: Shoal
  try {
    node = await context.createNode({ ...configOf(context), watch: false, ring: false, offline: need === 'home' })
  } catch (error) {
    if ((error as ShoalError).code !== 'ALREADY_RUNNING') throw error
    const started = await startingPeer(context)
    if (started === undefined) throw error
    return await useRunning(context, started, use)
  }
  return await useOwn(context, need, node, use)
}

/** A promise that the user need not wait for. */
export async function interruptible<T>(context: Context, work: Promise<T>): Promise<T> {
  const { interrupted } = context.io
  return await new Promise<T>((resolve, reject) => {
    const stop = (): void => reject(new ShoalError('INTERRUPTED', 'interrupted'))
    if (interrupted.aborted) stop()
    interrupted.addEventListener('abort', stop, { once: true })
    work.then(resolve, reject).finally(() => interrupted.removeEventListener('abort', stop))
  })
}

/** Ends everything in turn, but not for ever. */
export async function closeWithin(limitMs: number, ...closing: (() => Promise<void> | undefined)[]): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>(resolve => {
    timer = setTimeout(resolve, limitMs, false)
  })
  const closed = (async () => {
    for (const close of closing) await close()
    return true
  })()
  try {
    return await Promise.race([closed, late])
  } finally {
    clearTimeout(timer)
  }
}

async function useRunning<T>(
  context: Context,
  shoal: Shoal,
  use: (shoal: Shoal, own: boolean) => Promise<T>
): Promise<T> {
  const without = networkOptionsOf(context)
  if (without.length > 0) {
    context.out.note(`${without.join(', ')}: without effect, because the peer that runs already is used`)
  }
  try {
    return await use(shoal, false)
  } finally {
    await shoal.close()
  }
}

async function useOwn<T>(
  context: Context,
  need: Need,
  node: Shoal,
  use: (shoal: Shoal, own: boolean) => Promise<T>
): Promise<T> {
  let server: { close(): Promise<void> } | undefined
  try {
    if (need === 'network') {
      const { serve } = await import('../daemon/server.ts')
      server = await serve(node, socketPathOf(context.home))
      await waitForNeighbour(context, node)
    }
    return await use(node, true)
  } finally {
    await closeWithin(
      CLOSE_MS,
      async () => await server?.close(),
      () => node.close()
    )
  }
}

async function waitForNeighbour(context: Context, node: Shoal): Promise<void> {
  const { out, io } = context
  const until = performance.now() + DISCOVERY_MS
  out.progress(() => 'looking for peers on this network …')
  while (performance.now() < until && !io.interrupted.aborted) {
    if ((await node.status()).peers.neighbours > 0) break
    await new Promise(resolve => setTimeout(resolve, POLL_MS))
  }
  out.clearProgress()
}

async function startingPeer(context: Context): Promise<Shoal | undefined> {
  const until = performance.now() + STARTING_MS
  while (performance.now() < until && !context.io.interrupted.aborted) {
    const shoal = await connect(socketPathOf(context.home))
    if (shoal !== undefined) return shoal
    await new Promise(resolve => setTimeout(resolve, POLL_MS * 2))
  }
  return undefined
}
