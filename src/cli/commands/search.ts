import type { SearchEvent, SearchOptions, SearchResult } from '../../api.ts'
import { ShoalError } from '../../errors.ts'
import { userQueryOf } from '../../search/query-text.ts'
import type { Context } from '../context.ts'
import { shown } from '../escape.ts'
import type { Output } from '../output.ts'
import { withPeer } from '../peer.ts'
import { peerText } from '../transfer-text.ts'
import { bytesText, countText, durationText } from '../units.ts'

/** Holders of a file answer at nearly the same time: a line that waits so long names them all. */
const GATHER_MS = 300
const MOST_LATE_HOLDERS = 8

/** Most searches are over by then: their results are listed once, the best first. */
const BEST_FIRST_MS = 1_000

export interface SearchCommandOptions {
  limit?: number
  sort?: NonNullable<SearchOptions['sort']>
  timeout?: number
  ttl?: number
  prove?: boolean
  strategy?: NonNullable<SearchOptions['strategy']>
  budget?: number
  explain?: boolean
}

export async function search(context: Context, words: string[], options: SearchCommandOptions): Promise<void> {
  const { out, io } = context
  const { limit, sort, timeout, ttl, strategy, budget, prove = true, explain = false } = options
  const query = words.join(' ')
  // before any peer is started
  userQueryOf(query)
  const asked: SearchOptions = {
    ...(sort === undefined ? {} : { sort }),
    // programs put them in order themselves
    ...(out.json ? {} : { gatherMs: BEST_FIRST_MS }),
    ...(limit === undefined ? {} : { limit }),
    ...(timeout === undefined ? {} : { timeoutMs: timeout * 1000 }),
    ...(strategy === undefined ? {} : { strategy }),
    ...(budget === undefined ? {} : { budget }),
    ...(ttl === undefined ? {} : { ttl }),
    ...(prove ? {} : { prove }),
    signal: io.interrupted
  }
  await withPeer(context, 'network', async shoal => {
    const lines = new ResultLines(out, { prove, explain })
    try {
      for await (const event of shoal.search(query, asked)) {
        out.record(event.type, event)
        switch (event.type) {
          case 'result':
            lines.add(event.result)
            break
          case 'liar':
            if (!out.json)
              out.note(`${peerText(event.peerId)} is not believed any more: it sent ${shown(event.reason)}`)
            break
          case 'done':
            lines.end()
            sayDone(event, out, explain)
            return
        }
      }
    } finally {
      lines.end()
    }
    if (io.interrupted.aborted) throw new ShoalError('INTERRUPTED', 'the search was interrupted')
    throw new ShoalError('INTERNAL', 'the search ended without a result')
  })
}

type Done = Extract<SearchEvent, { type: 'done' }>

function sayDone(event: Done, out: Output, explain: boolean): void {
  const { results, messages, elapsedMs, hint, waves } = event
  const cost = `${countText(messages, 'message')}, ${durationText(elapsedMs)}`
  out.say(`${countText(results, 'result')}: asked ${askedText(event)}, ${cost}`)
  if (explain) {
    for (const { how, budget, messages, peersAsked, found } of waves) {
      const spent = `${messages} of ${countText(budget, 'message')} spent`
      out.say(
        `  ${HOW[how].padEnd(15)} ${spent}, ${countText(peersAsked, 'peer')} asked, ${countText(found, 'holder')} by then`
      )
    }
  }
  if (hint !== undefined) out.say(shown(hint))
  if (results > 0) out.hint('Fetch one with: shoal get NUMBER')
}

function askedText({ peersAsked, population, isWhole, bySuperPeers = false }: Done): string {
  if (bySuperPeers) {
    const forAll = population === undefined ? '' : `, who answer for about ${countText(population, 'peer')}`
    return `${isWhole && peersAsked > 1 ? 'all ' : ''}${countText(peersAsked, 'super-peer')}${forAll}`
  }
  if (isWhole) return `${peersAsked > 1 ? 'all ' : ''}${countText(peersAsked, 'peer')}`
  if (population === undefined || population <= peersAsked) return `${countText(peersAsked, 'peer')} of more`
  return `${peersAsked} of about ${countText(population, 'peer')}`
}

const HOW: Readonly<Record<SearchResult['foundBy']['how'], string>> = {
  own: 'here',
  flood: 'by a flood',
  summaries: 'by summaries',
  walk: 'by a walk',
  super: 'by super-peers',
  directory: 'in the directory'
}

/**
 * Results as lines, a moment after each was found: those that may still be proven wait for that. Numbers are in order
 * among what is printed at once.
 */
class ResultLines {
  readonly #out: Output
  readonly #prove: boolean
  readonly #explain: boolean
  readonly #waiting = new Map<number, SearchResult>() // BOUNDED by the results of a search
  readonly #printed = new Map<number, { before: number; now: number }>() // BOUNDED likewise
  #timer: NodeJS.Timeout | undefined

  constructor(out: Output, { prove, explain }: { prove: boolean; explain: boolean }) {
    this.#out = out
    this.#prove = prove
    this.#explain = explain
  }

  add(result: SearchResult): void {
    const printed = this.#printed.get(result.number)
    if (printed !== undefined) printed.now = this.#countOf(result)
    else this.#waiting.set(result.number, result)
    this.#timer ??= setTimeout(() => this.#flush(({ state }) => state !== 'checking'), GATHER_MS)
  }

  end(): void {
    this.#flush(() => true)
    const late = [...this.#printed].filter(([, { before, now }]) => now > before)
    const unproven = [...this.#printed.values()].some(({ now }) => now === 0)
    this.#printed.clear()
    if (late.length > 0) {
      const some = late.slice(0, MOST_LATE_HOLDERS).map(([number, { now }]) => `${number} (${now})`)
      const more = late.length > some.length ? ` and ${late.length - some.length} more` : ''
      this.#out.say(`more peers turned out to hold ${some.join(', ')}${more}`)
    }
    if (unproven) this.#out.hint('unproven: nobody has shown a piece of it')
  }

  #flush(isReady: (result: SearchResult) => boolean): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    for (const result of [...this.#waiting.values()].sort((a, b) => a.number - b.number)) {
      if (!isReady(result)) continue
      this.#waiting.delete(result.number)
      const { number, size, holders, name, mine } = result
      // everybody that was said to hold it has turned out not to
      if (holders.length === 0) continue
      const count = this.#countOf(result)
      this.#printed.set(number, { before: count, now: count })
      const facts = [String(number).padStart(3), bytesText(size).padStart(9), this.#holdersText(result).padEnd(10)]
      const style = count > 0 ? 'bold' : 'dim'
      this.#out.say(`${facts.join('  ')}  ${this.#out.paint(style, shown(name))}${mine ? '  (you have it)' : ''}`)
      if (this.#explain) this.#out.say(`${' '.repeat(5)}${foundText(result)}`)
    }
  }

  /** Holders to count on. */
  #countOf({ holders, proven }: SearchResult): number {
    return this.#prove ? proven : holders.length
  }

  #holdersText(result: SearchResult): string {
    const count = this.#countOf(result)
    const said = result.holders.length
    if (count === 0) return 'unproven'
    return count < said ? `${count}/${countText(said, 'peer')}` : countText(count, 'peer')
  }
}

function foundText({ foundBy: { how, via }, hops }: SearchResult): string {
  if (how === 'own') return 'found here'
  if (how === 'directory') return `found in the directory, where ${peerText(via)} says that it has it`
  if (how === 'super') return `found by super-peer ${peerText(via)}, ${countText(hops, 'hop')} away`
  return `found ${HOW[how]} by way of ${peerText(via)}, ${countText(hops, 'hop')} away`
}
