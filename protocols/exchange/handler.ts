import type { ComponentLogger, Connection, Logger, PeerId, Startable, Stream } from '@libp2p/interface'
import type { ConnectionManager, Registrar } from '@libp2p/interface-internal'
import { toString as bytesToString } from 'uint8arrays/to-string'
import { DecodeError } from '../core/codec.ts'
import { idToBytes, type SwarmId } from '../core/ids.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import type { ContactBook } from '../libp2p/contacts.ts'
import { monotonicMs } from '../libp2p/driver.ts'
import { FramedStream, StreamError } from '../libp2p/framed-stream.ts'
import { peerFromId } from '../libp2p/peer-ids.ts'
import type { Sha256 } from '../metainfo/index.ts'
import { defaultExchangeConfig, type ExchangeConfig, exchangeLimits } from './config.ts'
import type { Content } from './content.ts'
import { decodeHandshake, encodeHandshake, HANDSHAKE_BYTES, ourFeatures, wirePeerId } from './handshake.ts'
import type { LinkLimits } from './link-handler.ts'
import type { DropReason, SwarmStats } from './swarm-events.ts'
import { SwarmHandler } from './swarm-handler.ts'

export const EXCHANGE_PROTOCOL = '/shoal/exchange/1.0.0'

export interface ExchangeHandlerLimits extends LinkLimits {
  /** Streams of one connection each way, that is swarms shared with one peer. */
  maxStreams: number
  /** How long a peer has for its handshake; also how long a dial may take. */
  handshakeTimeoutMs: number
  /** Inbound streams of one peer whose handshake is not through. */
  maxPendingPerPeer: number
  maxPending: number
  /** Unread bytes at which reading pauses until the handshake is through. */
  pendingBytes: number
}

export const exchangeHandlerLimits: ExchangeHandlerLimits = {
  maxStreams: 64,
  handshakeTimeoutMs: 10_000,
  maxPendingPerPeer: 64,
  maxPending: 256,
  pendingBytes: 64 * 1024,
  inbound: { rate: 20_000, burst: 100_000 },
  controlBytes: 2 * 1024 * 1024
}

export interface ExchangeServiceInit {
  /**
   * `peer`, a stranger, asks for a swarm that is not open, by the first 20 bytes of its id as hex (40 digits): open it
   * with `exchange.open`, or return undefined to refuse. Asked once at a time for the same swarm.
   */
  onWanted(prefix: string, peer: Peer): Promise<SwarmHandle | undefined>
  /** `content`: bytes or hashes that are not the file's; no honest peer sends any. */
  onPenalty(peer: Peer, reason: string, kind: 'rule' | 'content'): void
  /** Digest for the BitTorrent peer id. */
  sha256: Sha256
  rng: Rng
  /** Integer milliseconds that never go back. */
  clock?: () => number
  config?: Partial<ExchangeConfig>
  limits?: Partial<ExchangeHandlerLimits>
  /** Signed addresses of peers that were heard of. */
  contacts?: ContactBook
}

export interface ExchangeComponents {
  peerId: PeerId
  registrar: Registrar
  connectionManager: ConnectionManager
  logger: ComponentLogger
}

/** What the application hears of a swarm. */
export type SwarmNotice =
  | { type: 'progress'; storedBytes: number }
  | { type: 'pieceDone'; piece: number }
  /** Every wanted piece is stored. Not told when that was so from the start (see `SwarmStats.isFinished`). */
  | { type: 'done' }
  | { type: 'liar'; peer: Peer; reason: string }
  /** What the peer itself says of the size of the content, in bytes. It is let go when that is another. */
  | { type: 'sizeStated'; peer: Peer; bytes: number }
  | { type: 'peerUp'; peer: Peer }
  | { type: 'peerDown'; peer: Peer; why: DropReason | 'closed'; reason: string }
  /**
   * Reading or writing failed, with a ContentError or whatever `Content` threw. Writing pauses the swarm until `resume`,
   * and is told once until then; reading that fails is told once a second.
   */
  | { type: 'failed'; during: 'reading' | 'writing'; error: unknown }

export interface SwarmOptions {
  swarm: SwarmId
  /** Belongs to the swarm from now on, which closes it. */
  content: Content
  /** Pieces to fetch; all when absent. */
  wanted?: (piece: number) => boolean
  /** A wanted piece that is stored before any other is asked for. */
  first?: number
  /** Called in the middle of the swarm's work; it may call the handle. */
  onEvent(event: SwarmNotice): void
}

/** One open swarm. */
export interface SwarmHandle {
  readonly swarm: SwarmId
  /**
   * Dials if need be, and exchanges handshakes. False when the peer does not have the swarm, cannot be reached, is
   * connected in it or being dialled already (also when it dials us and its stream is the one that stays), or when the
   * swarm is full. Never throws.
   */
  connect(peer: PeerId, signal?: AbortSignal): Promise<boolean>
  isConnected(peer: Peer): boolean
  stats(): SwarmStats
  /** Milliseconds since a block went out to anybody; since the swarm was opened when none has. */
  readonly quietMs: number
  /** From now on this one hears of the swarm, in place of whoever did. */
  listen(onEvent: SwarmOptions['onEvent']): void
  /** Asks for no more. What is here is served all the same. */
  pause(): void
  resume(): void
  /**
   * Ends all streams, waits for writes and reads under way, then closes the content. Idempotent.
   *
   * @throws what `Content.close` threw
   */
  close(): Promise<void>
}

/** What all swarms of this node have moved and move, those that are closed with them. */
export interface Traffic {
  receivedBytes: number
  sentBytes: number
  /** Bytes per second. */
  down: number
  up: number
}

/** The exchange on the network: which swarms there are, and which of them a stream is for. */
export class ExchangeService implements Startable {
  readonly [Symbol.toStringTag] = '@shoal/exchange'
  readonly #components: ExchangeComponents
  readonly #init: ExchangeServiceInit
  readonly #config: ExchangeConfig
  readonly #limits: ExchangeHandlerLimits
  readonly #log: Logger
  readonly #peerId: Uint8Array
  readonly #swarms = new Map<SwarmId, SwarmHandler>() // BOUNDED by the application, which opens them
  readonly #byPrefix = new Map<string, SwarmHandler>() // also those that are closing
  readonly #wanted = new Map<string, Promise<unknown>>() // BOUNDED by maxPending
  readonly #pending = new Map<Peer, number>() // BOUNDED by maxPending
  readonly #moved = { receivedBytes: 0, sentBytes: 0 } // by swarms that are closed
  #pendingCount = 0
  #state: 'new' | 'running' | 'stopped' = 'new'

  constructor(components: ExchangeComponents, init: ExchangeServiceInit) {
    this.#components = components
    this.#init = init
    this.#config = { ...defaultExchangeConfig, ...init.config }
    this.#limits = { ...exchangeHandlerLimits, ...init.limits }
    this.#log = components.logger.forComponent('shoal:exchange')
    this.#peerId = wirePeerId(init.sha256(components.peerId.toMultihash().bytes))
  }

  get swarms(): ReadonlyMap<SwarmId, SwarmHandle> {
    return this.#swarms
  }

  swarm(id: SwarmId): SwarmHandle | undefined {
    return this.#swarms.get(id)
  }

  traffic(): Traffic {
    const all: Traffic = { ...this.#moved, down: 0, up: 0 }
    for (const swarm of this.#swarms.values()) {
      const { receivedBytes, sentBytes, down, up } = swarm.stats()
      all.receivedBytes += receivedBytes
      all.sentBytes += sentBytes
      all.down += down
      all.up += up
    }
    return all
  }

  /** @throws Error when the swarm is open or not closed yet, or when the service has stopped */
  open(options: SwarmOptions): SwarmHandle {
    const prefix = options.swarm.slice(0, 40)
    if (this.#state === 'stopped') throw new Error('the exchange has stopped')
    if (this.#byPrefix.has(prefix)) throw new Error(`the swarm ${options.swarm} is open already`)
    const handler = new SwarmHandler({
      ...options,
      self: peerFromId(this.#components.peerId),
      handshake: encodeHandshake({
        swarm: idToBytes(options.swarm).subarray(0, 20),
        peerId: this.#peerId,
        features: ourFeatures
      }),
      rng: this.#init.rng.fork(),
      clock: this.#init.clock ?? monotonicMs,
      config: this.#config,
      limits: this.#limits,
      log: this.#log,
      handshakeTimeoutMs: this.#limits.handshakeTimeoutMs,
      openStream: (peer, signal) => this.#openStream(peer, signal),
      onPenalty: (peer, reason, kind) => this.#penalise(peer, reason, kind),
      onClosing: stats => this.#onClosing(options.swarm, stats),
      onClosed: () => this.#byPrefix.delete(prefix)
    })
    this.#swarms.set(options.swarm, handler)
    this.#byPrefix.set(prefix, handler)
    return handler
  }

  async start(): Promise<void> {
    this.#state = 'running'
    await this.#components.registrar.handle(
      EXCHANGE_PROTOCOL,
      (stream, connection) => this.#onStream(stream, connection),
      { maxInboundStreams: this.#limits.maxStreams, maxOutboundStreams: this.#limits.maxStreams }
    )
  }

  async stop(): Promise<void> {
    this.#state = 'stopped'
    await this.#components.registrar.unhandle(EXCHANGE_PROTOCOL)
    const closing = [...this.#byPrefix.values()].map(async handler => {
      try {
        await handler.close()
      } catch (error) {
        this.#log.error('%s did not close - %e', handler.swarm, error)
      }
    })
    await Promise.all(closing)
  }

  #onClosing(id: SwarmId, { receivedBytes, sentBytes }: SwarmStats): void {
    this.#swarms.delete(id)
    this.#moved.receivedBytes += receivedBytes
    this.#moved.sentBytes += sentBytes
  }

  async #openStream(id: PeerId, signal: AbortSignal): Promise<FramedStream> {
    if (this.#state !== 'running') throw new Error('the exchange is not running')
    const { connectionManager } = this.#components
    if (connectionManager.getConnections(id).length === 0) await this.#init.contacts?.prepareDial(id, peerFromId(id))
    return this.#frame(await connectionManager.openStream(id, EXCHANGE_PROTOCOL, { signal }))
  }

  #frame(stream: Stream): FramedStream {
    return new FramedStream(stream, {
      maxFrameBytes: exchangeLimits.maxFrameBytes,
      highWaterBytes: this.#limits.pendingBytes,
      // the first piece of a slow peer may take as long as it may be silent
      frameTimeoutMs: this.#config.idleMs
    })
  }

  async #onStream(stream: Stream, connection: Connection): Promise<void> {
    const peer = peerFromId(connection.remotePeer)
    const framed = this.#frame(stream)
    if (this.#state !== 'running' || !this.#enter(peer)) {
      framed.abort(new Error('too many handshakes'))
      return
    }
    const timer = setTimeout(
      () => framed.abort(new StreamError('TIMEOUT', 'the handshake takes too long')),
      this.#limits.handshakeTimeoutMs
    )
    timer.unref()
    try {
      const handshake = decodeHandshake(await framed.readRaw(HANDSHAKE_BYTES))
      const handler = await this.#handlerFor(bytesToString(handshake.swarm, 'base16'), peer)
      if (handler === undefined || stream.status !== 'open' || !handler.accept(peer, framed, handshake)) {
        framed.abort(new Error('refused'))
      }
    } catch (error) {
      framed.abort(error as Error)
      if (error instanceof DecodeError) this.#penalise(peer, error.message, 'rule')
    } finally {
      clearTimeout(timer)
      this.#leave(peer)
    }
  }

  async #handlerFor(prefix: string, peer: Peer): Promise<SwarmHandler | undefined> {
    const open = this.#byPrefix.get(prefix)
    if (open !== undefined) return open
    let asking = this.#wanted.get(prefix)
    if (asking === undefined) {
      asking = this.#ask(prefix, peer)
      this.#wanted.set(prefix, asking)
    }
    await asking
    return this.#byPrefix.get(prefix)
  }

  async #ask(prefix: string, peer: Peer): Promise<void> {
    try {
      await this.#init.onWanted(prefix, peer)
    } catch (error) {
      this.#log.error('a swarm that is wanted could not be opened - %e', error)
    } finally {
      this.#wanted.delete(prefix)
    }
  }

  #enter(peer: Peer): boolean {
    const { maxPending, maxPendingPerPeer } = this.#limits
    const pending = this.#pending.get(peer) ?? 0
    if (pending >= maxPendingPerPeer || this.#pendingCount >= maxPending) return false
    this.#pending.set(peer, pending + 1)
    this.#pendingCount++
    return true
  }

  #leave(peer: Peer): void {
    const pending = this.#pending.get(peer)! - 1
    if (pending === 0) this.#pending.delete(peer)
    else this.#pending.set(peer, pending)
    this.#pendingCount--
  }

  #penalise(peer: Peer, reason: string, kind: 'rule' | 'content'): void {
    this.#init.onPenalty(peer, `${EXCHANGE_PROTOCOL}: ${reason}`, kind)
  }
}

/** The exchange as a libp2p service. */
export function exchangeService(init: ExchangeServiceInit): (components: ExchangeComponents) => ExchangeService {
  return components => new ExchangeService(components, init)
}
