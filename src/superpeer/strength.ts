import { type EventLoopUtilization, performance } from 'node:perf_hooks'
import { availableMemory } from 'node:process'
import type { Connection } from '@libp2p/interface'
import type { Strength } from '../../protocols/superpeer/index.ts'

/** How much of an interval's load counts at once: one busy moment makes nobody weak. */
const SMOOTHING = 0.2

export interface StrengthParts {
  connections(): readonly Pick<Connection, 'direction'>[]
  /** Bytes that were sent since the start. */
  sentBytes(): number
  /** Ms that never go back. */
  clock(): number
}

export class StrengthMeter {
  readonly #parts: StrengthParts
  readonly #startedMs: number
  #readMs: number
  #sentBytes: number
  #utilization: EventLoopUtilization = performance.eventLoopUtilization()
  #upload = 0
  #load = 0
  #isReachable = false

  constructor(parts: StrengthParts) {
    this.#parts = parts
    this.#startedMs = parts.clock()
    this.#readMs = this.#startedMs
    this.#sentBytes = parts.sentBytes()
  }

  /**
   * What this node can do for others. Upload is the most that was sent in one interval so far, load the share of the time
   * in which this process had something to do, smoothed over some minutes. To be called at intervals of some seconds or more: rates are
   * those since the last call.
   */
  read(): Strength {
    const { connections, sentBytes, clock } = this.#parts
    const [now, sent] = [clock(), sentBytes()]
    const seconds = Math.max((now - this.#readMs) / 1_000, 1)
    this.#upload = Math.max(this.#upload, (sent - this.#sentBytes) / seconds)
    const utilization = performance.eventLoopUtilization()
    const busy = performance.eventLoopUtilization(utilization, this.#utilization).utilization
    this.#load += SMOOTHING * (busy - this.#load)
    this.#isReachable ||= connections().some(({ direction }) => direction === 'inbound')
    this.#readMs = now
    this.#sentBytes = sent
    this.#utilization = utilization
    return {
      uptimeMs: now - this.#startedMs,
      uploadBytesPerS: Math.round(this.#upload),
      memoryBytes: availableMemory(),
      isReachable: this.#isReachable,
      load: this.#load
    }
  }
}
