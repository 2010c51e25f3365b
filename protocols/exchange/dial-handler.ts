import type { Logger, PeerId } from '@libp2p/interface'
import { DecodeError } from '../core/codec.ts'
import type { Peer } from '../core/peer.ts'
import type { FramedStream } from '../libp2p/framed-stream.ts'
import { sameBytes } from '../metainfo/index.ts'
import { decodeHandshake, type Features, HANDSHAKE_BYTES } from './handshake.ts'

export interface DialsInit {
  self: Peer
  log: Logger
  /** Our handshake in this swarm. */
  handshake: Uint8Array
  /** How long a dial may take, and after it the answer to our handshake. */
  handshakeTimeoutMs: number
  /** Opens a stream of the exchange. @throws when there is none to be had */
  openStream(peer: PeerId, signal: AbortSignal): Promise<FramedStream>
  onPenalty(peer: Peer, reason: string, kind: 'rule' | 'content'): void
}

interface Attempt {
  /** Our handshake is on its way: from now on it is a matter of both sides which stream stays. */
  isGreeted: boolean
  readonly controller: AbortController
}

/** The dials of one swarm that are under way. */
export class Dials {
  readonly #init: DialsInit
  readonly #attempts = new Map<Peer, Attempt>() // BOUNDED by maxPeers of the swarm, which asks `size`

  constructor(init: DialsInit) {
    this.#init = init
  }

  get size(): number {
    return this.#attempts.size
  }

  has(peer: Peer): boolean {
    return this.#attempts.has(peer)
  }

  /**
   * Gives a stream on which both have sent their handshakes to `join`, and resolves with what that says; false when there
   * is no such stream, or it is not wanted any more. Never throws.
   */
  async dial(
    id: PeerId,
    peer: Peer,
    signal: AbortSignal | undefined,
    join: (framed: FramedStream, features: Features) => boolean
  ): Promise<boolean> {
    const { self, log, handshake, handshakeTimeoutMs, openStream, onPenalty } = this.#init
    if (peer === self || this.#attempts.has(peer) || signal?.aborted) return false
    const controller = new AbortController()
    const attempt: Attempt = { isGreeted: false, controller }
    this.#attempts.set(peer, attempt)
    const onAbort = (): void => controller.abort(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    const timer = setTimeout(() => controller.abort(new Error('it takes too long')), handshakeTimeoutMs)
    timer.unref()
    let framed: FramedStream | undefined
    try {
      framed = await openStream(id, controller.signal)
      controller.signal.throwIfAborted()
      timer.refresh()
      framed.writeRaw(handshake)
      attempt.isGreeted = true
      const answer = decodeHandshake(await framed.readRaw(HANDSHAKE_BYTES, controller.signal))
      controller.signal.throwIfAborted()
      if (!sameBytes(answer.swarm, decodeHandshake(handshake).swarm)) {
        throw new DecodeError('a handshake of another swarm')
      }
      // no stream of the peer may slip in between
      this.#attempts.delete(peer)
      return join(framed, answer.features)
    } catch (error) {
      log('no stream to %s - %e', peer, error)
      framed?.abort(error instanceof Error ? error : new Error('not wanted any more'))
      if (error instanceof DecodeError) onPenalty(peer, error.message, 'rule')
      return false
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      if (this.#attempts.get(peer) === attempt) this.#attempts.delete(peer)
    }
  }

  /**
   * The peer has dialled us while we dial it. Of two such streams that of the peer whose id sorts first stays: false when
   * that is ours. Both sides can tell, for both have sent their handshakes by then. A dial of ours that has not come so
   * far gives way, because nobody knows whether it will.
   */
  giveWay(peer: Peer): boolean {
    const attempt = this.#attempts.get(peer)
    if (attempt?.isGreeted && this.#init.self < peer) return false
    this.#attempts.delete(peer)
    attempt?.controller.abort(new Error('the peer dialled at the same time'))
    return true
  }

  end(): void {
    for (const { controller } of this.#attempts.values()) controller.abort(new Error('the swarm closes'))
    this.#attempts.clear()
  }
}
