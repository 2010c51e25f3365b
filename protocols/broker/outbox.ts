import type { Output } from '../core/machine.ts'
import type { Peer } from '../core/peer.ts'
import type { BrokerEvent } from './commands.ts'
import type { BrokerMessage } from './messages.ts'

export type Out = Output<BrokerMessage, BrokerEvent>

/** Where the parts of the broker put what they want done, and the time of the input that is handled. */
export class Outbox {
  /** Ms, of the machine's clock. */
  now = 0
  readonly self: Peer
  readonly #wallMs: (now: number) => number
  #out: Out[] = []
  /** What one part of this node says to another: handled within the same input. */
  readonly #local: BrokerMessage[] = []

  constructor(self: Peer, wallMs: (now: number) => number) {
    this.self = self
    this.#wallMs = wallMs
  }

  /** Unix ms. */
  get wallMs(): number {
    return Math.floor(this.#wallMs(this.now))
  }

  send(to: Peer, message: BrokerMessage): void {
    if (to === this.self) this.#local.push(message)
    else this.#out.push({ type: 'send', to, message })
  }

  tell(event: BrokerEvent): void {
    this.#out.push({ type: 'event', event })
  }

  penalise(peer: Peer, reason: string): void {
    if (peer !== this.self) this.#out.push({ type: 'penalise', peer, reason })
  }

  nextLocal(): BrokerMessage | undefined {
    return this.#local.shift()
  }

  takeOutputs(): Out[] {
    const out = this.#out
    this.#out = []
    return out
  }
}
