import type { NetworkInterfaceInfo } from 'node:os'
import { ShoalError } from '../errors.ts'

export interface UsableInterface {
  name: string
  /** IPv4 addresses, and IPv6 addresses with their zone where they need one. */
  ipv4: string[]
  ipv6: string[]
  loopback: boolean
}

type Interfaces = NodeJS.Dict<NetworkInterfaceInfo[]>

/** Names of bridges and cables that lead to containers on this machine: nobody out there can reach them. */
const VIRTUAL = /^(docker|br-|veth|virbr|vnet|cni|flannel|podman|lxc|lxd)/

/**
 * The interfaces to look for peers on and to be reached at: those that are named, or all that are up but the machine's
 * own container bridges.
 *
 * @throws ShoalError USAGE for a name that does not exist
 */
export function usableInterfaces(interfaces: Interfaces, wanted: readonly string[]): UsableInterface[] {
  for (const name of wanted) {
    if (interfaces[name] === undefined) {
      const names = Object.keys(interfaces).join(', ')
      throw new ShoalError('USAGE', `there is no network interface "${name}"; there are: ${names}`)
    }
  }
  return Object.entries(interfaces).flatMap(([name, addresses = []]) => {
    if (wanted.length > 0 ? !wanted.includes(name) : VIRTUAL.test(name)) return []
    return [
      {
        name,
        ipv4: addresses.filter(({ family }) => family === 'IPv4').map(({ address }) => address),
        ipv6: addresses.filter(({ family }) => family === 'IPv6').map(({ address }) => address),
        loopback: addresses.some(({ internal }) => internal)
      }
    ]
  })
}

/**
 * Where to listen when nothing is asked for: everywhere, or on the addresses of the named interfaces alone. Port 0 lets
 * the system choose.
 */
export function listenAddresses(usable: readonly UsableInterface[], wanted: readonly string[]): string[] {
  if (wanted.length === 0) return ['/ip4/0.0.0.0/tcp/0', '/ip6/::/tcp/0']
  return usable.flatMap(({ name, ipv4, ipv6 }) => [
    ...ipv4.map(address => `/ip4/${address}/tcp/0`),
    ...ipv6.map(address => (isLinkLocal(address) ? `/ip6zone/${name}/ip6/${address}/tcp/0` : `/ip6/${address}/tcp/0`))
  ])
}

/**
 * Whether an address that libp2p listens on should be told to others: one of a usable interface, and a loopback address
 * only to those on this machine, which is when there is no other.
 */
export function announceFilter(usable: readonly UsableInterface[]): (addresses: string[]) => string[] {
  const own = new Set(usable.flatMap(({ ipv4, ipv6 }) => [...ipv4, ...ipv6]))
  const loopback = new Set(usable.filter(it => it.loopback).flatMap(({ ipv4, ipv6 }) => [...ipv4, ...ipv6]))
  return addresses => {
    const usableOnes = addresses.filter(address => {
      const host = hostOf(address)
      return host === undefined || own.has(host)
    })
    const outside = usableOnes.filter(address => !loopback.has(hostOf(address) ?? ''))
    return outside.length > 0 ? outside : usableOnes
  }
}

export function isLinkLocal(address: string): boolean {
  return /^fe[89ab][0-9a-f]:/i.test(address)
}

/** The IP address of a multiaddr. */
export function hostOf(multiaddr: string): string | undefined {
  return /\/ip[46]\/([^/]+)/.exec(multiaddr)?.[1]
}
