import type { Output } from '../core/machine.ts'
import type { Peer } from '../core/peer.ts'
import type { OverlayMessage } from './messages.ts'
import type { Views } from './views.ts'

export type NeighbourEvent =
  | { readonly type: 'neighbourUp'; readonly peer: Peer }
  | { readonly type: 'neighbourDown'; readonly peer: Peer }

export type OverlayEvent =
  | NeighbourEvent
  /** There are places free and nobody is left to ask: does the rest of the node know anybody? */
  | { readonly type: 'contactsWanted' }

export type Out = Output<OverlayMessage, OverlayEvent>

/** The active view together with what is said, and told, when a neighbour comes or goes. */
export class Links {
  /** Of the input that is handled. */
  now = 0
  isLeaving = false
  readonly #views: Views
  /** How many neighbours there are to be. */
  activeSize: number
  #out: Out[] = []

  constructor(views: Views, activeSize: number) {
    this.#views = views
    this.activeSize = activeSize
  }

  resize(activeSize: number): void {
    this.activeSize = activeSize
    this.#views.resize(activeSize)
  }

  /** Below 0: so many too many. */
  get missing(): number {
    return this.activeSize - this.#views.active.size
  }

  get isAlone(): boolean {
    return this.#views.active.size === 0
  }

  /** There is a place, and this node wants to fill it. */
  get hasRoom(): boolean {
    return !this.isLeaving && this.missing > 0
  }

  has(peer: Peer): boolean {
    return this.#views.active.has(peer)
  }

  add(peer: Peer, forcedUntilMs: number): void {
    this.#views.addActive(peer, this.now, forcedUntilMs)
    this.tell({ type: 'neighbourUp', peer })
  }

  /** @returns since when it was a neighbour, if it was one */
  remove(peer: Peer): number | undefined {
    const neighbour = this.#views.removeActive(peer)
    if (neighbour !== undefined) this.tell({ type: 'neighbourDown', peer })
    return neighbour?.sinceMs
  }

  /** It makes room for another. */
  pushOut(peer: Peer): void {
    this.disconnect(peer)
    this.remove(peer)
    this.#views.addPassive(peer, peer)
  }

  /** It is to be the neighbour of `to` in our place. */
  handOver(peer: Peer, to: Peer): void {
    this.send(peer, { type: 'handover', to })
    this.remove(peer)
    this.#views.addPassive(peer, peer)
  }

  disconnect(peer: Peer): void {
    this.send(peer, { type: 'disconnect', leaving: this.isLeaving })
  }

  send(to: Peer, message: OverlayMessage): void {
    this.#out.push({ type: 'send', to, message })
  }

  tell(event: OverlayEvent): void {
    this.#out.push({ type: 'event', event })
  }

  penalise(peer: Peer, reason: string): void {
    this.#out.push({ type: 'penalise', peer, reason })
  }

  takeOutputs(): Out[] {
    const out = this.#out
    this.#out = []
    return out
  }
}
