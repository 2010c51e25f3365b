import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRng } from '../../protocols/core/rng.ts'
import { degreeOf, edgesOf, type Graph } from '../../src/lab/graph.ts'
import { components, degrees, giantShare } from '../../src/lab/metrics.ts'
import { grid, powerLaw, randomGraph, randomRegular, rankLaw } from '../../src/lab/topologies.ts'

function assertSimple(graph: Graph): void {
  const edges = edgesOf(graph)
  assert.equal(edges.length * 2, graph.targets.length, 'no loops')
  assert.equal(new Set(edges.map(String)).size, edges.length, 'no edge twice')
}

test('a random graph has the edges that its probability says', () => {
  const size = 2_000
  const p = 4.09 / (size - 1)
  const graph = randomGraph(size, p, seededRng(1))
  assertSimple(graph)
  const pairs = (size * (size - 1)) / 2
  const edges = edgesOf(graph).length
  // four standard deviations of a binomial
  assert.ok(Math.abs(edges - p * pairs) < 4 * Math.sqrt(pairs * p * (1 - p)), `${edges} edges`)
  const { deviation, most } = degrees(graph)
  assert.ok(Math.abs(deviation - Math.sqrt(4.09)) < 0.15, `deviation ${deviation}`)
  assert.ok(most >= 9 && most <= 17, `largest degree ${most}`)
  assert.ok(giantShare(components(graph)) > 0.96)
})

test('every pair is an edge equally often', () => {
  const counts = new Map<string, number>()
  const rng = seededRng(2)
  for (let i = 0; i < 3_000; i++) {
    for (const edge of edgesOf(randomGraph(5, 0.3, rng))) counts.set(String(edge), (counts.get(String(edge)) ?? 0) + 1)
  }
  assert.equal(counts.size, 10)
  for (const [edge, count] of counts) assert.ok(Math.abs(count - 900) < 4 * Math.sqrt(630), `${edge}: ${count}`)
})

test('the ends of the probability', () => {
  assert.equal(edgesOf(randomGraph(10, 0, seededRng(1))).length, 0)
  assert.throws(() => randomGraph(10, 1, seededRng(1)), RangeError)
})

test('a random regular graph is simple, regular and connected', () => {
  for (const [size, degree] of [
    [1_000, 5],
    [100, 33],
    [6, 5]
  ] as const) {
    const graph = randomRegular(size, degree, seededRng(3))
    assertSimple(graph)
    assert.deepEqual(degrees(graph).counts[degree], size)
    assert.equal(components(graph).length, 1)
  }
  assert.throws(() => randomRegular(5, 3, seededRng(1)), RangeError)
})

test('a power law has the mean, the largest degree and the shape of the crawl', () => {
  const graph = powerLaw(9_230, 4.46, 1_746, seededRng(4))
  assertSimple(graph)
  const { mean, most, counts } = degrees(graph)
  assert.ok(Math.abs(mean - 4.46) < 0.02, `mean ${mean}`)
  assert.equal(most, 1_746)
  // the exponent from the counts of 1 and 8: about two
  const exponent = Math.log((counts[1] as number) / (counts[8] as number)) / Math.log(8)
  assert.ok(exponent > 1.7 && exponent < 2.2, `exponent ${exponent}`)
})

test('a power law by ranks has the mean and the degrees of its ranks', () => {
  const graph = rankLaw(5_000, 3.1, 0.33, seededRng(5))
  assertSimple(graph)
  const { mean, most, counts } = degrees(graph)
  assert.ok(Math.abs(mean - 3.1) < 0.01, `mean ${mean}`)
  assert.equal(counts[0], 0)
  assert.equal(degreeOf(graph, 0), most)
  // the hundredth has 100^-0.33 of the first's
  assert.ok(Math.abs(degreeOf(graph, 99) / most - 100 ** -0.33) < 0.03)
  assert.equal(degrees(rankLaw(30, 4, 0, seededRng(1))).counts[4], 30)
  assert.throws(() => rankLaw(5, 5, 0.3, seededRng(1)), RangeError)
})

test('a grid', () => {
  const graph = grid(4, 3)
  assert.deepEqual(degrees(graph).counts, [0, 0, 4, 6, 2])
  assertSimple(graph)
})

test('the seed is all that counts', () => {
  for (const make of [
    (seed: number) => randomGraph(100, 0.05, seededRng(seed)),
    (seed: number) => randomRegular(100, 5, seededRng(seed)),
    (seed: number) => powerLaw(200, 4, 50, seededRng(seed)),
    (seed: number) => rankLaw(200, 3.1, 0.33, seededRng(seed))
  ]) {
    assert.deepEqual(make(7), make(7))
    assert.notDeepEqual(make(7), make(8))
  }
})
