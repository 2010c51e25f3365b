import type { Libp2p, Peer as StoredPeer } from '@libp2p/interface'
import { BoundedMap } from '../../protocols/core/bounded-map.ts'

export const memoryLimits = {
  /** Peers that we have connected to. */
  maxFound: 2_048,
  /** Peers that the user, or a link that the user gave, has named. */
  maxNamed: 1_024,
  /** All others: who has connected to us, and who was heard of and dialled in vain. More than there are connections. */
  maxStrangers: 512
}

/** Marks a peer in libp2p's peer store that the user has named. */
export const NAMED = 'shoal-named'
/** libp2p's mark of a peer that was dialled with success. */
const DIALLED = 'last-dial-success'

type Kind = keyof typeof memoryLimits

/**
 * Bounds libp2p's peer store, which lives on disk and forgets nobody whose address it has: anybody can connect with a new
 * identity each time. Strangers are forgotten first, and nobody who is connected.
 */
export class PeerMemory {
  readonly #host: Libp2p
  readonly #kinds: Record<Kind, BoundedMap<string, StoredPeer['id']>>

  constructor(host: Libp2p, limits: typeof memoryLimits = memoryLimits) {
    this.#host = host
    this.#kinds = {
      maxFound: new BoundedMap(limits.maxFound),
      maxNamed: new BoundedMap(limits.maxNamed),
      maxStrangers: new BoundedMap(limits.maxStrangers)
    }
    host.addEventListener('peer:update', ({ detail: { peer } }) => this.#count(peer))
  }

  /** Counts who is remembered from earlier runs. */
  async load(): Promise<void> {
    for (const peer of await this.#host.peerStore.all()) this.#count(peer)
  }

  #count(peer: StoredPeer): void {
    const { id, metadata, tags } = peer
    const kind: Kind = metadata.has(DIALLED) ? 'maxFound' : tags.has(NAMED) ? 'maxNamed' : 'maxStrangers'
    for (const peers of Object.values(this.#kinds)) peers.delete(id.toString())
    let evicted = this.#kinds[kind].set(id.toString(), id)
    // one that is connected goes to the end of the line instead: there are more places than connections
    while (evicted !== undefined && this.#host.getConnections(evicted[1]).length > 0) {
      evicted = this.#kinds[kind].set(...evicted)
    }
    if (evicted !== undefined) void Promise.resolve(this.#host.peerStore.delete(evicted[1])).catch(() => {})
  }
}
