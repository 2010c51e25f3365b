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
} from '../../protocols/broker/index.ts'
import type { Infohash } from '../../protocols/core/ids.ts'
import { indexPeers, type Peer } from '../../protocols/core/peer.ts'
import type { Crypto } from '../../protocols/core/signing.ts'
import type { Channel, Simulation } from '../simulator/index.ts'

/** Unix ms when a simulation begins: any time will do. */
const EPOCH_MS = 1_800_000_000_000

/** How long a fetch takes: what it really takes is not what is measured. */
const FETCH_MS = 2_000

/** Brokers on all peers of a simulation, with an application on each that fetches and deletes as it is told. */
export class BrokerNetwork {
  readonly channel: Channel<BrokerCommand, BrokerMessage, BrokerEvent>
  /** Bytes that fetches have moved, and that they began to. */
  moved = 0
  begun = 0
  readonly #simulation: Simulation
  readonly #kept = new Map<Peer, Map<Infohash, number>>()
  readonly #offers = new Map<Peer, Offer>()
  readonly #fetching = new Map<Peer, Set<Infohash>>()

  constructor(simulation: Simulation, config: Partial<BrokerConfig>) {
    this.#simulation = simulation
    this.channel = simulation.protocol<BrokerCommand, BrokerMessage, BrokerEvent>({
      name: 'broker',
      codec: brokerCodec(indexPeers),
      machine: (self, rng) =>
        new Broker({
          self,
          rng,
          crypto: cryptoOf(self),
          store: new MemoryBrokerStore(),
          wallMs: now => EPOCH_MS + now,
          config
        }),
      onEvent: (peer, event) => this.#onEvent(peer, event)
    })
  }

  offer(peer: Peer, offer: Offer): void {
    this.#offers.set(peer, offer)
    this.channel.command(peer, { type: 'offer', ...offer })
  }

  /** What a host has, complete. */
  kept(peer: Peer): ReadonlyMap<Infohash, number> {
    return this.#kept.get(peer) ?? new Map()
  }

  /** Used share of the offer of each running host, and of all of them together. */
  fill(): { shares: number[]; whole: number } {
    const shares: number[] = []
    let [usedBytes, bytes] = [0, 0]
    for (const [host, offer] of this.#offers) {
      if (!this.#simulation.isAlive(host)) continue
      const used = [...this.kept(host).values()].reduce((sum, size) => sum + size, 0)
      shares.push(used / offer.bytes)
      usedBytes += used
      bytes += offer.bytes
    }
    return { shares, whole: usedBytes / bytes }
  }

  /** The running hosts of each item. */
  holders(): Map<Infohash, Peer[]> {
    const holders = new Map<Infohash, Peer[]>()
    for (const [host, items] of this.#kept) {
      if (!this.#simulation.isAlive(host)) continue
      for (const infohash of items.keys()) {
        const those = holders.get(infohash)
        if (those === undefined) holders.set(infohash, [host])
        else those.push(host)
      }
    }
    return holders
  }

  domainOf(host: Peer): string {
    return this.#offers.get(host)?.domain ?? ''
  }

  /** Asked of hosts by those who run. */
  decisions(peers: readonly Peer[]): number {
    return peers
      .filter(peer => this.#simulation.isAlive(peer))
      .reduce((sum, peer) => sum + (this.channel.machine(peer) as Broker).usage.decisions, 0)
  }

  #onEvent(peer: Peer, event: BrokerEvent): void {
    if (event.type === 'fetch') this.#fetch(peer, event.infohash, event.size)
    else if (event.type === 'release') {
      this.#fetching.get(peer)?.delete(event.infohash)
      this.#kept.get(peer)?.delete(event.infohash)
    }
  }

  #fetch(peer: Peer, infohash: Infohash, size: number): void {
    const fetching = this.#fetching.get(peer) ?? new Set()
    this.#fetching.set(peer, fetching.add(infohash))
    this.begun += size
    this.#simulation.at(this.#simulation.now + FETCH_MS, () => {
      if (!fetching.delete(infohash) || !this.#simulation.isAlive(peer)) return
      this.moved += size
      const kept = this.#kept.get(peer) ?? new Map()
      this.#kept.set(peer, kept.set(infohash, size))
      this.channel.command(peer, { type: 'fetched', infohash, bytes: size })
    })
  }
}

const SIGNATURE = new Uint8Array(64)

/** Nobody lies here, so nobody has to be found out. */
function cryptoOf(_self: Peer): Crypto {
  return { sha256: bytes => hash('sha256', bytes, 'buffer'), sign: () => SIGNATURE, verify: () => true }
}
