import type { Agenda, Appointment } from '../core/agenda.ts'
import type { Peer } from '../core/peer.ts'
import { PeerRates } from '../core/peer-rates.ts'
import type { Rng } from '../core/rng.ts'
import type { Crypto } from '../core/signing.ts'
import type { Adverts } from './adverts.ts'
import {
  bitsFor,
  bucketHashes,
  type CatalogueHead,
  type CatalogueItem,
  type Change,
  headBytes,
  itemBytes,
  keyOf,
  rootOf
} from './catalogue.ts'
import type { CatalogueStore } from './catalogue-store.ts'
import type { Clients } from './clients.ts'
import { type SuperPeerConfig, superPeerLimits } from './config.ts'
import type { Refusal, SuperPeerMessageOf } from './messages.ts'
import type { Outbox } from './outbox.ts'
import { Pull } from './pull.ts'

/** A catalogue of which so few buckets are missing comes from its publisher, who has them for sure. */
const FEW_BUCKETS = 4

interface Pulling {
  readonly pull: Pull
  /** Whom to ask, the publisher last. BOUNDED by maxSiblings. */
  readonly sources: Peer[]
  asked: { readonly id: number; readonly peer: Peer; readonly buckets: readonly number[] } | undefined
  /** Of the answer that is under way. BOUNDED by maxBulkBytes. */
  items: CatalogueItem[]
  bytes: number
  limit: Appointment | undefined
}

export interface IndexingInit {
  config: SuperPeerConfig
  outbox: Outbox
  agenda: Agenda
  rng: Rng
  signing: Crypto
  store: CatalogueStore
  clients: Clients
  adverts: Adverts
  refuse: (peer: Peer, why: Refusal) => void
  onChange: () => void
}

/** Keeps the clients' catalogues here equal to what their heads say. */
export class Indexing {
  readonly #init: IndexingInit
  /** One a client. BOUNDED by the clients; maxPulls of them are at work. */
  readonly #pulls = new Map<Peer, Pulling>()
  readonly #attaches = new PeerRates(superPeerLimits.attaches, superPeerLimits.maxRates)
  readonly #updates = new PeerRates(superPeerLimits.updates, superPeerLimits.maxRates)
  #lastId: number

  constructor(init: IndexingInit) {
    this.#init = init
    this.#lastId = init.rng.uint32()
  }

  onAttach(from: Peer, { head, siblings }: SuperPeerMessageOf<'attach'>): void {
    const { outbox, clients, store, refuse } = this.#init
    if (!this.#attaches.take(from, outbox.now)) {
      refuse(from, 'busy')
      return
    }
    // before the signature is looked at, which costs more
    if (!clients.has(from) && clients.free === 0) {
      refuse(from, clients.isClosed ? 'noSuper' : 'full')
      return
    }
    const why = this.#refusalOf(from, head) ?? clients.admit(from)
    if (why !== undefined) {
      if (clients.has(from)) clients.remove(from)
      refuse(from, why)
      return
    }
    if (head.root === store.head(from)?.root) {
      this.#stop(from)
      this.#apply(head, { added: [], removed: [] })
    } else {
      outbox.send(from, { type: 'accepted' })
      this.#begin(head, siblings)
    }
  }

  onUpdate(from: Peer, { head, base, added, removed }: SuperPeerMessageOf<'update'>): void {
    const { outbox, clients, store, signing, refuse } = this.#init
    const isTooOften = !this.#updates.take(from, outbox.now)
    const why = isTooOften ? 'busy' : clients.has(from) ? this.#refusalOf(from, head) : 'noSuper'
    if (why !== undefined) {
      clients.remove(from)
      refuse(from, why)
      return
    }
    clients.heard(from)
    const keyed = added.map(item => ({ key: keyOf(item, signing), item }))
    if (store.head(from)?.seq === base && !this.#pulls.has(from)) {
      const gone = new Set(removed)
      const keys = new Set(store.keys(from).filter(key => !gone.has(key)))
      for (const { key } of keyed) keys.add(key)
      const isRight = keys.size === head.count && this.#rootOf([...keys].sort(), head.bits) === head.root
      const bytes = store.usageOf(from).bytes + added.reduce((sum, item) => sum + itemBytes(item), 0)
      if (isRight && bytes <= superPeerLimits.maxCatalogueBytes) {
        this.#apply(head, { added: keyed.filter(({ key }) => !store.has(from, key)), removed })
        return
      }
    }
    outbox.send(from, { type: 'accepted' })
    this.#begin(head, [])
  }

  onHashes(from: Peer, { id, hashes }: SuperPeerMessageOf<'hashes'>): void {
    const pulling = this.#pulls.get(from)
    if (pulling?.asked?.id !== id || pulling.asked.peer !== from || !pulling.pull.needsHashes) return
    this.#settle(pulling)
    // a publisher that has another catalogue by now will say so
    if (!pulling.pull.takeHashes(hashes)) this.#fail(pulling, 'stale')
    else this.#next(pulling)
  }

  onItems(from: Peer, { id, isLast, items }: SuperPeerMessageOf<'items'>): void {
    const pulling = [...this.#pulls.values()].find(({ asked }) => asked?.id === id && asked.peer === from)
    if (pulling?.asked === undefined) return
    for (const item of items) pulling.bytes += itemBytes(item)
    if (pulling.bytes > superPeerLimits.maxBulkBytes) {
      this.#init.outbox.penalise(from, 'more of a catalogue than was asked for')
      this.#nextSource(pulling)
      return
    }
    pulling.items.push(...items)
    if (!isLast) return
    const whole = pulling.pull.takeItems(pulling.asked.buckets, pulling.items)
    this.#settle(pulling)
    if (whole === 'tooLarge') this.#fail(pulling, 'tooLarge')
    else if (whole === 0) this.#nextSource(pulling)
    else this.#next(pulling)
  }

  onDown(peer: Peer): void {
    for (const pulling of [...this.#pulls.values()]) if (pulling.asked?.peer === peer) this.#nextSource(pulling)
  }

  /** The client is gone. */
  onGone(client: Peer): void {
    this.#stop(client)
  }

  #refusalOf(from: Peer, head: CatalogueHead): Refusal | undefined {
    const { outbox, signing, config, store } = this.#init
    const { skewMs, maxHeadMs, maxItems } = superPeerLimits
    const expiresMs = head.expires * 1_000
    if (head.publisher !== from || head.bits !== bitsFor(head.count)) {
      outbox.penalise(from, 'a head of a catalogue that cannot be')
      return 'forged'
    }
    if (head.seq < (store.head(from)?.seq ?? 0)) return 'stale'
    if (expiresMs + skewMs < outbox.wallMs || expiresMs > outbox.wallMs + maxHeadMs + skewMs) return 'stale'
    if (head.count > maxItems) return 'tooLarge'
    if (!signing.verify(from, headBytes(config.network, head), head.signature)) {
      outbox.penalise(from, 'a head of a catalogue that nobody signed')
      return 'forged'
    }
    return this.#makesRoom(from, head.count) ? undefined : 'full'
  }

  /** Catalogues of those that are gone make room, those with the nearest end first. */
  #makesRoom(publisher: Peer, count: number): boolean {
    const { store, config, clients, outbox } = this.#init
    const isOver = (): boolean => {
      const { items, bytes } = store.usage()
      const more = count - store.usageOf(publisher).items
      return items + more > config.maxStoredItems || bytes > config.maxStoredBytes
    }
    if (!isOver()) return true
    const gone = [...store.heads()].filter(
      head => head.publisher !== publisher && head.publisher !== outbox.self && !clients.has(head.publisher)
    )
    gone.sort((a, b) => a.expires - b.expires)
    for (const head of gone) {
      store.drop(head.publisher)
      if (!isOver()) return true
    }
    return false
  }

  #begin(head: CatalogueHead, siblings: readonly Peer[]): void {
    const { publisher } = head
    const { store, signing, adverts, outbox } = this.#init
    const present = this.#pulls.get(publisher)
    if (present?.pull.head.root === head.root) return
    this.#stop(publisher)
    // strangers that a client names are not dialled: only who is known as a super-peer is asked
    const others = siblings.filter(
      peer => peer !== outbox.self && peer !== publisher && adverts.get(peer) !== undefined
    )
    this.#pulls.set(publisher, {
      pull: new Pull(head, store.keys(publisher), signing),
      sources: [...new Set(others), publisher],
      asked: undefined,
      items: [],
      bytes: 0,
      limit: undefined
    })
    this.#startSome()
  }

  /** As many as may be at work, those that came first. */
  #startSome(): void {
    let busy = 0
    for (const { asked } of this.#pulls.values()) if (asked !== undefined) busy++
    for (const pulling of [...this.#pulls.values()]) {
      if (busy >= superPeerLimits.maxPulls) return
      if (pulling.asked !== undefined) continue
      this.#next(pulling)
      busy++
    }
  }

  #next(pulling: Pulling): void {
    const { pull, sources } = pulling
    const { publisher, bits } = pull.head
    const id = (this.#lastId = (this.#lastId + 1) >>> 0)
    if (pull.needsHashes) {
      this.#ask(pulling, id, publisher, [], { type: 'hashesWanted', id, bits })
      return
    }
    if (pull.missing === 0) {
      this.#finish(pulling)
      return
    }
    const isDelta = !pull.isNew && pull.missing <= FEW_BUCKETS
    const source = isDelta ? publisher : sources[0]
    if (source === undefined) {
      this.#fail(pulling, 'stale')
      return
    }
    const buckets = pull.next()
    this.#ask(pulling, id, source, buckets, { type: 'bucketsWanted', id, publisher, bits, buckets })
  }

  #ask(
    pulling: Pulling,
    id: number,
    peer: Peer,
    buckets: readonly number[],
    message: SuperPeerMessageOf<'hashesWanted' | 'bucketsWanted'>
  ): void {
    const { outbox, agenda, config } = this.#init
    this.#settle(pulling)
    pulling.asked = { id, peer, buckets }
    pulling.limit = agenda.at(outbox.now, outbox.now + config.requestMs, () => this.#nextSource(pulling))
    outbox.send(peer, message)
  }

  /** Who was asked says nothing, or nothing that is right. */
  #nextSource(pulling: Pulling): void {
    const failed = pulling.asked?.peer
    this.#settle(pulling)
    const { publisher } = pulling.pull.head
    if (failed === publisher) {
      this.#fail(pulling, 'stale')
      return
    }
    if (failed !== undefined && pulling.sources[0] === failed) pulling.sources.shift()
    this.#next(pulling)
  }

  #settle(pulling: Pulling): void {
    this.#init.agenda.cancel(pulling.limit)
    pulling.limit = undefined
    pulling.items = []
    pulling.bytes = 0
  }

  #finish(pulling: Pulling): void {
    const { head } = pulling.pull
    const change = pulling.pull.change()
    if (change === undefined) {
      this.#init.outbox.penalise(head.publisher, 'a catalogue with another number of items than it says')
      this.#fail(pulling, 'forged')
      return
    }
    this.#stop(head.publisher)
    this.#apply(head, change)
  }

  #fail(pulling: Pulling, why: Refusal): void {
    const { publisher } = pulling.pull.head
    this.#stop(publisher)
    this.#init.clients.remove(publisher)
    this.#init.refuse(publisher, why)
  }

  #stop(publisher: Peer): void {
    const pulling = this.#pulls.get(publisher)
    if (pulling === undefined) return
    this.#settle(pulling)
    this.#pulls.delete(publisher)
    this.#startSome()
  }

  #apply(head: CatalogueHead, change: Change): void {
    const { store, outbox, onChange } = this.#init
    store.apply(head, change)
    outbox.send(head.publisher, { type: 'indexed', seq: head.seq })
    if (change.added.length + change.removed.length > 0) onChange()
  }

  #rootOf(sortedKeys: Parameters<typeof bucketHashes>[0], bits: number): string {
    const { signing } = this.#init
    return rootOf(bucketHashes(sortedKeys, bits, signing), signing)
  }
}
