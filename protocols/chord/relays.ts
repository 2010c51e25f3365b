import { BoundedMap } from '../core/bounded-map.ts'
import type { RingId } from '../core/keyspace.ts'
import type { Peer } from '../core/peer.ts'
import { PeerRates } from '../core/peer-rates.ts'
import { TokenBucket } from '../core/token-bucket.ts'
import { type ChordConfig, chordLimits } from './config.ts'
import type { Found } from './messages.ts'
import type { Outbox } from './outbox.ts'
import type { Queries } from './queries.ts'
import type { Router } from './router.ts'

/** How often another node is tried when the next hop turns out to be gone. */
const TRIES = 3

interface Relay {
  readonly from: Peer
  /** The id by which `from` knows it. */
  readonly id: number
  readonly key: RingId
  readonly orCopy: boolean
  readonly hops: number
  readonly lost: Peer[] // BOUNDED by TRIES
  readonly untilMs: number
  next: Peer
}

/** Lookups of other nodes that this one passes on over links that are open anyway; their answers go back the same way. */
export class Relays {
  readonly #self: Peer
  readonly #config: ChordConfig
  readonly #out: Outbox
  readonly #queries: Queries
  readonly #router: Router
  /** In the order in which they end. */
  readonly #open = new BoundedMap<number, Relay>(chordLimits.maxRelays)
  /** As long as all peers together ask for no more than one of them may, nobody's share need be known. */
  readonly #ofAll = new TokenBucket(chordLimits.relays)
  readonly #rates = new PeerRates(chordLimits.relays, chordLimits.maxRates)

  constructor(init: { self: Peer; config: ChordConfig; out: Outbox; queries: Queries; router: Router }) {
    this.#self = init.self
    this.#config = init.config
    this.#out = init.out
    this.#queries = init.queries
    this.#router = init.router
  }

  get dueMs(): number | undefined {
    if (this.#open.size === 0) return undefined
    for (const { untilMs } of this.#open.values()) return untilMs
    return undefined
  }

  onRelay(from: Peer, message: { id: number; key: RingId; asOwner: boolean; orCopy: boolean; hops: number }): void {
    const { id, key, asOwner, orCopy, hops } = message
    const { now } = this.#out
    const mayPass = hops < chordLimits.maxHops && (this.#ofAll.take(now) || this.#rates.take(from, now))
    const untilMs = now + this.#config.relayMs
    const relay: Relay = { from, id, key, orCopy, hops, lost: [], untilMs, next: from }
    if (!mayPass) this.#answer(relay, undefined)
    else this.#pass(relay, asOwner)
  }

  /** Returns false when it answers no relay of ours. */
  onRelayed(from: Peer, id: number, found: Found | undefined): boolean {
    const relay = this.#open.get(id)
    if (relay?.next !== from) return false
    this.#open.delete(id)
    this.#answer(relay, found)
    return true
  }

  onPeerDown(peer: Peer): void {
    for (const [id, relay] of this.#open) {
      if (relay.from === peer) this.#open.delete(id)
      else if (relay.next === peer) {
        this.#open.delete(id)
        relay.lost.push(peer)
        this.#pass(relay, false)
      }
    }
  }

  tick(): void {
    for (const [id, relay] of this.#open) {
      if (relay.untilMs > this.#out.now) return
      this.#open.delete(id)
    }
  }

  #pass(relay: Relay, asOwner: boolean): void {
    const { key, orCopy, hops, lost, from } = relay
    const hop = this.#router.hopFor(from, key, asOwner, lost, orCopy)
    if (hop.role !== 'way') {
      const { predecessor, after: successors } = hop
      const via = hops === 0 ? undefined : from
      const isCopy = hop.role === 'copy'
      this.#answer(relay, { owner: this.#self, isCopy, predecessor, successors, via, hops: hops + 1 })
      return
    }
    // a node past the key that is not the owner knows who comes before it
    const isPast = asOwner && hop.predecessor !== undefined
    const isLast = isPast || hop.before.length === 0
    const next = isPast ? hop.predecessor : (isLast ? hop.after : hop.before).find(peer => peer !== from || isLast)
    if (next === undefined || lost.length >= TRIES || this.#open.size >= chordLimits.maxRelays) {
      this.#answer(relay, undefined)
      return
    }
    const id = this.#queries.newId()
    relay.next = next
    this.#open.set(id, relay)
    this.#out.send(next, { type: 'relay', id, key, asOwner: isLast, orCopy, hops: hops + 1 })
  }

  #answer({ from, id }: Relay, found: Found | undefined): void {
    this.#out.send(from, found === undefined ? { type: 'relayed', id } : { type: 'relayed', id, found })
  }
}
