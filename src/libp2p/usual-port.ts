import { createServer } from 'node:net'
import type { DatabaseSync } from 'node:sqlite'

export const portSchema = 'CREATE TABLE IF NOT EXISTS port (only INTEGER PRIMARY KEY CHECK (only = 1), port INTEGER)'

/**
 * A node that was not told a port keeps the one that the system gave it at first, so that links with its address and
 * the memory of other peers outlive a restart. When somebody else has the port now, the system chooses again.
 */
export class UsualPort {
  readonly #database: DatabaseSync

  constructor(database: DatabaseSync) {
    this.#database = database
  }

  /** Addresses to listen on, with the usual port in place of port 0 if it is free. */
  async apply(addresses: readonly string[]): Promise<string[]> {
    const port = this.#database.prepare('SELECT port FROM port').get()?.port
    if (typeof port !== 'number') return [...addresses]
    const usual = addresses.map(address => address.replace(/\/tcp\/0$/, `/tcp/${port}`))
    const free = await Promise.all(usual.map(address => isFree(address, port)))
    return free.every(Boolean) ? usual : [...addresses]
  }

  /** @param addresses that the node listens on */
  remember(addresses: readonly string[]): void {
    const ports = addresses.flatMap(address => /\/tcp\/(\d+)/.exec(address)?.[1] ?? [])
    const [first] = ports
    if (first !== undefined) this.#database.prepare('INSERT OR REPLACE INTO port VALUES (1, ?)').run(Number(first))
  }
}

async function isFree(address: string, port: number): Promise<boolean> {
  const zone = /\/ip6zone\/([^/]+)/.exec(address)?.[1]
  const ip = /\/ip[46]\/([^/]+)/.exec(address)?.[1]
  const host = zone === undefined ? ip : `${ip}%${zone}`
  const server = createServer()
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ port, ...(host === undefined ? {} : { host }), ipv6Only: true }, resolve)
    })
    return true
  } catch (error) {
    // an address that does not exist here stands in nobody's way
    return (error as NodeJS.ErrnoException).code !== 'EADDRINUSE'
  } finally {
    await new Promise(resolve => server.close(resolve))
  }
}
