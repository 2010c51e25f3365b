import assert from 'node:assert/strict'
import { test } from 'node:test'
import { indexPeers, type Peer } from '../../../protocols/core/peer.ts'
import {
  Tracker,
  type TrackerCommand,
  type TrackerEvent,
  type TrackerMessage,
  trackerCodec,
  trackerConfig
} from '../../../protocols/tracker/index.ts'
import { type Channel, defaultSimulationOptions, Simulation } from '../../../src/simulator/index.ts'
import { swarm } from './swarms.ts'

const MINUTE_MS = 60_000
const { intervalMs, graceMs, retryLastMs, answerMs, reconnectMs } = trackerConfig
const { detectionMs: DETECTION_MS } = defaultSimulationOptions
const SWARM = swarm(1)
const SEEDS = process.env.SHOAL_SEED === undefined ? [1, 2, 3] : [Number(process.env.SHOAL_SEED)]

interface Scenario {
  simulation: Simulation
  trackers: Channel<TrackerCommand, TrackerMessage, TrackerEvent>
  /** Everyone that a peer was ever told of. */
  told: Map<Peer, Set<Peer>>
}

function scenario(seed: number, wire = false): Scenario {
  const simulation = new Simulation({ seed, wire })
  const told = new Map<Peer, Set<Peer>>()
  const trackers = simulation.protocol<TrackerCommand, TrackerMessage, TrackerEvent>({
    name: 'tracker',
    codec: trackerCodec(indexPeers),
    machine: (self, rng) => new Tracker({ self, rng }),
    onEvent(peer, event) {
      if (event.type !== 'peers') return
      const known = told.get(peer) ?? new Set()
      for (const other of event.peers) known.add(other)
      told.set(peer, known)
    }
  })
  return { simulation, trackers, told }
}

const machineOf = ({ trackers }: Scenario, peer: Peer): Tracker => trackers.machine(peer) as Tracker

/** Who is in the account that a tracker keeps, and whether as a seed. */
function kept(at: Scenario, tracker: Peer): Map<Peer, boolean> {
  const entries = machineOf(at, tracker).entries(SWARM)
  assert.equal(new Set(entries.map(entry => entry.peer)).size, entries.length, 'one entry a peer')
  return new Map(entries.map(entry => [entry.peer, entry.seed] as const).sort((a, b) => Number(a[0]) - Number(b[0])))
}

/** What the scenario did to a peer. */
interface Truth {
  state: 'new' | 'leech' | 'seed' | 'gone' | 'crashed'
  hasCompleted: boolean
}

for (const seed of SEEDS) {
  for (const wire of [false, true]) {
    const title = `200 peers join, complete, crash, come back, leave and lose connections: the account is the truth`
    test(`${title} (SHOAL_SEED=${seed}${wire ? ', wire' : ''})`, () => {
      const at = scenario(seed, wire)
      const { simulation, trackers } = at
      const { rng } = simulation
      const [tracker, ...peers] = simulation.addPeers(201) as [Peer, ...Peer[]]
      const truth = new Map<Peer, Truth>(peers.map(peer => [peer, { state: 'new', hasCompleted: false }]))
      const join = (peer: Peer, left: number): void =>
        trackers.command(peer, { type: 'join', swarm: SWARM, tiers: [[tracker]], left })

      const act = (peer: Peer): void => {
        const now = truth.get(peer) as Truth
        switch (now.state) {
          case 'new':
          case 'gone':
            now.state = rng.below(10) === 0 ? 'seed' : 'leech'
            join(peer, now.state === 'seed' ? 0 : 1_000)
            return
          case 'crashed':
            now.state = rng.below(2) === 0 ? 'gone' : 'leech'
            simulation.restart(peer)
            if (now.state === 'leech') join(peer, 500)
            return
          case 'leech':
          case 'seed': {
            const kind = rng.below(10)
            if (kind < 3 && now.state === 'leech') {
              now.state = 'seed'
              now.hasCompleted = true
              trackers.command(peer, { type: 'update', swarm: SWARM, left: 0, uploaded: 10, downloaded: 1_000 })
            } else if (kind < 5) {
              now.state = 'crashed'
              simulation.crash(peer)
            } else if (kind < 7) {
              now.state = 'gone'
              trackers.command(peer, { type: 'leave', swarm: SWARM })
            } else if (kind < 9) simulation.disconnect(rng.below(2) === 0 ? tracker : peer, peer)
            else trackers.command(peer, { type: 'more', swarm: SWARM })
          }
        }
      }

      // far enough apart that each is heard of before the next: a connection that was cut is opened again after 11 s
      const GAP_MS = 15_000
      const endMs = 10 * MINUTE_MS
      for (const peer of peers) {
        for (let time = rng.below(2 * MINUTE_MS); time < endMs; time += GAP_MS + rng.below(2 * MINUTE_MS)) {
          simulation.at(time, () => act(peer))
        }
      }
      for (let time = 0; time < endMs; time += 7_000) {
        simulation.run(time)
        const entries = [...kept(at, tracker).values()]
        const seeds = entries.filter(isSeed => isSeed).length
        const account = machineOf(at, tracker).account(SWARM)
        assert.deepEqual([account?.seeds ?? 0, account?.leeches ?? 0], [seeds, entries.length - seeds])
      }
      // the grace begins when the tracker finds out
      simulation.run(endMs + DETECTION_MS + graceMs + 1)

      const expected = new Map<Peer, boolean>()
      let completed = 0
      for (const [peer, { state, hasCompleted }] of truth) {
        if (state === 'seed' || state === 'leech') expected.set(peer, state === 'seed')
        if (hasCompleted) completed++
      }
      assert.deepEqual(kept(at, tracker), expected)
      assert.equal(machineOf(at, tracker).account(SWARM)?.completed, completed)
      assert.ok(expected.size > 50 && completed > 30, `${expected.size} in it, ${completed} completed`)
      assert.deepEqual(simulation.penalties(), [])
      assert.equal(simulation.stats.undecodable, 0)

      // it stays so, at the price of an announce and its answer an interval
      const before = simulation.stats.sent
      simulation.run(simulation.now + 10 * intervalMs)
      assert.deepEqual(kept(at, tracker), expected)
      const each = (simulation.stats.sent - before) / expected.size / 2 / 10
      assert.ok(each >= 1 && each < 1.15, `${each} announces an interval`)
    })
  }

  test(`the first of two trackers crashes: all go to the second, and come back (SHOAL_SEED=${seed})`, () => {
    const at = scenario(seed)
    const { simulation, trackers, told } = at
    const [first, second, ...peers] = simulation.addPeers(52) as [Peer, Peer, ...Peer[]]
    peers.forEach((peer, i) => {
      const left = i % 10 === 0 ? 0 : 1_000
      trackers.command(peer, { type: 'join', swarm: SWARM, tiers: [[first], [second]], left })
    })
    simulation.run(MINUTE_MS)
    const all = new Map(peers.map((peer, i) => [peer, i % 10 === 0]))
    assert.deepEqual(kept(at, first), all)
    assert.deepEqual(kept(at, second), new Map())

    simulation.crash(first)
    const failoverMs = 2 * DETECTION_MS + 2 * reconnectMs + answerMs
    assert.ok(
      simulation.runUntil(() => kept(at, second).size === peers.length, failoverMs),
      `${kept(at, second).size} have turned to the second tracker`
    )
    assert.deepEqual(kept(at, second), all)
    simulation.run(simulation.now + intervalMs)

    simulation.restart(first)
    assert.ok(
      simulation.runUntil(() => kept(at, first).size === peers.length, intervalMs + 1.25 * retryLastMs + MINUTE_MS),
      `${kept(at, first).size} have come back to the first`
    )
    assert.deepEqual(kept(at, first), all)
    simulation.run(simulation.now + 2 * intervalMs + graceMs)
    assert.deepEqual([kept(at, first), kept(at, second)], [all, new Map()])

    for (const peer of peers) trackers.command(peer, { type: 'leave', swarm: SWARM })
    simulation.run(simulation.now + 1_000)
    assert.deepEqual(kept(at, first), new Map())
    assert.equal(told.get(peers[1] as Peer)?.has(peers[1] as Peer), false)
    assert.deepEqual(simulation.penalties(), [])
  })

  test(`trackers of one tier share the peers; a partition and its end lose nobody (SHOAL_SEED=${seed})`, () => {
    const at = scenario(seed)
    const { simulation, trackers } = at
    const [first, second, ...peers] = simulation.addPeers(102) as [Peer, Peer, ...Peer[]]
    for (const peer of peers) {
      trackers.command(peer, { type: 'join', swarm: SWARM, tiers: [[first, second]], left: 1 })
    }
    const both = (): number => new Set([...kept(at, first).keys(), ...kept(at, second).keys()]).size
    simulation.run(MINUTE_MS)
    assert.equal(kept(at, first).size + kept(at, second).size, peers.length)
    assert.ok(kept(at, first).size > 25 && kept(at, second).size > 25, `${kept(at, first).size} at the first`)

    const [here, there] = [peers.slice(0, 50), peers.slice(50)]
    simulation.partition([
      [first, ...here],
      [second, ...there]
    ])
    simulation.run(simulation.now + MINUTE_MS + graceMs)
    assert.deepEqual([[...kept(at, first).keys()], [...kept(at, second).keys()]], [here, there])
    simulation.heal()
    simulation.run(simulation.now + 3 * intervalMs)
    assert.equal(both(), peers.length)
  })

  test(`a node that is the tracker of its own swarm, with messages lost on the way (SHOAL_SEED=${seed})`, () => {
    const at = scenario(seed)
    const { simulation, trackers, told } = at
    simulation.setLoss(0.1)
    const [own, ...peers] = simulation.addPeers(31) as [Peer, ...Peer[]]
    trackers.command(own, { type: 'join', swarm: SWARM, tiers: [[own]], left: 0 })
    for (const peer of peers) trackers.command(peer, { type: 'join', swarm: SWARM, tiers: [[own]], left: 1 })
    // chance may take several announces in a row, each of which is waited for and tried again later
    const patienceMs = 30 * MINUTE_MS
    assert.ok(simulation.runUntil(() => peers.every(peer => told.get(peer)?.has(own)), patienceMs))
    assert.deepEqual(kept(at, own), new Map([[own, true], ...peers.map(peer => [peer, false] as const)]))
    for (const peer of peers) {
      trackers.command(peer, { type: 'update', swarm: SWARM, left: 0, uploaded: 0, downloaded: 1 })
    }
    simulation.runUntil(() => machineOf(at, own).account(SWARM)?.completed === 30, patienceMs)
    assert.deepEqual(machineOf(at, own).account(SWARM), { seeds: 31, leeches: 0, completed: 30 })
  })
}

test('the same seed is the same run, with and without encoding', () => {
  const hashes = [false, true, true].map(wire => {
    const at = scenario(7, wire)
    const [tracker, ...peers] = at.simulation.addPeers(20) as [Peer, ...Peer[]]
    for (const peer of peers) {
      at.trackers.command(peer, { type: 'join', swarm: SWARM, tiers: [[tracker]], left: 1 })
    }
    at.simulation.run(20 * MINUTE_MS)
    return [at.simulation.stats.inputs, at.simulation.stats.sent, wire ? at.simulation.traceHash() : '']
  })
  assert.deepEqual(hashes[1], hashes[2])
  assert.deepEqual(hashes[0]?.slice(0, 2), hashes[1]?.slice(0, 2))
})
