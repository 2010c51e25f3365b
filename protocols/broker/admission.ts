import type { Peer } from '../core/peer.ts'
import type { BrokerConfig } from './config.ts'
import type { HostedItem, HostedItems } from './hosted-items.ts'
import type { Lease } from './lease.ts'
import type { PlaceOutcome } from './messages.ts'
import type { Offering } from './offering.ts'
import { itemKey, type Order } from './order.ts'
import type { Signing } from './signing.ts'

/** More is used than a broker believes by this share of the offer: it does not see what others place here. */
const STALE_SHARE = 0.005

/** What it depends on whether a host takes something. */
export interface Admission {
  readonly config: BrokerConfig
  readonly items: HostedItems
  readonly offering: Offering
}

/** Why a host does not take an item that it has not; undefined when it does. `fetching`: how many it fetches now. */
export function refusalOf(
  { size, owner }: Order,
  believedBytes: number,
  fetching: number,
  { config, items, offering }: Admission
): PlaceOutcome | undefined {
  const { bytes, usedBytes } = offering.current
  if (!offering.isOpen) return 'closed'
  if (bytes - usedBytes < size) return 'noRoom'
  const its = items.ofOwner(owner)
  if (its.bytes + size > bytes * config.ownerShare || its.items >= config.ownerHosted) return 'quota'
  if (items.size >= config.maxHosted || fetching >= config.maxFetching) return 'busy'
  return usedBytes > believedBytes + STALE_SHARE * bytes ? 'stale' : undefined
}

/** How many other hosts have signed that they have the item: all of it, if it is all here. `from` has brought their word. */
export function othersThatHave(
  { hosted: { order, state } }: HostedItem,
  leases: readonly Lease[],
  from: Peer,
  self: Peer,
  signing: Signing
): number {
  const hosts = new Set<Peer>()
  for (const lease of leases) {
    if (itemKey(lease) !== itemKey(order) || lease.host === self) continue
    if (state !== 'fetching' && lease.state !== 'held') continue
    if (signing.checkLease(lease, from) === 'right') hosts.add(lease.host)
  }
  return hosts.size
}
