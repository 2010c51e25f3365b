import type { Peer } from '../core/peer.ts'
import { directoryLimits } from './config.ts'
import { areSame, digestOf, listedOf, partsOf, shortIdOf } from './digests.ts'
import { fitting } from './entry-codec.ts'
import type { DirectoryMessage } from './messages.ts'
import type { Outbox } from './outbox.ts'
import { refuseBusy } from './owning.ts'
import type { Place } from './place.ts'
import type { Rates } from './quotas.ts'
import type { Head, RecordStore } from './record-store.ts'

type Message<T extends DirectoryMessage['type']> = Extract<DirectoryMessage, { type: T }>

/** This node's answers to a comparison that another one makes. It keeps nothing between them. */
export class Answering {
  readonly #outbox: Outbox
  readonly #records: RecordStore
  readonly #place: Place
  readonly #rates: Rates

  constructor(init: { outbox: Outbox; records: RecordStore; place: Place; rates: Rates }) {
    this.#outbox = init.outbox
    this.#records = init.records
    this.#place = init.place
    this.#rates = init.rates
  }

  onCompare(from: Peer, message: Message<'compare'>): void {
    const { id, salt } = message
    if (message.isOwner && message.to !== this.#place.idOf(from)) {
      this.#outbox.penalise(from, 'an arc that does not end at its owner')
      return
    }
    if (message.isOwner) this.#place.onClaim(from, message.from, this.#outbox.now)
    const heads = this.#read(from, message)
    if (heads === undefined) {
      refuseBusy(this.#outbox, this.#rates, from, id)
      return
    }
    if (areSame(message.digest, digestOf(heads, salt))) {
      this.#outbox.send(from, { type: 'same', id })
    } else if (heads.length <= directoryLimits.maxListed) {
      this.#outbox.send(from, {
        type: 'listing',
        id,
        records: heads.map(head => listedOf(head, salt))
      })
    } else {
      const parts = partsOf(heads, directoryLimits.maxParts, message.to, salt)
      this.#outbox.send(from, { type: 'parts', id, parts })
    }
  }

  onPull(from: Peer, message: Message<'pull'>): void {
    const heads = this.#read(from, message)
    if (heads === undefined) {
      refuseBusy(this.#outbox, this.#rates, from, message.id)
      return
    }
    const wanted = new Set(message.ids)
    const entries = heads
      .filter(head => wanted.has(shortIdOf(head, message.salt)))
      .flatMap(({ key, publisherId }) => this.#records.get(key, publisherId)?.entry ?? [])
    this.#outbox.send(from, { type: 'pulled', id: message.id, entries: fitting(entries) })
  }

  /** The records of an arc; undefined when the peer has us read too much. */
  #read(from: Peer, arc: Message<'compare' | 'pull'>): Head[] | undefined {
    const { now } = this.#outbox
    if (!this.#rates.take(from, 'compares', now)) return undefined
    const heads = [...this.#records.arc(arc.from, arc.to)]
    return this.#rates.take(from, 'scans', now, heads.length) ? heads : undefined
  }
}
