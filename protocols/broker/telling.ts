import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import type { Agenda, Appointment } from './agenda.ts'
import { type BrokerConfig, brokerLimits } from './config.ts'
import type { ItemName, OwnLease } from './fields.ts'
import type { Lease, LeaseDigest } from './lease.ts'
import type { ItemKey } from './order.ts'
import type { Outbox } from './outbox.ts'

/** What there is to tell: leases of the items that are hosted here, and who is to hear of each. */
export interface Told {
  leaseOf(key: ItemKey): Lease | undefined
  /** Of all items of which this peer is a broker. */
  leasesFor(broker: Peer): Lease[]
  digestFor(broker: Peer): LeaseDigest
  /** Brokers of any item that is hosted here. */
  brokers(): Set<Peer>
  /** Items whose lease has to be signed anew, and who has to get it. */
  ageing(): Iterable<readonly [ItemKey, readonly Peer[]]>
}

interface Changes {
  readonly leases: Set<ItemKey>
  readonly gone: ItemName[]
  appointment: Appointment | undefined
}

/** How brokers hear of leases: of each change at once, and at rest by one short message each third of a lease. */
export class Telling {
  readonly #config: BrokerConfig
  readonly #outbox: Outbox
  readonly #agenda: Agenda
  readonly #rng: Rng
  readonly #told: Told
  readonly #changes = new Map<Peer, Changes>() // BOUNDED by the brokers of what is hosted, each until it is told

  constructor(init: { config: BrokerConfig; outbox: Outbox; agenda: Agenda; rng: Rng; told: Told }) {
    this.#config = init.config
    this.#outbox = init.outbox
    this.#agenda = init.agenda
    this.#rng = init.rng
    this.#told = init.told
  }

  /** Renews for as long as the node runs. */
  start(): void {
    const { now } = this.#outbox
    this.#agenda.at(now, now + (this.#config.leaseMs / 3) * (0.8 + this.#rng.unit() / 5), () => {
      for (const [key, brokers] of this.#told.ageing()) for (const broker of brokers) this.changed(key, broker)
      for (const broker of this.#told.brokers()) this.confirm(broker)
      this.start()
    })
  }

  changed(key: ItemKey, broker: Peer): void {
    this.#changesFor(broker).leases.add(key)
  }

  gone(item: ItemName, key: ItemKey, broker: Peer): void {
    const changes = this.#changesFor(broker)
    changes.leases.delete(key)
    changes.gone.push(item)
  }

  /** That everything is as it was told, if there is anything. */
  confirm(broker: Peer): void {
    this.#flush(broker)
    const digest = this.#told.digestFor(broker)
    if (digest.count > 0) this.#outbox.send(broker, { type: 'still', digest })
  }

  /** Everything, in parts. */
  report(broker: Peer, id: number): void {
    this.#forget(broker)
    const leases = this.#told.leasesFor(broker).map(ownOf)
    const total = leases.length
    const { maxBatch } = brokerLimits
    for (let at = 0; at === 0 || at < total; at += maxBatch) {
      const part = { type: 'leases', report: id, leases: leases.slice(at, at + maxBatch), gone: [] } as const
      this.#outbox.send(broker, at + maxBatch < total ? part : { ...part, total })
    }
  }

  #changesFor(broker: Peer): Changes {
    let changes = this.#changes.get(broker)
    if (changes === undefined) {
      changes = { leases: new Set(), gone: [], appointment: undefined }
      this.#changes.set(broker, changes)
      const { now } = this.#outbox
      changes.appointment = this.#agenda.at(now, now + this.#config.gatherMs, () => this.#flush(broker))
    }
    return changes
  }

  #forget(broker: Peer): Changes | undefined {
    const changes = this.#changes.get(broker)
    if (changes === undefined) return undefined
    this.#agenda.cancel(changes.appointment)
    this.#changes.delete(broker)
    return changes
  }

  #flush(broker: Peer): void {
    const changes = this.#forget(broker)
    if (changes === undefined) return
    const leases = [...changes.leases].map(key => this.#told.leaseOf(key)).filter(lease => lease !== undefined)
    const { gone } = changes
    const { maxBatch } = brokerLimits
    for (let at = 0; at < Math.max(leases.length, gone.length); at += maxBatch) {
      this.#outbox.send(broker, {
        type: 'leases',
        report: 0,
        leases: leases.slice(at, at + maxBatch).map(ownOf),
        gone: gone.slice(at, at + maxBatch)
      })
    }
  }
}

/** A lease without its host, who is the sender. */
export function ownOf({ host: _, ...lease }: Lease): OwnLease {
  return lease
}
