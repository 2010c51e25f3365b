import assert from 'node:assert/strict'
import { test } from 'node:test'
import { watchConfig } from '../../src/watches/config.ts'
import { WatchSchedule } from '../../src/watches/schedule.ts'

const MINUTE = 60_000
const every = { number: 1, everyMs: 5 * MINUTE }

function scheduleOf(random = 0.5): WatchSchedule {
  return new WatchSchedule(watchConfig, () => random)
}

test('a new watch runs at once, then at its pace', () => {
  const schedule = scheduleOf()
  assert.equal(schedule.next(), undefined)
  schedule.set(every, 1_000)
  assert.deepEqual(schedule.next(), { number: 1, at: 1_000 })
  schedule.ran(1, 2_000, true)
  assert.deepEqual(schedule.next(), { number: 1, at: 2_000 + 5 * MINUTE })
  schedule.delete(1)
  assert.equal(schedule.next(), undefined)
})

test('times are apart by a tenth either way', () => {
  for (const [random, expected] of [
    [0, 4.5 * MINUTE],
    [1, 5.5 * MINUTE]
  ] as const) {
    const schedule = scheduleOf(random)
    schedule.set(every, 0)
    schedule.ran(1, 0, true)
    assert.equal(Math.round(schedule.next()!.at), expected)
  }
})

test('after a restart a watch goes on at its pace, whatever the clock said before', () => {
  const schedule = scheduleOf()
  schedule.set({ ...every, lastRunAt: 0 }, MINUTE)
  assert.equal(schedule.next()?.at, 5 * MINUTE)
  schedule.set({ number: 2, everyMs: MINUTE, lastRunAt: 0 }, 100 * MINUTE)
  assert.deepEqual(schedule.next(), { number: 1, at: 5 * MINUTE })
  assert.equal(schedule.dueAt(2), 100 * MINUTE)
  schedule.set({ number: 3, everyMs: MINUTE, lastRunAt: 1_000 * MINUTE }, 100 * MINUTE)
  assert.equal(schedule.dueAt(3), 101 * MINUTE, 'a run in the future was none')
})

test('a changed watch is not put off', () => {
  const schedule = scheduleOf()
  schedule.set(every, 0)
  schedule.ran(1, 0, true)
  schedule.set({ ...every, everyMs: MINUTE, lastRunAt: 0 }, 1_000)
  assert.equal(schedule.dueAt(1), MINUTE)
})

test('a network that cannot answer is asked less, until it can', () => {
  const schedule = scheduleOf()
  schedule.set(every, 0)
  const waits: number[] = []
  for (const complete of [false, false, false, false, true]) {
    schedule.ran(1, 0, complete)
    waits.push(schedule.dueAt(1)! / MINUTE)
  }
  assert.deepEqual(waits, [10, 20, 40, 40, 5])
})

test('a new neighbour is asked soon, but not again and again', () => {
  const schedule = scheduleOf()
  schedule.set(every, 0)
  schedule.ran(1, 0, true)
  schedule.soon(60_000)
  assert.equal(schedule.dueAt(1), 61_500)
  schedule.ran(1, 61_500, true)
  for (let now = 62_000; now < 63_000; now += 10) schedule.soon(now)
  assert.equal(schedule.dueAt(1), 61_500 + watchConfig.againMs)
})

test('however many watches there are, their runs are apart', () => {
  const schedule = scheduleOf()
  for (let number = 1; number <= 100; number++) schedule.set({ number, everyMs: MINUTE }, 0)
  let now = 0
  const runs: number[] = []
  const counts = new Map<number, number>()
  while (now < 20 * MINUTE) {
    const { number, at } = schedule.next()!
    now = Math.max(now, at)
    runs.push(now)
    counts.set(number, (counts.get(number) ?? 0) + 1)
    schedule.ran(number, now, true)
  }
  for (let i = 1; i < runs.length; i++) assert.ok(runs[i]! - runs[i - 1]! >= watchConfig.gapMs)
  assert.equal(counts.size, 100)
  assert.ok(Math.max(...counts.values()) - Math.min(...counts.values()) <= 1, 'each in its turn')
})
