import { hash } from 'node:crypto'
import { type Chord, type ChordConfig, chordConfig } from '../../protocols/chord/index.ts'
import { isOwned, type RingId } from '../../protocols/core/keyspace.ts'
import { indexPeers, type Peer } from '../../protocols/core/peer.ts'
import type { Crypto } from '../../protocols/core/signing.ts'
import {
  Directory,
  type DirectoryCommand,
  type DirectoryConfig,
  type DirectoryEvent,
  type DirectoryMessage,
  type Draft,
  directoryCodec,
  directoryConfig,
  type Entry,
  MemoryRecordStore
} from '../../protocols/directory/index.ts'
import type { NeighbourEvent } from '../../protocols/overlay/index.ts'
import type { Channel, Simulation } from '../simulator/index.ts'
import { RingNetwork } from './ring-network.ts'

/** How a put or a get ended; undefined when it failed. */
export type Stored = Extract<DirectoryEvent, { type: 'stored' }>
export type Got = Extract<DirectoryEvent, { type: 'got' }>
type Failed = Extract<DirectoryEvent, { type: 'failed' }>

export interface DirectoryNetworkInit {
  ring?: Partial<ChordConfig>
  config?: Partial<DirectoryConfig>
  /** Of a careful lookup. */
  routes?: number
  /** Changes the machines of hostile peers. */
  disguise?: { ring(peer: Peer, machine: Chord): void; directory(peer: Peer, machine: Directory): void }
}

/** Unix ms when a simulation begins: any time will do. */
const EPOCH_MS = 1_800_000_000_000

/**
 * Ring and directory on all peers of a simulation, wired to each other as on a node: the directory asks the ring where a
 * key lies, and the ring tells the directory which keys lie here.
 */
export class DirectoryNetwork {
  readonly ring: RingNetwork
  readonly channel: Channel<DirectoryCommand, DirectoryMessage, DirectoryEvent>
  readonly config: DirectoryConfig
  readonly #simulation: Simulation
  readonly #routes: number
  /** What each peer keeps, also while it does not run. */
  readonly #stores = new Map<Peer, MemoryRecordStore>()
  readonly #waiting = new Map<number, (event: Stored | Got | Failed) => void>()
  readonly #leaving = new Map<Peer, () => void>()
  #lastId = 0

  constructor(simulation: Simulation, init: DirectoryNetworkInit = {}) {
    const { disguise } = init
    this.#simulation = simulation
    this.#routes = init.routes ?? chordConfig.carefulRoutes
    this.config = { ...directoryConfig, ...init.config }
    this.ring = new RingNetwork(simulation, {
      ...(init.ring === undefined ? {} : { config: init.ring }),
      onRing: (peer, { predecessor, successors }) =>
        this.channel.command(peer, { type: 'ring', predecessor, successors }),
      onLeft: peer => this.#onLeft(peer),
      hasCopy: (peer, key, now) => (this.channel.machine(peer) as Directory).hasCached(key, now),
      disguise: (peer, machine) => disguise?.ring(peer, machine)
    })
    this.channel = simulation.protocol<DirectoryCommand, DirectoryMessage, DirectoryEvent>({
      name: 'directory',
      codec: directoryCodec(indexPeers),
      machine: (self, rng) => {
        const machine = new Directory({
          self,
          rng,
          idOf: this.ring.idOf,
          records: this.store(self),
          crypto: cryptoOf(self),
          wallMs: now => EPOCH_MS + now,
          config: this.config
        })
        disguise?.directory(self, machine)
        return machine
      },
      onEvent: (peer, event) => this.#onEvent(peer, event)
    })
  }

  /** For the overlay, if there is one on these peers. */
  onOverlay(peer: Peer, { type, peer: neighbour }: NeighbourEvent): void {
    this.ring.channel.command(peer, { type, peer: neighbour })
  }

  /** Peers that stand on a perfect ring from the start. */
  addRing(count: number): Peer[] {
    const peers = this.ring.addRing(count)
    for (const peer of peers) this.begin(peer)
    return peers
  }

  /** A new peer begins to join, through one that is there; the first one is the ring. */
  join(contact?: Peer): Peer {
    const [peer] = this.#simulation.addPeers(1) as [Peer]
    if (contact === undefined) this.begin(peer)
    else this.ring.channel.command(peer, { type: 'join', contact })
    return peer
  }

  /** Tells a peer's directory where it stands; later the ring does. */
  begin(peer: Peer): void {
    const { predecessor, successors } = this.ring.node(peer).place
    this.channel.command(peer, { type: 'ring', predecessor, successors })
  }

  /** It crashes, and what it kept is gone with it. */
  destroy(peer: Peer): void {
    this.#simulation.crash(peer)
    this.#stores.delete(peer)
  }

  /** It comes back with what it kept. */
  restart(peer: Peer, contact: Peer): void {
    this.#simulation.restart(peer)
    this.ring.channel.command(peer, { type: 'join', contact })
  }

  /** It hands over, says goodbye, and is gone. */
  leave(peer: Peer, then: () => void = () => {}): void {
    this.#leaving.set(peer, then)
    this.channel.command(peer, { type: 'leave' })
  }

  put(peer: Peer, entry: Draft, done: (result: Stored | undefined) => void = () => {}): void {
    const id = this.#wait(event => done(event.type === 'stored' ? event : undefined))
    this.channel.command(peer, { type: 'put', id, entry })
  }

  get(peer: Peer, key: RingId, done: (result: Got | undefined) => void, isCareful = false): void {
    const id = this.#wait(event => done(event.type === 'got' ? event : undefined))
    this.channel.command(peer, { type: 'get', id, key, careful: isCareful })
  }

  store(peer: Peer): MemoryRecordStore {
    const store = this.#stores.get(peer) ?? new MemoryRecordStore()
    this.#stores.set(peer, store)
    return store
  }

  /** Running peers that have something under the key. */
  holdersOf(key: RingId): Peer[] {
    return [...this.#stores]
      .filter(([peer, store]) => this.#simulation.isAlive(peer) && store.at(key).some(isLive))
      .map(([peer]) => peer)
  }

  /** Those that should have it, of peers in the order of their ids: its owner, and the successors after it. */
  placesOf(key: RingId, sorted: readonly Peer[]): Peer[] {
    const idAt = (i: number): RingId => this.ring.idOf(sorted.at(i) as Peer)
    const owner = sorted.findIndex((_, i) => isOwned(idAt(i - 1), key, idAt(i)))
    return [...sorted.slice(owner), ...sorted.slice(0, owner)].slice(0, this.config.copies)
  }

  #wait(done: (event: Stored | Got | Failed) => void): number {
    const id = ++this.#lastId
    this.#waiting.set(id, done)
    return id
  }

  #onEvent(peer: Peer, event: DirectoryEvent): void {
    switch (event.type) {
      case 'lookup': {
        const { id, key, mayBeCached, isCareful } = event
        const routes = isCareful ? this.#routes : 1
        this.ring.find(peer, { key, orCopy: mayBeCached, routes }, found => {
          if (found === undefined) this.channel.command(peer, { type: 'lookupFailed', id })
          else {
            const { owner, successors: replicas, via, isCopy: isCached } = found
            const last = via === undefined ? {} : { via }
            this.channel.command(peer, { type: 'found', id, owner, replicas, isCached, ...last })
          }
        })
        return
      }
      case 'left':
        this.ring.channel.command(peer, { type: 'leave' })
        return
      default: {
        const done = this.#waiting.get(event.id)
        this.#waiting.delete(event.id)
        done?.(event)
      }
    }
  }

  /** After the goodbyes are sent. */
  #onLeft(peer: Peer): void {
    const then = this.#leaving.get(peer)
    this.#leaving.delete(peer)
    this.#simulation.at(this.#simulation.now + GOODBYE_MS, () => {
      this.destroy(peer)
      then?.()
    })
  }
}

/** What is on the way when a peer goes is lost with it. */
const GOODBYE_MS = 200

function isLive({ entry }: { entry: Entry }): boolean {
  return !entry.isRemoved
}

/** No secret, and no work: a liar that forges just signs with something else. */
function cryptoOf(self: Peer): Crypto {
  return {
    sha256: bytes => hash('sha256', bytes, 'buffer'),
    sign: bytes => signatureOf(self, bytes),
    verify: (publisher, bytes, signature) => Buffer.compare(signatureOf(publisher, bytes), signature) === 0
  }
}

function signatureOf(peer: Peer, bytes: Uint8Array): Uint8Array {
  return hash('md5', Buffer.concat([Buffer.from(`${peer}\n`), bytes]), 'buffer')
}
