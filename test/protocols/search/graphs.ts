import type { Rng } from '../../../protocols/core/rng.ts'

/** Undirected edges between the nodes 0..n-1. */
export type Edges = readonly (readonly [number, number])[]

export function ring(n: number): Edges {
  return Array.from({ length: n }, (_, i) => [i, (i + 1) % n] as const)
}

/** Node i hangs below node (i - 1) / children. */
export function tree(n: number, children: number): Edges {
  return Array.from({ length: n - 1 }, (_, i) => [Math.floor(i / children), i + 1] as const)
}

export function complete(n: number): Edges {
  return Array.from({ length: n }, (_, i) => Array.from({ length: i }, (_, j) => [j, i] as const)).flat()
}

/** Every node has exactly `degree` neighbours and can reach all others. `n` times `degree` is even. */
export function randomRegular(n: number, degree: number, rng: Rng): Edges {
  for (;;) {
    const edges = pairing(n, degree, rng)
    if (edges !== undefined && distances(n, edges, 0).every(Number.isFinite)) return edges
  }
}

/** The pairing model, with pairs that do not fit drawn again. */
function pairing(n: number, degree: number, rng: Rng): Edges | undefined {
  const edges = new Map<number, readonly [number, number]>()
  let stubs = Array.from({ length: n * degree }, (_, i) => i % n)
  for (let round = 0; stubs.length > 0; round++) {
    if (round === 200) return undefined
    const shuffled = rng.sample(stubs, stubs.length)
    stubs = []
    for (let i = 0; i < shuffled.length; i += 2) {
      const [a, b] = [Math.min(shuffled[i]!, shuffled[i + 1]!), Math.max(shuffled[i]!, shuffled[i + 1]!)]
      if (a === b || edges.has(a * n + b)) stubs.push(a, b)
      else edges.set(a * n + b, [a, b])
    }
  }
  return [...edges.values()]
}

/** Hops from a node to each; infinite where no way leads. */
export function distances(n: number, edges: Edges, from: number, without: ReadonlySet<number> = new Set()): number[] {
  const next = Array.from({ length: n }, (): number[] => [])
  for (const [a, b] of edges) {
    next[a]!.push(b)
    next[b]!.push(a)
  }
  const hops = new Array<number>(n).fill(Number.POSITIVE_INFINITY)
  hops[from] = 0
  const queue = [from]
  for (const node of queue) {
    for (const other of next[node]!) {
      if (Number.isFinite(hops[other]!) || without.has(other)) continue
      hops[other] = hops[node]! + 1
      queue.push(other)
    }
  }
  return hops
}
