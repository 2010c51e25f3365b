import { BlockList, isIPv4, isIPv6 } from 'node:net'
import type { Multiaddr } from '@multiformats/multiaddr'

/** Whom limits are kept of: an IPv4 address, or the /64 of an IPv6 address, in which one host has any number of them. */
export type HostKey = string

/** All names together: one that a stranger made up leads wherever that stranger likes. */
export const NAMES: HostKey = 'dns'

export function hostKeyOf(address: Multiaddr): HostKey {
  const host = address.getComponents().find(({ name }) => name === 'ip4' || name === 'ip6')?.value
  return host === undefined ? NAMES : hostKeyOfIp(host)
}

export function hostKeyOfIp(host: string): HostKey {
  const groups = groupsOf(host)
  if (groups === undefined) return isIPv4(host) ? host : NAMES
  // IPv4 as sockets of both families write it
  if (groups.slice(0, 5).every(group => group === 0) && groups[5] === 0xffff) return dotted(groups.slice(6))
  if (isOwnIpv6(groups)) return '::1'
  return `${groups
    .slice(0, 4)
    .map(group => group.toString(16))
    .join(':')}::/64`
}

/** This very machine, where demonstrations and tests run dozens of peers. The rest of 127/8 counts like any address. */
export function isOwnMachine(key: HostKey): boolean {
  return key === '127.0.0.1' || key === '::1'
}

/** Addresses that anybody has any number of, or that are no more of one network than of another. */
const PRIVATE = new BlockList()
for (const [network, bits] of [
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16]
] as const) {
  PRIVATE.addSubnet(network, bits)
}

/**
 * Who is likely to have many addresses like this one: an IPv4 /16 or an IPv6 /32, as Bitcoin groups its peers. Undefined
 * for addresses of private networks, where all are of one.
 */
export function networkOf(address: Multiaddr): string | undefined {
  const host = address.getComponents().find(({ name }) => name === 'ip4' || name === 'ip6')?.value
  if (host === undefined) return undefined
  const key = hostKeyOfIp(host)
  if (isIPv4(key)) return PRIVATE.check(key) ? undefined : `${key.split('.').slice(0, 2).join('.')}.0.0/16`
  const [first = 0, second = 0] = groupsOf(host) ?? []
  // global unicast
  return first >> 13 === 1 ? `${first.toString(16)}:${second.toString(16)}::/32` : undefined
}

/** The eight groups of an IPv6 address. */
function groupsOf(host: string): number[] | undefined {
  const [address = ''] = host.split('%')
  if (!isIPv6(address)) return undefined
  const [head = '', tail] = address.split('::')
  const before = parseGroups(head)
  if (tail === undefined) return before
  const after = parseGroups(tail)
  return [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after]
}

function parseGroups(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap(group => {
    if (!isIPv4(group)) return [Number.parseInt(group, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number)
    return [a * 256 + b, c * 256 + d]
  })
}

function dotted(groups: number[]): string {
  return groups.flatMap(group => [group >> 8, group & 255]).join('.')
}

function isOwnIpv6(groups: number[]): boolean {
  return groups.slice(0, 7).every(group => group === 0) && groups[7] === 1
}
