import { join } from 'node:path'
import type { SearchEvent, SearchResult } from '../../src/api.ts'
import type { CreateNode } from '../../src/cli/context.ts'
import { run } from '../../src/cli/main.ts'
import type { Io } from '../../src/cli/terminal.ts'
import { type ShoalServer, serve } from '../../src/daemon/server.ts'
import { type FakeShoal, ID } from '../daemon/fake-shoal.ts'

export interface Ran {
  code: number
  out: string
  err: string
}

export interface RunOptions {
  isTTY?: boolean
  env?: Record<string, string>
  stdin?: string
  createNode?: CreateNode
  interrupted?: AbortSignal
  /** Sees the output as it grows. */
  onOutput?: (out: string, err: string) => void
}

const nobody: CreateNode = async () => {
  throw new Error('no peer should have been started')
}

/** Runs a command as the entry would, with a terminal of its own. */
export async function shoal(args: string[], options: RunOptions = {}): Promise<Ran> {
  const {
    isTTY = false,
    env = {},
    stdin = '',
    createNode = nobody,
    interrupted = new AbortController().signal
  } = options
  const ran = { code: -1, out: '', err: '' }
  const terminal = (stream: 'out' | 'err') => ({
    isTTY,
    columns: 100,
    write(text: string) {
      ran[stream] += text
      options.onOutput?.(ran.out, ran.err)
    }
  })
  const io: Io = {
    stdout: terminal('out'),
    stderr: terminal('err'),
    stdin: (async function* () {
      yield new TextEncoder().encode(stdin)
    })(),
    env,
    interrupted
  }
  ran.code = await run(args, io, createNode)
  return ran
}

/** A running peer of a home directory. */
export async function running(home: string, fake: FakeShoal): Promise<ShoalServer> {
  return await serve(fake, join(home, 'shoal.sock'))
}

export function records(text: string): Record<string, unknown>[] {
  return text
    .trimEnd()
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as Record<string, unknown>)
}

export function result(number: number, holders: string[], change: object = {}): SearchEvent {
  const known: Omit<SearchResult, 'proven' | 'state'> = {
    number,
    id: ID,
    name: `film ${number}.mkv`,
    size: 1_500_000 * number,
    holders,
    mine: false,
    hops: 1,
    foundBy: { how: 'flood', via: 'x'.repeat(8) },
    relevance: 1
  }
  return { type: 'result', result: { ...known, proven: holders.length, state: 'proven', ...change } }
}

export const SEARCHED: SearchEvent = {
  type: 'done',
  results: 2,
  peersAsked: 3,
  population: 3,
  isWhole: true,
  messages: 7,
  waves: [],
  elapsedMs: 1_234
}
