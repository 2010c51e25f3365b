import type { Peer } from '../core/peer.ts'
import type { Crypto } from '../core/signing.ts'
import { brokerLimits } from './config.ts'
import { type Lease, leaseBytes, leaseMisdeedOf } from './lease.ts'
import { isOver, misdeedOf, type Order, orderBytes, untimelinessOf } from './order.ts'
import type { Outbox } from './outbox.ts'

/** What is signed here, and what is believed of what others have signed. */
export class Signing {
  readonly #outbox: Outbox
  readonly #keys: Crypto
  readonly #network: string

  constructor(init: { outbox: Outbox; keys: Crypto; network: string }) {
    this.#outbox = init.outbox
    this.#keys = init.keys
    this.#network = init.network
  }

  order(order: Omit<Order, 'signature'>): Order {
    return { ...order, signature: this.#keys.sign(orderBytes(this.#network, order)) }
  }

  lease(lease: Omit<Lease, 'signature' | 'expires'>): Lease {
    const expires = Math.floor((this.#outbox.wallMs + brokerLimits.signedMs) / 1_000)
    const unsigned = { ...lease, expires }
    return { ...unsigned, signature: this.#keys.sign(leaseBytes(this.#network, unsigned)) }
  }

  /** A lease is signed anew when half of its time is over. */
  isFresh({ expires }: Lease): boolean {
    return expires * 1_000 - this.#outbox.wallMs > brokerLimits.signedMs / 2
  }

  /**
   * Whether it is right and counts now. Who brings one that is not right is penalised. `known`: one that was checked
   * before; an equal one is not checked again.
   */
  checkOrder(order: Order, from: Peer, known?: Order): 'right' | 'wrong' | 'expired' | 'future' {
    if (known !== undefined && isSame(order, known) && order.seq === known.seq) {
      return isOver(order.expires, this.#outbox.wallMs) ? 'expired' : 'right'
    }
    const misdeed = misdeedOf(order)
    if (misdeed !== undefined) return this.#wrong(from, misdeed)
    const untimely = untimelinessOf(order, this.#outbox.wallMs)
    if (untimely !== undefined) return untimely
    if (this.#keys.verify(order.owner, orderBytes(this.#network, order), order.signature)) return 'right'
    return this.#wrong(from, 'an order that its owner has not signed')
  }

  /** The same for a lease. One that has expired is not right or wrong, it is worth nothing. */
  checkLease(lease: Lease, from: Peer, known?: Lease): 'right' | 'wrong' | 'expired' {
    if (isOver(lease.expires, this.#outbox.wallMs)) return 'expired'
    if (known !== undefined && isSame(lease, known) && lease.since === known.since && lease.state === known.state) {
      if (lease.seq === known.seq && lease.domain === known.domain) return 'right'
    }
    const misdeed = leaseMisdeedOf(lease, this.#outbox.wallMs)
    if (misdeed !== undefined) return this.#wrong(from, misdeed)
    if (this.#keys.verify(lease.host, leaseBytes(this.#network, lease), lease.signature)) return 'right'
    return this.#wrong(from, 'a lease that its host has not signed')
  }

  #wrong(from: Peer, misdeed: string): 'wrong' {
    this.#outbox.penalise(from, misdeed)
    return 'wrong'
  }
}

function isSame(
  a: { signature: Uint8Array; expires: number; owner: Peer; infohash: string },
  b: { signature: Uint8Array; expires: number; owner: Peer; infohash: string }
): boolean {
  if (a.expires !== b.expires || a.owner !== b.owner || a.infohash !== b.infohash) return false
  return a.signature.length === b.signature.length && a.signature.every((byte, i) => byte === b.signature[i])
}
