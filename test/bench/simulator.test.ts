import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

const BENCH = join(import.meta.dirname, '../../bench/simulator.ts')

async function run(...args: string[]): Promise<{ trace: string; events: number }> {
  const { stdout } = await promisify(execFile)(process.execPath, [BENCH, '--json', '--seconds', '40', ...args])
  return JSON.parse(stdout) as { trace: string; events: number }
}

test('1,000 peers run overlay and flooding from a seed: the same trace twice, in two processes', async () => {
  const [one, other] = await Promise.all([run(), run()])
  assert.match(one.trace, /^[0-9a-f]{16}$/)
  assert.equal(one.trace, other.trace)
  assert.equal(one.events, other.events)
  assert.notEqual((await run('--peers', '300', '--seed', '2')).trace, (await run('--peers', '300')).trace)
})
