import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { type Identify, identify, identifyPush } from '@libp2p/identify'
import { FaultTolerance, type Libp2p, type PeerId, type PrivateKey } from '@libp2p/interface'
import { ping } from '@libp2p/ping'
import { preSharedKey } from '@libp2p/pnet'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import type { Datastore } from 'interface-datastore'
import { createLibp2p, type ServiceFactoryMap } from 'libp2p'
import { monotonicMs } from '../../protocols/libp2p/driver.ts'
import { ShoalError } from '../errors.ts'
import { DialGuard, guardedTransport } from './dial-guard.ts'
import { InboundGate } from './inbound-gate.ts'
import { PeerMemory } from './peer-memory.ts'
import { connectedPeerRouting } from './peer-routing.ts'
import { sessionCrypto } from './session-crypto.ts'

export const hostLimits = {
  maxConnections: 300,
  /** Inbound connections a second from one address; a LAN behind one router may come all at once. */
  inboundPerSecond: 50,
  /** Of all hosts together: more than a dozen hosts can have at once by the limit of each. */
  maxPendingInbound: 128,
  /** An honest peer says who it is within a few round trips. */
  inboundUpgradeTimeoutMs: 3_000,
  addressDialTimeoutMs: 2_000,
  /** Addresses of one peer that are tried in one dial. */
  maxAddressesToDial: 8,
  /**
   * Bytes a stream may have under way. More than the bandwidth-delay product of a LAN only delays the control messages
   * that share the connection, and it must stay below a paused stream's read buffer (4 MiB).
   */
  streamWindowBytes: 1024 * 1024,
  /** Buffer between a socket and Node: fewer, larger reads and writes. */
  socketBufferBytes: 1024 * 1024
}

export interface HostInit<Services extends Record<string, unknown>> {
  privateKey: PrivateKey
  datastore: Datastore
  /** Multiaddrs to listen on. */
  listen: string[]
  /** Which of the addresses it listens on are told to others. */
  announce(addresses: string[]): string[]
  /** A group key: only peers with the same one can connect. */
  groupKey: Uint8Array | undefined
  /** Peers that are not talked to. */
  isBanned(peer: PeerId): boolean
  /** A peer broke a rule of peer routing. */
  onPenalty(peer: PeerId, reason: string): void
  services: ServiceFactoryMap<Services>
}

/** What every Shoal host has besides its protocols. */
export type HostServices = { identify: Identify }

/**
 * A libp2p host with Shoal's settings, not yet started. Peer routing (id → addresses) is kad-dht's, under a protocol
 * name of its own. Nothing dials by itself, and what others make it dial is bounded (see `DialGuard`).
 */
export async function createHost<Services extends Record<string, unknown>>(
  init: HostInit<Services>
): Promise<Libp2p<Services & HostServices>> {
  const socketOptions = { highWaterMark: hostLimits.socketBufferBytes } as object
  const dials = new DialGuard(monotonicMs)
  const gate = new InboundGate(hostLimits.maxConnections)
  const host = await createLibp2p({
    start: false,
    privateKey: init.privateKey,
    datastore: init.datastore,
    addresses: {
      listen: init.listen,
      announceFilter: addresses => init.announce(addresses.map(String)).map(address => multiaddr(address))
    },
    transports: [guardedTransport(dials, tcp({ dialOpts: socketOptions, listenOpts: socketOptions }))],
    connectionEncrypters: [noise({ crypto: sessionCrypto })],
    streamMuxers: [yamux({ streamOptions: { maxStreamWindowSize: hostLimits.streamWindowBytes } })],
    ...(init.groupKey === undefined ? {} : { connectionProtector: preSharedKey({ psk: init.groupKey }) }),
    connectionGater: {
      denyDialPeer: peer => init.isBanned(peer),
      denyInboundConnection: socket => gate.refuses(socket),
      denyInboundEncryptedConnection: peer => init.isBanned(peer),
      denyInboundUpgradedConnection: (_, socket) => gate.refusesReady(socket)
    },
    connectionManager: {
      maxConnections: hostLimits.maxConnections,
      inboundConnectionThreshold: hostLimits.inboundPerSecond,
      maxIncomingPendingConnections: hostLimits.maxPendingInbound,
      inboundUpgradeTimeout: hostLimits.inboundUpgradeTimeoutMs,
      addressDialTimeout: hostLimits.addressDialTimeoutMs,
      maxPeerAddrsToDial: hostLimits.maxAddressesToDial
    },
    // it aborts healthy connections that are busy; a dead one is seen by yamux's own pings
    connectionMonitor: { enabled: false },
    // an address that is announced again keeps its first age, so any limit makes known peers undialable
    peerStore: { maxAddressAge: Number.POSITIVE_INFINITY },
    transportManager: { faultTolerance: FaultTolerance.NO_FATAL },
    services: {
      identify: identify(),
      identifyPush: identifyPush(),
      ping: ping(),
      dht: connectedPeerRouting({ clock: monotonicMs, onPenalty: (peer, reason) => init.onPenalty(peer, reason) }),
      ...(init.services as ServiceFactoryMap)
    }
  })
  host.addEventListener('connection:open', ({ detail: connection }) => {
    dials.onConnection(connection)
    if (connection.direction === 'inbound') gate.toClose(connection, host.getConnections())?.abort(new Error('crowded'))
  })
  await new PeerMemory(host).load()
  return host as unknown as Libp2p<Services & HostServices>
}

/** Starts the host. @throws ShoalError NETWORK when it can listen nowhere */
export async function startHost(host: Libp2p, listen: readonly string[]): Promise<void> {
  try {
    await host.start()
  } catch (error) {
    throw new ShoalError('NETWORK', `cannot start the network: ${(error as Error).message}`, { cause: error })
  }
  if (listen.length > 0 && host.getMultiaddrs().length === 0) {
    await host.stop()
    throw new ShoalError('NETWORK', `cannot listen on ${listen.join(' or ')}`)
  }
}
