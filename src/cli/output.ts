import { asShoalError, type ShoalError } from '../errors.ts'
import { shown, shownJson } from './escape.ts'
import { cut } from './table.ts'
import type { Io, Terminal } from './terminal.ts'

/** Version of the JSON output: fields are added, never changed or removed, while it stays. */
const JSON_VERSION = 1
const PROGRESS_EVERY_MS = 100
const SLOW_PROGRESS_EVERY_MS = 5_000

const STYLES = { bold: '1', dim: '2', red: '31', yellow: '33' } as const

/**
 * What a command prints: text for people, or records for programs (`--json`), never both. Every text from outside must
 * have gone through `shown` before it comes here.
 */
export class Output {
  /** Records instead of text. */
  json: boolean
  readonly #io: Io
  #progressShown = false
  #progressAt = Number.NEGATIVE_INFINITY

  constructor(io: Io, json: boolean) {
    this.#io = io
    this.json = json
  }

  /** Whether somebody watches. */
  get interactive(): boolean {
    return this.#io.stderr.isTTY && !this.json
  }

  /** A line of the result, for people. */
  say(line = ''): void {
    if (this.json) return
    this.clearProgress()
    this.#io.stdout.write(`${line}\n`)
  }

  /** A piece of the result, for programs. */
  record(type: string, fields: object): void {
    if (this.json) this.#io.stdout.write(`${shownJson({ v: JSON_VERSION, type, ...fields })}\n`)
  }

  /** Something beside the result that people and programs must hear of. */
  note(line: string): void {
    this.clearProgress()
    if (this.json) this.#io.stderr.write(`${shownJson({ v: JSON_VERSION, type: 'note', message: line })}\n`)
    else this.#io.stderr.write(`${line}\n`)
  }

  /** Something that only helps who sits in front of it. */
  hint(line: string): void {
    if (!this.interactive) return
    this.clearProgress()
    this.#io.stderr.write(`${this.paint('dim', line, this.#io.stderr)}\n`)
  }

  /** Where it stands: a line that is written over on a terminal, a line now and then elsewhere. */
  progress(line: (columns: number) => string): void {
    if (this.json) return
    const now = performance.now()
    const every = this.interactive ? PROGRESS_EVERY_MS : SLOW_PROGRESS_EVERY_MS
    // elsewhere only what takes long is worth a line
    if (!this.interactive && this.#progressAt === Number.NEGATIVE_INFINITY) this.#progressAt = now
    if (now - this.#progressAt < every) return
    this.#progressAt = now
    const { stderr } = this.#io
    if (this.interactive) stderr.write(`\r${cut(line(stderr.columns - 1), stderr.columns - 1)}\x1b[K`)
    else stderr.write(`${line(stderr.columns)}\n`)
    this.#progressShown = this.interactive
  }

  clearProgress(): void {
    if (this.#progressShown) this.#io.stderr.write('\r\x1b[K')
    this.#progressShown = false
    // what comes next starts a line of its own
    if (this.interactive) this.#progressAt = Number.NEGATIVE_INFINITY
  }

  /** One line what is wrong, one line what to do. */
  error(thrown: unknown, next?: string): ShoalError {
    const error = asShoalError(thrown)
    const { code, message } = error
    const advice = next ?? error.next
    this.clearProgress()
    const { stderr, env } = this.#io
    if (this.json) {
      stderr.write(`${shownJson({ v: JSON_VERSION, type: 'error', code, message, next: advice })}\n`)
    } else {
      stderr.write(`${this.paint('red', 'shoal:', stderr)} ${shown(message)}\n  ${shown(advice)}\n`)
    }
    if (env.SHOAL_DEBUG === '1') stderr.write(`${traceOf(thrown)}\n`)
    return error
  }

  /** Colour where there is a terminal and nobody minds (https://no-color.org). */
  paint(style: keyof typeof STYLES, text: string, terminal: Terminal = this.#io.stdout): string {
    const { NO_COLOR, TERM } = this.#io.env
    if (!terminal.isTTY || this.json || (NO_COLOR ?? '') !== '' || TERM === 'dumb') return text
    return `\x1b[${STYLES[style]}m${text}\x1b[0m`
  }
}

function traceOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return shown(String(thrown))
  const lines = (thrown.stack ?? thrown.message).split('\n').map(shown)
  return [...lines, ...(thrown.cause === undefined ? [] : [`caused by ${traceOf(thrown.cause)}`])].join('\n')
}
