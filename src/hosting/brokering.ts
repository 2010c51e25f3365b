import type { BrokerCommand, Offer } from '../../protocols/broker/index.ts'
import type { Peer } from '../../protocols/core/peer.ts'

export const brokeringConfig = {
  /** How often this node looks who its brokers are and what it can offer. */
  everyMs: 15_000,
  /** Changes that come together are told together. */
  settleMs: 500
}

export interface BrokeringParts {
  command(command: BrokerCommand): void
  /** Those who may be brokers now, this node perhaps among them. */
  brokers(): Promise<readonly Peer[]>
  offer(): Promise<Offer>
}

/** Keeps the broker machine told of who are brokers and of what this node has for others. */
export class Brokering {
  readonly #parts: BrokeringParts
  #timer: NodeJS.Timeout | undefined
  #isClosed = false
  #telling: Promise<void> | undefined

  constructor(parts: BrokeringParts) {
    this.#parts = parts
  }

  start(): void {
    this.#later(0)
  }

  /** Somebody has come or gone, or what lies here has changed. */
  changed(): void {
    if (this.#timer !== undefined) this.#later(brokeringConfig.settleMs)
  }

  /** As soon as it has been told once more. */
  async ready(): Promise<void> {
    await this.#tell()
  }

  async stop(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#timer = undefined
    await this.#telling
  }

  #later(ms: number): void {
    clearTimeout(this.#timer)
    if (this.#isClosed) return
    this.#timer = setTimeout(() => void this.#tell(), ms)
    this.#timer.unref()
  }

  async #tell(): Promise<void> {
    this.#telling ??= this.#tellNow().finally(() => {
      this.#telling = undefined
      this.#later(brokeringConfig.everyMs)
    })
    await this.#telling
  }

  async #tellNow(): Promise<void> {
    const { command, brokers, offer } = this.#parts
    const [peers, own] = await Promise.all([brokers(), offer()])
    if (this.#isClosed) return
    command({ type: 'brokers', peers })
    command({ type: 'offer', ...own })
  }
}
