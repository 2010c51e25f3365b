import { ByteWriter } from '../core/byte-writer.ts'
import { type Infohash, idToBytes } from '../core/ids.ts'
import { mix } from '../core/mix.ts'
import type { Peer } from '../core/peer.ts'
import { brokerLimits } from './config.ts'

/**
 * - `fetching`: the host has taken the order, and has not all of it yet.
 * - `held`: all of it is there and verified.
 * - `leaving`: it is there, but the host wants to go: another copy is needed.
 */
export const LEASE_STATES = ['fetching', 'held', 'leaving'] as const
export type LeaseState = (typeof LEASE_STATES)[number]

/** What a host says about one item that it hosts. */
export interface Lease {
  readonly host: Peer
  readonly owner: Peer
  readonly infohash: Infohash
  /** Of the order that the host knows. */
  readonly seq: number
  readonly state: LeaseState
  /** When it came into this state, unix ms. */
  readonly since: number
  /** Until when the signature is worth something to others, unix s. */
  readonly expires: number
  /** The host's, see `Offer`. */
  readonly domain: string
  readonly signature: Uint8Array
}

const LEASE_DOMAIN = new TextEncoder().encode('shoal-broker-lease-1\n')

/** The bytes that the host signs. */
export function leaseBytes(network: string, lease: Omit<Lease, 'signature'>): Uint8Array {
  return new ByteWriter(256)
    .bytes(LEASE_DOMAIN)
    .text(network)
    .text(String(lease.host))
    .text(String(lease.owner))
    .bytes(idToBytes(lease.infohash))
    .u53(lease.seq)
    .u8(LEASE_STATES.indexOf(lease.state))
    .u53(lease.since)
    .u32(lease.expires)
    .text(lease.domain)
    .finish()
}

/** Why a lease cannot be right, but for its signature. @param wallMs unix ms by this node's clock */
export function leaseMisdeedOf({ expires }: Lease, wallMs: number): string | undefined {
  const leftMs = expires * 1_000 - wallMs
  return leftMs > brokerLimits.signedMs + brokerLimits.skewMs ? `a lease that lasts ${leftMs} ms` : undefined
}

/** Of all leases that a host has told to one broker: how many, and a sum that does not depend on their order. */
export interface LeaseDigest {
  readonly count: number
  readonly sum: number
}

/** What changes of a lease when the broker has to know: not its signature's time. */
export function leaseDigest(leases: Iterable<Pick<Lease, 'infohash' | 'owner' | 'seq' | 'state'>>): LeaseDigest {
  let [count, sum] = [0, 0]
  for (const { infohash, owner, seq, state } of leases) {
    count++
    let hash = mix(LEASE_STATES.indexOf(state) + 1)
    hash = mix(hash ^ (seq >>> 0))
    hash = mix(hash ^ Number.parseInt(infohash.slice(0, 8), 16))
    hash = mix(hash ^ Number.parseInt(infohash.slice(8, 16), 16))
    const name = String(owner)
    for (let i = 0; i < name.length; i++) hash = mix(hash ^ name.charCodeAt(i))
    sum = (sum + hash) >>> 0
  }
  return { count, sum }
}
