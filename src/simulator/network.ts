import { type Rng, seededRng } from '../../protocols/core/rng.ts'
import { mix32 } from './trace.ts'

export interface NetworkOptions {
  seed: number
  /** Shortest and longest one-way delay, ms; at least 1. Each pair of peers has its own within them. */
  latency: readonly [minMs: number, maxMs: number]
  /** Largest random addition to a pair's delay, ms; within `latency`. */
  jitterMs: number
  /** Share of messages that are lost, 0..1. */
  loss: number
  /** How long it takes to see that a connection is gone, or that a peer cannot be reached, ms. */
  detectionMs: number
}

/**
 * What the wires do: how long a message takes, whether it is lost, and who can reach whom. Delays are whole
 * milliseconds; bandwidth is not modelled.
 */
export class Network {
  readonly detectionMs: number
  readonly #seed: number
  readonly #minMs: number
  readonly #spanMs: number
  readonly #jitterMs: number
  readonly #rng: Rng
  #loss: number
  #alive = new Uint8Array(64)
  #side = new Int32Array(64)
  #slowMs = new Int32Array(64)
  #anySlow = false

  constructor(options: NetworkOptions) {
    const [minMs, maxMs] = options.latency
    if (!(Number.isInteger(minMs) && Number.isInteger(maxMs) && minMs >= 1 && maxMs >= minMs)) {
      throw new RangeError(`latency ${minMs}..${maxMs} ms: whole milliseconds from 1 on`)
    }
    if (!(Number.isInteger(options.jitterMs) && options.jitterMs >= 0 && options.jitterMs <= maxMs - minMs)) {
      throw new RangeError(`jitter ${options.jitterMs} ms does not fit into the latency`)
    }
    this.detectionMs = checkedDelay(options.detectionMs)
    this.#minMs = minMs
    this.#jitterMs = options.jitterMs
    this.#spanMs = maxMs - minMs - options.jitterMs + 1
    this.#rng = seededRng(options.seed ^ 0x6e657477)
    this.#seed = mix32(options.seed | 0)
    this.#loss = checkedShare(options.loss)
  }

  /** Makes room for peers 0..count-1. */
  reserve(count: number): void {
    if (count <= this.#alive.length) return
    const room = Math.max(count, this.#alive.length * 2)
    this.#alive = copied(this.#alive, new Uint8Array(room))
    this.#side = copied(this.#side, new Int32Array(room))
    this.#slowMs = copied(this.#slowMs, new Int32Array(room))
  }

  setAlive(peer: number, alive: boolean): void {
    this.#alive[peer] = alive ? 1 : 0
  }

  isAlive(peer: number): boolean {
    return this.#alive[peer] === 1
  }

  reachable(a: number, b: number): boolean {
    return this.#alive[a] === 1 && this.#alive[b] === 1 && this.#side[a] === this.#side[b]
  }

  /** Each group is alone from now on; peers in none of them make up one more group. */
  partition(groups: readonly (readonly number[])[]): void {
    this.#side.fill(0)
    groups.forEach((group, i) => {
      for (const peer of group) this.#side[peer] = i + 1
    })
  }

  heal(): void {
    this.#side.fill(0)
  }

  /** Adds to the delay of everything that goes to this peer or comes from it. */
  slow(peer: number, extraMs: number): void {
    this.#slowMs[peer] = checkedDelay(extraMs)
    this.#anySlow = this.#slowMs.some(ms => ms > 0)
  }

  setLoss(share: number): void {
    this.#loss = checkedShare(share)
  }

  /** The pair's own one-way delay without jitter: a function of the pair and the seed. */
  latencyMs(a: number, b: number): number {
    const low = a < b ? a : b
    const high = a < b ? b : a
    const hash = mix32(mix32(low ^ this.#seed) + high) >>> 0
    return this.#minMs + (hash % this.#spanMs)
  }

  /** What comes on top of the pair's delay for one message, ms. */
  extraMs(a: number, b: number): number {
    const jitter = this.#jitterMs === 0 ? 0 : this.#rng.below(this.#jitterMs + 1)
    if (!this.#anySlow) return jitter
    return jitter + (this.#slowMs[a] as number) + (this.#slowMs[b] as number)
  }

  /** Whether the next message is lost. */
  loses(): boolean {
    return this.#loss > 0 && this.#rng.unit() < this.#loss
  }
}

function checkedDelay(ms: number): number {
  if (!(Number.isInteger(ms) && ms >= 0)) throw new RangeError(`a delay of ${ms} ms`)
  return ms
}

function checkedShare(share: number): number {
  if (!(share >= 0 && share <= 1)) throw new RangeError(`loss ${share} is not in 0..1`)
  return share
}

function copied<T extends Uint8Array | Int32Array>(from: T, to: T): T {
  to.set(from)
  return to
}
