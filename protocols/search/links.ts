import { BoundedMap } from '../core/bounded-map.ts'
import type { Output } from '../core/machine.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import type { KeyHash } from './bloom.ts'
import type { Ask, Branch } from './branch.ts'
import type { SearchEvent } from './commands.ts'
import { type SearchConfig, searchLimits } from './config.ts'
import { countedBytes } from './hits.ts'
import { keyHashes } from './keys.ts'
import type { Answer, HitsMessage, HolderHits, Query, Report, SearchMessage, SummaryMessage } from './messages.ts'
import { Share } from './share.ts'
import { Summaries } from './summaries.ts'

type Out = Output<SearchMessage, SearchEvent>

/** What is said of a query that is known already, */
const KNOWN: Report = { peers: 0, messages: 0, complete: true, more: false, beyond: false }
/** and of one that is not worked on. */
const REFUSED: Report = { ...KNOWN, complete: false, more: true }

/** A query as it goes on from here. */
export interface Onward {
  readonly id: string
  /** Hops that it has travelled. */
  readonly hops: number
  /** Hits that each holder may send. */
  readonly limit: number
  readonly query: Query
}

export interface LinksInit {
  self: Peer
  rng: Rng
  /**
   * Who has something that is looked for, as far as this node answers for them, with at most `limit` hits of each: itself
   * and others whose files it knows. Called for strangers: it must be cheap, and bounded for any query.
   */
  lookup(query: Query, limit: number): readonly HolderHits[]
  /** About how many peers the overlay has, if that is known. */
  population?(): number | undefined
}

/**
 * This node among its neighbours, for queries of its own and of others alike: who they are, what their summaries show,
 * what each may make it do, and what goes out.
 */
export class Links {
  readonly self: Peer
  readonly rng: Rng
  readonly lookup: LinksInit['lookup']
  readonly population: () => number | undefined
  readonly config: SearchConfig
  readonly neighbours = new Set<Peer>() // BOUNDED by the overlay's active view
  readonly summaries: Summaries
  readonly #shares = new BoundedMap<Peer, Share>(searchLimits.maxShares)
  #out: Out[] = []
  #now = 0

  constructor(init: LinksInit, config: SearchConfig) {
    this.self = init.self
    this.rng = init.rng
    this.lookup = (query, limit) => init.lookup(query, limit)
    this.population = () => init.population?.()
    this.config = config
    this.summaries = new Summaries(config, init.rng)
  }

  /** Time of the present input. */
  get now(): number {
    return this.#now
  }

  /** A new input. What goes out because of it is put into the list that is returned. */
  begin(now: number): Out[] {
    this.#now = now
    this.#out = []
    return this.#out
  }

  send(to: Peer, message: SearchMessage): void {
    this.#out.push({ type: 'send', to, message })
  }

  report(to: Peer, id: string, report: Report): void {
    const { peers, messages, complete, more, beyond } = report
    this.send(to, { type: 'report', id, peers, messages, complete, more, beyond })
  }

  sayKnown(to: Peer, id: string): void {
    this.report(to, id, KNOWN)
  }

  sayRefused(to: Peer, id: string): void {
    this.report(to, id, REFUSED)
  }

  tell(event: SearchEvent): void {
    this.#out.push({ type: 'event', event })
  }

  neighbourUp(peer: Peer): void {
    this.neighbours.add(peer)
    this.summaries.neighbourUp(peer, this.#now)
  }

  neighbourDown(peer: Peer): void {
    this.neighbours.delete(peer)
    this.summaries.neighbourDown(peer, this.#now)
  }

  /** Asks whom the branch wants asked. */
  ask(branch: Branch, { id, hops, limit, query }: Onward): readonly Ask[] {
    const asks = branch.advance({
      neighbours: this.neighbours,
      matchOf: peer => this.summaries.matchOf(peer, this.keysOf(query)),
      rng: this.rng
    })
    for (const { peer, order } of asks) {
      const { ttl, width, budget, want } = order
      this.send(peer, { type: 'query', id, ttl, hops, width, budget, want, limit, query })
    }
    return asks
  }

  /** By which summaries can lead a query; none when they cannot. */
  keysOf(query: Query): readonly KeyHash[] {
    return this.summaries.isOn ? keyHashes(query) : []
  }

  /** Whether one more query of this peer is looked at. Far more than an honest one sends are an offence. */
  takesArrival(from: Peer): boolean {
    if (this.#shareOf(from).arrivals.take(this.#now)) return true
    this.#penalise(from, 'far too many queries')
    return false
  }

  /** Whether a neighbour's query is worked on that has come so far, as a share of how far any may come. */
  takesQuery(from: Peer, way: number): boolean {
    return this.neighbours.has(from) && this.#shareOf(from).takeQuery(this.#now, way)
  }

  /** Those of the answers of a peer that was asked which can be; undefined when all are dropped. */
  takeHits(branch: Branch, from: Peer, { answers }: HitsMessage): readonly Answer[] | undefined {
    if (!this.#shareOf(from).hitBytes.take(this.#now, countedBytes(answers))) return undefined
    const taken = answers.filter(({ holder, hops }) => holder !== this.self && hops >= 1 && hops <= branch.reach)
    return taken.length > 0 ? taken : undefined
  }

  /** Whether the report was due. */
  takeReport(branch: Branch, from: Peer, report: Report): boolean {
    const { wasDue, outcome } = branch.report(from, report)
    if (outcome !== undefined) this.summaries.judge(from, outcome.hops, outcome.hasHit)
    return wasDue
  }

  /** The branch has waited for long enough. */
  timeOut(branch: Branch): void {
    for (const { peer, hops } of branch.giveUp()) this.summaries.judge(peer, hops, false)
  }

  /** An answer to nothing. An honest peer's may be late, so only many of them are an offence. */
  onStray(from: Peer): void {
    if (this.#shareOf(from).strays.take(this.#now)) return
    this.#penalise(from, 'far too many answers to queries that it was not sent')
  }

  onSummary(from: Peer, message: SummaryMessage): void {
    if (!this.neighbours.has(from) || !this.#takesSummary(from)) return
    if (!this.summaries.onSummary(from, message, this.#now)) this.send(from, { type: 'summaryWanted' })
  }

  onSummaryWanted(from: Peer): void {
    if (this.#takesSummary(from)) this.summaries.onWanted(from, this.#now)
  }

  tellSummaries(): void {
    for (const { to, message } of this.summaries.takeDue(this.#now)) this.send(to, message)
  }

  /** Too many are dropped, and blamed on nobody: a neighbour that comes and goes is told the whole each time. */
  #takesSummary(from: Peer): boolean {
    return this.#shareOf(from).summaries.take(this.#now)
  }

  #shareOf(peer: Peer): Share {
    let share = this.#shares.get(peer)
    if (share === undefined) {
      share = new Share(this.config)
      this.#shares.set(peer, share)
    }
    return share
  }

  #penalise(peer: Peer, reason: string): void {
    this.#out.push({ type: 'penalise', peer, reason })
  }
}
