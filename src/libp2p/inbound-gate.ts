import type { Connection, MultiaddrConnection } from '@libp2p/interface'
import { type HostKey, hostKeyOf, isOwnMachine } from './host-key.ts'

export const inboundLimits = {
  /** Connections of one host (an IPv4 address, an IPv6 /64) that have not said who they are yet. */
  pendingOfHost: 8,
  /** Connections of one host. A LAN behind one router is one host. */
  openOfHost: 32,
  /** The same for connections from this machine itself, which have no other limit than that for all. */
  pendingOfOwnMachine: 64,
  /** Share of all connections that others may open; the rest is for those that we open. */
  inboundShare: 0.75,
  /** From this share of those on, each new connection costs the idlest one its place. */
  crowdedShare: 0.9
}

/**
 * Who may connect. libp2p's own limits are for all together, so that one host could use them up for everybody:
 * silent sockets those that are pending, idle connections all the others.
 */
export class InboundGate {
  readonly #maxOpen: number
  readonly #pending = new Map<MultiaddrConnection, HostKey>() // BOUNDED by libp2p's pending connections
  readonly #open = new Map<MultiaddrConnection, HostKey>() // BOUNDED by maxOpen

  /** @param maxConnections of the node, in both directions */
  constructor(maxConnections: number) {
    this.#maxOpen = Math.floor(maxConnections * inboundLimits.inboundShare)
  }

  /** Whether to refuse a socket of which nothing is known but where it comes from. */
  refuses(socket: MultiaddrConnection): boolean {
    const host = hostKeyOf(socket.remoteAddr)
    const { pendingOfHost, pendingOfOwnMachine } = inboundLimits
    if (count(this.#pending, host) >= (isOwnMachine(host) ? pendingOfOwnMachine : pendingOfHost)) return true
    // one that is closed already would never be taken off the list
    if (this.#isFull(host) || socket.status !== 'open') return true
    this.#pending.set(socket, host)
    socket.addEventListener('close', () => {
      this.#pending.delete(socket)
      this.#open.delete(socket)
    })
    return false
  }

  /** Whether to refuse a connection that is ready. If not, it counts as open from here on. */
  refusesReady(socket: MultiaddrConnection): boolean {
    const host = this.#pending.get(socket)
    // the others that were pending with it may be open by now
    if (host === undefined || this.#isFull(host)) return true
    this.#pending.delete(socket)
    this.#open.set(socket, host)
    return false
  }

  /** The connection that is to go for a new one, if it has become crowded. */
  toClose(newcomer: Connection, all: readonly Connection[]): Connection | undefined {
    if (this.#open.size <= this.#maxOpen * inboundLimits.crowdedShare) return undefined
    const inbound = all.filter(({ direction, status }) => direction === 'inbound' && status === 'open')
    const ofHost = new Map<HostKey, number>()
    for (const { remoteAddr } of inbound) {
      const host = hostKeyOf(remoteAddr)
      ofHost.set(host, (ofHost.get(host) ?? 0) + 1)
    }
    const idlestFirst = (a: Connection, b: Connection): number =>
      streamsOf(a) - streamsOf(b) ||
      // whoever has most connections can do without one; peers that have been here long are more likely to stay
      (ofHost.get(hostKeyOf(b.remoteAddr)) ?? 0) - (ofHost.get(hostKeyOf(a.remoteAddr)) ?? 0) ||
      b.timeline.open - a.timeline.open
    return inbound.filter(connection => connection !== newcomer).sort(idlestFirst)[0]
  }

  #isFull(host: HostKey): boolean {
    if (this.#open.size >= this.#maxOpen) return true
    return !isOwnMachine(host) && count(this.#open, host) >= inboundLimits.openOfHost
  }
}

function count(sockets: ReadonlyMap<MultiaddrConnection, HostKey>, host: HostKey): number {
  let found = 0
  for (const other of sockets.values()) if (other === host) found++
  return found
}

/** Streams that something is done on: libp2p's own come and go with every connection. */
function streamsOf(connection: Connection): number {
  return connection.streams.filter(({ protocol }) => !protocol.startsWith('/ipfs/')).length
}
