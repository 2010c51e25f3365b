import assert from 'node:assert/strict'

import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from '../../src/testkit/wait.ts'
import { ID, WATCH } from '../daemon/fake-shoal.ts'
import { fake, folder, home } from './running-peer.ts'
import { records, shoal } from './terminal.ts'

test('watch: words and options become a watch', async () => {
  const args = ['--get', '--every', '2h', '--out', 'isos', '--most', '1.5GiB']
  const ran = await shoal(['watch', 'debian', '-old', 'type:iso', ...args, '--home', home])
  const options = { everyMs: 7_200_000, get: true, out: join(process.cwd(), 'isos'), maxBytes: 1.5 * 2 ** 30 }
  assert.deepEqual(fake.asked, [['watch', 'debian -old type:iso', { ...options, cwd: process.cwd() }]])
  assert.deepEqual(ran, {
    code: 0,
    out: 'watch 3: debian type:iso, every 5 min, fetches up to 10.0 GB into /isos\n',
    err: ''
  })
  await shoal(['watch', 'debian', '--no-get', '--home', home])
  assert.deepEqual(fake.asked.at(-1), ['watch', 'debian', { get: false, cwd: process.cwd() }])
})

test('watch: without a running peer it is saved, and the user is told what runs it', async () => {
  const made: unknown[] = []
  const ran = await shoal(['watch', 'sea', '--home', join(folder, 'none')], {
    createNode: async config => {
      made.push(config.offline)
      return fake
    }
  })
  assert.deepEqual(made, [true])
  assert.match(ran.out, /^watch 3: .*\nNo peer runs: it begins with `shoal up`/)
})

test('watch: alone it lists what there is, how it goes and what is wrong', async () => {
  fake.watchList = [
    { ...WATCH, lastRunAt: Date.now() - 120_000, problem: 'it may\u001bfetch no more' },
    { ...WATCH, number: 12, query: 'sea', get: false, files: { found: 7, fetched: 0, waiting: 0 }, latest: [] }
  ]
  const ran = await shoal(['watch', '--files', '--home', home])
  const lines = ran.out.split('\n')
  assert.match(lines[0]!, /^NO +LAST RUN +FILES +QUERY +RUNS$/)
  assert.match(
    lines[1]!,
    /^ 3 +2 min 0 s ago +2 found, 1 fetched \(3\.0 MB\), 1 waiting +debian type:iso +every 5 min, fetches up to 10\.0 GB/
  )
  assert.match(lines[2]!, /^12 +never +7 found +sea +every 5 min$/)
  assert.equal(lines[3], 'watch 3: it may\\u{1b}fetch no more')
  assert.match(ran.out, / {3}3\.0 MB {2}fetched {3}films\/debian\.iso: \/isos\/debian\.iso\n/)
  assert.match(ran.out, / 500\.0 kB {2}waiting {3}other\.iso: nobody sends it\n/)
  const json = records((await shoal(['watch', '--json', '--home', home])).out)
  assert.deepEqual(
    json.map(({ v, type, number }) => [v, type, number]),
    [
      [1, 'watch', 3],
      [1, 'watch', 12]
    ]
  )
  fake.watchList = []
  assert.match((await shoal(['watch', '--home', home])).out, /Nothing is watched/)
})

test('watch: --follow prints what is found until Ctrl-C, which is no failure', async () => {
  const file = { id: ID, name: 'new\n.iso', size: 2_000_000, foundAt: 0, state: 'found' as const }
  fake.watchFound = [
    { type: 'found', watch: 3, query: 'x', file },
    { type: 'fetched', watch: 3, query: 'x', file: { ...file, state: 'fetched', path: '/isos/new.iso' } },
    { type: 'problem', watch: 3, query: 'x', message: 'nobody sends it' }
  ]
  fake.endless = true
  const interrupt = new AbortController()
  const ran = await shoal(['watch', 'x', '--follow', '--home', home], {
    interrupted: interrupt.signal,
    onOutput: out => {
      if (out.includes('nobody')) interrupt.abort()
    }
  })
  assert.equal(ran.code, 0)
  assert.deepEqual(ran.out.split('\n').slice(1), [
    `watch 3 found 2.0 MB  new\\n.iso  ${ID}`,
    'watch 3 fetched 2.0 MB  /isos/new.iso',
    'watch 3: nobody sends it',
    ''
  ])
  await eventually('nobody reads any more', () => fake.stopped === 1)
})

test('watch: what can only be a mistake is said at once', async () => {
  for (const [args, said] of [
    [['tpye:video', 'x'], /type:video/],
    [['--get'], /which watch is meant/],
    [['x', '--every', '5'], /5m/],
    [['x', '--most', 'much'], /no size/],
    [['x', '--geet'], /unknown option '--geet'/]
  ] as [string[], RegExp][]) {
    const ran = await shoal(['watch', '--home', join(folder, 'none'), ...args])
    assert.equal(ran.code, 2, args.join(' '))
    assert.match(ran.err, said)
  }
})

test('unwatch: each number', async () => {
  const ran = await shoal(['unwatch', '3', '4', '--home', home])
  assert.deepEqual(fake.asked, [
    ['unwatch', 3],
    ['unwatch', 4]
  ])
  assert.match(ran.out, /^watch 3 is removed: debian type:iso \(2 files found\)\n/)
  assert.equal((await shoal(['unwatch', 'x', '--home', home])).code, 2)
})
