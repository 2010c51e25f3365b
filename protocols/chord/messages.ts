import { ByteReader } from '../core/byte-reader.ts'
import { ByteWriter } from '../core/byte-writer.ts'
import { type Codec, DecodeError } from '../core/codec.ts'
import { type RingId, ringIdFromBytes, ringIdToBytes } from '../core/keyspace.ts'
import type { Peer, PeerCodec } from '../core/peer.ts'
import { chordLimits } from './config.ts'
import type { Place } from './ring.ts'

export type Role = 'way' | 'owner' | 'copy'

/** What a node knows of the way to a key. */
export interface Hop {
  /** The `owner` of the key has it in (its predecessor, itself]; a `copy` is as good for reading. */
  readonly role: Role
  /** Of the node that tells this. Undefined when it is lost: then it is not known where its keys begin. */
  readonly predecessor: Peer | undefined
  /** Nodes between it and the key, the nearest to the key first. */
  readonly before: readonly Peer[]
  /** Nodes at the key or past it, the nearest first. Of an owner: its successors. */
  readonly after: readonly Peer[]
}

export interface Found {
  /** The owner, or a node on the way that keeps a copy for a while. */
  readonly owner: Peer
  readonly isCopy: boolean
  /** The owner's successors. */
  readonly successors: readonly Peer[]
  /** The owner's predecessor: it has the keys up to there. */
  readonly predecessor: Peer | undefined
  /** The last hop before the owner, if there was one. */
  readonly via: Peer | undefined
  readonly hops: number
}

export type ChordMessage =
  /** Where are you? */
  | { readonly type: 'where'; readonly id: number }
  /** Answers it; without a place when one is about to change. */
  | { readonly type: 'place'; readonly id: number; readonly place?: Place }
  /** Are you there? And its answer. */
  | { readonly type: 'ping'; readonly id: number }
  | { readonly type: 'pong'; readonly id: number }
  /** You are my successor. */
  | { readonly type: 'notify' }
  /** I have a predecessor that is nearer than you. */
  | { readonly type: 'look' }
  /** I go; this was my place. */
  | { readonly type: 'leaving'; readonly place: Place }
  /**
   * Which way to the key, leaving out those that did not answer me? `asOwner`: you are the first that I know past it.
   * `orCopy`: a copy of the record is enough.
   */
  | {
      readonly type: 'route'
      readonly id: number
      readonly key: RingId
      readonly asOwner: boolean
      readonly orCopy: boolean
      readonly lost: readonly Peer[]
    }
  | ({ readonly type: 'hop'; readonly id: number } & Hop)
  /** Find the owner of the key and tell me. */
  | {
      readonly type: 'relay'
      readonly id: number
      readonly key: RingId
      readonly asOwner: boolean
      readonly orCopy: boolean
      readonly hops: number
    }
  /** Answers it, on the same way back; without an owner when the way ended. */
  | { readonly type: 'relayed'; readonly id: number; readonly found?: Found }
  /** There is a ring beside ours, and this node is in it. */
  | { readonly type: 'unite'; readonly contact: Peer; readonly hops: number }

const TYPES = [
  'where',
  'place',
  'ping',
  'pong',
  'notify',
  'look',
  'leaving',
  'route',
  'hop',
  'relay',
  'relayed',
  'unite'
] as const

const ROLES = ['way', 'owner', 'copy'] as const

/** One byte of type, then the fields in the order of the README. */
export function chordCodec(peers: PeerCodec): Codec<ChordMessage> {
  return {
    encode(message) {
      const writer = new ByteWriter().u8(TYPES.indexOf(message.type))
      write(new FieldWriter(writer, peers), message)
      return writer.finish()
    },

    decode(bytes) {
      const reader = new ByteReader(bytes)
      const message = read(new FieldReader(reader, peers))
      reader.end()
      return message
    }
  }
}

class FieldWriter {
  readonly plain: ByteWriter
  readonly #peers: PeerCodec

  constructor(plain: ByteWriter, peers: PeerCodec) {
    this.plain = plain
    this.#peers = peers
  }

  id(id: number): this {
    this.plain.u32(id)
    return this
  }

  u8(value: number): this {
    this.plain.u8(value)
    return this
  }

  flag(flag: boolean): this {
    return this.u8(Number(flag))
  }

  key(key: RingId): this {
    this.plain.bytes(ringIdToBytes(key))
    return this
  }

  peer(peer: Peer): this {
    this.#peers.write(this.plain, peer)
    return this
  }

  optional(peer: Peer | undefined): this {
    this.flag(peer !== undefined)
    return peer === undefined ? this : this.peer(peer)
  }

  list(list: readonly Peer[]): this {
    if (list.length > chordLimits.maxPeers) throw new RangeError(`a list of ${list.length} peers`)
    this.plain.list(list, (writer, peer) => this.#peers.write(writer, peer))
    return this
  }

  place(place: Place): this {
    return this.optional(place.predecessor).list(place.successors)
  }
}

class FieldReader {
  readonly plain: ByteReader
  readonly #peers: PeerCodec

  constructor(plain: ByteReader, peers: PeerCodec) {
    this.plain = plain
    this.#peers = peers
  }

  id(): number {
    return this.plain.u32()
  }

  flag(): boolean {
    const flag = this.plain.u8()
    if (flag > 1) throw new DecodeError('a flag that is neither 0 nor 1')
    return flag === 1
  }

  role(): Role {
    const role = ROLES[this.plain.u8()]
    if (role === undefined) throw new DecodeError('a role of unknown kind')
    return role
  }

  key(): RingId {
    return ringIdFromBytes(this.plain.bytes(32))
  }

  peer(): Peer {
    return this.#peers.read(this.plain)
  }

  optional(): Peer | undefined {
    return this.flag() ? this.peer() : undefined
  }

  list(): Peer[] {
    return this.plain.list(chordLimits.maxPeers, reader => this.#peers.read(reader))
  }

  place(): Place {
    return { predecessor: this.optional(), successors: this.list() }
  }
}

function write(to: FieldWriter, message: ChordMessage): void {
  switch (message.type) {
    case 'where':
    case 'ping':
    case 'pong':
      to.id(message.id)
      return
    case 'place':
      to.id(message.id).flag(message.place !== undefined)
      if (message.place !== undefined) to.place(message.place)
      return
    case 'notify':
    case 'look':
      return
    case 'leaving':
      to.place(message.place)
      return
    case 'route':
      to.id(message.id).key(message.key).flag(message.asOwner).flag(message.orCopy).list(message.lost)
      return
    case 'hop':
      to.id(message.id)
        .u8(ROLES.indexOf(message.role))
        .optional(message.predecessor)
        .list(message.before)
        .list(message.after)
      return
    case 'relay':
      to.id(message.id).key(message.key).flag(message.asOwner).flag(message.orCopy).u8(message.hops)
      return
    case 'relayed': {
      const { found } = message
      to.id(message.id).flag(found !== undefined)
      if (found !== undefined) {
        to.peer(found.owner)
          .flag(found.isCopy)
          .optional(found.predecessor)
          .list(found.successors)
          .optional(found.via)
          .u8(found.hops)
      }
      return
    }
    case 'unite':
      to.peer(message.contact).u8(message.hops)
  }
}

function read(from: FieldReader): ChordMessage {
  const type = TYPES[from.plain.u8()]
  if (type === undefined) throw new DecodeError('a message of unknown type')
  switch (type) {
    case 'where':
    case 'ping':
    case 'pong':
      return { type, id: from.id() }
    case 'place': {
      const id = from.id()
      return from.flag() ? { type, id, place: from.place() } : { type, id }
    }
    case 'notify':
    case 'look':
      return { type }
    case 'leaving':
      return { type, place: from.place() }
    case 'route':
      return { type, id: from.id(), key: from.key(), asOwner: from.flag(), orCopy: from.flag(), lost: from.list() }
    case 'hop': {
      const [id, role, predecessor] = [from.id(), from.role(), from.optional()]
      return { type, id, role, predecessor, before: from.list(), after: from.list() }
    }
    case 'relay':
      return { type, id: from.id(), key: from.key(), asOwner: from.flag(), orCopy: from.flag(), hops: from.plain.u8() }
    case 'relayed': {
      const id = from.id()
      if (!from.flag()) return { type, id }
      const [owner, isCopy, predecessor, successors] = [from.peer(), from.flag(), from.optional(), from.list()]
      return {
        type,
        id,
        found: { owner, isCopy, predecessor, successors, via: from.optional(), hops: from.plain.u8() }
      }
    }
    case 'unite':
      return { type, contact: from.peer(), hops: from.plain.u8() }
  }
}
