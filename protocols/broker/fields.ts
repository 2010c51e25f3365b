import type { ByteReader } from '../core/byte-reader.ts'
import type { ByteWriter } from '../core/byte-writer.ts'
import { DecodeError } from '../core/codec.ts'
import { type Infohash, idFromBytes, idToBytes } from '../core/ids.ts'
import type { Peer, PeerCodec } from '../core/peer.ts'
import type { CopyHost, Offer } from './commands.ts'
import { brokerLimits } from './config.ts'
import { LEASE_STATES, type Lease, type LeaseState } from './lease.ts'
import type { Order } from './order.ts'

/** A lease as its host tells it: whose it is follows from who sends it. */
export type OwnLease = Omit<Lease, 'host'>

/** Which item. */
export interface ItemName {
  readonly owner: Peer
  readonly infohash: Infohash
}

/** Parts of the messages, written and read. A value that its field cannot hold is our own mistake: RangeError. */
export class Fields {
  readonly peers: PeerCodec

  constructor(peers: PeerCodec) {
    this.peers = peers
  }

  writeItem(to: ByteWriter, { owner, infohash }: ItemName): void {
    this.peers.write(to, owner)
    to.bytes(idToBytes(infohash))
  }

  readItem(from: ByteReader): ItemName {
    return { owner: this.peers.read(from), infohash: readInfohash(from) }
  }

  writeOrder(to: ByteWriter, order: Order): void {
    this.writeItem(to, order)
    to.u53(order.size).u8(order.copies).u53(order.seq).u32(order.expires).shortBytes(order.signature)
  }

  /** Copies what it keeps: the message's bytes are not held. */
  readOrder(from: ByteReader): Order {
    const item = this.readItem(from)
    const order = { ...item, size: from.u53(), copies: from.u8(), seq: from.u53(), expires: from.u32() }
    return { ...order, signature: from.shortBytes(brokerLimits.maxSignatureBytes).slice() }
  }

  writeOwnLease(to: ByteWriter, lease: OwnLease): void {
    this.writeItem(to, lease)
    to.u53(lease.seq).u8(LEASE_STATES.indexOf(lease.state)).u53(lease.since).u32(lease.expires)
    to.text(lease.domain).shortBytes(lease.signature)
  }

  readOwnLease(from: ByteReader): OwnLease {
    const lease = {
      ...this.readItem(from),
      seq: from.u53(),
      state: readState(from),
      since: from.u53(),
      expires: from.u32(),
      domain: from.text(brokerLimits.maxDomainBytes)
    }
    return { ...lease, signature: from.shortBytes(brokerLimits.maxSignatureBytes).slice() }
  }

  writeLease(to: ByteWriter, lease: Lease): void {
    this.peers.write(to, lease.host)
    this.writeOwnLease(to, lease)
  }

  readLease(from: ByteReader): Lease {
    return { host: this.peers.read(from), ...this.readOwnLease(from) }
  }

  writePeers(to: ByteWriter, peers: readonly Peer[]): void {
    writeList(to, peers, brokerLimits.maxNamed, (writer, peer) => this.peers.write(writer, peer))
  }

  readPeers(from: ByteReader): Peer[] {
    return from.list(brokerLimits.maxNamed, reader => this.peers.read(reader))
  }

  writeHost(to: ByteWriter, { peer, domain, state, since, heardMs }: CopyHost): void {
    this.peers.write(to, peer)
    to.text(domain).u8(LEASE_STATES.indexOf(state)).u53(since).u53(heardMs)
  }

  readHost(from: ByteReader): CopyHost {
    const peer = this.peers.read(from)
    const domain = from.text(brokerLimits.maxDomainBytes)
    return { peer, domain, state: readState(from), since: from.u53(), heardMs: from.u53() }
  }
}

/** Loads are told in 256ths. */
const LOAD_STEPS = 255

export function writeOffer(to: ByteWriter, offer: Offer): void {
  to.u53(offer.bytes).u53(offer.usedBytes).u53(offer.uptimeMs).u53(offer.uploadBytesPerS)
  to.u8(Math.round(offer.load * LOAD_STEPS)).text(offer.domain)
}

export function readOffer(from: ByteReader): Offer {
  return {
    bytes: from.u53(),
    usedBytes: from.u53(),
    uptimeMs: from.u53(),
    uploadBytesPerS: from.u53(),
    load: from.u8() / LOAD_STEPS,
    domain: from.text(brokerLimits.maxDomainBytes)
  }
}

export function writeList<T>(
  to: ByteWriter,
  items: readonly T[],
  limit: number,
  write: (to: ByteWriter, item: T) => void
): void {
  if (items.length > limit) throw new RangeError(`a message with ${items.length} items, limit ${limit}`)
  to.list(items, write)
}

export function readInfohash(from: ByteReader): Infohash {
  return idFromBytes<Infohash>(from.bytes(32))
}

export function readFlag(from: ByteReader): boolean {
  const flag = from.u8()
  if (flag > 1) throw new DecodeError('a flag that is neither 0 nor 1')
  return flag === 1
}

/** One of a fixed list, by its index. */
export function readOneOf<T>(from: ByteReader, list: readonly T[], what: string): T {
  const item = list[from.u8()]
  if (item === undefined) throw new DecodeError(`an unknown ${what}`)
  return item
}

function readState(from: ByteReader): LeaseState {
  return readOneOf(from, LEASE_STATES, 'state of a lease')
}
