import type { Agenda, Appointment } from '../core/agenda.ts'
import type { Peer } from '../core/peer.ts'
import { directoryLimits } from './config.ts'
import type { Answer, DirectoryMessage, Question } from './messages.ts'
import type { Outbox } from './outbox.ts'

/** A message before it has got its number. */
export type Unnumbered<T> = T extends { readonly id: number } ? Omit<T, 'id'> : never

interface Waiting {
  readonly peer: Peer
  readonly question: Question['type']
  readonly then: (answer: Answer | undefined) => void
  readonly limit: Appointment
}

/** What answers what. */
const ANSWERS: Record<Question['type'], readonly Answer['type'][]> = {
  store: ['stored', 'busy'],
  fetch: ['fetched', 'busy'],
  push: ['pushed', 'busy'],
  compare: ['same', 'listing', 'parts', 'busy'],
  pull: ['pulled', 'busy']
}

/** Questions to peers that are not answered yet. */
export class Requests {
  readonly #outbox: Outbox
  readonly #agenda: Agenda
  readonly #waiting = new Map<number, Waiting>() // BOUNDED by maxRequests
  #lastId: number

  constructor(init: { outbox: Outbox; agenda: Agenda; firstId: number }) {
    this.#outbox = init.outbox
    this.#agenda = init.agenda
    this.#lastId = init.firstId
  }

  /** There is room for what strangers cause, and as much is left for ourselves. */
  get hasRoomForOthers(): boolean {
    return this.#waiting.size < directoryLimits.maxRequests / 2
  }

  /** `then` is called once: with the answer, or with nothing when there is none in time or the peer is gone. */
  ask(to: Peer, question: Unnumbered<Question>, limitMs: number, then: (answer: Answer | undefined) => void): void {
    const { now } = this.#outbox
    if (this.#waiting.size >= directoryLimits.maxRequests) {
      this.#agenda.at(now, now, () => then(undefined))
      return
    }
    const id = (this.#lastId = (this.#lastId + 1) >>> 0)
    const limit = this.#agenda.at(now, now + limitMs, () => this.#end(id, undefined))
    this.#waiting.set(id, { peer: to, question: question.type, then, limit })
    this.#outbox.send(to, { ...question, id } as DirectoryMessage)
  }

  /** One that nobody waits for may only be late: no misdeed. */
  onAnswer(from: Peer, answer: Answer): void {
    const waiting = this.#waiting.get(answer.id)
    if (waiting?.peer === from && ANSWERS[waiting.question].includes(answer.type)) this.#end(answer.id, answer)
  }

  onPeerDown(peer: Peer): void {
    const lost = [...this.#waiting].filter(([, waiting]) => waiting.peer === peer)
    for (const [id] of lost) this.#end(id, undefined)
  }

  #end(id: number, answer: Answer | undefined): void {
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return
    this.#waiting.delete(id)
    this.#agenda.cancel(waiting.limit)
    waiting.then(answer)
  }
}
