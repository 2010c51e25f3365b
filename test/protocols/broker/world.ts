import { hash } from 'node:crypto'
import {
  Broker,
  type BrokerCommand,
  type BrokerConfig,
  type BrokerEvent,
  type BrokerMessage,
  brokerCodec,
  MemoryBrokerStore,
  type Offer
} from '../../../protocols/broker/index.ts'
import type { Infohash } from '../../../protocols/core/ids.ts'
import { indexPeers, type Peer } from '../../../protocols/core/peer.ts'
import type { Crypto } from '../../../protocols/core/signing.ts'
import { type Channel, Simulation, type SimulationOptions } from '../../../src/simulator/index.ts'

const EPOCH_MS = 1_800_000_000_000
export const GIB = 2 ** 30
export const MINUTE = 60_000

export function infohashOf(name: string): Infohash {
  return hash('sha256', name) as Infohash
}

/** No secret, and no work: who forges signs with something else. */
export function cryptoOf(self: Peer): Crypto {
  return {
    sha256: bytes => hash('sha256', bytes, 'buffer'),
    sign: bytes => signatureOf(self, bytes),
    verify: (peer, bytes, signature) => Buffer.compare(signatureOf(peer, bytes), signature) === 0
  }
}

function signatureOf(peer: Peer, bytes: Uint8Array): Uint8Array {
  return hash('md5', Buffer.concat([Buffer.from(`${peer}\n`), bytes]), 'buffer')
}

export interface WorldInit extends Partial<SimulationOptions> {
  seed: number
  config?: Partial<BrokerConfig>
  domainOf?: (peer: Peer) => string | undefined
}

/** Machines in the simulator, and an application for each that fetches, deletes and proves as it is told. */
export class BrokerWorld {
  readonly simulation: Simulation
  readonly channel: Channel<BrokerCommand, BrokerMessage, BrokerEvent>
  readonly stores = new Map<Peer, MemoryBrokerStore>()
  /** What each peer has on disk: infohashes with their sizes. */
  readonly data = new Map<Peer, Map<Infohash, number>>()
  readonly events: { at: number; peer: Peer; event: BrokerEvent }[] = []
  readonly liars = new Set<Peer>()
  readonly offers = new Map<Peer, Offer>()
  /** How long a fetch takes. */
  fetchMs = 1_000
  /** Bytes that fetches moved, and that they began to. */
  moved = 0
  begun = 0
  readonly #fetching = new Set<string>()

  constructor({ seed, config, domainOf, ...options }: WorldInit) {
    this.simulation = new Simulation({ seed, latency: [5, 30], wire: true, ...options })
    this.channel = this.simulation.protocol<BrokerCommand, BrokerMessage, BrokerEvent>({
      name: 'broker',
      codec: brokerCodec(indexPeers),
      machine: (self, rng) =>
        new Broker({
          self,
          rng,
          crypto: cryptoOf(self),
          store: this.store(self),
          wallMs: now => EPOCH_MS + now,
          ...(domainOf === undefined ? {} : { domainOf }),
          config: { graceMs: 0, auditMs: 0, ...config }
        }),
      onEvent: (peer, event) => this.#onEvent(peer, event)
    })
  }

  store(peer: Peer): MemoryBrokerStore {
    const store = this.stores.get(peer) ?? new MemoryBrokerStore()
    this.stores.set(peer, store)
    return store
  }

  machine(peer: Peer): Broker {
    return this.channel.machine(peer) as Broker
  }

  /** Peers that all take the same ones for brokers. */
  add(count: number, brokersOf: (peers: readonly Peer[]) => readonly Peer[]): Peer[] {
    const peers = this.simulation.addPeers(count)
    const brokers = brokersOf(peers)
    for (const peer of peers) this.command(peer, { type: 'brokers', peers: brokers })
    return peers
  }

  offer(peer: Peer, offer: Partial<Offer> = {}): void {
    const whole = {
      bytes: 100 * GIB,
      usedBytes: 0,
      uptimeMs: 86_400_000,
      uploadBytesPerS: 1_000_000,
      load: 0.1,
      domain: `d${peer}`,
      ...offer
    }
    this.offers.set(peer, whole)
    this.command(peer, { type: 'offer', ...whole })
  }

  put(owner: Peer, name: string, copies: number, size = GIB): Infohash {
    const infohash = infohashOf(name)
    this.dataOf(owner).set(infohash, size)
    this.command(owner, { type: 'put', infohash, size, copies, name })
    return infohash
  }

  command(peer: Peer, command: BrokerCommand): void {
    this.channel.command(peer, command)
  }

  run(ms: number): void {
    this.simulation.run(this.simulation.now + ms)
  }

  /** It comes back with its store and its disk, or with nothing. */
  restart(peer: Peer, brokers: readonly Peer[], isEmpty = false): void {
    if (isEmpty) {
      this.stores.delete(peer)
      this.data.delete(peer)
    }
    this.simulation.restart(peer)
    this.command(peer, { type: 'brokers', peers: brokers })
    const offer = this.offers.get(peer)
    if (offer !== undefined) this.command(peer, { type: 'offer', ...offer })
  }

  dataOf(peer: Peer): Map<Infohash, number> {
    const data = this.data.get(peer) ?? new Map()
    this.data.set(peer, data)
    return data
  }

  /** Running hosts that have it and count it as held. */
  holders(infohash: Infohash): Peer[] {
    return this.simulation
      .alive()
      .filter(peer => this.dataOf(peer).has(infohash) && this.states(peer, infohash).includes('held'))
  }

  states(peer: Peer, infohash: Infohash): string[] {
    return this.machine(peer)
      .hosted.filter(({ order }) => order.infohash === infohash)
      .map(({ state }) => state)
  }

  told<T extends BrokerEvent['type']>(type: T, peer?: Peer): Extract<BrokerEvent, { type: T }>[] {
    return this.events
      .filter(({ event, peer: who }) => event.type === type && (peer === undefined || who === peer))
      .map(({ event }) => event as Extract<BrokerEvent, { type: T }>)
  }

  #onEvent(peer: Peer, event: BrokerEvent): void {
    const { simulation } = this
    this.events.push({ at: simulation.now, peer, event })
    if (event.type === 'fetch') this.#fetch(peer, event)
    else if (event.type === 'release') {
      this.#fetching.delete(`${peer} ${event.infohash}`)
      this.dataOf(peer).delete(event.infohash)
    } else if (event.type === 'audit') {
      const { host, infohash } = event
      const ok = !this.liars.has(host) && this.dataOf(host).has(infohash)
      simulation.at(simulation.now + 100, () => this.command(peer, { type: 'audited', host, infohash, ok }))
    }
  }

  #fetch(peer: Peer, { infohash, size, sources }: Extract<BrokerEvent, { type: 'fetch' }>): void {
    const { simulation } = this
    const key = `${peer} ${infohash}`
    this.#fetching.add(key)
    this.begun += size
    simulation.at(simulation.now + this.fetchMs, () => {
      if (!this.#fetching.delete(key)) return
      if (this.liars.has(peer)) {
        this.command(peer, { type: 'fetched', infohash, bytes: size })
        return
      }
      if (!sources.some(source => simulation.isAlive(source) && this.dataOf(source).has(infohash))) {
        this.command(peer, { type: 'fetchFailed', infohash, reason: 'no source', isPermanent: false })
        return
      }
      this.moved += size
      this.dataOf(peer).set(infohash, size)
      this.command(peer, { type: 'fetched', infohash, bytes: size })
    })
  }
}
