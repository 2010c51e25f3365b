import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import {
  type Bloom,
  bloomBits,
  bloomOf,
  density,
  emptyBloom,
  flipped,
  flipsBetween,
  hashKey,
  type KeyHash,
  MIN_BLOOM_BITS,
  mayHave,
  unionOf
} from './bloom.ts'
import { type SearchConfig, searchLimits } from './config.ts'
import type { SummaryLevel, SummaryMessage } from './messages.ts'

interface Heard {
  readonly bloom: Bloom
  /** One with most bits set matches everything: it says nothing, and in a union would make all others say nothing. */
  readonly tells: boolean
}

/** What a neighbour has told, and what it was told. */
interface Neighbour {
  /** By hops from here, nearest first. */
  heard: Heard[] // BOUNDED by searchLimits.summaryBits
  heardVersion: number
  told: Bloom[] // BOUNDED likewise
  toldVersion: number
  /** When it is told what has changed since; undefined when nothing has. */
  due: number | undefined
  lastTold: number
  /** What came of the matches that it showed, by hops from here like `heard`. */
  trials: (Trials | undefined)[] // BOUNDED by the levels
}

/** How often a match was shown and hits did, or did not, come of it; both halve at times. */
interface Trials {
  kept: number
  broken: number
}

/**
 * What can be found by way of each neighbour, one, two and three hops away: attenuated Bloom filters (Rhea and
 * Kubiatowicz 2002). A node tells each neighbour what it shares itself, what its other neighbours share, and what theirs
 * do; so a search needs to come within some hops of a holder, and not to meet it.
 */
export class Summaries {
  readonly #config: SearchConfig
  readonly #rng: Rng
  readonly #neighbours = new Map<Peer, Neighbour>() // BOUNDED by the overlay's active view
  #own: Bloom = emptyBloom(MIN_BLOOM_BITS)
  /** When the first neighbour is to be told. Kept, because it is asked for after every input. */
  #nextDue = Number.POSITIVE_INFINITY

  constructor(config: SearchConfig, rng: Rng) {
    this.#config = config
    this.#rng = rng
  }

  get isOn(): boolean {
    return this.#config.summaryHops > 0
  }

  /** This node shares something else than before. */
  share(keys: Iterable<string>, now: number): void {
    const hashes = Array.from(keys, hashKey)
    this.#own = bloomOf(hashes, bloomBits(hashes.length, searchLimits.summaryBits[0] as number))
    for (const peer of this.#neighbours.keys()) this.#owe(peer, now)
  }

  neighbourUp(peer: Peer, now: number): void {
    if (!this.isOn || this.#neighbours.has(peer)) return
    this.#neighbours.set(peer, {
      heard: [],
      heardVersion: 0,
      told: [],
      // not one that it has from before, should the first message be lost
      toldVersion: this.#rng.below(2 ** 31),
      due: undefined,
      lastTold: Number.NEGATIVE_INFINITY,
      trials: []
    })
    this.#owe(peer, now)
  }

  neighbourDown(peer: Peer, now: number): void {
    const gone = this.#neighbours.get(peer)
    if (gone === undefined) return
    this.#neighbours.delete(peer)
    if (gone.due === this.#nextDue) this.#nextDue = this.#firstDue()
    if (gone.heard.length > 0) for (const other of this.#neighbours.keys()) this.#owe(other, now)
  }

  /** Returns false when it cannot be applied: then a whole one has to be asked for. */
  onSummary(from: Peer, { version, base, levels }: SummaryMessage, now: number): boolean {
    const neighbour = this.#neighbours.get(from)
    if (neighbour === undefined) return true
    if (base !== 0 && base !== neighbour.heardVersion) return false
    const heard: Heard[] = []
    for (const [i, { bits, flips }] of levels.entries()) {
      const before = base === 0 ? emptyBloom(bits) : neighbour.heard[i]?.bloom
      if (before === undefined || before.length * 32 !== bits) return false
      const bloom = flips.length === 0 ? before : flipped(before, flips)
      heard.push({ bloom, tells: density(bloom) <= searchLimits.summaryDensity })
    }
    neighbour.heard = heard.slice(0, this.#config.summaryHops)
    neighbour.heardVersion = version
    for (const other of this.#neighbours.keys()) if (other !== from) this.#owe(other, now)
    return true
  }

  /** It has lost what it was told before: it gets all of it next time. */
  onWanted(from: Peer, now: number): void {
    const neighbour = this.#neighbours.get(from)
    if (neighbour === undefined || neighbour.told.length === 0) return
    neighbour.told = []
    this.#owe(from, now)
  }

  nextDue(): number {
    return this.#nextDue
  }

  /** What is to be told now. */
  takeDue(now: number): { to: Peer; message: SummaryMessage }[] {
    const messages: { to: Peer; message: SummaryMessage }[] = []
    if (now < this.#nextDue) return messages
    for (const [to, neighbour] of this.#neighbours) {
      if (neighbour.due === undefined || neighbour.due > now) continue
      neighbour.due = undefined
      const levels = this.#levelsFor(to)
      const isWhole =
        neighbour.told.length === 0 || levels.some((bloom, i) => bloom.length !== neighbour.told[i]?.length)
      const changes = levels.map((bloom, i): SummaryLevel => {
        const before = isWhole ? emptyBloom(bloom.length * 32) : (neighbour.told[i] as Bloom)
        return { bits: bloom.length * 32, flips: flipsBetween(before, bloom) }
      })
      if (!isWhole && changes.every(({ flips }) => flips.length === 0)) continue
      const base = isWhole ? 0 : neighbour.toldVersion
      neighbour.told = levels
      neighbour.toldVersion = (neighbour.toldVersion % 0xffff_ffff) + 1
      neighbour.lastTold = now
      messages.push({ to, message: { type: 'summary', version: neighbour.toldVersion, base, levels: changes } })
    }
    this.#nextDue = this.#firstDue()
    return messages
  }

  /**
   * Hops to the nearest node by way of this neighbour that may have all keys; undefined when its summary shows none,
   * says nothing, or has not been worth much.
   */
  matchOf(peer: Peer, keys: readonly KeyHash[]): number | undefined {
    const neighbour = this.#neighbours.get(peer)
    if (neighbour === undefined || keys.length === 0) return undefined
    const { heard, trials } = neighbour
    const hop = heard.findIndex(
      ({ bloom, tells }, i) => tells && isBelieved(trials[i]) && keys.every(key => mayHave(bloom, key))
    )
    return hop === -1 ? undefined : hop + 1
  }

  /** Whether the summary of some neighbour shows this key. */
  shows(key: KeyHash): boolean {
    for (const { heard } of this.#neighbours.values()) {
      if (heard.some(({ bloom, tells }) => tells && mayHave(bloom, key))) return true
    }
    return false
  }

  /** Of about how many peers the summaries here tell, within a hop and in all, if others have as many neighbours. */
  get sight(): { near: number; all: number } {
    const others = this.#neighbours.size - 1
    const sight = { near: 1, all: 1 }
    for (const neighbour of this.#neighbours.values()) {
      for (const [hops, { tells }] of neighbour.heard.entries()) {
        if (!tells || !isBelieved(neighbour.trials[hops])) break
        sight.all += others ** hops
        if (hops === 0) sight.near++
      }
    }
    return sight
  }

  /**
   * What came of asking a neighbour whose summary showed a match so many hops away. Each level stands for itself: what is
   * far away is in filters with more keys, which are wrong more often.
   */
  judge(peer: Peer, hops: number, hasHit: boolean): void {
    const neighbour = this.#neighbours.get(peer)
    if (neighbour === undefined || hops < 1 || hops > searchLimits.summaryBits.length) return
    const trials = neighbour.trials[hops - 1] ?? { kept: 0, broken: 0 }
    neighbour.trials[hops - 1] = trials
    if (hasHit) trials.kept++
    else trials.broken++
    if (trials.kept + trials.broken < searchLimits.summaryMemory) return
    trials.kept /= 2
    trials.broken /= 2
  }

  #levelsFor(to: Peer): Bloom[] {
    return Array.from({ length: this.#config.summaryHops }, (_, hops) => {
      if (hops === 0) return this.#own
      const heard: Bloom[] = []
      for (const [peer, neighbour] of this.#neighbours) {
        const level = neighbour.heard[hops - 1]
        if (peer !== to && level?.tells === true) heard.push(level.bloom)
      }
      return unionOf(heard, searchLimits.summaryBits[hops] as number)
    })
  }

  #firstDue(): number {
    let first = Number.POSITIVE_INFINITY
    for (const { due } of this.#neighbours.values()) if (due !== undefined && due < first) first = due
    return first
  }

  /** A little later, so that changes which come together are told together; and not often. */
  #owe(peer: Peer, now: number): void {
    const neighbour = this.#neighbours.get(peer) as Neighbour
    if (neighbour.due !== undefined) return
    const { summaryMs, summarySettleMs } = this.#config
    const settle = Math.floor(summarySettleMs * (0.5 + this.#rng.unit()))
    neighbour.due = Math.max(now + settle, neighbour.lastTold + summaryMs)
    this.#nextDue = Math.min(this.#nextDue, neighbour.due)
  }
}

/** What it showed so far away has been worth something, as far as it was followed. */
function isBelieved({ kept, broken }: Trials = { kept: 0, broken: 0 }): boolean {
  return broken < searchLimits.summaryTrials || kept >= broken * searchLimits.summaryPrecision
}
