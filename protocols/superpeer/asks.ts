import type { Agenda, Appointment } from '../core/agenda.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import { searchLimits } from '../search/config.ts'
import { checkQuery, type Hit } from '../search/messages.ts'
import { itemBytes } from './catalogue.ts'
import type { CatalogueStore } from './catalogue-store.ts'
import type { SuperPeerCommand } from './commands.ts'
import { type SuperPeerConfig, superPeerLimits } from './config.ts'
import type { Judging } from './judging.ts'
import type { SuperPeerMessageOf } from './messages.ts'
import type { Outbox } from './outbox.ts'
import type { Scores } from './scores.ts'
import { tagOf } from './tags.ts'

type SearchInput = Extract<SuperPeerCommand, { type: 'search' }>

interface Part {
  /** lost: gone, or silent for too long; what it still tells counts. */
  state: 'open' | 'done' | 'lost'
  readonly budget: number
  heardMs: number
  holders: number
  bytes: number
  isComplete: boolean
  hasMore: boolean
}

interface Own {
  readonly search: number
  /** Its number for super-peers. */
  readonly ask: number
  readonly query: SearchInput['query']
  readonly want: number
  readonly limit: number
  readonly budget: number
  readonly endMs: number
  readonly startMs: number
  /** BOUNDED by the super-peers of this node, over the life of a search by `supers` more. */
  readonly parts: Map<Peer, Part>
  /** Tags of what was told. BOUNDED by maxHolders and maxAnswerBytes of each part. */
  readonly told: Set<number>
  readonly holders: Set<Peer>
  next: Appointment | undefined
  peersAsked: number
  messages: number
}

export interface AsksInit {
  config: SuperPeerConfig
  outbox: Outbox
  agenda: Agenda
  rng: Rng
  store: CatalogueStore
  scores: Scores
  judging: Judging
  supers: () => readonly Peer[]
}

/**
 * Searches of this node, asked of its super-peers: the whole of one, and a check of a second, who is told what is known.
 * Whoever is lost is replaced, so that as long as one super-peer answers honestly the search has a result.
 */
export class Asks {
  readonly #init: AsksInit
  readonly #searches = new Map<number, Own>() // BOUNDED by maxSearches
  #lastAsk: number

  constructor(init: AsksInit) {
    this.#init = init
    this.#lastAsk = init.rng.uint32()
  }

  /** @throws RangeError on a search that runs, or a query that no message can hold */
  start(input: SearchInput): void {
    const { outbox, config, judging } = this.#init
    const { search, query } = input
    checkQuery(query)
    if (this.#searches.has(search)) throw new RangeError(`search ${search} is running`)
    const timeoutMs = Math.min(input.timeoutMs ?? config.timeoutMs, superPeerLimits.maxTimeoutMs)
    const own: Own = {
      search,
      ask: (this.#lastAsk = (this.#lastAsk + 1) >>> 0),
      query,
      // a flood is for those who want all that there is
      want: input.strategy === 'flood' ? searchLimits.maxWant : clamped(input.want ?? config.want, 1, 255),
      limit: clamped(input.limit ?? config.limit, 1, searchLimits.maxHits),
      budget: input.ttl === 0 ? 0 : clamped(input.budget ?? config.budget, 0, superPeerLimits.maxBudget),
      startMs: outbox.now,
      endMs: outbox.now + timeoutMs,
      parts: new Map(),
      told: new Set(),
      holders: new Set(),
      next: undefined,
      peersAsked: 0,
      messages: 0
    }
    judging.begin(search)
    this.#tellOwn(own)
    if (input.ttl === 0 || this.#searches.size >= superPeerLimits.maxSearches) {
      this.#end(own)
      return
    }
    this.#searches.set(search, own)
    this.#advance(own)
  }

  stop(search: number): void {
    const own = this.#searches.get(search)
    if (own !== undefined) this.#end(own)
  }

  onAnswer(from: Peer, message: SuperPeerMessageOf<'answer'>): void {
    const own = [...this.#searches.values()].find(({ ask }) => ask === message.ask)
    const part = own?.parts.get(from)
    // late, as a rule
    if (own === undefined || part === undefined || part.state === 'done') return
    part.heardMs = this.#init.outbox.now
    this.#take(own, part, from, message)
    const { account } = message
    if (account !== undefined) {
      part.state = 'done'
      part.isComplete = account.complete
      part.hasMore = account.more
      own.peersAsked += account.peersAsked
      own.messages += account.messages
      this.#init.judging.onFirstEnd(own.search, from, part.holders < own.want)
    }
    this.#advance(own)
  }

  /** No longer one of ours. */
  onLost(peer: Peer): void {
    for (const own of [...this.#searches.values()]) {
      const part = own.parts.get(peer)
      if (part?.state !== 'open') continue
      part.state = 'lost'
      this.#advance(own)
    }
  }

  /** There are others now. */
  onSupers(): void {
    for (const own of [...this.#searches.values()]) this.#advance(own)
  }

  #advance(own: Own): void {
    const { outbox, agenda, config } = this.#init
    const { now } = outbox
    agenda.cancel(own.next)
    if (now >= own.endMs) {
      this.#end(own)
      return
    }
    const alive = (): [Peer, Part][] =>
      [...own.parts].filter(
        ([, part]) => part.state === 'done' || (part.state === 'open' && now - part.heardMs < config.silentMs)
      )
    // one that says nothing goes on, and what it was given is given to another as well
    if (!alive().some(([, { budget }]) => budget === own.budget)) this.#ask(own, own.budget)
    const isTimeForCheck = now - own.startMs >= config.secondMs || alive().some(([, { state }]) => state === 'done')
    if (isTimeForCheck && alive().length === 1) this.#check(own, alive()[0] as [Peer, Part])
    const open = [...own.parts.values()].filter(({ state }) => state === 'open')
    if (open.length === 0 && isTimeForCheck) {
      this.#end(own)
      return
    }
    const firsts = open.map(({ heardMs }) => heardMs + config.silentMs).filter(ms => ms > now)
    if (!isTimeForCheck) firsts.push(own.startMs + config.secondMs)
    own.next = agenda.at(now, Math.min(own.endMs, ...firsts), () => this.#advance(own))
  }

  /** A second one is asked, who is told what the first has told. */
  #check(own: Own, [first, part]: [Peer, Part]): void {
    const { config, scores, judging } = this.#init
    // what the first has not found is looked for anew, unless it has shown that it tells what there is
    const isTrusted = scores.isTrusted(first)
    const isDoubtful = part.state === 'done' && part.holders < own.want && !isTrusted
    const budget = isDoubtful ? own.budget : Math.ceil(own.budget * config.secondShare)
    const second = this.#ask(own, budget, isTrusted ? Math.max(1, own.want - own.holders.size) : own.want)
    if (second === undefined) return
    judging.onPair(own.search, first, second)
    if (part.state === 'done') judging.onFirstEnd(own.search, first, part.holders < own.want)
  }

  /** One of those that have not been asked yet, the better the likelier; else one that could have done more. */
  #ask(own: Own, budget: number, want = own.want): Peer | undefined {
    const { outbox, rng, scores, supers } = this.#init
    const untried = supers().filter(peer => !own.parts.has(peer))
    const spared = supers().filter(peer => {
      const part = own.parts.get(peer)
      return part?.state === 'done' && part.budget < budget
    })
    const to = weighted(untried.length > 0 ? untried : spared, scores, rng)
    if (to === undefined) return undefined
    const fresh = { holders: 0, bytes: 0, isComplete: false, hasMore: true }
    own.parts.set(to, { ...(own.parts.get(to) ?? fresh), state: 'open', budget, heardMs: outbox.now })
    outbox.send(to, {
      type: 'ask',
      ask: own.ask,
      query: own.query,
      want,
      limit: own.limit,
      budget,
      timeoutMs: Math.max(1, own.endMs - outbox.now),
      told: Uint32Array.from([...own.told].slice(0, superPeerLimits.maxTold))
    })
    return to
  }

  #take(own: Own, part: Part, from: Peer, { holders, hits }: SuperPeerMessageOf<'answer'>): void {
    const { outbox, judging } = this.#init
    const byHolder = new Map<number, Hit[]>()
    for (const { hit, holders: places } of hits) {
      for (const place of places) {
        const list = byHolder.get(place) ?? []
        list.push(hit)
        byHolder.set(place, list)
      }
    }
    for (const [place, theirs] of byHolder) {
      const holder = holders[place]
      if (holder === undefined || holder.peer === outbox.self) continue
      if (part.holders >= superPeerLimits.maxHolders) return
      const fresh: Hit[] = []
      for (const hit of theirs.slice(0, own.limit)) {
        const bytes = itemBytes(hit)
        const tag = tagOf(own.ask, holder.peer, hit.id)
        judging.onTold(own.search, holder.peer, hit.id, { by: from, isOwn: holder.hops <= 1 })
        if (own.told.has(tag) || part.bytes + bytes > superPeerLimits.maxAnswerBytes) continue
        part.bytes += bytes
        own.told.add(tag)
        fresh.push(hit)
      }
      if (fresh.length === 0) continue
      part.holders++
      own.holders.add(holder.peer)
      const { search } = own
      outbox.tell({
        type: 'hits',
        search,
        holder: holder.peer,
        via: from,
        how: 'super',
        hops: holder.hops,
        hits: fresh
      })
    }
  }

  #tellOwn({ search, query, limit }: Own): void {
    const { outbox, store } = this.#init
    const { self } = outbox
    for (const { hits } of store.search(query, { perHolder: limit, total: limit, isLive: peer => peer === self })) {
      outbox.tell({ type: 'hits', search, holder: self, via: self, how: 'own', hops: 0, hits })
    }
  }

  #end(own: Own): void {
    const { outbox, agenda, judging } = this.#init
    agenda.cancel(own.next)
    this.#searches.delete(own.search)
    const parts = [...own.parts.values()]
    for (const [peer, { state, holders }] of own.parts) {
      if (state !== 'open') continue
      judging.onFirstEnd(own.search, peer, holders < own.want)
      outbox.send(peer, { type: 'stopAsk', ask: own.ask })
    }
    outbox.tell({
      type: 'searchDone',
      search: own.search,
      peersAsked: own.peersAsked + parts.length,
      messages: own.messages + parts.length,
      complete: parts.some(({ state, isComplete }) => state === 'done' && isComplete),
      more: !parts.some(({ state, hasMore }) => state === 'done' && !hasMore),
      waves: []
    })
  }
}

function weighted(peers: readonly Peer[], scores: Scores, rng: Rng): Peer | undefined {
  let left = rng.unit() * peers.reduce((sum, peer) => sum + scores.weight(peer), 0)
  for (const peer of peers) {
    left -= scores.weight(peer)
    if (left <= 0) return peer
  }
  return peers.at(-1)
}

function clamped(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, Math.floor(value)))
}
