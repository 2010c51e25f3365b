import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import type { ExchangeConfig } from './config.ts'

/** What the choker knows of a peer. */
export interface ChokerPeer {
  readonly peer: Peer
  /** The peer wants something of us. */
  readonly isInterested: boolean
  /** When it was unchoked last; undefined while it is choked. */
  readonly unchokedSince: number | undefined
  /** When it was choked last; undefined when it never had a slot. */
  readonly chokedSince: number | undefined
  readonly connectedAt: number
  /** Bytes per second that it sends us; of a seed's peers, that they take. */
  readonly rate: number
  /** It owes us blocks and has sent none for long. */
  readonly isSnubbing: boolean
}

/**
 * Who may download from us (BEP 3, Cohen 2003). Regular slots go to those who send us most: tit for tat. One slot is
 * given by lot and moves on every 30 s, so that newcomers get something to trade and better partners are found. A seed
 * has nothing to gain: its regular slots go round by time (Legout 2006), fast takers first among equals.
 *
 * While there are slots enough for all who are interested, all have one at once.
 */
export class Choker {
  readonly #config: ExchangeConfig
  readonly #rng: Rng
  #optimistic: Peer | undefined
  #optimisticSince = Number.NEGATIVE_INFINITY

  constructor(config: ExchangeConfig, rng: Rng) {
    this.#config = config
    this.#rng = rng
  }

  get slots(): number {
    return this.#config.uploadSlots + 1
  }

  /** Those who are to be unchoked from now on; everybody else is choked. */
  choose(peers: Iterable<ChokerPeer>, isSeed: boolean, now: number): Set<Peer> {
    const interested = [...peers].filter(({ isInterested }) => isInterested)
    if (interested.length <= this.slots) return new Set(interested.map(({ peer }) => peer))
    const ranked = isSeed ? this.#byTurn(interested, now) : this.#byTrade(interested)
    const regular = ranked.slice(0, this.#config.uploadSlots)
    const rest = interested.filter(candidate => !regular.includes(candidate))
    return new Set([...regular.map(({ peer }) => peer), ...this.#lot(rest, now)])
  }

  #byTrade(peers: ChokerPeer[]): ChokerPeer[] {
    const shuffled = this.#rng.sample(peers, peers.length)
    return shuffled.sort((a, b) => Number(a.isSnubbing) - Number(b.isSnubbing) || b.rate - a.rate)
  }

  /** Those whose turn is not over, then those who have waited longest. */
  #byTurn(peers: ChokerPeer[], now: number): ChokerPeer[] {
    const turn = ({ unchokedSince }: ChokerPeer): boolean =>
      unchokedSince !== undefined && now - unchokedSince < this.#config.seedTurnMs
    const waitingSince = ({ unchokedSince, chokedSince }: ChokerPeer): number =>
      unchokedSince === undefined ? (chokedSince ?? Number.NEGATIVE_INFINITY) : now
    const order = (a: ChokerPeer, b: ChokerPeer): number => {
      if (turn(a) !== turn(b)) return turn(a) ? -1 : 1
      const [waitA, waitB] = [waitingSince(a), waitingSince(b)]
      return waitA === waitB ? b.rate - a.rate : waitA < waitB ? -1 : 1
    }
    return this.#rng.sample(peers, peers.length).sort(order)
  }

  #lot(rest: ChokerPeer[], now: number): Peer[] {
    const { optimisticMs, newPeerMs } = this.#config
    if (rest.length === 0) return []
    const holder = rest.find(({ peer }) => peer === this.#optimistic)
    if (holder !== undefined && now - this.#optimisticSince < optimisticMs) return [holder.peer]
    const others = rest.filter(candidate => candidate !== holder)
    const tickets = others.flatMap(({ peer, connectedAt }) =>
      now - connectedAt < newPeerMs ? [peer, peer, peer] : [peer]
    )
    this.#optimistic = tickets.length === 0 ? holder!.peer : this.#rng.pick(tickets)
    this.#optimisticSince = now
    return [this.#optimistic]
  }
}
