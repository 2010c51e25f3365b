import { BoundedMap } from '../core/bounded-map.ts'
import type { RingId } from '../core/keyspace.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import { TokenBucket } from '../core/token-bucket.ts'
import { type ChordConfig, chordLimits } from './config.ts'
import type { Fingers } from './fingers.ts'
import type { Lookups } from './lookups.ts'
import type { Found } from './messages.ts'
import type { Outbox } from './outbox.ts'
import type { Ring, RingAction } from './ring.ts'

/** How many others hear of a foreign ring from each node that finds it. */
const FANOUT = 2
/** Share of looks that go to a peer that was lost, and to a neighbour in the overlay if not. */
const TO_LOST = 0.25
const TO_NEIGHBOUR = 0.75

/**
 * Finds a ring and stays in one. A node without a place looks for its own id through whoever it knows, and enters there.
 * One that has a place asks now and then a node of the random overlay for the owner of its own id: when that is
 * another node there are two rings, or it has been left out of its own, and it goes between those that do not know it.
 * Peers that were lost without a goodbye are asked as well: the network may have been cut, and healed.
 */
export class Uniting {
  readonly #self: Peer
  readonly #selfId: RingId
  readonly #config: ChordConfig
  readonly #rng: Rng
  readonly #out: Outbox
  readonly #ring: Ring
  readonly #fingers: Fingers
  readonly #lookups: Lookups
  readonly #execute: (actions: RingAction[]) => void
  readonly #words = new TokenBucket(chordLimits.unites)
  /** Peers that may be on another ring: neighbours in the overlay. BOUNDED by its active view. */
  readonly #neighbours = new Set<Peer>()
  /** Peers with a connection to us. BOUNDED by the connections of the host. */
  readonly #up = new Set<Peer>()
  /** Were neighbours, are there, and were not asked yet: each may be the bridge to another ring. BOUNDED by the same. */
  readonly #unasked = new Set<Peer>()
  readonly #lost = new BoundedMap<Peer, true>(chordLimits.maxLost)
  #isLooking = false
  #waitMs: number
  #dueMs: number | undefined

  constructor(init: {
    self: Peer
    selfId: RingId
    config: ChordConfig
    rng: Rng
    out: Outbox
    ring: Ring
    fingers: Fingers
    lookups: Lookups
    execute: (actions: RingAction[]) => void
  }) {
    this.#self = init.self
    this.#selfId = init.selfId
    this.#config = init.config
    this.#rng = init.rng
    this.#out = init.out
    this.#ring = init.ring
    this.#fingers = init.fingers
    this.#lookups = init.lookups
    this.#execute = init.execute
    this.#waitMs = init.config.joinMs
  }

  get dueMs(): number | undefined {
    return this.#dueMs
  }

  isUp(peer: Peer): boolean {
    return this.#up.has(peer)
  }

  onPeerUp(peer: Peer): void {
    this.#up.add(peer)
    this.#lost.delete(peer)
    if (this.#ring.isAlone) this.soon()
    else this.#wake(this.#out.now + this.#waitMs)
  }

  onPeerDown(peer: Peer): void {
    if (this.#neighbours.has(peer)) this.onLost(peer)
    this.#up.delete(peer)
    this.#neighbours.delete(peer)
    this.#unasked.delete(peer)
  }

  /** A neighbour, here or in the overlay, or a finger that is gone and has not said so. */
  onLost(peer: Peer): void {
    this.#lost.set(peer, true)
  }

  onNeighbourUp(peer: Peer): void {
    this.#neighbours.add(peer)
    this.#unasked.add(peer)
    this.soonAgain()
  }

  onNeighbourDown(peer: Peer): void {
    this.#neighbours.delete(peer)
  }

  /** After a short wait: whoever enters at the same time may have found another ring. */
  soonAgain(): void {
    this.#waitMs = this.#config.joinMs
    this.#wake(this.#out.now + this.#waitMs)
  }

  /** Look at once. */
  soon(): void {
    this.#waitMs = this.#config.joinMs
    this.#wake(this.#out.now)
  }

  again(afterMs: number): void {
    this.#wake(this.#out.now + afterMs)
  }

  tick(): void {
    if (this.#dueMs === undefined || this.#dueMs > this.#out.now) return
    this.#dueMs = undefined
    const contact = this.#pick()
    if (contact === undefined) return
    this.again(Math.ceil(this.#waitMs * (0.75 + this.#rng.unit() / 2)))
    this.#waitMs = Math.min(this.#waitMs * 2, this.#config.uniteMs)
    this.look(contact, chordLimits.maxUniteHops)
  }

  /** Somebody says that there is another ring. */
  onWord(contact: Peer, hops: number): void {
    if (contact !== this.#self && this.#words.take(this.#out.now))
      this.look(contact, Math.min(hops, chordLimits.maxUniteHops))
  }

  look(contact: Peer, hops: number): void {
    if (this.#isLooking) return
    this.#isLooking = true
    const isOutside = this.#ring.isAlone
    this.#lookups.begin({
      key: this.#selfId,
      mode: 'iterative',
      contact,
      isOutside,
      onDone: found => {
        this.#isLooking = false
        if (found === undefined) this.#closeCircle(contact)
        if (found === undefined || found.owner === this.#self) return
        if (this.#ring.isAlone) this.#enter(found)
        else this.#unite(found, hops)
      }
    })
  }

  /**
   * All successors failed at once, as where a few are cut off from many: the ring is a line, this node is its end, and
   * nobody knows who comes next. Any node does: from there stabilization goes back to the first of the line.
   */
  #closeCircle(contact: Peer): void {
    if (this.#ring.isAlone && this.#ring.predecessor !== undefined) this.#execute(this.#ring.unite(contact))
  }

  #enter(found: Found): void {
    const member = found.predecessor ?? found.via ?? (found.successors.length === 0 ? found.owner : undefined)
    if (member === undefined || member === this.#self) return
    this.#execute(this.#ring.join(member))
  }

  #unite(found: Found, hops: number): void {
    const [before] = this.#ring.successors
    this.#execute(this.#ring.unite(found.owner))
    this.#waitMs = this.#config.joinMs
    if (hops === 0) return
    const others = this.#rng.sample([...this.#fingers], FANOUT)
    for (const peer of new Set([before, this.#ring.predecessor, ...others])) {
      if (peer === undefined || peer === found.owner || peer === this.#self) continue
      this.#out.send(peer, { type: 'unite', contact: found.owner, hops: hops - 1 })
    }
  }

  /** Neighbours are random peers of the whole network, others mostly of our own ring. */
  #pick(): Peer | undefined {
    for (const peer of this.#unasked) {
      this.#unasked.delete(peer)
      return peer
    }
    if (this.#lost.size > 0 && (this.#up.size === 0 || this.#rng.unit() < TO_LOST)) {
      return this.#rng.pick([...this.#lost.keys()])
    }
    const from = this.#neighbours.size > 0 && this.#rng.unit() < TO_NEIGHBOUR ? this.#neighbours : this.#up
    return from.size === 0 ? undefined : this.#rng.pick([...from])
  }

  #wake(ms: number): void {
    if (this.#dueMs === undefined || ms < this.#dueMs) this.#dueMs = ms
  }
}
