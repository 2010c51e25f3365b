import assert from 'node:assert/strict'
import { statSync, symlinkSync, writeFileSync } from 'node:fs'

import { join, resolve } from 'node:path'
import { test } from 'node:test'
import type { SearchEvent } from '../../src/api.ts'
import { ERRORS, ShoalError } from '../../src/errors.ts'
import { readGroupKey } from '../../src/libp2p/group-key.ts'
import { eventually } from '../../src/testkit/wait.ts'
import { DONE, FakeShoal, ID, OTHER, PEER, SHARE, STATUS, transfer } from '../daemon/fake-shoal.ts'
import { fake, folder, home, homes, runPeer } from './running-peer.ts'
import { records, result, SEARCHED, shoal } from './terminal.ts'

test('search: results with number, size, holders and name, and what it took', async () => {
  fake.searchEvents = [result(1, ['a']), result(2, ['a'], { mine: true }), result(1, ['a', 'b']), SEARCHED]
  const ran = await shoal(['search', 'old', 'film', '--home', home, '--limit', '5', '--timeout', '2.5', '--ttl', '3'])
  assert.deepEqual(fake.asked, [['search', 'old film', { gatherMs: 1_000, limit: 5, timeoutMs: 2_500, ttl: 3 }]])
  assert.deepEqual(ran, {
    code: 0,
    out:
      '  1     1.5 MB  2 peers     film 1.mkv\n' +
      '  2     3.0 MB  1 peer      film 2.mkv  (you have it)\n' +
      '2 results: asked all 3 peers, 7 messages, 1.23 s\n',
    err: ''
  })
})

test('search: results are printed while the search goes on, late holders at its end', async () => {
  fake.searchEvents = [result(1, ['a'])]
  fake.endless = true
  const interrupt = new AbortController()
  let printed = ''
  const ran = shoal(['search', 'film', '--home', home], {
    interrupted: interrupt.signal,
    onOutput: out => {
      printed = out
    }
  })
  await eventually('the first result', () => printed.includes('film 1.mkv'))
  interrupt.abort()
  assert.equal((await ran).code, 7)
  await eventually('the search is stopped', () => fake.stopped === 1)

  const later = new FakeShoal()
  later.search = async function* () {
    yield result(1, ['a'])
    await eventually('it is printed', () => printed.includes('film 1.mkv'))
    yield result(1, ['a', 'b', 'c'])
    yield { ...SEARCHED, results: 1 } as SearchEvent
  }
  printed = ''
  await runPeer(later)
  const { out } = await shoal(['search', 'film', '--home', home], {
    onOutput: text => {
      printed = text
    }
  })
  assert.match(out, /1 peer {6}film 1\.mkv\nmore peers turned out to hold 1 \(3\)\n1 result: asked/)
})

test('search: what is not proven is said to be so, what may still be waits for it, and what nobody has is not shown', async () => {
  const unproven = { proven: 0, state: 'unproven' }
  fake.searchEvents = [
    result(1, ['a'], { proven: 0, state: 'checking' }),
    result(2, ['a', 'b', 'c'], { proven: 1 }),
    result(3, ['d'], { proven: 0, state: 'checking' }),
    result(4, ['a'], unproven),
    { type: 'liar', peerId: OTHER, reason: 'a proof that is none' },
    result(3, [], unproven),
    result(1, ['a']),
    SEARCHED
  ]
  const ran = await shoal(['search', 'film', '--home', home])
  assert.equal(
    ran.out,
    '  1     1.5 MB  1 peer      film 1.mkv\n' +
      '  2     3.0 MB  1/3 peers   film 2.mkv\n' +
      '  4     6.0 MB  unproven    film 4.mkv\n' +
      '2 results: asked all 3 peers, 7 messages, 1.23 s\n'
  )
  assert.equal(ran.err, `…${OTHER.slice(-8)} is not believed any more: it sent a proof that is none\n`)
  assert.deepEqual(fake.asked, [['search', 'film', { gatherMs: 1_000 }]])

  fake.searchEvents = [result(4, ['a', 'b'], unproven), SEARCHED]
  const believing = await shoal(['search', 'film', '--home', home, '--no-prove'])
  assert.match(believing.out, /6\.0 MB {2}2 peers {5}film 4/)
  assert.deepEqual(fake.asked[1], ['search', 'film', { gatherMs: 1_000, prove: false }])

  const json = await shoal(['search', 'film', '--home', home, '--json'])
  const [first] = records(json.out) as { result: { proven: number; state: string } }[]
  assert.deepEqual([first?.result.proven, first?.result.state], [0, 'unproven'])
})

test('search: a result that was shown as unproven and is proven later is told of', async () => {
  const later = new FakeShoal()
  let printed = ''
  later.search = async function* () {
    yield result(1, ['a'], { proven: 0, state: 'checking' })
    yield result(2, ['a'], { proven: 0, state: 'unproven' })
    await eventually('the one that is settled is printed', () => printed.includes('film 2.mkv'))
    assert.ok(!printed.includes('film 1.mkv'), 'the other one waits')
    yield result(2, ['a', 'b'], { proven: 1 })
    yield result(1, ['a'], { proven: 0, state: 'unproven' })
    yield SEARCHED
  }
  await runPeer(later)
  const { out } = await shoal(['search', 'film', '--home', home], {
    onOutput: text => {
      printed = text
    }
  })
  assert.match(out, /unproven {4}film 2\.mkv\n.*unproven {4}film 1\.mkv\nmore peers turned out to hold 2 \(1\)\n/)
})

test('search: -word is a part of the query, --word an option, and what is no query is said before a peer starts', async () => {
  fake.searchEvents = [SEARCHED]
  await shoal(['search', '--home', home, 'old', '-new', '-holiday', '-"on air"', '--sort', 'size', 'type:video'])
  await shoal(['search', '--home', home, '--json', 'old', '--', '--limt'])
  assert.deepEqual(fake.asked, [
    ['search', 'old -new -holiday -"on air" type:video', { sort: 'size', gatherMs: 1_000 }],
    ['search', 'old --limt', {}]
  ])
  for (const [args, said] of [
    [['old', '--limt', '5'], /unknown option '--limt'/],
    [['old', '--sort', 'colour'], /colour/],
    [['old', 'tpye:video'], /no tpye:.*\n.*type:video/],
    [['-old'], /at least one word/]
  ] as [string[], RegExp][]) {
    const ran = await shoal(['search', '--home', join(folder, 'none'), ...args])
    assert.equal(ran.code, 2, args.join(' '))
    assert.match(ran.err, said)
  }
  assert.match((await shoal(['search', '--help'])).out, /'"blue sea"'/)
})

test('search: nothing found comes with the reason', async () => {
  const hint = 'No peer is in reach. Start `shoal up` on another machine.'
  fake.searchEvents = [
    { type: 'done', results: 0, peersAsked: 0, messages: 1, isWhole: false, waves: [], elapsedMs: 0, hint }
  ]
  const ran = await shoal(['search', 'film', '--home', home])
  assert.deepEqual(ran, { code: 0, out: `0 results: asked 0 peers of more, 1 message, 0.00 s\n${hint}\n`, err: '' })
})

test('get: the place, what each source gave, the rate', async () => {
  fake.getEvents = [
    { type: 'progress', transfer: transfer() },
    { type: 'liar', peerId: OTHER, reason: 'wrong block' },
    DONE
  ]
  const ran = await shoal(['get', '3', '--home', home, '--out', 'downloads', '--file', 'a', '--file', 'b/c'])
  assert.deepEqual(fake.asked, [['get', '3', { out: resolve('downloads'), cwd: process.cwd(), files: ['a', 'b/c'] }]])
  assert.deepEqual(ran, {
    code: 0,
    out: '/out/a.mkv\n  2.0 MB from …UJcyWG1aoDd2p\n  1.0 MB from …vnc6iDEp\n  3.0 MB in 3.00 s: 1.0 MB/s\n'.replace(
      'UJcyWG1aoDd2p',
      OTHER.slice(-8)
    ),
    err: `…${OTHER.slice(-8)} sent wrong bytes and was dropped: wrong block\n`
  })
})

test('get: a terminal shows progress on one line and loses it before anything else is printed', async () => {
  fake.getEvents = [{ type: 'progress', transfer: transfer() }, DONE]
  const ran = await shoal(['get', '3', '--home', home], { isTTY: true, env: { NO_COLOR: '1' } })
  assert.match(ran.err, /^\ra\.mkv {2}\[#+-+\] {3}50 % {2}1\.5 MB of 3\.0 MB {2}1\.0 MB\/s {2}2 s left {2}1 source/)
  assert.ok(ran.err.endsWith('\x1b[K\r\x1b[K'))
  assert.ok(!ran.out.includes('\x1b'))

  fake.getEvents = [{ type: 'progress', transfer: transfer() }]
  fake.failure = new ShoalError('DISK_FULL', 'the disk is full')
  const failed = await shoal(['get', '3', '--home', home], { isTTY: true, env: { NO_COLOR: '1' } })
  assert.match(failed.err.replaceAll('\x1b[K', '|'), /1 source\|\r\|shoal: the disk is full\n/)
  fake.failure = undefined
  fake.searchEvents = [SEARCHED]
  const words = await shoal(['search', '--home', home, '--', '--json'])
  assert.match(words.out, /^2 results/, '--json after -- is a word')
})

test('get: Ctrl-C pauses, says how to go on, and exits with 7', async () => {
  fake.getEvents = [{ type: 'progress', transfer: transfer() }]
  fake.endless = true
  const interrupt = new AbortController()
  const running = shoal(['get', '3', '--home', home, '--json'], {
    interrupted: interrupt.signal,
    onOutput: out => {
      if (out.includes('progress')) interrupt.abort()
    }
  })
  const ran = await running
  assert.equal(ran.code, 7)
  const [error] = records(ran.err)
  assert.equal(error?.code, 'INTERRUPTED')
  assert.equal(error?.message, 'a.mkv is paused: 1.5 MB of 3.0 MB are here')
  assert.match(String(error?.next), /same command again/)
  await eventually('the transfer is paused', () => fake.stopped === 1)
})

test('get: one target that fails does not keep the others, and shows in the exit code', async () => {
  let calls = 0
  const { get } = fake
  fake.get = (target, options) => {
    fake.failure = ++calls === 1 ? new ShoalError('NOT_FOUND', 'nobody has it') : undefined
    if (calls === 1) fake.getEvents = []
    else fake.getEvents = [DONE]
    return get.call(fake, target, options)
  }
  const ran = await shoal(['get', '1', '2', '--home', home])
  assert.equal(ran.code, 3)
  assert.match(ran.err, /^shoal: nobody has it\n/)
  assert.match(ran.out, /^\/out\/a\.mkv\n/)
})

test('get and ls: what can only be a mistake is said before any peer is asked', async () => {
  for (const command of ['get', 'ls']) {
    const ran = await shoal([command, 'holiday film', '--home', home])
    assert.equal(ran.code, 2)
    assert.match(ran.err, /"holiday film" is no result number.*shoal search/)
  }
  assert.deepEqual(fake.asked, [])
})

test('ls: what a target contains', async () => {
  const ran = await shoal(['ls', ID, '--home', home])
  assert.deepEqual(fake.asked, [['ls', ID]])
  assert.equal(
    ran.out,
    [
      'films: 2 files, 3.5 MB',
      `infohash  ${ID}`,
      `magnet    ${SHARE.magnet}`,
      '',
      '    SIZE  NAME',
      '  3.0 MB  films/a.mkv',
      '500.0 kB  films/b.srt',
      ''
    ].join('\n')
  )
})

test('share, shares, unshare: absolute paths go to the peer, and what strangers see is listed', async () => {
  const shared = await shoal(['share', 'films', '--hidden', '--home', home])
  assert.equal(shared.out, `films: 2 files, 3.5 MB (1 left out: hidden, secret or ignored)\n  ${SHARE.magnet}\n`)
  writeFileSync(join(folder, 'real'), '')
  symlinkSync(join(folder, 'real'), join(folder, `link${homes}`))
  const unshared = await shoal(['unshare', join(folder, `link${homes}`), 'films', '--home', home])
  assert.equal(unshared.out, `no longer shared: ${join(folder, 'real')}\nno longer shared: films\n`)
  assert.deepEqual(fake.asked, [
    ['share', [resolve('films')], { hidden: true }],
    ['unshare', [join(folder, 'real'), 'films']]
  ])

  const listed = await shoal(['shares', '--files', '--magnets', '--home', home])
  assert.equal(
    listed.out,
    [
      'FILES    SIZE  LEFT OUT  NAME   PATH',
      '    2  3.5 MB         1  films  /data/films',
      '',
      'films',
      SHARE.magnet,
      '',
      'Strangers see 2 files:',
      '  3.0 MB  films/a.mkv',
      '500.0 kB  films/b.srt',
      ''
    ].join('\n')
  )
  fake.shareList = []
  assert.match((await shoal(['shares', '--home', home])).out, /^Nothing is shared.*shoal share PATH\n$/)
})

test('share: a file that cannot be shared is named', async () => {
  fake.shareEvents = [
    { type: 'scanned', path: '/data/films', files: 2, bytes: 5, skipped: 0 },
    { type: 'problem', path: '/data/films/x', code: 'PERMISSION', message: 'no right to read' },
    { type: 'shared', share: SHARE }
  ]
  const ran = await shoal(['share', '/data/films', '--home', home])
  assert.equal(ran.code, 0)
  assert.equal(ran.err, 'not shared: /data/films/x: no right to read\n')
})

test('peers: a table, and what to do when there are none', async () => {
  const none = await shoal(['peers', '--home', home])
  assert.equal(none.out, `No other peer is connected.\n  ${ERRORS.NO_PEERS.next}\n`)
  const peer = {
    peerId: OTHER,
    address: `/ip4/192.168.1.9/tcp/4001/p2p/${OTHER}`,
    direction: 'inbound',
    foundBy: 'mdns',
    neighbour: true,
    connectedForMs: 65_000,
    down: 1_000,
    up: 0
  } as const
  fake.peerList = [peer, { ...peer, peerId: PEER, neighbour: false, penalties: [{ reason: 'wrong block', count: 2 }] }]
  assert.deepEqual((await shoal(['peers', '--home', home])).out.split('\n'), [
    'PEER       ROLE       FOUND BY        FOR    DOWN   UP  ADDRESS                    DISTRUSTED FOR',
    `…${OTHER.slice(-8)}  neighbour  mdns      1 min 5 s  1.0 kB  0 B  /ip4/192.168.1.9/tcp/4001`,
    `…${PEER.slice(-8)}  connected  mdns      1 min 5 s  1.0 kB  0 B  /ip4/192.168.1.9/tcp/4001  wrong block (2)`,
    ''
  ])
})

test('status: all about the peer, and each problem with what to do', async () => {
  fake.current = {
    ...STATUS,
    startedAt: Date.now() - 7_500_000,
    discovery: [
      { name: 'eth0', working: true },
      { name: 'wlan0', working: false, problem: 'port in use' }
    ],
    problems: [{ code: 'NO_PEERS', message: 'Nobody is in reach.', next: 'Start another.' }]
  }
  fake.transferList = [transfer()]
  const { out, code } = await shoal(['status', '--home', home])
  assert.equal(code, 0)
  assert.deepEqual(out.split('\n'), [
    'shoal      0.1.0, process 4711, for 2 h 5 min',
    `peer       ${PEER}`,
    'home       /home/u/.local/share/shoal',
    `reachable  /ip4/192.168.1.5/tcp/4001/p2p/${PEER}`,
    'finds by   eth0, wlan0 does not work: port in use',
    'open to    everybody on this network',
    'peers      3 connected, 2 of them neighbours, 12 known',
    'ring       about 5 peers, 7 entries kept here for all',
    'shared     3 files, 3.5 MB',
    'transfers  1 active, 0 paused',
    'down       1.0 MB/s, 5.0 MB in all',
    'up         0 B/s, 20 B in all',
    '  a.mkv   50 %  1.5 MB of 3.0 MB  1.0 MB/s  2 s left  1 source',
    '',
    'problem: Nobody is in reach.',
    '  Start another.',
    ''
  ])
})

test('status: why a transfer failed, and what can be done', async () => {
  fake.current = { ...STATUS, transfers: { active: 0, paused: 1, failed: 1 } }
  fake.transferList = [
    transfer({ state: 'failed', rate: 0, reason: '/out/a.mkv is there already', next: 'Move it away.' }),
    transfer({ name: 'b.mkv', state: 'paused', rate: 0, next: 'Go on.' })
  ]
  const { out } = await shoal(['status', '--home', home])
  assert.match(out, /^transfers +0 active, 1 paused, 1 failed$/m)
  assert.match(out, /^ {2}a\.mkv .*failed {2}\/out\/a\.mkv is there already\n {4}Move it away\.$/m)
  assert.match(out, /^ {2}b\.mkv .*paused\n {4}Go on\.$/m)
})

test('forget: what is kept is named, what is deleted is counted, and one that is not there keeps no other', async () => {
  const kept = await shoal(['forget', 'a.mkv', '--home', home])
  assert.equal(kept.code, 0)
  assert.match(kept.out, /^a\.mkv is forgotten\n.*--delete.*:\n {2}\/out\/a\.part\n$/)
  const deleted = await shoal(['forget', 'a.mkv', '--delete', '--home', home])
  assert.equal(deleted.out, 'a.mkv is forgotten, and 1 unfinished file deleted\n')
  assert.deepEqual(fake.asked, [
    ['forget', 'a.mkv', {}],
    ['forget', 'a.mkv', { delete: true }]
  ])
  const { forget } = fake
  fake.forget = async (named, options) => {
    if (named === 'gone') throw new ShoalError('NOT_FOUND', 'there is no transfer gone')
    return await forget.call(fake, named, options)
  }
  const some = await shoal(['forget', 'gone', 'gone', 'b.mkv', '--home', home])
  assert.equal(some.code, 3)
  assert.equal(some.err.match(/there is no transfer gone/g)?.length, 2)
  assert.match(some.out, /^b\.mkv is forgotten/)
})

test('group new: a key that only its owner can read, never one over another, never printed', async () => {
  const file = join(folder, `group${homes}.key`)
  const ran = await shoal(['group', 'new', file])
  assert.equal(ran.code, 0)
  assert.equal(statSync(file).mode & 0o777, 0o600)
  const key = await readGroupKey(file)
  assert.ok(!ran.out.includes(new TextDecoder().decode(key).slice(-64)))
  assert.match(ran.out, new RegExp(`shoal up --group ${file}`))
  const again = await shoal(['group', 'new', file])
  assert.equal(again.code, 13)
  assert.deepEqual(await readGroupKey(file), key)
  assert.equal((await shoal(['group', 'new', join(folder, 'no', 'key')])).code, 10)
})
