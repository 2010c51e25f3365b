import type { Peer } from '../core/peer.ts'
import { type Ask, Branch } from './branch.ts'
import type { SearchAccount, WaveAccount } from './commands.ts'
import type { SearchConfig } from './config.ts'
import { countedBytes } from './hits.ts'
import type { Answer, Hit, Query } from './messages.ts'
import type { Plan, Wave } from './plan.ts'

/** What one neighbour has delivered to one search. */
interface Delivery {
  /** Hits of each holder that it named. BOUNDED by maxHolders. */
  readonly holders: Map<Peer, Set<string>>
  bytesLeft: number
}

/** A search of this node's own: its waves, what they cost, and what each neighbour has delivered. */
export class OwnSearch {
  readonly search: number
  readonly id: string
  /** On whose behalf it runs. */
  readonly asker: Peer
  readonly query: Query
  /** Hits that each holder may send. */
  readonly limit: number
  readonly hops = 0
  readonly deadline: number
  readonly branch: Branch
  /** Different holders so far. BOUNDED by maxHolders for each neighbour and for this node. */
  readonly holders = new Set<Peer>()
  readonly #config: SearchConfig
  readonly #plan: Plan | undefined
  /** BOUNDED by the neighbours over the life of a search. */
  readonly #deliveries = new Map<Peer, Delivery>()
  readonly #waves: WaveAccount[] = [] // BOUNDED by the plan
  #wave: Wave | undefined
  #waveDeadline = Number.POSITIVE_INFINITY
  #hurryAt = Number.POSITIVE_INFINITY
  #peers = 0
  #spent = 0
  #complete = true
  #more = false
  #isLarge: boolean | undefined
  #isStopped = false

  constructor(
    init: {
      search: number
      id: string
      asker: Peer
      query: Query
      limit: number
      /** Undefined when nobody is to be asked. */
      plan: Plan | undefined
      deadline: number
    },
    config: SearchConfig
  ) {
    this.search = init.search
    this.id = init.id
    this.asker = init.asker
    this.query = init.query
    this.limit = init.limit
    this.deadline = init.deadline
    this.#config = config
    this.#plan = init.plan
    this.branch = new Branch({ ttl: 0, width: 0, budget: 0, want: 1 }, { reserve: 1 })
  }

  /** How what comes now is found. */
  get how(): Wave['how'] {
    return this.#wave?.how ?? 'flood'
  }

  /** When the present wave, or all of it, has taken long enough. */
  get waveDeadline(): number {
    return Math.min(this.deadline, this.#waveDeadline)
  }

  get nextTick(): number {
    return Math.min(this.waveDeadline, this.#hurryAt)
  }

  /** These were asked. One that shows a match holds up others for half of the time that its answer may take. */
  onAsked(asks: readonly Ask[], now: number): void {
    const hops = asks.map(({ order }) => (order.width === 0 ? order.ttl : 0))
    const most = Math.max(0, ...hops)
    if (most > 0) this.#hurryAt = now + (most * this.#config.hopMs) / 2
  }

  /** Goes on without those that have not answered so far, and listens to them all the same. */
  hurry(): void {
    this.#hurryAt = Number.POSITIVE_INFINITY
    this.branch.hurry()
  }

  get account(): SearchAccount {
    return {
      peersAsked: this.#peers,
      messages: this.#spent,
      complete: this.#complete,
      more: this.#more,
      waves: this.#waves
    }
  }

  /** Whether the network turned out too large for a cheap flood; undefined when this search does not tell. */
  get isLarge(): boolean | undefined {
    return this.#isLarge
  }

  /** The branch is over: counts what its wave did, and begins the next. Returns false when the search is over. */
  nextWave(now: number): boolean {
    const { peers, messages, complete, more, beyond } = this.branch.takeSum()
    this.#peers += peers
    this.#spent += messages
    this.#complete &&= complete
    this.#more = more || beyond
    if (this.#wave !== undefined) {
      const { how, order } = this.#wave
      const found = this.holders.size
      this.#waves.push({ how, budget: order.budget, messages, peersAsked: peers, found })
      const { cheapFlood, maxTtl } = this.#config
      const isCheap = how === 'flood' && order.ttl === maxTtl && order.budget <= cheapFlood && this.#waves.length === 1
      // when some are silent, or the user stopped it, it may have been cut short by that
      const tells = complete || !this.#more || messages * 2 >= order.budget
      this.#isLarge = isCheap && tells ? this.#more : undefined
    }
    this.#wave = this.#isStopped
      ? undefined
      : this.#plan?.next({
          found: this.holders.size,
          peers: this.#peers,
          spent: this.#spent + this.branch.held,
          more: this.#more,
          lastSpent: messages,
          lastPeers: peers,
          isComplete: complete
        })
    if (this.#wave === undefined) {
      this.branch.giveUp()
      return false
    }
    this.branch.renew(this.#wave.order)
    this.#waveDeadline = now + this.#wave.waitMs
    this.#hurryAt = Number.POSITIVE_INFINITY
    return true
  }

  /** Waits no longer. */
  stop(): void {
    this.#isStopped = true
    this.branch.giveUp()
  }

  /**
   * Takes what of these hits is new. Counted for each neighbour that delivers, so that none of them can use up what others
   * bring, in whatever holder's name.
   */
  take(via: Peer, answers: readonly Answer[]): Answer[] {
    let delivery = this.#deliveries.get(via)
    if (delivery === undefined) {
      delivery = { holders: new Map(), bytesLeft: this.#config.maxSearchBytes }
      this.#deliveries.set(via, delivery)
    }
    const bytes = countedBytes(answers)
    if (bytes > delivery.bytesLeft) return []
    delivery.bytesLeft -= bytes
    // one text for all holders of a hit: of some things there are very many
    const keys = new Map<Hit, string>()
    const taken: Answer[] = []
    for (const answer of answers) {
      const { holder } = answer
      let had = delivery.holders.get(holder)
      if (had === undefined) {
        if (delivery.holders.size >= this.#config.maxHolders) continue
        had = new Set()
        delivery.holders.set(holder, had)
      }
      const fresh: Hit[] = []
      for (const hit of answer.hits) {
        const key = keys.get(hit) ?? `${hit.id} ${hit.size}`
        keys.set(hit, key)
        if (had.size >= this.limit || had.has(key)) continue
        had.add(key)
        fresh.push(hit)
      }
      if (fresh.length === 0) continue
      this.holders.add(holder)
      this.branch.countHolder(holder, via)
      taken.push({ ...answer, hits: fresh })
    }
    return taken
  }
}
