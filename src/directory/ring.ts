import type { DatabaseSync } from 'node:sqlite'
import type { Connection } from '@libp2p/interface'
import { ChordService, type ChordServiceInit } from '../../protocols/chord/handler.ts'
import type { ChordEvent } from '../../protocols/chord/index.ts'
import type { Place } from '../../protocols/chord/ring.ts'
import { ringShare } from '../../protocols/core/keyspace.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import {
  type DirectoryComponents,
  DirectoryService,
  type DirectoryServiceInit
} from '../../protocols/directory/handler.ts'
import type { DirectoryEvent, Usage } from '../../protocols/directory/index.ts'
import { type DriverComponents, monotonicMs } from '../../protocols/libp2p/driver.ts'
import { peerFromId } from '../../protocols/libp2p/peer-ids.ts'
import { RingIds } from '../../protocols/libp2p/ring-ids.ts'
import type { RingPeer, RingStatus } from '../api.ts'
import { RingDirectory, type RingPlace } from './directory.ts'
import { SqliteRecordStore } from './record-store.ts'
import { RingLookups } from './ring-lookups.ts'
import { ringSize } from './ring-size.ts'

/** A node that is stopped hands over for so long: whoever stops it waits. What is not handed over has other holders. */
const LEAVE_MS = 1_500

export interface NodeRingInit {
  database: DatabaseSync
  /** What entries are signed for, at most 64 characters: those of other networks are worth nothing here. */
  network: string
  connections(): readonly Pick<Connection, 'timeline'>[]
  /** It only asks: see `ChordClient`. */
  isClient?: boolean
  /** This node's place, or that of nodes around it, has changed. */
  onPlace?(): void
  /** Ms that never go back. */
  clock?: () => number
}

/**
 * The ring and the directory of one node, wired to each other: the directory asks the ring where a key lies, and the
 * ring tells the directory which keys lie here.
 *
 * The connections of neighbours on the ring are not tagged in libp2p's peer store: for lack of room it closes none that
 * has a stream of ours open, whatever the tags say, and to whoever is asked again and again there is one all the time.
 */
export class NodeRing {
  readonly lookups: RingLookups
  readonly directory: RingDirectory
  readonly #init: NodeRingInit
  readonly #clock: () => number
  readonly #ids = new RingIds()
  #chord: ChordService | undefined
  #service: DirectoryService | undefined
  #records: SqliteRecordStore | undefined
  #self = '' as Peer
  /** As the ring has told it last. */
  #place: Place = { predecessor: undefined, successors: [] }
  #isStarted = false
  /** Since when it has no place, of the monotonic clock. */
  #placelessSince: number | undefined

  constructor(init: NodeRingInit) {
    this.#init = init
    this.#clock = init.clock ?? monotonicMs
    this.#placelessSince = this.#clock()
    this.lookups = new RingLookups(command => this.#chord?.command(command))
    this.directory = new RingDirectory({
      command: command => {
        const service = this.#service
        if (service === undefined) return false
        const { faults } = service.stats
        service.command(command)
        return service.stats.faults === faults
      },
      ownKeys: () => this.#records?.ownKeys() ?? [],
      own: key => this.#records?.getOwn(key),
      place: () => this.place
    })
  }

  chordService(init: Omit<ChordServiceInit, 'ids' | 'hasCopy' | 'onEvent'>) {
    return (components: DriverComponents): ChordService => {
      this.#chord = new ChordService(components, {
        ...init,
        ids: this.#ids,
        isClient: this.#init.isClient === true,
        hasCopy: key => this.#service?.hasCached(key) === true,
        onEvent: event => this.#onChordEvent(event)
      })
      return this.#chord
    }
  }

  directoryService(init: Omit<DirectoryServiceInit, 'ids' | 'records' | 'config' | 'onEvent'>) {
    return (components: DirectoryComponents): DirectoryService => {
      const { database, network } = this.#init
      this.#self = peerFromId(components.peerId)
      const records = new SqliteRecordStore(database, { network, self: this.#self })
      this.#records = records
      this.#service = new DirectoryService(components, {
        ...init,
        ids: this.#ids,
        records,
        config: { network, leaveMs: LEAVE_MS },
        onEvent: event => this.#onDirectoryEvent(event)
      })
      return this.#service
    }
  }

  /** With the first place, as soon as both services run: what the ring told before was heard by nobody. */
  start(): void {
    this.#isStarted = true
    this.#tellPlace(true)
  }

  /** Hands over, while the ring still knows this node. */
  async leave(): Promise<void> {
    this.directory.close()
    if (this.#isStarted) await this.#service?.leave()
    this.#isStarted = false
    this.lookups.close()
  }

  get place(): RingPlace {
    const { isClient = false } = this.#init
    const isOnRing = isClient || this.#place.successors.length > 0 || this.#init.connections().length === 0
    return { ...this.#place, isOnRing }
  }

  /** Nodes next to where this node would be, for one that has no place itself. */
  async around(): Promise<readonly Peer[]> {
    const own = this.#ids.idOf(this.#self)
    return await new Promise(resolve => {
      this.lookups.find(own, {}, found => resolve(found === undefined ? [] : [found.owner, ...found.successors]))
    })
  }

  /** For how long this node has known peers and found no place among them, ms. */
  get placelessMs(): number {
    const opened = this.#init.connections().map(({ timeline }) => timeline.open)
    if (this.#placelessSince === undefined || opened.length === 0) return 0
    return Math.max(Math.min(this.#clock() - this.#placelessSince, Date.now() - Math.min(...opened)), 0)
  }

  /** About how many nodes are on the ring, this one included. */
  get nodes(): number {
    return ringSize(this.#ids.idOf(this.#self), this.#place, this.#ids.idOf)
  }

  /** What lies here for all. */
  get kept(): Usage {
    return this.#service?.usage ?? { entries: 0, bytes: 0 }
  }

  get status(): RingStatus {
    const { predecessor, successors } = this.#place
    const ringPeer = (peer: Peer): RingPeer => ({ peerId: peer as string, id: this.#ids.idOf(peer) })
    const arc = this.#service?.arc
    const isAlone = successors.length === 0
    return {
      id: this.#ids.idOf(this.#self),
      ...(predecessor === undefined ? {} : { predecessor: ringPeer(predecessor) }),
      successors: successors.map(ringPeer),
      fingers: (this.#chord?.fingers ?? []).map(ringPeer),
      ...(arc === undefined ? {} : { share: arc.from === arc.to ? 1 : ringShare(arc.from, arc.to) }),
      nodes: this.nodes,
      kept: { ...this.kept },
      published: this.#records?.publishedCount() ?? 0,
      settled: isAlone ? this.place.isOnRing : predecessor !== undefined
    }
  }

  #onChordEvent(event: ChordEvent): void {
    switch (event.type) {
      case 'ring': {
        const wasAlone = this.#place.successors.length === 0
        this.#place = { predecessor: event.predecessor, successors: event.successors }
        if (event.predecessor !== undefined && event.successors.length > 0) this.#placelessSince = undefined
        else this.#placelessSince ??= this.#clock()
        this.#tellPlace(wasAlone)
        this.#init.onPlace?.()
        return
      }
      case 'found':
      case 'lookupFailed':
        this.lookups.onEvent(event)
        return
      case 'left':
        return
    }
  }

  #tellPlace(wasAlone: boolean): void {
    if (!this.#isStarted) return
    // what this node said to itself alone is at home elsewhere now
    if (wasAlone && this.#place.successors.length > 0) this.#records?.bringAgain(this.#ids.idOf(this.#self), 0)
    this.#service?.command({ type: 'ring', ...this.#place })
  }

  #onDirectoryEvent(event: DirectoryEvent): void {
    if (event.type === 'left') return
    if (event.type !== 'lookup') {
      this.directory.onEvent(event)
      return
    }
    const { id, key, mayBeCached, isCareful } = event
    this.lookups.find(key, { orCopy: mayBeCached, isCareful }, found => {
      if (found === undefined) {
        this.#service?.command({ type: 'lookupFailed', id })
        return
      }
      const { owner, successors, via, isCopy } = found
      const way = via === undefined ? {} : { via }
      this.#service?.command({ type: 'found', id, owner, replicas: successors, isCached: isCopy, ...way })
    })
  }
}
