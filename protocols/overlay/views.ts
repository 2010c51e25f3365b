import { BoundedMap } from '../core/bounded-map.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import { TokenBucket } from '../core/token-bucket.ts'
import { Acquaintances } from './acquaintances.ts'
import { maxForced, maxFromOneSource, maxOfGroup, type OverlayConfig, overlayLimits } from './config.ts'

export interface Neighbour {
  /** When it became one. */
  sinceMs: number
  /** When it last said anything. */
  heardMs: number
  /** Until then it counts as one that took another's place. */
  forcedUntilMs: number
}

/** Peers that are likely in the hands of one: of the same network. Undefined where that means nothing. */
export type GroupOf = (peer: Peer) => string | undefined

/**
 * The lists of a node: neighbours, peers to turn to when one is lost, and those that had to leave the latter. A peer is
 * in at most one of them.
 */
export class Views {
  readonly #active = new Map<Peer, Neighbour>() // BOUNDED by activeSize: the overlay evicts before it adds, and when it shrinks
  /** With who told us of it, if it was not the peer itself. */
  readonly #passive = new Map<Peer, Peer | undefined>() // BOUNDED by passiveSize
  readonly #acquaintances: Acquaintances
  /** Peers that said that they rest: nobody else's word brings them back. */
  readonly #resting = new BoundedMap<Peer, true>(overlayLimits.maxResting)
  readonly #self: Peer
  readonly #config: OverlayConfig
  readonly #groupOf: GroupOf
  #passiveSize: number
  #maxFromOneSource: number
  #maxForced: number
  #maxOfGroup: number
  #evictions: TokenBucket
  readonly #rng: Rng

  constructor(init: { self: Peer; config: OverlayConfig; rng: Rng; groupOf?: GroupOf }) {
    this.#self = init.self
    this.#groupOf = init.groupOf ?? (() => undefined)
    this.#config = init.config
    const { activeSize, settleMs } = init.config
    this.#maxOfGroup = maxOfGroup(activeSize)
    this.#passiveSize = init.config.passiveSize
    this.#maxFromOneSource = maxFromOneSource(init.config.passiveSize)
    const { acquaintances } = init.config
    this.#acquaintances = new Acquaintances(acquaintances, maxFromOneSource(acquaintances))
    this.#maxForced = maxForced(activeSize)
    this.#evictions = evictionsOf(this.#maxForced, settleMs)
    this.#rng = init.rng
  }

  /** There are to be so many neighbours from now on. The passive view has room for some more than these, or as before. */
  resize(activeSize: number): void {
    const { passiveSize, settleMs } = this.#config
    this.#maxOfGroup = maxOfGroup(activeSize)
    this.#passiveSize = Math.max(passiveSize, activeSize * overlayLimits.passiveForEach)
    this.#maxFromOneSource = maxFromOneSource(this.#passiveSize)
    this.#maxForced = maxForced(activeSize)
    this.#evictions = evictionsOf(this.#maxForced, settleMs)
    while (this.#passive.size > this.#passiveSize) this.#passToAcquaintances(this.#pick(this.#passive) as Peer)
  }

  get active(): ReadonlyMap<Peer, Neighbour> {
    return this.#active
  }

  get passive(): ReadonlyMap<Peer, unknown> {
    return this.#passive
  }

  get acquaintances(): Iterable<Peer> {
    return this.#acquaintances.keys()
  }

  addActive(peer: Peer, now: number, forcedUntilMs: number): void {
    this.forget(peer)
    this.wakes(peer)
    this.#active.set(peer, { sinceMs: now, heardMs: now, forcedUntilMs })
  }

  removeActive(peer: Peer): Neighbour | undefined {
    const neighbour = this.#active.get(peer)
    this.#active.delete(peer)
    return neighbour
  }

  heard(peer: Peer, now: number): void {
    const neighbour = this.#active.get(peer)
    if (neighbour !== undefined) neighbour.heardMs = now
  }

  /**
   * The neighbour that has to go for a newcomer: anyone a few times within the settling time, from then on one of those
   * that took a place themselves, or nobody. The times are counted and not only who is there: else one could push in,
   * leave, and let a friend have the free place. A newcomer whose group has its share takes the place of one of them.
   */
  toEvict(newcomer: Peer, now: number): Peer | undefined {
    const forced = this.#forced(now)
    const group = this.#fullGroupOf(newcomer)
    if (forced.length < this.#maxForced && this.#evictions.take(now)) {
      return group === undefined ? this.pickActive() : this.#rng.pick(group)
    }
    return this.#pickExpendable(forced, group)
  }

  /**
   * The neighbour that has to go for one that swaps. It is counted as above, and leaves something for those that have no
   * place yet; but the new one stands out no more than any other: most swaps are honest.
   */
  toSwap(newcomer: Peer, now: number): Peer | undefined {
    if (!this.#evictions.take(now, 1, Math.min(1, this.#maxForced - 1))) return undefined
    const group = this.#fullGroupOf(newcomer)
    return group === undefined ? this.pickActive() : this.#rng.pick(group)
  }

  /**
   * The neighbour that becomes that of a peer which is short of some. One that took a place itself goes first, as it
   * would for any other that pushes in, and is not counted; else it is a swap.
   */
  toSplit(newcomer: Peer, now: number): Peer | undefined {
    return this.#pickExpendable(this.#forced(now), this.#fullGroupOf(newcomer)) ?? this.toSwap(newcomer, now)
  }

  /**
   * Remembers a peer that `source` told of. When there is no room, one of `expendable` goes (what was just sent away in
   * a shuffle), or a random one; when `source` has told too many, the first of those.
   */
  addPassive(peer: Peer, source: Peer, expendable: Peer[] = []): void {
    if (peer === this.#self || this.#active.has(peer) || this.#passive.has(peer)) return
    if (source === peer) this.wakes(peer)
    else if (this.#resting.has(peer)) return
    const first = this.#firstOfTooMany(source)
    if (first !== undefined) this.#passToAcquaintances(first)
    while (this.#passive.size >= this.#passiveSize) {
      this.#passToAcquaintances(expendable.pop() ?? (this.#pick(this.#passive) as Peer))
    }
    this.#acquaintances.delete(peer)
    this.#passive.set(peer, source === peer ? undefined : source)
  }

  /** Remembers a peer that showed up by itself, if that costs no other its place. */
  offerPassive(peer: Peer): void {
    if (this.#passive.size < this.#passiveSize) this.addPassive(peer, peer)
  }

  /** It is dead, or leaves. A neighbour stays one. */
  forget(peer: Peer): void {
    this.#passive.delete(peer)
    this.#acquaintances.delete(peer)
  }

  /** It says that it rests. */
  rests(peer: Peer): void {
    this.forget(peer)
    this.#resting.set(peer, true)
  }

  /** It takes part again: it was seen to ask for something. */
  wakes(peer: Peer): void {
    this.#resting.delete(peer)
  }

  /** Any neighbour since before `sinceMs`. */
  pickSettled(sinceMs: number): Peer | undefined {
    const settled = [...this.#active].flatMap(([peer, neighbour]) => (neighbour.sinceMs <= sinceMs ? [peer] : []))
    return settled.length > 0 ? this.#rng.pick(settled) : undefined
  }

  pickPassive(): Peer | undefined {
    return this.#pick(this.#passive)
  }

  /** A random neighbour that is neither of the two. */
  pickActive(except?: Peer, exceptToo?: Peer): Peer | undefined {
    return this.#pick(this.#active, except, exceptToo)
  }

  sampleActive(count: number, except: Peer): Peer[] {
    return this.#sample(this.#active, count, except)
  }

  samplePassive(count: number, except: Peer): Peer[] {
    return this.#sample(this.#passive, count, except)
  }

  /** Those that took another's place of late. */
  #forced(now: number): Peer[] {
    return [...this.#active].flatMap(([peer, { forcedUntilMs }]) => (forcedUntilMs > now ? [peer] : []))
  }

  #pickExpendable(forced: Peer[], group: Peer[] | undefined): Peer | undefined {
    const expendable = group === undefined ? forced : forced.filter(peer => group.includes(peer))
    return expendable.length > 0 ? this.#rng.pick(expendable) : undefined
  }

  /** The neighbours of a peer's group, when there are as many as may be. */
  #fullGroupOf(peer: Peer): Peer[] | undefined {
    const group = this.#groupOf(peer)
    if (group === undefined) return undefined
    const members = [...this.#active.keys()].filter(other => this.#groupOf(other) === group)
    return members.length >= this.#maxOfGroup ? members : undefined
  }

  #passToAcquaintances(peer: Peer): void {
    if (!this.#passive.has(peer)) return
    this.#acquaintances.add(peer, this.#passive.get(peer))
    this.#passive.delete(peer)
  }

  #firstOfTooMany(source: Peer): Peer | undefined {
    let first: Peer | undefined
    let count = 0
    for (const [peer, told] of this.#passive) {
      if (told !== source) continue
      first ??= peer
      count++
    }
    return count >= this.#maxFromOneSource ? first : undefined
  }

  #pick(peers: ReadonlyMap<Peer, unknown>, except?: Peer, exceptToo?: Peer): Peer | undefined {
    let eligible = peers.size
    if (except !== undefined && peers.has(except)) eligible--
    if (exceptToo !== undefined && exceptToo !== except && peers.has(exceptToo)) eligible--
    if (eligible === 0) return undefined
    let skip = this.#rng.below(eligible)
    for (const peer of peers.keys()) {
      if (peer !== except && peer !== exceptToo && skip-- === 0) return peer
    }
    return undefined
  }

  #sample(peers: ReadonlyMap<Peer, unknown>, count: number, except: Peer): Peer[] {
    const rest: Peer[] = []
    for (const peer of peers.keys()) if (peer !== except) rest.push(peer)
    return this.#rng.sample(rest, count)
  }
}

/** How often others may make a settled neighbour go. */
function evictionsOf(maxForced: number, settleMs: number): TokenBucket {
  return new TokenBucket({ rate: maxForced / (settleMs / 1000), burst: maxForced })
}
