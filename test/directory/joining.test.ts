import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../../src/testkit/wait.ts'
import { addressOf, fresh, onRing, withNodes } from '../nodes.ts'

test('what a node published while it was alone is found by all as soon as it is on their ring', () =>
  withNodes(async start => {
    const first = await start()
    const peers = [await addressOf(first)]
    const ring = [first, ...(await Promise.all(Array.from({ length: 4 }, () => start({ peers }))))]
    await onRing(...ring)
    const home = fresh()
    const alone = await start({ home })
    const keys: string[] = []
    for (let i = 0; i < 12; i++) {
      const { key, copies } = await alone.directoryPut({
        kind: 'value',
        payload: Buffer.from(`said alone ${i}`).toString('base64')
      })
      assert.equal(copies, 1)
      keys.push(key)
    }
    await alone.close()
    const joined = await start({ home, peers })
    await onRing(joined, ...ring)
    for (const key of keys) {
      await eventually(`${key} is found`, async () => (await first.directoryGet(key)).entries.length === 1)
    }
  }))
