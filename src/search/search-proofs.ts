import type { FileId } from '../../protocols/core/ids.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import type { SearchResult } from '../api.ts'
import { type Claim, Claims } from './claims.ts'
import type { FoundHit, ResultGroup } from './grouping.ts'
import type { Prover } from './prover.ts'

export const searchProofsConfig = {
  /** Proofs of one search that are asked for at the same time. */
  parallel: 8,
  /** Longest that the end of a search is put off for proofs under way. */
  settleMs: 2_000,
  /** Likewise, when every result that can have a proof has one. */
  furtherMs: 300
}

export interface ProofListener {
  /** A result looks different than before. */
  onChange(result: ResultGroup): void
  onLiar(peer: Peer, reason: string): void
  /** Whether what was said of the holder is true: it has the file, whatever its size. */
  onVerdict?(holder: Peer, id: FileId, isTrue: boolean): void
  /** The holder has proven to have the file, but in another size than it was named for. */
  onOtherSize(holder: Peer, hops: number, hit: FoundHit): void
}

/** Asks the holders of one search for proof, several at a time, and tells what becomes of its results. */
export class SearchProofs {
  readonly #prover: Prover
  readonly #listener: ProofListener
  readonly #isOn: boolean
  readonly #claims: Claims
  readonly #results = new Map<number, ResultGroup>() // BOUNDED by the results of a search
  readonly #abort = new AbortController()
  #running = 0
  #isDue = false
  #onProgress: (() => void) | undefined

  constructor(prover: Prover, listener: ProofListener, isOn: boolean) {
    this.#prover = prover
    this.#listener = listener
    this.#isOn = isOn
    this.#claims = new Claims({ isConnected: peer => prover.isConnected(peer) })
  }

  /** A result is new or has a new holder. `isProven`: that the holder has it is known. */
  add(result: ResultGroup, holder: string, hops: number, isProven: boolean): void {
    this.#results.set(result.index, result)
    if (!this.#isOn || this.#abort.signal.aborted) return
    const { index, id, size } = result
    this.#claims.add({ index, id, size }, holder as Peer, hops, isProven)
    this.#soon()
  }

  /** How a result is to be shown now. */
  viewOf({ index, holders }: ResultGroup): Pick<SearchResult, 'holders' | 'proven' | 'state'> {
    return this.#claims.shownOf(index, holders)
  }

  /** Whether the peer has sent a wrong proof: nothing that it says is taken any more. */
  isLiar(holder: string): boolean {
    return this.#claims.isLiar(holder as Peer)
  }

  /** Waits for the proofs under way, as long as a search may; then it stops. */
  async settle(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const { settleMs, furtherMs } = searchProofsConfig
    const timers = [setTimeout(resolve, settleMs)]
    this.#onProgress = () => {
      if (this.#abort.signal.aborted) resolve()
      else if (this.#claims.isChecking) return
      else if (!this.#claims.isAsking) resolve()
      else if (timers.length === 1) timers.push(setTimeout(resolve, furtherMs))
    }
    this.#onProgress()
    await promise
    for (const timer of timers) clearTimeout(timer)
    this.stop()
  }

  /** Nothing is asked any more. What is under way stays unproven. */
  stop(): void {
    this.#abort.abort()
    this.#claims.close()
    this.#tell()
    this.#prover.ended(this)
  }

  /** After all hits of a message have been added, so that the best of them is asked first. */
  #soon(): void {
    if (this.#isDue) return
    this.#isDue = true
    queueMicrotask(() => {
      this.#isDue = false
      this.#work()
    })
  }

  #work(): void {
    while (this.#running < searchProofsConfig.parallel) {
      const claim = this.#claims.next()
      if (claim === undefined) break
      void this.#ask(claim)
    }
    this.#tell()
  }

  async #ask(claim: Claim): Promise<void> {
    const { holder, subject, hops } = claim
    this.#running++
    const result = await this.#prover.ask(holder.peer, subject.id, this.#abort.signal)
    this.#running--
    if (this.#abort.signal.aborted) return
    if (result.type !== 'unasked' && result.type !== 'busy')
      this.#listener.onVerdict?.(holder.peer, subject.id, result.type === 'proven')
    if (this.#claims.settle(claim, result) && result.type === 'proven') {
      const name = this.#results.get(subject.index)?.name ?? ''
      this.#listener.onOtherSize(holder.peer, hops, { id: subject.id, name, size: result.size })
    }
    if (result.type === 'wrong') this.#listener.onLiar(holder.peer, result.reason)
    this.#work()
  }

  #tell(): void {
    for (const index of this.#claims.takeChanged()) {
      const result = this.#results.get(index)
      if (result !== undefined) this.#listener.onChange(result)
    }
    this.#onProgress?.()
  }
}
