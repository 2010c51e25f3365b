import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Libp2p, Stream } from '@libp2p/interface'
import type { SwarmId } from '../../protocols/core/ids.ts'
import { EXCHANGE_PROTOCOL, type ExchangeService } from '../../protocols/exchange/handler.ts'
import { encodeHandshake, ourFeatures } from '../../protocols/exchange/handshake.ts'
import type { ShoalNode } from '../../src/node.ts'
import { sha256OfFile, writeRandomFile } from '../../src/testkit/files.ts'
import { eventually } from '../../src/testkit/wait.ts'
import { startTestHost } from '../libp2p/hosts.ts'
import { addressOf, fresh, get, neighbours, search, share, withNodes } from '../nodes.ts'

const MIB = 1024 * 1024

const exchangeOf = (node: ShoalNode): ExchangeService => (node.host!.services as { exchange: ExchangeService }).exchange

/** A stream that asks for a swarm and says nothing more. */
async function ask(host: Libp2p, node: ShoalNode, id: string): Promise<Stream> {
  const stream = await host.dialProtocol(node.host!.getMultiaddrs(), EXCHANGE_PROTOCOL)
  const swarm = Buffer.from(id, 'hex').subarray(0, 20)
  stream.send(encodeHandshake({ swarm, peerId: new Uint8Array(20), features: ourFeatures }))
  return stream
}

test('four identities with 64 quiet streams each do not keep others from any file', () =>
  withNodes(async start => {
    const place = fresh()
    mkdirSync(place)
    for (let i = 0; i < 260; i++) writeFileSync(join(place, `${i}.txt`), `the file ${i}`)
    const seed = await start()
    await share(seed, place)
    const { entries } = (await seed.shares())[0]!
    const hosts = await Promise.all(Array.from({ length: 4 }, () => startTestHost({})))
    try {
      const streams: Stream[] = []
      for (const [i, host] of hosts.entries()) {
        for (const { id } of entries!.slice(i * 64, i * 64 + 64)) streams.push(await ask(host, seed, id))
      }
      const { swarms } = exchangeOf(seed)
      await eventually('each is in or was refused', () => {
        const inside = [...swarms.values()].reduce((sum, swarm) => sum + swarm.stats().peers.length, 0)
        return inside + streams.filter(({ status }) => status !== 'open').length === streams.length
      })
      assert.equal(swarms.size, 64)
      const leech = await start()
      const magnet = (await seed.ls(entries![258]!.id)).magnet
      const fetched = await get(leech, `${magnet}&x.pe=${await addressOf(seed)}`, { out: fresh() })
      assert.equal(fetched.type, 'done')
    } finally {
      await Promise.all(hosts.map(host => host.stop()))
    }
  }))

test('a fetched file that is moved inside its share is given from where it lies then', () =>
  withNodes(async start => {
    const [place, films] = [fresh(), fresh()]
    await writeRandomFile(join(place, 'film.mkv'), 3 * MIB, 1)
    mkdirSync(join(films, 'Sea'), { recursive: true })
    const first = await start()
    await share(first, place)
    const second = await start({ peers: [await addressOf(first)] })
    await share(second, films)
    await neighbours(second)
    await search(second, 'film')
    await get(second, '1', { out: films })
    await first.close()
    // else it is withdrawn until it looks settled, and its swarm is closed for that
    await eventually('it is old enough', () => Date.now() - statSync(join(films, 'film.mkv')).mtimeMs > 1_600)
    renameSync(join(films, 'film.mkv'), join(films, 'Sea/film.mkv'))
    const moved = await eventually('the move is known', async () => {
      const [shared] = await second.shares()
      return shared?.entries?.find(({ path }) => path.includes('Sea/'))
    })
    const third = await start({ peers: [await addressOf(second)] })
    await neighbours(third)
    const { transfer } = await get(third, moved.id, { out: fresh() })
    assert.equal(await sha256OfFile(transfer.path), await sha256OfFile(join(place, 'film.mkv')))
  }))

test('what is fetched again is not given away from under the transfer', () =>
  withNodes(async start => {
    const [one, two] = [fresh(), fresh()]
    for (const folder of [one, two]) {
      mkdirSync(join(folder, 'Album'), { recursive: true })
      writeFileSync(join(folder, 'Album/long.bin'), 'it takes a while to look at it')
      truncateSync(join(folder, 'Album/long.bin'), 256 * MIB)
    }
    await writeRandomFile(join(one, 'Album/small.bin'), MIB, 2)
    copyFileSync(join(one, 'Album/small.bin'), join(two, 'Album/small.bin'))
    const seed = await start()
    const { magnet, infohash } = await share(seed, join(one, 'Album'))
    const again = await start({ watch: false })
    assert.equal((await share(again, join(two, 'Album'))).infohash, infohash)
    rmSync(join(two, 'Album/small.bin'))
    const host = await startTestHost({})
    try {
      await ask(host, again, infohash)
      const { swarms } = exchangeOf(again)
      await eventually('it is given away', () => swarms.get(infohash as SwarmId)?.stats().peers.length === 1)
      const fetching = get(again, magnet, { out: two })
      fetching.catch(() => {})
      await eventually('it looks at what is here', async () => {
        const [transfer] = await again.transfers()
        return transfer?.state === 'checking' && !swarms.has(infohash as SwarmId)
      })
      const stream = await ask(host, again, infohash)
      await eventually('the stranger has an answer', () => stream.status !== 'open' || swarms.has(infohash as SwarmId))
      assert.equal((await fetching).bytesFetched, MIB)
      assert.equal(await sha256OfFile(join(two, 'Album/small.bin')), await sha256OfFile(join(one, 'Album/small.bin')))
    } finally {
      await host.stop()
    }
  }))

test('the bytes of a swarm that was closed stay in the totals', () =>
  withNodes(async start => {
    const file = join(fresh(), 'once.bin')
    await writeRandomFile(file, 3 * MIB, 3)
    const seed = await start()
    const { magnet } = await share(seed, file)
    const leech = await start()
    const { transfer } = await get(leech, magnet, { out: fresh() })
    await leech.unshare([transfer.path])
    await eventually('no swarm is open', () => exchangeOf(leech).swarms.size === 0)
    assert.deepEqual((await leech.status()).totals, { down: 3 * MIB, up: 0 })
    const given = exchangeOf(seed).swarms.get(transfer.id as SwarmId)
    await eventually('all of it is out', () => given?.stats().sentBytes === 3 * MIB)
    await seed.unshare([file])
    await eventually('no swarm is open', () => exchangeOf(seed).swarms.size === 0)
    assert.deepEqual((await seed.status()).totals, { down: 0, up: 3 * MIB })
  }))
