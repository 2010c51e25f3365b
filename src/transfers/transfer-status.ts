import type { Peer } from '../../protocols/core/peer.ts'
import { ContentError } from '../../protocols/exchange/content.ts'
import type { SwarmStats } from '../../protocols/exchange/swarm-events.ts'
import type { SourceStatus, TransferStatus } from '../api.ts'
import { asShoalError, type ErrorCode, ShoalError } from '../errors.ts'
import type { BegunTransfer } from '../library/content/transfer-state.ts'

/** A transfer that is not running, as it was left. */
export function statusOfBegun({ id, name, folder, size, bytesDone, problem }: BegunTransfer): TransferStatus {
  return {
    id,
    name,
    path: folder,
    state: problem === undefined ? 'paused' : 'failed',
    size,
    bytesDone,
    rate: 0,
    sources: [],
    ...(problem === undefined ? {} : { reason: problem.message }),
    next: adviceOn(id, problem)
  }
}

/** What can be done about a transfer that does not run. */
export function adviceOn(id: string, problem: { next: string } | undefined): string {
  const goOn = `\`shoal get ${id}\` goes on, \`shoal forget ${id}\` drops it.`
  return problem === undefined ? goOn : `${problem.next} ${goOn}`
}

/** Everyone who sent something, most first: those who left and those who are there. */
export function sourcesOf(stats: SwarmStats | undefined): SourceStatus[] {
  if (stats === undefined) return []
  const sources = new Map<Peer, SourceStatus>()
  for (const { peer, goodBytes } of stats.pastSources) {
    sources.set(peer, { peerId: peer as string, bytes: goodBytes, rate: 0 })
  }
  for (const { peer, goodBytes, down } of stats.peers) {
    const past = sources.get(peer)?.bytes ?? 0
    sources.set(peer, { peerId: peer as string, bytes: past + goodBytes, rate: Math.round(down) })
  }
  return [...sources.values()].sort((a, b) => b.bytes - a.bytes)
}

/** Why nothing comes. */
export function stallOf({ peers }: SwarmStats, knownHolders: number): string {
  if (peers.length === 0) {
    if (knownHolders === 0) return 'nobody who has it has been found yet'
    return knownHolders === 1
      ? 'the only known holder cannot be reached'
      : `none of the ${knownHolders} known holders can be reached`
  }
  if (peers.every(({ isInteresting }) => !isInteresting)) return 'the connected peers have none of what is missing'
  if (peers.every(({ isChoking }) => isChoking)) return 'all holders are busy with others: waiting for a turn'
  return 'the holders send nothing'
}

const CODES: Record<ContentError['code'], ErrorCode> = {
  DISK_FULL: 'DISK_FULL',
  NOT_WRITABLE: 'PERMISSION',
  CONTENT_CHANGED: 'IO_FAILED',
  CONTENT_GONE: 'IO_FAILED',
  IO_FAILED: 'IO_FAILED'
}

/** What content threw, as an error for users. */
export function asTransferError(thrown: unknown): ShoalError {
  if (thrown instanceof ContentError) return new ShoalError(CODES[thrown.code], thrown.message, { cause: thrown })
  return asShoalError(thrown)
}
