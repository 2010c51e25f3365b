import type { ComponentLogger, Connection, Logger, PeerId, Startable, Stream } from '@libp2p/interface'
import type { ConnectionManager, Registrar } from '@libp2p/interface-internal'
import { BoundedMap } from '../core/bounded-map.ts'
import { type Codec, DecodeError } from '../core/codec.ts'
import type { Input, Machine, Output } from '../core/machine.ts'
import type { Peer } from '../core/peer.ts'
import { TokenBucket } from '../core/token-bucket.ts'
import type { ContactBook } from './contacts.ts'
import { type Frame, FramedStream, join } from './framed-stream.ts'
import { idFromPeer, peerFromId } from './peer-ids.ts'

export interface DriverLimits {
  /** Largest message. */
  maxFrameBytes: number
  /** Bytes that may wait for one peer; what comes on top is dropped and counted. */
  sendBudgetBytes: number
  /** Messages a second that one peer may send. */
  inbound: { rate: number; burst: number }
  /** How long a dial and the opening of a stream may take. */
  openTimeoutMs: number
}

export const driverLimits: DriverLimits = {
  maxFrameBytes: 64 * 1024,
  sendBudgetBytes: 1024 * 1024,
  inbound: { rate: 500, burst: 2_000 },
  openTimeoutMs: 10_000
}

/** Peers that links or rates are kept of; more than libp2p has connections. */
const MAX_PEERS = 1_024
/** Streams of one protocol that one connection may have open towards us. */
const MAX_STREAMS = 4

export interface DriverInit<Command, Message, Event> {
  /** Protocol id with its version, `/shoal/<name>/<version>`. */
  protocol: string
  machine: Machine<Command, Message, Event>
  codec: Codec<Message>
  limits?: Partial<DriverLimits>
  contacts?: ContactBook
  onEvent(event: Event): void
  onPenalty(peer: Peer, reason: string): void
  /** Integer milliseconds that never go back. */
  clock?: () => number
}

export interface DriverComponents {
  peerId: PeerId
  registrar: Registrar
  connectionManager: ConnectionManager
  logger: ComponentLogger
}

export interface DriverStats {
  messagesIn: number
  messagesOut: number
  bytesIn: number
  bytesOut: number
  /** Messages that were not sent because the peer does not take them fast enough. */
  dropped: number
  /** Inputs on which the machine threw: always a mistake of ours. */
  faults: number
}

interface Link {
  /** Undefined while it is being opened. */
  framed: FramedStream | undefined
  waiting: Uint8Array[] // BOUNDED by sendBudgetBytes
  waitingBytes: number
}

/** A clock for machines: whole milliseconds since some moment, never back. */
export function monotonicMs(): number {
  return Math.floor(performance.now())
}

/**
 * Runs one machine on the network: the only thing there that calls it. It keeps one outbound stream a peer, opened when
 * there is something to send; inbound streams are only read. So two peers that open at once, or that have two
 * connections, need no rule about which stream counts.
 */
export class Driver<Command extends { type: string }, Message, Event> implements Startable {
  readonly [Symbol.toStringTag] = '@shoal/driver'
  readonly stats: DriverStats = { messagesIn: 0, messagesOut: 0, bytesIn: 0, bytesOut: 0, dropped: 0, faults: 0 }
  readonly #init: DriverInit<Command, Message, Event>
  readonly #components: DriverComponents
  readonly #limits: DriverLimits
  readonly #clock: () => number
  readonly #log: Logger
  readonly #links = new Map<Peer, Link>() // BOUNDED by MAX_PEERS in #linkTo
  readonly #up = new Set<Peer>() // BOUNDED by libp2p's connections
  readonly #rates = new BoundedMap<Peer, TokenBucket>(MAX_PEERS)
  readonly #inbound = new Set<FramedStream>() // BOUNDED by MAX_STREAMS a connection
  readonly #inputs: Input<Command, Message>[] = []
  #topology: string | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #timerAt = Number.POSITIVE_INFINITY
  #busy = false
  #running = false

  constructor(components: DriverComponents, init: DriverInit<Command, Message, Event>) {
    this.#init = init
    this.#components = components
    this.#limits = { ...driverLimits, ...init.limits }
    this.#clock = init.clock ?? monotonicMs
    this.#log = components.logger.forComponent(`shoal:driver:${init.protocol}`)
  }

  async start(): Promise<void> {
    const { registrar } = this.#components
    this.#running = true
    await registrar.handle(this.#init.protocol, (stream, connection) => this.#onStream(stream, connection), {
      maxInboundStreams: MAX_STREAMS,
      maxOutboundStreams: MAX_STREAMS
    })
    this.#topology = await registrar.register(this.#init.protocol, {
      onConnect: id => this.#onConnect(peerFromId(id)),
      onDisconnect: id => this.#onDisconnect(peerFromId(id))
    })
    this.#armTimer()
  }

  async stop(): Promise<void> {
    this.#running = false
    clearTimeout(this.#timer)
    if (this.#topology !== undefined) this.#components.registrar.unregister(this.#topology)
    await this.#components.registrar.unhandle(this.#init.protocol)
    const open = [...this.#links.values()].flatMap(link => link.framed ?? [])
    this.#links.clear()
    await Promise.all(open.map(framed => framed.close()))
    for (const framed of this.#inbound) framed.abort(new Error('the node stops'))
  }

  /** Gives the machine one of its commands. From inside `onEvent` it is handled after the present input. */
  command(input: Command): void {
    this.#give(input)
  }

  #onConnect(peer: Peer): void {
    if (this.#up.has(peer)) return
    this.#up.add(peer)
    this.#give({ type: 'peerUp', peer })
  }

  #onDisconnect(peer: Peer): void {
    this.#up.delete(peer)
    this.#links.delete(peer)
    this.#give({ type: 'peerDown', peer })
  }

  #onStream(stream: Stream, connection: Connection): void {
    const peer = peerFromId(connection.remotePeer)
    const framed = new FramedStream(stream, { maxFrameBytes: this.#limits.maxFrameBytes })
    this.#inbound.add(framed)
    framed.receive(
      frame => this.#onFrame(peer, framed, frame),
      error => {
        this.#inbound.delete(framed)
        if (error?.name === 'StreamError' && 'code' in error && error.code === 'FRAME_TOO_LARGE') {
          this.#init.onPenalty(peer, `${this.#init.protocol}: ${error.message}`)
        }
        void framed.close()
      }
    )
  }

  #onFrame(peer: Peer, framed: FramedStream, frame: Frame): void {
    if (!this.#running) return
    const bucket = this.#rates.get(peer) ?? new TokenBucket(this.#limits.inbound)
    this.#rates.set(peer, bucket)
    if (!bucket.take(this.#clock())) {
      this.#init.onPenalty(peer, `${this.#init.protocol}: more than ${this.#limits.inbound.rate} messages a second`)
      framed.abort(new Error('too many messages'))
      return
    }
    let message: Message
    const bytes = join(frame)
    try {
      const decode = (): Message => this.#init.codec.decode(bytes)
      message = this.#init.contacts === undefined ? decode() : this.#init.contacts.readingFrom(peer, decode)
    } catch (error) {
      const reason = error instanceof DecodeError ? error.message : 'a message that cannot be read'
      this.#init.onPenalty(peer, `${this.#init.protocol}: ${reason}`)
      framed.abort(new Error(reason))
      return
    }
    this.stats.messagesIn++
    this.stats.bytesIn += bytes.byteLength
    this.#give({ type: 'received', from: peer, message })
  }

  #give(input: Input<Command, Message>): void {
    if (!this.#running) return
    this.#inputs.push(input)
    if (this.#busy) return
    this.#busy = true
    try {
      for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
        try {
          for (const output of this.#init.machine.handle(next, this.#clock())) this.#execute(output)
        } catch (error) {
          this.stats.faults++
          this.#log.error('%s failed on %s - %e', this.#init.protocol, next.type, error)
        }
      }
    } finally {
      this.#busy = false
    }
    this.#armTimer()
  }

  #execute(output: Output<Message, Event>): void {
    if (output.type === 'send') this.#send(output.to, output.message)
    else if (output.type === 'event') this.#init.onEvent(output.event)
    else this.#init.onPenalty(output.peer, output.reason)
  }

  #armTimer(): void {
    const at = this.#init.machine.nextTick() ?? Number.POSITIVE_INFINITY
    if (at === this.#timerAt && this.#timer !== undefined) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#timerAt = at
    if (!this.#running || at === Number.POSITIVE_INFINITY) return
    const wait = Math.min(Math.max(at - this.#clock(), 1), 60_000)
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#give({ type: 'tick' } as Input<Command, Message>)
    }, wait)
    this.#timer.unref()
  }

  #send(to: Peer, message: Message): void {
    if (to === peerFromId(this.#components.peerId)) throw new RangeError('a machine sends to its own node')
    const link = this.#linkTo(to)
    if (link === undefined) {
      this.stats.dropped++
      return
    }
    const bytes = this.#init.codec.encode(message)
    if ((link.framed?.queuedBytes ?? link.waitingBytes) + bytes.byteLength > this.#limits.sendBudgetBytes) {
      this.stats.dropped++
      return
    }
    this.stats.messagesOut++
    this.stats.bytesOut += bytes.byteLength
    if (link.framed !== undefined) {
      link.framed.write(bytes)
    } else {
      link.waiting.push(bytes)
      link.waitingBytes += bytes.byteLength
    }
  }

  #linkTo(peer: Peer): Link | undefined {
    const known = this.#links.get(peer)
    if (known !== undefined) return known
    if (this.#links.size >= MAX_PEERS) return undefined
    const link: Link = { framed: undefined, waiting: [], waitingBytes: 0 }
    this.#links.set(peer, link)
    void this.#open(peer, link)
    return link
  }

  async #open(peer: Peer, link: Link): Promise<void> {
    try {
      const id = idFromPeer(peer)
      const { connectionManager } = this.#components
      const signal = AbortSignal.timeout(this.#limits.openTimeoutMs)
      if (connectionManager.getConnections(id).length === 0) await this.#init.contacts?.prepareDial(id, peer)
      const stream = await connectionManager.openStream(id, this.#init.protocol, { signal })
      const framed = new FramedStream(stream, { maxFrameBytes: 0 })
      framed.receive(
        () => {},
        () => {
          if (this.#links.get(peer) === link) this.#links.delete(peer)
          void framed.close()
        }
      )
      if (!this.#running || this.#links.get(peer) !== link) {
        framed.abort(new Error('the link is no longer wanted'))
        return
      }
      link.framed = framed
      for (const bytes of link.waiting.splice(0)) framed.write(bytes)
      link.waitingBytes = 0
    } catch (error) {
      this.#log('no link to %s - %e', peer, error)
      if (this.#links.get(peer) !== link) return
      this.#links.delete(peer)
      this.#up.delete(peer)
      this.#give({ type: 'peerDown', peer })
    }
  }
}

/** The driver as a libp2p service. */
export function driverService<Command extends { type: string }, Message, Event>(
  init: DriverInit<Command, Message, Event>
): (components: DriverComponents) => Driver<Command, Message, Event> {
  return components => new Driver(components, init)
}
