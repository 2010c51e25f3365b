import { randomBytes } from 'node:crypto'
import { networkInterfaces } from 'node:os'
import type { DatabaseSync } from 'node:sqlite'
import type { Libp2p, PeerId } from '@libp2p/interface'
import type { ChordService } from '../protocols/chord/handler.ts'
import type { FileId, Infohash } from '../protocols/core/ids.ts'
import type { Peer } from '../protocols/core/peer.ts'
import { type Rng, seededRng } from '../protocols/core/rng.ts'
import type { DirectoryService } from '../protocols/directory/handler.ts'
import { type ExchangeService, exchangeService, type SwarmHandle } from '../protocols/exchange/handler.ts'
import { ContactBook, followRecords } from '../protocols/libp2p/contacts.ts'
import { monotonicMs } from '../protocols/libp2p/driver.ts'
import { idFromPeer, peerFromId } from '../protocols/libp2p/peer-ids.ts'
import { type MetainfoService, metainfoService } from '../protocols/metainfo/handler.ts'
import { type OverlayService, overlayService } from '../protocols/overlay/handler.ts'
import { type ProofService, type ProvableFile, proofService } from '../protocols/proof/handler.ts'
import { type SearchService, searchService } from '../protocols/search/handler.ts'
import type { Hit, Query, SearchEvent } from '../protocols/search/index.ts'
import { type TrackerService, trackerService } from '../protocols/tracker/handler.ts'
import type { TrackerEvent } from '../protocols/tracker/index.ts'
import type { CheckedConfig } from './config.ts'
import { NodeRing } from './directory/ring.ts'
import { ShoalError } from './errors.ts'
import type { Home } from './home.ts'
import { SqliteDatastore } from './libp2p/datastore.ts'
import { Dialer } from './libp2p/dialer.ts'
import { groupTag } from './libp2p/group-key.ts'
import { createHost, startHost } from './libp2p/host.ts'
import { networkOf } from './libp2p/host-key.ts'
import { announceFilter, listenAddresses, type UsableInterface, usableInterfaces } from './libp2p/interfaces.ts'
import { loadOrCreateKey } from './libp2p/key-file.ts'
import { MdnsDiscovery } from './libp2p/mdns.ts'
import { Reach } from './libp2p/reach.ts'
import { Reputation, reputationLimits } from './libp2p/reputation.ts'
import { UsualPort } from './libp2p/usual-port.ts'
import { sha256 } from './sha256.ts'

/** What the protocols ask of the application, and tell it. */
export interface Application {
  /** Shared files that match. */
  lookup(query: Query, limit: number): readonly Hit[]
  infoOf(infohash: Infohash): Uint8Array | undefined
  /** A peer asks for the swarm whose id begins with these 40 hex digits: opens it, if this node shares it. */
  openSwarm(prefix: string, peer: Peer): SwarmHandle | undefined
  /** A file that this node has whole, to show blocks of. */
  openFile(id: FileId): ProvableFile | undefined
  onSearchEvent(event: SearchEvent): void
  onTrackerEvent(event: TrackerEvent): void
  /** There is one more peer to ask. */
  onNeighbour(): void
}

interface Protocols extends Record<string, unknown> {
  overlay: OverlayService
  chord: ChordService
  directory: DirectoryService
  search: SearchService
  tracker: TrackerService
  exchange: ExchangeService
  metainfo: MetainfoService
  proof: ProofService
}

/**
 * One libp2p host with all protocols on it, wired to one another and to the application, and the ways by which it finds
 * other peers. Machines meet here and nowhere else.
 */
export class Network {
  readonly host: Libp2p<Protocols>
  readonly reach: Reach
  readonly ring: NodeRing
  readonly reputation: Reputation
  readonly dialer: Dialer
  readonly discovery: MdnsDiscovery | undefined
  readonly #listen: readonly string[]
  readonly #port: UsualPort
  readonly #config: CheckedConfig
  readonly #stopFollowing: () => void

  private constructor(init: {
    host: Libp2p<Protocols>
    contacts: ContactBook
    ring: NodeRing
    reputation: Reputation
    discovery: MdnsDiscovery | undefined
    dialer: Dialer
    listen: readonly string[]
    port: UsualPort
    config: CheckedConfig
  }) {
    const { host, contacts } = init
    this.host = host
    this.ring = init.ring
    this.reputation = init.reputation
    this.discovery = init.discovery
    this.dialer = init.dialer
    this.#listen = init.listen
    this.#port = init.port
    this.#config = init.config
    this.reach = new Reach(host, contacts)
    this.#stopFollowing = followRecords(contacts, {
      peerId: host.peerId,
      peerStore: host.peerStore,
      events: host as unknown as EventTarget
    })
  }

  /** Makes the host; nothing is sent before `start`. @throws ShoalError */
  static async create(
    config: CheckedConfig,
    parts: { home: Home; database: DatabaseSync; groupKey: Uint8Array | undefined },
    application: Application
  ): Promise<Network> {
    const { home, database, groupKey } = parts
    const usable = usableInterfaces(networkInterfaces(), config.interfaces)
    // addresses come and go while a node runs: DHCP, Wi-Fi, a network that is up late
    const interfacesNow = (): UsableInterface[] => {
      try {
        return usableInterfaces(networkInterfaces(), config.interfaces)
      } catch {
        // a named interface is gone for now
        return usable
      }
    }
    const port = new UsualPort(database)
    const listen =
      config.listen.length > 0 ? config.listen : await port.apply(listenAddresses(usable, config.interfaces))
    const reputation = new Reputation({
      clock: monotonicMs,
      onBan: peer => {
        void host.hangUp(idFromPeer(peer)).catch(() => {})
      }
    })
    const onPenalty = (peer: Peer, reason: string): void => reputation.penalise(peer, reason)
    const ring = new NodeRing({
      database,
      network: groupTag(groupKey),
      connections: () => host.getConnections(),
      isClient: !config.ring
    })
    let contacts: ContactBook | undefined
    const book = (components: { peerStore: ConstructorParameters<typeof ContactBook>[0] }): ContactBook =>
      (contacts ??= new ContactBook(components.peerStore))

    const host: Libp2p<Protocols> = await createHost<Protocols>({
      privateKey: await loadOrCreateKey(home.keyFile),
      datastore: new SqliteDatastore(database),
      listen,
      announce: addresses => announceFilter(interfacesNow())(addresses),
      groupKey,
      isBanned: (peer: PeerId) => reputation.isBanned(peerFromId(peer)),
      onPenalty: (peer, reason) => onPenalty(peerFromId(peer), reason),
      services: {
        overlay: components =>
          overlayService({
            contacts: book(components),
            rng: freshRng(),
            groupOf: peer => {
              const [connection] = host.getConnections(idFromPeer(peer))
              return connection === undefined ? undefined : networkOf(connection.remoteAddr)
            },
            // the search floods over the overlay's links; the ring notices by them that there is another one
            onEvent: event => {
              host.services.search.command(event)
              host.services.chord.command(event)
              if (event.type === 'neighbourUp') application.onNeighbour()
            },
            onPenalty
          })(components),
        chord: components => ring.chordService({ contacts: book(components), rng: freshRng(), onPenalty })(components),
        directory: components =>
          ring.directoryService({ contacts: book(components), rng: freshRng(), onPenalty })(components),
        search: components =>
          searchService({
            contacts: book(components),
            rng: freshRng(),
            lookup: (query, limit) => [
              { holder: peerFromId(components.peerId), hits: application.lookup(query, limit) }
            ],
            population: () => host.services.overlay.population.about,
            onEvent: event => application.onSearchEvent(event),
            onPenalty
          })(components),
        tracker: components =>
          trackerService({
            contacts: book(components),
            rng: freshRng(),
            onEvent: event => application.onTrackerEvent(event),
            onPenalty
          })(components),
        exchange: components =>
          exchangeService({
            contacts: book(components),
            rng: freshRng(),
            sha256,
            onWanted: async (prefix, peer) => application.openSwarm(prefix, peer),
            onPenalty: (peer, reason, kind) =>
              reputation.penalise(peer, reason, kind === 'content' ? reputationLimits.contentWeight : 1)
          })(components),
        metainfo: components =>
          metainfoService({ lookup: infohash => application.infoOf(infohash), sha256 })(components),
        proof: components => proofService({ open: id => application.openFile(id), sha256, onPenalty })(components)
      }
    })
    if (contacts === undefined) throw new ShoalError('INTERNAL', 'no protocol asked for the contacts')

    const dialer = new Dialer({ host, isWelcome: peer => !reputation.isBanned(peer) })
    const discovery = config.discovery
      ? new MdnsDiscovery({
          tag: groupTag(groupKey),
          interfaces: config.interfaces,
          addresses: () => host.getMultiaddrs().map(String),
          onFound: addresses => dialer.found(addresses, 'mdns'),
          networkInterfaces
        })
      : undefined
    host.addEventListener('self:peer:update', () => discovery?.announce())
    return new Network({ host, contacts, ring, reputation, discovery, dialer, listen, port, config })
  }

  /** @throws ShoalError NETWORK */
  async start(): Promise<void> {
    await startHost(this.host, this.#listen)
    this.ring.start()
    if (this.#config.listen.length === 0) this.#port.remember(this.addresses)
    this.discovery?.start()
    await this.dialer.start(this.#config.peers)
  }

  async stop(): Promise<void> {
    this.dialer.stop()
    await this.discovery?.stop()
    await this.ring.leave()
    this.#stopFollowing()
    await this.host.stop()
  }

  /** Addresses that others are told. */
  get addresses(): string[] {
    return this.host.getMultiaddrs().map(String)
  }

  /** About how many other peers there are; undefined while too few were met to tell. */
  get others(): number | undefined {
    const { about } = this.host.services.overlay.population
    return about === undefined ? undefined : about - 1
  }

  get neighbours(): ReadonlySet<Peer> {
    return new Set(this.host.services.overlay.views().active)
  }
}

function freshRng(): Rng {
  return seededRng(randomBytes(6).readUIntBE(0, 6))
}
