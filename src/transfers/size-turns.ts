import { BoundedMap } from '../../protocols/core/bounded-map.ts'

export const sizeTurnConfig = {
  /** How long holders of a size that is not proven may send nothing while another is stated; twice as long each time. */
  turnMs: 10_000,
  /** How long a peer that has just come has to tell what it has. */
  greetingMs: 1_000,
  /** Sizes whose turns are counted. */
  maxSizes: 64
}

/** How long a size that is not proven is tried before the next one that is stated is. */
export class SizeTurns {
  readonly #turns = new BoundedMap<number, number>(sizeTurnConfig.maxSizes)
  #endsAt = 0
  #peerCameAt = Number.NEGATIVE_INFINITY

  begin(size: number, now: number): void {
    const before = this.#turns.get(size) ?? 0
    this.#turns.set(size, before + 1)
    this.#endsAt = now + sizeTurnConfig.turnMs * 2 ** Math.min(before, 16)
  }

  onPeer(now: number): void {
    this.#peerCameAt = now
  }

  onStored(now: number): void {
    this.#endsAt = Math.max(this.#endsAt, now + sizeTurnConfig.turnMs)
  }

  /** @param of.mayCome whether somebody who has it is there, or is being dialled; `peers` that are there in all */
  isOver(now: number, { mayCome, peers }: { mayCome: boolean; peers: number }): boolean {
    const isGreeting = peers > 0 && now - this.#peerCameAt < sizeTurnConfig.greetingMs
    return now >= this.#endsAt || !(mayCome || isGreeting)
  }
}
