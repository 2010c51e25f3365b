import type { DatabaseSync } from 'node:sqlite'
import type { Libp2p } from '@libp2p/interface'
import type { FileId, Infohash } from '../protocols/core/ids.ts'
import type { Hit, Query } from '../protocols/search/index.ts'
import type {
  CopiesOptions,
  ForgetOptions,
  Forgotten,
  GetEvent,
  GetOptions,
  Listing,
  LsOptions,
  PeerStatus,
  Placement,
  PutEvent,
  PutOptions,
  RingStatus,
  SearchEvent,
  SearchOptions,
  Share,
  ShareEvent,
  ShareOptions,
  Shoal,
  Status,
  TorrentFile,
  TransferStatus,
  Watch,
  WatchEvent,
  WatchOptions
} from './api.ts'
import { type CheckedConfig, checkConfig, type NodeConfig } from './config.ts'
import { openDatabase } from './database.ts'
import { publisherSchema } from './directory/publisher.ts'
import { directorySchema } from './directory/record-schema.ts'
import { ShoalError } from './errors.ts'
import { type Home, openHome } from './home.ts'
import { brokerSchema } from './hosting/broker-schema.ts'
import { machineDomain } from './hosting/domain.ts'
import { datastoreSchema } from './libp2p/datastore.ts'
import { groupTag, readGroupKey } from './libp2p/group-key.ts'
import { loadOrCreateKey } from './libp2p/key-file.ts'
import { portSchema } from './libp2p/usual-port.ts'
import { realFiles } from './library/content/files.ts'
import { HandlePool } from './library/content/handle-pool.ts'
import { ProvableFile } from './library/content/provable-file.ts'
import { TransferState, transferSchema } from './library/content/transfer-state.ts'
import { Library } from './library/library.ts'
import { librarySchema } from './library/schema.ts'
import { Network } from './network.ts'
import { type Online, onlineWith } from './online.ts'
import { LastResults, resultsSchema } from './search/results.ts'
import { type Reach, searchForUser } from './search/user-search.ts'
import { peersOf, problemsOf, ringOf, superPeerOf, trafficOf } from './status.ts'
import { catalogueSchema } from './superpeer/catalogue-schema.ts'
import { BegunTransfers } from './transfers/begun.ts'
import { VERSION } from './version.ts'
import { watchesSchema } from './watches/store.ts'
import { Watches } from './watches/watches.ts'

/** A running peer in this process. */
export interface ShoalNode extends Shoal {
  /** Home directory. */
  readonly home: string
  readonly socketPath: string
  /** The libp2p node; undefined when it is offline. */
  readonly host: Libp2p | undefined
}

/**
 * Starts a peer. Its home directory is locked until `close`.
 *
 * @throws ShoalError BAD_CONFIG, ALREADY_RUNNING, PERMISSION, BAD_KEY, VERSION_MISMATCH, USAGE, NETWORK
 */
export async function createNode(config: NodeConfig): Promise<ShoalNode> {
  const checked = checkConfig(config)
  const home = await openHome(checked.home)
  let database: DatabaseSync | undefined
  try {
    const groupKey = checked.groupKeyFile === undefined ? undefined : await readGroupKey(checked.groupKeyFile)
    database = openDatabase(home.database, [
      librarySchema,
      transferSchema,
      resultsSchema,
      watchesSchema,
      datastoreSchema,
      directorySchema,
      catalogueSchema,
      brokerSchema,
      publisherSchema,
      portSchema
    ])
    const node = await Node.create(checked, { home, database, groupKey })
    await node.start()
    return node
  } catch (error) {
    database?.close()
    home.release()
    throw error
  }
}

class Node implements ShoalNode {
  readonly #config: CheckedConfig
  readonly #home: Home
  readonly #database: DatabaseSync
  readonly #library: Library
  readonly #lastResults: LastResults
  /** Apart from those of transfers: what strangers ask for does not close what is being sent. */
  readonly #proofHandles = new HandlePool(realFiles, 8)
  readonly #begun: BegunTransfers
  readonly #startedAt = Date.now()
  #online: Online | undefined
  #watches: Watches | undefined
  #peerId = ''
  #closing: Promise<void> | undefined

  private constructor(config: CheckedConfig, home: Home, database: DatabaseSync) {
    this.#config = config
    this.#home = home
    this.#database = database
    this.#lastResults = new LastResults(database)
    this.#begun = new BegunTransfers(new TransferState(database))
    this.#library = new Library({
      database,
      exclude: [home.path],
      watch: config.watch,
      addresses: () => this.#online?.network.addresses ?? [],
      onChange: () => {
        this.#online?.seeder.onLibraryChange()
        this.#online?.sharedKeys.changed()
        this.#online?.network.superPeers.changed()
        this.#online?.hosting.libraryChanged()
        if (config.ring) this.#online?.publisher.changed()
      }
    })
  }

  static async create(
    config: CheckedConfig,
    parts: { home: Home; database: DatabaseSync; groupKey: Uint8Array | undefined }
  ): Promise<Node> {
    const node = new Node(config, parts.home, parts.database)
    if (config.offline) {
      node.#watches = new Watches(parts.database, undefined)
      node.#peerId = (await loadOrCreateKey(parts.home.keyFile)).publicKey.toString()
    } else await node.#goOnline(parts)
    return node
  }

  async start(): Promise<void> {
    await this.#online?.network.start()
    this.#library.start()
    this.#online?.sharedKeys.now()
    if (this.#config.ring) this.#online?.publisher.changed()
    this.#online?.seeder.start()
    this.#online?.hosting.start()
    if (this.#config.watch) this.#watches?.start()
  }

  get home(): string {
    return this.#home.path
  }

  get socketPath(): string {
    return this.#home.socketPath
  }

  get host(): Libp2p | undefined {
    return this.#online?.network.host
  }

  async status(): Promise<Status> {
    const online = this.#online
    const transfers = await this.transfers()
    const paused = transfers.filter(({ state }) => state === 'paused').length
    const failed = transfers.filter(({ state }) => state === 'failed').length
    return {
      version: VERSION,
      peerId: this.#peerId,
      pid: process.pid,
      home: this.#home.path,
      startedAt: this.#startedAt,
      addresses: online?.network.addresses ?? [],
      privateGroup: this.#config.groupKeyFile !== undefined,
      discovery: online?.network.discovery?.interfaces ?? [],
      peers: {
        connected: online?.network.host.getPeers().length ?? 0,
        known: online?.network.dialer.knownPeers ?? 0,
        neighbours: online?.network.neighbours.size ?? 0
      },
      ...ringOf(online?.network),
      ...superPeerOf(online?.network),
      ...(online === undefined ? {} : { hosting: online.hosting.status }),
      shared: this.#library.totals(),
      transfers: { active: transfers.length - paused - failed, paused, failed },
      ...trafficOf(online?.network),
      problems: problemsOf(online?.network, this.#startedAt)
    }
  }

  async peers(): Promise<PeerStatus[]> {
    return this.#online === undefined ? [] : peersOf(this.#online.network)
  }

  async ring(): Promise<RingStatus> {
    return this.#needOnline().network.ring.status
  }

  share(paths: string[], options?: ShareOptions): AsyncIterable<ShareEvent> {
    return this.#library.share(paths, options)
  }

  async unshare(paths: string[]): Promise<string[]> {
    return await this.#library.unshare(paths)
  }

  async shares(): Promise<Share[]> {
    return this.#library.shares()
  }

  async torrent(share: string): Promise<TorrentFile> {
    return this.#library.torrent(share)
  }

  search(query: string, options?: SearchOptions): AsyncIterable<SearchEvent> {
    const { searches, prover, network, finding } = this.#needOnline()
    const reach = (): Reach => ({
      connected: network.host.getPeers().length,
      neighbours: network.neighbours.size,
      population: network.others
    })
    return searchForUser(
      { searches, prover, directory: finding, lastResults: this.#lastResults, self: this.#peerId, reach },
      query,
      options
    )
  }

  get(target: string, options?: GetOptions): AsyncIterable<GetEvent> {
    return this.#needOnline().transfers.get(target, options)
  }

  async ls(target: string, options?: LsOptions): Promise<Listing> {
    return await this.#needOnline().transfers.ls(target, options)
  }

  async transfers(): Promise<TransferStatus[]> {
    return (this.#online?.transfers ?? this.#begun).list()
  }

  async forget(transfer: string, options: ForgetOptions = {}): Promise<Forgotten> {
    if (this.#online !== undefined) return await this.#online.transfers.forget(transfer, options)
    return await this.#begun.forget(this.#begun.named(transfer), options)
  }

  async watch(query: string, options: WatchOptions = {}): Promise<Watch> {
    return this.#saved.put(query, options)
  }

  async unwatch(number: number): Promise<Watch> {
    return this.#saved.remove(number)
  }

  async watches(): Promise<Watch[]> {
    return this.#saved.list()
  }

  watchEvents(options: { signal?: AbortSignal } = {}): AsyncIterable<WatchEvent> {
    return this.#saved.events(options.signal)
  }

  put(path: string, options?: PutOptions): AsyncIterable<PutEvent> {
    return this.#needOnline().hosting.placements.put(path, options)
  }

  async copies(options?: CopiesOptions): Promise<Placement[]> {
    return await this.#needOnline().hosting.placements.copies(options)
  }

  async drop(named: string): Promise<Placement> {
    return await this.#needOnline().hosting.placements.drop(named)
  }

  readonly directoryGet: Shoal['directoryGet'] = async (key, options) =>
    await this.#needOnline().directory.directoryGet(key, options)
  readonly directoryPut: Shoal['directoryPut'] = async entry => await this.#needOnline().directory.directoryPut(entry)
  readonly directoryAppend: Shoal['directoryAppend'] = async (key, items) =>
    await this.#needOnline().directory.directoryAppend(key, items)
  readonly directoryRemove: Shoal['directoryRemove'] = async (key, items) =>
    await this.#needOnline().directory.directoryRemove(key, items)

  async close(): Promise<void> {
    this.#closing ??= this.#close()
    await this.#closing
  }

  async #close(): Promise<void> {
    const online = this.#online
    try {
      await this.#watches?.close()
      online?.searches.close()
      online?.sharedKeys.close()
      online?.publisher.stop()
      online?.prover.stop()
      await online?.hosting.stop()
      await online?.transfers.close()
      online?.seeder.stop()
      await this.#library.close()
      await online?.network.stop()
      await online?.publisher.stopped
    } finally {
      this.#database.close()
      this.#home.release()
    }
  }

  async #goOnline(node: { home: Home; database: DatabaseSync; groupKey: Uint8Array | undefined }): Promise<void> {
    const { database, home } = node
    const network = await Network.create(this.#config, node, {
      lookup: (query, limit) => this.#lookup(query, limit),
      files: limit => this.#library.files(limit),
      onKeys: () => this.#online?.sharedKeys.changed(),
      infoOf: infohash => this.#library.infoOf(infohash),
      openSwarm: (prefix, peer) => this.#online?.seeder.open(prefix, peer),
      openFile: id => this.#openFile(id),
      onSearchEvent: event => this.#online?.searches.onEvent(event),
      onBrokerEvent: event => this.#online?.hosting.onEvent(event),
      onBrokers: () => this.#online?.hosting.brokersChanged(),
      onTrackerEvent: event => this.#online?.announcer.onEvent(event),
      onNeighbour: () => this.#watches?.onNeighbour()
    })
    const { offer, domain } = this.#config
    const online = onlineWith(network, {
      database,
      library: this.#library,
      lastResults: this.#lastResults,
      hosting: { folder: home.hosted, offered: offer, domain: domain ?? (await machineDomain(groupTag(node.groupKey))) }
    })
    this.#online = online
    this.#peerId = network.host.peerId.toString()
    this.#watches = new Watches(database, {
      searches: online.searches,
      self: this.#peerId,
      neighbours: () => network.neighbours.size,
      get: (target, options) => online.transfers.get(target, options)
    })
  }

  #openFile(id: FileId): ProvableFile | undefined {
    const located = this.#library.locate(id)
    if (located === undefined) return undefined
    const onChanged = (path: string): void => this.#library.withdraw(path)
    return new ProvableFile({ id, located, handles: this.#proofHandles, onChanged })
  }

  #lookup(query: Query, limit: number): readonly Hit[] {
    if (query.kind === 'words') return this.#library.search(query.text, limit)
    const hit = this.#library.lookup(query.id as FileId | Infohash)
    return hit === undefined ? [] : [hit]
  }

  get #saved(): Watches {
    if (this.#watches === undefined) throw new ShoalError('INTERNAL', 'the node is not made yet')
    return this.#watches
  }

  #needOnline(): Online {
    if (this.#online === undefined) throw new ShoalError('NO_PEERS', 'this peer is offline')
    return this.#online
  }
}
