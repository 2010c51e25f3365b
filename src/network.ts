import { randomBytes } from 'node:crypto'
import { networkInterfaces } from 'node:os'
import type { DatabaseSync } from 'node:sqlite'
import type { Libp2p, PeerId } from '@libp2p/interface'
import { type BrokerService, brokerService } from '../protocols/broker/handler.ts'
import { type BrokerConfig, type BrokerEvent, brokerConfig } from '../protocols/broker/index.ts'
import type { ChordService } from '../protocols/chord/handler.ts'
import type { FileId, Infohash } from '../protocols/core/ids.ts'
import type { Peer } from '../protocols/core/peer.ts'
import { type Rng, seededRng } from '../protocols/core/rng.ts'
import type { DirectoryService } from '../protocols/directory/handler.ts'
import { type ExchangeService, exchangeService, type SwarmHandle } from '../protocols/exchange/handler.ts'
import { ContactBook, followRecords } from '../protocols/libp2p/contacts.ts'
import { monotonicMs } from '../protocols/libp2p/driver.ts'
import { peerCrypto } from '../protocols/libp2p/peer-crypto.ts'
import { idFromPeer, peerFromId } from '../protocols/libp2p/peer-ids.ts'
import { type MetainfoService, metainfoService } from '../protocols/metainfo/handler.ts'
import { type OverlayService, overlayService } from '../protocols/overlay/handler.ts'
import { type ProofService, type ProvableFile, proofService } from '../protocols/proof/handler.ts'
import { type SearchService, searchService } from '../protocols/search/handler.ts'
import type { Hit, Query, SearchEvent } from '../protocols/search/index.ts'
import { type SuperPeerService, superPeerService } from '../protocols/superpeer/handler.ts'
import type { Strength } from '../protocols/superpeer/index.ts'
import { type TrackerService, trackerService } from '../protocols/tracker/handler.ts'
import type { TrackerEvent } from '../protocols/tracker/index.ts'
import type { CheckedConfig } from './config.ts'
import { NodeRing } from './directory/ring.ts'
import { ShoalError } from './errors.ts'
import type { Home } from './home.ts'
import { SqliteBrokerStore } from './hosting/broker-store.ts'
import { domainOfAddress } from './hosting/domain.ts'
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
import type { CatalogueHit } from './library/catalogue.ts'
import type { SupersSearchEvent } from './search/searches.ts'
import { sha256 } from './sha256.ts'
import { SqliteCatalogueStore } from './superpeer/catalogue-store.ts'
import { StrengthMeter } from './superpeer/strength.ts'
import { SuperPeers } from './superpeer/super-peers.ts'

/** What the protocols ask of the application, and tell it. */
export interface Application {
  /** Shared files that match. */
  lookup(query: Query, limit: number): readonly Hit[]
  infoOf(infohash: Infohash): Uint8Array | undefined
  /** What it shares, so many files at most. */
  files(limit: number): Iterable<CatalogueHit>
  /** What clients share, and a search can find here, has changed. */
  onKeys(): void
  /** A peer asks for the swarm whose id begins with these 40 hex digits: opens it, if this node shares it. */
  openSwarm(prefix: string, peer: Peer): SwarmHandle | undefined
  /** A file that this node has whole, to show blocks of. */
  openFile(id: FileId): ProvableFile | undefined
  onSearchEvent(event: SearchEvent | SupersSearchEvent): void
  onTrackerEvent(event: TrackerEvent): void
  onBrokerEvent(event: BrokerEvent): void
  /** Those who may be brokers have changed. */
  onBrokers(): void
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
  superpeer: SuperPeerService
  broker: BrokerService
}

/**
 * One libp2p host with all protocols on it, wired to one another and to the application, and the ways by which it finds
 * other peers. Machines meet here and nowhere else.
 */
export class Network {
  readonly host: Libp2p<Protocols>
  readonly reach: Reach
  readonly ring: NodeRing
  readonly superPeers: SuperPeers
  readonly reputation: Reputation
  readonly dialer: Dialer
  readonly discovery: MdnsDiscovery | undefined
  readonly #listen: readonly string[]
  readonly #port: UsualPort
  readonly #catalogues: SqliteCatalogueStore
  readonly #meter: StrengthMeter
  readonly #config: CheckedConfig
  readonly #stopFollowing: () => void

  private constructor(init: {
    host: Libp2p<Protocols>
    contacts: ContactBook
    ring: NodeRing
    superPeers: SuperPeers
    catalogues: SqliteCatalogueStore
    meter: StrengthMeter
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
    this.superPeers = init.superPeers
    this.#catalogues = init.catalogues
    this.#meter = init.meter
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
      isClient: !config.ring,
      onPlace: () => application.onBrokers()
    })
    const privateKey = await loadOrCreateKey(home.keyFile)
    const crypto = peerCrypto(privateKey)
    const catalogues = new SqliteCatalogueStore(database)
    const groupOf = (peer: Peer): string | undefined => {
      const [connection] = host.getConnections(idFromPeer(peer))
      return connection === undefined ? undefined : networkOf(connection.remoteAddr)
    }
    let contacts: ContactBook | undefined
    const book = (components: { peerStore: ConstructorParameters<typeof ContactBook>[0] }): ContactBook =>
      (contacts ??= new ContactBook(components.peerStore))

    const host: Libp2p<Protocols> = await createHost<Protocols>({
      privateKey,
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
            groupOf,
            // the search floods over the overlay's links; the ring notices by them that there is another one, and of
            // super-peers is told along them
            onEvent: event => {
              host.services.search.command(event)
              host.services.chord.command(event)
              host.services.superpeer.command(event)
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
              { holder: peerFromId(components.peerId), hits: application.lookup(query, limit) },
              ...host.services.superpeer.lookup(query, limit)
            ],
            population: () => host.services.overlay.population.about,
            onEvent: event => {
              if (!superPeers.onSearchEvent(event)) application.onSearchEvent(event)
            },
            onPenalty
          })(components),
        superpeer: components =>
          superPeerService({
            contacts: book(components),
            rng: freshRng(),
            crypto,
            store: catalogues,
            config: { network: groupTag(groupKey) },
            groupOf,
            onEvent: event => superPeers.onEvent(event),
            onPenalty
          })(components),
        broker: components =>
          brokerService({
            contacts: book(components),
            rng: freshRng(),
            crypto,
            store: new SqliteBrokerStore(database, peerFromId(components.peerId)),
            config: brokerConfigOf(groupTag(groupKey), config.lostAfterMs),
            domainOf: peer => {
              const [connection] = host.getConnections(idFromPeer(peer))
              return connection === undefined ? undefined : domainOfAddress(connection.remoteAddr)
            },
            onEvent: event => application.onBrokerEvent(event),
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
    const { exchange } = host.services
    const meter = new StrengthMeter({
      connections: () => host.getConnections(),
      sentBytes: () => exchange.traffic().sentBytes,
      clock: monotonicMs
    })
    const superPeers = new SuperPeers({
      protocol: host.services.superpeer,
      overlay: host.services.overlay,
      search: command => host.services.search.command(command),
      files: limit => application.files(limit),
      measure: () => meter.read(),
      part: config.role,
      onKeys: () => application.onKeys(),
      onChange: () => application.onBrokers(),
      onSearchEvent: event => application.onSearchEvent(event)
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
    return new Network({
      host,
      contacts,
      ring,
      superPeers,
      catalogues,
      meter,
      reputation,
      discovery,
      dialer,
      listen,
      port,
      config
    })
  }

  /** @throws ShoalError NETWORK */
  async start(): Promise<void> {
    await startHost(this.host, this.#listen)
    this.ring.start()
    // one that is here for a moment is nobody's client, and nobody's super-peer
    if (this.#config.ring) this.superPeers.start()
    if (this.#config.listen.length === 0) this.#port.remember(this.addresses)
    this.discovery?.start()
    await this.dialer.start(this.#config.peers)
  }

  async stop(): Promise<void> {
    this.dialer.stop()
    this.superPeers.stop()
    await this.discovery?.stop()
    await this.ring.leave()
    this.#stopFollowing()
    await this.host.stop()
  }

  /**
   * Those who decide where copies are put: super-peers; where there are none, the nodes around this one on the ring, who
   * in a small network are all.
   */
  async brokers(): Promise<readonly Peer[]> {
    const { superpeer } = this.host.services
    const supers = superpeer.role === 'super' ? [...superpeer.known, this.reach.self] : superpeer.known
    if (supers.length > 0) return supers
    const { predecessor, successors } = this.ring.place
    const around = predecessor === undefined ? successors : [predecessor, ...successors]
    if (around.length > 0) return [this.reach.self, ...around]
    return await this.ring.around()
  }

  /** What this node can do for others. */
  measure(): Strength {
    return this.#meter.read()
  }

  /** Addresses that others are told. */
  get addresses(): string[] {
    return this.host.getMultiaddrs().map(String)
  }

  /** About how many other peers there are; undefined while too few were met to tell. */
  get others(): number | undefined {
    return this.superPeers.others
  }

  /** Files of others that this node knows. */
  get indexed(): number {
    return this.#catalogues.usage().items - this.#catalogues.usageOf(this.reach.self).items
  }

  get neighbours(): ReadonlySet<Peer> {
    return new Set(this.host.services.overlay.views().active)
  }
}

/** Who is impatient for copies is so for brokers too; ten minutes make the usual half a minute. */
function brokerConfigOf(network: string, lostAfterMs: number): Partial<BrokerConfig> {
  const takeoverMs = Math.min(Math.max(lostAfterMs / 20, 1_000), brokerConfig.takeoverMs)
  return { network, graceMs: lostAfterMs, takeoverMs }
}

function freshRng(): Rng {
  return seededRng(randomBytes(6).readUIntBE(0, 6))
}
