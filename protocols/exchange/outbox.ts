import type { ExchangeMessage } from './messages.ts'
import type { PeerState } from './peer-state.ts'
import type { DropReason, SwarmEvent } from './swarm-events.ts'

/** Where the parts of a swarm put what they want done. */
export interface Outbox {
  send(to: PeerState, message: ExchangeMessage): void
  event(event: SwarmEvent): void
  /** Ends with a peer. Liars and those who broke a rule are penalised. */
  drop(peer: PeerState, why: DropReason, reason: string): void
}
