import type { Infohash } from '../core/ids.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import type { Agenda, Appointment } from './agenda.ts'
import type { FailureCode } from './commands.ts'
import { type BrokerConfig, brokerLimits } from './config.ts'
import type { KnownBrokers } from './known-brokers.ts'
import type { BrokerMessage, OrderOutcome } from './messages.ts'
import { isOver, misdeedOf, type Order } from './order.ts'
import type { Outbox } from './outbox.ts'
import type { Signing } from './signing.ts'
import type { BrokerStore, Owned } from './store.ts'

type Message<T extends BrokerMessage['type']> = Extract<BrokerMessage, { type: T }>

interface Mine {
  owned: Owned
  /** What the brokers said to this order. BOUNDED by those it was sent to. */
  readonly answers: Map<Peer, OrderOutcome | 'none'>
  retry: Appointment | undefined
  /** Said last, so that it is not said again. */
  failure: FailureCode | undefined
}

const utf8 = new TextEncoder()

/** This node's own orders: that brokers have them, and what they say of them. */
export class Owning {
  readonly #config: BrokerConfig
  readonly #outbox: Outbox
  readonly #agenda: Agenda
  readonly #rng: Rng
  readonly #brokers: KnownBrokers
  readonly #signing: Signing
  readonly #store: BrokerStore
  readonly #mine = new Map<Infohash, Mine>() // BOUNDED by maxOwned and, with those dropped, twice as many
  /** Orders that are still to be sent, each once. BOUNDED by #mine. */
  readonly #queue = new Set<Mine>()
  #isSending = false

  constructor(init: {
    config: BrokerConfig
    outbox: Outbox
    agenda: Agenda
    rng: Rng
    brokers: KnownBrokers
    signing: Signing
    store: BrokerStore
  }) {
    this.#config = init.config
    this.#outbox = init.outbox
    this.#agenda = init.agenda
    this.#rng = init.rng
    this.#brokers = init.brokers
    this.#signing = init.signing
    this.#store = init.store
    for (const owned of this.#store.readOwned()) this.#mine.set(owned.order.infohash, newMine(owned))
  }

  /** What this node has ordered and not dropped. */
  list(): Owned[] {
    return [...this.#mine.values()].map(({ owned }) => owned).filter(({ order }) => order.copies > 0)
  }

  start(): void {
    const { refreshMs } = this.#config
    this.#agenda.at(this.#outbox.now, this.#outbox.now + refreshMs * (0.75 + this.#rng.unit() / 2), () => {
      this.#refresh()
      this.start()
    })
  }

  put(infohash: Infohash, size: number, copies: number, name: string): void {
    const before = this.#mine.get(infohash)
    if (before === undefined && this.#mine.size >= this.#config.maxOwned) {
      this.#fail(infohash, 'tooMany', `more than ${this.#config.maxOwned} orders`, false)
      return
    }
    const draft = this.#draft(infohash, size, copies)
    const misdeed = misdeedOf({ ...draft, signature: new Uint8Array() })
    if (misdeed !== undefined || !(copies >= 1) || utf8.encode(name).byteLength > brokerLimits.maxNameBytes) {
      this.#fail(infohash, 'invalid', misdeed ?? 'a name that is too long, or no copies', false)
      return
    }
    this.#replace(infohash, { order: this.#signing.order(draft), name, isSettled: false })
  }

  drop(infohash: Infohash): void {
    const mine = this.#mine.get(infohash)
    if (mine === undefined) {
      this.#fail(infohash, 'unknown', 'nothing was ordered', false)
      return
    }
    const { order, name } = mine.owned
    const draft = this.#draft(infohash, order.size, 0)
    this.#replace(infohash, { order: this.#signing.order(draft), name, isSettled: false })
  }

  ask(infohash: Infohash | undefined): void {
    if (infohash === undefined) {
      const brokers = new Set([...this.#mine.keys()].flatMap(one => this.#brokersOf(one)))
      for (const broker of brokers) this.#outbox.send(broker, { type: 'ask' })
    } else {
      for (const broker of this.#brokersOf(infohash)) this.#outbox.send(broker, { type: 'ask', infohash })
    }
  }

  /** An order of this node that a broker has and this node has not, or only an older one. */
  adopt(order: Order): boolean {
    const mine = this.#mine.get(order.infohash)
    if (mine !== undefined && mine.owned.order.seq >= order.seq) return false
    if (mine === undefined && this.#mine.size >= this.#config.maxOwned) return false
    this.#replace(order.infohash, { order, name: mine?.owned.name ?? '', isSettled: false })
    return order.copies > 0
  }

  onBrokers(): void {
    for (const mine of this.#mine.values()) this.#enqueue(mine)
  }

  onPeerUp(peer: Peer): void {
    for (const mine of this.#mine.values()) {
      if (mine.answers.get(peer) === 'none') this.#enqueue(mine)
    }
  }

  onOrdered(from: Peer, { infohash, owner, seq, outcome }: Message<'ordered'>): void {
    const mine = this.#mine.get(infohash)
    if (mine === undefined || owner !== this.#outbox.self || seq < mine.owned.order.seq) return
    if (!mine.answers.has(from)) return
    mine.answers.set(from, outcome)
    this.#judge(mine)
  }

  onStatus(from: Peer, status: Message<'status'>): void {
    const { infohash, seq, wanted, isCrowded, problem, missingBytes, hosts } = status
    const mine = this.#mine.get(infohash)
    if (mine === undefined || seq !== mine.owned.order.seq || !mine.answers.has(from)) return
    this.#outbox.tell({
      type: 'copies',
      infohash,
      hosts,
      wanted,
      broker: from,
      isCrowded,
      ...(problem === undefined ? {} : { problem, missingBytes })
    })
    if (problem !== undefined) {
      const missing = problem === 'noRoom' ? { missingBytes } : {}
      this.#failOnce(mine, problem, PROBLEMS[problem], missing)
    } else if (mine.failure !== undefined) mine.failure = undefined
    const held = hosts.filter(({ state }) => state === 'held').length
    if (mine.owned.isSettled) return
    if (wanted === 0 && hosts.length === 0) this.#settle(mine, { type: 'dropped', infohash })
    else if (wanted > 0 && held >= wanted) this.#settle(mine, { type: 'placed', infohash, copies: held })
  }

  #settle(
    mine: Mine,
    event: { type: 'dropped'; infohash: Infohash } | { type: 'placed'; infohash: Infohash; copies: number }
  ): void {
    mine.owned = { ...mine.owned, isSettled: true }
    this.#store.putOwned(mine.owned)
    this.#outbox.tell(event)
  }

  #draft(infohash: Infohash, size: number, copies: number): Omit<Order, 'signature'> {
    const { self, wallMs } = this.#outbox
    // a clock that was set back must not make a newer order look older
    const seq = Math.max(wallMs, (this.#mine.get(infohash)?.owned.order.seq ?? 0) + 1)
    return { owner: self, infohash, size, copies, seq, expires: Math.floor((seq + this.#config.lifetimeMs) / 1_000) }
  }

  #replace(infohash: Infohash, owned: Owned): void {
    const before = this.#mine.get(infohash)
    if (before !== undefined) {
      this.#agenda.cancel(before.retry)
      this.#queue.delete(before)
    }
    const mine = newMine(owned)
    this.#store.putOwned(owned)
    this.#mine.set(infohash, mine)
    this.#send(mine)
  }

  #brokersOf(infohash: Infohash): Peer[] {
    return this.#brokers.ofItem(infohash, this.#config.brokers)
  }

  #enqueue(mine: Mine): void {
    this.#queue.add(mine)
    if (!this.#isSending) this.#sendSome()
  }

  /** Many orders are not sent in one burst: a broker would refuse them. */
  #sendSome(): void {
    let left = brokerLimits.ownSends
    for (const mine of this.#queue) {
      if (left-- === 0) break
      this.#queue.delete(mine)
      this.#send(mine)
    }
    this.#isSending = this.#queue.size > 0
    if (this.#isSending) this.#agenda.at(this.#outbox.now, this.#outbox.now + 1_000, () => this.#sendSome())
  }

  /** To all brokers of it that have not got it. */
  #send(mine: Mine): void {
    const { order } = mine.owned
    const brokers = this.#brokersOf(order.infohash)
    for (const known of mine.answers.keys()) if (!brokers.includes(known)) mine.answers.delete(known)
    for (const broker of brokers) {
      if (isThere(mine.answers.get(broker))) continue
      mine.answers.set(broker, 'none')
      this.#outbox.send(broker, { type: 'order', order, brokers })
    }
    this.#agenda.cancel(mine.retry)
    const { now } = this.#outbox
    mine.retry = this.#agenda.at(now, now + this.#config.answerMs, () => {
      mine.retry = undefined
      this.#judge(mine, true)
    })
  }

  /** After an answer, or when there has been none for long enough. */
  #judge(mine: Mine, isLate = false): void {
    const outcomes = [...mine.answers.values()]
    if (outcomes.some(isThere)) {
      if (mine.failure === 'noBrokers' || mine.failure === 'refused') mine.failure = undefined
      if (outcomes.every(isThere)) {
        this.#agenda.cancel(mine.retry)
        mine.retry = undefined
      }
    } else if (outcomes.length > 0 && outcomes.every(outcome => outcome !== 'none')) {
      this.#failOnce(mine, 'refused', `every broker refuses it: ${outcomes.join(', ')}`)
    } else if (isLate) {
      this.#failOnce(mine, 'noBrokers', outcomes.length === 0 ? 'no broker is known' : 'no broker answers')
    }
    if (!isLate || (outcomes.length > 0 && outcomes.every(isThere))) return
    const { now } = this.#outbox
    mine.retry = this.#agenda.at(now, now + this.#config.retryMs * (0.5 + this.#rng.unit()), () => this.#send(mine))
  }

  /** Renews what has lasted a third of its time, shows the rest again, and forgets what was dropped long ago. */
  #refresh(): void {
    const { wallMs } = this.#outbox
    for (const [infohash, mine] of this.#mine) {
      const { order, name, isSettled } = mine.owned
      const leftMs = order.expires * 1_000 - wallMs
      if (order.copies === 0) {
        if (isOver(order.expires, wallMs)) {
          this.#agenda.cancel(mine.retry)
          this.#queue.delete(mine)
          this.#mine.delete(infohash)
          this.#store.deleteOwned(infohash)
          continue
        }
      } else if (leftMs < (this.#config.lifetimeMs * 2) / 3) {
        const draft = this.#draft(infohash, order.size, order.copies)
        mine.owned = { order: this.#signing.order(draft), name, isSettled }
        this.#store.putOwned(mine.owned)
      }
      mine.answers.clear()
      this.#enqueue(mine)
    }
  }

  #failOnce(mine: Mine, code: FailureCode, reason: string, missing: { missingBytes?: number } = {}): void {
    if (mine.failure === code) return
    mine.failure = code
    this.#fail(mine.owned.order.infohash, code, reason, true, missing)
  }

  #fail(
    infohash: Infohash,
    code: FailureCode,
    reason: string,
    willRetry: boolean,
    missing: { missingBytes?: number } = {}
  ): void {
    this.#outbox.tell({ type: 'failed', infohash, code, reason, willRetry, ...missing })
  }
}

const PROBLEMS = {
  noHosts: 'nobody who is known offers room',
  noRoom: 'those who offer room have not enough of it',
  unfetchable: 'hosts cannot fetch it'
}

function newMine(owned: Owned): Mine {
  return { owned, answers: new Map(), retry: undefined, failure: undefined }
}

function isThere(outcome: OrderOutcome | 'none' | undefined): boolean {
  return outcome === 'taken' || outcome === 'same'
}
