import type { PeerId } from '@libp2p/interface'
import { DecodeError } from '../core/codec.ts'
import type { SwarmId } from '../core/ids.ts'
import type { Input, Output } from '../core/machine.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import type { Frame, FramedStream } from '../libp2p/framed-stream.ts'
import { peerFromId } from '../libp2p/peer-ids.ts'
import { viewsOf } from './byte-views.ts'
import type { ExchangeConfig } from './config.ts'
import type { Content } from './content.ts'
import { Dials, type DialsInit } from './dial-handler.ts'
import type { SwarmHandle, SwarmNotice, SwarmOptions } from './handler.ts'
import type { Features, WireHandshake } from './handshake.ts'
import { Link, type LinkLimits } from './link-handler.ts'
import { type Chunk, type DecodedFrame, decodeFrame, type ExchangeMessage } from './messages.ts'
import { Swarm } from './swarm.ts'
import { type DropReason, isLiar, type SwarmCommand, type SwarmEvent, type SwarmStats } from './swarm-events.ts'

/** What a swarm needs of the service that it belongs to. */
export interface SwarmHandlerInit extends SwarmOptions, DialsInit {
  rng: Rng
  clock: () => number
  config: ExchangeConfig
  limits: LinkLimits
  /** From now on it takes no more streams, and moves nothing more. */
  onClosing(stats: SwarmStats): void
  /** Its content is closed. */
  onClosed(): void
}

type SwarmInput = Input<SwarmCommand, ExchangeMessage>

interface Work {
  readonly input: SwarmInput
  /** The input counts only while this link does. */
  readonly link: Link | undefined
  readonly data: readonly Uint8Array[]
}

const NO_DATA: readonly Uint8Array[] = []
const READ_FAILURE_MS = 1_000

/**
 * One swarm on the network: its machine, its content, and a stream a peer. Received bytes are verified where they lie,
 * written as views of what the socket gave, and never joined.
 */
export class SwarmHandler implements SwarmHandle {
  readonly swarm: SwarmId
  readonly #init: SwarmHandlerInit
  readonly #content: Content
  readonly #machine: Swarm
  readonly #dials: Dials // BOUNDED by maxPeers
  readonly #links = new Map<Peer, Link>() // BOUNDED by maxPeers
  readonly #inputs: Work[] = [] // BOUNDED by what one input leads to: drained before the next event
  #busy = false
  #timer: ReturnType<typeof setTimeout> | undefined
  #timerAt = Number.POSITIVE_INFINITY
  #onEvent: SwarmOptions['onEvent']
  #sentAt: number // or opened
  #underWay = 0
  #onIdle: (() => void) | undefined
  #hasWriteFailed = false
  #readFailedAt = Number.NEGATIVE_INFINITY
  #closing: Promise<void> | undefined

  constructor(init: SwarmHandlerInit) {
    const { content, wanted, first, config, rng } = init
    this.swarm = init.swarm
    this.#init = init
    this.#content = content
    this.#onEvent = init.onEvent
    this.#sentAt = init.clock()
    this.#dials = new Dials(init)
    this.#machine = new Swarm({
      layout: content.layout,
      rng,
      storedBlocks: piece => content.storedBlocks(piece),
      hasBlock: (piece, block) => content.hasBlock(piece, block),
      missingHashes: piece => content.missingHashes(piece),
      ...(wanted === undefined ? {} : { wanted }),
      ...(first === undefined ? {} : { first }),
      config
    })
  }

  async connect(id: PeerId, signal?: AbortSignal): Promise<boolean> {
    const peer = peerFromId(id)
    if (!this.#hasRoomFor(peer)) return false
    return await this.#dials.dial(id, peer, signal, (framed, features) => this.#add(peer, framed, features))
  }

  /** A stream that a peer has dialled; false when it is to be refused. */
  accept(peer: Peer, framed: FramedStream, { features }: WireHandshake): boolean {
    if (this.#closing !== undefined || this.#links.has(peer)) return false
    if (this.#dials.has(peer) ? !this.#dials.giveWay(peer) : !this.#hasRoomFor(peer)) return false
    framed.writeRaw(this.#init.handshake)
    this.#add(peer, framed, features)
    return true
  }

  isConnected(peer: Peer): boolean {
    return this.#links.has(peer)
  }

  stats(): SwarmStats {
    return this.#machine.stats(this.#init.clock())
  }

  get quietMs(): number {
    return this.#init.clock() - this.#sentAt
  }

  listen(onEvent: SwarmOptions['onEvent']): void {
    this.#onEvent = onEvent
  }

  pause(): void {
    this.#give({ type: 'pause' })
  }

  resume(): void {
    this.#hasWriteFailed = false
    this.#give({ type: 'resume' })
  }

  close(): Promise<void> {
    if (this.#closing === undefined) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#closing = promise
      resolve(this.#close())
    }
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#init.onClosing(this.stats())
    clearTimeout(this.#timer)
    this.#dials.end()
    for (const link of [...this.#links.values()]) {
      this.#machine.handle({ type: 'peerDown', peer: link.peer }, this.#init.clock()) // for the statistics
      this.#letGo(link, 'closed', 'the swarm closes')
    }
    if (this.#underWay > 0) await new Promise<void>(resolve => (this.#onIdle = resolve))
    try {
      await this.#content.close()
    } finally {
      this.#init.onClosed()
    }
  }

  #hasRoomFor(peer: Peer): boolean {
    const { maxPeers } = this.#init.config
    return this.#closing === undefined && !this.#links.has(peer) && this.#links.size + this.#dials.size < maxPeers
  }

  #add(peer: Peer, framed: FramedStream, features: Features): boolean {
    const link = new Link(peer, framed, {
      ...this.#init.limits,
      uploadWindowBytes: this.#init.config.uploadWindowBytes
    })
    this.#links.set(peer, link)
    this.#notify({ type: 'peerUp', peer })
    this.#give({ type: 'peerUp', peer }, link)
    this.#give({ type: 'received', from: peer, message: { type: 'handshake', features } }, link)
    framed.receive(
      frame => this.#onFrame(link, frame),
      error => this.#onEnd(link, error)
    )
    // reading may have paused before the handshake was through; the second call finds the buffer emptied by the first
    framed.resume()
    framed.resume()
    return !link.isGone
  }

  #onFrame(link: Link, frame: Frame): void {
    if (link.isGone) return
    let decoded: DecodedFrame
    try {
      decoded = decodeFrame(frame)
    } catch (error) {
      this.#expel(link, error instanceof DecodeError ? error.message : 'a message that cannot be read')
      return
    }
    if (decoded.message.type !== 'piece' && !link.bucket.take(this.#init.clock())) {
      this.#expel(link, 'too many messages')
      return
    }
    this.#give({ type: 'received', from: link.peer, message: decoded.message }, link, decoded.data)
  }

  #onEnd(link: Link, error: Error | undefined): void {
    if (link.isGone) return
    const code = error !== undefined && 'code' in error ? error.code : undefined
    if (code === 'FRAME_TOO_LARGE') {
      this.#expel(link, error!.message)
      return
    }
    this.#letGo(link, code === 'TOO_SLOW' ? 'silent' : 'closed', error?.message ?? 'the peer has closed the stream')
    this.#give({ type: 'peerDown', peer: link.peer })
  }

  /** The peer broke a rule that the machine knows nothing of. */
  #expel(link: Link, reason: string): void {
    this.#init.onPenalty(link.peer, reason, 'rule')
    this.#letGo(link, 'violation', reason)
    this.#give({ type: 'peerDown', peer: link.peer })
  }

  #letGo(link: Link, why: DropReason | 'closed', reason: string): void {
    if (link.isGone) return
    link.isGone = true
    this.#links.delete(link.peer)
    link.framed.abort(new Error(reason))
    this.#notify({ type: 'peerDown', peer: link.peer, why, reason })
  }

  #give(input: SwarmInput, link?: Link, data: readonly Uint8Array[] = NO_DATA): void {
    if (this.#closing !== undefined) return
    if (this.#busy) {
      this.#inputs.push({ input, link, data })
      return
    }
    this.#busy = true
    try {
      this.#apply(input, link, data)
      for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
        this.#apply(next.input, next.link, next.data)
      }
    } finally {
      this.#busy = false
    }
    this.#armTimer()
  }

  #apply(input: SwarmInput, link: Link | undefined, data: readonly Uint8Array[]): void {
    if (link?.isGone || this.#closing !== undefined) return
    try {
      const judged = input.type === 'received' ? this.#judge(input.from, input.message, data) : input
      const outputs = this.#machine.handle(judged, this.#init.clock())
      for (const output of outputs) this.#execute(output, outputs, judged, data)
    } catch (error) {
      this.#init.log.error('the swarm failed on %s - %e', input.type, error)
    }
  }

  /** Bytes and hashes that the machine waits for are verified before it hears of them. */
  #judge(from: Peer, message: ExchangeMessage, data: readonly Uint8Array[]): SwarmInput {
    if (message.type === 'piece' && this.#machine.expects(from, message)) {
      const { piece, begin, length } = message
      return { type: 'block', from, piece, begin, length, verdict: this.#content.verify(piece, begin, data) }
    }
    if (message.type === 'hashes') {
      const { root, range } = message
      const file = this.#machine.expectsHashes(from, root, range)
      if (file === undefined) return { type: 'received', from, message }
      try {
        const verdict = this.#content.addHashes(file, range, message.hashes)
        return { type: 'hashesAdded', from, root, range, verdict }
      } catch (error) {
        // they may have been good and could not be kept: as if the peer had none, they are asked for again later
        this.#onWriteFailure(error)
        this.#inputs.push({ input: { type: 'pause' }, link: undefined, data: NO_DATA })
        return { type: 'received', from, message: { type: 'hashReject', root, range } }
      }
    }
    return { type: 'received', from, message }
  }

  #execute(
    output: Output<ExchangeMessage, SwarmEvent>,
    outputs: readonly Output<ExchangeMessage, SwarmEvent>[],
    input: SwarmInput,
    data: readonly Uint8Array[]
  ): void {
    if (this.#closing !== undefined) return
    if (output.type === 'penalise') {
      this.#init.onPenalty(output.peer, output.reason, isLiar(output.peer, outputs) ? 'content' : 'rule')
    } else if (output.type === 'event') {
      this.#obey(output.event, input, data)
    } else {
      const link = this.#links.get(output.to)
      if (link === undefined) return
      link.send(output.message)
      if (link.isClogged) this.#expel(link, 'it asks and does not read')
    }
  }

  #obey(event: SwarmEvent, input: SwarmInput, data: readonly Uint8Array[]): void {
    switch (event.type) {
      case 'upload':
        this.#upload(event.to, event)
        return
      case 'serveHashes':
        this.#serveHashes(event)
        return
      case 'write': {
        const skip = event.begin - (input as SwarmInput & { type: 'block' }).begin
        void this.#write(event, viewsOf(data, skip, event.length))
        return
      }
      case 'drop': {
        const link = this.#links.get(event.peer)
        if (link !== undefined) this.#letGo(link, event.why, event.reason)
        return
      }
      default:
        this.#notify(event)
    }
  }

  #upload(to: Peer, { piece, begin, length }: Chunk): void {
    const link = this.#links.get(to)
    link?.sendPiece(
      { piece, begin, length },
      this.#read(() => this.#content.read(piece, begin, length)),
      sent => {
        if (sent) this.#sentAt = this.#init.clock()
        this.#give({ type: 'uploaded', to, piece, begin, length, sent }, link)
      }
    )
  }

  #serveHashes({ to, file, root, range }: SwarmEvent & { type: 'serveHashes' }): void {
    const link = this.#links.get(to)
    if (link === undefined) return
    const reading = this.#read(() => this.#content.hashes(file, range))
    link.sendHashes(root, range, reading, () => this.#give({ type: 'hashesServed', to }, link))
  }

  /** Undefined when it cannot be read. */
  async #read<T>(work: () => Promise<T>): Promise<T | undefined> {
    this.#underWay++
    try {
      return await work()
    } catch (error) {
      const now = this.#init.clock()
      if (now - this.#readFailedAt >= READ_FAILURE_MS) {
        this.#readFailedAt = now
        this.#notify({ type: 'failed', during: 'reading', error })
      }
      return undefined
    } finally {
      this.#over()
    }
  }

  async #write({ piece, begin, length }: Chunk, parts: readonly Uint8Array[]): Promise<void> {
    this.#underWay++
    let type: 'stored' | 'writeFailed' = 'stored'
    try {
      await this.#content.write(piece, begin, parts)
    } catch (error) {
      type = 'writeFailed'
      this.#onWriteFailure(error)
    } finally {
      this.#over()
    }
    this.#give({ type, piece, begin, length })
  }

  #onWriteFailure(error: unknown): void {
    if (this.#hasWriteFailed) return
    this.#hasWriteFailed = true
    this.#notify({ type: 'failed', during: 'writing', error })
  }

  #over(): void {
    if (--this.#underWay === 0) this.#onIdle?.()
  }

  #notify(notice: SwarmNotice): void {
    try {
      this.#onEvent(notice)
    } catch (error) {
      this.#init.log.error('the listener failed on %s - %e', notice.type, error)
    }
  }

  #armTimer(): void {
    const at = this.#machine.nextTick() ?? Number.POSITIVE_INFINITY
    if (at === this.#timerAt && this.#timer !== undefined) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#timerAt = at
    if (this.#closing !== undefined || at === Number.POSITIVE_INFINITY) return
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined
        this.#give({ type: 'tick' })
      },
      Math.max(at - this.#init.clock(), 1)
    )
    this.#timer.unref()
  }
}
