import type { Agenda, Appointment } from '../core/agenda.ts'
import type { Rng } from '../core/rng.ts'
import type { Adverts } from './adverts.ts'
import type { SuperPeerConfig } from './config.ts'
import type { Advert } from './messages.ts'
import type { Outbox } from './outbox.ts'

/** The own advert is stale when so many slots more or fewer are free. */
const STALE_FREE = 4

export interface AdvertisingInit {
  config: SuperPeerConfig
  outbox: Outbox
  agenda: Agenda
  rng: Rng
  adverts: Adverts
  describe: () => Omit<Advert, 'peer' | 'issued' | 'signature'>
}

/** What this node says of itself while it is a super-peer. */
export class Advertising {
  readonly #init: AdvertisingInit
  #own: Advert | undefined
  #next: Appointment | undefined

  constructor(init: AdvertisingInit) {
    this.#init = init
  }

  /** Room that is not there any more is asked for in vain: it is said anew when it is told, once a second at most. */
  current(): Advert | undefined {
    const own = this.#own
    if (own === undefined) return undefined
    const { free } = this.#init.describe()
    const isWrong = (free === 0) !== (own.free === 0) || Math.abs(free - own.free) >= STALE_FREE
    if (isWrong && own.issued < this.#init.outbox.wallS) this.#sign()
    return this.#own
  }

  start(): void {
    const { outbox, agenda, config, rng } = this.#init
    this.#sign()
    agenda.cancel(this.#next)
    const everyMs = config.advertEveryMs * (0.75 + rng.unit() / 2)
    this.#next = agenda.at(outbox.now, outbox.now + everyMs, () => this.start())
  }

  /** The last one is signed anew before it is pushed: it must be newer than what others have. */
  stop(push: () => void): void {
    if (this.#own !== undefined) {
      this.#sign()
      push()
    }
    this.#own = undefined
    this.#init.agenda.cancel(this.#next)
  }

  #sign(): void {
    this.#own = this.#init.adverts.sign(this.#init.describe())
  }
}
