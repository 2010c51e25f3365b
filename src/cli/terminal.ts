export interface Terminal {
  write(text: string): void
  readonly isTTY: boolean
  readonly columns: number
}

/** All that a command sees of the process it runs in. */
export interface Io {
  stdout: Terminal
  stderr: Terminal
  readonly stdin: AsyncIterable<Uint8Array>
  env: Readonly<Record<string, string | undefined>>
  /** It is to end: Ctrl-C, SIGTERM, nobody reads the output any more, or the process that started it is gone. */
  interrupted: AbortSignal
}

/** A second signal within this time is the same one: a terminal and npx both send it to the whole group. */
const SAME_SIGNAL_MS = 300
/** A command without the process that stood for it ends after this time at the latest. */
const ORPHAN_MS = 10_000
const LEAST_COLUMNS = 20
const USUAL_COLUMNS = 80
/** What shells report for a command that Ctrl-C ended. */
const EXIT_AT_ONCE = 130

export function processIo(): Io {
  const interrupt = new AbortController()
  let first: number | undefined
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      const now = performance.now()
      first ??= now
      if (now - first > SAME_SIGNAL_MS) process.exit(EXIT_AT_ONCE)
      interrupt.abort()
    })
  }
  // the channel that `bin/shoal.js` opens to a process under another Node: a kill of the one must end the other
  process.once('disconnect', () => {
    setTimeout(() => process.exit(EXIT_AT_ONCE), ORPHAN_MS).unref()
    interrupt.abort()
  })
  const terminal = (stream: NodeJS.WriteStream): Terminal => {
    let gone = false
    stream.on('error', () => {
      gone = true
      interrupt.abort()
    })
    return {
      write(text) {
        if (!gone) stream.write(text)
      },
      get isTTY() {
        return stream.isTTY === true
      },
      get columns() {
        return usableColumns(stream.columns)
      }
    }
  }
  return {
    stdout: terminal(process.stdout),
    stderr: terminal(process.stderr),
    // opened only by what reads it: an open one keeps the terminal
    get stdin() {
      return process.stdin as AsyncIterable<Uint8Array>
    },
    env: process.env,
    interrupted: interrupt.signal
  }
}

/** A terminal that was never told its size says 0. */
export function usableColumns(columns: number | undefined): number {
  return columns === undefined || columns < LEAST_COLUMNS ? USUAL_COLUMNS : columns
}
