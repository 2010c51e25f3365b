import type { Peer } from '../core/peer.ts'
import { PeerRates } from '../core/peer-rates.ts'
import { brokerLimits } from './config.ts'

const RATES = ['orders', 'leases', 'offers', 'places', 'asks', 'others'] as const
export type Rate = (typeof RATES)[number]

/** What each peer may still ask for. */
export class Rates {
  readonly #self: Peer
  readonly #rates = new Map(RATES.map(rate => [rate, new PeerRates(brokerLimits[rate], brokerLimits.maxRates)]))

  constructor(self: Peer) {
    this.#self = self
  }

  take(peer: Peer, rate: Rate, now: number, count = 1): boolean {
    return peer === this.#self || this.#rates.get(rate)?.take(peer, now, count) === true
  }
}
