import { Agenda, type Appointment } from '../core/agenda.ts'
import type { Input, Machine } from '../core/machine.ts'
import type { Peer } from '../core/peer.ts'
import { PeerRates } from '../core/peer-rates.ts'
import type { Rng } from '../core/rng.ts'
import type { Query } from '../search/messages.ts'
import { Adverts } from './adverts.ts'
import { Answering } from './answering.ts'
import { Asks } from './asks.ts'
import { Attaching } from './attaching.ts'
import type { Crypto } from './catalogue.ts'
import type { CatalogueStore, HolderHits } from './catalogue-store.ts'
import { Clients, type GroupOf } from './clients.ts'
import type { Role, SuperPeerCommand, SuperPeerEvent } from './commands.ts'
import { checkSuperPeerConfig, type SuperPeerConfig, superPeerConfig, superPeerLimits } from './config.ts'
import { Gossip } from './gossip.ts'
import { Indexing } from './indexing.ts'
import { Judging } from './judging.ts'
import type { Advert, Refusal, SuperPeerMessage } from './messages.ts'
import { type Out, Outbox } from './outbox.ts'
import { Publishing } from './publishing.ts'
import { Resting } from './resting.ts'
import { Roles } from './roles.ts'
import { Scores } from './scores.ts'
import { Telling } from './telling.ts'

export interface SuperPeerInit {
  self: Peer
  rng: Rng
  crypto: Crypto
  store: CatalogueStore
  /** The time of `now` in unix ms. */
  wallMs: (now: number) => number
  /** Peers that one may have many of: of one network, say. Asked of connected peers. */
  groupOf?: GroupOf
  config?: Partial<SuperPeerConfig>
}

/** Hits of one answer of `lookup`, over all clients. */
const MAX_LOOKUP_HITS = 2_048
/** Adverts that come with an answer to a ping. */
const PONG_ADVERTS = 2
/** The own advert is stale when so many slots more or fewer are free. */
const STALE_FREE = 4
/** `keys` is told a little later, so that catalogues that come together are told together. */
const KEYS_MS = 1_000

/**
 * Super-peers: who is one, who is whose client, what the clients have, and searches that are asked of super-peers. See
 * README.md for the rules.
 */
export class SuperPeer implements Machine<SuperPeerCommand, SuperPeerMessage, SuperPeerEvent> {
  readonly #outbox: Outbox
  readonly #agenda = new Agenda()
  readonly #store: CatalogueStore
  readonly #rng: Rng
  readonly #adverts: Adverts
  readonly #gossip: Gossip
  readonly #scores: Scores
  readonly #judging: Judging
  readonly #attaching: Attaching
  readonly #resting: Resting
  readonly #publishing: Publishing
  readonly #telling: Telling
  readonly #clients: Clients
  readonly #indexing: Indexing
  readonly #answering: Answering
  readonly #asks: Asks
  readonly #roles: Roles
  readonly #config: SuperPeerConfig
  readonly #pings = new PeerRates(superPeerLimits.pings, superPeerLimits.maxRates)
  #own: Advert | undefined
  #advertising: Appointment | undefined
  #areKeysDue = false
  #state: 'new' | 'running' | 'left' = 'new'

  /** @throws RangeError on numbers that do not fit together */
  constructor(init: SuperPeerInit) {
    const { self, rng, crypto, store, wallMs, groupOf = () => undefined } = init
    const config = checkSuperPeerConfig({ ...superPeerConfig, ...init.config })
    const agenda = this.#agenda
    const outbox = new Outbox(self, wallMs)
    const adverts = new Adverts({ config, outbox, crypto, rng: rng.fork() })
    const scores = new Scores({ config, outbox })
    const judging = new Judging(scores)
    const clients = new Clients({
      config,
      outbox,
      agenda,
      store,
      groupOf,
      onGone: peer => {
        this.#indexing.onGone(peer)
        this.#answering.onGone(peer)
      },
      onChange: () => this.#oweKeys()
    })
    const attaching = new Attaching({
      config,
      outbox,
      agenda,
      rng: rng.fork(),
      adverts,
      groupOf,
      head: () => this.#publishing.head,
      isAvoided: scores.isAvoided,
      onChange: () => this.#onAttached(),
      onMissing: () => this.#gossip.seekSoon(),
      onLost: peer => this.#asks.onLost(peer)
    })
    this.#config = config
    this.#outbox = outbox
    this.#store = store
    this.#rng = rng.fork()
    this.#adverts = adverts
    this.#scores = scores
    this.#judging = judging
    this.#clients = clients
    this.#attaching = attaching
    this.#resting = new Resting({ config, outbox, agenda })
    this.#telling = new Telling({ outbox, store, crypto })
    this.#publishing = new Publishing({
      config,
      outbox,
      agenda,
      crypto,
      store,
      onHead: (head, update) => attaching.onHead(head, update)
    })
    this.#gossip = new Gossip({
      config,
      outbox,
      agenda,
      rng: rng.fork(),
      adverts,
      own: () => this.#currentOwn(),
      partners: () => [...attaching.supers, ...clients.peers()],
      isSeeking: () => this.#isSeeking,
      onFresh: () => attaching.maintain()
    })
    this.#indexing = new Indexing({
      config,
      outbox,
      agenda,
      rng: rng.fork(),
      crypto,
      store,
      clients,
      adverts,
      refuse: (peer, why) => this.#refuse(peer, why),
      onChange: () => this.#oweKeys()
    })
    this.#answering = new Answering({ config, outbox, agenda, store, clients })
    this.#asks = new Asks({
      config,
      outbox,
      agenda,
      rng: rng.fork(),
      store,
      scores,
      judging,
      supers: () => attaching.supers
    })
    this.#roles = new Roles({
      config,
      outbox,
      agenda,
      rng: rng.fork(),
      adverts,
      attaching,
      clients,
      onRole: role => this.#onRole(role)
    })
  }

  get role(): Role {
    return this.#roles.role
  }

  /** Why it has this role, for people. */
  get reason(): string {
    return this.#roles.role === 'peer' && this.#attaching.supers.length > 0
      ? `attached to ${this.#attaching.supers.length} super-peer${this.#attaching.supers.length === 1 ? '' : 's'}`
      : this.#roles.reason
  }

  /** That this node is attached to. */
  get supers(): readonly Peer[] {
    return this.#attaching.supers
  }

  get clients(): readonly Peer[] {
    return [...this.#clients.peers()]
  }

  get isResting(): boolean {
    return this.#resting.isResting
  }

  /** Whether a search may be asked of super-peers. */
  get canAsk(): boolean {
    return this.#attaching.supers.length > 0
  }

  /** All super-peers that are known to be there, to be remembered, and for other protocols. */
  get known(): Peer[] {
    return this.#adverts.live().map(({ peer }) => peer)
  }

  /** Items of catalogues that this node has sent so far. */
  get itemsTold(): number {
    return this.#telling.items
  }

  /** What clients have, for the search machine. */
  lookup(query: Query, limit: number): HolderHits[] {
    if (!this.#roles.isServing) return []
    return this.#store.search(query, { perHolder: limit, total: MAX_LOOKUP_HITS, isLive: this.#clients.isLive })
  }

  /** What clients can be found by, for summaries. */
  keys(): Iterable<string> {
    return this.#roles.isServing ? this.#store.summaryKeys(this.#clients.isLive) : []
  }

  /** @throws RangeError on a `search` that cannot be: a number in use, or a query that `checkQuery` refuses */
  handle(input: Input<SuperPeerCommand, SuperPeerMessage>, now: number): Out[] {
    const outbox = this.#outbox
    outbox.now = now
    if (this.#state === 'left') return []
    if (this.#state === 'new') {
      this.#state = 'running'
      this.#gossip.start()
      this.#roles.start()
      this.#clients.start()
    }
    switch (input.type) {
      case 'received':
        if (input.from !== outbox.self) this.#onMessage(input.from, input.message)
        break
      case 'peerUp':
        break
      case 'peerDown':
        this.#gossip.neighbourDown(input.peer)
        this.#clients.onDown(input.peer)
        this.#indexing.onDown(input.peer)
        this.#attaching.onDown(input.peer)
        break
      case 'tick':
        this.#agenda.run(now)
        break
      case 'leave':
        this.#leave()
        break
      default:
        this.#onCommand(input)
    }
    return outbox.takeOutputs()
  }

  nextTick(): number | undefined {
    return this.#state === 'left' ? undefined : this.#agenda.nextTick()
  }

  get #isSeeking(): boolean {
    if (this.#roles.isServing || this.#attaching.missing === 0) return false
    return this.#publishing.head !== undefined && !this.#attaching.hasCandidates
  }

  #onCommand(command: Exclude<SuperPeerCommand, { type: 'leave' }>): void {
    switch (command.type) {
      case 'role':
        this.#roles.set(command.role)
        return
      case 'strength':
        this.#roles.onStrength(command.strength)
        return
      case 'population':
        this.#roles.onPopulation(command.about)
        return
      case 'known':
        this.#adverts.remember(command.peers)
        this.#attaching.maintain()
        return
      case 'neighbourUp':
        this.#gossip.neighbourUp(command.peer)
        return
      case 'neighbourDown':
        this.#gossip.neighbourDown(command.peer)
        return
      case 'catalogue':
        this.#publishing.set(command.items)
        return
      case 'search':
        this.#asks.start(command)
        return
      case 'stop':
        this.#asks.stop(command.search)
        return
      case 'verdict':
        this.#onVerdict(command)
        return
      case 'found':
        this.#answering.onFound(command)
        return
      case 'searched':
        this.#answering.onSearched(command.ask, command.account)
        return
    }
  }

  #onMessage(from: Peer, message: SuperPeerMessage): void {
    switch (message.type) {
      case 'adverts':
        this.#gossip.onAdverts(from, message.adverts)
        return
      case 'advertsWanted':
        this.#gossip.onWanted(from)
        return
      case 'attach':
        this.#indexing.onAttach(from, message)
        return
      case 'accepted':
        this.#attaching.onAccepted(from)
        return
      case 'refused':
        if (message.adverts.length > 0) this.#gossip.onAdverts(from, message.adverts)
        this.#attaching.onRefused(from, message.why)
        return
      case 'update':
        this.#indexing.onUpdate(from, message)
        return
      case 'indexed':
        this.#attaching.onIndexed(from, message.seq)
        return
      case 'hashesWanted':
        this.#attaching.onAsked(from)
        this.#telling.onHashesWanted(from, message)
        return
      case 'hashes':
        this.#indexing.onHashes(from, message)
        return
      case 'bucketsWanted':
        this.#attaching.onAsked(from)
        this.#telling.onBucketsWanted(from, message)
        return
      case 'items':
        this.#indexing.onItems(from, message)
        return
      case 'detach':
        if (message.forget && this.#clients.has(from)) this.#store.drop(from)
        this.#clients.remove(from)
        return
      case 'ping':
        this.#onPing(from)
        return
      case 'pong':
        if (this.#attaching.has(from)) this.#gossip.onAdverts(from, message.adverts)
        this.#attaching.onPong(from)
        return
      case 'ask':
        this.#answering.onAsk(from, message)
        return
      case 'answer':
        this.#asks.onAnswer(from, message)
        return
      case 'stopAsk':
        this.#answering.onStopAsk(from, message.ask)
        return
    }
  }

  #onPing(from: Peer): void {
    if (!this.#pings.take(from, this.#outbox.now)) return
    if (this.#clients.has(from)) {
      this.#clients.heard(from)
      this.#outbox.send(from, { type: 'pong', adverts: this.#gossip.some(PONG_ADVERTS, from) })
    } else {
      // it believes that it is a client
      this.#refuse(from, 'noSuper')
    }
  }

  #onVerdict({ search, holder, id, good }: Extract<SuperPeerCommand, { type: 'verdict' }>): void {
    for (const peer of this.#judging.onVerdict(search, holder, id, good)) {
      if (!this.#attaching.has(peer)) continue
      if (this.#scores.faultOf(peer, this.#attaching.supers) === undefined) continue
      this.#scores.avoid(peer)
      this.#attaching.leave(peer)
      this.#attaching.maintain()
    }
  }

  #onAttached(): void {
    const { supers } = this.#attaching
    let existing = supers.length
    for (const { peer } of this.#adverts.live()) {
      if (!supers.includes(peer) && !this.#scores.isAvoided(peer)) existing++
    }
    this.#resting.update(this.#roles.isServing ? 0 : this.#attaching.holding, existing)
    this.#asks.onSupers()
  }

  #refuse(peer: Peer, why: Refusal): void {
    const adverts = this.#adverts.sample(superPeerLimits.maxAdverts, peer)
    this.#outbox.send(peer, { type: 'refused', why, adverts })
  }

  #onRole(role: Role | 'steppingBack'): void {
    switch (role) {
      case 'super':
        this.#clients.isClosed = false
        this.#attaching.turn(false)
        this.#advertise()
        this.#oweKeys()
        return
      case 'steppingBack':
        this.#clients.isClosed = true
        this.#own = undefined
        this.#agenda.cancel(this.#advertising)
        for (const client of this.#clients.peers()) this.#refuse(client, 'leaving')
        return
      case 'peer':
        for (const client of [...this.#clients.peers()]) {
          this.#refuse(client, 'noSuper')
          this.#clients.remove(client)
        }
        for (const { publisher } of [...this.#store.heads()]) {
          if (publisher !== this.#outbox.self) this.#store.drop(publisher)
        }
        this.#oweKeys()
        this.#attaching.turn(true)
        return
    }
  }

  /** Signs the own advert anew from time to time. */
  #advertise(): void {
    if (this.#clients.isClosed) return
    const isFirst = this.#own === undefined
    this.#sign()
    if (isFirst) this.#gossip.push()
    const { now } = this.#outbox
    const everyMs = this.#config.advertEveryMs * (0.75 + this.#rng.unit() / 2)
    this.#advertising = this.#agenda.at(now, now + everyMs, () => this.#advertise())
  }

  #sign(): void {
    this.#own = this.#adverts.sign({
      free: this.#clients.free,
      clients: this.#clients.count,
      items: Math.min(this.#store.usage().items, 0xffff_ffff),
      load: Math.round(255 * Math.min(1, Math.max(0, this.#roles.load)))
    })
  }

  /** Room that is not there any more is asked for in vain: it is said anew when it is told, once a second at most. */
  #currentOwn(): Advert | undefined {
    const own = this.#own
    if (own === undefined) return undefined
    const { free } = this.#clients
    const isWrong = (free === 0) !== (own.free === 0) || Math.abs(free - own.free) >= STALE_FREE
    if (isWrong && own.issued < this.#outbox.wallS) this.#sign()
    return this.#own
  }

  #oweKeys(): void {
    if (this.#areKeysDue) return
    this.#areKeysDue = true
    const { now } = this.#outbox
    this.#agenda.at(now, now + KEYS_MS, () => {
      this.#areKeysDue = false
      this.#outbox.tell({ type: 'keys' })
    })
  }

  #leave(): void {
    for (const client of this.#clients.peers()) this.#refuse(client, 'leaving')
    this.#attaching.leaveAll(false)
    this.#state = 'left'
  }
}
