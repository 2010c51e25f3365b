import type { Rng } from '../../protocols/core/rng.ts'
import { type Graph, graphOf } from './graph.ts'

/** Given topologies, each a function of its numbers and the generator. */

/** Erdős–Rényi: each pair of nodes is linked with probability `p`, P[<u,v>] = p. */
export function randomGraph(size: number, p: number, rng: Rng): Graph {
  if (!(p >= 0 && p < 1)) throw new RangeError(`an edge probability of ${p}`)
  const ends: number[] = []
  if (p > 0) {
    // jumps from one edge to the next: the work is that of the edges, not of the pairs (Batagelj and Brandes 2005)
    const log = Math.log1p(-p)
    let v = 1
    let w = -1
    for (;;) {
      w += 1 + Math.floor(Math.log1p(-rng.unit()) / log)
      while (w >= v && v < size) w -= v++
      if (v >= size) break
      ends.push(v, w)
    }
  }
  return graphOf(size, ends)
}

/** Every node has exactly `degree` neighbours. */
export function randomRegular(size: number, degree: number, rng: Rng): Graph {
  if (!(degree >= 0 && degree < size) || (size * degree) % 2 === 1) {
    throw new RangeError(`no graph of ${size} nodes has degree ${degree} everywhere`)
  }
  return withDegrees(new Array<number>(size).fill(degree), rng)
}

/**
 * A power law random graph (Aiello, Chung and Lu 2000): P[degree = k] ∝ k^−τ for k = 1..`most`, with the τ that gives
 * the mean. The degrees are the quantiles of that law, so that all graphs of a size have the same ones.
 */
export function powerLaw(size: number, mean: number, most: number, rng: Rng): Graph {
  if (!(most < size && mean > 1 && mean < (most + 1) / 2)) {
    throw new RangeError(`no power law of degrees 1..${most} with mean ${mean} among ${size} nodes`)
  }
  let low = 0
  let high = 16
  let degrees: number[] = []
  for (let i = 0; i < 60; i++) {
    const exponent = (low + high) / 2
    degrees = powerLawDegrees(size, exponent, most)
    const sum = degrees.reduce((total, degree) => total + degree, 0)
    if (sum > mean * size) low = exponent
    else high = exponent
  }
  // an edge has two ends
  if (degrees.reduce((total, degree) => total + degree, 0) % 2 === 1) degrees[0]!++
  return withDegrees(degrees, rng)
}

/**
 * A power law by ranks, as Palmer and Steffan's PLOD (2000) hands out its degrees: the node of rank r has about
 * β·r^−`exponent` neighbours and at least one, with the β that gives the mean. Node 0 has the most.
 */
export function rankLaw(size: number, mean: number, exponent: number, rng: Rng): Graph {
  if (!(mean >= 1 && mean < size && exponent >= 0)) {
    throw new RangeError(`no degrees with mean ${mean} and exponent ${exponent} among ${size} nodes`)
  }
  const degreesFor = (most: number): number[] =>
    Array.from({ length: size }, (_, i) => Math.min(size - 1, Math.max(1, Math.round(most * (i + 1) ** -exponent))))
  const endsOf = (degrees: number[]): number => degrees.reduce((total, degree) => total + degree, 0)
  let low = 0
  let high = mean * size ** exponent
  for (let i = 0; i < 60; i++) {
    const most = (low + high) / 2
    if (endsOf(degreesFor(most)) < mean * size) low = most
    else high = most
  }
  const degrees = degreesFor(high)
  // an edge has two ends
  if (endsOf(degrees) % 2 === 1) degrees[size - 1]!++
  return withDegrees(degrees, rng)
}

/** Nodes in rows and columns, linked to those beside them. */
export function grid(columns: number, rows: number): Graph {
  const ends: number[] = []
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const v = y * columns + x
      if (x + 1 < columns) ends.push(v, v + 1)
      if (y + 1 < rows) ends.push(v, v + columns)
    }
  }
  return graphOf(columns * rows, ends)
}

/** Smallest degree first; the last node has `most`. */
function powerLawDegrees(size: number, exponent: number, most: number): number[] {
  const weights = Array.from({ length: most }, (_, i) => (i + 1) ** -exponent)
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const degrees: number[] = []
  let degree = 1
  let below = weights[0] as number
  for (let i = 0; i < size - 1; i++) {
    while (degree < most && below / total < (i + 0.5) / size) below += weights[degree++] as number
    degrees.push(degree)
  }
  degrees.push(most)
  return degrees
}

/** Tries at repairing one bad edge before all are drawn again. */
const MOST_SWAPS = 10_000

/**
 * A random simple graph with these degrees (configuration model): the ends are paired at random, then loops and double
 * edges exchange an end with random other edges until there are none.
 */
function withDegrees(degrees: readonly number[], rng: Rng): Graph {
  const size = degrees.length
  for (;;) {
    const ends = shuffled(
      degrees.flatMap((degree, v) => new Array<number>(degree).fill(v)),
      rng
    )
    if (untangle(ends, size, rng)) return graphOf(size, ends)
  }
}

function untangle(ends: number[], size: number, rng: Rng): boolean {
  const key = (a: number, b: number): number => (a < b ? a * size + b : b * size + a)
  const count = new Map<number, number>()
  const add = (a: number, b: number, by: number): void => {
    count.set(key(a, b), (count.get(key(a, b)) ?? 0) + by)
  }
  for (let i = 0; i < ends.length; i += 2) add(ends[i] as number, ends[i + 1] as number, 1)
  const isBad = (i: number): boolean => ends[i] === ends[i + 1] || count.get(key(ends[i]!, ends[i + 1]!))! > 1
  for (let i = 0; i < ends.length; i += 2) {
    for (let tries = 0; isBad(i); tries++) {
      if (tries === MOST_SWAPS) return false
      const j = 2 * rng.below(ends.length / 2)
      const [a, b, c, d] = [ends[i]!, ends[i + 1]!, ends[j]!, ends[j + 1]!]
      // to become a–d and c–b, both new
      if (j === i || a === d || c === b || (count.get(key(a, d)) ?? 0) > 0 || (count.get(key(c, b)) ?? 0) > 0) continue
      if (key(a, d) === key(c, b)) continue
      add(a, b, -1)
      add(c, d, -1)
      add(a, d, 1)
      add(c, b, 1)
      ends[i + 1] = d
      ends[j + 1] = b
    }
  }
  return true
}

function shuffled(items: number[], rng: Rng): number[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = rng.below(i + 1)
    const item = items[i] as number
    items[i] = items[j] as number
    items[j] = item
  }
  return items
}
