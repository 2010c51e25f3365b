import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { FileId, Infohash } from '../../protocols/core/ids.ts'
import { holdersKey, metainfoKey } from '../../src/directory/payloads.ts'
import { eventually } from '../../src/testkit/wait.ts'
import { addressOf, fresh, share, withNodes } from '../nodes.ts'

test('what a node shares is in the directory: its metainfo when no holder is there, and who has it', async () => {
  await withNodes(async start => {
    const a = await start()
    const known = { peers: [await addressOf(a)] }
    const home = fresh()
    const [b, c] = [await start({ ...known, home }), await start(known)]
    await start(known)
    const place = join(fresh(), 'tales')
    mkdirSync(place, { recursive: true })
    const text = Buffer.alloc(100_000, 'tale ')
    writeFileSync(join(place, 'one.txt'), text)
    const shared = await share(b, place)
    const infohash = shared.infohash as Infohash
    const [file] = (await b.shares())[0]?.entries ?? []

    const { peerId } = await b.status()
    const isPublished = async (key: string): Promise<boolean> => {
      return (await c.directoryGet(key)).entries.some(({ publisher }) => publisher === peerId)
    }
    for (const key of [metainfoKey(infohash), holdersKey(infohash), holdersKey(file?.id as FileId)]) {
      await eventually('it is published', () => isPublished(key))
    }

    await b.close()
    const listing = await c.ls(infohash)
    assert.deepEqual([listing.name, listing.files.map(({ path }) => path)], ['tales', ['tales/one.txt']])

    // asked for while nobody has it, it comes when its holder does
    const out = fresh()
    mkdirSync(out)
    const fetched = (async () => {
      for await (const event of c.get(infohash, { out })) if (event.type === 'done') return event.transfer.state
      return undefined
    })()
    const again = await start({ ...known, home })
    assert.equal(await fetched, 'done')
    assert.deepEqual(readFileSync(join(out, 'tales', 'one.txt')), text)

    await again.unshare([place])
    await eventually('what is shared no more is taken back', async () => !(await isPublished(holdersKey(infohash))))
  })
})
