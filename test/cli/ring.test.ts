import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'

import { join } from 'node:path'
import { test } from 'node:test'
import { percentText } from '../../src/cli/ring-text.ts'
import { ShoalError } from '../../src/errors.ts'
import { ANSWER, ID, OTHER, PEER, RING } from '../daemon/fake-shoal.ts'
import { fake, home, stopPeer } from './running-peer.ts'
import { records, shoal } from './terminal.ts'

const base64 = (text: string): string => Buffer.from(text).toString('base64')
const at = (digit: string): string => digit + '0'.repeat(63)
const [other, own] = [OTHER, PEER].map(peer => `…${peer.slice(-8)}`)

test('ring: the place, what is kept, and neighbours and fingers in their order', async () => {
  fake.ringStatus = {
    ...RING,
    nodes: 120,
    predecessor: { peerId: PEER, id: at('3') },
    fingers: [
      { peerId: OTHER, id: at('1') },
      { peerId: PEER, id: at('c') }
    ]
  }
  const ran = await shoal(['ring', '--home', home])
  assert.equal(ran.code, 0)
  assert.deepEqual(ran.out.split('\n'), [
    `place      ${RING.id}`,
    'ring       about 120 peers',
    'owns       6.3 % of all keys',
    'keeps      12 entries for all, 3.4 kB',
    'publishes  3 entries',
    '',
    'ROLE         PEER       ID                 DISTANCE',
    `predecessor  ${own}  3000000000000000…  6.3 % behind`,
    `successor 1  ${other}  6000000000000000…  13 % ahead`,
    `finger       ${own}  c000000000000000…  50 % ahead`,
    `finger       ${other}  1000000000000000…  81 % ahead`,
    ''
  ])
  const [record] = records((await shoal(['ring', '--home', home, '--json'])).out)
  assert.deepEqual(record, { v: 1, type: 'ring', ...fake.ringStatus, running: true })
})

test('ring: one that is alone, one that has everybody in its list, and one that still looks for its place', async () => {
  const { predecessor, share, ...rest } = RING
  const said = async (change: object): Promise<string> => {
    fake.ringStatus = { ...rest, ...change }
    return (await shoal(['ring', '--home', home])).out
  }
  const nothing = { kept: { entries: 0, bytes: 0 }, published: 0 }
  assert.equal(
    await said({ successors: [], share: 1, nodes: 1, ...nothing }),
    `place      ${RING.id}\nring       this peer alone\nowns       100 % of all keys\nkeeps      nothing yet\npublishes  nothing\n`
  )
  assert.match(await said({ predecessor, share }), /^ring +2 peers$/m)
  const looking = await said({ successors: [], nodes: 1, settled: false })
  assert.match(looking, /^ring +no place found yet; this peer looks for one\nowns +unknown: /m)
  assert.match(await said({ settled: false }), /^ring +about 2 peers; its place is changing$/m)
  assert.deepEqual([1, 0.5, 0.0994, 0.0625, 0.00042, 0].map(percentText), [
    '100 %',
    '50 %',
    '9.9 %',
    '6.3 %',
    '0.042 %',
    '0 %'
  ])
})

test('ring: a peer that ends with the command has no place', async () => {
  await stopPeer()
  fake.ring = async () => RING
  const ran = await shoal(['ring', '--home', home], { createNode: async () => fake })
  assert.equal(
    ran.out,
    `No peer runs here, so it has no place on the ring: \`shoal up\` starts one. Its place would be\n${RING.id}\n`
  )
})

test('dir get: what each publisher says, text as text, all else in hex; what is hostile is written out', async () => {
  const entry = {
    kind: 'value',
    publisher: PEER,
    publishedAt: Date.now() - 90_000,
    expiresAt: Date.now() + 7_501_000
  } as const
  fake.answer = {
    ...ANSWER,
    total: 70,
    isComplete: false,
    entries: [
      { ...entry, payload: base64('plain text\nand more') },
      { ...entry, payload: base64('\u001b[2J') },
      { ...entry, kind: 'own', name: 'pro\u202efile', payload: Buffer.of(255, 1).toString('base64') },
      { ...entry, kind: 'member', publisher: OTHER, payload: '', items: [base64('sea'), base64('x'.repeat(100))] }
    ]
  }
  const ran = await shoal(['dir', 'get', 'sea', '--careful', '--home', home])
  assert.deepEqual(fake.asked, [['directoryGet', 'sea', { careful: true }]])
  assert.deepEqual(ran.out.split('\n'), [
    `${ID}: 4 of 70 entries; there may be more`,
    '',
    'KIND    PUBLISHER         AGE  EXPIRES IN  CONTENT',
    `value   ${own}  1 min 30 s   2 h 5 min  plain text\\nand more`,
    `value   ${own}  1 min 30 s   2 h 5 min  4 B 1b5b324a`,
    `own     ${own}  1 min 30 s   2 h 5 min  pro\\u{202e}file: 2 B ff01`,
    `member  ${other}  1 min 30 s   2 h 5 min  sea, ${'x'.repeat(54)}…`,
    ''
  ])
  const [record] = records((await shoal(['dir', 'get', 'sea', '--home', home, '--json'])).out)
  assert.deepEqual(record, { v: 1, type: 'directory', ...fake.answer })

  fake.answer = { key: ID, entries: [], total: 0, isComplete: true }
  assert.equal((await shoal(['dir', 'get', ID, '--home', home])).out, `${ID}: nothing\n`)
  fake.answer.isComplete = false
  assert.equal((await shoal(['dir', 'get', ID, '--home', home])).out, `${ID}: nothing found; there may be more\n`)
})

test('dir put: a file or what is piped in; the key is all that is printed', async () => {
  const file = join(home, 'value')
  writeFileSync(file, 'a value')
  const ran = await shoal(['dir', 'put', file, '--home', home])
  assert.deepEqual(ran, { code: 0, out: `${ID}\n`, err: '' })
  await shoal(['dir', 'put', '-', '--home', home], { stdin: 'piped' })
  assert.deepEqual(fake.asked, [
    ['directoryPut', { kind: 'value', payload: base64('a value') }],
    ['directoryPut', { kind: 'value', payload: base64('piped') }]
  ])
  const json = await shoal(['dir', 'put', file, '--home', home, '--json'])
  assert.deepEqual(records(json.out), [{ v: 1, type: 'published', key: ID, copies: 4 }])
  writeFileSync(file, Buffer.alloc(16 * 1024 + 1))
  const large = await shoal(['dir', 'put', file, '--home', home])
  assert.deepEqual([large.code, large.out], [2, ''])
  assert.match(large.err, /at most 16384 bytes\n {2}Share it as a file/)
  assert.equal((await shoal(['dir', 'put', '-', '--home', home], { stdin: 'x'.repeat(20_000) })).code, 2)
  assert.equal((await shoal(['dir', 'put', join(home, 'gone'), '--home', home])).code, 3)
})

test('dir append and remove: texts of a set, or all of it; without a peer that stays it is said that it goes', async () => {
  assert.equal((await shoal(['dir', 'append', 'sea', 'one', 'two', '--home', home])).out, `${ID}\n`)
  assert.equal((await shoal(['dir', 'remove', 'sea', 'one', '--home', home])).out, `taken back: ${ID}\n`)
  const all = await shoal(['dir', 'remove', 'sea', '--home', home, '--json'])
  assert.deepEqual(records(all.out), [{ v: 1, type: 'removed', key: ID }])
  assert.deepEqual(fake.asked, [
    ['directoryAppend', 'sea', [base64('one'), base64('two')]],
    ['directoryRemove', 'sea', [base64('one')]],
    ['directoryRemove', 'sea', undefined]
  ])
  fake.failure = new ShoalError('UNREACHABLE', 'nobody is there')
  const failed = await shoal(['dir', 'append', 'sea', 'one', '--home', home])
  assert.deepEqual([failed.code, failed.err.split('\n')[0]], [6, 'shoal: nobody is there'])

  await stopPeer()
  fake.failure = undefined
  const own = await shoal(['dir', 'append', 'sea', 'one', '--home', home], { createNode: async () => fake })
  assert.match(own.err, /^No peer runs here .*gone within a day\.$/m)
})

test('dir: the help says what a key is', async () => {
  for (const args of [['dir'], ['dir', 'get'], ['dir', 'append'], ['dir', 'remove']]) {
    assert.match((await shoal([...args, '--help'])).out, /64 hex digits.*\n`shoal dir get sea` asks for .*sha256sum/)
  }
})
