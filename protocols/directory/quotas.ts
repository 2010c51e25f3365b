import type { RingId } from '../core/keyspace.ts'
import type { Peer } from '../core/peer.ts'
import { PeerRates } from '../core/peer-rates.ts'
import { type DirectoryConfig, directoryLimits } from './config.ts'
import { type Entry, type StoredEntry, storedBytes } from './entry.ts'
import type { RecordStore } from './record-store.ts'

const RATES = ['puts', 'gets', 'pushes', 'compares', 'scans', 'caches', 'refusals'] as const
export type Rate = (typeof RATES)[number]

/** What each peer may still ask for. */
export class Rates {
  readonly #self: Peer
  readonly #rates = new Map(RATES.map(rate => [rate, new PeerRates(directoryLimits[rate], directoryLimits.maxRates)]))

  constructor(self: Peer) {
    this.#self = self
  }

  take(peer: Peer, rate: Rate, now: number, count = 1): boolean {
    return peer === this.#self || this.#rates.get(rate)?.take(peer, now, count) === true
  }
}

/** Why there is no room for an entry; undefined when there is. Who is there already may always be renewed as it was. */
export function refusalOf(
  records: RecordStore,
  config: DirectoryConfig,
  entry: Entry,
  publisherId: RingId,
  existing: StoredEntry | undefined,
  isOwner: boolean
): 'full' | 'keyFull' | 'quota' | undefined {
  const moreEntries = existing === undefined ? 1 : 0
  const moreBytes = storedBytes(entry) - (existing === undefined ? 0 : storedBytes(existing.entry))
  if (moreEntries === 0 && moreBytes <= 0) return undefined
  const all = records.usage()
  const share = isOwner ? 1 : config.copiesShare
  if (all.entries + moreEntries > config.maxEntries * share) return 'full'
  if (all.bytes + moreBytes > config.maxBytes * share) return 'full'
  const its = records.usageOf(publisherId)
  if (its.entries + moreEntries > config.publisherEntries || its.bytes + moreBytes > config.publisherBytes) {
    return 'quota'
  }
  return moreEntries > 0 && records.countAt(entry.key) >= config.keyEntries ? 'keyFull' : undefined
}
