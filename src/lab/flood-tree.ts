import { degreeOf, type Graph } from './graph.ts'

/**
 * Floods of a graph without machines: who is reached over which neighbour, and what is sent. Each hop takes as long as any
 * other; who gets the query for the first time hands it to all neighbours but the one that it came from, as long as hops
 * are left. One tree is used for many floods: its arrays hold the last one.
 */
export class FloodTree {
  readonly graph: Graph
  /** Who is reached, the source first and nearer nodes before farther ones: the first `reached` entries. */
  readonly order: Int32Array
  /** Who the query came from; the source itself for the source. */
  readonly parent: Int32Array
  /** Hops from the source; -1 for who is not reached. */
  readonly depth: Int32Array
  /** How often the query came, duplicates with it. */
  readonly received: Int32Array
  reached = 0
  #ttl = 0

  constructor(graph: Graph) {
    const { size } = graph
    this.graph = graph
    this.order = new Int32Array(size)
    this.parent = new Int32Array(size)
    this.depth = new Int32Array(size).fill(-1)
    this.received = new Int32Array(size)
  }

  /** @param ttl the most hops that the query goes */
  flood(source: number, ttl: number): void {
    const { order, parent, depth, received } = this
    const { offsets, targets } = this.graph
    for (let i = 0; i < this.reached; i++) {
      const node = order[i]!
      depth[node] = -1
      received[node] = 0
    }
    this.#ttl = ttl
    order[0] = source
    parent[source] = source
    depth[source] = 0
    let end = 1
    for (let i = 0; i < end; i++) {
      const node = order[i]!
      const next = depth[node]! + 1
      if (next > ttl) break
      const from = parent[node]!
      for (let at = offsets[node]!; at < offsets[node + 1]!; at++) {
        const neighbour = targets[at]!
        if (neighbour === from) continue
        received[neighbour]!++
        if (depth[neighbour]! >= 0) continue
        depth[neighbour] = next
        parent[neighbour] = node
        order[end++] = neighbour
      }
    }
    this.reached = end
  }

  /** Copies of the query that a reached node sends. */
  sent(node: number): number {
    if (this.depth[node]! >= this.#ttl) return 0
    return degreeOf(this.graph, node) - (this.depth[node] === 0 ? 0 : 1)
  }
}
