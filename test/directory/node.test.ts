import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import type { DirectoryAnswer } from '../../src/api.ts'
import { newGroupKey } from '../../src/libp2p/group-key.ts'
import { createNode } from '../../src/node.ts'
import { eventually } from '../../src/testkit/wait.ts'
import { addressOf, fresh, onRing, withNodes } from '../nodes.ts'

const base64 = (text: string): string => Buffer.from(text).toString('base64')
const texts = ({ entries }: DirectoryAnswer): string[] =>
  entries.map(({ payload }) => Buffer.from(payload, 'base64').toString()).sort()

test('what one node puts another gets when the first is gone, and after it is back', () =>
  withNodes(async start => {
    const home = fresh()
    const a = await start({ home })
    const alone = await a.directoryPut({ kind: 'value', payload: base64('said before anybody was there') })
    assert.equal(alone.copies, 1)
    assert.deepEqual(texts(await a.directoryGet(alone.key)), ['said before anybody was there'])
    const ring = await a.ring()
    assert.deepEqual([ring.share, ring.nodes, ring.settled, ring.published], [1, 1, true, 1])

    const peers = [await addressOf(a)]
    const [b, c] = [await start({ peers }), await start({ peers })]
    await onRing(a, b, c)
    const put = await a.directoryPut({ kind: 'member', key: 'a word', payload: base64('of the first') })
    assert.equal(put.copies, 3)
    await c.directoryAppend('a word', [base64('x'), base64('y')])
    await b.directoryPut({ kind: 'own', name: 'profile', payload: base64('hello') })
    await eventually('all three keep all', async () =>
      (await Promise.all([a, b, c].map(node => node.status()))).every(({ ring: its }) => its?.entries === 4)
    )
    const shares = await Promise.all([a, b, c].map(async node => (await node.ring()).share ?? 0))
    assert.ok(Math.abs(shares.reduce((sum, share) => sum + share) - 1) < 1e-9, 'together they own all keys')

    await a.close()
    await onRing(b, c)
    for (const node of [b, c]) {
      assert.deepEqual(texts(await node.directoryGet(alone.key)), ['said before anybody was there'])
      const answer = await node.directoryGet(put.key, { careful: true })
      assert.deepEqual([answer.total, answer.isComplete], [2, true])
      assert.ok(texts(answer).includes('of the first'))
      assert.deepEqual(
        answer.entries.flatMap(({ items = [] }) => items),
        [base64('x'), base64('y')]
      )
    }
    await assert.rejects(b.directoryRemove('a word'), { code: 'NOT_FOUND' })
    await c.directoryRemove('a word', [base64('x')])
    const left = (await b.directoryGet('a word')).entries.flatMap(({ items = [] }) => items)
    assert.deepEqual(left, [base64('y')])

    const again = await start({ home, peers: [await addressOf(b)] })
    await onRing(again, b, c)
    assert.equal((await again.ring()).published, 2, 'it goes on publishing')
    await again.directoryRemove('a word')
    assert.equal((await c.directoryGet('a word')).total, 1)
  }))

test('what lies here for others outlives a restart', () =>
  withNodes(async start => {
    const home = fresh()
    const a = await start({ home })
    const b = await start({ peers: [await addressOf(a)] })
    await onRing(a, b)
    const { key } = await b.directoryPut({ kind: 'value', payload: base64('kept') })
    await eventually('both have it', async () => (await a.ring()).kept.entries === 1)
    await b.close()
    await a.close()
    const again = await createNode({ home, interfaces: ['lo'], discovery: false })
    try {
      await eventually('it is alone', async () => (await again.ring()).share === 1)
      assert.deepEqual(texts(await again.directoryGet(key)), ['kept'])
      assert.deepEqual((await again.ring()).published, 0)
    } finally {
      await again.close()
    }
  }))

test('what is published in a private group stays there', () =>
  withNodes(async start => {
    const [home, groupKeyFile] = [fresh(), fresh()]
    writeFileSync(groupKeyFile, newGroupKey())
    const member = await start({ home, groupKeyFile })
    const { key } = await member.directoryPut({ kind: 'value', payload: base64('a secret') })
    await member.close()
    const outside = await start({ home })
    assert.deepEqual((await outside.directoryGet(key)).entries, [])
    assert.deepEqual((await outside.ring()).published, 0)
    await outside.close()
    const back = await start({ home, groupKeyFile })
    assert.deepEqual((await back.ring()).published, 1)
  }))

test('mistakes are said to be such: what is too large, no name, no base64, and a node without a network', () =>
  withNodes(async start => {
    const node = await start()
    const payload = Buffer.alloc(16 * 1024 + 1).toString('base64')
    await assert.rejects(node.directoryPut({ kind: 'value', payload }), { code: 'USAGE', message: /too large/ })
    await assert.rejects(node.directoryPut({ kind: 'own', name: 'n'.repeat(256), payload: '' }), { code: 'USAGE' })
    await assert.rejects(node.directoryPut({ kind: 'value', payload: '*' }), { code: 'USAGE', message: /base64/ })
    await assert.rejects(node.directoryAppend('word', []), { code: 'USAGE' })
    const { key } = await node.directoryPut({ kind: 'value', payload: base64('no set') })
    await assert.rejects(node.directoryRemove(key, [base64('x')]), { code: 'USAGE', message: /not a set/ })
    const offline = await start({ offline: true })
    await assert.rejects(offline.ring(), { code: 'NO_PEERS' })
    assert.equal((await offline.status()).ring, undefined)
  }))

test('a node that only asks gets and puts, and takes no place on the ring', () =>
  withNodes(async start => {
    const a = await start()
    const peers = [await addressOf(a)]
    const b = await start({ peers })
    await onRing(a, b)
    const client = await start({ peers, ring: false })
    await eventually('it is connected', async () => (await client.status()).peers.connected > 0)
    const { key, copies } = await client.directoryPut({ kind: 'value', payload: base64('from aside') })
    assert.equal(copies, 2)
    assert.deepEqual(texts(await b.directoryGet(key)), ['from aside'])
    assert.deepEqual(texts(await client.directoryGet(key)), ['from aside'])
    assert.deepEqual([(await a.ring()).nodes, (await b.ring()).nodes], [2, 2])
  }))
