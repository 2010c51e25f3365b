import type { Connection, PeerId, Startable, Stream } from '@libp2p/interface'
import type { ConnectionManager, Registrar } from '@libp2p/interface-internal'
import { type Infohash, idFromBytes, idToBytes } from '../core/ids.ts'
import type { Peer } from '../core/peer.ts'
import { join } from '../libp2p/framed-stream.ts'
import { peerFromId } from '../libp2p/peer-ids.ts'
import { answer, ask, type RequestLimits } from '../libp2p/request.ts'
import { sameBytes } from './merkle.ts'
import { MetainfoError } from './metainfo.ts'
import { HASH_BYTES, type Sha256 } from './sha.ts'

export const METAINFO_PROTOCOL = '/shoal/metainfo/1.0.0'

const CHUNK_BYTES = 256 * 1024

export interface MetainfoHandlerLimits extends RequestLimits {
  /** Questions that one connection may have open. */
  maxStreams: number
  /** Questions of one peer that are being answered, on all its connections. */
  maxServingPerPeer: number
  maxServing: number
  /** Dictionaries that are being sent, together; one that is sent to many counts once. */
  maxServingBytes: number
}

export const metainfoHandlerLimits: MetainfoHandlerLimits = {
  maxFrameBytes: CHUNK_BYTES,
  /** Largest info dictionary; 200,000 files with long names stay below. */
  maxAnswerBytes: 16 * 1024 * 1024,
  timeoutMs: 30_000,
  maxStreams: 4,
  maxServingPerPeer: 4,
  maxServing: 256,
  maxServingBytes: 64 * 1024 * 1024
}

export interface FetchOptions {
  signal?: AbortSignal
  /** The peer was asked. */
  onAsked?(): void
  /** Something of the answer came. */
  onBytes?(): void
}

export interface MetainfoServiceInit {
  /** The info dictionary of a collection that this node can serve. */
  lookup(infohash: Infohash): Uint8Array | undefined
  sha256: Sha256
}

export interface MetainfoComponents {
  registrar: Registrar
  connectionManager: ConnectionManager
}

/**
 * Serves info dictionaries by infohash, and asks other peers for them. A question is the infohash; the answer is the
 * dictionary in frames of at most 256 KiB, nothing when it is not known.
 */
export class MetainfoService implements Startable {
  readonly [Symbol.toStringTag] = '@shoal/metainfo'
  readonly #components: MetainfoComponents
  readonly #init: MetainfoServiceInit
  /** Dictionaries that are being sent: whoever does not read holds no copy of its own. BOUNDED by maxServingBytes */
  readonly #sending = new Map<Infohash, { readonly bytes: Uint8Array; streams: number }>()
  #sendingBytes = 0
  readonly #serving = new Map<Peer, number>() // BOUNDED by maxServing
  #servingCount = 0

  constructor(components: MetainfoComponents, init: MetainfoServiceInit) {
    this.#components = components
    this.#init = init
  }

  async start(): Promise<void> {
    const { maxStreams } = metainfoHandlerLimits
    await this.#components.registrar.handle(
      METAINFO_PROTOCOL,
      (stream, connection) => this.#serve(stream, connection),
      { maxInboundStreams: maxStreams, maxOutboundStreams: maxStreams }
    )
  }

  async stop(): Promise<void> {
    await this.#components.registrar.unhandle(METAINFO_PROTOCOL)
  }

  /**
   * Fetches an info dictionary from one peer. What arrives is checked against the infohash.
   *
   * @returns undefined when the peer does not have it
   * @throws MetainfoError when what it sent is something else; StreamError when it cannot be had
   */
  async fetch(peer: PeerId, infohash: Infohash, options: FetchOptions = {}): Promise<Uint8Array | undefined> {
    const { signal, onAsked, onBytes } = options
    const timeout = AbortSignal.timeout(metainfoHandlerLimits.timeoutMs)
    const stream = await this.#components.connectionManager.openStream(peer, METAINFO_PROTOCOL, {
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout])
    })
    onAsked?.()
    const parts: Uint8Array[] = []
    for await (const frame of ask(stream, idToBytes(infohash), metainfoHandlerLimits, signal)) {
      parts.push(...frame)
      onBytes?.()
    }
    if (parts.length === 0) return undefined
    const infoBytes = join(parts)
    if (!sameBytes(this.#init.sha256(infoBytes), idToBytes(infohash))) {
      throw new MetainfoError('the metainfo that the peer sent is not what was asked for')
    }
    return infoBytes
  }

  async #serve(stream: Stream, connection: Connection): Promise<void> {
    const { maxServing, maxServingPerPeer } = metainfoHandlerLimits
    const peer = peerFromId(connection.remotePeer)
    const count = this.#serving.get(peer) ?? 0
    if (count >= maxServingPerPeer || this.#servingCount >= maxServing) {
      stream.abort(new Error('too many questions'))
      return
    }
    this.#serving.set(peer, count + 1)
    this.#servingCount++
    try {
      await answer(stream, metainfoHandlerLimits, question => this.#reply(join(question)))
    } finally {
      const left = this.#serving.get(peer)! - 1
      if (left === 0) this.#serving.delete(peer)
      else this.#serving.set(peer, left)
      this.#servingCount--
    }
  }

  *#reply(question: Uint8Array): Generator<Uint8Array> {
    if (question.byteLength !== HASH_BYTES) return
    const infohash = idFromBytes<Infohash>(question)
    const sending = this.#sending.get(infohash) ?? this.#load(infohash)
    if (sending === undefined) return
    sending.streams++
    try {
      const { bytes } = sending
      for (let at = 0; at < bytes.byteLength; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES)
    } finally {
      if (--sending.streams === 0) {
        this.#sending.delete(infohash)
        this.#sendingBytes -= sending.bytes.byteLength
      }
    }
  }

  #load(infohash: Infohash): { readonly bytes: Uint8Array; streams: number } | undefined {
    const bytes = this.#init.lookup(infohash)
    if (bytes === undefined) return undefined
    if (this.#sendingBytes + bytes.byteLength > metainfoHandlerLimits.maxServingBytes)
      throw new Error('too much is sent')
    const sending = { bytes, streams: 0 }
    this.#sending.set(infohash, sending)
    this.#sendingBytes += bytes.byteLength
    return sending
  }
}

export function metainfoService(init: MetainfoServiceInit): (components: MetainfoComponents) => MetainfoService {
  return components => new MetainfoService(components, init)
}
