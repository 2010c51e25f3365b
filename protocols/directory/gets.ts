import type { Agenda } from '../core/agenda.ts'
import type { RingId } from '../core/keyspace.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import type { FailureCode, Found } from './commands.ts'
import { type DirectoryConfig, directoryLimits } from './config.ts'
import { isNewer, type StoredEntry } from './entry.ts'
import { fitting } from './entry-codec.ts'
import type { Holder } from './holder.ts'
import type { Lookups } from './lookups.ts'
import type { Outbox } from './outbox.ts'
import type { Requests } from './requests.ts'

/** One get of the application. */
interface Get {
  readonly id: number
  readonly key: RingId
  readonly isCareful: boolean
  attempt: number
  /** The nodes of the present attempt. */
  found: Found
  /** Replicas that have not been asked yet, in random order. BOUNDED by maxReplicas. */
  unasked: Peer[]
  hasReplicas: boolean
  /** Answers that are waited for. */
  waiting: number
  ownerSaid: boolean
  replicaSaid: boolean
  isHot: boolean
  /** The newest of each publisher. BOUNDED by the answers of the owner and its replicas. */
  readonly merged: Map<RingId, StoredEntry>
  /** How many there are, as the owner says, or else the replica that has most. */
  total: number
  isDone: boolean
}

const NOWHERE: Found = { owner: '' as Peer, replicas: [] }

/** Finds what lies under a key, also when the owner is gone or hides it. */
export class Gets {
  readonly #config: DirectoryConfig
  readonly #outbox: Outbox
  readonly #agenda: Agenda
  readonly #rng: Rng
  readonly #lookups: Lookups
  readonly #requests: Requests
  readonly #holder: Holder
  #running = 0

  constructor(init: {
    config: DirectoryConfig
    outbox: Outbox
    agenda: Agenda
    rng: Rng
    lookups: Lookups
    requests: Requests
    holder: Holder
  }) {
    this.#config = init.config
    this.#outbox = init.outbox
    this.#agenda = init.agenda
    this.#rng = init.rng
    this.#lookups = init.lookups
    this.#requests = init.requests
    this.#holder = init.holder
  }

  start(id: number, key: RingId, isCareful: boolean): void {
    if (this.#running >= this.#config.maxGets) {
      this.#outbox.tell({ type: 'failed', id, key, code: 'busy', willRetry: false })
      return
    }
    this.#running++
    const get: Get = {
      id,
      key,
      isCareful,
      attempt: 1,
      found: NOWHERE,
      unasked: [],
      hasReplicas: false,
      waiting: 0,
      ownerSaid: false,
      replicaSaid: false,
      isHot: false,
      merged: new Map(),
      total: 0,
      isDone: false
    }
    this.#look(get, !isCareful)
  }

  #look(get: Get, mayBeCached: boolean): void {
    const how = get.isCareful ? 'careful' : mayBeCached ? 'orCached' : 'usual'
    this.#lookups.find(get.key, how, found => {
      if (found === undefined) return this.#again(get, 'unreachable')
      if (found.isCached === true)
        return mayBeCached ? this.#askCached(get, found.owner) : this.#again(get, 'unsettled')
      const { owner, replicas } = found
      const others = replicas.slice(0, this.#config.copies - 1).filter(replica => replica !== owner)
      get.found = found
      get.unasked = this.#rng.sample(new Set(others), others.length)
      get.hasReplicas = others.length > 0
      get.ownerSaid = get.replicaSaid = false
      get.waiting = 1
      if (get.isCareful) this.#askReplicas(get, 1)
      this.#ask(get, owner)
    })
  }

  /** A copy on the way; when it is gone by now, the owner is looked up. */
  #askCached(get: Get, holder: Peer): void {
    this.#requests.ask(holder, { type: 'fetch', key: get.key, isCached: true }, this.#config.requestMs, answer => {
      const entries = answer?.type === 'fetched' ? answer.entries : []
      const records = this.#holder.verified(get.key, entries, holder) ?? []
      if (answer?.type !== 'fetched' || !records.some(({ entry }) => !entry.isRemoved)) return this.#look(get, false)
      get.total = answer.total
      this.#merge(get, records)
      this.#finish(get, false)
    })
  }

  #askReplicas(get: Get, count: number): void {
    const asked = get.unasked.splice(0, count)
    get.waiting += asked.length
    for (const replica of asked) this.#ask(get, replica)
  }

  #ask(get: Get, peer: Peer): void {
    const isOwner = peer === get.found.owner
    const { attempt } = get
    this.#requests.ask(peer, { type: 'fetch', key: get.key, isCached: false }, this.#config.requestMs, answer => {
      if (get.isDone || get.attempt !== attempt) return
      get.waiting--
      if (answer?.type === 'fetched') {
        const records = this.#holder.verified(get.key, answer.entries, peer)
        if (records !== undefined) {
          if (isOwner) get.total = answer.total
          else if (!get.ownerSaid) get.total = Math.max(get.total, answer.total)
          this.#merge(get, records)
          if (answer.isMine && isOwner) get.ownerSaid = true
          if (answer.isMine && !isOwner) get.replicaSaid = true
          if (answer.isHot && isOwner) get.isHot = true
        }
      }
      this.#decide(get)
    })
  }

  #decide(get: Get): void {
    const hasFound = get.merged.size > 0
    if (get.waiting > 0) {
      if (hasFound && get.ownerSaid && !get.isCareful) this.#finish(get, true)
      return
    }
    if (get.unasked.length > 0 && !(hasFound ? get.ownerSaid || get.replicaSaid : get.ownerSaid && get.replicaSaid)) {
      // one that agrees is enough for an owner that says there is nothing
      this.#askReplicas(get, get.ownerSaid ? 1 : this.#config.getParallel)
      return
    }
    if (get.isCareful && !hasFound && get.unasked.length > 0) {
      this.#askReplicas(get, this.#config.getParallel)
      return
    }
    if (hasFound) {
      this.#finish(get, get.ownerSaid)
      return
    }
    if (get.ownerSaid) {
      this.#finish(get, get.replicaSaid || !get.hasReplicas)
      return
    }
    // replicas know of nothing, but the owner may
    if (get.attempt < this.#config.attempts) {
      this.#again(get, 'unreachable')
      return
    }
    if (get.replicaSaid) this.#finish(get, false)
    else this.#fail(get, 'unreachable')
  }

  #merge(get: Get, records: readonly StoredEntry[]): void {
    for (const record of records) {
      const known = get.merged.get(record.publisherId)
      const isBetter =
        known === undefined || isNewer({ ...record.entry, hash: record.hash }, { ...known.entry, hash: known.hash })
      if (isBetter) get.merged.set(record.publisherId, record)
    }
  }

  #finish(get: Get, isConfirmed: boolean): void {
    const { id, key, found } = get
    get.isDone = true
    this.#running--
    const live = [...get.merged.values()].map(({ entry }) => entry).filter(({ isRemoved }) => !isRemoved)
    const entries = this.#rng.sample(live, directoryLimits.maxEntriesInMessage)
    const total = Math.max(live.length, get.total)
    this.#outbox.tell({ type: 'got', id, key, entries, total, isComplete: isConfirmed && entries.length >= total })
    const { via, owner, replicas } = found
    const keepers = [this.#outbox.self, owner, ...replicas.slice(0, this.#config.copies - 1)]
    if (get.isHot && live.length > 0 && via !== undefined && !keepers.includes(via)) {
      this.#outbox.send(via, { type: 'cache', key, total: Math.min(total, 0xffff), entries: fitting(entries) })
    }
  }

  #again(get: Get, code: FailureCode): void {
    if (get.attempt >= this.#config.attempts) {
      this.#fail(get, code)
      return
    }
    const { now } = this.#outbox
    const pauseMs = this.#config.pauseMs * 2 ** (get.attempt - 1)
    get.attempt++
    this.#agenda.at(now, now + pauseMs, () => this.#look(get, false))
  }

  #fail(get: Get, code: FailureCode): void {
    get.isDone = true
    this.#running--
    this.#outbox.tell({ type: 'failed', id: get.id, key: get.key, code, willRetry: false })
  }
}
