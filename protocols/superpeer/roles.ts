import type { Agenda } from '../core/agenda.ts'
import type { Rng } from '../core/rng.ts'
import type { Adverts } from './adverts.ts'
import type { Attaching } from './attaching.ts'
import type { Clients } from './clients.ts'
import type { Part, Role, Strength } from './commands.ts'
import type { SuperPeerConfig } from './config.ts'
import type { Outbox } from './outbox.ts'
import { strengthOf } from './strength.ts'

/** Rounds of too much load before a super-peer steps back for it. */
const OVERLOADED_ROUNDS = 6
/** Chance in a round that one that could step back does, so that not all do at once. */
const STEP_BACK = 0.1
/** A super-peer with a smaller share of its slots taken has few clients. */
const FEW = 0.25
/** Rounds after which what is missed weighs more and more. */
const PATIENCE = 3
/** How slots follow the load, once in so many rounds. */
const LEARN = { rounds: 30, fewer: 0.8, more: 1.25, taken: 0.9 }

export interface RolesInit {
  config: SuperPeerConfig
  outbox: Outbox
  agenda: Agenda
  rng: Rng
  adverts: Adverts
  attaching: Attaching
  clients: Clients
  /** To be done when the role changes. `steppingBack`: clients are to be told where else to go. */
  onRole: (role: Role | 'steppingBack') => void
}

/**
 * Who is a super-peer: an election without a leader. Who misses super-peers volunteers with the chance that makes as many
 * of all that miss some as are needed; who has few clients steps back.
 */
export class Roles {
  readonly #init: RolesInit
  #part: Part = 'auto'
  #state: Role | 'steppingBack' = 'peer'
  #reason = 'starting'
  #strength: Strength | undefined
  #about: number | undefined
  #bar: number
  #sinceMs = 0
  /** Not called again before. */
  #notBeforeMs = 0
  #busySinceMs = 0
  #overloaded = 0
  #rounds = 0
  /** Rounds in a row in which some were missed and none had room. */
  #unmet = 0
  /** Super-peers that were known in the round before. */
  #knownBefore = 0

  constructor(init: RolesInit) {
    this.#init = init
    this.#bar = init.config.bar
  }

  get role(): Role {
    return this.#state === 'peer' ? 'peer' : 'super'
  }

  get isServing(): boolean {
    return this.#state !== 'peer'
  }

  /** A short sentence for people. */
  get reason(): string {
    return this.#reason
  }

  /**
   * Super-peers that are missed, times the rounds in which none had room without the first ones: until then those who
   * have volunteered may not be known yet. The longer, the likelier, since the last of many that miss one are few.
   */
  get demand(): number {
    return this.#init.attaching.missing * Math.max(1, this.#unmet - PATIENCE)
  }

  get load(): number {
    return this.#strength?.load ?? 0
  }

  start(): void {
    this.#roundLater()
  }

  set(part: Part): void {
    this.#part = part
    if (part === 'super' && this.#state !== 'super') this.#become('super', 'set to be a super-peer')
    if (part === 'peer' && this.#state === 'super') this.#stepBack('set to be no super-peer')
    if (part === 'peer' && this.#state === 'peer') this.#say('set to be no super-peer')
  }

  onStrength(strength: Strength): void {
    this.#strength = strength
  }

  onPopulation(about: number | undefined): void {
    this.#about = about
  }

  /** Others miss super-peers, and may not be able to be one: those that have all of theirs volunteer too. */
  onWanted(missing: number): void {
    const { outbox, config, adverts, rng } = this.#init
    if (this.#part !== 'auto' || this.#state !== 'peer' || this.#about === undefined) return
    if (outbox.now < this.#notBeforeMs || this.#about < config.minPopulation || adverts.hasRoom) return
    this.#notBeforeMs = outbox.now + config.electionMs
    const strength = this.#strength === undefined ? undefined : strengthOf(this.#strength)
    if (strength === undefined || strength < config.bar / 2) return
    // one that asks is one of several, and asks less and less often
    if (rng.unit() < (2 * strength * missing) / this.#usualSlots()) this.#become('super', 'others miss super-peers')
  }

  #roundLater(): void {
    const { outbox, agenda, config, rng } = this.#init
    agenda.at(outbox.now, outbox.now + config.electionMs * (0.75 + rng.unit() / 2), () => {
      this.#rounds++
      if (this.#state === 'super') this.#asSuper()
      else if (this.#state === 'peer') this.#asPeer()
      this.#roundLater()
    })
  }

  #asPeer(): void {
    const { attaching, adverts, config, rng } = this.#init
    const live = adverts.live().length
    // somebody volunteers: those of our own strength wait
    if (live > this.#knownBefore) this.#bar = config.bar
    this.#knownBefore = live
    const { missing } = attaching
    this.#unmet = missing === 0 || attaching.hasCandidates ? 0 : this.#unmet + 1
    if (missing < config.supers) this.#say(`attached to ${count(config.supers - missing, 'super-peer')}`)
    if (missing === 0) {
      this.#bar = config.bar
      return
    }
    attaching.maintain()
    if (this.#part === 'peer') {
      if (missing === config.supers) this.#say('set to be no super-peer, and none is found')
      return
    }
    if (this.#about === undefined || this.#about < config.minPopulation) {
      if (missing === config.supers) this.#say('few peers: everybody answers for itself')
      return
    }
    if (attaching.hasCandidates) {
      if (missing === config.supers) this.#say('asking super-peers')
      return
    }
    const strength = this.#strength === undefined ? undefined : strengthOf(this.#strength)
    if (strength === undefined) {
      if (missing === config.supers) this.#say('no super-peer has room, and this node cannot be one')
      return
    }
    if (strength < this.#bar) {
      this.#bar = Math.max(0, this.#bar - config.barStep)
      if (missing === config.supers) this.#say('no super-peer has room; stronger peers go first')
      return
    }
    this.#bar = Math.max(0, this.#bar - config.barStep)
    if (rng.unit() < this.demand / this.#usualSlots()) this.#become('super', 'no super-peer has room: volunteered')
  }

  #asSuper(): void {
    const { clients, config, adverts, outbox, rng } = this.#init
    if (this.#rounds % LEARN.rounds === 0) this.#learn()
    if (clients.count >= clients.slots * FEW) this.#busySinceMs = outbox.now
    const isOverloaded = this.load > config.overload
    this.#overloaded = isOverloaded ? this.#overloaded + 1 : 0
    if (this.#part !== 'auto') return
    // to be read, not to be told each time that one comes or goes
    this.#reason = `answers for ${count(clients.count, 'peer')}`
    if (outbox.now - this.#sinceMs < config.tenureMs || rng.unit() >= STEP_BACK) return
    if (this.#overloaded >= OVERLOADED_ROUNDS) {
      this.#stepBack('too much to do')
      return
    }
    if (this.#strength?.isReachable === false) {
      this.#stepBack('others do not reach this node')
      return
    }
    const isSmall = this.#about !== undefined && this.#about < config.minPopulation / 2
    if (isSmall) {
      this.#stepBack('few peers: everybody answers for itself')
      return
    }
    if (outbox.now - this.#busySinceMs < config.idleMs) return
    const others = adverts.live().filter(({ free }) => free > 0)
    const room = others.reduce((sum, { free }) => sum + free, 0)
    if (others.length >= config.supers && room >= 2 * clients.count) this.#stepBack('others have room for its clients')
  }

  /** Load tells how many clients are right; a share of them that is not taken tells nothing. */
  #learn(): void {
    const { clients, config } = this.#init
    if (this.load > config.highLoad) {
      clients.slots = Math.max(config.minSlots, Math.floor(clients.slots * LEARN.fewer))
    } else if (this.load < config.lowLoad && clients.count >= clients.slots * LEARN.taken) {
      clients.slots = Math.min(config.maxSlots, Math.ceil(clients.slots * LEARN.more))
    }
  }

  /** What super-peers take, as those that are known show it. */
  #usualSlots(): number {
    const { adverts, config } = this.#init
    const live = adverts.live().flatMap(({ advert }) => advert ?? [])
    if (live.length < config.supers) return config.slots
    const all = live.reduce((sum, { free, clients }) => sum + free + clients, 0)
    return Math.min(config.maxSlots, Math.max(config.minSlots, all / live.length))
  }

  #become(role: 'peer' | 'super', reason: string): void {
    this.#state = role
    this.#sinceMs = this.#init.outbox.now
    this.#busySinceMs = this.#init.outbox.now
    this.#bar = this.#init.config.bar
    this.#init.onRole(role)
    this.#say(reason, true)
  }

  #stepBack(reason: string): void {
    const { outbox, agenda, config, onRole } = this.#init
    this.#state = 'steppingBack'
    onRole('steppingBack')
    agenda.at(outbox.now, outbox.now + config.steppingMs, () => {
      if (this.#state === 'steppingBack') this.#become('peer', reason)
    })
  }

  #say(reason: string, isChange = false): void {
    if (reason === this.#reason && !isChange) return
    this.#reason = reason
    this.#init.outbox.tell({ type: 'role', role: this.role, reason })
  }
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}
