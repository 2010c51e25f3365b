import type { Agenda, Appointment } from '../core/agenda.ts'
import { DecodeError } from '../core/codec.ts'
import type { RingId } from '../core/keyspace.ts'
import type { Rng } from '../core/rng.ts'
import type { Crypto } from '../core/signing.ts'
import { TokenBucket } from '../core/token-bucket.ts'
import type { Draft, FailureCode } from './commands.ts'
import { type DirectoryConfig, directoryLimits } from './config.ts'
import { type Entry, keyOfValue, maxPayloadBytes, ownContent, ownKey, ownPayload, signedBytes } from './entry.ts'
import { itemsPayload, withItems, withoutItems } from './items.ts'
import type { Outbox } from './outbox.ts'
import type { PutResult, Puts } from './puts.ts'
import type { RecordStore } from './record-store.ts'

/** A command that is told when an entry of at least this seq is stored. */
interface Waiting {
  readonly id: number
  readonly seq: number
}

/** Own entries that are read from the store at once. */
const READ_AHEAD = 64
/** How long this node pauses that has put as fast as others allow, ms. */
const BREATH_MS = 1_000

/** What this node itself says: signed here, kept in the store, brought to its owner, and renewed before it expires. */
export class Published {
  readonly #config: DirectoryConfig
  readonly #outbox: Outbox
  readonly #agenda: Agenda
  readonly #rng: Rng
  readonly #signing: Crypto
  readonly #records: RecordStore
  readonly #puts: Puts
  readonly #selfId: RingId
  readonly #waiting = new Map<RingId, Waiting[]>() // BOUNDED by maxWaiting, counted in #waitingCount
  #waitingCount = 0
  readonly #underWay = new Set<RingId>() // BOUNDED by putsAtOnce
  /** Due, by key. BOUNDED by READ_AHEAD. */
  readonly #ready = new Set<RingId>()
  readonly #pace = new TokenBucket(directoryLimits.ownPuts)
  #next: Appointment | undefined

  constructor(init: {
    config: DirectoryConfig
    outbox: Outbox
    agenda: Agenda
    rng: Rng
    crypto: Crypto
    records: RecordStore
    puts: Puts
    selfId: RingId
  }) {
    this.#config = init.config
    this.#outbox = init.outbox
    this.#agenda = init.agenda
    this.#rng = init.rng
    this.#signing = init.crypto
    this.#records = init.records
    this.#puts = init.puts
    this.#selfId = init.selfId
  }

  put(id: number, draft: Draft): void {
    const { kind } = draft
    if (kind === 'own') {
      this.#publish(id, ownKey(this.#signing, this.#selfId, draft.name), kind, ownPayload(draft.name, draft.content))
    } else {
      const key = kind === 'value' ? keyOfValue(this.#signing, draft.payload) : draft.key
      this.#publish(id, key, kind, draft.payload)
    }
  }

  append(id: number, key: RingId, items: readonly Uint8Array[]): void {
    const old = this.#records.getOwn(key)
    try {
      const isThere = old !== undefined && !old.isRemoved && old.kind === 'member'
      this.#publish(id, key, 'member', isThere ? withItems(old.payload, items) : itemsPayload(items))
    } catch (error) {
      this.#onBadItems(id, key, error)
    }
  }

  remove(id: number, key: RingId, items: readonly Uint8Array[] | undefined): void {
    const old = this.#records.getOwn(key)
    if (old === undefined || old.isRemoved) {
      this.#fail(id, key, 'unknown', false)
      return
    }
    try {
      const left = items === undefined ? undefined : withoutItems(old.payload, items)
      if (left !== undefined) this.#publish(id, key, 'member', left)
      else this.#withdraw(id, old)
    } catch (error) {
      this.#onBadItems(id, key, error)
    }
  }

  /** Begins with what was kept from before, and goes on when there is a place on the ring. */
  resume(): void {
    this.#work()
  }

  #publish(id: number, key: RingId, kind: Entry['kind'], payload: Uint8Array): void {
    if (payload.byteLength > maxPayloadBytes(kind)) {
      this.#fail(id, key, 'tooLarge', false)
      return
    }
    const old = this.#records.getOwn(key)
    if (old === undefined && this.#records.ownCount() >= this.#config.maxPublished) {
      this.#fail(id, key, 'tooMany', false)
      return
    }
    const { lifetimeMs } = this.#config
    this.#keep(id, this.#signed({ key, kind, payload, isRemoved: false }, old, lifetimeMs))
  }

  /** The tombstone counts as long as any holder may still have what it takes back. */
  #withdraw(id: number, old: Entry): void {
    const { key, kind } = old
    const payload =
      kind === 'own' ? old.payload.subarray(0, old.payload.byteLength - ownContent(old.payload).length) : EMPTY
    this.#keep(id, this.#signed({ key, kind, payload, isRemoved: true }, old, directoryLimits.lifetimeMs))
  }

  #keep(id: number, entry: Entry): void {
    if (this.#waitingCount >= directoryLimits.maxWaiting) {
      this.#fail(id, entry.key, 'busy', false)
      return
    }
    // first, since it throws when the disk is full
    this.#records.putOwn(entry, this.#outbox.wallMs)
    const waiting = this.#waiting.get(entry.key) ?? []
    this.#waiting.set(entry.key, waiting)
    waiting.push({ id, seq: entry.seq })
    this.#waitingCount++
    this.#work()
  }

  #signed(
    content: Pick<Entry, 'key' | 'kind' | 'payload' | 'isRemoved'>,
    old: Entry | undefined,
    lifetimeMs: number
  ): Entry {
    const seq = Math.max(this.#outbox.wallMs, (old?.seq ?? 0) + 1)
    const unsigned = { ...content, publisher: this.#outbox.self, seq, expires: Math.floor((seq + lifetimeMs) / 1_000) }
    const signature = this.#signing.sign(signedBytes(this.#config.network, this.#selfId, unsigned))
    return { ...unsigned, signature }
  }

  /** Brings what is due, a few at a time, and comes back when the next is. */
  #work(): void {
    const { wallMs, now } = this.#outbox
    if (this.#ready.size === 0) {
      for (const { key } of this.#records.ownDue(wallMs, READ_AHEAD + this.#underWay.size)) {
        if (!this.#underWay.has(key)) this.#ready.add(key)
      }
    }
    let isTooFast = false
    for (const key of this.#ready) {
      if (this.#underWay.size >= this.#config.putsAtOnce) break
      isTooFast = !this.#pace.take(now)
      if (isTooFast) break
      this.#ready.delete(key)
      const entry = this.#records.getOwn(key)
      if (entry !== undefined && !this.#underWay.has(key)) this.#bring(entry)
    }
    this.#agenda.cancel(this.#next)
    this.#next = undefined
    const dueMs = isTooFast ? wallMs + BREATH_MS : this.#records.nextOwnDue()
    // while something is under way its end is the next occasion
    if (dueMs !== undefined && this.#underWay.size === 0) {
      this.#next = this.#agenda.at(now, now + Math.max(dueMs - wallMs, 1), () => this.#work())
    }
  }

  #bring(kept: Entry): void {
    const { wallMs } = this.#outbox
    if (kept.isRemoved && kept.expires * 1_000 <= wallMs) {
      this.#records.deleteOwn(kept.key)
      return
    }
    let entry = kept
    if (!kept.isRemoved && wallMs - kept.seq > this.#config.lifetimeMs / 4) {
      entry = this.#signed(kept, kept, this.#config.lifetimeMs)
      this.#records.putOwn(entry, wallMs)
    }
    this.#underWay.add(entry.key)
    this.#puts.put(entry, result => this.#onBrought(entry, result))
  }

  #onBrought(entry: Entry, result: PutResult): void {
    const { key } = entry
    this.#underWay.delete(key)
    this.#settle(entry, result)
    // one that was replaced meanwhile is due already
    if (this.#records.getOwn(key)?.seq === entry.seq) this.#records.putOwn(entry, this.#nextDue(entry, result))
    this.#work()
  }

  #nextDue(entry: Entry, result: PutResult): number {
    const { lifetimeMs, retryMs, refusedRetryMs } = this.#config
    const { wallMs } = this.#outbox
    if (result.type === 'stored') {
      return entry.isRemoved ? entry.expires * 1_000 : entry.seq + lifetimeMs * (0.375 + this.#rng.unit() / 8)
    }
    return wallMs + (SOON.includes(result.code) ? retryMs : refusedRetryMs) * (0.5 + this.#rng.unit())
  }

  #settle({ key, seq }: Entry, result: PutResult): void {
    const waiting = this.#waiting.get(key) ?? []
    const later = waiting.filter(one => one.seq > seq)
    this.#waitingCount -= waiting.length - later.length
    if (later.length > 0) this.#waiting.set(key, later)
    else this.#waiting.delete(key)
    for (const { id, seq: its } of waiting) {
      if (its > seq) continue
      if (result.type === 'stored') this.#outbox.tell({ type: 'stored', id, key, copies: result.copies })
      else this.#fail(id, key, result.code, true)
    }
  }

  #onBadItems(id: number, key: RingId, error: unknown): void {
    if (error instanceof DecodeError) this.#fail(id, key, 'notASet', false)
    else if (error instanceof RangeError) this.#fail(id, key, 'tooLarge', false)
    else throw error
  }

  #fail(id: number, key: RingId, code: FailureCode, willRetry: boolean): void {
    this.#outbox.tell({ type: 'failed', id, key, code, willRetry })
  }
}

/** Failures that are over sooner than those that come of a lack of room. */
const SOON: readonly FailureCode[] = ['unreachable', 'unsettled', 'tooOften']
const EMPTY = new Uint8Array()
