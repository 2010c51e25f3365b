import type { Agenda, Appointment } from '../core/agenda.ts'
import { isOwned } from '../core/keyspace.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import { type DirectoryConfig, directoryLimits } from './config.ts'
import { areSame, digestOf, listedOf } from './digests.ts'
import type { StoredEntry } from './entry.ts'
import { fitting } from './entry-codec.ts'
import type { Holder } from './holder.ts'
import type { Answer, Listed, Part, Question } from './messages.ts'
import type { Outbox } from './outbox.ts'
import { isThere } from './owning.ts'
import { type Arc, isIn, type Place } from './place.ts'
import type { Head, RecordStore } from './record-store.ts'
import type { Requests, Unnumbered } from './requests.ts'

/**
 * - `repair`: an owner and one that keeps copies for it become equal.
 * - `handOver`: the other gets what it lacks.
 * - `offer`: likewise, and here is dropped what is there.
 */
export type Purpose = 'repair' | 'handOver' | 'offer'

/** What is still to be done in a comparison, the last one first. */
type Task =
  | { readonly type: 'compare'; readonly arc: Arc; readonly depth: number }
  | { readonly type: 'pull'; readonly arc: Arc; readonly ids: readonly string[] }
  /** Send what of the arc is not listed there. */
  | { readonly type: 'scan'; readonly arc: Arc; readonly theirs: ReadonlyMap<string, Listed> }
  | { readonly type: 'push'; readonly heads: readonly Head[] }

interface Session {
  readonly peer: Peer
  readonly purpose: Purpose
  /** What this node owns and has copies of there; undefined when it is not the owner. */
  readonly claim: Arc | undefined
  readonly salt: number
  /** BOUNDED by maxParts for each of maxDepth splits, and what one listing leads to. */
  readonly tasks: Task[]
  readonly then: (isDone: boolean) => void
  limit: Appointment | undefined
}

/** Heads that a scan gathers before they are sent. */
const GATHERED = 64

/** Comparisons that this node makes with others: one question at a time in each, so that nobody is flooded. */
export class Comparing {
  readonly #config: DirectoryConfig
  readonly #outbox: Outbox
  readonly #agenda: Agenda
  readonly #rng: Rng
  readonly #records: RecordStore
  readonly #holder: Holder
  readonly #place: Place
  readonly #requests: Requests
  readonly #onBrought: () => void
  /** One a peer. BOUNDED by copies, and one offer. */
  readonly #sessions = new Map<Peer, Session>()

  constructor(init: {
    config: DirectoryConfig
    outbox: Outbox
    agenda: Agenda
    rng: Rng
    records: RecordStore
    holder: Holder
    place: Place
    requests: Requests
    /** A replica had something that this node, the owner, had not: the other replicas may lack it too. */
    onBrought: () => void
  }) {
    this.#config = init.config
    this.#outbox = init.outbox
    this.#agenda = init.agenda
    this.#rng = init.rng
    this.#records = init.records
    this.#holder = init.holder
    this.#place = init.place
    this.#requests = init.requests
    this.#onBrought = init.onBrought
  }

  isUnderWay(peer: Peer): boolean {
    return this.#sessions.has(peer)
  }

  /** `then` is called once: with whether it came to its end. A session with the same peer that is under way ends. */
  start(peer: Peer, arc: Arc, purpose: Purpose, then: (isDone: boolean) => void): void {
    const running = this.#sessions.get(peer)
    if (running !== undefined) this.#end(running, false)
    const { now } = this.#outbox
    const session: Session = {
      peer,
      purpose,
      claim: purpose === 'offer' ? undefined : arc,
      salt: this.#rng.uint32(),
      tasks: [{ type: 'compare', arc, depth: 0 }],
      then,
      limit: undefined
    }
    session.limit = this.#agenda.at(now, now + this.#config.sessionMs, () => this.#end(session, false))
    this.#sessions.set(peer, session)
    this.#step(session)
  }

  #step(session: Session): void {
    for (let task = session.tasks.pop(); task !== undefined; task = session.tasks.pop()) {
      // a task that asks goes on when it is answered
      if (this.#begin(session, task)) return
    }
    this.#end(session, true)
  }

  #begin(session: Session, task: Task): boolean {
    switch (task.type) {
      case 'compare':
        this.#compare(session, task.arc, task.depth)
        return true
      case 'pull':
        this.#pull(session, task.arc, task.ids)
        return true
      case 'push':
        return this.#push(session, task.heads)
      case 'scan':
        this.#scan(session, task.arc, task.theirs)
        return false
    }
  }

  #compare(session: Session, arc: Arc, depth: number): void {
    const { salt, claim } = session
    const isOwner = claim !== undefined && depth === 0
    const digest = digestOf(this.#records.arc(arc.from, arc.to), salt)
    const { from, to } = arc
    this.#ask(session, { type: 'compare', salt, isOwner, from, to, digest }, answer => {
      if (answer.type === 'same') {
        // nothing may have come meanwhile
        const isUnchanged = areSame(digest, digestOf(this.#records.arc(from, to), salt))
        if (session.purpose === 'offer' && isUnchanged) this.#drop([...this.#records.arc(from, to)])
      } else if (answer.type === 'listing') {
        this.#onListing(session, arc, answer.records)
      } else if (answer.type === 'parts') {
        return this.#onParts(session, arc, depth, answer.parts)
      }
      return true
    })
  }

  #onParts(session: Session, arc: Arc, depth: number, parts: readonly Part[]): boolean {
    if (!areParts(arc, parts) || depth >= directoryLimits.maxDepth) {
      this.#outbox.penalise(session.peer, 'parts of an arc that are none')
      return false
    }
    let { from } = arc
    for (const part of parts) {
      const sub = { from, to: part.to }
      from = part.to
      if (!areSame(part, digestOf(this.#records.arc(sub.from, sub.to), session.salt))) {
        session.tasks.push({ type: 'compare', arc: sub, depth: depth + 1 })
      } else if (session.purpose === 'offer') this.#drop([...this.#records.arc(sub.from, sub.to)])
    }
    return true
  }

  #onListing(session: Session, arc: Arc, records: readonly Listed[]): void {
    const theirs = new Map(records.map(record => [record.id, record]))
    session.tasks.push({ type: 'scan', arc, theirs })
    if (session.purpose !== 'repair' || theirs.size === 0) return
    const wanted = new Map(theirs)
    for (const head of this.#records.arc(arc.from, arc.to)) {
      const mine = listedOf(head, session.salt)
      const other = wanted.get(mine.id)
      if (other !== undefined && !isNewerListed(other, mine)) wanted.delete(mine.id)
    }
    const ids = [...wanted.keys()]
    for (let i = 0; i < ids.length; i += directoryLimits.maxEntriesInMessage) {
      session.tasks.push({ type: 'pull', arc, ids: ids.slice(i, i + directoryLimits.maxEntriesInMessage) })
    }
  }

  /** Gathers what to push from the beginning of the arc, and leaves the rest of it for later. */
  #scan(session: Session, arc: Arc, theirs: ReadonlyMap<string, Listed>): void {
    const heads: Head[] = []
    const there: Head[] = []
    let last = arc.from
    let isWhole = true
    for (const head of this.#records.arc(arc.from, arc.to)) {
      if (heads.length >= GATHERED && head.key !== last) {
        isWhole = false
        break
      }
      last = head.key
      const mine = theirs.size === 0 ? undefined : listedOf(head, session.salt)
      const other = mine === undefined ? undefined : theirs.get(mine.id)
      if (mine === undefined || other === undefined || isNewerListed(mine, other)) heads.push(head)
      else there.push(head)
    }
    if (!isWhole) session.tasks.push({ type: 'scan', arc: { from: last, to: arc.to }, theirs })
    if (session.purpose === 'offer') this.#drop(there)
    if (heads.length > 0) session.tasks.push({ type: 'push', heads })
  }

  /** @returns whether anything had to be sent */
  #push(session: Session, heads: readonly Head[]): boolean {
    const { claim, tasks } = session
    const there = heads.flatMap(({ key, publisherId }) => this.#records.get(key, publisherId) ?? [])
    const entries = fitting(there.map(({ entry }) => entry))
    if (entries.length === 0) return false
    const sent = there.slice(0, entries.length).map(headOf)
    if (there.length > sent.length) tasks.push({ type: 'push', heads: there.slice(sent.length).map(headOf) })
    const push = { type: 'push', ...(claim === undefined ? {} : { arcFrom: claim.from }), entries } as const
    this.#ask(session, push, answer => {
      if (answer.type !== 'pushed') return false
      const isTaken = answer.outcomes.map(isThere)
      if (session.purpose === 'offer') this.#drop(sent.filter((_, i) => isTaken[i] === true))
      // one that has no room at all, or is not who we take it for, need not be sent the rest
      return answer.outcomes.some(outcome => outcome !== 'full' && outcome !== 'notMine')
    })
    return true
  }

  #pull(session: Session, arc: Arc, ids: readonly string[]): void {
    const { salt, peer } = session
    this.#ask(session, { type: 'pull', salt, ...arc, ids }, answer => {
      if (answer.type !== 'pulled') return false
      const left = new Set(ids)
      let isNew = false
      for (const entry of answer.entries) {
        const publisherId = this.#holder.idOf(entry.publisher)
        const isAsked = left.delete(listedOf({ ...entry, publisherId, hash: '' }, salt).id)
        if (!isAsked || !isIn(arc, entry.key)) {
          this.#outbox.penalise(peer, 'an entry that was not asked for')
          return false
        }
        if (this.#holder.take(entry, peer) === 'stored') isNew = true
      }
      if (isNew) this.#onBrought()
      // it goes on as long as something comes
      if (left.size > 0 && left.size < ids.length) session.tasks.push({ type: 'pull', arc, ids: [...left] })
      return true
    })
  }

  /** `then` returns whether the session goes on. */
  #ask(
    session: Session,
    question: Unnumbered<Extract<Question, { type: 'compare' | 'push' | 'pull' }>>,
    then: (answer: Answer) => boolean
  ): void {
    this.#requests.ask(session.peer, question, this.#config.requestMs, answer => {
      if (this.#sessions.get(session.peer) !== session) return
      if (answer === undefined || answer.type === 'busy' || !then(answer)) this.#end(session, false)
      else this.#step(session)
    })
  }

  /** Only what has not been renewed since, and does not belong here by now; nothing while the ring may still change. */
  #drop(heads: readonly Head[]): void {
    if (this.#place.arcsAtRest(this.#outbox.now, this.#config.graceMs) === undefined) return
    for (const { key, publisherId, hash } of heads) {
      const isUnchanged = this.#records.get(key, publisherId)?.hash === hash
      if (isUnchanged && !this.#place.keeps(key, this.#outbox.now)) this.#records.delete(key, publisherId)
    }
  }

  #end(session: Session, isDone: boolean): void {
    if (this.#sessions.get(session.peer) !== session) return
    this.#sessions.delete(session.peer)
    this.#agenda.cancel(session.limit)
    session.then(isDone)
  }
}

function headOf({ entry, publisherId, hash }: StoredEntry): Head {
  return { key: entry.key, publisherId, seq: entry.seq, hash }
}

function isNewerListed(a: Listed, b: Listed): boolean {
  return a.seq !== b.seq ? a.seq > b.seq : a.hash < b.hash
}

/** Whether they go on from one another through the arc to its end. */
function areParts(arc: Arc, parts: readonly Part[]): boolean {
  let { from } = arc
  for (const { to } of parts) {
    if (to === from || !isOwned(from, to, arc.to)) return false
    from = to
  }
  return parts.length >= 2 && from === arc.to
}
