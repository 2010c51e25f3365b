import type { Peer } from '../../protocols/core/peer.ts'
import type { LookupResult } from './ring-network.ts'

const COSTS = ['hops', 'toPredecessor', 'asked', 'timeouts', 'onTheWay', 'stalls', 'elapsedMs'] as const

/** What many lookups cost, and how many of them ended well. */
export class LookupTally {
  count = 0
  wrong = 0
  failed = 0
  readonly #sums = Object.fromEntries(COSTS.map(cost => [cost, 0])) as Record<(typeof COSTS)[number], number>

  /** @param truth who should have been found, and who comes before it */
  add(result: LookupResult, truth: { owner: Peer; predecessor: Peer }): void {
    const { hops, via, asked, lost, lostPast, stalls, elapsedMs } = result
    this.count++
    if (result.owner === undefined) {
      this.failed++
      return
    }
    if (result.owner !== truth.owner) this.wrong++
    // papers stop at the predecessor; one that has the owner in its list of successors would go there, and we jump over it
    const toPredecessor = hops === 0 || via === truth.predecessor ? Math.max(0, hops - 1) : hops
    const costs = { hops, toPredecessor, asked, timeouts: lost, stalls, elapsedMs }
    for (const [cost, value] of Object.entries({ ...costs, onTheWay: lost - lostPast })) {
      this.#sums[cost as keyof typeof costs] += value
    }
  }

  /** Of a lookup that found somebody. */
  mean(cost: (typeof COSTS)[number]): number {
    return this.#sums[cost] / (this.count - this.failed)
  }

  /** Of so many lookups. */
  wrongOf(lookups: number): number {
    return (this.wrong / this.count) * lookups
  }

  failedOf(lookups: number): number {
    return (this.failed / this.count) * lookups
  }
}
