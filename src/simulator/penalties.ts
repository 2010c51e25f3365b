import type { Peer } from '../../protocols/core/peer.ts'

/** One peer's judgement of another on one channel, with how often it came. */
export interface Penalty {
  /** Who found the breach. */
  by: Peer
  /** Who committed it. */
  peer: Peer
  channel: string
  reason: string
  count: number
  firstMs: number
}

/** Rows that are kept apart; what comes after them is only counted in the statistics. */
const MAX_ROWS = 100_000

/** Who was penalised by whom and for what. */
export class Penalties {
  readonly #rows = new Map<string, Penalty>() // BOUNDED by MAX_ROWS

  add(by: Peer, peer: Peer, channel: string, reason: string, now: number): void {
    const key = `${by} ${peer} ${channel} ${reason}`
    const row = this.#rows.get(key)
    if (row !== undefined) row.count++
    else if (this.#rows.size < MAX_ROWS) this.#rows.set(key, { by, peer, channel, reason, count: 1, firstMs: now })
  }

  /** Penalties in the order in which they first came; those against one peer when it is given. */
  list(peer?: Peer): Penalty[] {
    const rows = [...this.#rows.values()]
    return peer === undefined ? rows : rows.filter(row => row.peer === peer)
  }
}
