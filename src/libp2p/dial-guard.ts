import type { Connection, Transport } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { BoundedMap } from '../../protocols/core/bounded-map.ts'
import { TokenBucket } from '../../protocols/core/token-bucket.ts'
import { type HostKey, hostKeyOf, isOwnMachine } from './host-key.ts'

export const dialLimits = {
  /** Dials a second to a host (an IPv4 address, an IPv6 /64, all names together) of which no peer is known. */
  toStranger: { rate: 1, burst: 4 },
  /** To a host on which a peer was met: it may run others, and it may be the one that somebody wants us to annoy. */
  toKnownHost: { rate: 2, burst: 16 },
  /** To this machine: dozens of peers may run here, and nobody else is harmed. */
  toOwnMachine: { rate: 50, burst: 500 },
  /** Hosts and places of peers that are remembered. */
  maxHosts: 4_096
}

/** A dial that was not made. */
export class DialLimitError extends Error {
  override readonly name = 'DialLimitError'
}

/**
 * How often this node connects to one and the same host, whatever the reason. Most addresses that it dials were told by
 * strangers. Who signed an address owns the identity in it and need not own the address, so that a crowd of made-up
 * peers could have any machine flooded. Peers that were found at their address before are dialled freely.
 */
export class DialGuard {
  readonly #clock: () => number
  readonly #buckets = new BoundedMap<HostKey, TokenBucket>(dialLimits.maxHosts)
  readonly #knownHosts = new BoundedMap<HostKey, TokenBucket>(dialLimits.maxHosts)
  /** Peers with the address at which they were found. */
  readonly #found = new BoundedMap<string, true>(dialLimits.maxHosts)
  readonly #underWay = new Set<string>() // BOUNDED by libp2p's parallel dials

  /** @param clock in ms, never back */
  constructor(clock: () => number) {
    this.#clock = clock
  }

  /** Remembers where a peer was found, and whence one came. */
  onConnection({ direction, remoteAddr }: Pick<Connection, 'direction' | 'remoteAddr'>): void {
    const host = hostKeyOf(remoteAddr)
    if (!this.#knownHosts.has(host)) this.#knownHosts.set(host, new TokenBucket(dialLimits.toKnownHost))
    if (direction === 'outbound') this.#found.set(remoteAddr.toString(), true)
  }

  /** Makes the dial if it is within the limits. @throws DialLimitError */
  async dial<T>(address: Multiaddr, connect: () => Promise<T>): Promise<T> {
    if (this.#found.has(address.toString())) return await connect()
    const place = placeOf(address)
    // one place has one peer: the others that are said to be there are not, or are no hurry
    if (this.#underWay.has(place)) throw new DialLimitError(`${place} is being dialled`)
    if (!this.#bucketOf(hostKeyOf(address)).take(this.#clock())) throw new DialLimitError(`too many dials to ${place}`)
    this.#underWay.add(place)
    try {
      return await connect()
    } finally {
      this.#underWay.delete(place)
    }
  }

  #bucketOf(host: HostKey): TokenBucket {
    const known = isOwnMachine(host) ? undefined : this.#knownHosts.get(host)
    if (known !== undefined) return known
    const bucket =
      this.#buckets.get(host) ?? new TokenBucket(isOwnMachine(host) ? dialLimits.toOwnMachine : dialLimits.toStranger)
    this.#buckets.set(host, bucket)
    return bucket
  }
}

/** A transport all dials of which are the guard's. */
export function guardedTransport<Components>(
  guard: DialGuard,
  make: (components: Components) => Transport
): (components: Components) => Transport {
  return components => {
    const transport = make(components)
    const dial = transport.dial.bind(transport)
    transport.dial = (address, options) => guard.dial(address, () => dial(address, options))
    return transport
  }
}

/** An address without the peer that is said to be there. */
function placeOf(address: Multiaddr): string {
  return address.toString().replace(/\/p2p\/[^/]+$/, '')
}
