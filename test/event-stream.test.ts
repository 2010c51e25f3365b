import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EventStream } from '../src/event-stream.ts'

test('events come in order, those before the end are not lost', async () => {
  const stream = new EventStream<number>()
  stream.push(1)
  const rest = Array.fromAsync(stream)
  stream.push(2)
  stream.push(3)
  stream.end()
  stream.push(4)
  assert.deepEqual(await rest, [1, 2, 3])
})

test('an error comes after the events before it, once', async () => {
  const stream = new EventStream<number>()
  stream.push(1)
  stream.fail(new Error('broken'))
  assert.deepEqual(await stream.next(), { done: false, value: 1 })
  await assert.rejects(stream.next(), /broken/)
  assert.equal((await stream.next()).done, true)
})

test('leaving the loop stops the work, once', async () => {
  let stopped = 0
  const stream = new EventStream<number>({ onStop: () => stopped++ })
  stream.push(1)
  for await (const _ of stream) break
  await stream.return()
  assert.equal(stopped, 1)
})

test('a signal stops the work and wakes the reader', async () => {
  let stopped = 0
  const abort = new AbortController()
  const stream = new EventStream<number>({ signal: abort.signal, onStop: () => stopped++ })
  const next = stream.next()
  abort.abort()
  assert.equal((await next).done, true)
  assert.equal(stopped, 1)
})

test('progress that nobody read is replaced by the newer', async () => {
  const stream = new EventStream<{ type: string; n: number }>({
    isStale: (older, newer) => older.type === 'progress' && newer.type === 'progress'
  })
  for (let n = 0; n < 5; n++) stream.push({ type: 'progress', n })
  stream.push({ type: 'done', n: 9 })
  stream.end()
  assert.deepEqual(
    (await Array.fromAsync(stream)).map(event => event.n),
    [4, 9]
  )
})
