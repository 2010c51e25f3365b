import { chmod, lstat, unlink } from 'node:fs/promises'
import type { Server } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import type { Shoal } from '../api.ts'
import { ShoalError } from '../errors.ts'
import { Routes } from './routes.ts'

/** How long a stream may be silent before its reader gets a sign of life. */
const HEARTBEAT_MS = 5_000
/** Commands that talk to one node at a time. */
const MAX_CONNECTIONS = 256
/** How long readers have to take the last line when the node stops. */
const GOODBYE_MS = 1_000

export interface ServeOptions {
  heartbeatMs?: number
  /** An error that is a fault of ours, not of the user's. */
  onFault?: (error: ShoalError) => void
}

export interface ShoalServer {
  /** Ends what clients wait for with INTERRUPTED, and removes the socket. The Shoal itself stays. Idempotent. */
  close(): Promise<void>
}

/**
 * Serves a Shoal on a Unix socket that only its owner can open. The home directory must be locked by this process: a
 * socket that lies there is then one that a killed process left.
 *
 * @throws ShoalError PERMISSION when the socket cannot be made, EXISTS when something else is in its place
 */
export async function serve(shoal: Shoal, socketPath: string, options: ServeOptions = {}): Promise<ShoalServer> {
  const { heartbeatMs = HEARTBEAT_MS, onFault } = options
  const routes = new Routes(shoal, { heartbeatMs, onFault })
  const server = createAdaptorServer({ fetch: routes.app.fetch, overrideGlobalObjects: false }) as Server
  server.maxConnections = MAX_CONNECTIONS
  await removeStaleSocket(socketPath)
  await listen(server, socketPath)

  let closing: Promise<void> | undefined
  const close = async (): Promise<void> => {
    const closed = new Promise<void>(resolve => server.close(() => resolve()))
    const patience = new Promise<void>(resolve => setTimeout(resolve, GOODBYE_MS).unref())
    const stopped = routes.stop(new ShoalError('INTERRUPTED', 'the peer was stopped'))
    await Promise.race([stopped, patience])
    // what is written is sent, and then those connections close by themselves
    await Promise.race([closed, patience])
    server.closeAllConnections()
    await closed
  }
  return {
    close() {
      closing ??= close()
      return closing
    }
  }
}

async function removeStaleSocket(path: string): Promise<void> {
  try {
    if (!(await lstat(path)).isSocket()) throw new ShoalError('EXISTS', `${path} is in the way of the peer's socket`)
    await unlink(path)
  } catch (error) {
    if (error instanceof ShoalError) throw error
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw new ShoalError('PERMISSION', `cannot remove the old socket ${path}: ${(error as Error).message}`, {
      cause: error
    })
  }
}

async function listen(server: Server, path: string): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      // The socket is made inside this call, and there is no moment at which others could open it. What other threads
      // make in the meantime is only more private than it would be.
      const before = process.umask(0o077)
      try {
        server.listen(path, resolve)
      } finally {
        process.umask(before)
      }
    })
    await chmod(path, 0o600)
  } catch (error) {
    server.close()
    throw new ShoalError('PERMISSION', `cannot make the socket ${path}: ${(error as Error).message}`, { cause: error })
  }
}
