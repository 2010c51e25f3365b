import { BoundedMap } from '../../protocols/core/bounded-map.ts'
import type { FileId } from '../../protocols/core/ids.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import { TokenBucket } from '../../protocols/core/token-bucket.ts'
import type { ProofResult } from '../../protocols/proof/handler.ts'
import { type ProofListener, SearchProofs } from './search-proofs.ts'

export const proverConfig = {
  /** Proofs of all searches: less than what a peer takes before it penalises. Rates are per second. */
  proofs: { rate: 50, burst: 300 },
  /**
   * Holders that are dialled because a hit names them, of all searches. Hits come from strangers, so the dials that they
   * can cause are few, whoever they name.
   */
  dials: { rate: 2, burst: 16 },
  /** A holder that could not be reached is left alone for so long. */
  dialAgainMs: 60_000,
  /** Holders that are remembered not to have been reached. */
  maxUnreached: 1_024
}

/** unasked: it would have to be dialled, and this node has dialled enough for now. */
export type ProofOutcome = ProofResult | { readonly type: 'unasked' }

export interface ProverParts {
  /** Asks a peer to show that it has a file, and dials it if need be. Never rejects. */
  ask(peer: Peer, id: FileId, signal: AbortSignal): Promise<ProofResult>
  isConnected(peer: Peer): boolean
  onLiar(peer: Peer, reason: string): void
  /** Milliseconds that never go back. */
  clock(): number
}

/** Asks holders for proof, for all searches of this node and within its limits. */
export class Prover {
  readonly #parts: ProverParts
  readonly #proofs = new TokenBucket(proverConfig.proofs)
  readonly #dials = new TokenBucket(proverConfig.dials)
  readonly #unreached = new BoundedMap<Peer, number>(proverConfig.maxUnreached)

  readonly #running = new Set<SearchProofs>() // BOUNDED by the searches

  constructor(parts: ProverParts) {
    this.#parts = parts
  }

  /** The proofs of one search. `isOn` false: nothing is asked and nothing is proven. */
  begin(listener: ProofListener, isOn: boolean): SearchProofs {
    const proofs = new SearchProofs(this, listener, isOn)
    this.#running.add(proofs)
    return proofs
  }

  /** A search needs no more proofs. */
  ended(proofs: SearchProofs): void {
    this.#running.delete(proofs)
  }

  /** The node stops: no search is told anything any more. */
  stop(): void {
    for (const proofs of this.#running) proofs.stop()
  }

  isConnected(peer: Peer): boolean {
    return this.#parts.isConnected(peer)
  }

  async ask(peer: Peer, id: FileId, signal: AbortSignal): Promise<ProofOutcome> {
    const now = this.#parts.clock()
    const isDial = !this.#parts.isConnected(peer)
    if (isDial && !this.#mayDial(peer, now)) return { type: 'unasked' }
    if (!this.#proofs.take(now)) return { type: 'busy' }
    const result = await this.#parts.ask(peer, id, signal)
    if (result.type === 'wrong') this.#parts.onLiar(peer, result.reason)
    if (isDial && result.type === 'silent' && !signal.aborted) this.#unreached.set(peer, this.#parts.clock())
    return result
  }

  #mayDial(peer: Peer, now: number): boolean {
    const failedAt = this.#unreached.get(peer)
    if (failedAt !== undefined && now - failedAt < proverConfig.dialAgainMs) return false
    return this.#dials.take(now)
  }
}
