import type { Peer } from './peer.ts'

/**
 * A protocol without input or output. It never sees a socket, a timer, a clock or a random source that it was not
 * handed; so the libp2p driver and the simulator run the same code.
 *
 * The contract between a machine and whoever drives it:
 *
 * - `handle` is called with one input at a time, never from inside itself, and `now` never decreases.
 * - The outputs are executed in order before the next input. Messages are immutable once they are sent: in the
 *   simulator the receiver gets the same object.
 * - After every `handle` the driver reads `nextTick` again and gives a `tick` when that time has come. Late and spurious
 *   ticks are safe.
 * - `send` is fire and forget. It may go to a peer with no open connection: the driver dials. If that fails, or the
 *   last connection to a peer is lost, the machine gets `peerDown`.
 */
export interface Machine<Command, Message, Event> {
  /** Applies one input at time `now` (integer milliseconds on a clock that never goes back). */
  handle(input: Input<Command, Message>, now: number): Output<Message, Event>[]
  /** When a `tick` is due next, in the time of `now`; undefined when nothing is waiting. */
  nextTick(): number | undefined
}

export type Input<Command, Message> =
  | { readonly type: 'received'; readonly from: Peer; readonly message: Message }
  /** A connected peer that speaks this protocol. */
  | { readonly type: 'peerUp'; readonly peer: Peer }
  /** The peer cannot be reached: its last connection closed, or a dial failed. May come without a `peerUp`. */
  | { readonly type: 'peerDown'; readonly peer: Peer }
  | { readonly type: 'tick' }
  | Command

export type Output<Message, Event> =
  | { readonly type: 'send'; readonly to: Peer; readonly message: Message }
  /** To the application, or to another machine of the same node. */
  | { readonly type: 'event'; readonly event: Event }
  /** The peer broke a rule. Whoever drives the machine keeps the account (see `Misdeed`). */
  | { readonly type: 'penalise'; readonly peer: Peer; readonly reason: string }
