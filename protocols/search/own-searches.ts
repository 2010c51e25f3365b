import { BoundedMap } from '../core/bounded-map.ts'
import type { Peer } from '../core/peer.ts'
import { ALL } from './branch.ts'
import type { SearchCommand } from './commands.ts'
import { searchLimits } from './config.ts'
import { choose } from './hits.ts'
import type { Links } from './links.ts'
import { checkQuery, type HitsMessage, QUERY_ID_BYTES, type ReportMessage } from './messages.ts'
import { OwnSearch } from './own-search.ts'
import { Plan } from './plan.ts'

/** How many peers there are is an estimate, and may be wrong by as much. */
const SURELY = 2

/** Searches of this node's own. */
export class OwnSearches {
  readonly #links: Links
  readonly #running = new Map<number, OwnSearch>() // BOUNDED by maxSearches
  /** By query id, running and past: so their late hits are known, and they do not come back to us. */
  readonly #byId = new BoundedMap<string, OwnSearch>(searchLimits.maxRemembered)
  /** Until when it is known that a cheap flood does not reach everybody. */
  #largeUntil = 0

  constructor(links: Links) {
    this.#links = links
  }

  nextTick(): number {
    let next = Number.POSITIVE_INFINITY
    for (const own of this.#running.values()) next = Math.min(next, own.nextTick)
    return next
  }

  onTick(): void {
    const { now } = this.#links
    for (const own of [...this.#running.values()]) {
      if (own.nextTick > now) continue
      if (own.waveDeadline > now) {
        own.hurry()
        this.#goOn(own)
        continue
      }
      this.#links.timeOut(own.branch)
      if (own.deadline <= now) this.#stop(own)
      else this.#goOn(own)
    }
  }

  /** @throws RangeError when the number is in use, or `checkQuery` refuses the query */
  start(command: Extract<SearchCommand, { type: 'search' }>): void {
    const links = this.#links
    const { config, now, self } = links
    const { search, query, strategy = 'auto', asker = self } = command
    checkQuery(query)
    if (this.#running.has(search)) throw new RangeError(`search ${search} is running`)
    if (this.#running.size >= config.maxSearches && !this.#makeRoom(asker)) {
      links.tell({ type: 'searchDone', search, peersAsked: 0, messages: 0, complete: false, more: true, waves: [] })
      return
    }
    const limit = clamp(command.limit ?? searchLimits.maxHits, 1, searchLimits.maxHits)
    const ttl = clamp(command.ttl ?? config.maxTtl, 0, config.maxTtl)
    const plan = new Plan(
      {
        strategy,
        budget: clamp(command.budget ?? config.budget, 0, config.maxBudget),
        want: clamp(command.want ?? config.want, 1, searchLimits.maxWant),
        walkers: clamp(command.walkers ?? config.walkers, 1, ALL - 1),
        ttl,
        hasKeys: links.keysOf(query).length > 0,
        isLarge: this.#largeUntil > now || this.#isSurelyLarge,
        population: links.population(),
        sight: links.summaries.sight
      },
      config
    )
    const deadline = now + clamp(command.timeoutMs ?? config.timeoutMs, 0, config.maxTimeoutMs)
    const own = new OwnSearch(
      { search, id: this.#newId(), asker, query, limit, plan: ttl === 0 ? undefined : plan, deadline },
      config
    )
    const evicted = this.#byId.set(own.id, own)?.[1]
    if (evicted !== undefined) this.#stop(evicted)
    this.#running.set(search, own)
    this.#look(own)
    this.#goOn(own)
  }

  stop(search: number): void {
    const own = this.#running.get(search)
    if (own !== undefined) this.#stop(own)
  }

  neighbourUp(): void {
    for (const own of [...this.#running.values()]) this.#goOn(own)
  }

  peerDown(peer: Peer): void {
    for (const own of [...this.#running.values()]) {
      own.branch.lose(peer)
      this.#goOn(own)
    }
  }

  /** Returns false when the query is none of ours. */
  onQuery(from: Peer, id: string): boolean {
    const own = this.#byId.get(id)
    if (own === undefined) return false
    own.branch.sawAt(from)
    this.#links.sayKnown(from, id)
    return true
  }

  /** Returns false when the peer was asked for no such hits. */
  onHits(from: Peer, message: HitsMessage): boolean {
    const links = this.#links
    const own = this.#byId.get(message.id)
    if (own?.branch.hasAsked(from) !== true) return false
    const { report } = message
    const answers = links.takeHits(own.branch, from, message)
    if (answers !== undefined && this.#isRunning(own)) {
      const { search, how } = own
      for (const answer of own.take(from, answers)) links.tell({ type: 'hits', search, via: from, how, ...answer })
    }
    if (report !== undefined) {
      if (links.takeReport(own.branch, from, report)) this.#goOn(own)
      else links.onStray(from)
    }
    return true
  }

  /** Returns false when no such report was due. */
  onReport(from: Peer, report: ReportMessage): boolean {
    const own = this.#byId.get(report.id)
    if (own === undefined || !this.#links.takeReport(own.branch, from, report)) return false
    this.#goOn(own)
    return true
  }

  /** The oldest search goes of whoever has most of them running, if that is more than one more than this one has. */
  #makeRoom(asker: Peer): boolean {
    const counts = new Map<Peer, number>()
    for (const own of this.#running.values()) counts.set(own.asker, (counts.get(own.asker) ?? 0) + 1)
    const most = Math.max(...counts.values())
    if (most <= (counts.get(asker) ?? 0) + 1) return false
    for (const own of this.#running.values()) {
      if (counts.get(own.asker) !== most) continue
      this.#stop(own)
      return true
    }
    return false
  }

  /** What this node can say itself. */
  #look(own: OwnSearch): void {
    const { lookup, config, rng, self } = this.#links
    const { search, query, limit } = own
    const choice = { limit, most: config.maxHolders, maxBytes: Number.POSITIVE_INFINITY, isLeftOut: () => false }
    for (const { holder, hits } of choose(lookup(query, limit), choice, rng).chosen) {
      own.holders.add(holder)
      this.#links.tell({ type: 'hits', search, holder, via: self, how: 'own', hops: 0, hits })
    }
  }

  /** Whether there are so many peers that a cheap flood need not be tried: it takes a message for each end of a link. */
  get #isSurelyLarge(): boolean {
    const { population, neighbours, config } = this.#links
    return (population() ?? 0) * (neighbours.size - 1) > SURELY * config.cheapFlood
  }

  #isRunning(own: OwnSearch): boolean {
    return this.#running.get(own.search) === own
  }

  /** Asks whoever is to be asked now; begins the next wave when one is over, and ends after the last. */
  #goOn(own: OwnSearch): void {
    if (!this.#isRunning(own)) return
    const links = this.#links
    own.onAsked(links.ask(own.branch, own), links.now)
    while (own.branch.isOver) {
      const isAtWork = own.nextWave(links.now)
      if (own.isLarge !== undefined) this.#largeUntil = own.isLarge ? links.now + links.config.reachMs : 0
      if (!isAtWork) {
        this.#running.delete(own.search)
        links.tell({ type: 'searchDone', search: own.search, ...own.account })
        return
      }
      own.onAsked(links.ask(own.branch, own), links.now)
    }
  }

  #stop(own: OwnSearch): void {
    own.stop()
    this.#goOn(own)
  }

  #newId(): string {
    let id = ''
    for (let i = 0; i < QUERY_ID_BYTES / 4; i++) id += this.#links.rng.uint32().toString(16).padStart(8, '0')
    return id
  }
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(Math.floor(value), least), most)
}
