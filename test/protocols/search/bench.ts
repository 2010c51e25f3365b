import type { FileId } from '../../../protocols/core/ids.ts'
import type { Input, Output } from '../../../protocols/core/machine.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import { ALL } from '../../../protocols/search/branch.ts'
import type { SearchCommand, SearchEvent, WaveAccount } from '../../../protocols/search/commands.ts'
import { type SearchConfig, searchConfig } from '../../../protocols/search/config.ts'
import type {
  Answer,
  Hit,
  HitsMessage,
  HolderHits,
  QueryMessage,
  Report,
  SearchMessage
} from '../../../protocols/search/messages.ts'
import { Search } from '../../../protocols/search/search.ts'

export type Out = Output<SearchMessage, SearchEvent>

export const self = 0 as Peer
export const [a, b, c, stranger] = [1, 2, 3, 9] as Peer[] as [Peer, Peer, Peer, Peer]
export const song: Hit = { id: 'ab'.repeat(32) as FileId, name: 'song.ogg', size: 5 }
export const words = { kind: 'words', text: 'song' } as const

/** One machine with the neighbours a, b and c, without summaries unless told, and a clock that the test sets. */
export class Bench {
  now = 1_000
  readonly machine: Search
  readonly lookups: unknown[] = []
  shared: Hit[] = []
  /** What others share, for whom this node answers. */
  clients: HolderHits[] = []

  constructor(config: Partial<SearchConfig> = {}, neighbours: Peer[] = [a, b, c]) {
    const lookup = (...asked: unknown[]): readonly HolderHits[] => {
      this.lookups.push(asked)
      return [{ holder: self, hits: this.shared }, ...this.clients]
    }
    this.machine = new Search({ self, rng: seededRng(1), lookup, config: { summaryHops: 0, ...config } })
    for (const peer of neighbours) this.give({ type: 'neighbourUp', peer })
  }

  give(input: Input<SearchCommand, SearchMessage>): Out[] {
    return this.machine.handle(input, this.now)
  }

  receive(from: Peer, message: SearchMessage): Out[] {
    return this.give({ type: 'received', from, message })
  }

  /** A flood, unless told. */
  search(fields: Partial<Extract<SearchCommand, { type: 'search' }>> = {}): { id: string; out: Out[] } {
    const out = this.give({ type: 'search', search: 1, query: words, strategy: 'flood', ...fields })
    return { id: queries(out)[0]?.message.id ?? '', out }
  }
}

export const sends = (out: Out[]): Extract<Out, { type: 'send' }>[] => out.filter(output => output.type === 'send')
export const queries = (out: Out[]): { to: Peer; message: QueryMessage }[] =>
  sends(out).flatMap(({ to, message }) => (message.type === 'query' ? [{ to, message }] : []))
export const events = (out: Out[]): SearchEvent[] =>
  out.flatMap(output => (output.type === 'event' ? [output.event] : []))
export const penalties = (out: Out[]): Peer[] =>
  out.flatMap(output => (output.type === 'penalise' ? [output.peer] : []))

export const idOf = (number: number): string => number.toString(16).padStart(32, '0')

/** A flood with 100 messages below the receiver, unless told. */
export const query = (fields: Partial<QueryMessage> = {}): QueryMessage => ({
  type: 'query',
  id: idOf(1),
  ttl: 7,
  hops: 0,
  width: ALL,
  budget: 100,
  want: searchConfig.want,
  limit: 100,
  query: words,
  ...fields
})

/** Hits of one holder. */
export const hits = ({
  holder = stranger,
  hops = 1,
  hits = [song],
  ...fields
}: Partial<Answer & Omit<HitsMessage, 'answers'>> = {}): HitsMessage => ({
  type: 'hits',
  id: idOf(1),
  answers: [{ holder, hops, hits }],
  ...fields
})

export const sum = (peers = 1, messages = 0, fields: Partial<Report> = {}): Report => ({
  peers,
  messages,
  complete: true,
  more: false,
  beyond: false,
  ...fields
})

export const report = (
  id: string,
  peers?: number,
  messages?: number,
  fields?: Partial<Report>
): Extract<SearchMessage, { type: 'report' }> => ({ type: 'report', id, ...sum(peers, messages, fields) })

/** What is said of a query that is not worked on. */
export const refused = (id: string): SearchMessage => report(id, 0, 0, { complete: false, more: true })
/** What is said when the time is up, or the branch was cut short otherwise. */
export const cut = { complete: false, more: true } as const

export const toSend = (to: Peer, message: SearchMessage): Out => ({ type: 'send', to, message })

/** The end of search 1 after one flood with the default budget. */
export const done = (
  peersAsked: number,
  messages: number,
  fields: Partial<Extract<SearchEvent, { type: 'searchDone' }>> & { found?: number } = {}
): SearchEvent => {
  const { found = 0, ...rest } = fields
  const wave: WaveAccount = { how: 'flood', budget: searchConfig.budget, messages, peersAsked, found }
  return { type: 'searchDone', search: 1, peersAsked, messages, complete: true, more: false, waves: [wave], ...rest }
}
