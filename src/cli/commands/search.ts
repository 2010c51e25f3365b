import type { SearchEvent, SearchOptions, SearchResult } from '../../api.ts'
import { ShoalError } from '../../errors.ts'
import type { Context } from '../context.ts'
import { shown } from '../escape.ts'
import type { Output } from '../output.ts'
import { withPeer } from '../peer.ts'
import { bytesText, countText, durationText } from '../units.ts'

/** Holders of a file answer at nearly the same time: a line that waits so long names them all. */
const GATHER_MS = 300
const MOST_LATE_HOLDERS = 8

export interface SearchCommandOptions {
  limit?: number
  timeout?: number
  ttl?: number
}

export async function search(context: Context, words: string[], options: SearchCommandOptions): Promise<void> {
  const { out, io } = context
  const { limit, timeout, ttl } = options
  const asked: SearchOptions = {
    ...(limit === undefined ? {} : { limit }),
    ...(timeout === undefined ? {} : { timeoutMs: timeout * 1000 }),
    ...(ttl === undefined ? {} : { ttl }),
    signal: io.interrupted
  }
  await withPeer(context, 'network', async shoal => {
    const lines = new ResultLines(out)
    try {
      for await (const event of shoal.search(words.join(' '), asked)) {
        out.record(event.type, event)
        if (event.type === 'result') lines.add(event.result)
        else {
          lines.end()
          sayDone(event, out)
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

function sayDone(event: Extract<SearchEvent, { type: 'done' }>, out: Output): void {
  const { results, peersAsked, messages, elapsedMs, hint } = event
  const asked = `asked ${countText(peersAsked, 'peer')}, ${countText(messages, 'message')}, ${durationText(elapsedMs)}`
  out.say(`${countText(results, 'result')}: ${asked}`)
  if (hint !== undefined) out.say(shown(hint))
  if (results > 0) out.hint('Fetch one with: shoal get NUMBER')
}

/** Results as lines, in the order of their numbers, a moment after each was found. */
class ResultLines {
  readonly #out: Output
  readonly #waiting = new Map<number, SearchResult>() // BOUNDED by the results of a search
  readonly #printed = new Map<number, { before: number; now: number }>() // BOUNDED likewise
  #timer: NodeJS.Timeout | undefined

  constructor(out: Output) {
    this.#out = out
  }

  add(result: SearchResult): void {
    const printed = this.#printed.get(result.number)
    if (printed !== undefined) printed.now = result.holders.length
    else this.#waiting.set(result.number, result)
    this.#timer ??= setTimeout(() => this.#flush(), GATHER_MS)
  }

  end(): void {
    this.#flush()
    const late = [...this.#printed].filter(([, { before, now }]) => now > before)
    this.#printed.clear()
    if (late.length === 0) return
    const some = late.slice(0, MOST_LATE_HOLDERS).map(([number, { now }]) => `${number} (${now})`)
    const more = late.length > some.length ? ` and ${late.length - some.length} more` : ''
    this.#out.say(`more peers turned out to hold ${some.join(', ')}${more}`)
  }

  #flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    for (const result of this.#waiting.values()) {
      const { number, size, holders, name, mine } = result
      this.#printed.set(number, { before: holders.length, now: holders.length })
      const facts = [
        String(number).padStart(3),
        bytesText(size).padStart(9),
        countText(holders.length, 'peer').padEnd(8)
      ]
      this.#out.say(`${facts.join('  ')}  ${this.#out.paint('bold', shown(name))}${mine ? '  (you have it)' : ''}`)
    }
    this.#waiting.clear()
  }
}
