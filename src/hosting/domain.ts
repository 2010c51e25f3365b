import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import type { Multiaddr } from '@multiformats/multiaddr'
import { hostKeyOf, isOwnMachine, NAMES, networkOf } from '../libp2p/host-key.ts'

/** Where systems keep an id of the machine, of which nothing else may be told: see machine-id(5). */
const MACHINE_ID_FILES = ['/etc/machine-id', '/var/lib/dbus/machine-id']

/**
 * Names this machine, so that peers on it are seen to fall together, and nothing else of it. @param network what else is
 * hashed: the name tells nothing in another network
 */
export async function machineDomain(network: string): Promise<string> {
  let machine = hostname()
  for (const file of MACHINE_ID_FILES) {
    const id = await readFile(file, 'utf8').catch(() => '')
    if (id.trim() === '') continue
    machine = id.trim()
    break
  }
  return createHash('sha256').update(`shoal-machine-1\n${network}\n${machine}`).digest('hex').slice(0, 16)
}

/** Where a peer is, as its connection shows: its public network, or its machine in a private one. */
export function domainOfAddress(address: Multiaddr): string | undefined {
  const network = networkOf(address)
  if (network !== undefined) return network
  const host = hostKeyOf(address)
  return host === NAMES || isOwnMachine(host) ? undefined : host
}
