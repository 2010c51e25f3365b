import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Peer } from '../../../protocols/core/peer.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import { ALL } from '../../../protocols/search/branch.ts'
import { searchConfig, searchLimits } from '../../../protocols/search/config.ts'
import type { QueryMessage } from '../../../protocols/search/messages.ts'
import { hits, report } from './bench.ts'
import { type Edges, randomRegular } from './graphs.ts'
import { again, fileOf, type Outcome, StaticNetwork, seedOfTest } from './network.ts'

const repeat = again('attack.test.ts')
const rng = seededRng(seedOfTest)
const everybody = (n: number): Set<number> => new Set(Array.from({ length: n }, (_, i) => i))
const neighboursOf = (edges: Edges, peer: number): Peer[] =>
  edges.flatMap(([a, b]) => (a === peer ? [b] : b === peer ? [a] : [])) as Peer[]
const attacker = 0 as Peer

let queries = 0
const freshQuery = (hops = 0): QueryMessage => ({
  type: 'query',
  id: `f${(queries++).toString(16).padStart(31, '0')}`,
  ttl: 255,
  hops,
  width: ALL,
  budget: 2 ** 32 - 1,
  want: 255,
  limit: 255,
  query: { kind: 'words', text: 'anything' }
})

/** Sends as often as told to each neighbour, another message each time. */
function flood(
  network: StaticNetwork,
  edges: Edges,
  perSecond: number,
  seconds: number,
  send: (to: Peer) => void
): void {
  for (let i = 0; i < perSecond * seconds; i++) {
    network.simulation.at(network.now + Math.floor((i * 1000) / perSecond), () => {
      for (const to of neighboursOf(edges, attacker as number)) send(to)
    })
  }
}

for (const hops of [0, 1]) {
  test(`a flooder at a hundred times the rate of others, queries said to come ${hops} hops: all others find all`, () => {
    const n = 60
    const edges = randomRegular(n, 5, rng)
    const network = new StaticNetwork({ peers: n, edges, holders: everybody(n) })
    // the others search once a second all together, the flooder 100 times a second at each of its neighbours
    flood(network, edges, 100, 8, to => network.channel.send(attacker, to, freshQuery(hops)))
    const outcomes: Outcome[] = []
    const startedAt = network.now
    for (let second = 3; second < 8; second++) {
      network.simulation.at(startedAt + second * 1000, () => outcomes.push(network.start(1 + rng.below(n - 1))))
    }
    network.simulation.run(startedAt + 16_000)
    assert.equal(outcomes.length, 5)
    for (const { found, done } of outcomes) {
      assert.ok(done !== undefined, repeat)
      assert.ok(found.length >= 0.95 * n, `${found.length} of ${n} found, ${repeat}`)
    }
    const wrong = network.simulation.penalties().filter(({ by }) => by !== attacker)
    assert.deepEqual(wrong, [], 'nobody pays for what it passed on')
  })
}

test('a flooder far beyond any honest rate is penalised by each neighbour, and by nobody else', () => {
  const edges = randomRegular(20, 4, rng)
  const network = new StaticNetwork({ peers: 20, edges, holders: new Set() })
  flood(network, edges, 8_000, 1, to => network.channel.send(attacker, to, freshQuery()))
  network.simulation.run(network.now + 12_000)
  const penalties = network.simulation.penalties().filter(({ by }) => by !== attacker)
  assert.deepEqual(
    penalties.map(({ by }) => by).toSorted((x, y) => Number(x) - Number(y)),
    neighboursOf(edges, 0).toSorted((x, y) => Number(x) - Number(y)),
    repeat
  )
  for (const { peer } of penalties) assert.equal(peer, attacker)
})

test('the same query again and again is worked on once', () => {
  const edges = randomRegular(20, 4, rng)
  const network = new StaticNetwork({ peers: 20, edges, holders: new Set() })
  const message = freshQuery()
  const before = network.simulation.stats.sent
  flood(network, edges, 100, 5, to => network.channel.send(attacker, to, message))
  network.simulation.run(network.now + 12_000)
  const sent = network.simulation.stats.sent - before
  // each copy and its report, and one flood
  assert.ok(sent <= 2 * 500 * 4 + 2 * 20 * 4, `${sent} messages, ${repeat}`)
})

test('hits and reports for queries that nobody sent reach nobody; very many are penalised', () => {
  const edges = randomRegular(20, 4, rng)
  const network = new StaticNetwork({ peers: 20, edges, holders: everybody(20), simulation: { wire: true } })
  const victim = neighboursOf(edges, 0)[0] as Peer
  const before = network.simulation.stats.sent
  let number = 0
  flood(network, edges, 1_000, 2, to => {
    const id = (number++).toString(16).padStart(32, '0')
    network.channel.send(attacker, to, hits({ id, holder: 7 as Peer, hits: [fileOf(7)] }))
    network.channel.send(attacker, to, report(id, 1, 1))
  })
  const outcome = network.start(victim as number)
  network.simulation.run(network.now + 5_000)
  // each of its queries is answered once, and no hits went anywhere but on their way back
  const { messages } = outcome.done!
  const { carried } = network.traffic
  assert.equal(network.simulation.stats.sent - before - 2 * 2_000 * 4, 2 * messages + hopsOf(outcome) - carried)
  assert.equal(outcome.found.length, 20, repeat)
  assert.equal(outcome.done!.complete, true, repeat)
  assert.equal(network.simulation.penalties(attacker).length, 4, repeat)
})

test('a liar adds to the statistics up to a bound and to the hits up to a limit, and hides nobody', () => {
  const long = 'x'.repeat(searchLimits.maxNameBytes)
  // peer 1 searches and asks 0, 2 and 3
  const edges = [0, 2, 3].map(other => [1, other] as const)
  const network: StaticNetwork = new StaticNetwork({
    peers: 4,
    edges,
    holders: new Set([2, 3]),
    simulation: {
      observe: ({ kind, peer, other, what }) => {
        const message = what as QueryMessage
        if (kind !== 'received' || peer !== attacker || message.type !== 'query') return
        for (let holder = 10; holder < 1_000; holder++) {
          const list = Array.from({ length: 10 }, (_, i) => ({ ...fileOf(holder), size: i, name: long }))
          network.channel.send(attacker, other!, hits({ id: message.id, holder: holder as Peer, hits: list }))
        }
        for (let i = 0; i < 3; i++) {
          network.channel.send(attacker, other!, report(message.id, 2 ** 32 - 1, 2 ** 32 - 1))
        }
      }
    }
  })
  const { found, done } = network.search(1)
  const made = found.filter(([holder]) => holder >= 10).length
  const room = Math.floor(searchConfig.maxSearchBytes / searchLimits.maxNameBytes)
  assert.ok(made > room / 2 && made <= room, `${made} hits that are made up`)
  assert.deepEqual(
    found.filter(([holder]) => holder < 10).map(([holder]) => holder),
    [2, 3]
  )
  // it can have spent what it was given, and each message reached one more
  const given = Math.floor((searchConfig.budget - 3) / 4)
  assert.equal(done!.messages, 3 + given)
  assert.equal(done!.peersAsked, 2 + given + 1)
})

test('bytes that are no message are penalised, and the network goes on', () => {
  const edges = randomRegular(20, 4, rng)
  const network = new StaticNetwork({ peers: 20, edges, holders: everybody(20), simulation: { wire: true } })
  flood(network, edges, 200, 1, to => {
    const bytes = Uint8Array.from({ length: rng.below(200) }, () => rng.below(256))
    bytes[0] = rng.below(6)
    network.channel.sendBytes(attacker, to, bytes)
  })
  const outcome = network.start(1)
  network.simulation.run(network.now + 5_000)
  assert.equal(outcome.found.length, 20, repeat)
  assert.ok(network.simulation.stats.undecodable > 700, `${network.simulation.stats.undecodable}, ${repeat}`)
  assert.ok(network.simulation.penalties(attacker).length > 0, repeat)
})

function hopsOf({ found }: Outcome): number {
  return found.reduce((sum, [, hops]) => sum + hops, 0)
}
