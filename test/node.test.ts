import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import type { Infohash } from '../protocols/core/ids.ts'
import { EXCHANGE_PROTOCOL, type ExchangeService } from '../protocols/exchange/handler.ts'
import { encodeHandshake, ourFeatures } from '../protocols/exchange/handshake.ts'
import type { SearchService } from '../protocols/search/handler.ts'
import type { TrackerService } from '../protocols/tracker/handler.ts'
import type { SearchResult } from '../src/api.ts'
import type { NodeConfig } from '../src/config.ts'
import { newGroupKey } from '../src/libp2p/group-key.ts'
import { createNode, type ShoalNode } from '../src/node.ts'
import { sha256OfFile, writeRandomFile } from '../src/testkit/files.ts'
import { eventually } from '../src/testkit/wait.ts'
import { startTestHost } from './libp2p/hosts.ts'
import { addressOf, folder, fresh, get, neighbours, search, share, withNodes } from './nodes.ts'

const MIB = 1024 * 1024

test('the main job: share a folder, find a file by its name, fetch it from both holders', () =>
  withNodes(async start => {
    const [one, two] = [fresh(), fresh()]
    await writeRandomFile(join(one, 'Holidays/film of the sea.mkv'), 24 * MIB, 1)
    writeFileSync(join(one, 'notes.txt'), 'hello')
    await writeRandomFile(join(two, 'same.mkv'), 24 * MIB, 1)
    const first = await start()
    const second = await start({ peers: [await addressOf(first)] })
    await share(first, one)
    await share(second, two)
    const third = await start({ peers: [await addressOf(first), await addressOf(second)] })
    await neighbours(third, 2)

    const { results, done } = await search(third, 'SEA film')
    assert.equal(results.length, 1)
    const [result] = results as [SearchResult]
    assert.equal(result.size, 24 * MIB)
    assert.match(result.name, /Holidays\/film of the sea\.mkv$/)
    assert.ok(done.type === 'done' && done.peersAsked === 2 && done.hint === undefined, JSON.stringify(done))

    const { results: again } = await search(third, 'mkv')
    assert.deepEqual(
      again.map(({ holders }) => holders.length),
      [2],
      'one file, whatever it is called'
    )
    const out = fresh()
    const fetched = await get(third, '1', { out })
    assert.equal(await sha256OfFile(fetched.transfer.path), await sha256OfFile(join(two, 'same.mkv')))
    assert.equal(fetched.bytesFetched, 24 * MIB)
    assert.equal(
      fetched.transfer.sources.reduce((sum, { bytes }) => sum + bytes, 0),
      24 * MIB
    )
    assert.deepEqual(fetched.transfer.sources.length, 2, 'both deliver')
    // in the end game a request may be out at both
    assert.ok(fetched.bytesWasted <= MIB, `${fetched.bytesWasted} bytes came twice`)
    assert.equal((await third.status()).totals.down, 24 * MIB + fetched.bytesWasted)
    assert.deepEqual(await third.transfers(), [])

    const { results: everywhere, done: asked } = await search(second, 'mkv')
    assert.equal(everywhere[0]?.holders.length, 3, `who fetched it has it, and shares it: ${JSON.stringify(asked)}`)
  }))

test('a folder by its magnet link: looked into, a part fetched, then by infohash and file id', () =>
  withNodes(async start => {
    const place = join(fresh(), 'Album')
    await writeRandomFile(join(place, 'cd1/01 first.flac'), 3 * MIB + 5, 2)
    await writeRandomFile(join(place, 'cd1/02 second.flac'), 700_000, 3)
    await writeRandomFile(join(place, 'cover.jpg'), 20_000, 4)
    writeFileSync(join(place, 'empty.log'), '')
    const seed = await start()
    const album = await share(seed, place)
    const leech = await start()

    const listing = await leech.ls(album.magnet)
    const torrent = fresh()
    writeFileSync(torrent, Buffer.from((await seed.torrent('Album')).torrent, 'base64'))
    assert.deepEqual((await leech.ls(torrent)).files, listing.files)
    await assert.rejects(seed.torrent('Alba'), { code: 'NOT_FOUND' })
    assert.equal(listing.infohash, album.infohash)
    assert.deepEqual(
      listing.files.map(({ path, size }) => [path, size]),
      [
        ['Album/cd1/01 first.flac', 3 * MIB + 5],
        ['Album/cd1/02 second.flac', 700_000],
        ['Album/cover.jpg', 20_000],
        ['Album/empty.log', 0]
      ]
    )
    await assert.rejects(get(leech, album.magnet, { out: fresh(), files: ['cd3'] }), { code: 'NOT_FOUND' })
    const part = fresh()
    await get(leech, album.magnet, { out: part, files: ['Album/cd1/02 second.flac', 'cover.jpg'] })
    assert.equal(existsSync(join(part, 'Album/cd1/02 second.flac')), true)
    assert.equal(existsSync(join(part, 'Album/cd1/01 first.flac')), false)

    const other = await start({ peers: [await addressOf(seed), await addressOf(leech)] })
    await neighbours(other)
    const whole = fresh()
    const fetched = await get(other, album.infohash, { out: whole })
    assert.equal(fetched.transfer.path, join(whole, 'Album'))
    for (const { path } of listing.files) {
      assert.equal(await sha256OfFile(join(whole, path)), await sha256OfFile(join(place, '..', path)), path)
    }
    const shares = await other.shares()
    assert.equal(shares[0]?.infohash, album.infohash, 'who has it whole is found by the same link')
    assert.equal(shares[0]?.files, 4)

    const { tracker } = seed.host!.services as { tracker: TrackerService }
    const account = (): object | undefined => tracker.account(album.infohash as Infohash)
    // who took a part of it is no seed, and who came by another way than the link has not heard of the tracker
    assert.deepEqual(account(), { seeds: 1, leeches: 1, completed: 0 })
    const member = await start()
    const theirs = fresh()
    await get(member, album.magnet, { out: theirs })
    await eventually('the tracker of the link knows the new seed', () =>
      isDeepStrictEqual(account(), { seeds: 2, leeches: 1, completed: 1 })
    )
    await member.unshare([join(theirs, 'Album')])
    await eventually('and hears that it has left', () =>
      isDeepStrictEqual(account(), { seeds: 1, leeches: 1, completed: 1 })
    )

    const file = listing.files[2]!
    const single = fresh()
    const third = await start({ peers: [await addressOf(seed)] })
    await neighbours(third)
    await get(third, file.id, { out: single })
    assert.equal(readFileSync(join(single, 'cover.jpg')).byteLength, 20_000)
    const again = await get(third, file.id, { out: fresh() })
    assert.equal(again.bytesFetched, 0)
    assert.equal(again.transfer.path, join(single, 'cover.jpg'), 'what is here already is not fetched')
    writeFileSync(join(single, 'cover.jpg'), 'changed')
    const anew = await get(third, file.id, { out: fresh() })
    assert.equal(anew.bytesFetched, 20_000)
  }))

test('a transfer that was interrupted goes on where it was, also in another process of the node', () =>
  withNodes(async start => {
    const file = join(fresh(), 'big.bin')
    await writeRandomFile(file, 64 * MIB, 5)
    const seed = await start()
    const { magnet } = await share(seed, file)
    const home = fresh()
    const out = fresh()
    const leech = await start({ home })
    let before = 0
    for await (const event of leech.get(magnet, { out })) {
      if (event.type === 'progress' && (before = event.transfer.bytesDone) > 8 * MIB) break
    }
    const [paused] = await eventually('it is paused', async () => {
      const transfers = await leech.transfers()
      return transfers[0]?.state === 'paused' ? transfers : undefined
    })
    assert.ok(paused!.bytesDone >= before, `${paused!.bytesDone} after ${before}`)
    assert.equal(existsSync(join(out, 'big.bin')), false)
    await leech.close()

    const later = await start({ home })
    const kept = (await later.transfers())[0]!.bytesDone
    assert.ok(kept >= paused!.bytesDone, `${kept} after ${paused!.bytesDone}`)
    const done = await get(later, magnet, { out })
    assert.equal(await sha256OfFile(join(out, 'big.bin')), await sha256OfFile(file))
    assert.equal(done.bytesFetched, 64 * MIB - kept, 'nothing that was here is fetched again')
    assert.deepEqual(await later.transfers(), [])
  }))

test('two files that are to have one name do not mix, one after the other or at once', () =>
  withNodes(async start => {
    const [old, newer] = [join(fresh(), 'film.bin'), join(fresh(), 'film.bin')]
    await writeRandomFile(old, 48 * MIB, 7)
    await writeRandomFile(newer, 3 * MIB, 8)
    const seed = await start()
    const first = await share(seed, old)
    const second = await share(seed, newer)
    const leech = await start()
    const out = fresh()
    for await (const event of leech.get(first.magnet, { out })) {
      if (event.type === 'progress' && event.transfer.bytesDone > 4 * MIB) break
    }
    const done = await get(leech, second.magnet, { out })
    assert.equal(await sha256OfFile(done.transfer.path), await sha256OfFile(newer))
    await assert.rejects(get(leech, first.magnet, { out }), { code: 'EXISTS' })
    const both = fresh()
    const other = await start()
    const results = await Promise.allSettled([
      get(other, first.magnet, { out: both }),
      get(other, second.magnet, { out: both })
    ])
    for (const [i, result] of results.entries()) {
      if (result.status === 'rejected') assert.equal((result.reason as { code: string }).code, 'EXISTS')
      else assert.equal(await sha256OfFile(join(both, 'film.bin')), await sha256OfFile(i === 0 ? old : newer))
    }
    assert.ok(results.some(({ status }) => status === 'fulfilled'))
  }))

test('a part of a collection is fetched while another part is half here: neither is lost', () =>
  withNodes(async start => {
    const place = join(fresh(), 'Album')
    await writeRandomFile(join(place, 'a.bin'), 48 * MIB, 9)
    await writeRandomFile(join(place, 'b.bin'), MIB, 10)
    const seed = await start()
    const { magnet } = await share(seed, place)
    const leech = await start()
    const out = fresh()
    for await (const event of leech.get(magnet, { out, files: ['a.bin'] })) {
      if (event.type === 'progress' && event.transfer.bytesDone > 8 * MIB) break
    }
    await get(leech, magnet, { out, files: ['b.bin'] })
    assert.equal((await leech.transfers()).length, 1, 'what is half here is still known')
    const more = fresh()
    mkdirSync(more)
    writeFileSync(join(more, 'c.txt'), 'c')
    await share(leech, more)
    const done = await get(leech, magnet, { out })
    assert.ok(done.bytesFetched < 42 * MIB, `${done.bytesFetched} fetched`)
    assert.equal(await sha256OfFile(join(out, 'Album/a.bin')), await sha256OfFile(join(place, 'a.bin')))
  }))

test('asked twice in one moment, the same transfer answers both', () =>
  withNodes(async start => {
    const file = join(fresh(), 'one.bin')
    await writeRandomFile(file, 16 * MIB, 11)
    const seed = await start()
    const { magnet } = await share(seed, file)
    const leech = await start()
    const out = fresh()
    const both = await Promise.all([get(leech, magnet, { out }), get(leech, magnet, { out })])
    assert.deepEqual(
      both.map(({ bytesFetched }) => bytesFetched),
      [16 * MIB, 16 * MIB]
    )
    assert.equal((await leech.status()).totals.down, 16 * MIB)
  }))

test('a node that hashes closes at once', () =>
  withNodes(async start => {
    const place = fresh()
    for (let i = 0; i < 8; i++) await writeRandomFile(join(place, `f${i}.bin`), 24 * MIB, i)
    const node = await start()
    const events = node.share([place])[Symbol.asyncIterator]()
    await events.next()
    await node.close()
    const rest = (async () => {
      while (!(await events.next()).done);
    })()
    await assert.rejects(rest, { code: 'INTERRUPTED' })
  }))

test('two who ask for the same get the same transfer; it pauses when the last one leaves', () =>
  withNodes(async start => {
    const file = join(fresh(), 'both.bin')
    await writeRandomFile(file, 32 * MIB, 6)
    const seed = await start()
    const { magnet } = await share(seed, file)
    const leech = await start()
    const out = fresh()
    const first = leech.get(magnet, { out })[Symbol.asyncIterator]()
    await first.next()
    const second = get(leech, magnet, { out })
    await first.next()
    await eventually('both listen', async () => (await leech.transfers()).length === 1)
    await first.return?.()
    assert.equal((await second).bytesFetched, 32 * MIB)
  }))

test('a home directory belongs to one node at a time', () =>
  withNodes(async start => {
    const node = await start()
    await assert.rejects(start({ home: node.home }), { code: 'ALREADY_RUNNING' })
    await node.close()
    const again = await start({ home: node.home })
    assert.equal((await again.status()).peerId, (await node.status().catch(() => again.status())).peerId)
  }))

test('a node keeps its key, its port and its shares across a restart', () =>
  withNodes(async start => {
    const home = fresh()
    const place = fresh()
    mkdirSync(place)
    writeFileSync(join(place, 'keep.txt'), 'kept')
    const node = await start({ home })
    const before = await share(node, place)
    const addresses = (await node.status()).addresses
    await node.close()
    const again = await start({ home })
    assert.deepEqual((await again.status()).addresses, addresses)
    const ports = addresses.map(address => /\/tcp\/(\d+)/.exec(address)?.[1])
    assert.equal(new Set(ports).size, 1, addresses.join())
    assert.equal((await again.shares())[0]?.infohash, before.infohash)
  }))

test('IPv6 alone is enough', () =>
  withNodes(async start => {
    const listen = ['/ip6/::1/tcp/0']
    const place = fresh()
    mkdirSync(place)
    writeFileSync(join(place, 'six.txt'), '6')
    const seed = await start({ listen })
    const { magnet } = await share(seed, place)
    const leech = await start({ listen, peers: [await addressOf(seed)] })
    await neighbours(leech)
    assert.equal((await search(leech, 'six')).results.length, 1)
    await get(leech, magnet, { out: fresh() })
    for (const { address } of await leech.peers()) assert.match(address, /^\/ip6\/::1\//)
  }))

test('without the group key nobody gets in', () =>
  withNodes(async start => {
    const groupKeyFile = join(folder, 'group.key')
    writeFileSync(groupKeyFile, newGroupKey())
    const place = fresh()
    mkdirSync(place)
    writeFileSync(join(place, 'secret plan.txt'), 'x')
    const inside = await start({ groupKeyFile })
    await share(inside, place)
    const member = await start({ groupKeyFile, peers: [await addressOf(inside)] })
    const stranger = await start({ peers: [await addressOf(inside)] })
    await neighbours(member)
    assert.equal((await search(member, 'plan')).results.length, 1)
    assert.equal((await stranger.status()).peers.connected, 0)
    const { results, done } = await search(stranger, 'plan')
    assert.equal(results.length, 0)
    assert.ok(done.type === 'done' && /No other peer/.test(done.hint ?? ''))
  }))

test('offline: what is shared can be looked at and changed, nothing is fetched', () =>
  withNodes(async start => {
    const place = fresh()
    mkdirSync(place)
    writeFileSync(join(place, 'a.txt'), 'a')
    const node = await start({ offline: true })
    await share(node, place)
    assert.equal((await node.status()).shared.files, 1)
    assert.throws(() => node.search('a'), { code: 'NO_PEERS' })
    assert.throws(() => node.get('1'), { code: 'NO_PEERS' })
    assert.deepEqual(await node.unshare([place]), [place])
    assert.deepEqual(await node.shares(), [])
  }))

test('clear refusals', () =>
  withNodes(async start => {
    const node = await start()
    assert.throws(() => node.search('  … '), { code: 'USAGE' })
    assert.throws(() => node.search('x'.repeat(300)), { code: 'USAGE' })
    await assert.rejects(get(node, '7', { out: folder }), { code: 'NOT_FOUND' })
    await assert.rejects(get(node, 'no-such.torrent', { out: folder }), { code: 'USAGE' })
    await assert.rejects(get(node, 'magnet:?xt=urn:btih:abc', { out: folder }), { code: 'USAGE' })
    await assert.rejects(get(node, '0'.repeat(64), { out: folder }), { code: 'NO_PEERS' })
    await assert.rejects(createNode({ home: fresh(), interfaces: ['nope0'] }), { code: 'USAGE' })
    await assert.rejects(createNode({ home: fresh(), listen: ['/ip4/127.0.0.1/tcp/1'], colour: 1 } as NodeConfig), {
      code: 'BAD_CONFIG'
    })
    const notes = join(folder, 'notes.txt')
    writeFileSync(notes, 'no key')
    for (const groupKeyFile of [notes, join(folder, 'none.key')]) {
      const error = await createNode({ home: fresh(), interfaces: ['lo'], groupKeyFile }).catch(thrown => thrown)
      assert.equal(error.code, 'BAD_KEY')
      assert.match(error.message, /group key/)
      assert.match(error.next, /shoal group new/, 'it is not the key of this peer that is wrong')
    }
    for (const peer of ['garbage', '/ip4/127.0.0.1/tcp/9']) {
      await assert.rejects(createNode({ home: fresh(), peers: [peer] }), { code: 'BAD_CONFIG' })
    }
  }))

test('peers that have nothing do not keep a transfer from finding one that has', () =>
  withNodes(async start => {
    const place = fresh()
    await writeRandomFile(join(place, 'late.bin'), 300_000, 12)
    const holder = await start()
    await share(holder, place)
    const [file] = (await holder.shares())[0]!.entries!
    await holder.unshare([place])
    const leech = await start({ peers: [await addressOf(holder)] })
    await neighbours(leech)
    const fetching = get(leech, `magnet:?xt=urn:shoal:${file!.id}&xl=300000`, { out: fresh() })
    const quiet = await Promise.all(Array.from({ length: 8 }, () => startTestHost({})))
    try {
      await eventually('it is looking', async () => (await leech.transfers())[0]?.state === 'finding')
      const handshake = encodeHandshake({
        swarm: Buffer.from(file!.id, 'hex').subarray(0, 20),
        peerId: new Uint8Array(20),
        features: ourFeatures
      })
      for (const host of quiet) {
        const stream = await host.dialProtocol(leech.host!.getMultiaddrs(), EXCHANGE_PROTOCOL)
        stream.send(handshake)
      }
      const { exchange } = leech.host!.services as { exchange: ExchangeService }
      await eventually('they are in', () => [...exchange.swarms.values()][0]?.stats().peers.length === 8)
      // a search that was due before they came says nothing: the one after it counts
      const { search: searching } = leech.host!.services as { search: SearchService }
      const sent = searching.stats.messagesOut
      await eventually('the search that was due', () => searching.stats.messagesOut > sent)
      await share(holder, place)
      assert.equal((await fetching).bytesFetched, 300_000)
    } finally {
      await Promise.all(quiet.map(host => host.stop()))
    }
  }))

test('20 peers: a search finds every holder', () =>
  withNodes(async start => {
    const nodes: ShoalNode[] = []
    for (let i = 0; i < 20; i++) {
      const peers = await Promise.all(nodes.slice(-3).map(addressOf))
      nodes.push(await start({ peers }))
    }
    const holders = [3, 8, 12, 19]
    for (const i of holders) {
      const place = fresh()
      mkdirSync(place)
      writeFileSync(join(place, `needle ${i}.txt`), 'the same bytes everywhere')
      await share(nodes[i]!, place)
    }
    for (const node of nodes) await neighbours(node)
    const found = await eventually('every holder is found', async () => {
      const { results, done } = await search(nodes[0]!, 'needle')
      return results[0]?.holders.length === holders.length ? { result: results[0], done } : undefined
    })
    const expected = await Promise.all(holders.map(async i => (await nodes[i]!.status()).peerId))
    assert.deepEqual(found.result.holders.toSorted(), expected.toSorted())
    assert.ok(found.done.type === 'done' && found.done.peersAsked === 19, JSON.stringify(found.done))
  }))
