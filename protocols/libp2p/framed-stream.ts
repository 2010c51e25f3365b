import type { Stream } from '@libp2p/interface'
import { ChunkQueue } from './chunk-queue.ts'
import { SendQueue } from './send-queue.ts'

/** Frames up to this are written as one array. */
const JOINED_BYTES = 64

/** A frame's bytes as views of what arrived, in order. Join only what is small. */
export type Frame = Uint8Array[]

export interface FramedStreamInit {
  /** Largest frame that is accepted. */
  maxFrameBytes: number
  /** Unread bytes at which reading pauses (pull mode). */
  highWaterBytes?: number
  /** How long a frame may take from its first byte to its last, while we read. */
  frameTimeoutMs?: number
}

/** Why a stream ended that should not have. */
export class StreamError extends Error {
  static override readonly name = 'StreamError'
  override readonly name = 'StreamError'
  readonly code: 'CLOSED' | 'CUT_OFF' | 'FRAME_TOO_LARGE' | 'TOO_SLOW' | 'TIMEOUT'

  constructor(code: StreamError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/**
 * Frames behind a big-endian u32 length on one libp2p stream, with raw bytes before the first one where a protocol has
 * a handshake. To be made before the first `await` of a handler: what arrives earlier would be lost to it.
 *
 * Reading is by `read` until `receive` is called, and by callback from then on. Writing queues and returns; a pump cuts
 * what is queued into sends of BULK_SEND_BYTES and waits for the muxer. Whoever writes much bounds it by `drained`.
 *
 * An end is clean only on a frame boundary. A libp2p stream says little about how it ended (a killed peer looks like one
 * that closed), so callers verify what they got, and never take an end for success.
 */
export class FramedStream {
  readonly stream: Stream
  readonly #maxFrameBytes: number
  readonly #highWaterBytes: number
  readonly #frameTimeoutMs: number

  readonly #unread = new ChunkQueue() // BOUNDED by one frame, or by the high-water mark and one window
  #frameBytes = -1
  #paused = false
  #resuming = false
  #ended = false
  #error: Error | undefined
  #wake: (() => void) | undefined
  #onFrame: ((frame: Frame) => void) | undefined
  #onEnd: ((error: Error | undefined) => void) | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #framesSeen = 0

  readonly #out = new SendQueue() // BOUNDED by the writer through `queuedCost` and `drained`
  #flushing = false
  #blocked = false

  constructor(stream: Stream, init: FramedStreamInit) {
    this.stream = stream
    this.#maxFrameBytes = init.maxFrameBytes
    this.#highWaterBytes = init.highWaterBytes ?? 1024 * 1024
    this.#frameTimeoutMs = init.frameTimeoutMs ?? 30_000

    stream.addEventListener('message', ({ data }) => {
      if (data instanceof Uint8Array) this.#unread.append(data)
      else for (const part of data) this.#unread.append(part)
      this.#advance()
    })
    stream.addEventListener('drain', () => {
      this.#blocked = false
      this.#flush()
    })
    // what is buffered is delivered after these events, so the end is looked for a turn later
    stream.addEventListener('remoteCloseWrite', () => queueMicrotask(() => this.#maybeEnd()))
    stream.addEventListener('end', () => queueMicrotask(() => this.#maybeEnd()))
    stream.addEventListener('close', ({ error }) => {
      if (error !== undefined) this.#finish(error)
      else queueMicrotask(() => this.#maybeEnd())
    })
    queueMicrotask(() => this.#maybeEnd())
  }

  /** Whether nothing more will arrive. */
  get ended(): boolean {
    return this.#ended
  }

  /** Bytes that were written and not yet taken by the muxer. */
  get queuedBytes(): number {
    return this.#out.byteLength
  }

  /** Memory that these bytes hold: each part costs its own object, however small it is. */
  get queuedCost(): number {
    return this.#out.cost
  }

  /** The next frame; undefined after a clean end. @throws StreamError, or the signal's reason */
  async read(signal?: AbortSignal): Promise<Frame | undefined> {
    for (;;) {
      const frame = this.#takeFrame()
      if (frame !== undefined) {
        this.#relieve()
        return frame
      }
      if (this.#error !== undefined) throw this.#error
      if (this.#ended) {
        if (this.#isInsideFrame()) throw cutOff()
        return undefined
      }
      const before = this.#unread.byteLength
      this.#relieve()
      // what was buffered is delivered before resume() returns
      if (this.#unread.byteLength === before) await this.#wakeUp(signal)
    }
  }

  /** Exactly so many bytes, outside any frame. @throws StreamError */
  async readRaw(length: number, signal?: AbortSignal): Promise<Uint8Array> {
    while (this.#unread.byteLength < length) {
      if (this.#error !== undefined) throw this.#error
      if (this.#ended) throw cutOff()
      await this.#wakeUp(signal)
    }
    return join(this.#unread.take(length))
  }

  /** From now on every frame goes to `onFrame` as soon as it is whole, and `onEnd` is called once at the end. */
  receive(onFrame: (frame: Frame) => void, onEnd: (error: Error | undefined) => void): void {
    this.#onFrame = onFrame
    this.#onEnd = onEnd
    queueMicrotask(() => this.#advance())
  }

  /** Stops reading: the other side can send one window more. */
  pause(): void {
    this.#paused = true
    this.#applyPause()
  }

  resume(): void {
    this.#paused = false
    this.#relieve()
    this.#advance()
  }

  /** Queues one frame made of these parts. They are not copied: do not change them afterwards. */
  write(...parts: Uint8Array[]): void {
    let length = 0
    for (const part of parts) length += part.byteLength
    const head = new Uint8Array([length >>> 24, length >>> 16, length >>> 8, length])
    // many small frames may wait, and an array costs far more than the bytes in it
    if (length <= JOINED_BYTES) this.writeRaw(join([head, ...parts]))
    else this.writeRaw(head, ...parts)
  }

  /** Queues bytes without a frame around them. */
  writeRaw(...parts: Uint8Array[]): void {
    for (const part of parts) this.#out.append(part)
    if (this.#flushing) return
    this.#flushing = true
    queueMicrotask(() => {
      this.#flushing = false
      this.#flush()
    })
  }

  /** Resolves when at most `below` bytes are queued. @throws StreamError when the stream ends before */
  async drained(below = 0): Promise<void> {
    if (this.#out.byteLength <= below) return
    if (this.#isClosedForWriting()) throw closed()
    await this.#out.drained(below)
  }

  /** Writes what is queued, then ends our side. The other side's is still read. */
  async close(): Promise<void> {
    try {
      this.#flush()
      await this.drained()
      await this.stream.close()
    } catch {
      // it is closed
    }
  }

  abort(error: Error): void {
    this.#finish(error)
    this.stream.abort(error)
  }

  #advance(): void {
    if (this.#onFrame !== undefined) {
      while (!this.#paused) {
        const frame = this.#takeFrame()
        if (frame === undefined) break
        this.#onFrame(frame)
      }
    }
    if (!this.#resuming) this.#applyPause()
    this.#wake?.()
    this.#maybeEnd()
  }

  #takeFrame(): Frame | undefined {
    if (this.#frameBytes < 0) {
      if (this.#unread.byteLength < 4) {
        if (this.#unread.byteLength > 0) this.#watchFrame()
        return undefined
      }
      const head = join(this.#unread.take(4))
      const length = new DataView(head.buffer, head.byteOffset, 4).getUint32(0)
      if (length > this.#maxFrameBytes) {
        const error = new StreamError('FRAME_TOO_LARGE', `a frame of ${length} bytes, limit ${this.#maxFrameBytes}`)
        // whoever sent it may have ended its side before we look at it
        this.#error ??= error
        this.abort(error)
        return undefined
      }
      this.#frameBytes = length
    }
    if (this.#unread.byteLength < this.#frameBytes) {
      this.#watchFrame()
      return undefined
    }
    const frame = this.#unread.take(this.#frameBytes)
    this.#frameBytes = -1
    this.#framesSeen++
    return frame
  }

  /** One timer for all frames: it fires rarely and looks whether the same frame is still under way. */
  #watchFrame(): void {
    if (this.#timer !== undefined || this.#ended) return
    const seen = this.#framesSeen
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      const under = this.#frameBytes >= 0 || this.#unread.byteLength > 0
      if (!under || this.#ended || this.#paused) return
      if (this.#framesSeen === seen) this.abort(new StreamError('TOO_SLOW', 'a frame takes too long'))
      else this.#watchFrame()
    }, this.#frameTimeoutMs)
    this.#timer.unref()
  }

  #applyPause(): void {
    const full =
      this.#onFrame === undefined && this.#unread.byteLength > Math.max(this.#highWaterBytes, this.#frameBytes)
    if ((this.#paused || full) && this.stream.readStatus === 'readable') this.stream.pause()
  }

  // Stream.resume() delivers what it has buffered first and reopens the window last, which undoes a pause() made in
  // that delivery; so we pause again after it.
  #relieve(): void {
    if (this.#paused || this.stream.readStatus !== 'paused') return
    if (this.#unread.byteLength > this.#highWaterBytes / 4 && this.#unread.byteLength >= this.#frameBytes) return
    this.#resuming = true
    try {
      this.stream.resume()
    } catch {
      // the connection is gone; what was buffered has been delivered
    } finally {
      this.#resuming = false
    }
    this.#applyPause()
  }

  #maybeEnd(): void {
    if (!this.#ended) {
      const { status, remoteWriteStatus, readBufferLength } = this.stream
      if (status === 'aborted' || status === 'reset')
        this.#finish(new StreamError('CUT_OFF', `the stream was ${status}`))
      else if ((remoteWriteStatus === 'closed' || status === 'closed') && readBufferLength === 0)
        this.#finish(undefined)
    }
    if (this.#ended) this.#tellEnd()
  }

  #finish(error: Error | undefined): void {
    if (this.#ended) return
    this.#ended = true
    this.#error = error
    clearTimeout(this.#timer)
    if (error !== undefined) this.#dropOutput()
    this.#wake?.()
    this.#tellEnd()
  }

  #tellEnd(): void {
    const onEnd = this.#onEnd
    // whole frames that wait for resume() come before the end
    if (onEnd === undefined || (this.#paused && this.#error === undefined)) return
    this.#onEnd = undefined
    onEnd(this.#error ?? (this.#isInsideFrame() ? cutOff() : undefined))
  }

  #isInsideFrame(): boolean {
    return this.#frameBytes >= 0 || this.#unread.byteLength > 0
  }

  #isClosedForWriting(): boolean {
    return this.stream.status !== 'open' || this.stream.writeStatus !== 'writable'
  }

  #flush(): void {
    while (this.#out.byteLength > 0 && !this.#blocked) {
      if (this.#isClosedForWriting()) {
        this.#dropOutput()
        return
      }
      try {
        if (!this.stream.send(this.#out.cut())) this.#blocked = true
      } catch {
        this.#dropOutput()
        return
      }
    }
    this.#out.settle()
  }

  #dropOutput(): void {
    this.#out.drop(closed())
  }

  async #wakeUp(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted()
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => reject(signal?.reason)
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#wake = () => {
        signal?.removeEventListener('abort', onAbort)
        this.#wake = undefined
        resolve()
      }
    })
  }
}

function cutOff(): StreamError {
  return new StreamError('CUT_OFF', 'the stream ended inside a frame')
}

function closed(): StreamError {
  return new StreamError('CLOSED', 'the stream is closed')
}

/** One array of all parts; the part itself when there is only one. */
export function join(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0] as Uint8Array
  let length = 0
  for (const part of parts) length += part.byteLength
  const joined = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.byteLength
  }
  return joined
}
