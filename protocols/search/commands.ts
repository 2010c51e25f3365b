import type { Peer } from '../core/peer.ts'
import type { Hit, Query } from './messages.ts'
import type { Strategy, Wave } from './plan.ts'

export type SearchCommand =
  /**
   * `search` is a number of the caller's that is not running. What is left out is as in the config.
   *
   * - limit: hits that each holder may send, 1..100.
   * - budget: query messages that it may cost.
   * - want: holders that are enough for a walk, 1..255. A flood asks everybody.
   * - walkers: 1..254. With one the fewest messages are spent, with more the answer comes sooner.
   * - ttl: hops of a flood; 0 asks this node alone.
   * - timeoutMs: when to stop waiting.
   * - asker: on whose behalf, if it is not this node's own. When too many run, whoever asks for most of them gives way.
   */
  | {
      readonly type: 'search'
      readonly search: number
      readonly query: Query
      readonly strategy?: Strategy
      readonly budget?: number
      readonly want?: number
      readonly walkers?: number
      readonly ttl?: number
      readonly limit?: number
      readonly timeoutMs?: number
      readonly asker?: Peer
    }
  /** What this node shares can be found by these keys: see keys.ts. They replace those of before. */
  | { readonly type: 'share'; readonly keys: Iterable<string> }
  /** Ends a search of ours now. What is under way in the network runs out by itself. */
  | { readonly type: 'stop'; readonly search: number }
  /** The random overlay's lists: queries go to neighbours and are taken from them. */
  | { readonly type: 'neighbourUp' | 'neighbourDown'; readonly peer: Peer }

export type SearchEvent =
  /** via: the neighbour that it came by; this node for its own. how: the wave in which it was found. */
  | {
      readonly type: 'hits'
      readonly search: number
      readonly holder: Peer
      readonly via: Peer
      readonly how: Wave['how'] | 'own'
      readonly hops: number
      readonly hits: readonly Hit[]
    }
  /** Last of a search. */
  | ({ readonly type: 'searchDone'; readonly search: number } & SearchAccount)

export interface SearchAccount {
  /** Without this node. */
  readonly peersAsked: number
  /** Query messages. Each is answered by one report. */
  readonly messages: number
  /** Everybody that was reached has reported. */
  readonly complete: boolean
  /** Some were not asked: the budget or the hops ended, or there was enough. */
  readonly more: boolean
  readonly waves: readonly WaveAccount[]
}

export interface WaveAccount {
  readonly how: Wave['how']
  readonly budget: number
  readonly messages: number
  readonly peersAsked: number
  /** Holders that had been found by its end. */
  readonly found: number
}
