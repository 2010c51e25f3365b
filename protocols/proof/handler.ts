import { randomInt } from 'node:crypto'
import type { Connection, PeerId, Startable, Stream } from '@libp2p/interface'
import type { ConnectionManager, Registrar } from '@libp2p/interface-internal'
import { DecodeError } from '../core/codec.ts'
import type { FileId } from '../core/ids.ts'
import type { Peer } from '../core/peer.ts'
import { monotonicMs } from '../libp2p/driver.ts'
import { join, StreamError } from '../libp2p/framed-stream.ts'
import { peerFromId } from '../libp2p/peer-ids.ts'
import { answer, ask } from '../libp2p/request.ts'
import type { Sha256 } from '../metainfo/index.ts'
import { Admission } from './admission.ts'
import { challengedBlocks } from './challenge.ts'
import { type ProofConfig, proofConfig, proofLimits } from './config.ts'
import { judge, type Verdict } from './judge.ts'
import { type Answer, answerCodec, type Question, questionCodec, type ShownBlock } from './messages.ts'

export const PROOF_PROTOCOL = '/shoal/proof/1.0.0'

/** A file that this node has whole. */
export interface ProvableFile {
  readonly size: number
  /** What one proof makes this node read and hash, at the most. */
  readonly costBytes: number
  /** The blocks with their paths, read from the disk and verified; undefined when the file is not what it was. */
  show(blocks: readonly number[]): Promise<ShownBlock[] | undefined>
}

export interface ProofServiceInit {
  open(id: FileId): ProvableFile | undefined
  sha256: Sha256
  onPenalty(peer: Peer, reason: string): void
  config?: Partial<ProofConfig>
  /** Integer milliseconds that never go back. */
  clock?: () => number
}

export interface ProofComponents {
  registrar: Registrar
  connectionManager: ConnectionManager
}

export type ProofResult =
  | Verdict
  /** No answer: it cannot be reached, does not speak this protocol, or takes too long. */
  | { readonly type: 'silent' }
  /** It was not asked, for a limit of our own. */
  | { readonly type: 'busy' }

/**
 * Shows that this node has a file, and asks others to show it: the last block, and one that the asker drew, each with its
 * path to the file's id.
 */
export class ProofService implements Startable {
  readonly [Symbol.toStringTag] = '@shoal/proof'
  readonly stats = { asked: 0, answered: 0, refused: 0 }
  readonly #components: ProofComponents
  readonly #init: ProofServiceInit
  readonly #config: ProofConfig
  readonly #admission: Admission
  readonly #clock: () => number
  readonly #waiting: (() => void)[] = [] // BOUNDED by maxWaiting
  #reading = 0

  constructor(components: ProofComponents, init: ProofServiceInit) {
    this.#components = components
    this.#init = init
    this.#config = { ...proofConfig, ...init.config }
    this.#admission = new Admission(this.#config)
    this.#clock = init.clock ?? monotonicMs
  }

  async start(): Promise<void> {
    const { maxStreams } = proofLimits
    await this.#components.registrar.handle(
      PROOF_PROTOCOL,
      (stream, connection) => this.#onStream(stream, connection),
      {
        maxInboundStreams: maxStreams,
        maxOutboundStreams: maxStreams
      }
    )
  }

  async stop(): Promise<void> {
    await this.#components.registrar.unhandle(PROOF_PROTOCOL)
  }

  /** Asks a peer to show that it has a file; dials it if there is no connection. Never throws. */
  async ask(peer: PeerId, id: FileId, signal?: AbortSignal): Promise<ProofResult> {
    this.stats.asked++
    const timeout = AbortSignal.timeout(this.#config.answerMs)
    const either = signal === undefined ? timeout : AbortSignal.any([signal, timeout])
    let stream: Stream
    try {
      stream = await this.#components.connectionManager.openStream(peer, PROOF_PROTOCOL, { signal: either })
    } catch (error) {
      // our own limit, which says nothing of the peer
      const isOurs = (error as Error).name === 'TooManyOutboundProtocolStreamsError'
      return isOurs ? { type: 'busy' } : { type: 'silent' }
    }
    const question: Question = { id, challenge: randomInt(proofLimits.challenges) }
    try {
      const bytes = await this.#fetch(stream, questionCodec.encode(question), either)
      return bytes === undefined ? { type: 'silent' } : judge(question, answerCodec.decode(bytes), this.#init.sha256)
    } catch (error) {
      return isBroken(error) ? { type: 'wrong', reason: `${PROOF_PROTOCOL}: ${error.message}` } : { type: 'silent' }
    }
  }

  async #fetch(stream: Stream, question: Uint8Array, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const { maxAnswerBytes } = proofLimits
    const limits = { maxFrameBytes: maxAnswerBytes, maxAnswerBytes, timeoutMs: this.#config.answerMs }
    let first: Uint8Array | undefined
    for await (const frame of ask(stream, question, limits, signal)) {
      if (first !== undefined) throw new DecodeError('more than one answer')
      first = join(frame)
    }
    return first
  }

  async #onStream(stream: Stream, connection: Connection): Promise<void> {
    const peer = peerFromId(connection.remotePeer)
    const { questionBytes, maxAnswerBytes } = proofLimits
    const limits = { maxFrameBytes: questionBytes, maxAnswerBytes, timeoutMs: this.#config.serveMs }
    await answer(stream, limits, frame => this.#reply(peer, stream, join(frame)))
  }

  async *#reply(peer: Peer, stream: Stream, frame: Uint8Array): AsyncGenerator<Uint8Array> {
    let question: Question
    try {
      question = questionCodec.decode(frame)
    } catch (error) {
      this.#init.onPenalty(peer, `${PROOF_PROTOCOL}: ${(error as Error).message}`)
      throw error
    }
    const reply = await this.#answer(peer, stream, question)
    this.stats[reply.type === 'proof' ? 'answered' : 'refused']++
    yield answerCodec.encode(reply)
  }

  async #answer(peer: Peer, stream: Stream, { id, challenge }: Question): Promise<Answer> {
    const admitted = this.#admission.question(peer, this.#clock())
    if (admitted === 'flood') {
      const reason = `${PROOF_PROTOCOL}: more than ${this.#config.questions.rate} questions a second`
      this.#init.onPenalty(peer, reason)
      throw new Error(reason)
    }
    if (admitted === 'refused' || (this.#reading >= this.#config.maxAtOnce && this.#isQueueFull())) return REFUSED
    const file = this.#init.open(id)
    if (file === undefined || !this.#admission.read(peer, this.#clock(), file.costBytes)) return REFUSED

    await this.#turn()
    try {
      if (stream.status !== 'open') throw new StreamError('CLOSED', 'whoever asked has left')
      const blocks = await file.show(challengedBlocks(challenge, file.size))
      return blocks === undefined ? REFUSED : { type: 'proof', size: file.size, blocks }
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#reading--
      else next()
    }
  }

  #isQueueFull(): boolean {
    return this.#waiting.length >= this.#config.maxWaiting
  }

  /** Resolves when there is room for one more reading; whoever ends one hands its room on. */
  async #turn(): Promise<void> {
    if (this.#reading < this.#config.maxAtOnce) this.#reading++
    else await new Promise<void>(resolve => this.#waiting.push(resolve))
  }
}

const REFUSED: Answer = { type: 'refused' }

/** What arrived is no answer, whatever it is. */
function isBroken(error: unknown): error is Error {
  const isTooLong = error instanceof RangeError || (error instanceof StreamError && error.code === 'FRAME_TOO_LARGE')
  return isTooLong || error instanceof DecodeError
}

export function proofService(init: ProofServiceInit): (components: ProofComponents) => ProofService {
  return components => new ProofService(components, init)
}
