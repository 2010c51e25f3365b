import { ByteReader } from '../core/byte-reader.ts'
import { ByteWriter } from '../core/byte-writer.ts'
import { type Codec, DecodeError } from '../core/codec.ts'
import { idFromBytes, idToBytes, type SwarmId } from '../core/ids.ts'
import type { Peer, PeerCodec } from '../core/peer.ts'
import { trackerLimits } from './config.ts'

export type AnnounceEvent = 'none' | 'started' | 'completed' | 'stopped'

/**
 * Why an announce was not carried out.
 *
 * - `full`: the tracker keeps as many accounts or entries as it can
 * - `tooManySwarms`: the peer is in as many accounts as one peer may be
 * - `tooOften`: the peer announces faster than it may
 */
export type RefusalReason = 'full' | 'tooManySwarms' | 'tooOften'

/** What takes part is the peer that sent it: there is no way to announce for somebody else. */
export interface Announce {
  readonly type: 'announce'
  readonly swarm: SwarmId
  readonly event: AnnounceEvent
  /** Bytes the peer still lacks; 0 makes it a seed. */
  readonly left: number
  /** Bytes since `started`. */
  readonly uploaded: number
  readonly downloaded: number
  /** Peers it would like to be told at most. */
  readonly numWant: number
}

export interface Announced {
  readonly type: 'announced'
  readonly swarm: SwarmId
  readonly intervalMs: number
  readonly minIntervalMs: number
  readonly seeds: number
  readonly leeches: number
  readonly peers: readonly Peer[]
}

export interface Refused {
  readonly type: 'refused'
  readonly swarm: SwarmId
  readonly reason: RefusalReason
  /** When it may be tried again. */
  readonly retryMs: number
}

export interface SwarmCount {
  readonly swarm: SwarmId
  readonly seeds: number
  readonly leeches: number
  readonly completed: number
}

export type TrackerMessage =
  | Announce
  | Announced
  | Refused
  | { readonly type: 'scrape'; readonly swarms: readonly SwarmId[] }
  /** One count for each swarm that was asked for, zeros when there is no account. */
  | { readonly type: 'scraped'; readonly swarms: readonly SwarmCount[] }

const TYPES = ['announce', 'announced', 'refused', 'scrape', 'scraped'] as const
const EVENTS = ['none', 'started', 'completed', 'stopped'] as const
const REASONS = ['full', 'tooManySwarms', 'tooOften'] as const

const SWARM_BYTES = 32

/** One byte of type, then the fields in the order of the README. */
export function trackerCodec(peers: PeerCodec): Codec<TrackerMessage> {
  const writePeer = (writer: ByteWriter, peer: Peer): void => peers.write(writer, peer)
  const readPeer = (reader: ByteReader): Peer => peers.read(reader)
  return {
    encode(message) {
      const writer = new ByteWriter().u8(TYPES.indexOf(message.type))
      switch (message.type) {
        case 'announce':
          writeSwarm(writer, message.swarm)
          writer.u8(EVENTS.indexOf(message.event)).u53(message.left).u53(message.uploaded).u53(message.downloaded)
          writer.u16(message.numWant)
          break
        case 'announced':
          writeSwarm(writer, message.swarm)
          writer.u32(message.intervalMs).u32(message.minIntervalMs).u32(message.seeds).u32(message.leeches)
          writer.list(message.peers, writePeer)
          break
        case 'refused':
          writeSwarm(writer, message.swarm)
          writer.u8(REASONS.indexOf(message.reason)).u32(message.retryMs)
          break
        case 'scrape':
          writer.list(message.swarms, writeSwarm)
          break
        case 'scraped':
          writer.list(message.swarms, writeCount)
          break
      }
      return writer.finish()
    },

    decode(bytes) {
      const reader = new ByteReader(bytes)
      const message = read(reader, readPeer)
      reader.end()
      return message
    }
  }
}

function read(reader: ByteReader, readPeer: (reader: ByteReader) => Peer): TrackerMessage {
  const type = oneOf(TYPES, reader, 'a message of unknown type')
  switch (type) {
    case 'announce':
      return {
        type,
        swarm: readSwarm(reader),
        event: oneOf(EVENTS, reader, 'an unknown event'),
        left: reader.u53(),
        uploaded: reader.u53(),
        downloaded: reader.u53(),
        numWant: reader.u16()
      }
    case 'announced':
      return {
        type,
        swarm: readSwarm(reader),
        intervalMs: reader.u32(),
        minIntervalMs: reader.u32(),
        seeds: reader.u32(),
        leeches: reader.u32(),
        peers: reader.list(trackerLimits.maxPeersInReply, readPeer)
      }
    case 'refused':
      return {
        type,
        swarm: readSwarm(reader),
        reason: oneOf(REASONS, reader, 'an unknown reason'),
        retryMs: reader.u32()
      }
    case 'scrape':
      return { type, swarms: reader.list(trackerLimits.maxScrapeSwarms, readSwarm) }
    case 'scraped':
      return { type, swarms: reader.list(trackerLimits.maxScrapeSwarms, readCount) }
  }
}

function oneOf<T>(names: readonly T[], reader: ByteReader, wrong: string): T {
  const name = names[reader.u8()]
  if (name === undefined) throw new DecodeError(wrong)
  return name
}

function writeSwarm(writer: ByteWriter, swarm: SwarmId): void {
  writer.bytes(idToBytes(swarm))
}

function readSwarm(reader: ByteReader): SwarmId {
  return idFromBytes<SwarmId>(reader.bytes(SWARM_BYTES))
}

function writeCount(writer: ByteWriter, count: SwarmCount): void {
  writeSwarm(writer, count.swarm)
  writer.u32(count.seeds).u32(count.leeches).u32(count.completed)
}

function readCount(reader: ByteReader): SwarmCount {
  return { swarm: readSwarm(reader), seeds: reader.u32(), leeches: reader.u32(), completed: reader.u32() }
}
