import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

const BENCH = join(import.meta.dirname, '../../bench/simulator.ts')

interface Result {
  trace?: string
  events: number
  eventsPerSecond: number
  neighboursPerPeer: number
  connectionsPerPeer: number
  heapBytesPerPeer: number
  rssBytesPerPeer: number
}

async function run(...args: string[]): Promise<Result> {
  const { stdout } = await promisify(execFile)(process.execPath, [BENCH, '--json', '--seconds', '40', ...args])
  return JSON.parse(stdout) as Result
}

test('1,000 peers run overlay and search from a seed: the same trace twice, in two processes', async () => {
  const [one, other] = await Promise.all([run('--trace'), run('--trace')])
  assert.match(one.trace as string, /^[0-9a-f]{16}$/)
  assert.equal(one.trace, other.trace)
  assert.equal(one.events, other.events)
  const small = ['--peers', '300', '--trace']
  assert.notEqual((await run(...small, '--seed', '2')).trace, (await run(...small)).trace)
})

test('without the trace the same happens; every figure is there', async () => {
  const small = ['--peers', '300']
  const [traced, bare] = await Promise.all([run(...small, '--trace'), run(...small)])
  assert.equal(bare.trace, undefined)
  assert.equal(bare.events, traced.events)
  assert.ok(bare.eventsPerSecond > 0 && bare.heapBytesPerPeer > 0 && bare.rssBytesPerPeer > 0)
})

test('a random graph to begin with: everybody has all its neighbours, though nobody joined', async () => {
  const graph = ['--graph', '--peers', '300']
  const [plain, idle] = await Promise.all([run(...graph), run(...graph, '--idle', '20')])
  assert.ok(plain.neighboursPerPeer > 4.9, `${plain.neighboursPerPeer} neighbours`)
  assert.ok(idle.connectionsPerPeer < plain.connectionsPerPeer)
})
