import { createHash } from 'node:crypto'
import {
  Chord,
  type ChordCommand,
  type ChordConfig,
  type ChordEvent,
  type ChordInit,
  type ChordMessage,
  chordCodec,
  chordConfig,
  type LookupCost,
  type Place
} from '../../protocols/chord/index.ts'
import { HEAD_SPAN, headOf, type RingId, ringIdFromBytes } from '../../protocols/core/keyspace.ts'
import { indexPeers, type Peer } from '../../protocols/core/peer.ts'
import type { Rng } from '../../protocols/core/rng.ts'
import type { Channel, Simulation } from '../simulator/index.ts'

/** Nothing is repaired, renewed or remembered: a ring as it is left alone. */
export const withoutUpkeep = {
  stabilizeMs: [1e8, 1e8],
  fingerMs: 1e8,
  uniteMs: 1e8,
  joinMs: 1e8,
  routes: 0
} as const satisfies Partial<ChordConfig>

/** Fingers in powers of two, and one question at a time: as the papers have it. */
export const asInThePaper = { digitBits: 1, parallel: 1 } as const satisfies Partial<ChordConfig>

/** How a lookup ended. */
export interface LookupResult extends LookupCost {
  key: RingId
  /** Undefined when none was found. */
  owner: Peer | undefined
  /** To the owner: one more than the papers count, which stop at its predecessor. */
  hops: number
  /** The last node before the key that answered, or the asker. */
  via: Peer
}

export type FoundEvent = Extract<ChordEvent, { type: 'found' }>

/** What the applications of all peers have to do with the ring. */
export interface RingApplication {
  /** A peer's place has changed. */
  onRing?(peer: Peer, place: Place): void
  /** The peer has said its goodbyes. */
  onLeft?(peer: Peer): void
  /** Whether the peer has a copy of a record that it does not own. */
  hasCopy?(peer: Peer, key: RingId, now: number): boolean
  /** Changes the machine of a hostile peer. */
  disguise?(peer: Peer, machine: Chord): void
}

/** The Chord machines on all peers of a simulation, and the ring that they should make. */
export class RingNetwork {
  readonly channel: Channel<ChordCommand, ChordMessage, ChordEvent>
  readonly config: ChordConfig
  readonly #simulation: Simulation
  readonly #seed: number
  readonly #ids: RingId[] = []
  readonly #waiting = new Map<number, { from: Peer; done: (result: LookupResult) => void }>()
  readonly #finding = new Map<number, (found: FoundEvent | undefined) => void>()
  /** Where a peer begins that is put into a ring that stands. */
  #standing: ((self: Peer) => Pick<ChordInit, 'place' | 'fingers'>) | undefined
  #lastLookup = 0

  constructor(simulation: Simulation, init: { config?: Partial<ChordConfig> } & RingApplication = {}) {
    this.#simulation = simulation
    this.#seed = simulation.seed
    this.config = { ...chordConfig, ...init.config }
    this.channel = simulation.protocol<ChordCommand, ChordMessage, ChordEvent>({
      name: 'chord',
      codec: chordCodec(indexPeers),
      machine: (self, rng) => {
        const standing = this.#standing?.(self)
        const hasCopy = (key: RingId, now: number): boolean => init.hasCopy?.(self, key, now) === true
        const machine = new Chord({ self, rng, idOf: this.idOf, hasCopy, config: this.config, ...standing })
        init.disguise?.(self, machine)
        return machine
      },
      onEvent: (peer, event) => {
        if (event.type === 'ring') init.onRing?.(peer, event)
        else if (event.type === 'left') init.onLeft?.(peer)
        else if (this.#finding.has(event.id)) this.#onFound(event)
        else this.#onEnd(event)
      }
    })
  }

  /** Other seeds give other ids to the same peers. */
  readonly idOf = (peer: Peer): RingId => {
    const index = peer as number
    this.#ids[index] ??= hashOf(`${this.#seed} ${index}`)
    return this.#ids[index]
  }

  /** The key of anything. */
  keyOf(text: string): RingId {
    return hashOf(text)
  }

  randomKey(rng: Rng): RingId {
    return hashOf(`key ${rng.uint32()} ${rng.uint32()}`)
  }

  /** Adds peers that stand on a perfect ring from the start, each with a finger in every arc that has a node. */
  addRing(count: number): Peer[] {
    const first = this.#simulation.peerCount
    const sorted = this.sorted(Array.from({ length: count }, (_, i) => (first + i) as Peer))
    const places = new Uint32Array(count)
    sorted.forEach((peer, place) => {
      places[(peer as number) - first] = place
    })
    const others = Math.min(this.config.successors, count - 1)
    const firstIn = this.#firstIn(sorted)
    this.#standing = self => {
      const place = places[(self as number) - first] as number
      const at = (offset: number): Peer => sorted[(place + offset + count) % count] as Peer
      return {
        place: {
          predecessor: count > 1 ? at(-1) : undefined,
          successors: Array.from({ length: others }, (_, k) => at(k + 1))
        },
        ...(count - 1 > others ? { fingers: table => table.fill(firstIn) } : {})
      }
    }
    const peers = this.#simulation.addPeers(count)
    this.#standing = undefined
    return peers
  }

  /** Peers join one after another through random ones that are there, `everyMs` apart. */
  grow(count: number, everyMs: number): Peer[] {
    const added: Peer[] = []
    for (let i = 0; i < count; i++) {
      const there = this.#simulation.alive()
      const [peer] = this.#simulation.addPeers(1) as [Peer]
      added.push(peer)
      if (there.length > 0) {
        this.channel.command(peer, { type: 'join', contact: this.#simulation.rng.pick(there) })
      }
      this.#simulation.run(this.#simulation.now + everyMs)
    }
    return added
  }

  lookup(
    from: Peer,
    key: RingId,
    done: (result: LookupResult) => void,
    mode: 'recursive' | 'iterative' = 'iterative'
  ): void {
    const id = ++this.#lastLookup
    this.#waiting.set(id, { from, done })
    this.channel.command(from, { type: 'lookup', id, key, mode })
  }

  /** A lookup of a peer's application, which gets all that is told of it. */
  find(
    from: Peer,
    order: Omit<Extract<ChordCommand, { type: 'lookup' }>, 'type' | 'id'>,
    done: (found: FoundEvent | undefined) => void
  ): void {
    const id = ++this.#lastLookup
    this.#finding.set(id, done)
    this.channel.command(from, { type: 'lookup', id, ...order })
  }

  /** Lookups whose askers crashed are never answered. */
  get lookupsOpen(): number {
    return this.#waiting.size
  }

  node(peer: Peer): Chord {
    return this.channel.machine(peer) as Chord
  }

  sorted(peers: readonly Peer[]): Peer[] {
    return peers.toSorted((a, b) => (this.idOf(a) < this.idOf(b) ? -1 : 1))
  }

  /** The owner of a key is the first at or past it, of peers in the order of their ids. */
  ownerOf(key: RingId, sorted: readonly Peer[]): { owner: Peer; predecessor: Peer } {
    let [low, high] = [0, sorted.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.idOf(sorted[middle] as Peer) < key) low = middle + 1
      else high = middle
    }
    return { owner: sorted[low % sorted.length] as Peer, predecessor: sorted.at(low - 1) as Peer }
  }

  /** Whether everyone knows exactly those that come next to it. */
  isIdeal(sorted = this.sorted(this.#simulation.alive())): boolean {
    const others = Math.min(this.config.successors, sorted.length - 1)
    return sorted.every((peer, i) => {
      const { predecessor, successors } = this.node(peer).place
      const at = (offset: number): Peer => sorted[(i + offset + sorted.length) % sorted.length] as Peer
      if (sorted.length > 1 && predecessor !== at(-1)) return false
      return successors.length === others && successors.every((successor, k) => successor === at(k + 1))
    })
  }

  /** Of peers in order, the first in an arc, found through a table of as many equal arcs as there are peers. */
  #firstIn(sorted: readonly Peer[]): (begin: number, end: number) => Peer | undefined {
    const heads = Float64Array.from(sorted, peer => headOf(this.idOf(peer)))
    const arcOf = (head: number): number => Math.floor((head / HEAD_SPAN) * sorted.length)
    const firsts = new Uint32Array(sorted.length)
    for (let arc = 0, i = 0; arc < firsts.length; arc++) {
      while (i < heads.length && arcOf(heads[i] as number) < arc) i++
      firsts[arc] = i
    }
    return (begin, end) => {
      let i = firsts[arcOf(begin)] as number
      while (i < heads.length && (heads[i] as number) < begin) i++
      const head = heads[i % heads.length] as number
      const isIn = begin < end ? begin <= head && head < end : begin <= head || head < end
      return isIn ? sorted[i % sorted.length] : undefined
    }
  }

  #onFound(event: Exclude<ChordEvent, { type: 'ring' | 'left' }>): void {
    const done = this.#finding.get(event.id)
    this.#finding.delete(event.id)
    done?.(event.type === 'found' ? event : undefined)
  }

  #onEnd(event: Exclude<ChordEvent, { type: 'ring' | 'left' }>): void {
    const waiting = this.#waiting.get(event.id)
    if (waiting === undefined) return
    this.#waiting.delete(event.id)
    const { from, done } = waiting
    const { key, asked, lost, lostPast, stalls, elapsedMs } = event
    const found =
      event.type === 'found'
        ? { owner: event.owner, hops: event.hops, via: event.via ?? from }
        : { owner: undefined, hops: 0, via: from }
    done({ key, asked, lost, lostPast, stalls, elapsedMs, ...found })
  }
}

/** The id of anything: SHA-256. */
export function hashOf(text: string): RingId {
  return ringIdFromBytes(createHash('sha256').update(text).digest())
}
