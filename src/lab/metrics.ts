import { type Rng, seededRng } from '../../protocols/core/rng.ts'
import { degreeOf, type Graph } from './graph.ts'

/** What is asked of a graph. Everything is a function of the graph, and of the generator where a sample is drawn. */

export interface Degrees {
  mean: number
  /** Standard deviation. */
  deviation: number
  least: number
  most: number
  /** How many nodes have the degree that is the index. */
  counts: number[]
}

export function degrees(graph: Graph): Degrees {
  const counts: number[] = []
  let sum = 0
  let squares = 0
  for (let v = 0; v < graph.size; v++) {
    const degree = degreeOf(graph, v)
    while (counts.length <= degree) counts.push(0)
    counts[degree]!++
    sum += degree
    squares += degree * degree
  }
  const mean = graph.size === 0 ? 0 : sum / graph.size
  const deviation = graph.size === 0 ? 0 : Math.sqrt(Math.max(0, squares / graph.size - mean * mean))
  const least = Math.max(
    0,
    counts.findIndex(count => count > 0)
  )
  return { mean, deviation, least, most: Math.max(0, counts.length - 1), counts }
}

/**
 * The share of a node's pairs of neighbours that are neighbours of one another, mean over all nodes (Watts and Strogatz
 * 1998). A node with fewer than two neighbours counts as 0.
 */
export function clustering(graph: Graph): number {
  const { size, offsets, targets } = graph
  const mark = new Int32Array(size).fill(-1)
  let sum = 0
  for (let v = 0; v < size; v++) {
    const degree = degreeOf(graph, v)
    if (degree < 2) continue
    const from = offsets[v] as number
    const to = offsets[v + 1] as number
    for (let i = from; i < to; i++) mark[targets[i] as number] = v
    // each edge between two neighbours is seen from both of its ends
    let seen = 0
    for (let i = from; i < to; i++) {
      const neighbour = targets[i] as number
      const last = offsets[neighbour + 1] as number
      for (let j = offsets[neighbour] as number; j < last; j++) if (mark[targets[j] as number] === v) seen++
    }
    sum += seen / (degree * (degree - 1))
  }
  return size === 0 ? 0 : sum / size
}

export interface Paths {
  /** Mean number of edges between two nodes that can reach one another. */
  mean: number
  /** How far the farthest node is, mean over the sources. */
  eccentricity: number
  /** The longest that was seen: a lower bound of the diameter unless all sources were taken. */
  longest: number
}

/** Shortest paths from `sources` nodes, drawn at random; from all when there are no more. */
export function paths(graph: Graph, sources: number, rng: Rng = seededRng(0)): Paths {
  const { size } = graph
  const chosen = sources >= size ? Array.from({ length: size }, (_, v) => v) : rng.sample(range(size), sources)
  const search = new BreadthFirst(graph)
  let sum = 0
  let pairs = 0
  let depths = 0
  let longest = 0
  for (const source of chosen) {
    const levels = search.levels(source)
    for (let depth = 1; depth < levels.length; depth++) {
      sum += depth * (levels[depth] as number)
      pairs += levels[depth] as number
    }
    depths += levels.length - 1
    longest = Math.max(longest, levels.length - 1)
  }
  const count = Math.max(1, chosen.length)
  return { mean: pairs === 0 ? 0 : sum / pairs, eccentricity: depths / count, longest }
}

export class BreadthFirst {
  readonly #graph: Graph
  readonly #seen: Int32Array
  readonly #queue: Int32Array
  #round = 0

  constructor(graph: Graph) {
    this.#graph = graph
    this.#seen = new Int32Array(graph.size)
    this.#queue = new Int32Array(graph.size)
  }

  /** How many nodes are 0, 1, 2 … edges away from the source. */
  levels(source: number): number[] {
    const { offsets, targets } = this.#graph
    const seen = this.#seen
    const queue = this.#queue
    const round = ++this.#round
    const levels: number[] = []
    seen[source] = round
    queue[0] = source
    let head = 0
    let tail = 1
    while (head < tail) {
      const end = tail
      levels.push(end - head)
      for (; head < end; head++) {
        const v = queue[head] as number
        const last = offsets[v + 1] as number
        for (let i = offsets[v] as number; i < last; i++) {
          const next = targets[i] as number
          if (seen[next] === round) continue
          seen[next] = round
          queue[tail++] = next
        }
      }
    }
    return levels
  }
}

/** Sizes of the connected components, largest first. `include` leaves out the nodes for which it is false. */
export function components(graph: Graph, include: (node: number) => boolean = () => true): number[] {
  const { size, offsets, targets } = graph
  const seen = new Uint8Array(size)
  const stack = new Int32Array(size)
  for (let v = 0; v < size; v++) if (!include(v)) seen[v] = 1
  const sizes: number[] = []
  for (let start = 0; start < size; start++) {
    if (seen[start] === 1) continue
    seen[start] = 1
    stack[0] = start
    let top = 1
    let count = 0
    while (top > 0) {
      const v = stack[--top] as number
      count++
      const last = offsets[v + 1] as number
      for (let i = offsets[v] as number; i < last; i++) {
        const next = targets[i] as number
        if (seen[next] === 1) continue
        seen[next] = 1
        stack[top++] = next
      }
    }
    sizes.push(count)
  }
  return sizes.sort((a, b) => b - a)
}

/** The share of all nodes that are in the largest component. */
export function giantShare(sizes: readonly number[]): number {
  const total = sizes.reduce((sum, size) => sum + size, 0)
  return total === 0 ? 0 : (sizes[0] as number) / total
}

/**
 * The share of all nodes that a flood without a limit reaches, mean over all nodes that may begin it: exactly what many
 * broadcasts from random nodes would come to. A node reaches its own component and nothing else.
 */
export function meanReach(sizes: readonly number[]): number {
  const total = sizes.reduce((sum, size) => sum + size, 0)
  return total === 0 ? 0 : sizes.reduce((sum, size) => sum + size * size, 0) / (total * total)
}

/**
 * The second largest eigenvalue of the random walk on a connected graph, by power iteration; 1 minus it is the spectral
 * gap. A random d-regular graph has about 2√(d−1)/d (Friedman 2008), and no large graph of degree d can have less.
 */
export function secondEigenvalue(graph: Graph, iterations = 200, rng: Rng = seededRng(0)): number {
  const { size, offsets, targets } = graph
  const root = new Float64Array(size)
  let norm = 0
  for (let v = 0; v < size; v++) {
    root[v] = Math.sqrt(degreeOf(graph, v))
    norm += degreeOf(graph, v)
  }
  if (size < 2 || norm === 0) return 0
  for (let v = 0; v < size; v++) root[v] = (root[v] as number) / Math.sqrt(norm)
  const degree = (v: number): number => Math.max(1, degreeOf(graph, v))
  let x: Float64Array = Float64Array.from({ length: size }, () => rng.unit() - 0.5)
  let eigenvalue = 0
  for (let step = 0; step < iterations; step++) {
    // away from the first eigenvector, whose entries are the roots of the degrees
    let along = 0
    for (let v = 0; v < size; v++) along += (x[v] as number) * (root[v] as number)
    let length = 0
    for (let v = 0; v < size; v++) {
      x[v]! -= along * (root[v] as number)
      length += (x[v] as number) ** 2
    }
    if (length === 0) return 0
    const scale = 1 / Math.sqrt(length)
    for (let v = 0; v < size; v++) x[v]! *= scale
    const y = new Float64Array(size)
    let product = 0
    for (let v = 0; v < size; v++) {
      let sum = 0
      for (let i = offsets[v] as number; i < (offsets[v + 1] as number); i++) {
        const u = targets[i] as number
        sum += (x[u] as number) / Math.sqrt(degree(u) * degree(v))
      }
      product += sum * (x[v] as number)
      // half of the walk stays where it is: then the largest eigenvalue is also the largest in size
      y[v] = (sum + (x[v] as number)) / 2
    }
    eigenvalue = product
    x = y
  }
  return eigenvalue
}

function range(size: number): number[] {
  return Array.from({ length: size }, (_, i) => i)
}
