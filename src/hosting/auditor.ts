import { randomInt } from 'node:crypto'
import type { PeerId } from '@libp2p/interface'
import type { BrokerCommand, BrokerEvent } from '../../protocols/broker/index.ts'
import type { FileId } from '../../protocols/core/ids.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import type { MetainfoService } from '../../protocols/metainfo/handler.ts'
import { MetainfoError, type MetainfoFile, parseInfo } from '../../protocols/metainfo/index.ts'
import type { ProofService } from '../../protocols/proof/handler.ts'
import { sha256 } from '../sha256.ts'

/** Longest that the metainfo may take. */
const METAINFO_MS = 30_000
/** Parts of a collection that one is drawn from by its size. */
const DRAWS = 2 ** 32

export type Audit = Extract<BrokerEvent, { type: 'audit' }>

export interface AuditorParts {
  command(command: BrokerCommand): void
  prepare(peer: Peer): Promise<PeerId | undefined>
  metainfo: Pick<MetainfoService, 'fetch'>
  proof: Pick<ProofService, 'ask'>
}

/**
 * Looks whether hosts have what they say: one block of one file, drawn by size, with its path to the infohash. Who cannot
 * be reached has shown nothing, neither good nor bad.
 */
export class Auditor {
  readonly #parts: AuditorParts

  constructor(parts: AuditorParts) {
    this.#parts = parts
  }

  async audit({ host, infohash }: Audit): Promise<void> {
    const { command, prepare, metainfo, proof } = this.#parts
    const told = (ok: boolean): void => command({ type: 'audited', host, infohash, ok })
    try {
      const peer = await prepare(host)
      if (peer === undefined) return
      const info = await metainfo.fetch(peer, infohash, { signal: AbortSignal.timeout(METAINFO_MS) })
      if (info === undefined) {
        told(false)
        return
      }
      const file = drawn(parseInfo(info, sha256).files)
      // a collection of empty files is had with its metainfo
      if (file === undefined) {
        told(true)
        return
      }
      const result = await proof.ask(peer, file)
      if (result.type === 'proven') told(true)
      if (result.type === 'refused' || result.type === 'wrong') told(false)
    } catch (error) {
      // else it broke off: another time
      if (error instanceof MetainfoError) told(false)
    }
  }
}

/** One of the files, by their share of all bytes. */
function drawn(files: readonly MetainfoFile[]): FileId | undefined {
  const total = files.reduce((sum, { length }) => sum + length, 0)
  let place = (randomInt(DRAWS) / DRAWS) * total
  for (const { length, root } of files) {
    if (root === undefined) continue
    place -= length
    if (place < 0) return root
  }
  return undefined
}
