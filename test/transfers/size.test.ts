import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { FileId, Infohash } from '../../protocols/core/ids.ts'
import { seededRng } from '../../protocols/core/rng.ts'
import { type ExchangeService, exchangeService, type SwarmHandle } from '../../protocols/exchange/handler.ts'
import { Layout } from '../../protocols/metainfo/index.ts'
import type { Hit } from '../../protocols/search/index.ts'
import { sha256OfFile, writeRandomFile } from '../../src/testkit/files.ts'
import { eventually } from '../../src/testkit/wait.ts'
import { sizeTurnConfig } from '../../src/transfers/size-turns.ts'
import { MemoryContent, sampleOf, sha256 } from '../protocols/exchange/memory-content.ts'
import { addressOf, assertNobodyBlamed, connect, fileOf, fresh, get, share, withNodes } from './nodes.ts'

const SIZE = 300_000
const { turnMs } = sizeTurnConfig
after(() => {
  sizeTurnConfig.turnMs = turnMs
})

const hits = (id: string, ...sizes: number[]): Hit[] => sizes.map(size => ({ id: id as FileId, name: 'x.bin', size }))

test('one holder that states a wrong size, as often as it likes, does not keep a file from anybody', () =>
  withNodes(async (start, startLiar) => {
    const path = fresh()
    await writeRandomFile(path, SIZE, 1)
    const [victim, honest] = [await start(), await start()]
    const id = await fileOf(honest, path)
    await connect(victim, honest)
    await startLiar({ near: [victim], lookup: ({ kind }) => (kind === 'id' ? hits(id, 900_000, 900_000, 64) : []) })
    const done = await get(victim, id, { out: fresh() })
    assert.equal(await sha256OfFile(done.transfer.path), await sha256OfFile(path))
    await assertNobodyBlamed(victim, honest)
  }))

test('more holders of wrong sizes than of the right one: each size has its turn, and nobody honest is blamed', () =>
  withNodes(async (start, startLiar) => {
    const path = fresh()
    await writeRandomFile(path, SIZE, 2)
    const [victim, honest] = [await start(), await start()]
    const id = await fileOf(honest, path)
    await connect(victim, honest)
    const sizes = [SIZE + 1, SIZE + 1, SIZE + 1, 900_000, 900_000, SIZE - 1]
    for (const size of sizes) {
      await startLiar({ near: [victim], lookup: ({ kind }) => (kind === 'id' ? hits(id, size) : []) })
    }
    const done = await get(victim, id, { out: fresh() })
    assert.equal(await sha256OfFile(done.transfer.path), await sha256OfFile(path))
    assert.equal(done.transfer.size, SIZE)
    await assertNobodyBlamed(victim, honest)
  }))

test('a wrong size that a transfer began with is not believed when who stated it is gone', () =>
  withNodes(async (start, startLiar) => {
    const path = fresh()
    await writeRandomFile(path, SIZE, 3)
    const victim = await start()
    const honest = await start()
    const id = await fileOf(honest, path)
    const liar = await startLiar({ near: [victim], lookup: ({ kind }) => (kind === 'id' ? hits(id, 900_000) : []) })
    for await (const event of victim.get(id, { out: fresh() })) {
      if (event.type === 'progress' && event.transfer.state === 'finding') break
    }
    await eventually('it is paused', async () => (await victim.transfers())[0]?.state === 'paused')
    assert.equal((await victim.transfers())[0]?.size, 900_000)
    await liar.stop()
    await connect(victim, honest)
    const done = await get(victim, id, { out: fresh() })
    assert.equal(await sha256OfFile(done.transfer.path), await sha256OfFile(path))
    await assertNobodyBlamed(victim, honest)
  }))

test('holders that have the bytes of a wrong size and send none lose their turn', () =>
  withNodes(async (start, startLiar) => {
    sizeTurnConfig.turnMs = 500
    const path = fresh()
    await writeRandomFile(path, SIZE, 4)
    const [victim, honest] = [await start(), await start()]
    const id = await fileOf(honest, path)
    const sample = sampleOf([900_000], 256 * 1024)
    const layout = Layout.single(id as FileId, 900_000, 'x.bin')
    const over = Promise.withResolvers<void>()
    const swarms: SwarmHandle[] = []
    for (let i = 0; i < 2; i++) {
      const host = await startLiar({
        near: [victim],
        lookup: ({ kind }) => (kind === 'id' ? hits(id, 900_000) : []),
        services: {
          exchange: exchangeService({ onWanted: async () => undefined, onPenalty: () => {}, sha256, rng: seededRng(1) })
        }
      })
      const content = MemoryContent.whole({ ...sample, layout })
      content.beforeRead = () => over.promise
      content.hashes = async () => void (await over.promise)
      swarms.push(
        (host.services as unknown as { exchange: ExchangeService }).exchange.open({
          swarm: id as FileId,
          content,
          onEvent: () => {}
        })
      )
    }
    await connect(victim, honest)
    try {
      const fetching = get(victim, id, { out: fresh() })
      await eventually('the liars are asked', () => swarms.every(swarm => swarm.stats().peers.length > 0))
      const done = await fetching
      assert.equal(await sha256OfFile(done.transfer.path), await sha256OfFile(path))
      await assertNobodyBlamed(victim, honest)
    } finally {
      over.resolve()
    }
  }))

test('a link that says a wrong size is as good as one that says none', () =>
  withNodes(async start => {
    const path = fresh()
    await writeRandomFile(path, SIZE, 5)
    const [leech, seed] = [await start(), await start()]
    const id = await fileOf(seed, path)
    const link = `magnet:?xt=urn:shoal:${id}&xl=900000&x.pe=${encodeURIComponent(await addressOf(seed))}`
    const done = await get(leech, link, { out: fresh() })
    assert.equal(await sha256OfFile(done.transfer.path), await sha256OfFile(path))
    await assertNobodyBlamed(leech, seed)
  }))

test('an id is what it is, whatever others say: a collection is no file, a file is no collection', () =>
  withNodes(async (start, startLiar) => {
    const path = fresh()
    await writeRandomFile(`${path}/a.bin`, SIZE, 6)
    await writeRandomFile(`${path}/b.bin`, 1_000, 7)
    const [leech, seed] = [await start(), await start()]
    const { infohash } = await share(seed, path)
    const [file] = (await seed.shares())[0]?.entries ?? []
    assert.ok(file)
    await connect(leech, seed)
    for (let i = 0; i < 3; i++) {
      await startLiar({
        near: [leech],
        lookup: query => {
          if (query.kind !== 'id') return []
          if (query.id === infohash) return hits(infohash, 5_000)
          return [{ id: 'cd'.repeat(32) as FileId, name: 'x', size: 1, infohash: query.id as Infohash }]
        }
      })
    }
    assert.equal((await leech.ls(infohash)).files.length, 2)
    const single = await get(leech, file.id, { out: fresh() })
    assert.equal(await sha256OfFile(single.transfer.path), await sha256OfFile(`${path}/a.bin`))
    const whole = await get(leech, infohash, { out: fresh() })
    assert.equal(await sha256OfFile(`${whole.transfer.path}/b.bin`), await sha256OfFile(`${path}/b.bin`))
    await assertNobodyBlamed(leech, seed)
  }))
