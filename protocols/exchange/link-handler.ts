import type { FileId } from '../core/ids.ts'
import type { Peer } from '../core/peer.ts'
import { TokenBucket } from '../core/token-bucket.ts'
import type { FramedStream } from '../libp2p/framed-stream.ts'
import type { HashRange } from '../metainfo/index.ts'
import { type Chunk, type ExchangeMessage, encodeFrame, encodePieceHead } from './messages.ts'

export interface LinkLimits {
  /** Control messages a second that one peer may send; pieces do not count. A swarm of tiny files has many `have`s. */
  inbound: { rate: number; burst: number }
  /** Bytes that may wait for one peer beyond its uploads. Only a peer that asks on and on without reading gets there. */
  controlBytes: number
}

interface Answer {
  /** The parts of one frame; undefined while they are being read, or when there is nothing to send. */
  frame: readonly Uint8Array[] | undefined
  isRead: boolean
  readonly onLeft: (sent: boolean) => void
}

/**
 * The stream of one peer in one swarm, from our side. Control messages go out at once; what has to be read first goes out
 * in the order in which it was asked for, though the reading overlaps.
 */
export class Link {
  readonly peer: Peer
  readonly framed: FramedStream
  readonly bucket: TokenBucket
  /** The swarm has let go of it: nothing that still happens to it counts. */
  isGone = false
  readonly #windowBytes: number
  readonly #controlBytes: number
  readonly #answers: Answer[] = [] // BOUNDED by uploadWindowBytes and hashRequestQueue

  constructor(peer: Peer, framed: FramedStream, init: LinkLimits & { uploadWindowBytes: number }) {
    this.peer = peer
    this.framed = framed
    this.bucket = new TokenBucket(init.inbound)
    this.#windowBytes = init.uploadWindowBytes
    this.#controlBytes = init.controlBytes
  }

  /** More waits for the peer than any peer that reads leaves waiting. */
  get isClogged(): boolean {
    return this.framed.queuedCost > 2 * this.#windowBytes + this.#controlBytes
  }

  send(message: ExchangeMessage): void {
    if (message.type === 'handshake' || message.type === 'piece' || message.type === 'unknown') {
      throw new RangeError(`a machine sends ${message.type}`)
    }
    this.framed.write(encodeFrame(message))
  }

  /** Sends bytes of a piece when `reading` has them. `onLeft` hears once whether they went out, or never if the link ends. */
  sendPiece(
    { piece, begin, length }: Chunk,
    reading: Promise<Uint8Array | undefined>,
    onLeft: (sent: boolean) => void
  ): void {
    this.#answer(reading, onLeft, data =>
      data === undefined || data.byteLength !== length ? undefined : [encodePieceHead(piece, begin), data]
    )
  }

  /** The same for hashes; a reject when there are none. */
  sendHashes(root: FileId, range: HashRange, reading: Promise<Uint8Array | undefined>, onLeft: () => void): void {
    this.#answer(reading, onLeft, hashes => [
      encodeFrame(hashes === undefined ? { type: 'hashReject', root, range } : { type: 'hashes', root, range, hashes })
    ])
  }

  #answer(
    reading: Promise<Uint8Array | undefined>,
    onLeft: (sent: boolean) => void,
    toFrame: (read: Uint8Array | undefined) => readonly Uint8Array[] | undefined
  ): void {
    const answer: Answer = { frame: undefined, isRead: false, onLeft }
    this.#answers.push(answer)
    void reading.then(read => {
      answer.isRead = true
      answer.frame = toFrame(read)
      this.#sendAnswers()
    })
  }

  #sendAnswers(): void {
    while (this.#answers[0]?.isRead) {
      const { frame, onLeft } = this.#answers.shift()!
      if (this.isGone) continue
      if (frame === undefined) {
        onLeft(false)
        continue
      }
      this.framed.write(...frame)
      // half a window stays behind, so that the stream has something to send while more is read
      this.framed.drained(this.#windowBytes / 2).then(
        () => onLeft(true),
        () => {} // the end of the stream is heard elsewhere
      )
    }
  }
}
