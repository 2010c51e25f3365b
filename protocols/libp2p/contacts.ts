import type { PeerId, PeerStore } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { BoundedMap } from '../core/bounded-map.ts'
import type { Peer, PeerCodec } from '../core/peer.ts'
import { TokenBucket } from '../core/token-bucket.ts'
import { peerFromBytes, peerToBytes } from './peer-ids.ts'

export const contactLimits = {
  /** Peers whose addresses are remembered. */
  maxContacts: 4_096,
  /** Of these, how many one peer may have told: a stranger cannot make us forget everybody. */
  maxContactsPerSource: 128,
  /** Peers that told of one peer, and what each told: who lies first does not keep out who tells the truth. */
  maxTellers: 3,
  /** A signed peer record with a handful of addresses has about 300 bytes. */
  maxRecordBytes: 1_024,
  maxPeerIdBytes: 64,
  /** Addresses of one peer that are dialled; a host with many network interfaces has so many that matter. */
  maxAddresses: 4,
  /** Dials to peers never met that one teller causes, and that all of them cause. A tracker tells of a whole swarm. */
  dialsOfTeller: { rate: 1, burst: 32 },
  dialsOfAll: { rate: 10, burst: 100 },
  /** What asks for the same dial within this time is part of it. */
  sameDialMs: 1_000
}

interface Contact {
  /** What the peer itself has shown to us, or what has been checked. */
  trusted: Uint8Array | undefined
  /** Whether it was ever connected. */
  isMet: boolean
  /** Who told of it, the last one last, with what has not been checked yet. BOUNDED by maxTellers. */
  told: Map<Peer, Uint8Array | undefined>
  allowedMs: number
}

/**
 * Addresses of peers that were heard of, as signed peer records (libp2p RFC 3). A record travels with the peer's name in
 * every message that names one (see `contactPeers`), so that whoever reads the name can dial it. Signatures are checked
 * when a peer is first dialled: nobody can make us dial an address that the peer named has not signed.
 */
export class ContactBook {
  readonly #peerStore: Pick<PeerStore, 'consumePeerRecord' | 'get' | 'patch'>
  readonly #clock: () => number
  readonly #contacts = new BoundedMap<Peer, Contact>(contactLimits.maxContacts)
  readonly #bySource = new BoundedMap<Peer, BoundedMap<Peer, true>>(contactLimits.maxContacts)
  readonly #dials = new BoundedMap<Peer, TokenBucket>(contactLimits.maxContacts)
  readonly #allDials = new TokenBucket(contactLimits.dialsOfAll)
  #reading: Peer | undefined

  /** @param clock in ms, never back */
  constructor(
    peerStore: Pick<PeerStore, 'consumePeerRecord' | 'get' | 'patch'>,
    clock: () => number = () => Math.floor(performance.now())
  ) {
    this.#peerStore = peerStore
    this.#clock = clock
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

  /** A peer that somebody named, with its record if it came along. Outside of `readingFrom` nothing is booked. */
  hear(peer: Peer, record: Uint8Array | undefined): void {
    const source = this.#reading
    if (source === undefined) return
    const contact = this.#contacts.get(peer) ?? { trusted: undefined, isMet: false, told: new Map(), allowedMs: NEVER }
    const { told, trusted } = contact
    const isNews = record !== undefined && (trusted === undefined || !areSame(record, trusted))
    const before = told.get(source)
    told.delete(source)
    const [oldest] = told.keys()
    if (oldest !== undefined && told.size >= contactLimits.maxTellers) told.delete(oldest)
    told.set(source, isNews ? record.slice() : before)
    this.#contacts.set(peer, contact)
    this.#count(source, peer)
  }

  /** A peer that is or was connected, and the record that identify has checked; or our own. */
  trust(peer: Peer, record: Uint8Array): void {
    const isShort = record.byteLength <= contactLimits.maxRecordBytes
    const trusted = isShort ? record : this.#contacts.get(peer)?.trusted
    this.#contacts.set(peer, { trusted, isMet: true, told: new Map(), allowedMs: NEVER })
  }

  /** All that were heard of. */
  peers(): Iterable<Peer> {
    return this.#contacts.keys()
  }

  /** What is told others when the peer is named. */
  recordOf(peer: Peer): Uint8Array | undefined {
    const contact = this.#contacts.get(peer)
    return contact?.trusted ?? [...(contact?.told.values() ?? [])].findLast(record => record !== undefined)
  }

  /**
   * Checks what is known of the peer and gives it to libp2p's peer store, so that the peer can be dialled. The newest
   * record that the peer has signed counts, whoever told it.
   *
   * @throws Error when whoever told of the peer has made us dial too many that we never met
   */
  async prepareDial(id: PeerId, peer: Peer): Promise<void> {
    const contact = this.#contacts.get(peer)
    if (contact === undefined) return
    if (!contact.isMet && !this.#allows(contact)) throw new Error(`heard of too many peers to dial ${peer}`)
    const told = [...contact.told]
    let isNew = false
    for (const [teller, record] of told) {
      if (record === undefined) continue
      try {
        if (await this.#peerStore.consumePeerRecord(record, { expectedPeer: id })) isNew = true
      } catch {
        // not what it says it is
      }
      // unless something else has been told meanwhile
      if (contact.told.get(teller) === record) contact.told.set(teller, undefined)
    }
    if (isNew) contact.trusted = await this.#keepFew(id)
  }

  /** @returns the record that counts now */
  async #keepFew(id: PeerId): Promise<Uint8Array | undefined> {
    const { addresses, peerRecordEnvelope } = await this.#peerStore.get(id)
    const few = fewAddresses(addresses.map(({ multiaddr }) => multiaddr))
    await this.#peerStore.patch(id, { addresses: few.map(multiaddr => ({ multiaddr, isCertified: true })) })
    return peerRecordEnvelope
  }

  /** Whether one of those who told of the peer may make us dial once more. */
  #allows(contact: Contact): boolean {
    const now = this.#clock()
    if (contact.told.size === 0 || now - contact.allowedMs < contactLimits.sameDialMs) return true
    const isAllowed = [...contact.told.keys()].some(teller => {
      const bucket = this.#dials.get(teller) ?? new TokenBucket(contactLimits.dialsOfTeller)
      this.#dials.set(teller, bucket)
      return bucket.take(now)
    })
    if (!isAllowed || !this.#allDials.take(now)) return false
    contact.allowedMs = now
    return true
  }

  #count(source: Peer, peer: Peer): void {
    const told = this.#bySource.get(source) ?? new BoundedMap<Peer, true>(contactLimits.maxContactsPerSource)
    this.#bySource.set(source, told)
    const evicted = told.set(peer, true)?.[0]
    const contact = evicted === undefined ? undefined : this.#contacts.get(evicted)
    contact?.told.delete(source)
    if (contact?.told.size === 0 && !contact.isMet) this.#contacts.delete(evicted as Peer)
  }
}

const NEVER = Number.NEGATIVE_INFINITY

function areSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && a.every((byte, i) => byte === b[i])
}

/**
 * At most `maxAddresses` of a peer that others told of, IPv4 and IPv6 in turn: IP addresses alone, since a name leads
 * wherever its owner likes and looking it up is one more question to a third party.
 */
export function fewAddresses(addresses: readonly Multiaddr[]): Multiaddr[] {
  const families: [Multiaddr[], Multiaddr[]] = [[], []]
  for (const address of addresses) {
    const names = address.getComponents().map(({ name }) => name)
    const path = names.filter(name => name !== 'ip6zone' && name !== 'p2p').join('/')
    if (path === 'ip4/tcp') families[0].push(address)
    else if (path === 'ip6/tcp') families[1].push(address)
  }
  const few: Multiaddr[] = []
  for (let i = 0; i < contactLimits.maxAddresses; i++) few.push(...families.flatMap(family => family[i] ?? []))
  return few.slice(0, contactLimits.maxAddresses)
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
      book.hear(peer, record.byteLength > 0 ? record : undefined)
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
