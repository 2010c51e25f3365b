import type { DatabaseSync } from 'node:sqlite'
import type { Peer } from '../protocols/core/peer.ts'
import { monotonicMs } from '../protocols/libp2p/driver.ts'
import { idFromPeer } from '../protocols/libp2p/peer-ids.ts'
import { DirectoryFinding } from './directory/finding.ts'
import { PlainDirectory } from './directory/plain.ts'
import { Publisher } from './directory/publisher.ts'
import { NodeHosting, type NodeHostingParts } from './hosting/node-hosting.ts'
import { reputationLimits } from './libp2p/reputation.ts'
import { realFiles } from './library/content/files.ts'
import { HandlePool } from './library/content/handle-pool.ts'
import { PieceCache } from './library/content/piece-cache.ts'
import { TransferState } from './library/content/transfer-state.ts'
import type { Library } from './library/library.ts'
import type { Network } from './network.ts'
import { Prover } from './search/prover.ts'
import type { LastResults } from './search/results.ts'
import { Searches } from './search/searches.ts'
import { SharedKeys } from './search/shared-keys.ts'
import { Announcer } from './transfers/announcer.ts'
import { Seeder } from './transfers/seeder.ts'
import { Transfers } from './transfers/transfers.ts'

/** What a node does for others. */
export type HostingConfig = Pick<NodeHostingParts, 'folder' | 'offered' | 'domain'>

/** What there is of a node only with a network. */
export interface Online {
  network: Network
  announcer: Announcer
  directory: PlainDirectory
  finding: DirectoryFinding
  publisher: Publisher
  searches: Searches
  prover: Prover
  sharedKeys: SharedKeys
  seeder: Seeder
  transfers: Transfers
  hosting: NodeHosting
}

/** The application's parts on the network, wired to one another. */
export function onlineWith(
  network: Network,
  parts: { database: DatabaseSync; library: Library; lastResults: LastResults; hosting: HostingConfig }
): Online {
  const { database, library, lastResults } = parts
  const { tracker, exchange, metainfo, proof, broker, search } = network.host.services
  const { reach, reputation } = network
  const storage = { handles: new HandlePool(realFiles), cache: new PieceCache() }
  const { superPeers } = network
  const searches = new Searches({
    command: command => superPeers.command(command),
    judge: (id, verdict) => superPeers.judge(id, ...verdict)
  })
  const onLiar = (peer: Peer, reason: string): void => reputation.penalise(peer, reason, reputationLimits.contentWeight)
  const prover = new Prover({
    ask: async (peer, id, signal) => {
      const peerId = await reach.prepare(peer)
      return peerId === undefined ? { type: 'silent' } : await proof.ask(peerId, id, signal)
    },
    isConnected: peer => network.host.getConnections(idFromPeer(peer)).length > 0,
    onLiar,
    clock: monotonicMs
  })
  const announcer = new Announcer(command => tracker.command(command), reach)
  const ownTracker = `/p2p/${reach.self}`
  const seeder = new Seeder({
    exchange,
    library,
    storage,
    announcer,
    ownTracker,
    isFetching: id => transfers.isFetching(id)
  })
  const calls = network.ring.directory
  const finding = new DirectoryFinding({ self: reach.self, get: (key, options) => calls.get(key, options) })
  const transfers = new Transfers({
    directory: finding,
    exchange,
    library,
    storage,
    announcer,
    searches,
    seeder,
    reach,
    metainfo,
    state: new TransferState(database),
    lastResults,
    onLiar
  })
  const sharedKeys = new SharedKeys({
    keys: function* () {
      yield* library.keys()
      yield* network.host.services.superpeer.keys()
    },
    tell: keys => search.command({ type: 'share', keys }),
    clock: monotonicMs
  })
  const publisher = new Publisher({
    database,
    library,
    directory: calls,
    isNear: word => search.isNear(word),
    others: () => network.others,
    ownTracker
  })
  const directory = new PlainDirectory(calls)
  const hosting = new NodeHosting({
    ...parts.hosting,
    broker,
    brokers: () => network.brokers(),
    measure: () => network.measure(),
    prepare: peer => reach.prepare(peer),
    metainfo,
    proof,
    transfers,
    library
  })
  return { network, announcer, directory, finding, publisher, searches, prover, sharedKeys, seeder, transfers, hosting }
}
