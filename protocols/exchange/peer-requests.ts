import type { BlockRun } from './block-run.ts'
import type { ExchangeConfig } from './config.ts'
import type { Chunk } from './messages.ts'

/**
 * `asked`: the peer owes it. `given up`: it took too long and is free for others; the peer owes it all the same, and it is
 * welcome when it comes. `cancelled`: it came from elsewhere; the peer answers with a reject or the bytes (BEP 6).
 */
export type RequestState = 'asked' | 'given up' | 'cancelled'

export interface Request {
  readonly run: BlockRun
  readonly chunk: Chunk
  readonly at: number
  state: RequestState
}

/** So many cancelled requests are remembered. */
const MAX_CANCELLED = 256

/** Bytes after which a speed counts as known, however short the time. */
const MEASURE_BYTES = 2 * 1024 * 1024
/** A peer that owed something for so long has a speed, even if it is zero. */
const MEASURE_MS = 1_000
/** The speed is that of the last seconds in which the peer had something to send. */
const MEMORY_MS = 4_000
/** The shortest answer takes a round trip and the time to send it; beyond this it is surely the latter. */
const LONGEST_ROUND_TRIP_MS = 1_000
const SHORTEST_BYTES = 16_384

/**
 * What one peer owes us, and how much more it may be asked for. The window follows bandwidth × delay: what the peer
 * sends within two round trips, and some time ahead. Its speed is taken only over times in which it owed something, so
 * that a peer that is asked for little does not look slow.
 */
export class PeerRequests {
  readonly #config: ExchangeConfig
  readonly #byBlock = new Map<number, Request>() // BOUNDED by the window, by reqq and by MAX_CANCELLED
  readonly #keyOf: (run: BlockRun) => number
  #count = 0
  #bytes = 0
  #cancelled = 0
  #waitingSince = 0
  #busyMs = 0
  #busyBytes = 0
  #roundTripMs = LONGEST_ROUND_TRIP_MS

  constructor(config: ExchangeConfig, blocksPerPiece: number) {
    this.#config = config
    this.#keyOf = run => run.piece * blocksPerPiece + run.block
  }

  /** Requests that the peer owes, given up or not. */
  get count(): number {
    return this.#count
  }

  /** Bytes of those. */
  get bytes(): number {
    return this.#bytes
  }

  values(): IterableIterator<Request> {
    return this.#byBlock.values()
  }

  find(run: BlockRun): Request | undefined {
    const request = this.#byBlock.get(this.#keyOf(run))
    return request?.run.blocks === run.blocks ? request : undefined
  }

  /** A request that begins like an older one takes its place: answers are told apart by where they begin. */
  add(run: BlockRun, chunk: Chunk, now: number): void {
    const older = this.#byBlock.get(this.#keyOf(run))
    if (older !== undefined) this.remove(older)
    if (this.#count === 0) this.#waitingSince = now
    this.#byBlock.set(this.#keyOf(run), { run, chunk, at: now, state: 'asked' })
    this.#count++
    this.#bytes += chunk.length
  }

  remove(request: Request): void {
    if (!this.#byBlock.delete(this.#keyOf(request.run))) return
    if (request.state === 'cancelled') {
      this.#cancelled--
    } else {
      this.#count--
      this.#bytes -= request.chunk.length
    }
  }

  cancel(request: Request): void {
    if (request.state === 'cancelled') return
    request.state = 'cancelled'
    this.#count--
    this.#bytes -= request.chunk.length
    if (++this.#cancelled <= MAX_CANCELLED) return
    for (const old of this.#byBlock.values()) {
      if (old.state !== 'cancelled') continue
      this.remove(old)
      return
    }
  }

  /** The peer sends nothing: all that it is asked for is given up, and the time it took counts. Returns what that was. */
  giveUp(now: number): Request[] {
    const owed = [...this.#byBlock.values()].filter(({ state }) => state === 'asked')
    if (owed.length > 0) this.#measure(0, now - this.#waitingSince, now)
    for (const request of owed) request.state = 'given up'
    return owed
  }

  /** Bytes of a request arrived. */
  arrived(request: Request, now: number): void {
    this.#roundTripMs = Math.min(this.#roundTripMs, Math.max(1, now - request.at))
    this.#measure(request.chunk.length, now - Math.max(this.#waitingSince, request.at), now)
  }

  /** Longest request worth making: a slow peer gets short ones, so that it holds up little. */
  requestBytes(limit: number, now: number): number {
    const speed = this.#speed(now)
    if (speed === undefined) return limit
    const most = (speed * this.#config.requestSpanMs) / 1000
    let bytes = limit
    while (bytes > most && bytes > SHORTEST_BYTES) bytes /= 2
    return Math.max(SHORTEST_BYTES, Math.floor(bytes / SHORTEST_BYTES) * SHORTEST_BYTES)
  }

  /** Bytes that may be on the way from the peer. */
  windowBytes(requestBytes: number, now: number): number {
    const { startWindowBytes, maxWindowBytes, queueAheadMs } = this.#config
    const speed = this.#speed(now)
    if (speed === undefined) return Math.max(startWindowBytes, requestBytes)
    const roundTripMs = Math.min(this.#roundTripMs, LONGEST_ROUND_TRIP_MS)
    const ahead = (speed * (2 * roundTripMs + queueAheadMs)) / 1000
    return Math.min(maxWindowBytes, Math.max(2 * requestBytes, ahead))
  }

  /** All requests, each with the milliseconds until the peer will have sent it; undefined while its speed is unknown. */
  *waits(now: number): Generator<[Request, number | undefined]> {
    const speed = this.#speed(now)
    let bytes = 0
    for (const request of this.#byBlock.values()) {
      if (request.state !== 'cancelled') bytes += request.chunk.length
      yield [request, speed === undefined ? undefined : (bytes / speed) * 1000]
    }
  }

  /** Milliseconds in which the peer would answer a new request; undefined while its speed is unknown. */
  answerMs(length: number, now: number): number | undefined {
    const speed = this.#speed(now)
    return speed === undefined ? undefined : ((this.#bytes + length) / speed) * 1000
  }

  #measure(bytes: number, ms: number, now: number): void {
    this.#busyBytes += bytes
    this.#busyMs += ms
    this.#waitingSince = now
    if (this.#busyMs <= MEMORY_MS) return
    const kept = MEMORY_MS / 2 / this.#busyMs
    this.#busyBytes *= kept
    this.#busyMs *= kept
  }

  /** Bytes per second while the peer has something to send; undefined while unknown. */
  #speed(now: number): number | undefined {
    const waitedMs = this.#count === 0 ? 0 : now - this.#waitingSince
    const ms = this.#busyMs + waitedMs
    if (ms < MEASURE_MS && this.#busyBytes < MEASURE_BYTES) return undefined
    return (this.#busyBytes / Math.max(1, ms)) * 1000
  }
}
