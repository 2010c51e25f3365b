import assert from 'node:assert/strict'

import { resolve } from 'node:path'
import { test } from 'node:test'
import { homeOf } from '../../src/cli/context.ts'
import type { NodeConfig } from '../../src/config.ts'
import { ShoalError } from '../../src/errors.ts'
import { eventually } from '../../src/testkit/wait.ts'
import { transfer } from '../daemon/fake-shoal.ts'
import { fake, home, runPeer, stopPeer } from './running-peer.ts'
import { SEARCHED, shoal } from './terminal.ts'

test('the home directory: the option, then SHOAL_HOME, then where data belongs', () => {
  const env = { HOME: '/u', XDG_DATA_HOME: '/data', SHOAL_HOME: '/s' }
  assert.equal(homeOf('/h', env), '/h')
  assert.equal(homeOf('h', env), resolve('h'))
  assert.equal(homeOf(undefined, env), '/s')
  assert.equal(homeOf(undefined, { ...env, SHOAL_HOME: '' }), '/data/shoal')
  assert.equal(homeOf(undefined, { HOME: '/u' }), '/u/.local/share/shoal')
})

test('options of the network are without effect on a peer that runs, and that is said', async () => {
  const ran = await shoal(['status', '--home', home, '--peer', '/x', '--no-discovery', '--group', 'g'])
  assert.equal(ran.code, 0)
  assert.match(ran.err, /^--peer, --group, --no-discovery: without effect/)
})

test('without a running peer a command starts its own: offline for shares, with a network for the others', async () => {
  await stopPeer()
  const started: NodeConfig[] = []
  const createNode = async (config: NodeConfig) => {
    started.push(config)
    return fake
  }
  await shoal(['share', 'x', '--home', home], { createNode })
  await shoal(['shares', '--home', home], { createNode })
  await shoal(['unshare', 'x', '--home', home], { createNode })
  fake.searchEvents = [SEARCHED]
  await shoal(['search', 'x', '--home', home, '--interface', 'lo', '--interface', 'eth0', '--no-discovery'], {
    createNode
  })
  await shoal(['peers', '--home', home, '--peer', '/p', '--listen', '/l', '--group', 'g.key'], { createNode })
  assert.deepEqual(
    started.map(({ offline, watch, home: at }) => [offline, watch, at]),
    [true, true, true, false, false].map(offline => [offline, false, home])
  )
  assert.deepEqual(started[3]?.interfaces, ['lo', 'eth0'])
  assert.equal(started[3]?.discovery, false)
  assert.deepEqual(
    [started[4]?.peers, started[4]?.listen, started[4]?.groupKeyFile],
    [['/p'], ['/l'], resolve('g.key')]
  )
  assert.equal(fake.closed, 5)
})

test('a peer of its own waits for a first neighbour, and no longer', async () => {
  await stopPeer()
  fake.current.peers.neighbours = 0
  fake.searchEvents = [SEARCHED]
  let looked = 0
  const { status } = fake
  fake.status = async () => {
    assert.ok(!fake.asked.some(([what]) => what === 'search'), 'it searches before there is anybody')
    if (++looked === 3) fake.current.peers.neighbours = 1
    return await status.call(fake)
  }
  const ran = await shoal(['search', 'x', '--home', home], { createNode: async () => fake, isTTY: true })
  assert.equal(ran.code, 0)
  assert.equal(looked, 3)
  assert.match(ran.err, /^\rlooking for peers on this network …/)
})

test('a peer of its own can be looked at by another command while it works', async () => {
  await stopPeer()
  fake.endless = true
  fake.getEvents = [{ type: 'progress', transfer: transfer() }]
  const interrupt = new AbortController()
  const getting = shoal(['get', '1', '--home', home], { createNode: async () => fake, interrupted: interrupt.signal })
  await eventually('it fetches', () => fake.asked.some(([what]) => what === 'get'))
  const ran = await shoal(['status', '--home', home])
  assert.match(ran.out, /process 4711/)
  interrupt.abort()
  assert.equal((await getting).code, 7)
})

test('a home directory that another process holds without listening is reported as such', async () => {
  await stopPeer()
  const createNode = async () => {
    throw new ShoalError('ALREADY_RUNNING', `${home} is in use by process 5`)
  }
  const ran = await shoal(['shares', '--home', home], { createNode })
  assert.equal(ran.code, 12)
  assert.match(ran.err, /in use by process 5/)

  // one that is about to listen is waited for
  const starting = async () => {
    await runPeer(fake)
    throw new ShoalError('ALREADY_RUNNING', 'it starts')
  }
  assert.equal((await shoal(['shares', '--home', home], { createNode: starting })).code, 0)
})

test('Ctrl-C ends a command that waits for the peer', async () => {
  fake.status = () => new Promise(() => {})
  const interrupt = new AbortController()
  const ran = shoal(['status', '--home', home], { interrupted: interrupt.signal })
  interrupt.abort()
  assert.equal((await ran).code, 7)
})
