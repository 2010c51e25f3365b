import type { Infohash } from '../../protocols/core/ids.ts'
import { searchLimits } from '../../protocols/search/index.ts'
import type { SearchEvent, SearchOptions } from '../api.ts'
import type { DirectoryFinding } from '../directory/finding.ts'
import { EventStream } from '../event-stream.ts'
import { type FoundHit, type Origin, originOf, type ResultGroup, ResultGroups } from './grouping.ts'
import type { Prover } from './prover.ts'
import { userQueryOf } from './query-text.ts'
import type { LastResults, StoredResult } from './results.ts'
import type { SearchProofs } from './search-proofs.ts'
import type { Judge, Searches, SearchOutcome } from './searches.ts'

const DEFAULT_TIMEOUT_MS = 5_000
const LONGEST_TIMEOUT_MS = 60_000
/** With more, what was looked for is not rare. */
const FEW_RESULTS = 3

export interface UserSearchParts {
  searches: Searches
  prover: Prover
  directory: Pick<DirectoryFinding, 'filesFor' | 'holdersOf'>
  lastResults: LastResults
  /** This node's peer id. */
  self: string
  /** Peers connected now, neighbours among them, and how many there seem to be at all, when that is known. */
  reach(): Reach
}

export interface Reach {
  connected: number
  neighbours: number
  population?: number | undefined
}

/** A search as a user sees it: results with numbers that `get` takes and who proved to have them, then what it cost. */
export function searchForUser(
  parts: UserSearchParts,
  text: string,
  options: SearchOptions = {}
): AsyncIterable<SearchEvent> {
  const { query, parsed } = userQueryOf(text)
  const timeoutMs = Math.min(options.timeoutMs ?? DEFAULT_TIMEOUT_MS, LONGEST_TIMEOUT_MS)
  const abort = new AbortController()
  let judge: Judge | undefined
  const groups = new ResultGroups({ self: parts.self, query: parsed })
  const proofs: SearchProofs = parts.prover.begin(
    {
      onChange: group => results.onChange(group),
      onLiar: (peer, reason) => events.push({ type: 'liar', peerId: peer as string, reason }),
      onVerdict: (...verdict) => judge?.(...verdict),
      onOtherSize: (holder, hops, hit) =>
        take({ holder: holder as string, via: holder as string, how: 'flood', hops }, hit, true)
    },
    options.prove ?? true
  )
  const results = new NumberedResults({ groups, proofs, options, parts, tell: event => events.push(event) })
  const events = new EventStream<SearchEvent>({
    onStop: () => {
      results.close()
      proofs.stop()
      abort.abort()
    },
    isStale: (older, newer) =>
      older.type === 'result' && newer.type === 'result' && older.result.number === newer.result.number,
    ...(options.signal === undefined ? {} : { signal: options.signal })
  })
  const started = performance.now()
  const take = (origin: Origin, hit: FoundHit, isProven: boolean): void => {
    const changed = groups.add(origin, hit)
    if (changed === undefined) return
    proofs.add(changed, origin.holder, origin.hops, isProven)
    results.onChange(changed)
  }

  /** What is too rare for the search to meet is under its words, or its id, on the ring. */
  const askDirectory = async (): Promise<void> => {
    const signal = AbortSignal.any([abort.signal, AbortSignal.timeout(timeoutMs)])
    const found =
      query.kind === 'id'
        ? await parts.directory.holdersOf(query.id, signal)
        : parsed === undefined
          ? []
          : await parts.directory.filesFor(parsed, signal)
    for (const { peer, hit } of found) {
      const holder = peer as string
      if (hit !== undefined && !proofs.isLiar(holder))
        take({ holder, via: holder, how: 'directory', hops: 1 }, hit, false)
    }
  }

  const run = async (): Promise<SearchOutcome> => {
    const outcome = await parts.searches.run(
      {
        query,
        strategy: options.strategy,
        budget: options.budget,
        ttl: options.ttl,
        limit: holderLimit(options),
        timeoutMs,
        onBegin(begun) {
          judge = begun
        },
        onHits(found) {
          const origin = originOf(found)
          if (proofs.isLiar(origin.holder)) return
          for (const hit of found.hits) take(origin, hit, origin.holder === parts.self)
        }
      },
      abort.signal
    )
    if (mayBeElsewhere(outcome, options) && results.count < FEW_RESULTS) await askDirectory()
    // an order, or the best so many, are known when it is known who lied
    if (!results.needsAll) results.release()
    await proofs.settle()
    results.release()
    return outcome
  }
  run()
    .finally(() => {
      results.close()
      proofs.stop()
    })
    .then(
      account => {
        const { peersAsked, messages, complete, more, waves, bySuperPeers = false } = account
        const { count } = results
        const hint = count === 0 ? hintOf(parts.reach(), account) : undefined
        const isWhole = complete && !more
        const population = isWhole && !bySuperPeers ? peersAsked : parts.reach().population
        events.push({
          type: 'done',
          results: count,
          peersAsked,
          ...(population === undefined ? {} : { population: Math.max(population, peersAsked) }),
          isWhole,
          ...(bySuperPeers ? { bySuperPeers } : {}),
          messages,
          waves: [...waves],
          elapsedMs: Math.round(performance.now() - started),
          ...(hint === undefined ? {} : { hint })
        })
        events.end()
      },
      error => events.fail(error)
    )
  return events
}

/** Not everybody was asked, and the user did not say how to search. */
function mayBeElsewhere({ complete, more }: SearchOutcome, { strategy = 'auto' }: SearchOptions): boolean {
  return strategy === 'auto' && !(complete && !more)
}

/** Each holder sends its best, so it need not send more than are wanted, when the best are wanted. */
function holderLimit({ limit, sort = 'best' }: SearchOptions): number {
  return sort === 'best' ? Math.min(limit ?? searchLimits.maxHits, searchLimits.maxHits) : searchLimits.maxHits
}

/**
 * Gives results their numbers when they are told of, for good. Those that are found in the first `gatherMs` are told of
 * together, the best first; later ones as they are found.
 */
class NumberedResults {
  /** Whether nothing is told before everything is known: an order was asked for, or the best so many. */
  readonly needsAll: boolean
  readonly #groups: ResultGroups
  readonly #proofs: SearchProofs
  readonly #options: SearchOptions
  readonly #self: string
  readonly #keep: (number: number, result: StoredResult) => void
  readonly #tell: (event: SearchEvent) => void
  readonly #numbers = new Map<ResultGroup, number>() // BOUNDED by what a search takes from the network
  #gathering: boolean
  #timer: NodeJS.Timeout | undefined

  constructor(init: {
    groups: ResultGroups
    proofs: SearchProofs
    options: SearchOptions
    parts: UserSearchParts
    tell(event: SearchEvent): void
  }) {
    const { groups, proofs, options, parts } = init
    this.#groups = groups
    this.#proofs = proofs
    this.#options = options
    this.#self = parts.self
    this.#keep = parts.lastResults.begin()
    this.#tell = event => init.tell(event)
    const gatherMs = options.gatherMs ?? 0
    this.needsAll = options.sort !== undefined || options.limit !== undefined
    this.#gathering = this.needsAll || gatherMs > 0
    if (!this.needsAll && gatherMs > 0) {
      this.#timer = setTimeout(() => this.release(), Math.min(gatherMs, LONGEST_TIMEOUT_MS))
    }
  }

  /** Results that were told of and have a holder that has not turned out to be none. */
  get count(): number {
    let count = 0
    for (const group of this.#numbers.keys()) if (this.#hasHolder(group)) count++
    return count
  }

  /** With `needsAll` those that are told of are the best; others may still change. */
  onChange(group: ResultGroup): void {
    if (!this.#gathering && (!this.needsAll || this.#numbers.has(group))) this.#tellOf(group)
  }

  /** Tells of all that was gathered. */
  release(): void {
    if (!this.#gathering) return
    this.#gathering = false
    const { sort = 'best', limit } = this.#options
    const there = this.#groups.sorted(sort).filter(group => this.#hasHolder(group))
    for (const group of there.slice(0, limit)) this.#tellOf(group)
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  #hasHolder(group: ResultGroup): boolean {
    return this.#proofs.viewOf(group).holders.length > 0
  }

  #tellOf(group: ResultGroup): void {
    const number = this.#numbers.get(group) ?? this.#numbers.size + 1
    this.#numbers.set(group, number)
    const { id, name, size, infohash, mine, hops, foundBy } = group
    const view = this.#proofs.viewOf(group)
    const collection = infohash === undefined ? {} : { infohash: infohash as Infohash }
    this.#keep(number, { id, name, size, ...collection, holders: view.holders.filter(other => other !== this.#self) })
    const relevance = Math.round(group.relevance * 1_000) / 1_000
    this.#tell({
      type: 'result',
      result: { number, id, name, size, ...collection, mine, hops, foundBy, relevance, ...view }
    })
  }
}

/** Why nothing was found, and what to do about it. */
function hintOf(
  { connected, neighbours }: Reach,
  { peersAsked, complete, more, bySuperPeers = false }: SearchOutcome
): string {
  if (connected === 0) {
    return 'No other peer is connected. Start `shoal up` on another machine of this network, or name one with --peer ADDRESS.'
  }
  if (neighbours === 0 && !bySuperPeers)
    return `${connected} peers are connected, none is a neighbour yet: try again in a few seconds.`
  const kind = bySuperPeers ? 'super-peer' : 'peer'
  const asked = `${peersAsked} ${peersAsked === 1 ? `${kind} was` : `${kind}s were`} asked`
  if (!complete) return `${asked}, not all answered in time: try again, with a longer --timeout.`
  if (more) return `${asked} and none has a file that matches. There are more: try again with a larger --budget.`
  return `${asked} and none has a file that matches: try fewer words, or the beginning of one with a * behind it.`
}
