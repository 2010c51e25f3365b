import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import { type OverlayConfig, overlayLimits } from './config.ts'
import { IslandWatch } from './island-watch.ts'
import type { Links } from './links.ts'
import type { OverlayMessage } from './messages.ts'
import { type Population, PopulationEstimate } from './population.ts'
import type { Views } from './views.ts'

type Shuffle = Extract<OverlayMessage, { type: 'shuffle' }>

/** Origins of walks that the estimate of the population remembers: enough for ten thousand peers, within hours. */
const POPULATION_MEMORY = 512
/** After so many steps the end of a walk depends little on where it began. */
const RANDOM_AFTER_STEPS = 4

/** Renews the passive view, and learns from the shuffles of others how large the network is. */
export class Shuffling {
  readonly #self: Peer
  readonly #config: OverlayConfig
  readonly #rng: Rng
  readonly #views: Views
  readonly #links: Links
  /** Our last shuffle and what it sent away, until it is answered. BOUNDED by a shuffle. */
  #underWay: { nonce: number; peers: Peer[] } | undefined
  readonly #population = new PopulationEstimate(POPULATION_MEMORY)
  readonly island = new IslandWatch()
  /** How many are still to be asked whether they rest. */
  #toProbe = 0
  #dueMs: number | undefined

  constructor(init: { self: Peer; config: OverlayConfig; rng: Rng; views: Views; links: Links }) {
    this.#self = init.self
    this.#config = init.config
    this.#rng = init.rng
    this.#views = init.views
    this.#links = init.links
  }

  get dueMs(): number | undefined {
    return this.#dueMs
  }

  /** As it looks from here. A neighbour may be one that no walk has brought. */
  get population(): Population {
    const { atLeast, about } = this.#population.population
    return { atLeast: Math.max(atLeast, this.#views.active.size + 1), ...(about === undefined ? {} : { about }) }
  }

  start(): void {
    this.#dueMs ??= this.#links.now + Math.floor(this.#config.shuffleMs * this.#rng.unit())
  }

  stop(): void {
    this.#dueMs = undefined
    this.#underWay = undefined
  }

  /** It is time for the next one: says when that after it is due. */
  begin(): void {
    this.#dueMs = this.#links.now + Math.floor(this.#config.shuffleMs * (0.75 + this.#rng.unit() / 2))
  }

  shuffle(): void {
    const { shuffleActive, shufflePassive, activeWalk } = this.#config
    const to = this.#views.pickActive()
    if (to === undefined) return
    const passive = this.#views.samplePassive(shufflePassive, to)
    const peers = [...this.#views.sampleActive(shuffleActive, to), ...passive]
    const nonce = this.#rng.uint32()
    this.#underWay = { nonce, peers: [...peers] }
    this.#links.send(to, { type: 'shuffle', origin: this.#self, nonce, walk: activeWalk, peers })
    this.#probe()
  }

  /** A peer says that it is no neighbour, for one that was asked, and whether it rests. */
  onAsked(rests: boolean): void {
    const { probesForEach, maxProbes } = overlayLimits
    this.#toProbe = rests ? Math.min(this.#toProbe + probesForEach, 2 * maxProbes) : Math.max(0, this.#toProbe - 1)
  }

  /**
   * Where many rest, most of those that are known do, and shuffles keep them going round: so some are asked. Who is no
   * neighbour answers whether it rests.
   */
  #probe(): void {
    if (this.#toProbe === 0) return
    const count = Math.min(this.#toProbe, overlayLimits.maxProbes)
    for (const peer of this.#views.samplePassive(count, this.#self)) {
      this.#links.send(peer, { type: 'alive', answer: false })
    }
  }

  /** @returns whether it ended here, so that the passive view has somebody new */
  onShuffle(from: Peer, { origin, nonce, walk, peers }: Shuffle): boolean {
    if (origin === this.#self) return false
    this.#views.wakes(origin)
    if (!this.#views.active.has(origin)) this.island.sawShuffleOf(origin)
    const next = walk > 1 ? this.#views.pickActive(from, origin) : undefined
    if (next !== undefined) {
      this.#links.send(next, { type: 'shuffle', origin, nonce, walk: walk - 1, peers })
      return false
    }
    if (this.#config.activeWalk - walk + 1 >= RANDOM_AFTER_STEPS) this.#population.meet(origin)
    // as many as came, with their origin
    const answer = this.#views.samplePassive(Math.min(peers.length + 1, overlayLimits.maxPeersInMessage), origin)
    this.#links.send(origin, { type: 'shuffleReply', nonce, peers: [...answer] })
    this.#views.addPassive(origin, from, answer)
    for (const peer of peers) this.#views.addPassive(peer, from, answer)
    return true
  }

  /** @returns whether it answers our last shuffle, is of one whom that has reached, and comes once */
  onReply(from: Peer, nonce: number, peers: readonly Peer[]): boolean {
    if (this.#underWay?.nonce !== nonce) return false
    const expendable = this.#underWay.peers
    this.#underWay = undefined
    for (const peer of peers.slice(0, expendable.length + 1)) this.#views.addPassive(peer, from, expendable)
    return true
  }
}
