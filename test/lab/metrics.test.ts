import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRng } from '../../protocols/core/rng.ts'
import { edgesOf, type Graph, graphOf } from '../../src/lab/graph.ts'
import {
  BreadthFirst,
  clustering,
  components,
  degrees,
  giantShare,
  meanReach,
  paths,
  secondEigenvalue
} from '../../src/lab/metrics.ts'

function complete(size: number): Graph {
  const ends: number[] = []
  for (let a = 0; a < size; a++) for (let b = a + 1; b < size; b++) ends.push(a, b)
  return graphOf(size, ends)
}

function ring(size: number): Graph {
  return graphOf(size, Array.from({ length: size }, (_, v) => [v, (v + 1) % size]).flat())
}

/** Degree 3, diameter 2, no triangle; its eigenvalues are 3, 1 and −2. */
const petersen = graphOf(
  10,
  [0, 1, 2, 3, 4].flatMap(i => [i, (i + 1) % 5, i, i + 5, i + 5, ((i + 2) % 5) + 5])
)
/** A triangle with a tail of two, and a node alone. */
const kite = graphOf(6, [0, 1, 1, 2, 2, 0, 2, 3, 3, 4])

const near = (actual: number, expected: number, within = 1e-9): void =>
  assert.ok(Math.abs(actual - expected) <= within, `${actual} is not ${expected}`)

test('edges are there from both ends, and each once', () => {
  assert.deepEqual(edgesOf(kite), [
    [0, 1],
    [0, 2],
    [1, 2],
    [2, 3],
    [3, 4]
  ])
  assert.deepEqual([...kite.targets.subarray(kite.offsets[2], kite.offsets[3])].sort(), [0, 1, 3])
  assert.throws(() => graphOf(2, [0, 2]), RangeError)
})

test('degrees', () => {
  const { mean, deviation, least, most, counts } = degrees(kite)
  near(mean, 10 / 6)
  near(deviation, Math.sqrt(22 / 6 - (10 / 6) ** 2))
  assert.deepEqual([least, most, counts], [0, 3, [1, 1, 3, 1]])
  near(degrees(petersen).deviation, 0)
})

test('clustering', () => {
  near(clustering(complete(5)), 1)
  near(clustering(petersen), 0)
  // 1 for the two ends of the triangle, 1/3 for its third, 0 for the others
  near(clustering(kite), (1 + 1 + 1 / 3) / 6)
})

test('paths', () => {
  assert.deepEqual(paths(complete(5), 5), { mean: 1, eccentricity: 1, longest: 1 })
  const { mean, longest } = paths(petersen, 10)
  near(mean, (3 * 1 + 6 * 2) / 9)
  assert.equal(longest, 2)
  near(paths(ring(7), 7).mean, 2)
  // what cannot be reached does not count
  near(paths(kite, 6).mean, 2 * ((1 + 1 + 2 + 3 + 1 + 2 + 3 + 1 + 2 + 1) / 20))
  assert.deepEqual(new BreadthFirst(kite).levels(4), [1, 1, 1, 2])
})

test('paths from some sources are about those from all', () => {
  near(paths(ring(101), 10, seededRng(1)).mean, paths(ring(101), 101).mean)
})

test('components, and what a flood reaches', () => {
  assert.deepEqual(components(kite), [5, 1])
  near(giantShare([5, 1]), 5 / 6)
  near(meanReach([5, 1]), (5 * 5 + 1) / 36)
  // without its node 2 the kite falls apart
  assert.deepEqual(
    components(kite, node => node !== 2),
    [2, 2, 1]
  )
})

test('the second eigenvalue', () => {
  near(secondEigenvalue(petersen), 1 / 3, 1e-6)
  near(secondEigenvalue(complete(5)), -1 / 4, 1e-6)
  near(secondEigenvalue(ring(8), 500), Math.cos((2 * Math.PI) / 8), 1e-6)
  // two parts: the walk never gets from one to the other
  near(secondEigenvalue(graphOf(6, [0, 1, 1, 2, 2, 0, 3, 4, 4, 5, 5, 3])), 1, 1e-6)
})
