import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RingId } from '../../protocols/core/keyspace.ts'
import type { DirectoryCommand, FailureCode } from '../../protocols/directory/index.ts'
import { RingDirectory, type RingDirectoryInit } from '../../src/directory/directory.ts'
import { eventually } from '../../src/testkit/wait.ts'

const KEY = 'ab'.repeat(32) as RingId
const CODES: Record<FailureCode, string> = {
  unreachable: 'UNREACHABLE',
  unsettled: 'UNREACHABLE',
  expired: 'REFUSED',
  future: 'REFUSED',
  old: 'REFUSED',
  tooLarge: 'USAGE',
  tooLong: 'INTERNAL',
  wrongKey: 'INTERNAL',
  forged: 'INTERNAL',
  full: 'REFUSED',
  keyFull: 'REFUSED',
  quota: 'REFUSED',
  tooOften: 'REFUSED',
  busy: 'REFUSED',
  tooMany: 'REFUSED',
  unknown: 'NOT_FOUND',
  notASet: 'USAGE'
}

function directoryOn(init: Partial<RingDirectoryInit> = {}): { directory: RingDirectory; asked: DirectoryCommand[] } {
  const asked: DirectoryCommand[] = []
  const directory = new RingDirectory({
    command: command => {
      asked.push(command)
      return true
    },
    ownKeys: () => [KEY],
    own: () => undefined,
    place: () => ({ predecessor: undefined, successors: [], isOnRing: true }),
    ...init
  })
  return { directory, asked }
}

const idOf = (command: DirectoryCommand | undefined): number => (command as { id: number }).id

test('each call ends by the event that answers it, in whatever order they come', async () => {
  const { directory, asked } = directoryOn()
  const got = directory.get(KEY, { careful: true })
  const put = directory.put({ kind: 'value', payload: new Uint8Array(1) })
  const appended = directory.append(KEY, [new Uint8Array(1)])
  const removed = directory.remove(KEY)
  await eventually('all are asked', () => asked.length === 4)
  assert.deepEqual(
    asked.map(({ type }) => type),
    ['get', 'put', 'append', 'remove']
  )
  const [first, ...others] = asked.map(idOf)
  for (const id of others.reverse()) directory.onEvent({ type: 'stored', id, key: KEY, copies: 3 })
  directory.onEvent({ type: 'got', id: first as number, key: KEY, entries: [], total: 0, isComplete: true })
  // nobody waits for it any more
  directory.onEvent({ type: 'stored', id: first as number, key: KEY, copies: 3 })
  assert.deepEqual(await got, { entries: [], total: 0, isComplete: true })
  assert.deepEqual(await put, { key: KEY, copies: 3 })
  assert.deepEqual(await appended, { key: KEY, copies: 3 })
  assert.equal(await removed, undefined)
  assert.deepEqual([...directory.published()], [KEY])
})

test('every failure has a code, and one that is tried again is said to be', async () => {
  for (const [code, expected] of Object.entries(CODES) as [FailureCode, string][]) {
    for (const willRetry of [false, true]) {
      const { directory, asked } = directoryOn()
      const put = directory.put({ kind: 'value', payload: new Uint8Array(1) })
      const failed = assert.rejects(put, (error: { code: string; message: string; next: string }) => {
        assert.deepEqual([error.code, /tried again/.test(error.message)], [expected, willRetry], error.message)
        return error.next.length > 0
      })
      await eventually('it is asked', () => asked.length === 1)
      directory.onEvent({ type: 'failed', id: idOf(asked[0]), key: KEY, code, willRetry })
      await failed
    }
  }
})

test('a call ends when the caller leaves, when the node stops, and when nothing can be written', async () => {
  const { directory, asked } = directoryOn()
  const leaving = new AbortController()
  const left = assert.rejects(directory.get(KEY, { signal: leaving.signal }), { code: 'INTERRUPTED' })
  const stopped = assert.rejects(directory.get(KEY), { code: 'INTERRUPTED' })
  await eventually('both are asked', () => asked.length === 2)
  leaving.abort()
  await left
  directory.close()
  await stopped
  await assert.rejects(directory.get(KEY), { code: 'INTERRUPTED' })
  await assert.rejects(directoryOn({ command: () => false }).directory.get(KEY), { code: 'IO_FAILED' })
})

test('a node that knows peers waits for its place on their ring, and one that finds none does not speak for them', async () => {
  let isOnRing = false
  const { directory, asked } = directoryOn({ place: () => ({ predecessor: undefined, successors: [], isOnRing }) })
  const leaving = new AbortController()
  const left = assert.rejects(directory.get(KEY, { signal: leaving.signal }), { code: 'INTERRUPTED' })
  leaving.abort()
  await left
  const got = directory.get(KEY)
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(asked.length, 0)
  isOnRing = true
  await eventually('it is asked', () => asked.length === 1)
  isOnRing = false
  directory.onEvent({ type: 'got', id: idOf(asked[0]), key: KEY, entries: [], total: 0, isComplete: true })
  assert.equal((await got).isComplete, false)
})
