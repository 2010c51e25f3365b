import { ByteWriter } from '../core/byte-writer.ts'
import { type Infohash, idToBytes } from '../core/ids.ts'
import type { Peer } from '../core/peer.ts'
import { brokerLimits } from './config.ts'

/** What an owner wants: so many copies of an item. A newer one takes the place of an older one. */
export interface Order {
  readonly owner: Peer
  readonly infohash: Infohash
  /** Bytes of the item, at most. */
  readonly size: number
  /** 0: none any more (a drop). */
  readonly copies: number
  /** The owner's clock in unix ms: the newest counts. */
  readonly seq: number
  /** Unix s. */
  readonly expires: number
  readonly signature: Uint8Array
}

const ORDER_DOMAIN = new TextEncoder().encode('shoal-broker-order-1\n')

/** The bytes that the owner signs. */
export function orderBytes(network: string, order: Omit<Order, 'signature'>): Uint8Array {
  return new ByteWriter(192)
    .bytes(ORDER_DOMAIN)
    .text(network)
    .text(String(order.owner))
    .bytes(idToBytes(order.infohash))
    .u53(order.size)
    .u8(order.copies)
    .u53(order.seq)
    .u32(order.expires)
    .finish()
}

/** Why an order cannot be right, whatever the time is; without its signature, which costs more than the rest. */
export function misdeedOf(order: Order): string | undefined {
  const { size, copies, seq, expires } = order
  if (!(size >= 1 && size <= brokerLimits.maxItemBytes)) return `an order of ${size} bytes`
  if (copies > brokerLimits.maxCopies) return `an order of ${copies} copies`
  const lifetimeMs = expires * 1_000 - seq
  if (!(lifetimeMs > 0 && lifetimeMs <= brokerLimits.lifetimeMs + 1_000)) return `an order that lasts ${lifetimeMs} ms`
  return undefined
}

/** Why it does not count now; clocks may be to blame. @param wallMs unix ms by this node's clock */
export function untimelinessOf({ seq, expires }: Order, wallMs: number): 'expired' | 'future' | undefined {
  if (isOver(expires, wallMs)) return 'expired'
  return seq > wallMs + brokerLimits.skewMs ? 'future' : undefined
}

/** Whether something that lasts until `expires` (unix s) has expired by every clock that may be right. */
export function isOver(expires: number, wallMs: number): boolean {
  return expires * 1_000 + brokerLimits.skewMs < wallMs
}

/** Names an item: one infohash may have been ordered by several owners. */
export type ItemKey = string & { readonly itemKey: true }

export function itemKey({ owner, infohash }: { owner: Peer; infohash: Infohash }): ItemKey {
  return `${infohash}/${owner}` as ItemKey
}
