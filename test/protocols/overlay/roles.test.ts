import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Peer } from '../../../protocols/core/peer.ts'
import { overlayConfig, overlayLimits } from '../../../protocols/overlay/index.ts'
import { Bench, peer, sent, short } from './bench.ts'
import { clustering, componentSizes, type Graph, meanDegree, oneSidedLinks } from './graph.ts'
import { OverlayWorld } from './world.ts'

const { shuffleMs, repairMs, passiveSize } = overlayConfig
const MINUTE = 60_000
const seed = Number(process.env.SHOAL_SEED ?? 1)
const repeat = `SHOAL_SEED=${seed} node --test test/protocols/overlay/roles.test.ts`

test('size: more places are filled by a repair', () => {
  const bench = new Bench().withNeighbours(1, 2, 3, 4, 5)
  bench.give({ type: 'contacts', peers: [6, 7, 8, 9].map(peer) })
  assert.deepEqual(short(bench.give({ type: 'size', activeSize: 8 })), [])
  const asked = sent(bench.wait(repairMs), 'neighbour').map(({ to }) => to)
  assert.equal(asked.length, 3)
  for (const to of asked) bench.from(to, { type: 'neighbourReply', accepted: true })
  assert.equal(bench.active.length, 8)
  const refused = bench.from(peer(20), { type: 'neighbour', urgent: false })
  assert.deepEqual(sent(refused, 'neighbourReply')[0]?.message, { type: 'neighbourReply', accepted: false })
})

test('size: those that are too many are handed over to one another, in pairs', () => {
  const bench = new Bench({ activeSize: 10 }).withNeighbours(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
  const outputs = bench.give({ type: 'size', activeSize: 5 })
  const gone = sent(outputs, 'handover').map(({ to, message }) => [to, (message as { to: Peer }).to])
  assert.equal(gone.length, 4)
  for (const [one, other] of gone) assert.ok(gone.some(pair => pair[0] === other && pair[1] === one))
  const [odd, ...more] = sent(outputs, 'disconnect')
  assert.deepEqual([odd?.message, more.length], [{ type: 'disconnect', leaving: false }, 0])
  assert.equal(bench.active.length, 5)
  assert.equal(outputs.filter(({ type }) => type === 'event').length, 5)
  assert.deepEqual(new Set([...bench.active, ...bench.passive]).size, 10, 'and remembered')
  assert.deepEqual(bench.give({ type: 'size', activeSize: 5 }), [], 'the same again changes nothing')
})

test('size: how many may be pushed out, and how many peers are known, go with it', () => {
  const pushed = (bench: Bench): number => {
    const before = new Set(bench.active)
    for (let i = 0; i < 60; i++) {
      bench.now += 1_000
      bench.from(peer(1_000 + i), { type: 'neighbour', urgent: true })
    }
    return [...before].filter(index => !bench.active.includes(index)).length
  }
  const large = new Bench().withNeighbours(1, 2, 3, 4, 5)
  large.give({ type: 'size', activeSize: 20 })
  for (let i = 6; i <= 20; i++) large.from(peer(i), { type: 'neighbour', urgent: false })
  for (let i = 100; i < 200; i++) large.from(peer(i), { type: 'neighbour', urgent: false })
  assert.equal(large.passive.length, 40)
  const gone = pushed(large)
  assert.ok(gone > 2 && gone <= 10, `${gone}`)
  large.give({ type: 'size', activeSize: 5 })
  assert.deepEqual([large.active.length, large.passive.length], [5, passiveSize])
  const small = new Bench().withNeighbours(1, 2, 3, 4, 5)
  assert.ok(pushed(small) <= 2)
})

test('size: only what a peer can have', () => {
  const bench = new Bench()
  for (const activeSize of [0, 1.5, 65, Number.NaN]) {
    assert.throws(() => bench.give({ type: 'size', activeSize }), RangeError)
  }
})

test('one that rests comes back without a contact: through those that it knows, or by asking for some', () => {
  const known = new Bench().withNeighbours(1, 2, 3)
  known.give({ type: 'contacts', peers: [4, 5, 6].map(peer) })
  known.give({ type: 'leave' })
  assert.deepEqual(known.wait(60 * MINUTE), [])
  assert.deepEqual(short(known.give({ type: 'join' })), [], 'nobody is asked to pass it on')
  assert.ok(sent(known.wait(repairMs), 'neighbour').length > 0)
  const lost = new Bench()
  lost.give({ type: 'leave' })
  assert.deepEqual(short(lost.give({ type: 'join' })), [])
  assert.deepEqual(short(lost.wait(repairMs)), ['?'])
})

test('one that rests is forgotten when it is asked, and the next is asked at once', () => {
  const bench = new Bench({ activeSize: 2 })
  bench.give({ type: 'contacts', peers: [1, 2, 3, 4, 5].map(peer) })
  const [first, second] = sent(bench.wait(repairMs), 'neighbour').map(({ to }) => to) as [Peer, Peer]
  bench.from(first, { type: 'disconnect', leaving: true })
  bench.from(second, { type: 'disconnect', leaving: true })
  assert.ok(!bench.passive.includes(first as number) && !bench.passive.includes(second as number))
  assert.ok(sent(bench.wait(1), 'neighbour').length >= 2)
})

test('after one was found to rest some that are known are asked, as long as others are found to', () => {
  const bench = new Bench().withNeighbours(1, 2, 3, 4, 5)
  bench.give({ type: 'contacts', peers: Array.from({ length: 16 }, (_, i) => peer(20 + i)) })
  const probes = (): Peer[] =>
    sent(bench.wait(shuffleMs), 'alive').flatMap(({ to }) => (bench.active.includes(to as number) ? [] : [to]))
  const speak = (): void => {
    for (const index of bench.active) bench.from(peer(index), { type: 'alive', answer: true })
  }
  bench.wait(2 * shuffleMs)
  assert.deepEqual(probes(), [], 'not while nobody rests')
  speak()
  bench.from(peer(50), { type: 'disconnect', leaving: true })
  let asked = 0
  for (let i = 0; i < 40; i++) {
    const now = probes()
    assert.ok(now.length <= overlayLimits.maxProbes * 2)
    for (const to of now) bench.from(to, { type: 'disconnect', leaving: true })
    asked += now.length
    speak()
    if (bench.passive.length === 0) break
  }
  assert.equal(bench.passive.length, 0)
  // some of them are asked to swap
  assert.ok(asked >= 8 && asked <= 16, `${asked}`)
  bench.give({ type: 'contacts', peers: Array.from({ length: 16 }, (_, i) => peer(80 + i)) })
  bench.wait(shuffleMs)
  asked = 0
  for (let i = 0; i < 20; i++) {
    const now = probes()
    for (const to of now) bench.from(to, { type: 'disconnect', leaving: false })
    asked += now.length
    speak()
  }
  assert.ok(asked <= 3 * overlayLimits.maxProbes, `${asked}: those that do not rest end it`)
})

/** The graph among these. */
function among(world: OverlayWorld, peers: readonly Peer[]): Graph {
  return new Map(peers.map(one => [one, new Set(world.views(one).active)]))
}

function assertIsRandom(world: OverlayWorld, peers: readonly Peer[], degree: number): void {
  world.simulation.runUntil(() => oneSidedLinks(among(world, peers)).length === 0, 2_000)
  const graph = among(world, peers)
  assert.deepEqual(oneSidedLinks(graph), [], repeat)
  assert.deepEqual(componentSizes(graph), [peers.length], repeat)
  assert.ok(meanDegree(graph) >= degree, `mean degree ${meanDegree(graph)}, ${repeat}`)
}

test('of 300 peers 270 rest: the 30 with 20 places are one random graph, heal, and take back who comes', () => {
  const world = new OverlayWorld({ seed, latency: [10, 50] })
  const { simulation } = world
  const peers = world.grow(300, 50)
  world.runFor(MINUTE)
  const supers = simulation.rng.sample(peers, 30)
  for (const one of supers) world.overlay.command(one, { type: 'size', activeSize: 20 })
  world.runFor(MINUTE)
  assert.ok(meanDegree(among(world, supers)) >= 19, 'they fill their places among peers that have 5')
  const others = peers.filter(one => !supers.includes(one))
  assert.ok(meanDegree(among(world, others)) >= 4.8, repeat)

  for (const one of simulation.rng.sample(others, others.length)) {
    world.overlay.command(one, { type: 'leave' })
    world.runFor(200)
  }
  world.runFor(MINUTE)
  assertIsRandom(world, supers, 19)
  // all but 9 of the others are neighbours: a random graph of 30 with 20 neighbours has 19/29
  const density = clustering(among(world, supers))
  assert.ok(Math.abs(density - 19 / 29) < 0.06, `clustering ${density}, ${repeat}`)
  world.runFor(3 * MINUTE)
  const resting = new Set(others)
  // nine that do not rest are there to be known, and one in five that is asked and rests keeps the asking up
  const known = supers.map(one => world.views(one).passive.filter(other => resting.has(other)).length)
  assert.ok(
    known.reduce((sum, count) => sum + count, 0) <= 3.5 * supers.length,
    `${known} rest and are known, ${repeat}`
  )
  for (const one of others) assert.deepEqual(world.views(one).active, [], 'and rest')

  const dead = simulation.rng.sample(supers, 15)
  for (const one of dead) simulation.crash(one)
  const left = supers.filter(one => !dead.includes(one))
  world.runFor(10_000)
  assertIsRandom(world, left, 13.8)

  const back = simulation.rng.sample(others, 50)
  for (const one of back) world.join(one, simulation.rng.pick(left))
  world.runFor(MINUTE)
  const all = [...left, ...back]
  world.simulation.runUntil(() => oneSidedLinks(among(world, all)).length === 0, 2_000)
  const graph = among(world, all)
  assert.deepEqual([oneSidedLinks(graph), componentSizes(graph)], [[], [65]], repeat)
  assert.ok(meanDegree(among(world, back)) >= 4.7, `${meanDegree(among(world, back))}, ${repeat}`)

  // and rest, and come, as often as they like
  for (let round = 0; round < 3; round++) {
    for (const one of back) world.overlay.command(one, { type: 'leave' })
    world.runFor(20_000)
    assertIsRandom(world, left, 13.8)
    for (const one of back) world.join(one, simulation.rng.pick(left))
    world.runFor(30_000)
    assert.deepEqual(componentSizes(among(world, all)), [65], repeat)
  }
  for (const one of left) world.overlay.command(one, { type: 'size', activeSize: 5 })
  world.runFor(MINUTE)
  assertIsRandom(world, all, 4.8)
  for (const neighbours of among(world, all).values()) assert.ok(neighbours.size <= 5)
  assert.deepEqual(simulation.penalties(), [])
})
