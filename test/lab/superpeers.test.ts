import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRng } from '../../protocols/core/rng.ts'
import { FloodTree } from '../../src/lab/flood-tree.ts'
import { type Graph, graphOf } from '../../src/lab/graph.ts'
import { costOfWorkload, joinBytes, redesign } from '../../src/lab/paper-superpeer-queries.ts'
import { type Loads, loadsOf } from '../../src/lab/paper-superpeers.ts'
import { type Answers, expectedAnswers, RESULTS_A_PEER, selectivities } from '../../src/lab/superpeer-answers.ts'
import { type Clusters, drawClusters, drawPopulation } from '../../src/lab/superpeer-clusters.ts'

const star = graphOf(4, [0, 1, 0, 2, 0, 3])
const ring = (size: number): Graph => graphOf(size, Array.from({ length: size }, (_, i) => [i, (i + 1) % size]).flat())
const complete = (size: number): Graph => {
  const ends: number[] = []
  for (let a = 0; a < size; a++) for (let b = a + 1; b < size; b++) ends.push(a, b)
  return graphOf(size, ends)
}

/** Clusters of as many peers each, numbered one after the other. */
function evenClusters(count: number, size: number, partners = 1): Clusters {
  const members = Array.from({ length: count }, (_, c) => Int32Array.from({ length: size }, (_, i) => c * size + i))
  return {
    peers: count * size,
    partners,
    members,
    clusterOf: Int32Array.from({ length: count * size }, (_, peer) => Math.floor(peer / size))
  }
}

/** Every cluster answers every query with one response of two addresses and three results: 364 bytes. */
function sameAnswers(count: number): Answers {
  const all = (value: number): Float64Array => new Float64Array(count).fill(value)
  return { messages: all(1), addresses: all(2), results: all(3) }
}

function assertNear(actual: number, expected: number, what: string): void {
  assert.ok(Math.abs(actual - expected) <= 1e-9 * Math.abs(expected), `${what}: ${actual} instead of ${expected}`)
}

function assertAlike(a: Loads, b: Loads): void {
  const { aggregate, supers, ...rest } = a
  assertNear(b.aggregate.bandwidth, aggregate.bandwidth, 'bandwidth')
  assertNear(b.aggregate.processing, aggregate.processing, 'processing')
  for (const [i, { bandwidth, processing }] of supers.entries()) {
    assertNear(b.supers[i]!.bandwidth, bandwidth, `bandwidth of ${i}`)
    assertNear(b.supers[i]!.processing, processing, `processing of ${i}`)
  }
  for (const [name, value] of Object.entries(rest)) assertNear(b[name as keyof typeof rest], value, name)
}

test('floods by hand: who is reached, copies and duplicates', () => {
  const flood = (graph: Graph, source: number, ttl: number) => {
    const tree = new FloodTree(graph)
    // another one before it leaves nothing behind
    tree.flood(graph.size - 1, 9)
    tree.flood(source, ttl)
    const nodes = [...tree.order.subarray(0, tree.reached)]
    const sent = nodes.reduce((sum, node) => sum + tree.sent(node), 0)
    const received = tree.received.reduce((sum, count) => sum + count, 0)
    assert.equal(received, sent)
    return { reached: tree.reached, sent, depths: [...tree.depth], duplicates: received - (tree.reached - 1) }
  }
  assert.deepEqual(flood(star, 0, 1), { reached: 4, sent: 3, depths: [0, 1, 1, 1], duplicates: 0 })
  assert.deepEqual(flood(star, 1, 1), { reached: 2, sent: 1, depths: [1, 0, -1, -1], duplicates: 0 })
  assert.deepEqual(flood(star, 1, 2), { reached: 4, sent: 3, depths: [1, 0, 2, 2], duplicates: 0 })
  assert.deepEqual(flood(ring(6), 0, 2), { reached: 5, sent: 4, depths: [0, 1, 2, -1, 2, 1], duplicates: 0 })
  assert.deepEqual(flood(ring(6), 0, 3), { reached: 6, sent: 6, depths: [0, 1, 2, 3, 2, 1], duplicates: 1 })
  assert.deepEqual(flood(ring(6), 0, 4), { reached: 6, sent: 7, depths: [0, 1, 2, 3, 2, 1], duplicates: 2 })
  // neighbours at the same depth send to each other
  assert.deepEqual(flood(ring(5), 0, 3), { reached: 5, sent: 6, depths: [0, 1, 2, 2, 1], duplicates: 2 })
  assert.deepEqual(flood(complete(4), 2, 1), { reached: 4, sent: 3, depths: [1, 1, 0, 1], duplicates: 0 })
  assert.deepEqual(flood(complete(4), 2, 2), { reached: 4, sent: 9, depths: [1, 1, 0, 1], duplicates: 6 })
})

test('a star of four super-peers with a client each: every byte and unit by hand', () => {
  const population = { files: new Float64Array(8).fill(10), joinRates: new Float64Array(8).fill(0.001) }
  const topology = { graph: star, ttl: 2 }
  const loads = loadsOf({ clusters: evenClusters(4, 2), population, answers: sameAnswers(4), topology })
  const query = 9.26e-3
  const update = 1.85e-3
  assertNear(loads.results, 12, 'results')
  assertNear(loads.clustersReached, 4, 'clusters')
  assertNear(loads.peersReached, 8, 'peers')
  assertNear(loads.queryMessages, 3, 'copies')
  // from the middle three responses over one hop each, from an arm one over one and two over two
  assertNear(loads.path, (3 + 3 * 5) / 12, 'path')
  // a query: 3 copies, and that of a client; responses over (3 + 3·5) / 4 hops, and four to a client
  const wire =
    8 * query * (94 * 3.5 + 364 * (4.5 + 2)) + // every second query is a client's
    4 * (0.001 * (80 + 720) + update * 152)
  assertNear(loads.aggregate.bandwidth, 2 * wire, 'bandwidth')

  // the middle: 2 peers there, 6 on the arms
  const ask = query * 94
  const answer = query * 364
  const middle =
    ask * (1 + 2 * 3 + 6 + 6 * 2) + // from the client, own to the arms, from the arms, on to two others
    answer * (2 * 3 + 1 * 4) + // in to own, on to the client
    answer * (6 * 3 + 6 * 2) + // own and two others' to the asking arm, in from those two
    0.001 * 800 +
    update * 152
  assertNear(loads.supers[0]!.bandwidth, middle, 'the middle')

  const messages = query * (1 + 6 + 6 + 12) + query * (6 + 4 + 18 + 12) + 0.001 + update
  const response = { send: 0.21 + 0.31 * 2 + 0.2 * 3, receive: 0.26 + 0.41 * 2 + 0.3 * 3 }
  const units =
    query * 7 * (0.57 + 0.004 * 12) +
    query * 18 * (0.44 + 0.003 * 12) +
    query * 8 * (0.14 + 1.1 * 3) +
    query * (6 + 12) * response.receive +
    query * (4 + 18) * response.send +
    0.001 * (0.56 + 3) +
    0.001 * 2 * (0.14 + 105) +
    update * 0.8 +
    update * 2 * 30 +
    messages * 0.01 * 4 // three arms and a client
  assertNear(loads.supers[0]!.processing, units, 'processing of the middle')
})

test('a ring has the path of a ring', () => {
  const population = { files: new Float64Array(6), joinRates: new Float64Array(6).fill(0.001) }
  const at = (ttl: number): Loads =>
    loadsOf({ clusters: evenClusters(6, 1), population, answers: sameAnswers(6), topology: { graph: ring(6), ttl } })
  assertNear(at(2).path, 6 / 4, 'two hops')
  assertNear(at(3).path, 9 / 5, 'three hops')
  assertNear(at(3).queryMessages, 6, 'copies')
  // a hop more finds nobody more and costs copies
  assertNear(at(4).queryMessages, 7, 'copies')
  assertNear(at(4).results, at(3).results, 'results')
  // nobody has clients, so all bytes are the super-peers'
  assertNear(at(3).aggregate.bandwidth, 2 * 6 * 9.26e-3 * (6 * 94 + 9 * 364), 'bandwidth')
})

test('all linked with all: the sums are those of the floods', () => {
  for (const partners of [1, 2]) {
    const rng = seededRng(3)
    const clusters = drawClusters(90, 9, partners, rng)
    const population = drawPopulation(90, rng)
    const answers = expectedAnswers(clusters, population, selectivities(200))
    const instance = { clusters, population, answers }
    const graph = complete(clusters.members.length)
    assertAlike(loadsOf({ ...instance, topology: { graph, ttl: 1 } }), loadsOf({ ...instance, topology: 'complete' }))
  }
})

test('a second partner halves what queries cost, doubles what joins cost, and has four links for one', () => {
  const still = { files: new Float64Array(12), joinRates: new Float64Array(12) }
  const at = (partners: number, population = still): Loads =>
    loadsOf({ clusters: evenClusters(3, 4, partners), population, answers: sameAnswers(3), topology: 'complete' })
  const [one, two] = [at(1), at(2)]
  // 36 queries of three among super-peers; 9 and 6 clients
  const wire = (clients: number): number => 9.26e-3 * (12 * (94 * 2 + 364 * 2) + clients * (94 + 364 * 3))
  assertNear(one.aggregate.bandwidth, 2 * (wire(9) + 9 * 1.85e-3 * 152), 'one')
  // six clients tell two, and each of the six super-peers tells its partner
  assertNear(two.aggregate.bandwidth, 2 * (wire(6) + (6 * 2 + 6) * 1.85e-3 * 152), 'two')
  const busy = { files: new Float64Array(12).fill(100), joinRates: new Float64Array(12).fill(0.01) }
  const joins = (partners: number): number => at(partners, busy).aggregate.bandwidth - at(partners).aggregate.bandwidth
  assertNear(joins(1), 2 * 9 * 0.01 * 7_280, 'joins')
  assertNear(joins(2), 2 * 18 * 0.01 * 7_280, 'joins')
})

test('what a cluster answers, by hand', () => {
  const clusters = evenClusters(2, 2)
  const population = { files: Float64Array.of(1, 2, 0, 0), joinRates: new Float64Array(4) }
  const { messages, addresses, results } = expectedAnswers(clusters, population, Float64Array.of(0.5, 0.25))
  assertNear(messages[0]!, 1 - (0.5 ** 3 + 0.75 ** 3) / 2, 'a response')
  assertNear(addresses[0]!, 1 - (0.5 + 0.75) / 2 + (1 - (0.5 ** 2 + 0.75 ** 2) / 2), 'addresses')
  assertNear(results[0]!, 3 * 0.375, 'results')
  assert.deepEqual([messages[1], addresses[1], results[1]], [0, 0, 0])
  assert.throws(() => selectivities(0.01), RangeError)
})

test('the population and the clusters are as measured, and follow from the seed', () => {
  const { files, joinRates } = drawPopulation(10_000, seededRng(1))
  const share = (is: (count: number) => boolean): number => files.filter(is).length / files.length
  assert.equal(
    share(count => count === 0),
    0.25
  )
  assert.ok(Math.abs(share(count => count <= 100) - 0.75) < 0.01)
  assert.ok(Math.abs(share(count => count > 1_000) - 0.07) < 0.01)
  const perJoin = 9.26e-3 / (joinRates.reduce((sum, rate) => sum + rate, 0) / 10_000)
  assert.ok(perJoin > 9 && perJoin < 12, `${perJoin} queries a join`)
  const clusters = drawClusters(10_000, 10, 2, seededRng(1))
  assert.equal(clusters.members.length, 1_000)
  assert.deepEqual(
    clusters.members.flatMap(mine => [...mine]).sort((a, b) => a - b),
    Array.from({ length: 10_000 }, (_, i) => i)
  )
  for (const [cluster, mine] of clusters.members.entries()) {
    assert.ok(mine.length >= 2 && mine.length < 20)
    for (const peer of mine) assert.equal(clusters.clusterOf[peer], cluster)
  }
  const answers = expectedAnswers(clusters, { files, joinRates }, selectivities(files.reduce((a, b) => a + b) / 10_000))
  assertNear(answers.results.reduce((a, b) => a + b) / 10_000, RESULTS_A_PEER, 'results a peer')
  assert.deepEqual(drawClusters(10_000, 10, 2, seededRng(1)), clusters)
  assert.notDeepEqual(drawClusters(10_000, 10, 2, seededRng(2)), clusters)
  assert.throws(() => drawClusters(10, 1, 2, seededRng(1)), RangeError)
})

test('given queries on a ring of clusters, byte by byte', () => {
  const network = { clusters: evenClusters(6, 3), graph: ring(6), ttl: 2 }
  // a client of cluster 0 asks; itself, two peers next door, one two hops off, one out of reach
  const hits = new Map([
    [1, 4],
    [2, 1],
    [3, 2],
    [5, 1],
    [12, 3],
    [9, 5],
    [13, 0]
  ])
  const cost = costOfWorkload(network, [{ from: 1, hits, length: 20 }])
  const [near, next, far] = [80 + 28 + 76, 80 + 2 * 28 + 3 * 76, 80 + 28 + 3 * 76]
  assert.deepEqual(cost.query, {
    queryBytes: 102 * (1 + 4),
    responseBytes: near + next * 2 + far * 3,
    queryMessages: 5,
    responseMessages: 6,
    results: 7,
    holders: 4,
    hops: 2,
    peersReached: 15
  })
  assert.equal(cost.bytesPerQuery, cost.query.queryBytes + cost.query.responseBytes)
  assert.equal(cost.messagesPerQuery, 11)
  assert.equal(cost.recall, 7 / 12)
  assert.equal(cost.holderRecall, 4 / 5)
  assert.deepEqual(
    [...cost.superBytes],
    [102 * 3 + near + 2 * next + 2 * far, 102 * 2 + next, 102, 0, 102 + far, 102 * 2 + 2 * far]
  )
  // a super-peer asks for what it has itself: two queries, of which one costs nothing back
  const own = costOfWorkload(network, [
    { from: 0, hits: new Map([[1, 1]]) },
    { from: 0, hits: new Map() }
  ])
  assert.deepEqual([own.query.results, own.query.responseBytes, own.query.queryBytes], [0.5, 0, 94 * 4])
  assert.equal(own.recall, 1)
  assert.throws(() => costOfWorkload(network, []), RangeError)
  assert.equal(
    joinBytes(network, peer => peer),
    12 * 80 + 72 * (1 + 2 + 4 + 5 + 7 + 8 + 10 + 11 + 13 + 14 + 16 + 17)
  )
})

test('the redesign reaches three thousand peers over two hops, alike for a seed', () => {
  const network = redesign(20_000, seededRng(4))
  const queries = Array.from({ length: 50 }, (_, i) => ({ from: i * 399, hits: new Map([[i * 7 + 1, 1]]) }))
  const cost = costOfWorkload(network, queries)
  assert.ok(Math.abs(cost.query.peersReached - 3_000) < 150, `${cost.query.peersReached}`)
  assert.deepEqual(costOfWorkload(redesign(20_000, seededRng(4)), queries), cost)
  assert.notDeepEqual(costOfWorkload(redesign(20_000, seededRng(5)), queries), cost)
  // so many over three hops as 18·17·17 links of 2,000 clusters find, and everybody over four
  const third = costOfWorkload({ ...network, ttl: 3 }, queries).query.peersReached / 20_000
  assert.ok(third > 0.92 && third < 0.95, `${third}`)
  assert.equal(costOfWorkload({ ...network, ttl: 4 }, queries).recall, 1)
  // fewer clusters than neighbours: all linked with all
  assert.equal(costOfWorkload(redesign(50, seededRng(1)), [{ from: 0, hits: new Map([[1, 1]]) }]).recall, 1)
})
