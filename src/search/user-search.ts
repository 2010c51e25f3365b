import type { FileId, Infohash } from '../../protocols/core/ids.ts'
import { isHex256 } from '../../protocols/core/ids.ts'
import type { Query } from '../../protocols/search/index.ts'
import type { SearchEvent, SearchOptions, SearchResult } from '../api.ts'
import { ShoalError } from '../errors.ts'
import { EventStream } from '../event-stream.ts'
import { type FoundHit, ResultGroups } from './grouping.ts'
import type { Prover } from './prover.ts'
import type { LastResults } from './results.ts'
import type { Searches, SearchOutcome } from './searches.ts'

const MAX_QUERY_BYTES = 256
const DEFAULT_TIMEOUT_MS = 5_000
const LONGEST_TIMEOUT_MS = 60_000

export interface UserSearchParts {
  searches: Searches
  lastResults: LastResults
  prover: Prover
  /** This node's peer id. */
  self: string
  /** Peers connected now, and neighbours among them. */
  reach(): { connected: number; neighbours: number }
}

/** A search as a user sees it: grouped results with numbers that `get` takes and who proved to have them, then its cost. */
export function searchForUser(
  parts: UserSearchParts,
  text: string,
  options: SearchOptions = {}
): AsyncIterable<SearchEvent> {
  const query = queryOf(text)
  const timeoutMs = Math.min(options.timeoutMs ?? DEFAULT_TIMEOUT_MS, LONGEST_TIMEOUT_MS)
  const { ttl, limit } = options
  const abort = new AbortController()
  const events = new EventStream<SearchEvent>({
    onStop: () => abort.abort(),
    isStale: (older, newer) =>
      older.type === 'result' && newer.type === 'result' && older.result.number === newer.result.number,
    ...(options.signal === undefined ? {} : { signal: options.signal })
  })
  const groups = new ResultGroups({ self: parts.self, limit })
  const started = performance.now()
  const elapsed = (): number => Math.round(performance.now() - started)
  const keep = parts.lastResults.begin()
  const tell = (result: SearchResult): void => {
    const { number, name, size, holders } = result
    keep(number, {
      id: result.id as FileId,
      name,
      size,
      ...(result.infohash === undefined ? {} : { infohash: result.infohash as Infohash }),
      holders: holders.filter(other => other !== parts.self)
    })
    events.push({ type: 'result', result })
  }
  const take = (holder: string, hops: number, hit: FoundHit, isProven: boolean): void => {
    const result = groups.add(holder, hops, hit)
    if (result !== undefined) tell(proofs.add(result, holder, hops, isProven))
  }
  const proofs = parts.prover.begin(
    {
      onChange: tell,
      onLiar: (peer, reason) => events.push({ type: 'liar', peerId: peer as string, reason }),
      onOtherSize: (holder, hops, hit) => take(holder as string, hops, hit, true)
    },
    options.prove ?? true
  )
  abort.signal.addEventListener('abort', () => proofs.stop(), { once: true })

  const run = async (): Promise<SearchOutcome> =>
    await parts.searches.run(
      {
        query,
        ttl,
        limit,
        timeoutMs,
        onHits(holder, hops, hits) {
          if (proofs.isLiar(holder as string)) return
          for (const hit of hits) take(holder as string, hops, hit, holder === parts.self)
        }
      },
      abort.signal
    )
  run().then(
    async ({ peersAsked, messages, complete }) => {
      await proofs.settle()
      const hint = proofs.size === 0 ? hintOf(parts.reach(), peersAsked, complete) : undefined
      events.push({
        type: 'done',
        results: proofs.size,
        peersAsked,
        messages,
        elapsedMs: elapsed(),
        ...(hint === undefined ? {} : { hint })
      })
      events.end()
    },
    error => {
      proofs.stop()
      events.fail(error)
    }
  )
  return events
}

function queryOf(text: string): Query {
  const trimmed = text.trim()
  if (isHex256(trimmed.toLowerCase())) return { kind: 'id', id: trimmed.toLowerCase() as FileId | Infohash }
  if (!/[\p{L}\p{N}]/u.test(trimmed)) throw new ShoalError('USAGE', 'a search needs at least one word')
  if (Buffer.byteLength(trimmed) > MAX_QUERY_BYTES) {
    throw new ShoalError('USAGE', `a query has at most ${MAX_QUERY_BYTES} bytes`)
  }
  return { kind: 'words', text: trimmed }
}

/** Why nothing was found, and what to do about it. */
function hintOf(
  { connected, neighbours }: { connected: number; neighbours: number },
  peersAsked: number,
  complete: boolean
): string {
  if (connected === 0) {
    return 'No other peer is connected. Start `shoal up` on another machine of this network, or name one with --peer ADDRESS.'
  }
  if (neighbours === 0) return `${connected} peers are connected, none is a neighbour yet: try again in a few seconds.`
  const asked = `${peersAsked} ${peersAsked === 1 ? 'peer was' : 'peers were'} asked`
  if (!complete) return `${asked}, not all answered in time: try again, with a longer --timeout.`
  return `${asked} and none has a file with all these words: try fewer or shorter ones.`
}
