import { BoundedMap } from '../core/bounded-map.ts'
import type { SwarmId } from '../core/ids.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import { type TrackerConfig, trackerLimits } from './config.ts'
import type { Announce, Announced, Refused, SwarmCount } from './messages.ts'
import { type Listed, Roster } from './roster.ts'

interface Account {
  readonly swarm: SwarmId
  /** By when they were last heard, the stalest first. BOUNDED by maxPeersPerSwarm. */
  readonly entries: Map<Peer, Entry>
  /** Entries with a connection, to be told to others. */
  readonly present: { readonly seeds: Roster; readonly leeches: Roster }
  seeds: number
  completed: number
  /** Who is in `completed`. BOUNDED by maxCompletions of all accounts. */
  readonly completers: Set<Peer>
}

interface Entry extends Listed {
  readonly account: Account
  seed: boolean
  heardAt: number
  /** When its connection was lost; undefined while it has one. */
  awayAt: number | undefined
}

/** Who takes part in which swarm, as this node keeps it for everybody who announces to it. */
export class Accounts {
  readonly #self: Peer
  readonly #config: TrackerConfig
  readonly #rng: Rng
  /** BOUNDED by maxSwarms and this node's own swarms. */
  readonly #accounts = new Map<SwarmId, Account>()
  /** Accounts without entries, kept for their count of completions; the first to go. BOUNDED by #accounts. */
  readonly #idle = new Set<Account>()
  /** BOUNDED by maxEntries; one peer's by maxSwarmsPerPeer. */
  readonly #byPeer = new Map<Peer, Map<SwarmId, Entry>>()
  /** All entries by when they were last heard. BOUNDED by maxEntries and this node's own. */
  readonly #heard = new Set<Entry>()
  /** Entries without a connection, by when it was lost. BOUNDED by #heard. */
  readonly #away = new Set<Entry>()
  readonly #completions = new BoundedMap<number, { account: Account; peer: Peer }>(trackerLimits.maxCompletions)
  #completionCount = 0
  /** No entry is due before this. */
  #next = Number.POSITIVE_INFINITY

  constructor(init: { self: Peer; rng: Rng; config: TrackerConfig }) {
    if (!(init.config.maxPeersPerSwarm >= 2)) throw new RangeError('maxPeersPerSwarm is at least 2: us and another')
    this.#self = init.self
    this.#rng = init.rng
    this.#config = init.config
  }

  account(swarm: SwarmId): { seeds: number; leeches: number; completed: number } | undefined {
    const account = this.#accounts.get(swarm)
    if (account === undefined) return undefined
    return { seeds: account.seeds, leeches: account.entries.size - account.seeds, completed: account.completed }
  }

  /** Who is in an account, for tests and for people. */
  *entries(swarm: SwarmId): Generator<{ peer: Peer; seed: boolean; away: boolean }> {
    for (const { peer, seed, awayAt } of this.#accounts.get(swarm)?.entries.values() ?? []) {
      yield { peer, seed, away: awayAt !== undefined }
    }
  }

  /** Swarms with an account, for tests and for people. */
  swarms(): SwarmId[] {
    return [...this.#accounts.keys()]
  }

  /** Books an announce, and answers it. There is no answer to `stopped`. */
  announce(peer: Peer, message: Announce, now: number): Announced | Refused | undefined {
    const { swarm } = message
    if (message.event === 'stopped') {
      const entry = this.#accounts.get(swarm)?.entries.get(peer)
      if (entry !== undefined) this.#remove(entry)
      return undefined
    }
    const entry = this.#accounts.get(swarm)?.entries.get(peer) ?? this.#enter(peer, swarm)
    if (typeof entry === 'string') return { type: 'refused', swarm, reason: entry, retryMs: this.#config.intervalMs }
    this.#refresh(entry, message.left === 0, now)
    const { account } = entry
    if (message.event === 'completed') this.#complete(account, peer)
    return {
      type: 'announced',
      swarm,
      intervalMs: this.#config.intervalMs,
      minIntervalMs: this.#config.minIntervalMs,
      seeds: account.seeds,
      leeches: account.entries.size - account.seeds,
      peers: this.#choose(entry, Math.min(message.numWant, trackerLimits.maxPeersInReply))
    }
  }

  scrape(swarms: readonly SwarmId[]): SwarmCount[] {
    return swarms.map(swarm => ({ swarm, ...(this.account(swarm) ?? { seeds: 0, leeches: 0, completed: 0 }) }))
  }

  /** The peer's connection is lost: it is told to nobody, and forgotten when it does not announce again in time. */
  onPeerDown(peer: Peer, now: number): void {
    for (const entry of this.#byPeer.get(peer)?.values() ?? []) {
      if (entry.awayAt !== undefined) continue
      this.#rosterOf(entry).remove(entry)
      entry.awayAt = now
      this.#away.add(entry)
      this.#next = Math.min(this.#next, now + this.#config.graceMs)
    }
  }

  nextTick(): number | undefined {
    return this.#next === Number.POSITIVE_INFINITY ? undefined : this.#next
  }

  onTick(now: number): void {
    if (now < this.#next) return
    this.#next = Number.POSITIVE_INFINITY
    for (const entry of this.#away) {
      if (this.#isDue((entry.awayAt as number) + this.#config.graceMs, now)) this.#remove(entry)
      else break
    }
    for (const entry of this.#heard) {
      if (!this.#isDue(entry.heardAt + this.#lifetimeMs, now)) break
      // we announce to ourselves as often as to the tracker in use, which may want it less often
      if (entry.peer === this.#self) this.#refresh(entry, entry.seed, now)
      else this.#remove(entry)
    }
  }

  /** Two announces may be missed. */
  get #lifetimeMs(): number {
    return 2 * this.#config.intervalMs + this.#config.graceMs
  }

  #isDue(at: number, now: number): boolean {
    if (at <= now) return true
    this.#next = Math.min(this.#next, at)
    return false
  }

  #enter(peer: Peer, swarm: SwarmId): Entry | 'full' | 'tooManySwarms' {
    const { maxSwarmsPerPeer, maxPeersPerSwarm, maxEntries } = this.#config
    const own = peer === this.#self
    const swarmsOfPeer = this.#byPeer.get(peer) ?? new Map<SwarmId, Entry>()
    if (!own && swarmsOfPeer.size >= maxSwarmsPerPeer) return 'tooManySwarms'
    const known = this.#accounts.get(swarm)
    const isCrowded = known !== undefined && known.entries.size >= maxPeersPerSwarm
    if (!own && !isCrowded && this.#heard.size >= maxEntries) return 'full'
    const account = known ?? this.#open(swarm, own)
    if (account === undefined) return 'full'
    if (isCrowded) this.#remove(this.#stalest(account))
    const entry: Entry = { account, peer, seed: false, heardAt: 0, awayAt: undefined, place: -1 }
    this.#idle.delete(account)
    this.#accounts.set(swarm, account)
    account.entries.set(peer, entry)
    account.present.leeches.add(entry)
    swarmsOfPeer.set(swarm, entry)
    this.#byPeer.set(peer, swarmsOfPeer)
    return entry
  }

  #open(swarm: SwarmId, own: boolean): Account | undefined {
    if (this.#accounts.size >= this.#config.maxSwarms && !own) {
      const [idle] = this.#idle
      if (idle === undefined) return undefined
      this.#idle.delete(idle)
      this.#accounts.delete(idle.swarm)
    }
    const present = { seeds: new Roster(), leeches: new Roster() }
    return { swarm, entries: new Map(), present, seeds: 0, completed: 0, completers: new Set() }
  }

  /** Who was heard longest ago; this node itself is always heard. */
  #stalest(account: Account): Entry {
    const [first, second] = account.entries.values()
    return (first?.peer === this.#self ? second : first) as Entry
  }

  #refresh(entry: Entry, seed: boolean, now: number): void {
    const { account } = entry
    if (entry.awayAt === undefined) this.#rosterOf(entry).remove(entry)
    if (seed !== entry.seed) account.seeds += seed ? 1 : -1
    entry.seed = seed
    entry.heardAt = now
    entry.awayAt = undefined
    this.#rosterOf(entry).add(entry)
    this.#away.delete(entry)
    this.#heard.delete(entry)
    this.#heard.add(entry)
    account.entries.delete(entry.peer)
    account.entries.set(entry.peer, entry)
    this.#next = Math.min(this.#next, now + this.#lifetimeMs)
  }

  #complete(account: Account, peer: Peer): void {
    if (account.completers.has(peer)) return
    account.completers.add(peer)
    account.completed++
    const forgotten = this.#completions.set(this.#completionCount++, { account, peer })?.[1]
    forgotten?.account.completers.delete(forgotten.peer)
  }

  #remove(entry: Entry): void {
    const { account, peer } = entry
    if (entry.awayAt === undefined) this.#rosterOf(entry).remove(entry)
    if (entry.seed) account.seeds--
    account.entries.delete(peer)
    this.#heard.delete(entry)
    this.#away.delete(entry)
    const swarmsOfPeer = this.#byPeer.get(peer) as Map<SwarmId, Entry>
    swarmsOfPeer.delete(account.swarm)
    if (swarmsOfPeer.size === 0) this.#byPeer.delete(peer)
    if (account.entries.size > 0) return
    if (account.completed > 0) this.#idle.add(account)
    else this.#accounts.delete(account.swarm)
  }

  #rosterOf(entry: Entry): Roster {
    return entry.seed ? entry.account.present.seeds : entry.account.present.leeches
  }

  /**
   * A seed is told leeches: it has nothing to ask other seeds. A leech is told both: a quarter of the places is for
   * seeds, so that there is somebody who has every piece, and the rest for leeches, who have reason to trade and spare
   * the seeds. Places that one kind cannot fill go to the other.
   */
  #choose(asker: Entry, count: number): Peer[] {
    const { seeds, leeches } = asker.account.present
    if (asker.seed) return leeches.sample(this.#rng, count, asker.peer)
    const otherLeeches = leeches.size - 1
    const seedPlaces = Math.min(seeds.size, Math.max(Math.ceil(count / 4), count - otherLeeches))
    const chosen = seeds.sample(this.#rng, seedPlaces, asker.peer)
    chosen.push(...leeches.sample(this.#rng, count - chosen.length, asker.peer))
    return this.#rng.sample(chosen, chosen.length)
  }
}
