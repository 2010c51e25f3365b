import type { PeerId, Startable } from '@libp2p/interface'
import type { ConnectionManager, Registrar } from '@libp2p/interface-internal'
import { type Infohash, idFromBytes, idToBytes } from '../core/ids.ts'
import { join } from '../libp2p/framed-stream.ts'
import { answer, ask, type RequestLimits } from '../libp2p/request.ts'
import { sameBytes } from './merkle.ts'
import { MetainfoError } from './metainfo.ts'
import { HASH_BYTES, type Sha256 } from './sha.ts'

export const METAINFO_PROTOCOL = '/shoal/metainfo/1.0.0'

const CHUNK_BYTES = 256 * 1024

export const metainfoHandlerLimits: RequestLimits & { maxStreams: number } = {
  maxFrameBytes: CHUNK_BYTES,
  /** Largest info dictionary; 200,000 files with long names stay below. */
  maxAnswerBytes: 16 * 1024 * 1024,
  timeoutMs: 30_000,
  /** Questions that one connection may have open. */
  maxStreams: 4
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

  constructor(components: MetainfoComponents, init: MetainfoServiceInit) {
    this.#components = components
    this.#init = init
  }

  async start(): Promise<void> {
    const { maxStreams } = metainfoHandlerLimits
    await this.#components.registrar.handle(
      METAINFO_PROTOCOL,
      stream => answer(stream, metainfoHandlerLimits, question => this.#reply(join(question))),
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
  async fetch(peer: PeerId, infohash: Infohash, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    const timeout = AbortSignal.timeout(metainfoHandlerLimits.timeoutMs)
    const stream = await this.#components.connectionManager.openStream(peer, METAINFO_PROTOCOL, {
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout])
    })
    const parts: Uint8Array[] = []
    for await (const frame of ask(stream, idToBytes(infohash), metainfoHandlerLimits, signal)) parts.push(...frame)
    if (parts.length === 0) return undefined
    const infoBytes = join(parts)
    if (!sameBytes(this.#init.sha256(infoBytes), idToBytes(infohash))) {
      throw new MetainfoError('the metainfo that the peer sent is not what was asked for')
    }
    return infoBytes
  }

  *#reply(question: Uint8Array): Generator<Uint8Array> {
    if (question.byteLength !== HASH_BYTES) return
    const infoBytes = this.#init.lookup(idFromBytes<Infohash>(question))
    if (infoBytes === undefined) return
    for (let at = 0; at < infoBytes.byteLength; at += CHUNK_BYTES) yield infoBytes.subarray(at, at + CHUNK_BYTES)
  }
}

export function metainfoService(init: MetainfoServiceInit): (components: MetainfoComponents) => MetainfoService {
  return components => new MetainfoService(components, init)
}
