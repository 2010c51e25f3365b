import { createHash } from 'node:crypto'
import { isOwned, type RingId, ringIdFromBytes } from '../../../protocols/core/keyspace.ts'
import { indexPeers, type Peer } from '../../../protocols/core/peer.ts'
import type { Crypto } from '../../../protocols/core/signing.ts'
import {
  Directory,
  type DirectoryCommand,
  type DirectoryConfig,
  type DirectoryEvent,
  type DirectoryMessage,
  directoryCodec,
  type Entry,
  MemoryRecordStore,
  signedBytes
} from '../../../protocols/directory/index.ts'
import { type Channel, Simulation, type SimulationOptions } from '../../../src/simulator/index.ts'

export function sha256(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest()
}

export function hashOf(text: string): RingId {
  return ringIdFromBytes(sha256(new TextEncoder().encode(text)))
}

export function idOf(peer: Peer): RingId {
  return hashOf(`peer ${peer}`)
}

/** No secret: whoever plays a forger just signs with something else. */
function signatureOf(peer: Peer, bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(`secret of ${peer}`).update(bytes).digest()
}

export function cryptoOf(self: Peer): Crypto {
  return {
    sha256,
    sign: bytes => signatureOf(self, bytes),
    verify: (publisher, bytes, signature) => Buffer.compare(signatureOf(publisher, bytes), signature) === 0
  }
}

/** Unix ms at the beginning of every test. */
export const EPOCH_MS = 1_800_000_000_000

export const wallMs = (now: number): number => EPOCH_MS + now

/** A right entry of any peer, at time 0 unless something else is said. */
export function entryOf(publisher: Peer, fields: Partial<Entry> & Pick<Entry, 'key'>): Entry {
  const seq = fields.seq ?? EPOCH_MS
  const unsigned = {
    kind: 'member' as const,
    publisher,
    expires: Math.floor(seq / 1_000) + 12 * 3_600,
    isRemoved: false,
    payload: new TextEncoder().encode(`said by ${publisher}`),
    ...fields,
    seq
  }
  const signature = fields.signature ?? signatureOf(publisher, signedBytes('shoal', idOf(publisher), unsigned))
  return { ...unsigned, signature }
}

/**
 * Nodes of a simulation that run the directory on an ideal ring: every lookup is answered at once and rightly, and every
 * node learns of each change of its place at once.
 */
export class DirectoryWorld {
  readonly simulation: Simulation
  readonly directory: Channel<DirectoryCommand, DirectoryMessage, DirectoryEvent>
  readonly stores = new Map<Peer, MemoryRecordStore>()
  readonly events: { peer: Peer; event: DirectoryEvent }[] = []
  /** The last hop that lookups tell, when there is one. */
  via: Peer | undefined
  /** Who is in the ring, in the order of the ids. */
  ring: Peer[] = []
  #places = new Map<Peer, string>()
  #lastId = 0

  constructor(options: SimulationOptions, config: Partial<DirectoryConfig> = {}) {
    this.simulation = new Simulation(options)
    this.directory = this.simulation.protocol<DirectoryCommand, DirectoryMessage, DirectoryEvent>({
      name: 'directory',
      codec: directoryCodec(indexPeers),
      machine: (self, rng) => {
        const records = this.stores.get(self) ?? new MemoryRecordStore()
        this.stores.set(self, records)
        return new Directory({ self, rng, idOf, records, crypto: cryptoOf(self), wallMs, config })
      },
      onEvent: (peer, event) => {
        if (event.type === 'lookup') this.#answer(peer, event)
        else this.events.push({ peer, event })
      }
    })
  }

  /** New nodes that are in the ring at once. */
  grow(count: number): Peer[] {
    const peers = this.simulation.addPeers(count)
    this.setRing([...this.ring, ...peers])
    return peers
  }

  /** They crash, and the ring knows it. What they kept is lost. */
  crash(peers: readonly Peer[]): void {
    for (const peer of peers) {
      this.simulation.crash(peer)
      this.stores.delete(peer)
    }
    this.setRing(this.ring.filter(peer => !peers.includes(peer)))
  }

  setRing(peers: readonly Peer[]): void {
    this.ring = [...peers].sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1))
    this.ring.forEach((peer, i) => {
      const others = [...this.ring.slice(i + 1), ...this.ring.slice(0, i)]
      const [predecessor, successors] = [others.at(-1), others.slice(0, 16)]
      const place = JSON.stringify([predecessor, successors])
      if (this.#places.get(peer) === place) return
      this.#places.set(peer, place)
      this.directory.command(peer, { type: 'ring', predecessor, successors })
    })
  }

  /** The owner of a key and its successors. */
  holders(key: RingId): Peer[] {
    const at = this.ring.findIndex((peer, i) => isOwned(idOf(this.ring.at(i - 1) as Peer), key, idOf(peer)))
    return [...this.ring.slice(at), ...this.ring.slice(0, at)]
  }

  /** Who keeps something under the key. */
  keepers(key: RingId): Peer[] {
    return [...this.stores].filter(([, store]) => store.countAt(key) > 0).map(([peer]) => peer)
  }

  machine(peer: Peer): Directory {
    return this.directory.machine(peer) as Directory
  }

  store(peer: Peer): MemoryRecordStore {
    return this.stores.get(peer) as MemoryRecordStore
  }

  /** Gives a command that is answered, and waits for the answer. */
  do(peer: Peer, command: Numberless<DirectoryCommand>, limitMs = 120_000): DirectoryEvent {
    const id = this.begin(peer, command)
    return this.answerOf(id, limitMs)
  }

  begin(peer: Peer, command: Numberless<DirectoryCommand>): number {
    const id = ++this.#lastId
    this.directory.command(peer, { ...command, id } as DirectoryCommand)
    return id
  }

  answerOf(id: number, limitMs = 120_000): DirectoryEvent {
    const find = () => this.events.find(({ event }) => 'id' in event && event.id === id)?.event
    if (!this.simulation.runUntil(() => find() !== undefined, limitMs)) throw new Error(`no answer to ${id}`)
    return find() as DirectoryEvent
  }

  get(peer: Peer, key: RingId, careful = false): Extract<DirectoryEvent, { type: 'got' }> {
    const event = this.do(peer, { type: 'get', key, careful })
    if (event.type !== 'got') throw new Error(`get: ${JSON.stringify(event)}`)
    return event
  }

  runFor(ms: number): void {
    this.simulation.run(this.simulation.now + ms)
  }

  #answer(peer: Peer, { id, key, mayBeCached }: Extract<DirectoryEvent, { type: 'lookup' }>): void {
    const { via } = this
    const now = this.simulation.now
    if (mayBeCached && via !== undefined && via !== peer && this.machine(via).hasCached(key, now)) {
      this.directory.command(peer, { type: 'found', id, owner: via, replicas: [], isCached: true })
      return
    }
    const [owner, ...replicas] = this.holders(key)
    if (owner === undefined) {
      this.directory.command(peer, { type: 'lookupFailed', id })
      return
    }
    const found = { type: 'found' as const, id, owner, replicas: replicas.slice(0, 16) }
    this.directory.command(peer, via === undefined ? found : { ...found, via })
  }
}

type Numberless<T> = T extends { readonly id: number } ? Omit<T, 'id'> : never
