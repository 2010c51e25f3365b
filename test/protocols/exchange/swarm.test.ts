import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ourFeatures } from '../../../protocols/exchange/handshake.ts'
import type { SwarmEvent } from '../../../protocols/exchange/swarm-events.ts'
import { Layout } from '../../../protocols/metainfo/index.ts'
import { MemoryContent, type Sample, sampleOf } from './memory-content.ts'
import { World, type WorldNode } from './world.ts'

const KIB = 1024
const MIB = 1024 * KIB

function assertWhole(node: WorldNode, sample: Sample): void {
  assert.ok(node.content.isWhole)
  for (const [i, file] of sample.files.entries())
    assert.ok(Buffer.from(node.content.files[i]!).equals(file), `file ${i}`)
}

function eventsOf<Type extends SwarmEvent['type']>(node: WorldNode, type: Type): Extract<SwarmEvent, { type: Type }>[] {
  return node.events.flatMap(({ event }) => (event.type === type ? [event as Extract<SwarmEvent, { type: Type }>] : []))
}

function finish(world: World, leeches: WorldNode[], limitMs: number): void {
  world.runUntil(() => leeches.every(({ finishedAt }) => finishedAt !== undefined), limitMs)
}

const cases: { name: string; sizes: number[]; pieceLength: number; plain?: boolean }[] = [
  { name: 'one file, whole pieces', sizes: [5 * MIB + 12_345], pieceLength: 256 * KIB },
  { name: 'one file smaller than a block', sizes: [100], pieceLength: 256 * KIB },
  { name: 'one file within one piece', sizes: [100_000], pieceLength: 256 * KIB },
  { name: 'many files, one of them empty', sizes: [0, 1, 16_384, 16_385, 70_000, 400_000], pieceLength: 64 * KIB },
  { name: 'pieces of one block', sizes: [300_000], pieceLength: 16 * KIB },
  { name: 'pieces longer than a request', sizes: [9 * MIB + 7], pieceLength: 2 * MIB },
  { name: 'more than one range of the piece layer', sizes: [1400 * 16 * KIB + 5], pieceLength: 16 * KIB },
  { name: 'an ordinary client as seed: requests of 16 KiB', sizes: [3 * MIB + 5], pieceLength: 256 * KIB, plain: true }
]

for (const { name, sizes, pieceLength, plain } of cases) {
  test(`a seed and a leech: ${name}`, () => {
    const sample = sampleOf(sizes, pieceLength)
    const world = new World()
    const features = plain ? { ...ourFeatures, extended: false } : ourFeatures
    const seed = world.add({ content: MemoryContent.whole(sample), features })
    const leech = world.add({ content: MemoryContent.empty(sample) })
    world.connectAll()
    finish(world, [leech], 60_000)
    assertWhole(leech, sample)
    const stats = leech.swarm.stats(world.now)
    assert.equal(stats.receivedBytes, sample.layout.length)
    assert.equal(stats.wastedBytes, 0)
    assert.equal(eventsOf(leech, 'pieceDone').length, sample.layout.pieceCount)
    assert.deepEqual([...leech.penalised, ...seed.penalised], [])
    world.run(1_000)
    assert.equal(world.isConnected(seed, leech), false, 'two seeds part')
  })
}

test('the first messages of two peers of Shoal', () => {
  const sample = sampleOf([20_000], 256 * KIB)
  const world = new World({ latency: [10, 10] })
  world.add({ content: MemoryContent.whole(sample) })
  const leech = world.add({ content: MemoryContent.empty(sample) })
  world.connectAll()
  finish(world, [leech], 10_000)
  const expected = [
    '11 0>1 extendedHandshake',
    '11 0>1 haveAll',
    '11 1>0 extendedHandshake',
    '11 1>0 haveNone',
    '22 1>0 interested',
    '33 0>1 unchoke',
    '44 1>0 request 0',
    '55 0>1 piece 0'
  ]
  world.run(100)
  assert.deepEqual(
    world.trace.map(line => line.replace(/^\d+ /, '')),
    expected.map(line => line.replace(/^\d+ /, ''))
  )
})

test('leaves are asked for right before the first blocks that need them', () => {
  const sample = sampleOf([2 * 128 * KIB], 128 * KIB)
  const world = new World()
  world.add({ content: MemoryContent.whole(sample), features: { ...ourFeatures, extended: false } })
  const leech = world.add({ content: MemoryContent.empty(sample) })
  world.connectAll()
  finish(world, [leech], 10_000)
  const asked = world.trace.flatMap(line => (/1>0 (hashRequest|request)/.exec(line) ?? []).slice(1))
  const perPiece = ['hashRequest', ...new Array<string>(8).fill('request')]
  assert.deepEqual(asked, ['hashRequest', ...perPiece, ...perPiece])
  const served = world.trace.flatMap(line => (/0>1 (hashes|piece)/.exec(line) ?? []).slice(1))
  assert.equal(served.indexOf('piece'), 2, 'hashes go out before data')
})

test('the same seed gives the same run, another seed another one', () => {
  const run = (seed: number): string => {
    const sample = sampleOf([3 * MIB], 64 * KIB)
    const world = new World({ seed })
    world.add({ content: MemoryContent.whole(sample), upRate: 2e6 })
    const leeches = [1, 2, 3].map(() => world.add({ content: MemoryContent.empty(sample), upRate: 2e6 }))
    world.connectAll()
    finish(world, leeches, 60_000)
    return world.trace.join('\n')
  }
  assert.equal(run(7), run(7))
  assert.notEqual(run(7), run(8))
})

test('two seeds of equal speed deliver about half each', () => {
  const sample = sampleOf([32 * MIB], 256 * KIB)
  const world = new World()
  const seeds = [1, 2].map(() => world.add({ content: MemoryContent.whole(sample), upRate: 5e6 }))
  const leech = world.add({ content: MemoryContent.empty(sample) })
  world.connectAll()
  finish(world, [leech], 60_000)
  assertWhole(leech, sample)
  for (const seed of seeds) {
    const share = seed.swarm.stats(world.now).sentBytes / sample.layout.length
    assert.ok(share > 0.4 && share < 0.6, `${share}`)
  }
  assert.ok(leech.finishedAt! < (1.1 * 1000 * sample.layout.length) / 10e6, `${leech.finishedAt}`)
})

test('a fast and a slow seed: the slow one does not hold up the end', () => {
  const sample = sampleOf([16 * MIB], 256 * KIB)
  const world = new World()
  world.add({ content: MemoryContent.whole(sample), upRate: 8e6 })
  world.add({ content: MemoryContent.whole(sample), upRate: 60_000 })
  const leech = world.add({ content: MemoryContent.empty(sample) })
  world.connectAll()
  finish(world, [leech], 120_000)
  assertWhole(leech, sample)
  assert.ok(leech.finishedAt! < (1.5 * 1000 * sample.layout.length) / 8e6, `${leech.finishedAt}`)
  assert.ok(leech.swarm.stats(world.now).wastedBytes < 2 * MIB)
})

test('one slow seed: no request is made twice, nothing is wasted', () => {
  const sample = sampleOf([2 * MIB], 512 * KIB)
  const world = new World()
  world.add({ content: MemoryContent.whole(sample), upRate: 20_000 })
  const leech = world.add({ content: MemoryContent.empty(sample) })
  world.connectAll()
  finish(world, [leech], 150_000)
  assertWhole(leech, sample)
  assert.equal(leech.swarm.stats(world.now).wastedBytes, 0)
})

test('a flash crowd ends within 1.6 times the fluid bound, and the seed gives less than twice the file', () => {
  const sample = sampleOf([32 * MIB], 256 * KIB)
  const rate = 6.25e6
  const world = new World({ latency: [1, 3] })
  const seed = world.add({ content: MemoryContent.whole(sample), upRate: rate })
  const leeches = Array.from({ length: 8 }, () => world.add({ content: MemoryContent.empty(sample), upRate: rate }))
  world.connectAll()
  finish(world, leeches, 60_000)
  for (const leech of leeches) assertWhole(leech, sample)
  const bound = (1000 * sample.layout.length) / rate
  const last = Math.max(...leeches.map(({ finishedAt }) => finishedAt!))
  assert.ok(last < 1.6 * bound, `${last / bound}`)
  assert.ok(seed.swarm.stats(world.now).sentBytes < 2 * sample.layout.length)
})

test('a liar is named and dropped at its first wrong block; the file is right and no honest peer is blamed', () => {
  const sample = sampleOf([8 * MIB], 256 * KIB)
  const world = new World()
  const lying = MemoryContent.whole(sample)
  lying.corrupt = () => true
  const honest = [1, 2].map(() => world.add({ content: MemoryContent.whole(sample), upRate: 4e6 }))
  const liar = world.add({ content: lying, upRate: 4e6 })
  const leech = world.add({ content: MemoryContent.empty(sample) })
  world.connectAll()
  finish(world, [leech], 60_000)
  assertWhole(leech, sample)
  assert.deepEqual(
    eventsOf(leech, 'liar').map(({ peer }) => peer),
    [liar.peer]
  )
  assert.deepEqual([...leech.penalised.keys()], [liar.peer])
  assert.equal(eventsOf(leech, 'drop').find(({ peer }) => peer === liar.peer)?.why, 'liar')
  assert.equal(leech.swarm.stats(world.now).wastedBytes, 256 * KIB, 'one request of it')
  assert.equal(honest[0]!.penalised.size + honest[1]!.penalised.size, 0)
})

test('thirty of forty peers lie: the file is right, all liars go, no honest peer does', () => {
  const sample = sampleOf([16 * MIB], 64 * KIB)
  const world = new World()
  const peers = Array.from({ length: 40 }, (_, i) => {
    const content = MemoryContent.whole(sample)
    if (i % 4 !== 0) content.corrupt = (piece, begin) => (piece + begin / 16_384) % 3 === 0
    return world.add({ content, upRate: 2e6 })
  })
  const leech = world.add({ content: MemoryContent.empty(sample) })
  for (const peer of peers) world.connect(leech, peer)
  finish(world, [leech], 120_000)
  assertWhole(leech, sample)
  const liars = new Set(eventsOf(leech, 'liar').map(({ peer }) => peer))
  for (const peer of liars) assert.ok(peers.indexOf(world.node(peer)) % 4 !== 0, 'an honest peer is called a liar')
  assert.ok(leech.swarm.stats(world.now).wastedBytes <= 31 * 64 * KIB)
})

test('wrong hashes name their sender', () => {
  const sample = sampleOf([2 * MIB], 64 * KIB)
  const world = new World()
  const liar = world.add({ content: MemoryContent.whole(sample) })
  liar.content.hashesNow = (_file, range) => new Uint8Array((range.length + 0) * 32)
  const leech = world.add({ content: MemoryContent.empty(sample) })
  world.connectAll()
  world.runUntil(() => eventsOf(leech, 'liar').length > 0, 10_000)
  assert.deepEqual([...leech.penalised.keys()], [liar.peer])
})

test('peers that promise everything and send nothing hold up a transfer little', () => {
  const sample = sampleOf([16 * MIB], 256 * KIB)
  const world = new World()
  const baits = Array.from({ length: 10 }, () => world.add({ content: MemoryContent.whole(sample), isMute: true }))
  for (let i = 0; i < 5; i++) world.add({ content: MemoryContent.whole(sample), upRate: 100_000 })
  const leech = world.add({ content: MemoryContent.empty(sample) })
  for (const node of world.nodes) if (node !== leech) world.connect(node, leech)
  finish(world, [leech], 300_000)
  assertWhole(leech, sample)
  const honestOnly = (1000 * sample.layout.length) / 500_000
  assert.ok(leech.finishedAt! < 1.5 * honestOnly, `${leech.finishedAt! / honestOnly}`)
  world.run(130_000)
  for (const bait of baits) assert.equal(world.isConnected(bait, leech), false)
})

test('what a peer owed when it died is fetched from others', () => {
  const sample = sampleOf([16 * MIB], 256 * KIB)
  const world = new World()
  const seeds = [1, 2, 3].map(() => world.add({ content: MemoryContent.whole(sample), upRate: 2e6 }))
  const leech = world.add({ content: MemoryContent.empty(sample) })
  world.connectAll()
  world.run(1_000)
  world.crash(seeds[0]!)
  finish(world, [leech], 60_000)
  assertWhole(leech, sample)
})

test('a leech goes on where it was: only what is missing is fetched', () => {
  const sample = sampleOf([4 * MIB + 100], 256 * KIB)
  const world = new World()
  world.add({ content: MemoryContent.whole(sample) })
  const content = MemoryContent.partial(sample, (piece, block) => piece % 3 === 0 || (piece % 3 === 1 && block % 4 > 1))
  const leech = world.add({ content })
  const before = leech.swarm.stats(0).storedBytes
  assert.ok(before > 0)
  world.connectAll()
  finish(world, [leech], 60_000)
  assertWhole(leech, sample)
  assert.equal(leech.swarm.stats(world.now).receivedBytes, sample.layout.length - before)
})

test('only wanted pieces are fetched, and done is said when they are here', () => {
  const sample = sampleOf([MIB, MIB, MIB], 64 * KIB)
  const world = new World()
  world.add({ content: MemoryContent.whole(sample) })
  const leech = world.add({ content: MemoryContent.empty(sample), wanted: piece => piece >= 16 && piece < 32 })
  world.connectAll()
  finish(world, [leech], 60_000)
  assert.equal(leech.swarm.stats(world.now).receivedBytes, MIB)
  assert.ok(Buffer.from(leech.content.files[1]!).equals(sample.files[1]!))
  assert.equal(eventsOf(leech, 'done').length, 1)
})

test('a piece that is to be the first is stored before any other is asked for, from one peer or many', () => {
  for (const seeds of [1, 3]) {
    const sample = sampleOf([2 * MIB + 70_000], 64 * KIB)
    const world = new World()
    for (let i = 0; i < seeds; i++) world.add({ content: MemoryContent.whole(sample) })
    const first = sample.layout.pieceCount - 1
    const leech = world.add({ content: MemoryContent.empty(sample), first })
    world.connectAll()
    finish(world, [leech], 60_000)
    assertWhole(leech, sample)
    assert.deepEqual(eventsOf(leech, 'pieceDone')[0], { type: 'pieceDone', piece: first })
    const requests = world.trace.filter(line => line.includes(' request '))
    const others = requests.findIndex(line => !line.endsWith(` request ${first}`))
    const stored = world.trace.findIndex(line => line.endsWith(` piece ${first}`))
    assert.ok(world.trace.indexOf(requests[others]!) > stored, `${requests[others]} before ${world.trace[stored]}`)
  }
})

test('who knows the content in another size parts from it, and nobody is blamed', () => {
  for (const [size, other] of [
    [300_000, 900_000],
    [300_000, 300_001],
    [900_000, 300_000]
  ] as const) {
    const sample = sampleOf([size], 256 * KIB)
    const { root } = sample.layout.files[0]!
    const wrong = {
      ...sampleOf([other], 256 * KIB),
      layout: new Layout(256 * KIB, [{ path: ['0'], root, length: other }])
    }
    const world = new World()
    const seed = world.add({ content: MemoryContent.whole(sample) })
    const right = world.add({ content: MemoryContent.partial(sample, piece => piece === 0) })
    const misled = world.add({ content: MemoryContent.empty(wrong) })
    world.connectAll()
    finish(world, [right], 60_000)
    for (const node of world.nodes) assert.deepEqual([...node.penalised], [])
    for (const node of [seed, right]) assert.equal(world.isConnected(node, misled), false)
    assert.deepEqual(eventsOf(misled, 'sizeStated'), [
      { type: 'sizeStated', peer: seed.peer, bytes: size },
      { type: 'sizeStated', peer: right.peer, bytes: size }
    ])
  }
})

test('a disk that fails pauses the transfer; it goes on when told to', () => {
  const sample = sampleOf([4 * MIB], 256 * KIB)
  const world = new World()
  world.add({ content: MemoryContent.whole(sample), upRate: 4e6 })
  const leech = world.add({ content: MemoryContent.empty(sample) })
  leech.content.beforeWrite = () => {
    if (leech.content.writes >= 5) throw new Error('full')
  }
  world.connectAll()
  world.run(20_000)
  assert.equal(leech.finishedAt, undefined)
  assert.equal(leech.swarm.stats(world.now).isPaused, true)
  const received = leech.swarm.stats(world.now).receivedBytes
  world.run(20_000)
  assert.equal(leech.swarm.stats(world.now).receivedBytes, received, 'nothing is asked for')
  leech.content.beforeWrite = undefined
  world.command(leech, { type: 'resume' })
  finish(world, [leech], 60_000)
  assertWhole(leech, sample)
})

test('a slow disk stops requests before much waits for it', () => {
  const sample = sampleOf([64 * MIB], 1024 * KIB)
  const world = new World()
  world.add({ content: MemoryContent.whole(sample) })
  const leech = world.add({
    content: MemoryContent.empty(sample),
    writeMs: 5_000,
    config: { maxWritingBytes: 8 * MIB }
  })
  world.connectAll()
  let most = 0
  world.runUntil(() => {
    const { receivedBytes, storedBytes } = leech.swarm.stats(world.now)
    most = Math.max(most, receivedBytes - storedBytes)
    return leech.finishedAt !== undefined
  }, 120_000)
  assertWhole(leech, sample)
  assert.ok(most <= 8 * MIB + 5 * MIB, `${most}`)
})

test('leeches that finish go on giving', () => {
  const sample = sampleOf([4 * MIB], 256 * KIB)
  const world = new World()
  const seed = world.add({ content: MemoryContent.whole(sample), upRate: 4e6 })
  const first = world.add({ content: MemoryContent.empty(sample) })
  world.connect(seed, first)
  finish(world, [first], 60_000)
  world.crash(seed)
  const second = world.add({ content: MemoryContent.empty(sample) })
  world.connect(first, second)
  finish(world, [second], 60_000)
  assertWhole(second, sample)
})

test('two leeches with halves of a file complete each other', () => {
  const sample = sampleOf([8 * MIB], 256 * KIB)
  const world = new World()
  const halves = [0, 1].map(half =>
    world.add({ content: MemoryContent.partial(sample, piece => piece % 2 === half), upRate: 4e6 })
  )
  // leeches know the hashes of their own pieces only when they were told them once
  for (const { content } of halves) content.learnPieceLayers(sample)
  world.connectAll()
  finish(world, halves, 60_000)
  for (const half of halves) assertWhole(half, sample)
})

test('a seed parts from a peer that has never wanted anything; one that did stays, and a leech keeps all', () => {
  const sample = sampleOf([2 * MIB], 256 * KIB)
  const world = new World()
  const seed = world.add({ content: MemoryContent.whole(sample) })
  const idle = world.add({ content: MemoryContent.empty(sample), wanted: () => false })
  const partial = world.add({ content: MemoryContent.empty(sample), wanted: piece => piece < 2 })
  const leech = world.add({ content: MemoryContent.empty(sample), wanted: piece => piece < 4 })
  world.connect(seed, idle)
  world.connect(seed, partial)
  world.connect(leech, idle)
  finish(world, [partial], 10_000)
  world.run(50_000)
  assert.equal(world.isConnected(seed, idle), true, 'not before a minute is over')
  world.run(15_000)
  assert.equal(world.isConnected(seed, idle), false)
  assert.equal(eventsOf(seed, 'drop')[0]?.why, 'redundant')
  assert.deepEqual([world.isConnected(seed, partial), world.isConnected(leech, idle)], [true, true])
  assert.equal(seed.penalised.size, 0)
})
