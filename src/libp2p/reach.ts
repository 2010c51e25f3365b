import type { Libp2p, PeerId } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import type { Peer } from '../../protocols/core/peer.ts'
import type { ContactBook } from '../../protocols/libp2p/contacts.ts'
import { idFromPeer, peerFromId } from '../../protocols/libp2p/peer-ids.ts'
import { NAMED } from './peer-memory.ts'

/** Makes peers that were only heard of reachable: what is known of their addresses goes where libp2p looks for it. */
export class Reach {
  readonly #host: Libp2p
  readonly #contacts: ContactBook

  constructor(host: Libp2p, contacts: ContactBook) {
    this.#host = host
    this.#contacts = contacts
  }

  get self(): Peer {
    return peerFromId(this.#host.peerId)
  }

  isConnected(peer: Peer): boolean {
    try {
      return this.#host.getConnections(idFromPeer(peer)).length > 0
    } catch {
      return false
    }
  }

  /** Calls `listener` with every peer that connects, until the function that is returned is called. */
  onConnect(listener: (peer: Peer) => void): () => void {
    const onEvent = ({ detail }: CustomEvent<PeerId>): void => listener(peerFromId(detail))
    this.#host.addEventListener('peer:connect', onEvent)
    return () => this.#host.removeEventListener('peer:connect', onEvent)
  }

  /** The id to dial. Undefined when it is no peer of the network, or this node. */
  async prepare(peer: Peer): Promise<PeerId | undefined> {
    try {
      const id = idFromPeer(peer)
      if (peer === this.self) return undefined
      await this.#contacts.prepareDial(id, peer)
      return id
    } catch {
      return undefined
    }
  }

  /** Remembers an address that a user or a magnet link named. Undefined unless it ends in `/p2p/<id>`. */
  async learn(address: string): Promise<Peer | undefined> {
    try {
      const parsed = multiaddr(address)
      const text = parsed.getComponents().findLast(({ name }) => name === 'p2p')?.value
      if (text === undefined) return undefined
      const peer = text as Peer
      const id = idFromPeer(peer)
      if (peer !== this.self) await this.#host.peerStore.merge(id, { multiaddrs: [parsed], tags: { [NAMED]: {} } })
      return peer
    } catch {
      return undefined
    }
  }
}
