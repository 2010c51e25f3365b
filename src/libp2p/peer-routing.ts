import {
  type Connection,
  type PeerId,
  type PeerInfo,
  type PeerRouting,
  type PeerStore,
  peerRoutingSymbol,
  type RoutingOptions,
  type Startable,
  type Stream,
  type StreamHandler,
  serviceDependencies
} from '@libp2p/interface'
import type { ConnectionManager, Registrar } from '@libp2p/interface-internal'
import { type KadDHT, type KadDHTComponents, kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Datastore } from 'interface-datastore'
import { NotFoundError } from 'interface-store'
import { BoundedMap } from '../../protocols/core/bounded-map.ts'
import { TokenBucket } from '../../protocols/core/token-bucket.ts'
import { fewAddresses } from '../../protocols/libp2p/contacts.ts'

export const KAD_PROTOCOL = '/shoal/kad/1.0.0'

export const routingLimits = {
  /** Bytes of questions from one peer. One has less than 50; a table is filled with a few dozen of them. */
  questionBytes: { rate: 1_024, burst: 16 * 1024 },
  /** One answer: 20 peers, each with an id and a few addresses. */
  answerBytes: 16 * 1024,
  maxStreams: 4,
  /** Peers that the rate is kept of; more than libp2p has connections. */
  maxPeers: 1_024,
  /** How long the connected peers may take to tell where somebody is. */
  lookupMs: 5_000,
  /** Peers whose answers are put together: the first could be a lie. */
  answers: 3
}

/**
 * Peer routing (id → addresses) by kad-dht, among the peers that this node is connected to. What kad-dht is told it may
 * neither dial, nor keep, nor tell on: it is not signed, and anybody can tell it. So it gets its own view of the node,
 * in which there are connected peers only, no place to keep anything, and of everybody the addresses that were signed.
 */
export class ConnectedPeerRouting implements Startable {
  readonly [Symbol.toStringTag] = '@shoal/peer-routing'
  readonly [serviceDependencies] = ['@libp2p/identify', '@libp2p/ping']
  readonly #dht: KadDHT & Startable

  constructor(components: KadDHTComponents, clock: () => number, onPenalty: (peer: PeerId, reason: string) => void) {
    const { peerId, privateKey, addressManager, events, logger } = components
    const make = kadDHT({
      protocol: KAD_PROTOCOL,
      clientMode: false,
      maxInboundStreams: routingLimits.maxStreams,
      // the addresses in its view are few already
      peerInfoMapper: passthroughMapper,
      allowQueryWithZeroPeers: true,
      initialQuerySelfInterval: 1_000,
      // values are refused before anything is done with them
      validators: { pk: refuse }
    })
    this.#dht = make({
      peerId,
      privateKey,
      addressManager,
      events,
      logger,
      registrar: guardedRegistrar(components.registrar, clock, onPenalty),
      connectionManager: connectedPeers(components.connectionManager),
      peerStore: signedAddresses(components.peerStore),
      datastore: nothing,
      ping: {
        ping: async (peer, options) => {
          connectionTo(components.connectionManager, peer as PeerId)
          return await components.ping.ping(peer, options)
        }
      }
    }) as KadDHT & Startable
  }

  get [peerRoutingSymbol](): Partial<PeerRouting> {
    return { findPeer: (peer, options) => this.findPeer(peer, options) }
  }

  async start(): Promise<void> {
    await this.#dht.start()
  }

  async stop(): Promise<void> {
    await this.#dht.stop()
  }

  /**
   * A few addresses at which connected peers say the peer is. None is checked.
   *
   * @throws NotFoundError when none of them knows any
   */
  async findPeer(peer: PeerId, options: RoutingOptions = {}): Promise<PeerInfo> {
    const told: Multiaddr[][] = []
    const timeout = AbortSignal.timeout(routingLimits.lookupMs)
    const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout
    try {
      for await (const event of this.#dht.findPeer(peer, { ...options, signal })) {
        if (event.name !== 'FINAL_PEER' || event.peer.multiaddrs.length === 0) continue
        told.push(fewAddresses(event.peer.multiaddrs))
        if (told.length >= routingLimits.answers) break
      }
    } catch (error) {
      if (told.length === 0) throw error
    }
    const multiaddrs = inTurn(told)
    if (multiaddrs.length === 0) throw new NotFoundError(`nobody knows where ${peer} is`)
    return { id: peer, multiaddrs }
  }
}

export function connectedPeerRouting(init: {
  clock: () => number
  onPenalty(peer: PeerId, reason: string): void
}): (components: KadDHTComponents) => ConnectedPeerRouting {
  return components => new ConnectedPeerRouting(components, init.clock, init.onPenalty)
}

/** The first of each, then the second of each: no teller can fill all places. */
function inTurn(told: readonly Multiaddr[][]): Multiaddr[] {
  const all = new Map<string, Multiaddr>()
  for (let i = 0; i < Math.max(0, ...told.map(({ length }) => length)); i++) {
    for (const address of told.flatMap(addresses => addresses[i] ?? [])) all.set(address.toString(), address)
  }
  return fewAddresses([...all.values()])
}

async function refuse(): Promise<never> {
  throw new Error('this node keeps nothing for others')
}

/** Providers and values of strangers: none is kept, not even for a moment. */
const nothing = {
  put: refuse,
  get: async () => {
    throw new NotFoundError('nothing is kept')
  },
  has: async () => false,
  delete: async () => {},
  async *query() {},
  async *queryKeys() {}
} as unknown as Datastore

/** An open connection to the peer. @throws when there is none: kad-dht dials nobody */
function connectionTo(connectionManager: ConnectionManager, peer: PeerId): Connection {
  const connection = connectionManager.getConnections(peer).find(({ status }) => status === 'open')
  if (connection === undefined) throw new Error(`not connected to ${peer}`)
  return connection
}

function connectedPeers(connectionManager: ConnectionManager): ConnectionManager {
  return {
    openStream: async (peer: PeerId, protocol: string, options?: { signal?: AbortSignal }) => {
      const stream = await connectionTo(connectionManager, peer).newStream(protocol, options)
      let left = routingLimits.answerBytes
      limitBytes(stream, bytes => {
        left -= bytes
        return left >= 0
      })
      return stream
    },
    // all that is asked is whether to ask that peer; whether there is a connection is seen when it is
    isDialable: async () => true
  } as unknown as ConnectionManager
}

/** What is told on: who was heard of, with what it has signed itself. And nothing that kad-dht hears is kept. */
function signedAddresses(peerStore: PeerStore): PeerStore {
  const signed = (addresses: { multiaddr: Multiaddr; isCertified: boolean }[]): Multiaddr[] =>
    fewAddresses(addresses.filter(({ isCertified }) => isCertified).map(({ multiaddr }) => multiaddr))
  const view: Pick<PeerStore, 'get' | 'getInfo' | 'merge' | 'all'> = {
    get: async (id, options) => {
      const peer = await peerStore.get(id, options)
      return { ...peer, addresses: signed(peer.addresses).map(multiaddr => ({ multiaddr, isCertified: true })) }
    },
    getInfo: async (id, options) => ({ id, multiaddrs: signed((await peerStore.get(id, options)).addresses) }),
    // tags that make libp2p dial a peer again and again, and addresses of providers
    merge: async (id, _data, options) => await peerStore.get(id, options),
    all: async () => []
  }
  return view as PeerStore
}

/** Lets kad-dht's questions in within a rate. Its own reader would take frames of 4 MiB. */
function guardedRegistrar(
  registrar: Registrar,
  clock: () => number,
  onPenalty: (peer: PeerId, reason: string) => void
): Registrar {
  const rates = new BoundedMap<string, TokenBucket>(routingLimits.maxPeers)
  const guarded = (handler: StreamHandler): StreamHandler => {
    return async (stream, connection) => {
      const peer = connection.remotePeer.toString()
      const bucket = rates.get(peer) ?? new TokenBucket(routingLimits.questionBytes)
      rates.set(peer, bucket)
      limitBytes(stream, bytes => {
        if (bucket.take(clock(), bytes)) return true
        onPenalty(connection.remotePeer, `${KAD_PROTOCOL}: too many questions`)
        return false
      })
      await handler(stream, connection)
    }
  }
  const view: Pick<Registrar, 'handle' | 'unhandle' | 'register' | 'unregister'> = {
    handle: async (protocol, handler, options) => await registrar.handle(protocol, guarded(handler), options),
    unhandle: async (protocol, options) => await registrar.unhandle(protocol, options),
    register: async (protocol, topology, options) => await registrar.register(protocol, topology, options),
    unregister: id => registrar.unregister(id)
  }
  return view as Registrar
}

/** Ends the stream at the first bytes that are too many, before whoever reads it sees them. */
function limitBytes(stream: Stream, allows: (bytes: number) => boolean): void {
  stream.addEventListener('message', event => {
    if (allows(event.data.byteLength)) return
    event.stopImmediatePropagation()
    stream.abort(new Error('too many bytes'))
  })
}
