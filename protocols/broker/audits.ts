import type { Infohash } from '../core/ids.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import type { Agenda, Appointment } from './agenda.ts'
import { type BrokerConfig, brokerLimits } from './config.ts'
import type { Hosts } from './hosts.ts'
import type { Item } from './item.ts'
import type { Items } from './items.ts'
import { type ItemKey, itemKey } from './order.ts'
import type { Outbox } from './outbox.ts'

/** Draws for one audit: of many items this node may be the second broker only. */
const MAX_DRAWS = 8

interface Audit {
  readonly host: Peer
  readonly item: ItemKey
  readonly limit: Appointment
}

/** Hosts may lie: at random times the application has one prove that it has what it holds. */
export class Audits {
  readonly #config: BrokerConfig
  readonly #outbox: Outbox
  readonly #agenda: Agenda
  readonly #rng: Rng
  readonly #items: Items
  readonly #hosts: Hosts
  readonly #open: Audit[] = [] // BOUNDED by maxAudits

  constructor(init: { config: BrokerConfig; outbox: Outbox; agenda: Agenda; rng: Rng; items: Items; hosts: Hosts }) {
    this.#config = init.config
    this.#outbox = init.outbox
    this.#agenda = init.agenda
    this.#rng = init.rng
    this.#items = init.items
    this.#hosts = init.hosts
  }

  start(): void {
    const { auditMs } = this.#config
    if (auditMs === 0) return
    const { now } = this.#outbox
    // times without memory: a host cannot know when it will be asked
    this.#agenda.at(now, now - auditMs * Math.log(1 - this.#rng.unit()), () => {
      this.#begin()
      this.start()
    })
  }

  onAudited(host: Peer, infohash: Infohash, isRight: boolean): void {
    for (const audit of this.#open.filter(one => one.host === host)) {
      const item = this.#items.get(audit.item)
      if (item !== undefined && item.order.infohash !== infohash) continue
      this.#close(audit)
      if (isRight) continue
      this.#hosts.distrust(host)
      const known = item?.leases.get(host)
      if (item === undefined || known === undefined) continue
      known.isFailed = true
      this.#items.mark(item)
    }
  }

  #begin(): void {
    const hosts = [...this.#items.watches().keys()]
    if (hosts.length === 0 || this.#open.length >= brokerLimits.maxAudits) return
    for (let draw = 0; draw < MAX_DRAWS; draw++) {
      const host = this.#rng.pick(hosts)
      const item = this.#rng.pick([...(this.#items.watch(host)?.items ?? [])])
      if (!this.#isDue(host, item)) continue
      const { owner, infohash, size } = item.order
      const { now } = this.#outbox
      const limit = this.#agenda.at(now, now + this.#config.auditAnswerMs, () => this.#close(audit))
      const audit: Audit = { host, item: itemKey(item.order), limit }
      this.#open.push(audit)
      this.#outbox.tell({ type: 'audit', host, infohash, owner, size })
      return
    }
  }

  #isDue(host: Peer, item: Item): boolean {
    const known = item.leases.get(host)
    if (known === undefined || known.lease.state === 'fetching' || item.order.copies === 0) return false
    if (host === this.#outbox.self || this.#open.some(audit => audit.host === host)) return false
    return this.#items.isLive(host, known) && this.#items.rank(item) === 0
  }

  #close(audit: Audit): void {
    this.#agenda.cancel(audit.limit)
    const at = this.#open.indexOf(audit)
    if (at !== -1) this.#open.splice(at, 1)
  }
}
