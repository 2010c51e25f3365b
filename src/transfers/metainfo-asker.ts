import type { Infohash } from '../../protocols/core/ids.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import type { MetainfoService } from '../../protocols/metainfo/handler.ts'
import { type Metainfo, MetainfoError, parseInfo } from '../../protocols/metainfo/index.ts'
import { ShoalError } from '../errors.ts'
import type { Reach } from '../libp2p/reach.ts'
import { sha256 } from '../sha256.ts'
import { asMetainfoError } from './target.ts'

export const metainfoAskerConfig = {
  /** Peers that are asked at the same time, without those that say nothing. */
  parallel: 4,
  /** Who says nothing for so long gives its place to the next. Its answer is still taken. */
  silentMs: 2_500,
  /** So does who sends little by little, after so long. */
  placeMs: 10_000,
  /** Peers that are listened to without a place: beyond it, the one that was asked first is given up. */
  background: 12,
  /** Peers that are asked at all. */
  maxAsked: 128,
  /** Peers that wait. */
  maxWaiting: 512
}

export interface MetainfoAskerParts {
  reach: Pick<Reach, 'prepare' | 'isConnected'>
  metainfo: Pick<MetainfoService, 'fetch'>
  onLiar(peer: Peer, reason: string): void
}

export interface MetainfoAskerInit {
  infohash: Infohash
  signal: AbortSignal
  onFound(metainfo: Metainfo, holder: Peer): void
  /** It is one that this node must refuse, whoever sends it. */
  onRefused(error: unknown): void
  /** Everybody who was offered has answered, or failed to. */
  onIdle?(): void
  /** An integer from 0 to below `below`. */
  random(below: number): number
}

/** Asks the peers that it is offered for a collection's metainfo, so that mute ones do not keep it from the others. */
export class MetainfoAsker {
  readonly #parts: MetainfoAskerParts
  readonly #init: MetainfoAskerInit
  readonly #seen = new Set<Peer>() // BOUNDED by maxWaiting
  readonly #waiting = new Set<Peer>() // BOUNDED by maxWaiting
  readonly #background = new Set<AbortController>() // BOUNDED by background
  #places = metainfoAskerConfig.parallel
  #underWay = 0
  #asked = 0

  constructor(parts: MetainfoAskerParts, init: MetainfoAskerInit) {
    this.#parts = parts
    this.#init = init
  }

  /** Peers that could be reached, and were asked. */
  get asked(): number {
    return this.#asked
  }

  offer(peer: Peer): void {
    if (this.#seen.has(peer) || this.#seen.size >= metainfoAskerConfig.maxWaiting) return
    this.#seen.add(peer)
    this.#waiting.add(peer)
    // those who are offered in the same moment are chosen from together
    queueMicrotask(() => this.#next())
  }

  #next(): void {
    const { signal, onIdle } = this.#init
    while (this.#places > 0 && this.#asked + this.#underWay < metainfoAskerConfig.maxAsked) {
      const peer = signal.aborted ? undefined : this.#choose()
      if (peer === undefined) break
      this.#waiting.delete(peer)
      void this.#askInPlace(peer)
    }
    if (this.#underWay === 0 && !signal.aborted) onIdle?.()
  }

  /** Whoever is connected answers soonest. Of equals any: a liar can be named as often, and as early, as it likes. */
  #choose(): Peer | undefined {
    const connected = [...this.#waiting].filter(peer => this.#parts.reach.isConnected(peer))
    const candidates = connected.length > 0 ? connected : [...this.#waiting]
    return candidates[this.#init.random(candidates.length)]
  }

  async #askInPlace(peer: Peer): Promise<void> {
    this.#places--
    this.#underWay++
    const { silentMs, placeMs, background } = metainfoAskerConfig
    const givenUp = new AbortController()
    let hasPlace = true
    const leave = (): void => {
      if (hasPlace) this.#places++
      hasPlace = false
    }
    const onLate = (): void => {
      if (!hasPlace) return
      leave()
      this.#background.add(givenUp)
      if (this.#background.size > background) {
        const [oldest] = this.#background
        this.#background.delete(oldest!)
        oldest?.abort()
      }
      this.#next()
    }
    let silent = setTimeout(onLate, silentMs)
    const slow = setTimeout(onLate, placeMs)
    const onBytes = (): void => {
      clearTimeout(silent)
      if (hasPlace) silent = setTimeout(onLate, silentMs)
    }
    try {
      await this.#ask(peer, AbortSignal.any([this.#init.signal, givenUp.signal]), onBytes)
    } finally {
      clearTimeout(silent)
      clearTimeout(slow)
      this.#background.delete(givenUp)
      leave()
      this.#underWay--
      this.#next()
    }
  }

  async #ask(peer: Peer, signal: AbortSignal, onBytes: () => void): Promise<void> {
    const { infohash, onFound, onRefused } = this.#init
    const { reach, metainfo, onLiar } = this.#parts
    let isCounted = false
    try {
      const id = await reach.prepare(peer)
      if (id === undefined) return
      const info = await metainfo.fetch(id, infohash, {
        signal,
        onAsked: () => {
          isCounted = true
          this.#asked++
        },
        onBytes
      })
      if (info !== undefined && !signal.aborted) onFound(parseInfo(info, sha256), peer)
    } catch (error) {
      if (signal.aborted || (error as Error).name === 'StreamError') return
      // what leads to the infohash is what its maker wrote: nobody else would send a better one
      const bad = asMetainfoError(error, 'the metainfo')
      if (!(bad instanceof ShoalError)) return
      if (error instanceof MetainfoError && /not what was asked for/.test(error.message)) onLiar(peer, error.message)
      else onRefused(bad)
    } finally {
      // whoever could not be reached was not asked, and may be named again
      if (!isCounted) this.#seen.delete(peer)
    }
  }
}
