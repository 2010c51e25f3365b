import type { Place, RingAction } from '../../../protocols/chord/ring.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { Interned } from './interned.ts'
import { modelIdOf, type NodeRules, type Rules } from './rules.ts'

/** A message, or the word of one that has gone. */
export type Message =
  | { readonly type: 'query' | 'busy' | 'ping' | 'pong' | 'notify' | 'look' }
  | { readonly type: 'place' | 'leaving'; readonly place: Place }

/** What one node is, interned. Peers of a mask are its bits. */
export interface Local {
  readonly life: 'outside' | 'member' | 'gone'
  readonly state: object
  readonly place: Place
  readonly isBusy: boolean
  readonly asked: number
  readonly pinged: number
  readonly rounds: number
  /** Of the place, from 1 on; 0 for a node that is no member. */
  readonly placeId: number
  /** Without the rounds that are left. */
  readonly coreId: number
}

export interface Effect {
  readonly local: number
  /** Pairs of whom to and which message. */
  readonly sends: readonly number[]
  /** Something is sent, or the node is another than before. */
  readonly changes: boolean
}

export type LocalEvent =
  | { readonly type: 'deliver'; readonly from: number; readonly message: Message }
  | { readonly type: 'failed' | 'join'; readonly peer: number }
  | { readonly type: 'stabilize'; readonly isFree: boolean }
  | { readonly type: 'crash' | 'leave' }

/** What nodes can be, and what events do to them, worked out by the rules once and remembered. */
export class Nodes {
  readonly #rules: Rules
  readonly #count: number
  readonly #length: number
  readonly #locals = new Interned<Local>()
  readonly #cores = new Interned<string>()
  readonly #places = new Interned<Place | undefined>()
  readonly #messages = new Interned<Message>()
  readonly #events = new Interned<LocalEvent>()
  /** BOUNDED: what the states of one search consist of. By node and what it is, then by event. */
  readonly #effects: (Effect | undefined)[][] = []
  /** BOUNDED likewise. By message, then by sender. */
  readonly #deliveries: number[][] = []

  constructor(rules: Rules, count: number, length: number) {
    this.#rules = rules
    this.#count = count
    this.#length = length
    this.#places.of('not a member', undefined)
  }

  get sizes(): { locals: number; messages: number } {
    return { locals: this.#locals.size, messages: this.#messages.size }
  }

  at(local: number): Local {
    return this.#locals.at(local)
  }

  messageAt(message: number): Message {
    return this.#messages.at(message)
  }

  /** Of a `placeId` that is not 0. */
  placeAt(placeId: number): Place {
    return this.#places.at(placeId) as Place
  }

  /** As it is before anything happens. */
  first(self: number, life: Local['life'], state: object, rounds: number): number {
    return this.#local(this.#create(self, state), life, 0, 0, rounds)
  }

  effect(node: number, local: number, event: number): Effect {
    const row = (this.#effects[local * this.#count + node] ??= [])
    return (row[event] ??= this.#work(node, local, this.#events.at(event)))
  }

  #message(message: Message): number {
    return this.#messages.of(JSON.stringify(message), () => message)
  }

  event(event: LocalEvent): number {
    return this.#events.of(JSON.stringify(event), () => event)
  }

  delivery(from: number, message: number): number {
    const row = (this.#deliveries[message] ??= [])
    return (row[from] ??= this.event({ type: 'deliver', from, message: this.#messages.at(message) }))
  }

  #work(self: number, localId: number, event: LocalEvent): Effect {
    const local = this.#locals.at(localId)
    const node = this.#create(self, local.state)
    let { life, asked, pinged, rounds } = local
    const sends: number[] = []
    const send = (to: number, message: Message): void => void sends.push(to, this.#message(message))
    const perform = (actions: readonly RingAction[]): void => {
      for (const { type, peer } of actions) {
        const to = peer as number
        if (type === 'ping') {
          if ((pinged & (1 << to)) !== 0) continue
          pinged |= 1 << to
        }
        if (type === 'query') asked |= 1 << to
        send(to, { type })
      }
    }
    switch (event.type) {
      case 'deliver': {
        const { from, message } = event
        const bit = 1 << from
        const peer = from as Peer
        switch (message.type) {
          case 'query':
            // whoever has not entered yet has no place either
            if (node.isBusy || life === 'outside') send(from, { type: 'busy' })
            else send(from, { type: 'place', place: plain(node.place) })
            break
          case 'ping':
            send(from, { type: 'pong' })
            break
          case 'place':
            asked &= ~bit
            perform(node.onPlace(peer, message.place))
            break
          case 'busy':
            asked &= ~bit
            node.onBusy(peer)
            break
          case 'pong':
            pinged &= ~bit
            perform(node.onPong(peer))
            break
          case 'notify':
            perform(node.onNotify(peer))
            break
          case 'look':
            perform(node.stabilize())
            break
          case 'leaving':
            asked &= ~bit
            pinged &= ~bit
            perform(node.onLeaving(peer, message.place))
            break
        }
        break
      }
      case 'failed':
        asked &= ~(1 << event.peer)
        pinged &= ~(1 << event.peer)
        perform(node.onFailed(event.peer as Peer))
        break
      case 'join':
        perform(node.join(event.peer as Peer))
        break
      case 'stabilize':
        perform(node.stabilize())
        break
      case 'leave': {
        const { predecessor, successors } = node.place
        const told = new Set([...(predecessor === undefined ? [] : [predecessor]), ...successors.slice(0, 1)])
        for (const peer of told) send(peer as number, { type: 'leaving', place: plain(node.place) })
        break
      }
      case 'crash':
        break
    }
    if (event.type === 'crash' || event.type === 'leave') {
      return { local: this.#local(this.#create(self, {}), 'gone', 0, 0, 0), sends, changes: true }
    }
    const { place } = node
    if (life === 'outside' && (place.successors.length > 0 || place.predecessor !== undefined)) life = 'member'
    const unchanged = sends.length === 0 && this.#local(node, life, asked, pinged, rounds) === localId
    if (event.type === 'stabilize' && !event.isFree && rounds > 0) rounds--
    return { local: this.#local(node, life, asked, pinged, rounds), sends, changes: !unchanged }
  }

  #create(self: number, state: object): NodeRules {
    return this.#rules.create({ self: self as Peer, idOf: modelIdOf, length: this.#length, state })
  }

  #local(node: NodeRules, life: Local['life'], asked: number, pinged: number, rounds: number): number {
    const place = plain(node.place)
    const state = JSON.stringify(node.state)
    const core = `${life} ${asked} ${pinged} ${state}`
    return this.#locals.of(`${core} ${rounds}`, () => ({
      life,
      state: JSON.parse(state) as object,
      place,
      isBusy: node.isBusy,
      asked,
      pinged,
      rounds,
      placeId: life === 'member' ? this.#places.of(JSON.stringify(place), place) : 0,
      coreId: this.#cores.of(core, core)
    }))
  }
}

/** As it is on the wire: the same object for the same contents. */
function plain({ predecessor, successors }: Place): Place {
  return { predecessor, successors: [...successors] }
}
