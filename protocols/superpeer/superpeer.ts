import { Agenda } from '../core/agenda.ts'
import type { Input, Machine } from '../core/machine.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import type { Crypto } from '../core/signing.ts'
import type { Query } from '../search/messages.ts'
import { Adverts } from './adverts.ts'
import { Asks } from './asks.ts'
import { Attaching } from './attaching.ts'
import type { CatalogueStore, HolderHits } from './catalogue-store.ts'
import type { GroupOf } from './clients.ts'
import type { Role, SuperPeerCommand, SuperPeerEvent } from './commands.ts'
import { checkSuperPeerConfig, type SuperPeerConfig, superPeerConfig } from './config.ts'
import { Gossip } from './gossip.ts'
import { Judging } from './judging.ts'
import type { SuperPeerMessage } from './messages.ts'
import { type Out, Outbox } from './outbox.ts'
import { Publishing } from './publishing.ts'
import { Resting } from './resting.ts'
import { Roles } from './roles.ts'
import { Scores } from './scores.ts'
import { Serving } from './serving.ts'
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

/**
 * Super-peers: who is one, who is whose client, what the clients have, and searches that are asked of super-peers. See
 * README.md for the rules.
 */
export class SuperPeer implements Machine<SuperPeerCommand, SuperPeerMessage, SuperPeerEvent> {
  readonly #outbox: Outbox
  readonly #agenda = new Agenda()
  readonly #adverts: Adverts
  readonly #gossip: Gossip
  readonly #scores: Scores
  readonly #judging: Judging
  readonly #attaching: Attaching
  readonly #resting: Resting
  readonly #publishing: Publishing
  readonly #telling: Telling
  readonly #serving: Serving
  readonly #asks: Asks
  readonly #roles: Roles
  #state: 'new' | 'running' | 'left' = 'new'

  /** @throws RangeError on numbers that do not fit together */
  constructor(init: SuperPeerInit) {
    const { self, rng, crypto: signing, store, wallMs, groupOf = () => undefined } = init
    const config = checkSuperPeerConfig({ ...superPeerConfig, ...init.config })
    const agenda = this.#agenda
    const outbox = new Outbox(self, wallMs)
    const adverts = new Adverts({ config, outbox, signing, rng: rng.fork() })
    const scores = new Scores({ config, outbox })
    const judging = new Judging(scores)
    const serving = new Serving({
      config,
      outbox,
      agenda,
      rng: rng.fork(),
      signing,
      store,
      groupOf,
      adverts,
      load: () => this.#roles.load
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
    this.#outbox = outbox
    this.#adverts = adverts
    this.#scores = scores
    this.#judging = judging
    this.#serving = serving
    this.#attaching = attaching
    this.#resting = new Resting({ config, outbox, agenda })
    this.#telling = new Telling({ outbox, store, signing })
    this.#publishing = new Publishing({
      config,
      outbox,
      agenda,
      signing,
      store,
      onHead: (head, update) => attaching.onHead(head, update)
    })
    this.#gossip = new Gossip({
      config,
      outbox,
      agenda,
      rng: rng.fork(),
      adverts,
      own: () => serving.advert,
      partners: () => [...attaching.supers, ...serving.clients.peers()],
      missing: () => this.#missing,
      demand: () => this.#roles.demand,
      onShortage: (from, missing) => this.#onShortage(from, missing),
      onFresh: () => attaching.maintain()
    })
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
      clients: serving.clients,
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
    return [...this.#serving.clients.peers()]
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

  /** About how many clients all super-peers that are known have together, each counted once. */
  get clientsOfAll(): number {
    return this.#adverts.clientsOfAll(this.clients.length)
  }

  /** Items of catalogues that this node has sent so far. */
  get itemsTold(): number {
    return this.#telling.items
  }

  /** What clients have, for the search machine. */
  lookup(query: Query, limit: number): HolderHits[] {
    return this.#serving.lookup(query, limit)
  }

  /** What clients can be found by, for summaries. */
  keys(): Iterable<string> {
    return this.#serving.keys()
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
      this.#serving.clients.start()
    }
    switch (input.type) {
      case 'received':
        if (input.from !== outbox.self) this.#onMessage(input.from, input.message)
        break
      case 'peerUp':
        break
      case 'peerDown':
        this.#gossip.neighbourDown(input.peer)
        this.#serving.onDown(input.peer)
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

  /** Super-peers that are missed while none is left to ask. */
  get #missing(): number {
    if (this.#roles.isServing || this.#publishing.head === undefined || this.#attaching.hasCandidates) return 0
    return this.#attaching.missing
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
        this.#serving.answering.onFound(command)
        return
      case 'searched':
        this.#serving.answering.onSearched(command.ask, command.account)
        return
    }
  }

  #onMessage(from: Peer, message: SuperPeerMessage): void {
    switch (message.type) {
      case 'adverts':
        this.#gossip.onAdverts(from, message.adverts)
        return
      case 'advertsWanted':
        this.#gossip.onWanted(from, message.missing)
        return
      case 'volunteersWanted':
        if (this.#attaching.has(from)) this.#roles.onWanted(message.missing)
        return
      case 'attach':
        this.#serving.indexing.onAttach(from, message)
        return
      case 'accepted':
        this.#attaching.onAccepted(from)
        return
      case 'refused':
        if (message.adverts.length > 0) this.#gossip.onAdverts(from, message.adverts)
        this.#attaching.onRefused(from, message.why)
        return
      case 'update':
        this.#serving.indexing.onUpdate(from, message)
        return
      case 'indexed':
        this.#attaching.onIndexed(from, message.seq)
        return
      case 'hashesWanted':
        this.#attaching.onAsked(from)
        this.#telling.onHashesWanted(from, message)
        return
      case 'hashes':
        this.#serving.indexing.onHashes(from, message)
        return
      case 'bucketsWanted':
        this.#attaching.onAsked(from)
        this.#telling.onBucketsWanted(from, message)
        return
      case 'items':
        this.#serving.indexing.onItems(from, message)
        return
      case 'detach':
        this.#serving.onDetach(from, message)
        return
      case 'ping':
        this.#serving.onPing(from)
        return
      case 'pong':
        if (this.#attaching.has(from)) this.#gossip.onAdverts(from, message.adverts)
        this.#attaching.onPong(from)
        return
      case 'ask':
        this.#serving.answering.onAsk(from, message)
        return
      case 'answer':
        this.#asks.onAnswer(from, message)
        return
      case 'stopAsk':
        this.#serving.answering.onStopAsk(from, message.ask)
        return
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
    const { holding, existing } = this.#attaching
    this.#resting.update(this.#roles.isServing ? 0 : holding, existing)
    this.#asks.onSupers()
  }

  /** A super-peer has clients that may be strong enough to be one. */
  #onShortage(from: Peer, missing: number): void {
    if (this.#roles.isServing) this.#serving.callVolunteer(from, missing)
    else this.#roles.onWanted(missing)
  }

  #onRole(role: Role | 'steppingBack'): void {
    switch (role) {
      case 'super':
        this.#attaching.turn(false)
        this.#serving.open()
        this.#gossip.push()
        return
      case 'steppingBack':
        this.#serving.stepBack(() => this.#gossip.push())
        return
      case 'peer':
        this.#serving.close()
        this.#attaching.turn(true)
        return
    }
  }

  #leave(): void {
    this.#serving.stepBack(() => this.#gossip.push())
    this.#attaching.leaveAll(false)
    this.#state = 'left'
  }
}
