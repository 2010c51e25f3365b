/**
 * An undirected graph in typed arrays: the neighbours of node `v` are `targets[offsets[v]]` up to
 * `targets[offsets[v + 1] - 1]`. Nodes are 0..size-1; every edge is there from both of its ends.
 */
export interface Graph {
  readonly size: number
  readonly offsets: Int32Array
  readonly targets: Int32Array
}

/** @param ends the two ends of each edge, one edge after the other; each edge once, without loops */
export function graphOf(size: number, ends: ArrayLike<number>): Graph {
  const offsets = new Int32Array(size + 1)
  for (let i = 0; i < ends.length; i++) {
    const end = ends[i] as number
    if (!(end >= 0 && end < size)) throw new RangeError(`node ${end} is not in 0..${size - 1}`)
    offsets[end + 1]!++
  }
  for (let v = 0; v < size; v++) offsets[v + 1]! += offsets[v] as number
  const targets = new Int32Array(ends.length)
  const next = offsets.slice()
  for (let i = 0; i < ends.length; i += 2) {
    const a = ends[i] as number
    const b = ends[i + 1] as number
    targets[next[a]!++] = b
    targets[next[b]!++] = a
  }
  return { size, offsets, targets }
}

export function degreeOf(graph: Graph, node: number): number {
  return (graph.offsets[node + 1] as number) - (graph.offsets[node] as number)
}

/** Each edge once, the smaller node first. */
export function edgesOf({ size, offsets, targets }: Graph): [number, number][] {
  const edges: [number, number][] = []
  for (let v = 0; v < size; v++) {
    for (let i = offsets[v] as number; i < (offsets[v + 1] as number); i++) {
      if (v < (targets[i] as number)) edges.push([v, targets[i] as number])
    }
  }
  return edges
}
