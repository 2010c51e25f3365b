import type { Strength } from './commands.ts'

const HOUR_MS = 3_600_000
const MIB = 1024 * 1024
/** What counts as nothing and as plenty; between them each doubling counts the same. */
const UPTIME_MS = [5 * 60_000, 4 * HOUR_MS] as const
const UPLOAD = [32 * 1024, 2 * MIB] as const
const MEMORY = [64 * MIB, 1024 * MIB] as const

/** Nobody is served well by one that is as busy as this. */
const MOST_LOAD = 0.9

/**
 * How well a node would serve others, 0 to 1; undefined when it cannot at all: others do not reach it, or it has no
 * time, or no memory. How long it has been there counts most: who stayed long will stay (Saroiu et al., MMCN 2002).
 */
export function strengthOf({
  uptimeMs,
  uploadBytesPerS,
  memoryBytes,
  isReachable,
  load
}: Strength): number | undefined {
  if (!isReachable || load >= MOST_LOAD || memoryBytes < MEMORY[0]) return undefined
  const parts = 0.45 * between(uptimeMs, UPTIME_MS) + 0.35 * between(uploadBytesPerS, UPLOAD)
  return (parts + 0.2 * between(memoryBytes, MEMORY)) * (1 - load / 2)
}

function between(value: number, [least, most]: readonly [number, number]): number {
  return Math.min(1, Math.max(0, Math.log2(Math.max(value, 1) / least) / Math.log2(most / least)))
}
