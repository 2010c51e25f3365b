import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, afterEach, test } from 'node:test'
import { changesBetween, type Snapshot } from '../../src/cli/changes.ts'
import type { NodeConfig } from '../../src/config.ts'
import { connect } from '../../src/daemon/client.ts'
import { ShoalError } from '../../src/errors.ts'
import { eventually } from '../../src/testkit/wait.ts'
import { FakeShoal, ID, OTHER, PEER, SHARE, STATUS, transfer } from '../daemon/fake-shoal.ts'
import { records, shoal } from './terminal.ts'

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'shoal-up-')))
const children: ChildProcess[] = []
let homes = 0

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})
after(() => rmSync(folder, { recursive: true }))

function newHome(): string {
  const home = join(folder, `home${homes++}`)
  mkdirSync(home)
  return home
}

const NEIGHBOUR = {
  peerId: OTHER,
  address: `/ip4/192.168.1.9/tcp/4001/p2p/${OTHER}`,
  direction: 'inbound',
  foundBy: 'mdns',
  neighbour: true,
  connectedForMs: 1,
  down: 0,
  up: 0
} as const

test('up: who it is, what it shares, who comes and goes, until it is told to stop', async () => {
  const home = newHome()
  const fake = new FakeShoal()
  fake.current = { ...structuredClone(STATUS), shared: { files: 0, bytes: 0, hashing: 0 } }
  const interrupt = new AbortController()
  let config: NodeConfig | undefined
  let printed = ''
  const ran = shoal(['up', folder, '--home', home, '--interface', 'lo', '--hidden'], {
    interrupted: interrupt.signal,
    createNode: async asked => {
      config = asked
      return fake
    },
    onOutput: out => {
      printed = out
    }
  })
  await eventually('it shares', () => printed.includes('films: 2 files'))
  assert.deepEqual([config?.watch, config?.offline ?? false, config?.interfaces], [true, false, ['lo']])
  assert.deepEqual(
    fake.asked.find(([what]) => what === 'share'),
    ['share', [resolve(folder)], { hidden: true }]
  )
  assert.equal((await (await connect(join(home, 'shoal.sock')))?.status())?.pid, STATUS.pid)

  fake.peerList = [NEIGHBOUR]
  fake.current.problems.push({ code: 'X', message: 'no mDNS', next: 'open the port' })
  await eventually('a peer joins', () => printed.includes('joined'))
  fake.peerList = []
  fake.transferList = [transfer()]
  await eventually('a transfer begins', () => printed.includes('transfer of'))
  interrupt.abort()
  const { code, out, err } = await ran
  assert.equal(code, 0)
  assert.equal(err, '')
  assert.deepEqual(out.split('\n'), [
    'shoal 0.1.0, process 4711',
    `peer       ${PEER}`,
    'home       /home/u/.local/share/shoal',
    `reachable  /ip4/192.168.1.5/tcp/4001/p2p/${PEER}`,
    'finds by   eth0',
    'open to    everybody on this network',
    `shares     indexing ${folder} …`,
    'Stop with Ctrl-C. In another terminal: shoal search WORDS, shoal get NUMBER, shoal status',
    'films: 2 files, 3.5 MB (1 left out: hidden, secret or ignored)',
    `peer …${OTHER.slice(-8)} joined, /ip4/192.168.1.9/tcp/4001 (mdns): 1 connected`,
    'problem: no mDNS',
    '  open the port',
    `peer …${OTHER.slice(-8)} left: 0 connected`,
    'transfer of a.mkv: fetching, 1.5 MB of 3.0 MB',
    ''
  ])
  assert.equal(fake.closed, 1)
  assert.equal(await connect(join(home, 'shoal.sock')), undefined)
})

test('up: what watches find is told', async () => {
  const file = { id: ID, name: 'new.iso', size: 2_000_000, foundAt: 0, state: 'found' as const }
  for (const [args, said] of [
    [[], `watch 3 found 2.0 MB  new.iso  ${ID}\n`],
    [['--json'], '"type":"watch-found","watch":3']
  ] as [string[], string][]) {
    const fake = new FakeShoal()
    fake.watchFound = [{ type: 'found', watch: 3, query: 'x', file }]
    const interrupt = new AbortController()
    const { code } = await shoal(['up', '--home', newHome(), '--interface', 'lo', ...args], {
      interrupted: interrupt.signal,
      createNode: async () => fake,
      onOutput: out => {
        if (out.includes(said)) interrupt.abort()
      }
    })
    assert.equal(code, 0)
  }
})

test('up --json: records, from the start to the stop', async () => {
  const fake = new FakeShoal()
  const interrupt = new AbortController()
  const ran = shoal(['up', folder, '--home', newHome(), '--json'], {
    interrupted: interrupt.signal,
    createNode: async () => fake,
    onOutput: out => {
      if (out.includes('"type":"shared"')) interrupt.abort()
    }
  })
  const { code, out, err } = await ran
  assert.deepEqual([code, err], [0, ''])
  assert.deepEqual(
    records(out).map(({ v, type }) => [v, type]),
    [
      [1, 'started'],
      [1, 'shared'],
      [1, 'stopped']
    ]
  )
})

test('up: a path that is not there ends it before it has begun; one that cannot be shared keeps nobody', async () => {
  const missing = await shoal(['up', folder, join(folder, 'none'), '--home', newHome()])
  assert.equal(missing.code, 3)
  assert.match(missing.err, /there is no .*none/)

  const fake = new FakeShoal()
  fake.share = async function* (paths) {
    if (paths[0] === folder) throw new ShoalError('EXISTS', 'shared already')
    yield { type: 'shared', share: SHARE }
  }
  const interrupt = new AbortController()
  const ran = await shoal(['up', folder, tmpdir(), '--home', newHome()], {
    interrupted: interrupt.signal,
    createNode: async () => fake,
    onOutput: out => {
      if (out.includes('films: ')) interrupt.abort()
    }
  })
  assert.equal(ran.code, 0)
  assert.match(ran.err, /^shoal: shared already\n/)
})

test('up: an error at the start and one on the way are errors of the command, and the peer is closed', async () => {
  const failing = await shoal(['up', '--home', newHome()], {
    createNode: async () => {
      throw new ShoalError('ALREADY_RUNNING', 'in use by process 7')
    }
  })
  assert.equal(failing.code, 12)

  const fake = new FakeShoal()
  fake.transfers = async () => {
    throw new Error('the database is gone')
  }
  const broken = await shoal(['up', '--home', newHome()], { createNode: async () => fake })
  assert.equal(broken.code, 1)
  assert.equal(fake.closed, 1)
})

/** `up` as a process of its own over a fake peer, with the signals of a real process. */
async function upProcess(closes: boolean): Promise<{ child: ChildProcess; output: { text: string } }> {
  const from = (path: string) => JSON.stringify(join(import.meta.dirname, path))
  const script = `
    import { run } from ${from('../../src/cli/main.ts')}
    import { processIo } from ${from('../../src/cli/terminal.ts')}
    import { FakeShoal } from ${from('../daemon/fake-shoal.ts')}
    const fake = new FakeShoal()
    if (${!closes}) fake.close = () => new Promise(() => {})
    process.exit(await run(['up', '--home', ${JSON.stringify(newHome())}], processIo(), async () => fake))`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'pipe']
  })
  children.push(child)
  const output = { text: '' }
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', text => {
      output.text += text
    })
  }
  await eventually('it is up', () => output.text.includes('Stop with Ctrl-C'))
  return { child, output }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`up: ${signal} ends it with 0`, async () => {
    const { child } = await upProcess(true)
    child.kill(signal)
    assert.deepEqual(await once(child, 'exit'), [0, null])
  })
}

test('up: what does not end is left after five seconds, and the exit code is 0', async () => {
  const { child, output } = await upProcess(false)
  const before = performance.now()
  child.kill('SIGTERM')
  // the same signal twice at once is one: npx and a terminal both send it
  child.kill('SIGTERM')
  assert.deepEqual(await once(child, 'exit'), [0, null])
  assert.ok(performance.now() - before > 1_000, 'it tried')
  assert.match(output.text, /did not end in time/)
})

test('up: a second Ctrl-C ends it at once', async () => {
  const { child } = await upProcess(false)
  child.kill('SIGINT')
  await new Promise(resolve => setTimeout(resolve, 500))
  child.kill('SIGINT')
  assert.deepEqual(await once(child, 'exit'), [130, null])
})

function snapshot(change: Partial<Snapshot> = {}, status: Partial<Snapshot['status']> = {}): Snapshot {
  return { status: { ...STATUS, ...status }, peers: [], transfers: [], ...change }
}

test('changes: what began and ended, not what goes on', () => {
  const shared = (files: number, hashing: number) => ({ shared: { files, bytes: files, hashing } })
  const problem = { code: 'X', message: 'm', next: 'n' }
  const cases: [Snapshot, Snapshot, string[]][] = [
    [snapshot(), snapshot(), []],
    [snapshot(), snapshot({ peers: [NEIGHBOUR] }), ['peer-joined']],
    [snapshot({ peers: [NEIGHBOUR] }), snapshot({ peers: [{ ...NEIGHBOUR, down: 5 }] }), []],
    [snapshot({ peers: [NEIGHBOUR] }), snapshot(), ['peer-left']],
    [snapshot(), snapshot({ transfers: [transfer()] }), ['transfer']],
    [snapshot({ transfers: [transfer()] }), snapshot({ transfers: [transfer({ bytesDone: 2_000_000 })] }), []],
    [snapshot({ transfers: [transfer()] }), snapshot({ transfers: [transfer({ state: 'done' })] }), ['transfer']],
    [snapshot({}, shared(1, 0)), snapshot({}, shared(5, 9)), []],
    [snapshot({}, shared(5, 9)), snapshot({}, shared(5, 0)), ['shared']],
    [snapshot({}, shared(5, 0)), snapshot({}, shared(4, 0)), ['shared']],
    [snapshot(), snapshot({}, { addresses: ['/x'] }), ['addresses']],
    [snapshot(), snapshot({}, { problems: [problem] }), ['problem']],
    [snapshot({}, { problems: [problem] }), snapshot({}, { problems: [problem] }), []],
    [snapshot({}, { problems: [problem] }), snapshot(), ['problem-solved']]
  ]
  for (const [i, [before, now, types]] of cases.entries()) {
    assert.deepEqual(
      changesBetween(before, now).map(({ type }) => type),
      types,
      `case ${i}`
    )
  }
})

test('the socket of a peer is for its owner alone', async () => {
  const home = newHome()
  const interrupt = new AbortController()
  const ran = shoal(['up', '--home', home], { createNode: async () => new FakeShoal(), interrupted: interrupt.signal })
  const mode = await eventually('the socket', () => statSync(join(home, 'shoal.sock')).mode & 0o777)
  assert.equal(mode & 0o077, 0)
  interrupt.abort()
  assert.equal((await ran).code, 0)
})
