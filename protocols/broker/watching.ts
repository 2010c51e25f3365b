import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import type { Agenda } from './agenda.ts'
import { type BrokerConfig, brokerLimits } from './config.ts'
import type { Hosts } from './hosts.ts'
import type { Watch } from './item.ts'
import type { Items } from './items.ts'
import { type LeaseDigest, leaseDigest } from './lease.ts'
import { isOver } from './order.ts'
import type { Outbox } from './outbox.ts'
import type { Reach } from './reach.ts'

/** How soon after its connection is lost a host is asked whether it is still there: connections close for many reasons. */
const PROBE_MS = 30_000

/** Whether hosts are there, and still have what they said. */
export class Watching {
  readonly #config: BrokerConfig
  readonly #outbox: Outbox
  readonly #agenda: Agenda
  readonly #rng: Rng
  readonly #items: Items
  readonly #hosts: Hosts
  readonly #reach: Reach

  constructor(init: {
    config: BrokerConfig
    outbox: Outbox
    agenda: Agenda
    rng: Rng
    items: Items
    hosts: Hosts
    reach: Reach
  }) {
    this.#config = init.config
    this.#outbox = init.outbox
    this.#agenda = init.agenda
    this.#rng = init.rng
    this.#items = init.items
    this.#hosts = init.hosts
    this.#reach = init.reach
  }

  start(): void {
    const { now } = this.#outbox
    this.#agenda.at(now, now + this.#config.sweepMs, () => {
      this.#sweep()
      this.start()
    })
  }

  onStill(from: Peer, digest: LeaseDigest): void {
    const watch = this.#items.watch(from)
    const mine = leaseDigest([...(watch?.items ?? [])].flatMap(item => item.leases.get(from)?.lease ?? []))
    if (watch === undefined) {
      // nothing of it is known here: what it tells is taken as if it had just happened
      this.#outbox.send(from, { type: 'report', id: 0 })
      return
    }
    if (mine.count !== digest.count || mine.sum !== digest.sum) {
      this.#ask(from, watch)
      return
    }
    watch.stillAt = this.#outbox.now
    // drops and newer orders that it may not have heard of
    for (const item of watch.items) {
      const known = item.leases.get(from)
      if (known !== undefined && (item.order.seq > known.lease.seq || known.isFailed)) this.#items.mark(item)
    }
  }

  onPeerDown(host: Peer): void {
    if (this.#items.watch(host) === undefined) return
    const { now } = this.#outbox
    const { graceMs } = this.#config
    this.#items.markHost(host)
    const probe = (): void => {
      const watch = this.#items.watch(host)
      if (watch !== undefined && this.#reach.isDown(host)) this.#ask(host, watch)
    }
    this.#agenda.at(now, now + Math.min(PROBE_MS, graceMs / 2), probe)
    this.#agenda.at(now, now + graceMs, () => {
      if (this.#reach.downSince(host) !== now) return
      this.#hosts.onFailure(host, 0.7)
      this.#items.markHost(host)
    })
  }

  onPeerUp(host: Peer): void {
    const watch = this.#items.watch(host)
    if (watch === undefined) return
    for (const item of watch.items) {
      const known = item.leases.get(host)
      if (known !== undefined) known.releasedAt = undefined
    }
    this.#items.markHost(host)
  }

  /** Tell all: at most one such question is open, and it is put again when it was not answered for long. */
  #ask(host: Peer, watch: Watch): void {
    const { now } = this.#outbox
    if (watch.report !== undefined && now - watch.report.at < this.#config.answerMs) return
    const id = 1 + this.#rng.below(0xffff_fffe)
    watch.report = { id, at: now, count: 0 }
    this.#outbox.send(host, { type: 'report', id })
  }

  /** What has gone silent, what has expired, and what is not this node's business any more. */
  #sweep(): void {
    const { now, wallMs } = this.#outbox
    const { leaseMs, brokers } = this.#config
    for (const [host, watch] of this.#items.watches()) {
      if (watch.stillAt + leaseMs > now) continue
      let isSilent = false
      for (const item of watch.items) {
        const known = item.leases.get(host)
        if (known === undefined || known.heardAt + leaseMs > now) continue
        isSilent = true
        this.#items.mark(item)
      }
      if (isSilent && !this.#reach.isDown(host)) this.#ask(host, watch)
    }
    for (const item of [...this.#items.all()]) {
      const isStrange = this.#items.ranked(item).indexOf(this.#outbox.self) >= brokers
      const isForgotten = isStrange && now - item.touchedAt > brokerLimits.signedMs
      if (isForgotten || isOver(item.order.expires, wallMs)) {
        this.#items.remove(item)
        continue
      }
      for (const [host, { lease, heardAt }] of [...item.leases]) {
        // its host tells it again when it comes back
        const isLong = now - Math.max(heardAt, this.#items.watch(host)?.stillAt ?? heardAt) > brokerLimits.signedMs
        if (isLong && isOver(lease.expires, wallMs)) this.#items.forget(item, host)
      }
    }
  }
}
