import { isOwned, type RingId } from '../core/keyspace.ts'
import { type Entry, type StoredEntry, storedBytes } from './entry.ts'
import type { Head, RecordStore, Usage } from './record-store.ts'

interface Own {
  entry: Entry
  dueMs: number
}

const EXPIRY_SLOT_S = 60

/** Records in memory, for the simulator and for tests. BOUNDED by the quotas of whoever puts. */
export class MemoryRecordStore implements RecordStore {
  readonly #byKey = new Map<RingId, Map<RingId, StoredEntry>>()
  /** All keys in order, see `#ordered`. */
  #keys: RingId[] = []
  #isSorted = true
  readonly #usage = { entries: 0, bytes: 0 }
  readonly #byPublisher = new Map<RingId, { entries: number; bytes: number }>()
  /** By the minute in which they expire: a day has 1,440. */
  readonly #byExpiry = new Map<number, Set<StoredEntry>>()
  readonly #own = new Map<RingId, Own>()
  #nextOwnDue: number | undefined

  get(key: RingId, publisherId: RingId): StoredEntry | undefined {
    return this.#byKey.get(key)?.get(publisherId)
  }

  at(key: RingId): StoredEntry[] {
    return [...(this.#byKey.get(key)?.values() ?? [])]
  }

  countAt(key: RingId): number {
    return this.#byKey.get(key)?.size ?? 0
  }

  put(record: StoredEntry): void {
    const { key } = record.entry
    let group = this.#byKey.get(key)
    if (group === undefined) {
      group = new Map()
      this.#byKey.set(key, group)
      this.#keys.push(key)
      this.#isSorted = false
    }
    const old = group.get(record.publisherId)
    if (old !== undefined) this.#count(old, -1)
    // the bytes of a value are the same whoever publishes it: one copy is enough
    const twin = [...group.values()].find(({ entry }) => isSameValue(entry, record))
    const kept = twin === undefined ? record : { ...record, entry: { ...record.entry, payload: twin.entry.payload } }
    group.set(record.publisherId, kept)
    this.#count(kept, 1)
  }

  delete(key: RingId, publisherId: RingId): void {
    const group = this.#byKey.get(key)
    const record = group?.get(publisherId)
    if (group === undefined || record === undefined) return
    this.#count(record, -1)
    group.delete(publisherId)
    if (group.size > 0) return
    this.#byKey.delete(key)
    this.#keys.splice(firstAbove(this.#ordered(), key) - 1, 1)
  }

  *arc(from: RingId, to: RingId): Generator<Head> {
    const keys = this.#ordered()
    const start = firstAbove(keys, from)
    for (let i = 0; i < keys.length; i++) {
      const key = keys[(start + i) % keys.length] as RingId
      if (!isOwned(from, key, to)) return
      const group = this.#byKey.get(key) as Map<RingId, StoredEntry>
      const publisherIds = group.size === 1 ? group.keys() : [...group.keys()].sort()
      for (const publisherId of publisherIds) {
        const { entry, hash } = group.get(publisherId) as StoredEntry
        yield { key, publisherId, seq: entry.seq, hash }
      }
    }
  }

  expiredBefore(unixS: number, limit: number): Head[] {
    const heads: Head[] = []
    for (const [slot, records] of this.#byExpiry) {
      if (slot * EXPIRY_SLOT_S >= unixS) continue
      for (const { entry, publisherId, hash } of records) {
        if (entry.expires >= unixS) continue
        if (heads.length === limit) return heads
        heads.push({ key: entry.key, publisherId, seq: entry.seq, hash })
      }
    }
    return heads
  }

  usage(): Usage {
    return this.#usage
  }

  usageOf(publisherId: RingId): Usage {
    return this.#byPublisher.get(publisherId) ?? { entries: 0, bytes: 0 }
  }

  putOwn(entry: Entry, dueMs: number): void {
    this.#own.set(entry.key, { entry, dueMs })
    this.#nextOwnDue = undefined
  }

  getOwn(key: RingId): Entry | undefined {
    return this.#own.get(key)?.entry
  }

  deleteOwn(key: RingId): void {
    this.#own.delete(key)
    this.#nextOwnDue = undefined
  }

  ownDue(untilMs: number, limit: number): Entry[] {
    const due = [...this.#own.values()].filter(({ dueMs }) => dueMs <= untilMs)
    due.sort((a, b) => a.dueMs - b.dueMs)
    return due.slice(0, limit).map(({ entry }) => entry)
  }

  nextOwnDue(): number | undefined {
    if (this.#nextOwnDue === undefined) {
      for (const { dueMs } of this.#own.values()) {
        if (this.#nextOwnDue === undefined || dueMs < this.#nextOwnDue) this.#nextOwnDue = dueMs
      }
    }
    return this.#nextOwnDue
  }

  ownCount(): number {
    return this.#own.size
  }

  #count(record: StoredEntry, sign: 1 | -1): void {
    const bytes = sign * storedBytes(record.entry)
    this.#usage.entries += sign
    this.#usage.bytes += bytes
    const { publisherId } = record
    const mine = this.#byPublisher.get(publisherId) ?? { entries: 0, bytes: 0 }
    mine.entries += sign
    mine.bytes += bytes
    if (mine.entries > 0) this.#byPublisher.set(publisherId, mine)
    else this.#byPublisher.delete(publisherId)

    const slot = Math.floor(record.entry.expires / EXPIRY_SLOT_S)
    const expiring = this.#byExpiry.get(slot) ?? new Set()
    if (sign === 1) this.#byExpiry.set(slot, expiring.add(record))
    else if (expiring.delete(record) && expiring.size === 0) this.#byExpiry.delete(slot)
  }

  /** Sorted when it is read: many come one after another. */
  #ordered(): RingId[] {
    if (!this.#isSorted) this.#keys.sort()
    this.#isSorted = true
    return this.#keys
  }
}

function isSameValue(entry: Entry, record: StoredEntry): boolean {
  return [entry, record.entry].every(({ kind, isRemoved }) => kind === 'value' && !isRemoved)
}

/** How many of the sorted keys are not above this one. */
function firstAbove(keys: readonly RingId[], key: RingId): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((keys[middle] as RingId) <= key) low = middle + 1
    else high = middle
  }
  return low
}
