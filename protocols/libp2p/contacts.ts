import type { PeerId, PeerStore } from '@libp2p/interface'
import { BoundedMap } from '../core/bounded-map.ts'
import type { Peer, PeerCodec } from '../core/peer.ts'
import { peerFromBytes, peerToBytes } from './peer-ids.ts'

export const contactLimits = {
  /** Peers whose addresses are remembered. */
  maxContacts: 4_096,
  /** Of these, how many one peer may have told: a stranger cannot make us forget everybody. */
  maxContactsPerSource: 128,
  /** A signed peer record with a handful of addresses has about 300 bytes. */
  maxRecordBytes: 1_024,
  maxPeerIdBytes: 64
}

interface Contact {
  record: Uint8Array
  source: Peer | undefined
}

/**
 * Addresses of peers that were heard of, as signed peer records (libp2p RFC 3). A record travels with the peer's name in
 * every message that names one (see `contactPeers`), so that whoever reads the name can dial it. Its signature is
 * checked when it is first used: nobody can make us dial an address that its owner has not signed.
 */
export class ContactBook {
  readonly #peerStore: PeerStore
  readonly #contacts = new BoundedMap<Peer, Contact>(contactLimits.maxContacts)
  readonly #bySource = new BoundedMap<Peer, BoundedMap<Peer, true>>(contactLimits.maxContacts)
  #reading: Peer | undefined

  constructor(peerStore: PeerStore) {
    this.#peerStore = peerStore
  }

  /** Runs `read`, and books what it reads on that peer. */
  readingFrom<T>(source: Peer, read: () => T): T {
    this.#reading = source
    try {
      return read()
    } finally {
      this.#reading = undefined
    }
  }

  /** A record that somebody passed on. */
  hear(peer: Peer, record: Uint8Array): void {
    const source = this.#reading
    const known = this.#contacts.get(peer)
    // what one peer told is not replaced by what another tells: it goes when it proves wrong, or with age
    if (known !== undefined && known.source !== source) return
    this.#put(peer, { record: record.slice(), source })
    if (source === undefined) return
    const told = this.#bySource.get(source) ?? new BoundedMap<Peer, true>(contactLimits.maxContactsPerSource)
    const evicted = told.set(peer, true)
    this.#bySource.set(source, told)
    if (evicted !== undefined && this.#contacts.get(evicted[0])?.source === source) this.#contacts.delete(evicted[0])
  }

  /** A record that is known to be right: our own, or what identify has checked. */
  trust(peer: Peer, record: Uint8Array): void {
    if (record.byteLength <= contactLimits.maxRecordBytes) this.#put(peer, { record, source: undefined })
  }

  recordOf(peer: Peer): Uint8Array | undefined {
    return this.#contacts.get(peer)?.record
  }

  /** Checks what is known of the peer and gives it to libp2p's peer store, so that the peer can be dialled. */
  async prepareDial(id: PeerId, peer: Peer): Promise<void> {
    const contact = this.#contacts.get(peer)
    if (contact?.source === undefined) return
    try {
      await this.#peerStore.consumePeerRecord(contact.record, { expectedPeer: id })
      contact.source = undefined
    } catch {
      this.#contacts.delete(peer)
    }
  }

  #put(peer: Peer, contact: Contact): void {
    this.#contacts.set(peer, contact)
  }
}

/** Peers in messages of the network: the peer id, and the signed record if we have it. */
export function contactPeers(book: ContactBook): PeerCodec {
  const none = new Uint8Array()
  return {
    write(writer, peer) {
      writer.shortBytes(peerToBytes(peer)).shortBytes(book.recordOf(peer) ?? none)
    },
    read(reader) {
      const peer = peerFromBytes(reader.shortBytes(contactLimits.maxPeerIdBytes))
      const record = reader.shortBytes(contactLimits.maxRecordBytes)
      if (record.byteLength > 0) book.hear(peer, record)
      return peer
    }
  }
}

/** Keeps the book's records of ourselves and of connected peers fresh. Returns how to stop. */
export function followRecords(
  book: ContactBook,
  components: { peerId: PeerId; peerStore: PeerStore; events: EventTarget }
): () => void {
  const { peerId, peerStore, events } = components
  const remember = async (id: PeerId): Promise<void> => {
    try {
      const { peerRecordEnvelope } = await peerStore.get(id)
      if (peerRecordEnvelope !== undefined) book.trust(id.toString() as Peer, peerRecordEnvelope)
    } catch {
      // it has left the peer store
    }
  }
  const onSelf = (): void => void remember(peerId)
  const onIdentify = (event: Event): void => void remember((event as CustomEvent<{ peerId: PeerId }>).detail.peerId)
  events.addEventListener('self:peer:update', onSelf)
  events.addEventListener('peer:identify', onIdentify)
  onSelf()
  return () => {
    events.removeEventListener('self:peer:update', onSelf)
    events.removeEventListener('peer:identify', onIdentify)
  }
}
