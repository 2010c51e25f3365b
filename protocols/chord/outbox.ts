import type { RingId } from '../core/keyspace.ts'
import type { Output } from '../core/machine.ts'
import type { Peer } from '../core/peer.ts'
import type { ChordMessage, Found } from './messages.ts'
import type { Place } from './ring.ts'

export type ChordEvent =
  /** This node's neighbours on the ring have changed. Without a predecessor it is not known where its keys begin. */
  | ({ readonly type: 'ring' } & Place)
  /** Answers `lookup`. The owner may be this node. */
  | ({ readonly type: 'found'; readonly id: number; readonly key: RingId } & Found & LookupCost)
  | ({ readonly type: 'lookupFailed'; readonly id: number; readonly key: RingId } & LookupCost)
  /** The goodbyes are said. */
  | { readonly type: 'left' }

export interface LookupCost {
  /** Nodes that were asked by this one. */
  readonly asked: number
  /** Of these, nodes that did not answer. */
  readonly lost: number
  /** Of these, nodes past the key: it would have been theirs. */
  readonly lostPast: number
  /** How often there was nothing to do but wait until a question had failed. */
  readonly stalls: number
  readonly elapsedMs: number
}

export type Out = Output<ChordMessage, ChordEvent>

/** What one input leads to. Holds the time of that input for all parts of the machine. */
export class Outbox {
  now = 0
  #outputs: Out[] = []

  send(to: Peer, message: ChordMessage): void {
    this.#outputs.push({ type: 'send', to, message })
  }

  tell(event: ChordEvent): void {
    this.#outputs.push({ type: 'event', event })
  }

  penalise(peer: Peer, reason: string): void {
    this.#outputs.push({ type: 'penalise', peer, reason })
  }

  take(): Out[] {
    const outputs = this.#outputs
    this.#outputs = []
    return outputs
  }
}
