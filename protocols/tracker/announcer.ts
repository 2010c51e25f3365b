import { BoundedMap } from '../core/bounded-map.ts'
import type { SwarmId } from '../core/ids.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import { TokenBucket } from '../core/token-bucket.ts'
import type { Accounts } from './accounts.ts'
import { type TrackerConfig, trackerLimits } from './config.ts'
import { type Membership, NEVER, type Standing, standingOf } from './membership.ts'
import type { Announce, Announced, AnnounceEvent, Refused } from './messages.ts'
import { Tiers } from './tiers.ts'
import type { TrackerCommand, TrackerOutput } from './tracker.ts'

type Join = Extract<TrackerCommand, { type: 'join' }>
type Update = Extract<TrackerCommand, { type: 'update' }>

/**
 * Announces this node to the trackers of the swarms that it takes part in. One tracker of a swarm is asked at a time, in
 * the order of the tiers, passing over those that failed a short while ago; the account that this node keeps itself is
 * told in any case when the tiers name it.
 */
export class Announcer {
  readonly #self: Peer
  readonly #rng: Rng
  readonly #config: TrackerConfig
  readonly #accounts: Accounts
  readonly #emit: (output: TrackerOutput) => void
  /** BOUNDED by the swarms that the application joins. */
  readonly #memberships = new Map<SwarmId, Membership>()
  readonly #paces = new BoundedMap<Peer, TokenBucket>(trackerLimits.maxPaced)
  #now = 0
  /** Nothing is due before this. */
  #next = NEVER

  constructor(init: {
    self: Peer
    rng: Rng
    config: TrackerConfig
    accounts: Accounts
    emit: (output: TrackerOutput) => void
  }) {
    this.#self = init.self
    this.#rng = init.rng
    this.#config = init.config
    this.#accounts = init.accounts
    this.#emit = init.emit
  }

  nextTick(): number | undefined {
    return this.#next === NEVER ? undefined : this.#next
  }

  join({ swarm, tiers, left }: Join, now: number): void {
    this.#now = now
    const known = this.#memberships.get(swarm)
    const named = new Tiers(tiers, this.#self, this.#rng)
    if (known !== undefined) {
      this.#rejoin(known, named, left)
      return
    }
    const membership: Membership = {
      swarm,
      tiers: named,
      left,
      uploaded: 0,
      downloaded: 0,
      complete: left === 0,
      owesCompleted: false,
      asked: undefined,
      current: undefined,
      dueAt: NEVER,
      moreAt: now,
      standings: new Map()
    }
    this.#memberships.set(swarm, membership)
    this.#announce(membership)
  }

  update({ swarm, left, uploaded, downloaded }: Update, now: number): void {
    this.#now = now
    const membership = this.#memberships.get(swarm)
    if (membership === undefined) return
    membership.left = left
    membership.uploaded = uploaded
    membership.downloaded = downloaded
    if (left > 0 || membership.complete) return
    membership.complete = true
    membership.owesCompleted = true
    this.#tellOwnAccount(membership, 'completed')
    // one that is under way says what was before; its answer is followed by this
    if (membership.asked === undefined) this.#askNext(membership)
  }

  more(swarm: SwarmId, now: number): void {
    this.#now = now
    const membership = this.#memberships.get(swarm)
    if (membership === undefined || membership.asked !== undefined || membership.dueAt === NEVER) return
    this.#dueBy(membership, Math.max(now, membership.moreAt))
  }

  leave(swarm: SwarmId, now: number): void {
    this.#now = now
    const membership = this.#memberships.get(swarm)
    if (membership === undefined) return
    this.#memberships.delete(swarm)
    if (this.#memberships.size === 0) this.#next = NEVER
    for (const tracker of membership.standings.keys()) this.#tellStopped(membership, tracker)
  }

  /** Swarms that this node takes part in. */
  swarms(): SwarmId[] {
    return [...this.#memberships.keys()]
  }

  onAnnounced(tracker: Peer, answer: Announced, now: number): void {
    this.#now = now
    const membership = this.#askedOf(tracker, answer.swarm)
    if (membership === undefined) return
    const { event } = membership.asked as { event: AnnounceEvent }
    membership.asked = undefined
    const standing = standingOf(membership, tracker)
    standing.entry = 'held'
    standing.failures = 0
    if (event === 'completed') membership.owesCompleted = false
    membership.tiers.toFront(tracker)
    this.#onAnswer(membership, tracker, answer)
    if (membership.owesCompleted) this.#askNext(membership)
  }

  onRefused(tracker: Peer, { swarm, reason, retryMs }: Refused, now: number): void {
    this.#now = now
    const membership = this.#askedOf(tracker, swarm)
    if (membership !== undefined) this.#fail(membership, `refused: ${reason}`, retryMs)
  }

  /** A tracker that was given up may be back, or one that comes earlier in the order. */
  onPeerUp(peer: Peer, now: number): void {
    this.#now = now
    for (const membership of this.#memberships.values()) {
      const standing = membership.standings.get(peer)
      if (standing === undefined || standing.failures === 0 || membership.asked?.tracker === peer) continue
      standing.retryAt = Math.min(standing.retryAt, this.#reconnectAt(standing))
      const { current } = membership
      if (current === undefined || !this.#isInUse(membership, current) || membership.tiers.isBefore(peer, current)) {
        this.#dueBy(membership, standing.retryAt)
      }
    }
  }

  /** A tracker that loses our connection forgets us soon after: it is told again, unless somebody else is asked anyway. */
  onPeerDown(peer: Peer, now: number): void {
    this.#now = now
    for (const membership of this.#memberships.values()) {
      const standing = membership.standings.get(peer)
      if (standing === undefined) continue
      const wasHeld = standing.entry === 'held'
      standing.entry = 'none'
      if (membership.asked?.tracker === peer) this.#fail(membership, 'cannot be reached', 0)
      else if (wasHeld && membership.current === peer) this.#dueBy(membership, this.#reconnectAt(standing))
    }
  }

  onTick(now: number): void {
    this.#now = now
    if (now < this.#next) return
    this.#next = NEVER
    for (const membership of this.#memberships.values()) {
      if (membership.asked !== undefined && membership.asked.until <= now) this.#fail(membership, 'does not answer', 0)
      if (membership.asked === undefined && membership.dueAt <= now) this.#announce(membership)
      this.#wakeAt(membership.asked?.until ?? membership.dueAt)
    }
  }

  #rejoin(membership: Membership, tiers: Tiers, left: number): void {
    const before = membership.tiers
    const isOtherKind = (left === 0) !== (membership.left === 0)
    membership.tiers = tiers
    membership.left = left
    if (left === 0) membership.complete = true
    for (const tracker of before) {
      if (tiers.has(tracker)) continue
      this.#tellStopped(membership, tracker)
      membership.standings.delete(tracker)
      if (membership.asked?.tracker === tracker) membership.asked = undefined
      if (membership.current === tracker) membership.current = undefined
    }
    const { current } = membership
    if (current !== undefined) tiers.toFront(current)
    this.#refreshOwnAccount(membership)
    const isServed = current !== undefined && this.#isInUse(membership, current) && !isOtherKind
    if (membership.asked === undefined && !isServed) this.#askNext(membership)
  }

  #announce(membership: Membership): void {
    this.#refreshOwnAccount(membership)
    this.#askNext(membership)
  }

  /** Asks the first tracker in the order that may be asked now. */
  #askNext(membership: Membership): void {
    membership.dueAt = NEVER
    let retryAt = NEVER
    for (const tracker of membership.tiers) {
      if (tracker === this.#self) {
        membership.owesCompleted = false
        membership.current = tracker
        this.#dueBy(membership, this.#intervalFrom(this.#config.intervalMs))
        return
      }
      const standing = standingOf(membership, tracker)
      if (standing.retryAt <= this.#now) {
        this.#ask(membership, tracker, standing)
        return
      }
      retryAt = Math.min(retryAt, standing.retryAt)
    }
    this.#dueBy(membership, retryAt)
  }

  #ask(membership: Membership, tracker: Peer, standing: Standing): void {
    if (!this.#paceOf(tracker).take(this.#now)) {
      this.#dueBy(membership, this.#now + 1_000 + this.#rng.below(4_000))
      return
    }
    const event = membership.owesCompleted ? 'completed' : standing.entry === 'held' ? 'none' : 'started'
    if (standing.entry === 'none') standing.entry = 'asked'
    standing.askedAt = this.#now
    membership.asked = { tracker, event, until: this.#now + this.#config.answerMs }
    this.#wakeAt(membership.asked.until)
    this.#emit({ type: 'send', to: tracker, message: this.#message(membership, event) })
  }

  #onAnswer(membership: Membership, tracker: Peer, answer: Announced): void {
    const { swarm, seeds, leeches } = answer
    membership.current = tracker
    const { shortestMinIntervalMs } = this.#config
    const nextAt = this.#intervalFrom(answer.intervalMs)
    // earlier when a better tracker came back meanwhile
    this.#dueBy(membership, nextAt)
    membership.moreAt = Math.min(nextAt, this.#now + Math.max(answer.minIntervalMs, shortestMinIntervalMs))
    this.#tellPeers({ swarm, tracker, seeds, leeches }, answer.peers)
  }

  /** The next one in the order is asked at once. */
  #fail(membership: Membership, reason: string, retryMs: number): void {
    const { tracker } = membership.asked as { tracker: Peer }
    const { retryFirstMs, retryLastMs, longestIntervalMs } = this.#config
    const standing = standingOf(membership, tracker)
    membership.asked = undefined
    if (standing.entry === 'held') standing.entry = 'asked'
    const backoffMs = Math.min(retryFirstMs * 2 ** standing.failures, retryLastMs) * (0.75 + this.#rng.unit() / 2)
    standing.failures++
    standing.retryAt = this.#now + Math.floor(Math.max(backoffMs, Math.min(retryMs, longestIntervalMs)))
    this.#emit({ type: 'event', event: { type: 'trackerFailed', swarm: membership.swarm, tracker, reason } })
    this.#askNext(membership)
  }

  #refreshOwnAccount(membership: Membership): void {
    this.#tellOwnAccount(membership, membership.standings.has(this.#self) ? 'none' : 'started')
  }

  /** No message: a machine does not send to its own node. */
  #tellOwnAccount(membership: Membership, event: AnnounceEvent): void {
    if (!membership.tiers.has(this.#self)) return
    standingOf(membership, this.#self).entry = 'held'
    const answer = this.#accounts.announce(this.#self, this.#message(membership, event), this.#now)
    if (answer?.type !== 'announced') return
    membership.moreAt = this.#now + this.#config.minIntervalMs
    this.#tellPeers({ ...answer, tracker: this.#self }, answer.peers)
  }

  /** Only a tracker that has us, or may: the others are not dialled to be told goodbye. */
  #tellStopped(membership: Membership, tracker: Peer): void {
    if ((membership.standings.get(tracker)?.entry ?? 'none') === 'none') return
    const message = this.#message(membership, 'stopped')
    if (tracker === this.#self) this.#accounts.announce(this.#self, message, this.#now)
    else this.#emit({ type: 'send', to: tracker, message })
  }

  #tellPeers(from: { swarm: SwarmId; tracker: Peer; seeds: number; leeches: number }, told: readonly Peer[]): void {
    const { swarm, tracker, seeds, leeches } = from
    const peers = [...new Set(told)].filter(peer => peer !== this.#self).slice(0, this.#config.numWant)
    this.#emit({ type: 'event', event: { type: 'peers', swarm, tracker, peers, seeds, leeches } })
  }

  #message({ swarm, left, uploaded, downloaded }: Membership, event: AnnounceEvent): Announce {
    return { type: 'announce', swarm, event, left, uploaded, downloaded, numWant: this.#config.numWant }
  }

  /** An answer that nobody waits for, or that came too late, counts for nothing. */
  #askedOf(tracker: Peer, swarm: SwarmId): Membership | undefined {
    const membership = this.#memberships.get(swarm)
    return membership?.asked?.tracker === tracker ? membership : undefined
  }

  #isInUse(membership: Membership, tracker: Peer): boolean {
    const standing = membership.standings.get(tracker)
    return standing?.entry === 'held' && standing.failures === 0
  }

  /** Never later than the tracker wants it, and not all peers at once. */
  #intervalFrom(intervalMs: number): number {
    const { shortestIntervalMs, longestIntervalMs } = this.#config
    const bounded = Math.min(Math.max(intervalMs, shortestIntervalMs), longestIntervalMs)
    return this.#now + Math.floor(bounded * (0.9 + this.#rng.unit() / 10))
  }

  #reconnectAt(standing: Standing): number {
    const { reconnectMs } = this.#config
    return Math.max(this.#now, standing.askedAt + reconnectMs) + this.#rng.below(Math.max(1, reconnectMs >> 3))
  }

  #paceOf(tracker: Peer): TokenBucket {
    let pace = this.#paces.get(tracker)
    if (pace === undefined) {
      pace = new TokenBucket(trackerLimits.ownAnnounces)
      this.#paces.set(tracker, pace)
    }
    return pace
  }

  #dueBy(membership: Membership, at: number): void {
    membership.dueAt = Math.min(membership.dueAt, at)
    this.#wakeAt(membership.dueAt)
  }

  #wakeAt(at: number): void {
    this.#next = Math.min(this.#next, at)
  }
}
