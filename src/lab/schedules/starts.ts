/** All ways to put `members` of `nodes` on the ring that are not turns of each other; the others may join. */
export function startsOf(nodes: number, members: number): number[][] {
  const found = new Map<number, number[]>()
  for (let mask = 0; mask < 1 << nodes; mask++) {
    const list = Array.from({ length: nodes }, (_, i) => i).filter(i => (mask & (1 << i)) !== 0)
    if (list.length !== members || list[0] !== 0) continue
    let least = mask
    for (let turn = 1; turn < nodes; turn++) {
      const turned = ((mask << turn) | (mask >>> (nodes - turn))) & ((1 << nodes) - 1)
      least = Math.min(least, turned)
    }
    if (!found.has(least)) found.set(least, list)
  }
  return [...found.values()]
}
