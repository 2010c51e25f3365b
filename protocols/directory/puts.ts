import type { Agenda } from '../core/agenda.ts'
import { isBetween, type RingId } from '../core/keyspace.ts'
import type { Peer } from '../core/peer.ts'
import type { FailureCode } from './commands.ts'
import type { DirectoryConfig } from './config.ts'
import type { Entry } from './entry.ts'
import type { Lookups } from './lookups.ts'
import type { Outbox } from './outbox.ts'
import { isThere } from './owning.ts'
import type { Requests } from './requests.ts'

export type PutResult =
  | { readonly type: 'stored'; readonly copies: number }
  | { readonly type: 'failed'; readonly code: FailureCode }

/** Brings an entry to the owner of its key. */
export class Puts {
  readonly #config: DirectoryConfig
  readonly #outbox: Outbox
  readonly #agenda: Agenda
  readonly #lookups: Lookups
  readonly #requests: Requests
  readonly #idOf: (peer: Peer) => RingId

  constructor(init: {
    config: DirectoryConfig
    outbox: Outbox
    agenda: Agenda
    lookups: Lookups
    requests: Requests
    idOf: (peer: Peer) => RingId
  }) {
    this.#config = init.config
    this.#outbox = init.outbox
    this.#agenda = init.agenda
    this.#lookups = init.lookups
    this.#requests = init.requests
    this.#idOf = init.idOf
  }

  /** `then` is called once. */
  put(entry: Entry, then: (result: PutResult) => void): void {
    this.#attempt(entry, 1, then)
  }

  #attempt(entry: Entry, attempt: number, then: (result: PutResult) => void): void {
    const { isCareful, copies } = this.#config
    this.#lookups.find(entry.key, isCareful ? 'careful' : 'usual', found => {
      if (found === undefined) return this.#again(entry, attempt, 'unreachable', then)
      const { owner, replicas } = found
      if (!isCareful) return this.#store(owner, entry, attempt, true, then)
      this.#store(owner, entry, attempt, true, result => {
        const others = replicas.slice(0, copies - 1).filter(replica => replica !== owner)
        this.#copy(entry, others, result, then)
      })
    })
  }

  /** The owner may have thrown it away: the replicas get it from here as well, and only what they say counts. */
  #copy(entry: Entry, replicas: readonly Peer[], stored: PutResult, then: (result: PutResult) => void): void {
    let waiting = replicas.length
    let copies = 0
    const end = (): void => {
      if (stored.type === 'stored') then({ type: 'stored', copies: copies + 1 })
      else then(copies > 0 ? { type: 'stored', copies } : stored)
    }
    if (waiting === 0) {
      then(stored)
      return
    }
    for (const replica of replicas) {
      this.#requests.ask(replica, { type: 'push', entries: [entry] }, this.#config.requestMs, answer => {
        if (answer?.type === 'pushed' && answer.outcomes.some(isThere)) copies++
        if (--waiting === 0) end()
      })
    }
  }

  #store(owner: Peer, entry: Entry, attempt: number, followsHint: boolean, then: (result: PutResult) => void): void {
    const { requestMs, replicateMs } = this.#config
    this.#requests.ask(owner, { type: 'store', entry }, requestMs + replicateMs, answer => {
      if (answer === undefined) return this.#again(entry, attempt, 'unreachable', then)
      if (answer.type !== 'stored') return then({ type: 'failed', code: 'tooOften' })
      const { outcome, copies, hint } = answer
      if (outcome === 'stored' || outcome === 'same') return then({ type: 'stored', copies })
      if (outcome !== 'notMine') return then({ type: 'failed', code: outcome })
      // the ring knows nothing yet of the owner's new predecessor: the owner does
      if (followsHint && hint !== undefined && hint !== owner && this.#isBefore(entry.key, hint, owner)) {
        return this.#store(hint, entry, attempt, false, then)
      }
      this.#again(entry, attempt, 'unsettled', then)
    })
  }

  /** Whether the key lies before the arc from the hint to the owner. */
  #isBefore(key: RingId, hint: Peer, owner: Peer): boolean {
    return key === this.#idOf(hint) || isBetween(this.#idOf(owner), key, this.#idOf(hint))
  }

  #again(entry: Entry, attempt: number, code: FailureCode, then: (result: PutResult) => void): void {
    if (attempt >= this.#config.attempts) {
      then({ type: 'failed', code })
      return
    }
    const pauseMs = this.#config.pauseMs * 2 ** (attempt - 1)
    const { now } = this.#outbox
    this.#agenda.at(now, now + pauseMs, () => this.#attempt(entry, attempt + 1, then))
  }
}
