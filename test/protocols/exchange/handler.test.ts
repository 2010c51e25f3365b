import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import type { SwarmId } from '../../../protocols/core/ids.ts'
import { viewsOf } from '../../../protocols/exchange/byte-views.ts'
import { ContentError } from '../../../protocols/exchange/content.ts'
import { exchangeHandlerLimits, type SwarmHandle } from '../../../protocols/exchange/handler.ts'
import { eventually } from '../../../src/testkit/wait.ts'
import { ExchangeNode, SWARM } from './exchange-hosts.ts'
import { MemoryContent, type Sample, sampleOf } from './memory-content.ts'

const KIB = 1024
/** Little on the way at a time, so that several peers have something to do. */
const SMALL_WINDOWS = { startWindowBytes: 128 * KIB, maxWindowBytes: 256 * KIB, uploadWindowBytes: 128 * KIB }

const nodes: ExchangeNode[] = []
afterEach(() => Promise.all(nodes.splice(0).map(({ host }) => host.stop())))

async function start(init?: Parameters<typeof ExchangeNode.start>[0]): Promise<ExchangeNode> {
  const node = await ExchangeNode.start(init)
  nodes.push(node)
  return node
}

/** A leech that is connected to all of them before it asks for anything. */
async function leechOf(
  seeds: ExchangeNode[],
  content: MemoryContent,
  init?: Parameters<typeof ExchangeNode.start>[0]
): Promise<[ExchangeNode, SwarmHandle]> {
  const leech = await start({ config: SMALL_WINDOWS, ...init })
  const handle = leech.open(content)
  handle.pause()
  for (const seed of seeds) {
    await leech.dial(seed)
    assert.equal(await handle.connect(seed.host.peerId), true)
  }
  await eventually('everybody unchokes the leech', () => {
    const { peers } = handle.stats()
    return peers.length === seeds.length && peers.every(({ isChoking }) => !isChoking)
  })
  return [leech, handle]
}

function assertWhole(content: MemoryContent, sample: Sample): void {
  for (const [i, file] of sample.files.entries()) assert.equal(Buffer.compare(content.files[i]!, file), 0)
}

async function seedsOf(sample: Sample, count: number): Promise<ExchangeNode[]> {
  const seeds: ExchangeNode[] = []
  for (let i = 0; i < count; i++) {
    const seed = await start({ config: SMALL_WINDOWS })
    seed.open(MemoryContent.whole(sample))
    seeds.push(seed)
  }
  return seeds
}

test('a leech fetches from a seed, hears of it, and lets go of it', async () => {
  const sample = sampleOf([3_000_000, 0, 100_000, 5], 256 * KIB)
  const [seed] = (await seedsOf(sample, 1)) as [ExchangeNode]
  const content = MemoryContent.empty(sample)
  const [leech, handle] = await leechOf([seed], content)
  handle.resume()
  await eventually('done', () => leech.heard('done').length > 0)
  assertWhole(content, sample)
  assert.equal(leech.heard('pieceDone').length, sample.layout.pieceCount)
  assert.deepEqual(leech.heard('progress').at(-1), { type: 'progress', storedBytes: sample.layout.length })
  assert.equal(handle.stats().wastedBytes, 0)
  await eventually('two seeds part', () => leech.heard('peerDown').length > 0 && seed.heard('peerDown').length > 0)
  assert.equal(leech.heard('peerDown')[0]?.why, 'redundant')
  assert.equal(handle.isConnected(seed.peer), false)
  await eventually('no stream is left', () => leech.streams.length + seed.streams.length === 0)
  await handle.close()
  assert.equal(content.isClosed, true)
  assert.deepEqual([...leech.penalties, ...seed.penalties], [])
})

test('two seeds both deliver', async () => {
  const sample = sampleOf([8_000_000], 64 * KIB)
  const seeds = await seedsOf(sample, 2)
  const content = MemoryContent.empty(sample)
  const [leech, handle] = await leechOf(seeds, content)
  handle.resume()
  await eventually('done', () => leech.heard('done').length > 0)
  assertWhole(content, sample)
  for (const { content } of seeds) assert.ok(content!.reads > 0)
})

test('hashes come before the blocks that need them, however long their reading takes', async () => {
  const sample = sampleOf([6 * KIB * KIB], 4 * KIB * KIB) // a piece takes four requests
  const [seed] = (await seedsOf(sample, 1)) as [ExchangeNode]
  const read = seed.content!.hashes.bind(seed.content)
  seed.content!.hashes = async (file, range) => {
    await new Promise(resolve => setTimeout(resolve, 50))
    return await read(file, range)
  }
  const content = MemoryContent.empty(sample)
  const [leech, handle] = await leechOf([seed], content)
  handle.resume()
  await eventually('done', () => leech.heard('done').length > 0)
  assertWhole(content, sample)
  assert.equal(handle.stats().wastedBytes, 0)
})

test('a liar among honest seeds is named, penalised and dropped; nobody else is', async () => {
  const sample = sampleOf([4_000_000], 64 * KIB)
  const seeds = await seedsOf(sample, 3)
  const liar = seeds[1]!
  liar.content!.corrupt = piece => piece % 8 !== 0
  const content = MemoryContent.empty(sample)
  const [leech, handle] = await leechOf(seeds, content)
  handle.resume()
  await eventually('done', () => leech.heard('done').length > 0)
  assertWhole(content, sample)
  assert.deepEqual([...new Set(leech.heard('liar').map(({ peer }) => peer))], [liar.peer])
  assert.deepEqual(
    leech.penalties.map(({ peer, kind }) => ({ peer, kind })),
    [{ peer: liar.peer, kind: 'content' }]
  )
  const downs = leech.heard('peerDown').filter(({ why }) => why === 'liar')
  assert.deepEqual(
    downs.map(({ peer }) => peer),
    [liar.peer]
  )
  assert.equal(handle.isConnected(liar.peer), false)
})

test('of two dials at once exactly one stream stays, in every swarm', async () => {
  const sample = sampleOf([100_000], 16 * KIB)
  const [a, b] = [await start(), await start()]
  await a.dial(b)
  const swarms = Array.from({ length: 12 }, (_, i) => `${i}`.padStart(64, '0').replace(/^../, `${i + 10}`) as SwarmId)
  const open = (node: ExchangeNode) => swarms.map(swarm => node.open(MemoryContent.empty(sample), { swarm }))
  const [ofA, ofB] = [open(a), open(b)]
  // every pair of dials crosses at another point
  const dials = swarms.map(async (_, i) => {
    const fromA = ofA[i]!.connect(b.host.peerId)
    for (let turn = 0; turn < i; turn++) await new Promise(resolve => setImmediate(resolve))
    return await Promise.all([fromA, ofB[i]!.connect(a.host.peerId)])
  })
  const results = await Promise.all(dials)
  await eventually('both sides see one peer in each swarm', () =>
    [...ofA, ...ofB].every(handle => handle.stats().peers.length === 1)
  )
  await eventually('one stream a swarm', () => a.streams.length === swarms.length && b.streams.length === swarms.length)
  for (const pair of results) assert.equal(pair.filter(Boolean).length, 1)
  assert.equal(a.heard('peerDown').length + b.heard('peerDown').length, 0)
  assert.equal(await ofA[0]!.connect(b.host.peerId), false)
  assert.deepEqual([...a.penalties, ...b.penalties], [])
})

test('a swarm that nobody has here is refused; one that is wanted is opened, once', async () => {
  const sample = sampleOf([500_000], 64 * KIB)
  const asked: string[] = []
  let isWilling = false
  const seed: ExchangeNode = await start({
    onWanted: async prefix => {
      asked.push(prefix)
      await new Promise(resolve => setTimeout(resolve, 50))
      return isWilling ? seed.open(MemoryContent.whole(sample)) : undefined
    }
  })
  const leeches = [await start(), await start()]
  const handles = leeches.map(leech => leech.open(MemoryContent.empty(sample)))
  for (const leech of leeches) await leech.dial(seed)
  assert.equal(await handles[0]!.connect(seed.host.peerId), false)
  assert.deepEqual(asked, [SWARM.slice(0, 40)])
  await eventually('no stream is left', () => seed.streams.length === 0 && leeches[0]!.streams.length === 0)

  isWilling = true
  assert.deepEqual(await Promise.all(handles.map(handle => handle.connect(seed.host.peerId))), [true, true])
  assert.equal(asked.length, 2)
  await eventually('both are done', () => leeches.every(leech => leech.heard('done').length > 0))
  assert.deepEqual(seed.penalties, [])
})

test('when onWanted throws, the stream is refused and the service goes on', async () => {
  const sample = sampleOf([50_000], 16 * KIB)
  const seed = await start({ onWanted: () => Promise.reject(new Error('no')) })
  const leech = await start()
  const handle = leech.open(MemoryContent.empty(sample))
  await leech.dial(seed)
  assert.equal(await handle.connect(seed.host.peerId), false)
  seed.open(MemoryContent.whole(sample))
  assert.equal(await handle.connect(seed.host.peerId), true)
})

test('a peer that cannot be reached, and a dial that is called off, resolve false', async () => {
  const sample = sampleOf([50_000], 16 * KIB)
  const [leech, gone] = [await start(), await start({ onWanted: () => new Promise(() => {}) })]
  const handle = leech.open(MemoryContent.empty(sample))
  assert.equal(await handle.connect(leech.host.peerId), false)
  assert.equal(await handle.connect(gone.host.peerId), false)
  await leech.dial(gone)
  const controller = new AbortController()
  const connecting = handle.connect(gone.host.peerId, controller.signal)
  await eventually('the dial is under way', () => gone.streams.length > 0)
  controller.abort()
  assert.equal(await connecting, false)
  await eventually('the stream is gone', () => leech.streams.length + gone.streams.length === 0)
})

test('a seed vanishes in the middle, another one carries on', async () => {
  const sample = sampleOf([6_000_000], 64 * KIB)
  const seeds = await seedsOf(sample, 2)
  const [vanishing, staying] = seeds as [ExchangeNode, ExchangeNode]
  const content = MemoryContent.empty(sample)
  const [leech, handle] = await leechOf(seeds, content)
  // what it is asked for it never sends, so that there is something to take over
  let isAsked = false
  vanishing.content!.beforeRead = () => {
    isAsked = true
    return new Promise(resolve => setTimeout(resolve, 300))
  }
  handle.resume()
  await eventually('the first seed owes something', () => isAsked)
  nodes.splice(nodes.indexOf(vanishing), 1)
  await vanishing.host.stop()
  await eventually('done', () => leech.heard('done').length > 0)
  assertWhole(content, sample)
  assert.equal(leech.heard('peerDown').find(({ peer }) => peer === vanishing.peer)?.why, 'closed')
  assert.ok(staying.content!.reads > 0)
  assert.deepEqual(leech.penalties, [])
})

test('a write that fails pauses the swarm and is told once; after resume it finishes', async () => {
  const sample = sampleOf([4_000_000], 64 * KIB)
  const seeds = await seedsOf(sample, 1)
  const content = MemoryContent.empty(sample)
  let isFull = true
  content.beforeWrite = () => {
    if (isFull && content.writes >= 5) throw new ContentError('DISK_FULL', 'no space')
  }
  const [leech, handle] = await leechOf(seeds, content)
  handle.resume()
  await eventually('it pauses', () => handle.stats().isPaused && handle.stats().peers[0]?.owedBytes === 0)
  assert.equal(leech.heard('failed').length, 1)
  assert.equal((leech.heard('failed')[0]!.error as ContentError).code, 'DISK_FULL')
  assert.equal(leech.heard('done').length, 0)
  isFull = false
  handle.resume()
  await eventually('done', () => leech.heard('done').length > 0)
  assertWhole(content, sample)
  assert.equal(leech.heard('failed').length, 1)
})

test('hashes that cannot be kept pause the swarm; after resume they are asked for again', async () => {
  const sample = sampleOf([4_000_000], 64 * KIB)
  const seeds = await seedsOf(sample, 1)
  const content = MemoryContent.empty(sample)
  const add = content.addHashes.bind(content)
  content.addHashes = () => {
    throw new ContentError('DISK_FULL', 'no space')
  }
  const [leech, handle] = await leechOf(seeds, content, { config: { ...SMALL_WINDOWS, hashRetryMs: 100 } })
  handle.resume()
  await eventually('it pauses', () => leech.heard('failed').length > 0 && handle.stats().isPaused)
  content.addHashes = add
  handle.resume()
  await eventually('done', () => leech.heard('done').length > 0)
  assertWhole(content, sample)
  assert.deepEqual(leech.penalties, [])
})

test('a seed that cannot read says so, and the leech fetches elsewhere', async () => {
  const sample = sampleOf([2_000_000], 64 * KIB)
  const seeds = await seedsOf(sample, 2)
  const [broken] = seeds as [ExchangeNode]
  broken.content!.beforeRead = () => Promise.reject(new ContentError('CONTENT_GONE', 'gone'))
  const content = MemoryContent.empty(sample)
  const [leech, handle] = await leechOf(seeds, content)
  handle.resume()
  await eventually('done', () => leech.heard('done').length > 0)
  assertWhole(content, sample)
  assert.ok(broken.heard('failed').length > 0)
  assert.deepEqual(leech.penalties, [])
})

test('closing in the middle is clean on both sides, and the swarm can be opened again', async () => {
  const sample = sampleOf([6_000_000], 64 * KIB)
  const [seed] = (await seedsOf(sample, 1)) as [ExchangeNode]
  const content = MemoryContent.empty(sample)
  const [leech, handle] = await leechOf([seed], content)
  let writing = 0
  content.write = async (piece, begin, parts) => {
    writing++
    await new Promise(resolve => setTimeout(resolve, 20))
    content.store(piece, begin, parts)
    writing--
  }
  content.close = async () => {
    assert.equal(writing, 0)
    content.isClosed = true
  }
  handle.resume()
  await eventually('it is under way', () => content.writes > 3 && writing > 0)
  const closing = handle.close()
  assert.throws(() => leech.open(MemoryContent.empty(sample)), /open already/)
  assert.equal(leech.exchange.swarm(SWARM), undefined)
  await Promise.all([closing, handle.close(), seed.exchange.swarm(SWARM)?.close()])
  assert.equal(content.isClosed && seed.content!.isClosed, true)
  assert.equal(writing, 0)
  assert.equal(leech.heard('done').length, 0)
  assert.deepEqual(handle.stats().peers, [])
  assert.equal(await handle.connect(seed.host.peerId), false)
  await eventually('no stream is left', () => leech.streams.length + seed.streams.length === 0)

  seed.open(MemoryContent.whole(sample))
  const again = leech.open(MemoryContent.empty(sample))
  assert.equal(await again.connect(seed.host.peerId), true)
  await eventually('done', () => leech.heard('done').length > 0)
})

test('what closed swarms have moved stays in the account, and a listener can hand over to another', async () => {
  const sample = sampleOf([600_000], 64 * KIB)
  const [seed] = (await seedsOf(sample, 1)) as [ExchangeNode]
  const [leech, handle] = await leechOf([seed], MemoryContent.empty(sample))
  const given = seed.exchange.swarm(SWARM) as SwarmHandle
  const heard: string[] = []
  given.listen(({ type }) => heard.push(type))
  handle.resume()
  await eventually('done', () => leech.heard('done').length > 0)
  await eventually('all of it is out', () => seed.exchange.traffic().sentBytes === 600_000)
  await Promise.all([handle.close(), given.close()])
  const { receivedBytes, sentBytes } = leech.exchange.traffic()
  assert.deepEqual([receivedBytes, sentBytes], [600_000, 0])
  assert.equal(seed.exchange.traffic().sentBytes, 600_000)
  assert.deepEqual(heard, ['peerDown'])
  assert.equal(seed.heard('peerDown').length, 0)
})

test('a swarm is quiet since its last block, or since it was opened', async () => {
  let now = 1_000
  const sample = sampleOf([50_000], 64 * KIB)
  const seed = await start({ clock: () => now })
  const given = seed.open(MemoryContent.whole(sample))
  now += 5_000
  assert.equal(given.quietMs, 5_000)
  const [leech, handle] = await leechOf([seed], MemoryContent.empty(sample))
  assert.equal(given.quietMs, 5_000)
  handle.resume()
  await eventually('done', () => leech.heard('done').length > 0)
  await eventually('the block is out', () => given.quietMs === 0)
})

test('the handle may be used from inside onEvent', async () => {
  const sample = sampleOf([2_000_000], 64 * KIB)
  const [seed] = (await seedsOf(sample, 1)) as [ExchangeNode]
  const leech = await start()
  const content = MemoryContent.empty(sample)
  const closed = Promise.withResolvers<void>()
  let pauses = 0
  const handle = leech.open(content, {
    onEvent: (notice, self) => {
      if (notice.type === 'pieceDone' && pauses++ < 3) {
        self().pause()
        setImmediate(() => self().resume())
      }
      if (notice.type === 'done') closed.resolve(self().close())
      if (notice.type === 'progress') throw new Error('a listener that fails does no harm')
    }
  })
  await leech.dial(seed)
  assert.equal(await handle.connect(seed.host.peerId), true)
  await closed.promise
  assertWhole(content, sample)
  assert.equal(content.isClosed, true)
})

test('a full swarm dials nobody and takes nobody', async () => {
  const sample = sampleOf([100_000], 16 * KIB)
  const host = await start({ config: { maxPeers: 1 } })
  const handle = host.open(MemoryContent.empty(sample))
  const [first, second] = [await start(), await start()]
  for (const node of [first, second]) {
    node.open(MemoryContent.empty(sample))
    await node.dial(host)
  }
  assert.equal(await first.exchange.swarm(SWARM)!.connect(host.host.peerId), true)
  assert.equal(await second.exchange.swarm(SWARM)!.connect(host.host.peerId), false)
  assert.equal(await handle.connect(second.host.peerId), false)
  assert.equal(handle.isConnected(first.peer), true)
})

test('views of a run of parts', () => {
  const parts = [Uint8Array.of(0, 1, 2), Uint8Array.of(3), Uint8Array.of(4, 5, 6, 7)]
  for (let skip = 0; skip < 8; skip++) {
    for (let length = 0; skip + length <= 8; length++) {
      const views = viewsOf(parts, skip, length)
      assert.deepEqual([...Buffer.concat(views)], [0, 1, 2, 3, 4, 5, 6, 7].slice(skip, skip + length))
      for (const view of views) assert.ok(parts.some(part => part.buffer === view.buffer) && view.byteLength > 0)
    }
  }
})

test('the limits of the handler are those of the specification', () => {
  assert.deepEqual(exchangeHandlerLimits, {
    maxStreams: 64,
    handshakeTimeoutMs: 10_000,
    maxPendingPerPeer: 64,
    maxPending: 256,
    pendingBytes: 64 * KIB,
    inbound: { rate: 20_000, burst: 100_000 },
    controlBytes: 2 * KIB * KIB
  })
})
