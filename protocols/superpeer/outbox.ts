import type { Output } from '../core/machine.ts'
import type { Peer } from '../core/peer.ts'
import type { SuperPeerEvent } from './commands.ts'
import type { SuperPeerMessage } from './messages.ts'

export type Out = Output<SuperPeerMessage, SuperPeerEvent>

/** Where the parts of the machine put what they want done, and the time of the input that is handled. */
export class Outbox {
  /** Ms, of the machine's clock. */
  now = 0
  readonly self: Peer
  readonly #wallMs: (now: number) => number
  #out: Out[] = []

  constructor(self: Peer, wallMs: (now: number) => number) {
    this.self = self
    this.#wallMs = wallMs
  }

  /** Unix ms. */
  get wallMs(): number {
    return Math.floor(this.#wallMs(this.now))
  }

  /** Unix s. */
  get wallS(): number {
    return Math.floor(this.wallMs / 1_000)
  }

  send(to: Peer, message: SuperPeerMessage): void {
    this.#out.push({ type: 'send', to, message })
  }

  tell(event: SuperPeerEvent): void {
    this.#out.push({ type: 'event', event })
  }

  penalise(peer: Peer, reason: string): void {
    this.#out.push({ type: 'penalise', peer, reason })
  }

  takeOutputs(): Out[] {
    const out = this.#out
    this.#out = []
    return out
  }
}
