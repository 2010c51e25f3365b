import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Peer } from '../../protocols/core/peer.ts'
import { seededRng } from '../../protocols/core/rng.ts'
import type { SimulationOptions } from '../../src/simulator/index.ts'
import { Links } from '../../src/simulator/links.ts'
import { NoteWorld } from './recorder.ts'

const seed = Number(process.env.SHOAL_SEED ?? 1)
/** Ten milliseconds each way, a loss is seen after a hundred. */
const exact = { latency: [10, 10], detectionMs: 100 } as const satisfies Partial<SimulationOptions>

function pair(options: Partial<SimulationOptions> = {}): { world: NoteWorld; a: Peer; b: Peer } {
  const world = new NoteWorld({ ...exact, ...options })
  const [a, b] = world.simulation.addPeers(2) as [Peer, Peer]
  return { world, a, b }
}

test('the first message dials: both are up after a round trip, the message arrives after half another', () => {
  const { world, a, b } = pair()
  world.say(a, b, 1)
  world.simulation.run(1_000)
  assert.deepEqual(world.inputsOf(a, 'peerUp', 'peerDown', 'received'), ['20 peerUp 1'])
  assert.deepEqual(world.inputsOf(b, 'peerUp', 'peerDown', 'received'), ['20 peerUp 0', '30 received 0'])
  assert.ok(world.simulation.isConnected(a, b))
  world.say(b, a, 2, 'ping')
  world.simulation.run(2_000)
  assert.deepEqual(world.inputsOf(a, 'received'), ['1010 received 1'])
  assert.equal(world.simulation.stats.connectionsOpened, 1)
})

test('two that dial one another at once share one connection', () => {
  const { world, a, b } = pair()
  world.say(a, b, 1)
  world.say(b, a, 2)
  world.simulation.run(1_000)
  assert.equal(world.simulation.stats.connectionsOpened, 1)
  assert.deepEqual([world.numbersOf(a), world.numbersOf(b)], [[2], [1]])
})

test('messages on a link keep their order whatever the jitter', () => {
  const { world, a, b } = pair({ latency: [1, 200], jitterMs: 150, seed })
  const times = new Set<number>()
  for (let i = 0; i < 500; i++) {
    world.say(a, b, i)
    world.simulation.run(world.simulation.now + world.simulation.rng.below(5))
  }
  world.simulation.run(10_000)
  assert.deepEqual(
    world.numbersOf(b),
    Array.from({ length: 500 }, (_, i) => i)
  )
  for (const { time } of world.seen) times.add(time)
  assert.ok(times.size > 100)
})

test('delays are those of the pair, within the range, the same both ways, longer for a slow peer', () => {
  const world = new NoteWorld({ latency: [10, 60], jitterMs: 0, seed })
  const peers = world.simulation.addPeers(30)
  const delays = new Set<number>()
  for (const a of peers) {
    for (const b of peers) {
      if (a === b) continue
      const ms = world.simulation.latencyMs(a, b)
      assert.equal(ms, world.simulation.latencyMs(b, a))
      assert.ok(ms >= 10 && ms <= 60)
      delays.add(ms)
    }
  }
  assert.ok(delays.size > 30, `${delays.size} different delays`)
  const [a, b] = peers as [Peer, Peer]
  world.simulation.connect(a, b)
  world.simulation.run(1_000)
  world.simulation.slow(b, 500)
  world.say(a, b, 1)
  world.simulation.run(3_000)
  assert.deepEqual(world.inputsOf(b, 'received'), [`${1_500 + world.simulation.latencyMs(a, b)} received 0`])
})

test('loss takes its share, and can be switched off', () => {
  const { world, a, b } = pair({ loss: 0.25, seed })
  world.simulation.connect(a, b)
  world.simulation.run(100)
  for (let i = 0; i < 4_000; i++) world.say(a, b, i)
  world.simulation.run(1_000)
  const { sent, delivered, lost } = world.simulation.stats
  assert.equal(sent, delivered + lost)
  assert.ok(lost > 850 && lost < 1_150, `SHOAL_SEED=${seed}: ${lost} of 4,000 lost`)
  world.simulation.setLoss(0)
  for (let i = 0; i < 100; i++) world.say(a, b, i)
  world.simulation.run(2_000)
  assert.equal(world.simulation.stats.delivered, delivered + 100)
})

test('a crash takes what is under way with it; the other end learns later, and loses what it sends until then', () => {
  const { world, a, b } = pair()
  world.simulation.connect(a, b)
  world.simulation.run(100)
  world.say(a, b, 1)
  world.say(b, a, 2)
  world.simulation.run(105)
  world.simulation.crash(b)
  assert.ok(!world.simulation.isAlive(b) && !world.simulation.isConnected(a, b))
  assert.throws(() => world.notes.machine(b), RangeError)
  world.say(a, b, 3)
  world.notes.command(b, { type: 'say', to: a, note: { number: 4, text: '' } })
  world.simulation.run(1_000)
  assert.deepEqual(world.inputsOf(a, 'peerDown'), ['205 peerDown 1'])
  assert.deepEqual([world.numbersOf(a), world.numbersOf(b)], [[], []])
  assert.equal(world.simulation.stats.lost, 3)
  world.say(a, b, 5)
  world.simulation.run(2_000)
  assert.deepEqual(world.inputsOf(a, 'peerDown'), ['205 peerDown 1', '1100 peerDown 1'], 'a dial that fails')
})

test('a peer that comes back before it was missed: the other hears the end first, then the beginning', () => {
  const { world, a, b } = pair()
  world.simulation.connect(a, b)
  world.simulation.run(100)
  world.simulation.crash(b)
  world.simulation.restart(b)
  assert.throws(() => world.simulation.restart(b), RangeError)
  world.say(b, a, 7)
  world.simulation.run(1_000)
  assert.deepEqual(world.inputsOf(a, 'peerUp', 'peerDown', 'received'), [
    '20 peerUp 1',
    '120 peerDown 1',
    '120 peerUp 1',
    '130 received 1'
  ])
})

test('a partition cuts connections and refuses dials; after it heals they are dialled again', () => {
  const world = new NoteWorld(exact)
  const [a, b, c] = world.simulation.addPeers(3) as [Peer, Peer, Peer]
  world.simulation.connect(a, b)
  world.simulation.connect(b, c)
  world.simulation.run(100)
  world.simulation.partition([[a]])
  world.say(a, b, 1)
  world.say(b, c, 2)
  world.simulation.run(1_000)
  assert.deepEqual(world.inputsOf(a, 'peerDown'), ['200 peerDown 1'])
  assert.deepEqual(world.inputsOf(b, 'peerDown'), ['200 peerDown 0'])
  assert.deepEqual([world.numbersOf(b), world.numbersOf(c)], [[], [2]])
  world.say(a, c, 3)
  world.simulation.run(2_000)
  assert.deepEqual(world.inputsOf(a, 'peerDown').at(-1), '1100 peerDown 2')
  world.simulation.heal()
  world.simulation.run(3_000)
  assert.ok(!world.simulation.isConnected(a, b))
  world.say(a, b, 4)
  world.simulation.run(4_000)
  assert.deepEqual(world.numbersOf(b), [4])
})

test('who closes a connection knows at once, the other when the news arrives', () => {
  const { world, a, b } = pair()
  world.simulation.connect(a, b)
  world.simulation.run(100)
  world.simulation.disconnect(a, b)
  world.simulation.run(1_000)
  assert.deepEqual(world.inputsOf(a, 'peerDown'), ['100 peerDown 1'])
  assert.deepEqual(world.inputsOf(b, 'peerDown'), ['110 peerDown 0'])
})

test('a connection that nobody uses is closed when it is asked for, one that is used is not', () => {
  const used = (options: Partial<SimulationOptions>): NoteWorld => {
    const world = new NoteWorld({ latency: [10, 10], ...options })
    const [a, b, c] = world.simulation.addPeers(3) as [Peer, Peer, Peer]
    world.say(a, b, 1)
    for (let at = 0; at < 5_000; at += 500) world.simulation.at(at, () => world.say(c, a, 2))
    world.simulation.run(5_000)
    return world
  }
  const closing = used({ idleMs: 1_000 })
  // open at 20 ms, used at 30 ms; looked at every 250 ms from 1,000 ms on
  assert.deepEqual(closing.inputsOf(0 as Peer, 'peerUp', 'peerDown'), ['20 peerUp 1', '20 peerUp 2', '1250 peerDown 1'])
  assert.deepEqual(closing.inputsOf(1 as Peer, 'peerUp', 'peerDown'), ['20 peerUp 0', '1260 peerDown 0'])
  assert.equal(closing.simulation.stats.connections, 1)
  assert.deepEqual(closing.inputsOf(2 as Peer, 'peerDown'), [])
  assert.equal(used({}).simulation.stats.connections, 2)
  assert.throws(() => new NoteWorld({ idleMs: 0 }), RangeError)
})

test('nobody has the address: the sender is told', () => {
  const { world, a } = pair()
  world.say(a, 77 as Peer, 1)
  world.simulation.run(1_000)
  assert.deepEqual(world.inputsOf(a, 'peerDown'), ['100 peerDown 77'])
  assert.throws(() => world.say(a, a, 1), RangeError)
})

test('ticks come when they are due, not after a crash', () => {
  const { world, a, b } = pair()
  world.notes.command(a, { type: 'wake', at: 500 })
  world.notes.command(a, { type: 'wake', at: 300 })
  world.notes.command(b, { type: 'wake', at: 400 })
  world.simulation.run(350)
  world.simulation.crash(b)
  world.simulation.restart(b)
  world.simulation.run(1_000)
  assert.deepEqual(world.inputsOf(a, 'tick', 'event'), ['300 tick', '300 event'])
  assert.deepEqual(world.inputsOf(b, 'tick', 'event'), [])
})

test('commands from inside an event wait for the present input; those to others are handled at once', () => {
  const { world, a, b } = pair()
  world.simulation.connect(a, b)
  world.simulation.run(100)
  world.onEvent = (_, event) => {
    if (event !== 'now') return
    world.say(a, b, 3)
    world.say(b, a, 9)
  }
  world.notes.command(a, { type: 'tell', to: b, event: 'now' })
  world.simulation.run(1_000)
  assert.deepEqual(world.numbersOf(b), [1, 2, 3])
  assert.deepEqual(world.numbersOf(a), [9])
})

test('a peer that crashes inside an event of its own does no more, even when it is started again there', () => {
  for (const restarts of [false, true]) {
    const { world, a, b } = pair()
    world.simulation.connect(a, b)
    world.simulation.run(100)
    world.onEvent = peer => {
      world.simulation.crash(peer)
      if (restarts) world.simulation.restart(peer)
    }
    world.notes.command(a, { type: 'tell', to: b, event: 'crash' })
    world.simulation.run(1_000)
    assert.equal(world.simulation.stats.sent, 1)
    assert.deepEqual(world.numbersOf(b), [])
  }
})

test('scripts run at their time, in order with what else happens then', () => {
  const { world, a, b } = pair()
  const times: number[] = []
  world.simulation.at(50, () => times.push(world.simulation.now))
  world.simulation.at(20, () => world.say(a, b, 1))
  assert.ok(world.simulation.runUntil(() => world.numbersOf(b).length === 1, 1_000))
  assert.deepEqual([world.simulation.now, times], [50, [50]])
  assert.ok(!world.simulation.runUntil(() => false, 100))
  assert.equal(world.simulation.now, 150)
  assert.throws(() => world.simulation.run(Number.NaN), RangeError)
})

test('an error names the seed and the time', () => {
  const { world } = pair({ seed: 4711 })
  world.simulation.at(33, () => {
    throw new Error('broken')
  })
  assert.throws(() => world.simulation.run(100), /seed 4711, 33 ms: broken/)
})

/** Everything at once, from one seed. */
function bustle(options: Partial<SimulationOptions> & { seed: number }): { hash: string; stats: unknown } {
  const world = new NoteWorld({ latency: [5, 80], loss: 0.02, ...options })
  const { simulation } = world
  const peers = simulation.addPeers(40)
  for (let step = 0; step < 300; step++) {
    const [a, b] = simulation.rng.sample(peers, 2) as [Peer, Peer]
    const dice = simulation.rng.below(20)
    if (dice === 0) simulation.crash(a)
    else if (dice === 1) simulation.disconnect(a, b)
    else if (dice === 2) simulation.partition([simulation.rng.sample(peers, 15)])
    else if (dice === 3) simulation.heal()
    else if (dice === 4 && !simulation.isAlive(a)) simulation.restart(a)
    else if (dice === 5) world.notes.command(a, { type: 'accuse', peer: b })
    else if (dice === 6) world.notes.command(a, { type: 'wake', at: simulation.now + 40 })
    else world.say(a, b, step, 'ping')
    simulation.run(simulation.now + simulation.rng.below(20))
  }
  simulation.run(simulation.now + 10_000)
  const { sent, delivered, lost } = simulation.stats
  assert.equal(sent, delivered + lost, `seed ${options.seed}`)
  return { hash: simulation.traceHash(), stats: { ...simulation.stats, bytes: 0 } }
}

test('the same seed leaves the same trace, another one another, in the high bits too', () => {
  const first = bustle({ seed })
  assert.deepEqual(bustle({ seed }), first)
  const hashes = [seed, seed + 1, seed + 2 ** 32, -seed - 1].map(other => bustle({ seed: other }).hash)
  assert.equal(new Set(hashes).size, hashes.length)
})

test('encoding and decoding every message leaves the trace as it is', () => {
  for (let i = 0; i < 5; i++) assert.deepEqual(bustle({ seed: seed + i, wire: true }), bustle({ seed: seed + i }))
})

test('hostile bytes are refused, penalised and counted; the machine never sees them', () => {
  const { world, a, b } = pair({ wire: true })
  for (const bytes of [[], [1, 2, 3], [0, 0, 0, 1, 0, 101], [0, 0, 0, 1, 0, 0, 9]]) {
    world.notes.sendBytes(a, b, Uint8Array.from(bytes))
  }
  world.notes.sendBytes(a, b, Uint8Array.of(0, 0, 0, 5, 0, 0))
  world.simulation.run(1_000)
  assert.deepEqual(world.numbersOf(b), [5])
  assert.equal(world.simulation.stats.undecodable, 4)
  const penalties = world.simulation.penalties(a)
  assert.equal(
    penalties.reduce((sum, { count }) => sum + count, 0),
    4
  )
  assert.ok(penalties.every(({ by, peer, channel }) => by === b && peer === a && channel === 'notes'))
  assert.deepEqual(world.simulation.penalties(b), [])
  assert.throws(() => pair().world.notes.sendBytes(a, b, new Uint8Array()), RangeError)
})

test('links are found, listed and forgotten like entries of a map', () => {
  const links = new Links()
  const rng = seededRng(seed)
  const reference = new Map<string, number>()
  links.reserve(60)
  for (let i = 0; i < 20_000; i++) {
    const [a, b] = rng.sample(
      Array.from({ length: 60 }, (_, peer) => peer),
      2
    ) as [number, number]
    const key = a < b ? `${a} ${b}` : `${b} ${a}`
    const link = links.find(a, b)
    assert.equal(link, reference.get(key) ?? -1, `SHOAL_SEED=${seed}`)
    if (link === -1) reference.set(key, links.add(a, b))
    else if (rng.below(2) === 0) {
      links.remove(link)
      reference.delete(key)
    }
    if (i % 500 !== 0) continue
    const mine = [...reference].filter(([ends]) => ends.split(' ').includes(String(a))).map(([, number]) => number)
    assert.deepEqual(new Set(links.of(a)), new Set(mine))
    assert.equal(links.size, reference.size)
  }
})

test('numbers that make no network are refused', () => {
  for (const options of [
    { seed: 0.5 },
    { latency: [0, 10] },
    { latency: [10, 5] },
    { latency: [10, 20], jitterMs: 11 },
    { loss: 1.5 },
    { detectionMs: -1 }
  ] as Partial<SimulationOptions>[]) {
    assert.throws(() => new NoteWorld(options), RangeError, JSON.stringify(options))
  }
})
