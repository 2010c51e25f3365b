import type { Agenda } from '../core/agenda.ts'
import type { Peer } from '../core/peer.ts'
import { PeerRates } from '../core/peer-rates.ts'
import type { Rng } from '../core/rng.ts'
import type { Crypto } from '../core/signing.ts'
import type { Query } from '../search/messages.ts'
import { Advertising } from './advertising.ts'
import type { Adverts } from './adverts.ts'
import { Answering } from './answering.ts'
import type { CatalogueStore, HolderHits } from './catalogue-store.ts'
import { Clients, type GroupOf } from './clients.ts'
import { type SuperPeerConfig, superPeerLimits } from './config.ts'
import { Indexing } from './indexing.ts'
import type { Advert, Refusal, SuperPeerMessageOf } from './messages.ts'
import type { Outbox } from './outbox.ts'

/** Hits of one answer of `lookup`, over all clients. */
const MAX_LOOKUP_HITS = 2_048
/** Adverts that come with an answer to a ping. */
const PONG_ADVERTS = 2
/** Refusals that are no fault of the one who is refused. */
const HELPED: readonly Refusal[] = ['noSuper', 'full', 'group', 'leaving']
/** `keys` is told a little later, so that catalogues that come together are told together. */
const KEYS_MS = 1_000

export interface ServingInit {
  config: SuperPeerConfig
  outbox: Outbox
  agenda: Agenda
  rng: Rng
  signing: Crypto
  store: CatalogueStore
  groupOf: GroupOf
  adverts: Adverts
  load: () => number
}

/** All that a super-peer does for its clients. */
export class Serving {
  readonly clients: Clients
  readonly answering: Answering
  readonly indexing: Indexing
  readonly #init: ServingInit
  readonly #advertising: Advertising
  readonly #pings = new PeerRates(superPeerLimits.pings, superPeerLimits.maxRates)
  #isOpen = false
  #areKeysDue = false

  constructor(init: ServingInit) {
    const { config, outbox, agenda, rng, signing, store, groupOf, adverts, load } = init
    const onChange = (): void => this.#oweKeys()
    const clients = new Clients({
      config,
      outbox,
      agenda,
      store,
      groupOf,
      onGone: peer => {
        this.indexing.onGone(peer)
        this.answering.onGone(peer)
      },
      onChange
    })
    this.#init = init
    this.clients = clients
    this.answering = new Answering({ config, outbox, agenda, store, clients })
    this.indexing = new Indexing({
      config,
      outbox,
      agenda,
      rng: rng.fork(),
      signing,
      store,
      clients,
      adverts,
      refuse: (peer, why) => this.#refuse(peer, why),
      onChange
    })
    this.#advertising = new Advertising({
      config,
      outbox,
      agenda,
      rng: rng.fork(),
      adverts,
      describe: () => ({
        free: clients.free,
        clients: clients.count,
        items: Math.min(store.usage().items, 0xffff_ffff),
        load: Math.round(255 * Math.min(1, Math.max(0, load())))
      })
    })
  }

  get advert(): Advert | undefined {
    return this.#advertising.current()
  }

  lookup(query: Query, limit: number): HolderHits[] {
    if (!this.#isOpen) return []
    const { isLive } = this.clients
    return this.#init.store.search(query, { perHolder: limit, total: MAX_LOOKUP_HITS, isLive })
  }

  keys(): Iterable<string> {
    return this.#isOpen ? this.#init.store.summaryKeys(this.clients.isLive) : []
  }

  open(): void {
    this.#isOpen = true
    this.clients.isClosed = false
    this.#advertising.start()
    this.#oweKeys()
  }

  /** Takes nobody any more, and says so, but answers still. `push`: the last advert, without room, is to be told. */
  stepBack(push: () => void): void {
    this.clients.isClosed = true
    this.#advertising.stop(push)
    for (const client of this.clients.peers()) this.#refuse(client, 'leaving')
  }

  close(): void {
    const { store, outbox } = this.#init
    for (const client of [...this.clients.peers()]) {
      this.#refuse(client, 'noSuper')
      this.clients.remove(client)
    }
    for (const { publisher } of [...store.heads()]) if (publisher !== outbox.self) store.drop(publisher)
    this.#isOpen = false
    this.#oweKeys()
  }

  onDown(peer: Peer): void {
    this.clients.onDown(peer)
    this.indexing.onDown(peer)
  }

  onDetach(from: Peer, { forget }: SuperPeerMessageOf<'detach'>): void {
    if (!this.clients.has(from)) return
    if (forget) this.#init.store.drop(from)
    this.clients.remove(from)
  }

  onPing(from: Peer): void {
    const { outbox, adverts } = this.#init
    if (!this.#pings.take(from, outbox.now)) return
    if (this.clients.has(from)) {
      this.clients.heard(from)
      outbox.send(from, { type: 'pong', adverts: adverts.sample(PONG_ADVERTS, from) })
    } else {
      // it believes that it is a client
      this.#refuse(from, 'noSuper')
    }
  }

  callVolunteer(except: Peer, missing: number): void {
    const { outbox, rng } = this.#init
    const others = [...this.clients.peers()].filter(peer => peer !== except)
    if (others.length > 0) outbox.send(rng.pick(others), { type: 'volunteersWanted', missing })
  }

  #refuse(peer: Peer, why: Refusal): void {
    // adverts are many bytes: for those who may go elsewhere, not for those who ask too much or wrongly
    const count = HELPED.includes(why) ? superPeerLimits.maxAdverts : 0
    const adverts = this.#init.adverts.sample(count, peer)
    this.#init.outbox.send(peer, { type: 'refused', why, adverts })
  }

  #oweKeys(): void {
    if (this.#areKeysDue) return
    this.#areKeysDue = true
    const { agenda, outbox } = this.#init
    agenda.at(outbox.now, outbox.now + KEYS_MS, () => {
      this.#areKeysDue = false
      outbox.tell({ type: 'keys' })
    })
  }
}
