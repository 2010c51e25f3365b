import type { Peer } from '../core/peer.ts'

interface Swap {
  partner: Peer
  /** The neighbour that is handed over for it. */
  gives: Peer
  untilMs: number
}

/**
 * When this node swaps a link, and the swap under way. The first ones come close upon one another, since newcomers that
 * came together know only each other; from then on they keep an old network mixed.
 */
export class SwapSchedule {
  readonly #everyShuffles: number
  readonly #timeoutMs: number
  #gap = 1
  #shufflesUntilNext = 1
  #underWay: Swap | undefined

  constructor(everyShuffles: number, timeoutMs: number) {
    this.#everyShuffles = everyShuffles
    this.#timeoutMs = timeoutMs
  }

  get dueMs(): number | undefined {
    return this.#underWay?.untilMs
  }

  /** The node is new among its neighbours. */
  restart(): void {
    this.#gap = 1
    this.#shufflesUntilNext = 1
  }

  stop(): void {
    this.#underWay = undefined
  }

  /** To be asked at each shuffle of our own. What came to nothing is tried again at the next. */
  isTime(): boolean {
    return --this.#shufflesUntilNext <= 0 && this.#underWay === undefined
  }

  begin(partner: Peer, gives: Peer, now: number): void {
    this.#underWay = { partner, gives, untilMs: now + this.#timeoutMs }
  }

  isWith(partner: Peer): boolean {
    return this.#underWay?.partner === partner
  }

  /** The swap that this peer answers, or cannot answer any more; it is over. */
  take(partner: Peer): Swap | undefined {
    const swap = this.#underWay
    if (swap?.partner !== partner) return undefined
    this.#underWay = undefined
    return swap
  }

  /** The partner that did not answer in time, if it is time; the swap is over. */
  takeExpired(now: number): Peer | undefined {
    const swap = this.#underWay
    if (swap === undefined || swap.untilMs > now) return undefined
    this.#underWay = undefined
    return swap.partner
  }

  done(): void {
    this.#shufflesUntilNext = this.#gap
    this.#gap = Math.min(this.#gap * 3, this.#everyShuffles)
  }
}
