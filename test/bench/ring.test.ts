import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

const BENCH = join(import.meta.dirname, '../../bench/ring.ts')

interface Result {
  hops: number
  wrong: number
  events: number
  mostFingers: number
  heapBytesPerNode: number
  lookupsPerCpuSecond: number
}

async function run(...args: string[]): Promise<Result> {
  const all = [BENCH, '--json', '--nodes', '2000', '--lookups', '2000', ...args]
  const { stdout } = await promisify(execFile)(process.execPath, all)
  return JSON.parse(stdout) as Result
}

test('a ring from a seed: the same lookups twice, none of them wrong, in either mode', async () => {
  const [one, other, iterative] = await Promise.all([run(), run(), run('--mode', 'iterative')])
  assert.deepEqual([one.hops, one.events, one.wrong], [other.hops, other.events, 0])
  assert.equal(iterative.wrong, 0)
  // the way is the same, but for where nodes of the way are asked about nodes past the key
  assert.ok(Math.abs(one.hops - iterative.hops) < 0.1, `${one.hops} and ${iterative.hops} hops`)
  assert.ok(one.mostFingers > 20 && one.mostFingers <= 80, `${one.mostFingers} fingers`)
  assert.ok(one.heapBytesPerNode > 0 && one.lookupsPerCpuSecond > 0)
})
