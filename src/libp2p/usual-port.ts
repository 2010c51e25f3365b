import { type AddressInfo, createServer } from 'node:net'
import type { DatabaseSync } from 'node:sqlite'

export const portSchema = 'CREATE TABLE IF NOT EXISTS port (only INTEGER PRIMARY KEY CHECK (only = 1), port INTEGER)'

/** How many ports of the system's choice are tried until one is free at every address. */
const TRIES = 16

/**
 * A node that was not told a port keeps the one that the system gave it at first, so that links with its address and
 * the memory of other peers outlive a restart. It is one port for all addresses, IPv4 and IPv6. When somebody else has
 * it now, the system chooses again.
 */
export class UsualPort {
  readonly #database: DatabaseSync

  constructor(database: DatabaseSync) {
    this.#database = database
  }

  /** Addresses to listen on, with the usual port in place of port 0 if it is free; else with another that is. */
  async apply(addresses: readonly string[]): Promise<string[]> {
    const usual = this.#database.prepare('SELECT port FROM port').get()?.port
    if (typeof usual === 'number' && (await isFreeAt(addresses, usual))) return withPort(addresses, usual)
    for (let i = 0; i < TRIES; i++) {
      const port = await systemPort(addresses)
      if (port === undefined) break
      if (await isFreeAt(addresses, port)) return withPort(addresses, port)
    }
    return [...addresses]
  }

  /** @param addresses that the node listens on */
  remember(addresses: readonly string[]): void {
    const ports = addresses.flatMap(address => /\/tcp\/(\d+)/.exec(address)?.[1] ?? [])
    const [first] = ports
    if (first !== undefined) this.#database.prepare('INSERT OR REPLACE INTO port VALUES (1, ?)').run(Number(first))
  }
}

function withPort(addresses: readonly string[], port: number): string[] {
  return addresses.map(address => address.replace(/\/tcp\/0$/, `/tcp/${port}`))
}

/** A port that the system chooses at the first address that this machine has. */
async function systemPort(addresses: readonly string[]): Promise<number | undefined> {
  for (const address of addresses) {
    const port = await tryPort(address, 0)
    if (port !== undefined && port > 0) return port
  }
  return undefined
}

async function isFreeAt(addresses: readonly string[], port: number): Promise<boolean> {
  const tried = await Promise.all(addresses.map(address => tryPort(address, port)))
  return tried.every(free => free !== undefined)
}

/** The port, if nobody has it at the address now; for port 0 one of the system's choice, or 0 if the address is not here. */
async function tryPort(address: string, port: number): Promise<number | undefined> {
  const zone = /\/ip6zone\/([^/]+)/.exec(address)?.[1]
  const ip = /\/ip[46]\/([^/]+)/.exec(address)?.[1]
  const host = zone === undefined ? ip : `${ip}%${zone}`
  const server = createServer()
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ port, ipv6Only: true, ...(host === undefined ? {} : { host }) }, resolve)
    })
    return (server.address() as AddressInfo).port
  } catch (error) {
    // an address that does not exist here stands in nobody's way
    return (error as NodeJS.ErrnoException).code === 'EADDRINUSE' ? undefined : port
  } finally {
    await new Promise(resolve => server.close(resolve))
  }
}
