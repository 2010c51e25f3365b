import type { Peer } from '../../../protocols/core/peer.ts'

/** Neighbour lists as a graph, to judge its shape. */
export type Graph = ReadonlyMap<Peer, ReadonlySet<Peer>>

/** Links that only one of their ends lists, or that lead out of the graph. */
export function oneSidedLinks(graph: Graph): string[] {
  return [...graph].flatMap(([peer, neighbours]) =>
    [...neighbours].filter(other => graph.get(other)?.has(peer) !== true).map(other => `${peer} → ${other}`)
  )
}

/** How many peers each connected part has, the largest first. */
export function componentSizes(graph: Graph): number[] {
  const seen = new Set<Peer>()
  const sizes: number[] = []
  for (const start of graph.keys()) {
    if (seen.has(start)) continue
    const before = seen.size
    seen.add(start)
    const queue = [start]
    for (let peer = queue.pop(); peer !== undefined; peer = queue.pop()) {
      for (const other of graph.get(peer) ?? []) {
        if (seen.has(other) || !graph.has(other)) continue
        seen.add(other)
        queue.push(other)
      }
    }
    sizes.push(seen.size - before)
  }
  return sizes.sort((a, b) => b - a)
}

export function meanDegree(graph: Graph): number {
  let links = 0
  for (const neighbours of graph.values()) links += neighbours.size
  return links / graph.size
}

/** Share of the pairs of a peer's neighbours that are neighbours themselves; the mean over all peers. */
export function clustering(graph: Graph): number {
  let sum = 0
  for (const neighbours of graph.values()) {
    const list = [...neighbours]
    const pairs = (list.length * (list.length - 1)) / 2
    const linked = list.reduce((n, a, i) => n + list.slice(i + 1).filter(b => graph.get(a)?.has(b)).length, 0)
    if (pairs > 0) sum += linked / pairs
  }
  return sum / graph.size
}

/** Mean length of the shortest paths from some peers to all that they reach. */
export function meanPath(graph: Graph, from: readonly Peer[]): number {
  let steps = 0
  let reached = 0
  for (const start of from) {
    const seen = new Set([start])
    let ring = [start]
    for (let distance = 1; ring.length > 0; distance++) {
      ring = ring.flatMap(peer => [...(graph.get(peer) ?? [])].filter(other => !seen.has(other) && seen.add(other)))
      steps += distance * ring.length
      reached += ring.length
    }
  }
  return steps / reached
}
