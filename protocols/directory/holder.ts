import type { RingId } from '../core/keyspace.ts'
import type { Peer } from '../core/peer.ts'
import type { Crypto } from '../core/signing.ts'
import type { DirectoryConfig } from './config.ts'
import {
  type Entry,
  idHex,
  isNewer,
  type Misdeed,
  misdeedOf,
  type StoredEntry,
  signedBytes,
  untimelinessOf
} from './entry.ts'
import type { Outcome } from './messages.ts'
import type { Outbox } from './outbox.ts'
import type { Place } from './place.ts'
import { refusalOf } from './quotas.ts'
import type { RecordStore } from './record-store.ts'

/** What is taken into the store, and what is believed of what others say. */
export class Holder {
  readonly #outbox: Outbox
  readonly #records: RecordStore
  readonly #signing: Crypto
  readonly idOf: (peer: Peer) => RingId
  readonly #config: DirectoryConfig
  readonly #place: Place

  constructor(init: {
    outbox: Outbox
    records: RecordStore
    crypto: Crypto
    idOf: (peer: Peer) => RingId
    config: DirectoryConfig
    place: Place
  }) {
    this.#outbox = init.outbox
    this.#records = init.records
    this.#signing = init.crypto
    this.idOf = init.idOf
    this.#config = init.config
    this.#place = init.place
  }

  /** Keeps an entry if it is right, newer than what is there, and there is room. Who brings a wrong one is penalised. */
  take(entry: Entry, from: Peer): Outcome {
    const { record, bytes } = this.#recordOf(entry)
    const existing = this.#records.get(entry.key, record.publisherId)
    if (existing?.hash === record.hash) return 'same'
    const misdeed = misdeedOf(entry, record.publisherId, this.#signing)
    if (misdeed !== undefined) return this.#misdeed(from, misdeed)
    const untimely = untimelinessOf(entry, this.#outbox.wallMs)
    if (untimely !== undefined) return untimely
    if (existing !== undefined && !isNewer({ ...entry, hash: record.hash }, { ...existing.entry, hash: existing.hash }))
      return 'old'
    const isOwner = this.#place.owns(entry.key)
    const refusal = refusalOf(this.#records, this.#config, entry, record.publisherId, existing, isOwner)
    if (refusal !== undefined) return refusal
    if (!this.#signing.verify(entry.publisher, bytes, entry.signature)) return this.#misdeed(from, 'forged')
    this.#records.put(record)
    return 'stored'
  }

  /**
   * The entries of an answer that are right and count now; undefined when one is wrong, for which the sender is
   * penalised: it must have looked at what it gives out.
   */
  verified(key: RingId, entries: readonly Entry[], from: Peer): StoredEntry[] | undefined {
    const records: StoredEntry[] = []
    for (const entry of entries) {
      const { record, bytes } = this.#recordOf(entry)
      const misdeed = entry.key === key ? this.#misdeedOf(record, bytes) : 'wrongKey'
      if (misdeed !== undefined) {
        this.#misdeed(from, misdeed)
        return undefined
      }
      if (untimelinessOf(entry, this.#outbox.wallMs) === undefined) records.push(record)
    }
    return records
  }

  /** What lies under the key and counts now, the removed ones too. */
  at(key: RingId): StoredEntry[] {
    return this.#records.at(key).filter(({ entry }) => untimelinessOf(entry, this.#outbox.wallMs) !== 'expired')
  }

  #recordOf(entry: Entry): { record: StoredEntry; bytes: Uint8Array } {
    const publisherId = this.idOf(entry.publisher)
    const bytes = signedBytes(this.#config.network, publisherId, entry)
    return { record: { entry, publisherId, hash: idHex(this.#signing.sha256(bytes)) }, bytes }
  }

  #misdeedOf(record: StoredEntry, bytes: Uint8Array): Misdeed | undefined {
    const { entry, publisherId, hash } = record
    if (this.#records.get(entry.key, publisherId)?.hash === hash) return undefined
    const misdeed = misdeedOf(entry, publisherId, this.#signing)
    return misdeed ?? (this.#signing.verify(entry.publisher, bytes, entry.signature) ? undefined : 'forged')
  }

  #misdeed(from: Peer, misdeed: Misdeed): Misdeed {
    this.#outbox.penalise(from, `an entry that is ${MISDEEDS[misdeed]}`)
    return misdeed
  }
}

const MISDEEDS: Record<Misdeed, string> = {
  tooLarge: 'too large',
  tooLong: 'to count for too long',
  wrongKey: 'not of its key',
  forged: 'not signed by its publisher'
}
