import { exchangeLimits } from './config.ts'
import type { Chunk } from './messages.ts'

/** What one peer has asked of us: requests wait here until a few bytes of its own are between disk and stream. */
export class UploadQueue {
  readonly #windowBytes: number
  readonly #waiting: Chunk[] = [] // BOUNDED by requestQueue and requestQueueBytes
  #waitingBytes = 0
  readonly #underWay: Chunk[] = [] // BOUNDED by windowBytes
  #underWayBytes = 0

  constructor(windowBytes: number) {
    this.#windowBytes = windowBytes
  }

  get isEmpty(): boolean {
    return this.#waiting.length + this.#underWay.length === 0
  }

  /** False when the peer has more than its share here already. */
  offer(chunk: Chunk): boolean {
    const requests = this.#waiting.length + this.#underWay.length
    const bytes = this.#waitingBytes + this.#underWayBytes
    if (requests >= exchangeLimits.requestQueue) return false
    if (bytes + chunk.length > exchangeLimits.requestQueueBytes) return false
    this.#waiting.push(chunk)
    this.#waitingBytes += chunk.length
    return true
  }

  /** What to read and send now, in order. */
  start(): Chunk[] {
    const started: Chunk[] = []
    while (this.#waiting.length > 0) {
      const next = this.#waiting[0]!
      if (this.#underWayBytes > 0 && this.#underWayBytes + next.length > this.#windowBytes) break
      this.#waiting.shift()
      this.#waitingBytes -= next.length
      this.#underWay.push(next)
      this.#underWayBytes += next.length
      started.push(next)
    }
    return started
  }

  /** Something that was started is over. False when there was no such thing. */
  finish(chunk: Chunk): boolean {
    const at = this.#underWay.findIndex(other => sameChunk(other, chunk))
    if (at < 0) return false
    this.#underWay.splice(at, 1)
    this.#underWayBytes -= chunk.length
    return true
  }

  /** Takes back a request that has not been started. */
  cancel(chunk: Chunk): boolean {
    const at = this.#waiting.findIndex(other => sameChunk(other, chunk))
    if (at < 0) return false
    this.#waiting.splice(at, 1)
    this.#waitingBytes -= chunk.length
    return true
  }

  /** Takes back everything that has not been started. */
  clear(): Chunk[] {
    this.#waitingBytes = 0
    return this.#waiting.splice(0)
  }
}

function sameChunk(a: Chunk, b: Chunk): boolean {
  return a.piece === b.piece && a.begin === b.begin && a.length === b.length
}
