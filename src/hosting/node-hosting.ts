import type { BrokerCommand, BrokerEvent, Hosted, Offer, Owned } from '../../protocols/broker/index.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import type { Strength } from '../../protocols/superpeer/index.ts'
import type { Library } from '../library/library.ts'
import type { Transfers } from '../transfers/transfers.ts'
import type { HostingStatus } from './api.ts'
import { Auditor, type AuditorParts } from './auditor.ts'
import { Brokering } from './brokering.ts'
import { Hosting } from './hosting.ts'
import { Placements } from './placements.ts'

export interface NodeHostingParts extends Omit<AuditorParts, 'command'> {
  broker: {
    command(command: BrokerCommand): void
    readonly owned: readonly Owned[]
    readonly hosted: readonly Hosted[]
  }
  /** Those who may be brokers now. */
  brokers(): Promise<readonly Peer[]>
  measure(): Strength
  transfers: Transfers
  library: Library
  /** Where hosted items lie. */
  folder: string
  /** Bytes that the user gives. */
  offered: number
  domain: string
}

/** What others keep for this node and this node for others, wired to the broker protocol. */
export class NodeHosting {
  readonly placements: Placements
  readonly #parts: NodeHostingParts
  readonly #hosting: Hosting
  readonly #auditor: Auditor
  readonly #brokering: Brokering

  constructor(parts: NodeHostingParts) {
    const { broker, transfers, library, folder, offered } = parts
    const command = (told: BrokerCommand): void => broker.command(told)
    this.#parts = parts
    this.#hosting = new Hosting({ command, transfers, library, folder, offered })
    this.#auditor = new Auditor({ ...parts, command })
    this.#brokering = new Brokering({ command, brokers: () => parts.brokers(), offer: () => this.#offer() })
    this.placements = new Placements({
      ready: () => this.#brokering.ready(),
      command,
      owned: () => broker.owned,
      library
    })
  }

  start(): void {
    this.#brokering.start()
  }

  async stop(): Promise<void> {
    await this.#brokering.stop()
    await this.#hosting.close()
  }

  /** Somebody who may be a broker has come or gone. */
  brokersChanged(): void {
    this.#brokering.changed()
  }

  /** What this node shares, and so what it hosts, has changed. */
  libraryChanged(): void {
    const held = this.#parts.broker.hosted.filter(({ state }) => state !== 'fetching')
    this.#hosting.check(new Set(held.map(({ order }) => order.infohash)))
  }

  get status(): HostingStatus {
    const items = new Map(this.#parts.broker.hosted.map(({ order }) => [order.infohash, order.size]))
    const used = items.values().reduce((sum, size) => sum + size, 0)
    return { offered: this.#parts.offered, used, items: items.size }
  }

  onEvent(event: BrokerEvent): void {
    switch (event.type) {
      case 'fetch':
        this.#hosting.fetch(event)
        return
      case 'release':
        void this.#hosting.release(event.infohash).catch(() => {})
        return
      case 'audit':
        void this.#auditor.audit(event)
        return
      case 'leftHosting':
        return
      default:
        this.placements.onEvent(event)
    }
  }

  async #offer(): Promise<Offer> {
    const { used } = this.status
    const { uptimeMs, uploadBytesPerS, load } = this.#parts.measure()
    const bytes = await this.#hosting.room(used)
    return { bytes, usedBytes: used, uptimeMs, uploadBytesPerS, load, domain: this.#parts.domain }
  }
}
