import { BoundedMap } from '../core/bounded-map.ts'
import type { RingId } from '../core/keyspace.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import { TokenBucket } from '../core/token-bucket.ts'
import type { Cache } from './cache.ts'
import { type DirectoryConfig, directoryLimits } from './config.ts'
import type { Entry, StoredEntry } from './entry.ts'
import { fitting } from './entry-codec.ts'
import type { Holder } from './holder.ts'
import type { DirectoryMessage, Outcome } from './messages.ts'
import type { Outbox } from './outbox.ts'
import type { Place } from './place.ts'
import type { Rates } from './quotas.ts'
import type { Requests } from './requests.ts'

type Message<T extends DirectoryMessage['type']> = Extract<DirectoryMessage, { type: T }>

/** Whether an entry, or a newer one, is there now. */
export function isThere(outcome: Outcome): boolean {
  return outcome === 'stored' || outcome === 'same' || outcome === 'old'
}

/** What this node does for others as the owner of keys, or as one that keeps copies for an owner. */
export class Owning {
  readonly #config: DirectoryConfig
  readonly #outbox: Outbox
  readonly #rng: Rng
  readonly #holder: Holder
  readonly #place: Place
  readonly #rates: Rates
  readonly #requests: Requests
  readonly #cache: Cache
  readonly #onBrought: () => void
  readonly #heat = new BoundedMap<RingId, TokenBucket>(directoryLimits.maxWatched)

  constructor(init: {
    config: DirectoryConfig
    outbox: Outbox
    rng: Rng
    holder: Holder
    place: Place
    rates: Rates
    requests: Requests
    cache: Cache
    /** Somebody has brought an entry that this node owns and did not have. */
    onBrought: () => void
  }) {
    this.#config = init.config
    this.#outbox = init.outbox
    this.#rng = init.rng
    this.#holder = init.holder
    this.#place = init.place
    this.#rates = init.rates
    this.#requests = init.requests
    this.#cache = init.cache
    this.#onBrought = init.onBrought
  }

  onStore(from: Peer, { id, entry }: Message<'store'>): void {
    const refuse = (outcome: Outcome): void => this.#outbox.send(from, { type: 'stored', id, outcome, copies: 0 })
    if (!this.#rates.take(from, 'puts', this.#outbox.now)) {
      this.#refuse(from, id)
      return
    }
    if (!this.#place.owns(entry.key)) {
      const { predecessor } = this.#place
      if (predecessor === undefined) {
        refuse('notMine')
        return
      }
      this.#outbox.send(from, { type: 'stored', id, outcome: 'notMine', copies: 0, hint: predecessor })
      return
    }
    if (from !== this.#outbox.self && !this.#requests.hasRoomForOthers) {
      refuse('tooOften')
      return
    }
    const outcome = this.#holder.take(entry, from)
    if (outcome !== 'stored' && outcome !== 'same') {
      refuse(outcome)
      return
    }
    this.#replicate(entry, copies => this.#outbox.send(from, { type: 'stored', id, outcome, copies }))
  }

  onPush(from: Peer, { id, arcFrom, entries }: Message<'push'>): void {
    const { now } = this.#outbox
    if (!this.#rates.take(from, 'pushes', now, entries.length)) {
      this.#refuse(from, id)
      return
    }
    if (arcFrom !== undefined) this.#place.onClaim(from, arcFrom, now)
    const outcomes = entries.map(entry =>
      this.#place.takesFrom(from, entry.key) || (arcFrom === undefined && this.#place.isNear(entry.key))
        ? this.#holder.take(entry, from)
        : 'notMine'
    )
    if (entries.some(({ key }, i) => outcomes[i] === 'stored' && this.#place.owns(key))) this.#onBrought()
    this.#outbox.send(from, { type: 'pushed', id, outcomes })
  }

  onFetch(from: Peer, { id, key, isCached }: Message<'fetch'>): void {
    const { now } = this.#outbox
    if (!this.#rates.take(from, 'gets', now)) {
      this.#refuse(from, id)
      return
    }
    const cached = isCached ? this.#cache.get(key, now) : undefined
    if (cached !== undefined) {
      const { total, entries } = cached
      this.#outbox.send(from, { type: 'fetched', id, isMine: false, isHot: false, total, entries })
      return
    }
    const isMine = this.#place.keeps(key, now)
    const records = this.#holder.at(key)
    const isHot = this.#place.owns(key) && records.length > 0 && this.#isHot(key)
    this.#outbox.send(from, { type: 'fetched', id, isMine, isHot, ...this.#some(records) })
  }

  /** Answers that it is too much, and penalises one that does not care. */
  #refuse(from: Peer, id: number): void {
    refuseBusy(this.#outbox, this.#rates, from, id)
  }

  /** `then` gets how many nodes have it, this one included. */
  #replicate(entry: Entry, then: (copies: number) => void): void {
    const { replicas, arc } = this.#place
    let waiting = replicas.length
    let copies = 1
    if (waiting === 0 || arc === undefined) {
      then(copies)
      return
    }
    for (const replica of replicas) {
      const push = { type: 'push', arcFrom: arc.from, entries: [entry] } as const
      this.#requests.ask(replica, push, this.#config.replicateMs, answer => {
        if (answer?.type === 'pushed' && answer.outcomes.some(isThere)) copies++
        if (--waiting === 0) then(copies)
      })
    }
  }

  /**
   * A random choice of what there is. Values of one key are all the same: one is enough. What was taken back comes last;
   * it is for those who get older answers from others.
   */
  #some(records: StoredEntry[]): { total: number; entries: Entry[] } {
    const drawn = this.#rng.sample(records, records.length).map(({ entry }) => entry)
    const live = drawn.filter(({ isRemoved }) => !isRemoved)
    const value = live.find(({ kind }) => kind === 'value')
    const different = live.filter(entry => entry.kind !== 'value' || entry === value)
    const removed = drawn.filter(({ isRemoved }) => isRemoved)
    return { total: different.length, entries: fitting([...different, ...removed]) }
  }

  #isHot(key: RingId): boolean {
    const bucket = this.#heat.get(key) ?? new TokenBucket(this.#config.hot)
    this.#heat.set(key, bucket)
    return !bucket.take(this.#outbox.now)
  }
}

export function refuseBusy(outbox: Outbox, rates: Rates, from: Peer, id: number): void {
  if (rates.take(from, 'refusals', outbox.now)) outbox.send(from, { type: 'busy', id })
  else outbox.penalise(from, 'goes on asking though it is told that it does so too often')
}
