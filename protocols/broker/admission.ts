import type { BrokerConfig } from './config.ts'
import type { HostedItems } from './hosted-items.ts'
import type { PlaceOutcome } from './messages.ts'
import type { Offering } from './offering.ts'
import type { Order } from './order.ts'

/** More is used than a broker believes by this share of the offer: it does not see what others place here. */
const STALE_SHARE = 0.005

/** Why a host does not take an item that it has not; undefined when it does. `fetching`: how many it fetches now. */
export function refusalOf(
  { size, owner }: Order,
  believedBytes: number,
  fetching: number,
  { config, items, offering }: { config: BrokerConfig; items: HostedItems; offering: Offering }
): PlaceOutcome | undefined {
  const { bytes, usedBytes } = offering.current
  if (!offering.isOpen) return 'closed'
  if (bytes - usedBytes < size) return 'noRoom'
  const its = items.ofOwner(owner)
  if (its.bytes + size > bytes * config.ownerShare || its.items >= config.ownerHosted) return 'quota'
  if (items.size >= config.maxHosted || fetching >= config.maxFetching) return 'busy'
  return usedBytes > believedBytes + STALE_SHARE * bytes ? 'stale' : undefined
}
