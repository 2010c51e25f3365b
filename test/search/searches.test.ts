import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SearchCommand } from '../../protocols/search/index.ts'
import { Searches } from '../../src/search/searches.ts'

const RUN = { query: { kind: 'words', text: 'film' }, onHits() {} } as const

test('searches that run when the node stops end with that, and no more are begun', async () => {
  const commands: SearchCommand[] = []
  const searches = new Searches({ command: command => commands.push(command) })
  const running = [searches.run(RUN), searches.run(RUN, new AbortController().signal)]
  searches.close()
  for (const run of running) await assert.rejects(run, { code: 'INTERRUPTED', message: 'the node stops' })
  assert.deepEqual(
    commands.map(({ type }) => type),
    ['search', 'search', 'stop', 'stop']
  )
  await assert.rejects(searches.run(RUN), { code: 'INTERRUPTED' })
  assert.equal(commands.length, 4)
})

test('a search ends with what the protocol says, or with its signal', async () => {
  const commands: SearchCommand[] = []
  const searches = new Searches({ command: command => commands.push(command) })
  const first = searches.run(RUN)
  searches.onEvent({ type: 'finished', search: 1, peersAsked: 3, messages: 7, complete: true } as never)
  assert.deepEqual(await first, { peersAsked: 3, messages: 7, complete: true })
  const abort = new AbortController()
  const second = searches.run(RUN, abort.signal)
  abort.abort()
  assert.equal((await second).complete, false)
  assert.deepEqual(commands.at(-1), { type: 'stop', search: 2 })
})
