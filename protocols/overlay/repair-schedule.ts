import { type OverlayConfig, overlayLimits } from './config.ts'

/**
 * When to look for neighbours while there are too few, and how many to ask at once. Refusals make the waits longer: who
 * is refused is in a crowd around the few peers that it knows. The dead refuse nobody: the next is asked at once, and
 * the more of them there are, the more are asked together, since most of those will be dead, too.
 */
export class RepairSchedule {
  readonly #firstMs: number
  readonly #lastMs: number
  #waitMs: number
  #dueMs: number | undefined
  #repairedMs = Number.NEGATIVE_INFINITY
  /** Asked and found dead, halved by each answer. */
  #dead = 0
  #turnedAway = false
  /** Since the last one that was accepted. */
  #refusals = 0

  constructor({ repairMs, repairLastMs }: Pick<OverlayConfig, 'repairMs' | 'repairLastMs'>) {
    this.#firstMs = repairMs
    this.#lastMs = repairLastMs
    this.#waitMs = repairMs
  }

  get dueMs(): number | undefined {
    return this.#dueMs
  }

  /** Whoever we know refuses us or soon sends us away again. */
  get isTurnedAway(): boolean {
    return this.#turnedAway && this.#waitMs > this.#firstMs
  }

  /** Whoever we know is full. */
  get isRefused(): boolean {
    return this.#refusals >= overlayLimits.refusalsBeforeSplit
  }

  /** How many requests may be under way to fill so many places. One dead peer is no sign of more. */
  atOnce(missing: number): number {
    return Math.min(
      Math.min(missing, overlayLimits.requestsAtOnce) + Math.max(0, this.#dead - 1),
      overlayLimits.maxRequests
    )
  }

  /** After the present wait. */
  again(now: number): void {
    this.#at(now + this.#waitMs)
  }

  /** There is somebody new to ask. Who is alone need not wait for others that may come. */
  soon(now: number, isAlone: boolean): void {
    this.#waitMs = this.#firstMs
    this.#at(isAlone ? Math.max(now, this.#repairedMs + this.#firstMs) : now + this.#firstMs)
  }

  /** A neighbour of long standing was lost: that is no crowd. */
  lostSettled(now: number, isAlone: boolean): void {
    this.#turnedAway = false
    this.#refusals = 0
    this.soon(now, isAlone)
  }

  foundDead(now: number): void {
    this.#dead = Math.min(this.#dead + 1, overlayLimits.maxRequests)
    if (!this.#turnedAway) this.#waitMs = this.#firstMs
    this.#at(now)
  }

  answered(): void {
    this.#dead >>= 1
  }

  /** An ordinary request was answered. */
  asked(accepted: boolean): void {
    this.#refusals = accepted ? 0 : Math.min(this.#refusals + 1, overlayLimits.refusalsBeforeSplit)
  }

  turnedAway(): void {
    this.#turnedAway = true
  }

  /** It is time: the next one is due later and later, since a small network has fewer peers than a view has places. */
  begin(now: number): void {
    this.#repairedMs = now
    this.#dueMs = now + this.#waitMs
    this.#waitMs = Math.min(this.#waitMs * 2, this.#lastMs)
  }

  stop(): void {
    this.#refusals = 0
    this.#dueMs = undefined
  }

  #at(ms: number): void {
    if (this.#dueMs === undefined || this.#dueMs > ms) this.#dueMs = ms
  }
}
