import { realpath, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { BrokerCommand, BrokerEvent } from '../../protocols/broker/index.ts'
import type { Infohash } from '../../protocols/core/ids.ts'
import { asShoalError, type ErrorCode, ShoalError } from '../errors.ts'
import type { Library } from '../library/library.ts'
import type { Target } from '../transfers/target.ts'
import type { Transfers } from '../transfers/transfers.ts'

export const hostingConfig = {
  /** How often a broker hears that a fetch goes on. */
  reportMs: 60_000,
  /** Free space of the disk that is never given away, bytes. */
  reserveBytes: 1_000_000_000
}

export type FetchOrder = Extract<BrokerEvent, { type: 'fetch' }>

export interface HostingParts {
  command(command: BrokerCommand): void
  transfers: Pick<Transfers, 'fetch' | 'forget' | 'list'>
  library: Pick<Library, 'infoOf' | 'sharesBelow' | 'unshare'>
  /** What is hosted lies below it, each item in a folder that is called by its infohash. */
  folder: string
  /** What the user gives to others, bytes. */
  offered: number
}

/** It is no use to try again. */
const PERMANENT: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['BAD_METAINFO', 'REFUSED', 'DISK_FULL', 'PERMISSION'])

/** Keeps what brokers give to this node for others: fetches it, shares it, deletes it when it is let go. */
export class Hosting {
  readonly #parts: HostingParts
  readonly #running = new Map<Infohash, { abort: AbortController; ended: Promise<void> }>() // BOUNDED by the broker's maxHosted
  #isClosed = false

  constructor(parts: HostingParts) {
    this.#parts = parts
  }

  /** What may be taken: what the user gives, as far as the disk has room for it. @param usedBytes of what is hosted */
  async room(usedBytes: number): Promise<number> {
    const { offered, folder } = this.#parts
    if (offered === 0) return 0
    try {
      const { bavail, bsize } = await statfs(join(folder, '..'))
      return Math.max(Math.min(offered, usedBytes + bavail * bsize - hostingConfig.reserveBytes), 0)
    } catch {
      return 0
    }
  }

  fetch(order: FetchOrder): void {
    const { infohash } = order
    if (this.#isClosed || this.#running.has(infohash)) return
    const abort = new AbortController()
    const ended = this.#fetch(order, abort.signal).finally(() => this.#running.delete(infohash))
    this.#running.set(infohash, { abort, ended })
  }

  /** Deletes what was fetched for others, and nothing that this node shares itself. */
  async release(infohash: Infohash): Promise<void> {
    const { transfers } = this.#parts
    const running = this.#running.get(infohash)
    running?.abort.abort()
    await running?.ended
    if (transfers.list().some(({ id }) => id === infohash)) await transfers.forget(infohash, { delete: true })
    await this.#clear(infohash)
  }

  /** Tells the broker which items are there no more, or are not what they were. */
  check(held: Iterable<Infohash>): void {
    const { library, command } = this.#parts
    for (const infohash of held) {
      if (library.infoOf(infohash) === undefined && !this.#running.has(infohash)) command({ type: 'lost', infohash })
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const { abort } of this.#running.values()) abort.abort()
    await Promise.all([...this.#running.values()].map(({ ended }) => ended))
  }

  async #fetch({ infohash, size, sources }: FetchOrder, signal: AbortSignal): Promise<void> {
    const { transfers, command } = this.#parts
    const target: Target = {
      kind: 'collection',
      infohash,
      leads: { holders: sources.map(String), addresses: [], trackers: [] }
    }
    try {
      // what lies there without a transfer is an earlier copy that was lost or damaged
      if (!transfers.list().some(({ id }) => id === infohash)) await this.#clear(infohash)
      let reportedAt = 0
      for await (const event of transfers.fetch(target, { out: this.#folderOf(infohash), signal })) {
        if (event.type === 'liar') continue
        const { transfer } = event
        if (transfer.size > size) throw new ShoalError('REFUSED', `it has ${transfer.size} bytes, not ${size}`)
        const now = performance.now()
        if (event.type === 'done') command({ type: 'fetched', infohash, bytes: transfer.size })
        else if (now - reportedAt > hostingConfig.reportMs) {
          reportedAt = now
          command({ type: 'fetching', infohash, bytes: transfer.bytesDone })
        }
      }
    } catch (thrown) {
      if (signal.aborted) return
      const { code, message } = asShoalError(thrown)
      command({ type: 'fetchFailed', infohash, reason: message, isPermanent: PERMANENT.has(code) })
    }
  }

  async #clear(infohash: Infohash): Promise<void> {
    const folder = this.#folderOf(infohash)
    const place = await realpath(folder).catch(() => folder)
    const shares = this.#parts.library.sharesBelow(place)
    if (shares.length > 0) await this.#parts.library.unshare(shares)
    await rm(folder, { recursive: true, force: true })
  }

  #folderOf(infohash: Infohash): string {
    return join(this.#parts.folder, infohash)
  }
}
