import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Peer } from '../../protocols/core/peer.ts'
import { seededRng } from '../../protocols/core/rng.ts'
import { edgesOf, graphOf } from '../../src/lab/graph.ts'
import { components, degrees } from '../../src/lab/metrics.ts'
import { OverlayNetwork } from '../../src/lab/overlay-network.ts'
import { SearchNetwork } from '../../src/lab/search-network.ts'
import { exponential, heavyTailed } from '../../src/lab/sessions.ts'
import { grid, randomRegular } from '../../src/lab/topologies.ts'
import { Simulation } from '../../src/simulator/index.ts'

const SEED = 1

test('a search on a given graph goes where the graph says', () => {
  const simulation = new Simulation({ seed: SEED, latency: [10, 10] })
  const network = new SearchNetwork(simulation)
  // a ring of ten
  const peers = network.use(graphOf(10, Array.from({ length: 10 }, (_, v) => [v, (v + 1) % 10]).flat()))
  network.place('film', [peers[3] as Peer, peers[6] as Peer])
  const [searcher] = peers as [Peer]
  const { firstMs, ...two } = network.search(searcher, 'film', { ttl: 3 })
  assert.deepEqual(two, { holders: 1, hops: 3, peersAsked: 6, messages: 6, complete: true })
  assert.equal(firstMs, 60)
  // the sixth peer is asked from both sides, so two of the messages are duplicates of one another
  const all = network.search(searcher, 'film', { ttl: 5 })
  assert.deepEqual([all.holders, all.hops, all.peersAsked, all.messages], [2, 3, 9, 10])
  const none = network.search(searcher, 'another', { ttl: 5 })
  assert.deepEqual([none.holders, none.hops, none.firstMs], [0, undefined, undefined])
})

test('a flood on a random graph reaches everybody; its duplicates are the edges that close a circle', () => {
  const graph = randomRegular(300, 5, seededRng(SEED))
  const network = new SearchNetwork(new Simulation({ seed: SEED, latency: [10, 10] }))
  const [searcher] = network.use(graph) as [Peer]
  const { peersAsked, messages } = network.search(searcher, 'film', {})
  // each peer sends to all neighbours but the one that it heard of it from first, the searcher to all
  assert.deepEqual([peersAsked, messages], [299, 5 + 299 * 4])
})

test('searches of a peer that crashes are forgotten', () => {
  const simulation = new Simulation({ seed: SEED })
  const network = new SearchNetwork(simulation)
  const [searcher, other, third] = network.use(grid(3, 3)) as [Peer, Peer, Peer]
  const done: string[] = []
  network.start(searcher, 'film', {}, () => done.push('first'))
  network.start(other, 'film', {}, () => done.push('second'))
  network.start(third, 'film', {}, () => done.push('third'))
  simulation.crash(searcher)
  simulation.crash(third)
  // it comes back at once, and knows nothing of its search
  simulation.restart(third)
  network.finish()
  assert.deepEqual(done, ['second'])
})

test('the overlay as a graph: symmetric, of those that run, and neighbours of the search', () => {
  const simulation = new Simulation({ seed: SEED })
  const search = new SearchNetwork(simulation)
  const overlay = new OverlayNetwork(simulation, { onEvent: (peer, event) => search.onOverlay(peer, event) })
  overlay.grow(60)
  overlay.run(3)
  const { graph, peers } = overlay.graph()
  assert.equal(peers.length, 60)
  assert.deepEqual(components(graph), [60])
  assert.ok((degrees(graph).counts[5] as number) > 50)
  assert.equal(search.search(peers[0] as Peer, 'film').peersAsked, 59)

  for (const peer of peers.slice(0, 30)) simulation.crash(peer)
  const after = overlay.graph()
  assert.deepEqual(after.peers, peers.slice(30))
  assert.ok(edgesOf(after.graph).length < edgesOf(graph).length / 2)
  overlay.run(2)
  assert.deepEqual(components(overlay.graph().graph), [30])
})

test('sessions have the mean that was asked for, and the tail of their law', () => {
  const rng = seededRng(SEED)
  for (const [length, median] of [
    [exponential, Math.log(2)],
    [heavyTailed, Math.log(2) ** 2 / 2]
  ] as const) {
    const lengths = Array.from({ length: 40_000 }, () => length(10, rng)).sort((a, b) => a - b)
    const mean = lengths.reduce((sum, one) => sum + one, 0) / lengths.length
    assert.ok(Math.abs(mean - 10) < 0.5, `mean ${mean}`)
    assert.ok(Math.abs((lengths[20_000] as number) - 10 * median) < 0.3, `median ${lengths[20_000]}`)
  }
})
