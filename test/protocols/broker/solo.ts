import assert from 'node:assert/strict'
import {
  Broker,
  type BrokerConfig,
  type BrokerMessage,
  brokerConfig,
  type Lease,
  leaseBytes,
  MemoryBrokerStore,
  type Order,
  orderBytes
} from '../../../protocols/broker/index.ts'
import type { Out } from '../../../protocols/broker/outbox.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import { cryptoOf, GIB, infohashOf } from './world.ts'

export const WALL_MS = 1_800_000_000_000
export const self = 100 as unknown as Peer
export const [owner, host, broker, stranger] = [1, 2, 3, 4] as unknown as [Peer, Peer, Peer, Peer]
const NETWORK = brokerConfig.network

/** One machine, and somebody who says whatever he likes to it. */
export class Solo {
  readonly machine: Broker
  now = 1_000

  constructor(config: Partial<BrokerConfig> = {}) {
    this.machine = new Broker({
      self,
      rng: seededRng(1),
      crypto: cryptoOf(self),
      store: new MemoryBrokerStore(),
      wallMs: now => WALL_MS + now,
      config: { auditMs: 0, graceMs: 0, ...config }
    })
  }

  hear(from: Peer, message: BrokerMessage): Out[] {
    return this.machine.handle({ type: 'received', from, message }, this.now)
  }

  /** Everything that falls due within so long. */
  wait(ms: number): Out[] {
    const end = this.now + ms
    const out: Out[] = []
    for (let next = this.machine.nextTick(); next !== undefined && next <= end; next = this.machine.nextTick()) {
      this.now = Math.max(this.now, next)
      out.push(...this.machine.handle({ type: 'tick' }, this.now))
    }
    this.now = end
    return out
  }
}

export function orderOf(change: Partial<Order> = {}, signer = change.owner ?? owner): Order {
  const unsigned = {
    owner,
    infohash: infohashOf('item'),
    size: GIB,
    copies: 1,
    seq: WALL_MS,
    expires: WALL_MS / 1_000 + 86_400,
    ...change
  }
  return { ...unsigned, signature: cryptoOf(signer).sign(orderBytes(NETWORK, unsigned)) }
}

export function leaseOf(change: Partial<Lease> = {}, signer = change.host ?? host): Lease {
  const unsigned = {
    host,
    owner,
    infohash: infohashOf('item'),
    seq: WALL_MS,
    state: 'held' as const,
    since: WALL_MS,
    expires: WALL_MS / 1_000 + 3_600,
    domain: '',
    ...change
  }
  return { ...unsigned, signature: cryptoOf(signer).sign(leaseBytes(NETWORK, unsigned)) }
}

export const sent = (out: Out[], type: BrokerMessage['type']): Out[] =>
  out.filter(one => one.type === 'send' && one.message.type === type)
export const penalised = (out: Out[]): unknown[] => out.flatMap(one => (one.type === 'penalise' ? [one.peer] : []))
export const events = (out: Out[], type: string): Out[] =>
  out.filter(one => one.type === 'event' && one.event.type === type)

/** A host that holds the item. */
export function hosting(brokers: readonly Peer[] = [broker]): Solo {
  const solo = new Solo()
  solo.machine.handle({ type: 'brokers', peers: brokers }, 0)
  solo.machine.handle(
    { type: 'offer', bytes: 10 * GIB, usedBytes: 0, uptimeMs: 0, uploadBytesPerS: 0, load: 0, domain: '' },
    0
  )
  const out = solo.hear(broker, { type: 'place', order: orderOf(), usedBytes: 0, brokers: [broker], sources: [] })
  assert.equal(events(out, 'fetch').length, 1)
  solo.machine.handle({ type: 'fetched', infohash: infohashOf('item'), bytes: GIB }, 1_000)
  return solo
}
