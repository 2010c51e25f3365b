import type { Stream } from '@libp2p/interface'
import { pipe } from 'it-pipe'
import { type Frame, FramedStream } from './framed-stream.ts'

export interface RequestLimits {
  maxFrameBytes: number
  /** All frames of the answer together. */
  maxAnswerBytes: number
  timeoutMs: number
}

/**
 * One question and its answer on a stream of their own: writes `question`, then yields the frames of the answer until
 * the other side ends it. The stream is closed or aborted on every path.
 *
 * @throws StreamError, or the signal's reason; RangeError for an answer that is too long
 */
export async function* ask(
  stream: Stream,
  question: Uint8Array,
  limits: RequestLimits,
  signal?: AbortSignal
): AsyncGenerator<Frame> {
  const framed = new FramedStream(stream, { maxFrameBytes: limits.maxFrameBytes })
  const timeout = AbortSignal.timeout(limits.timeoutMs)
  const either = signal === undefined ? timeout : AbortSignal.any([signal, timeout])
  let finished = false
  try {
    framed.write(question)
    void framed.close()
    yield* pipe(framesOf(framed, either), frames => atMost(limits.maxAnswerBytes, frames))
    finished = true
  } finally {
    if (!finished) framed.abort(new Error('the answer is not wanted any more'))
  }
}

/**
 * The other side of `ask`: reads one question and writes the frames that `reply` yields, each when the one before has
 * left. Never throws: a stranger's mistakes end the stream.
 */
export async function answer(
  stream: Stream,
  limits: RequestLimits,
  reply: (question: Frame) => AsyncIterable<Uint8Array> | Iterable<Uint8Array>
): Promise<void> {
  const framed = new FramedStream(stream, { maxFrameBytes: limits.maxFrameBytes })
  const timer = setTimeout(() => framed.abort(new Error('the question takes too long')), limits.timeoutMs)
  timer.unref()
  try {
    const question = await framed.read()
    if (question !== undefined) await pipe(reply(question), frames => writeAll(framed, frames, limits.maxFrameBytes))
    await framed.close()
  } catch (error) {
    framed.abort(error as Error)
  } finally {
    clearTimeout(timer)
  }
}

async function* framesOf(framed: FramedStream, signal: AbortSignal): AsyncGenerator<Frame> {
  for (;;) {
    const frame = await framed.read(signal)
    if (frame === undefined) return
    yield frame
  }
}

async function* atMost(bytes: number, frames: AsyncIterable<Frame>): AsyncGenerator<Frame> {
  let received = 0
  for await (const frame of frames) {
    for (const part of frame) received += part.byteLength
    if (received > bytes) throw new RangeError(`an answer of more than ${bytes} bytes`)
    yield frame
  }
}

async function writeAll(
  framed: FramedStream,
  frames: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  below: number
): Promise<void> {
  for await (const frame of frames) {
    framed.write(frame)
    await framed.drained(below)
  }
}
