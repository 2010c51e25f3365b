import { isBetween, type RingId } from '../core/keyspace.ts'
import type { Input, Machine } from '../core/machine.ts'
import type { Peer } from '../core/peer.ts'
import { PeerRates } from '../core/peer-rates.ts'
import type { Rng } from '../core/rng.ts'
import { Answers } from './answers.ts'
import type { ChordCommand, ChordInit } from './commands.ts'
import { type ChordConfig, checkChordConfig, chordConfig, chordLimits } from './config.ts'
import { Disjoint } from './disjoint.ts'
import { FingerUpkeep } from './finger-upkeep.ts'
import { Fingers } from './fingers.ts'
import { Lookups } from './lookups.ts'
import type { ChordMessage, Found } from './messages.ts'
import { type ChordEvent, type LookupCost, type Out, Outbox } from './outbox.ts'
import { Queries, type Query } from './queries.ts'
import { Relays } from './relays.ts'
import { type Place, Ring, type RingAction } from './ring.ts'
import { Router } from './router.ts'
import { Routes } from './routes.ts'
import { Uniting } from './uniting.ts'

/**
 * One node of a Chord ring: keeps its place, knows short cuts, and finds the owner of any key in a few hops. See
 * README.md for the rules.
 */
export class Chord implements Machine<ChordCommand, ChordMessage, ChordEvent> {
  readonly #self: Peer
  readonly #idOf: (peer: Peer) => RingId
  readonly #config: ChordConfig
  readonly #rng: Rng
  readonly #out = new Outbox()
  readonly #ring: Ring
  readonly #fingers: Fingers
  readonly #upkeep: FingerUpkeep
  readonly #routes: Routes
  readonly #router: Router
  readonly #queries: Queries
  readonly #lookups: Lookups
  readonly #disjoint: Disjoint
  readonly #relays: Relays
  readonly #uniting: Uniting
  readonly #answers: Answers
  readonly #notices = new PeerRates(chordLimits.notices, chordLimits.maxRates)
  #told: Place = { predecessor: undefined, successors: [] }
  #stabilizeMs: number | undefined
  #isLeaving = false

  /** @throws RangeError on numbers that do not fit together */
  constructor(init: ChordInit) {
    const { self, rng, idOf, hasCopy, place, fingers } = init
    const config = checkChordConfig({ ...chordConfig, ...init.config })
    const out = this.#out
    this.#self = self
    this.#idOf = idOf
    this.#config = config
    this.#rng = rng
    this.#ring = new Ring({ self, idOf, length: config.successors, ...(place === undefined ? {} : { state: place }) })
    this.#fingers = new Fingers(self, idOf, config.digitBits)
    const last = place?.successors.at(-1)
    if (last !== undefined) this.#fingers.fit(last)
    fingers?.(this.#fingers)
    this.#routes = new Routes({ idOf, config })
    this.#answers = new Answers(config.hedgeMs, config.firstHedgeMs)
    const isUp = (peer: Peer): boolean => this.#uniting.isUp(peer)
    const ring = this.#ring
    this.#router = new Router({
      self,
      idOf,
      ring,
      fingers: this.#fingers,
      isUp,
      hasCopy: key => hasCopy?.(key, out.now) === true
    })
    this.#queries = new Queries({ config, firstId: rng.uint32(), send: (to, message) => out.send(to, message), isUp })
    this.#lookups = new Lookups({
      self,
      idOf,
      config,
      out,
      queries: this.#queries,
      router: this.#router,
      routes: this.#routes,
      answers: this.#answers
    })
    this.#disjoint = new Disjoint({ idOf, lookups: this.#lookups, router: this.#router })
    this.#relays = new Relays({ self, config, out, queries: this.#queries, router: this.#router })
    this.#uniting = new Uniting({
      self,
      selfId: idOf(self),
      config,
      rng,
      out,
      ring,
      fingers: this.#fingers,
      lookups: this.#lookups,
      execute: actions => this.#execute(actions)
    })
    if (place !== undefined) {
      this.#told = ring.place
      this.#stabilizeMs = Math.floor(rng.unit() * config.stabilizeMs[1])
    }
    this.#upkeep = new FingerUpkeep({
      self,
      idOf,
      config,
      rng,
      out,
      ring,
      fingers: this.#fingers,
      lookups: this.#lookups,
      isStanding: place !== undefined
    })
  }

  /** Where this node stands, for tests and for people. */
  get place(): Place {
    return this.#ring.place
  }

  get fingers(): Peer[] {
    return [...this.#fingers]
  }

  handle(input: Input<ChordCommand, ChordMessage>, now: number): Out[] {
    this.#out.now = now
    switch (input.type) {
      case 'received':
        if (input.from !== this.#self && !this.#isLeaving) this.#onMessage(input.from, input.message)
        break
      case 'peerUp':
        if (input.peer !== this.#self) this.#uniting.onPeerUp(input.peer)
        break
      case 'peerDown':
        this.#onPeerDown(input.peer)
        break
      case 'tick':
        this.#onTick()
        break
      case 'lookup':
        this.#onLookup(input)
        break
      case 'join':
        this.#isLeaving = false
        if (input.contact !== this.#self) this.#uniting.look(input.contact, chordLimits.maxUniteHops)
        break
      case 'leave':
        this.#leave()
        break
      case 'neighbourUp':
        this.#uniting.onNeighbourUp(input.peer)
        break
      case 'neighbourDown':
        this.#uniting.onNeighbourDown(input.peer)
        break
    }
    this.#tellPlace()
    return this.#out.take()
  }

  nextTick(): number | undefined {
    if (this.#isLeaving) return undefined
    const own = earlier(this.#stabilizeMs, this.#upkeep.dueMs)
    const asked = earlier(this.#queries.dueMs, this.#lookups.dueMs)
    return earlier(earlier(own, asked), earlier(this.#relays.dueMs, this.#uniting.dueMs))
  }

  #onMessage(from: Peer, message: ChordMessage): void {
    switch (message.type) {
      case 'where': {
        const place = this.#ring.isBusy ? {} : { place: this.#ring.place }
        this.#out.send(from, { type: 'place', id: message.id, ...place })
        return
      }
      case 'ping':
        this.#out.send(from, { type: 'pong', id: message.id })
        return
      case 'route': {
        const { key, asOwner, lost, orCopy } = message
        const hop = this.#router.hopFor(from, key, asOwner, lost, orCopy)
        this.#out.send(from, { type: 'hop', id: message.id, ...hop })
        return
      }
      case 'relay':
        this.#relays.onRelay(from, message)
        return
      case 'relayed':
        if (!this.#relays.onRelayed(from, message.id, message.found)) this.#onAnswer(from, message)
        return
      case 'place':
      case 'pong':
      case 'hop':
        this.#onAnswer(from, message)
        return
      case 'notify':
        if (this.#notices.take(from, this.#out.now)) this.#onNotify(from)
        return
      case 'look':
        if (from === this.#ring.successors[0] && this.#notices.take(from, this.#out.now)) this.#stabilizeSoon()
        return
      case 'leaving':
        if (this.#notices.take(from, this.#out.now)) this.#onLeaving(from, message.place)
        return
      case 'unite':
        if (this.#notices.take(from, this.#out.now)) this.#uniting.onWord(message.contact, message.hops)
        return
    }
  }

  #onAnswer(from: Peer, message: ChordMessage & { type: 'place' | 'pong' | 'hop' | 'relayed' }): void {
    const query = this.#queries.answered(from, message.id)
    if (query === undefined) return
    const { purpose } = query
    if (message.type !== 'relayed') this.#learn(from, this.#out.now - query.sentMs)
    if (purpose.type === 'ring' && message.type === 'place') this.#onPlace(from, message.place)
    else if (purpose.type === 'ping' && message.type === 'pong') this.#execute(this.#ring.onPong(from))
    else if (purpose.type === 'lookup' && message.type === 'hop') this.#lookups.onHop({ ...query, purpose }, message)
    else if (purpose.type === 'relay' && message.type === 'relayed') {
      this.#lookups.onRelayed({ ...query, purpose }, message.found)
    } else this.#out.penalise(from, 'an answer to another question')
  }

  #onPlace(from: Peer, place: Place | undefined): void {
    if (place === undefined) {
      this.#ring.onBusy(from)
      if (this.#ring.isAlone) this.#uniting.again(this.#soonMs())
      else this.#stabilizeSoon()
      return
    }
    if (!this.#isOrdered(from, place.successors)) {
      this.#out.penalise(from, 'successors out of order')
      this.#onFailed(from)
      return
    }
    const [wasFirst] = this.#ring.successors
    this.#execute(this.#ring.onPlace(from, place))
    const [isFirst] = this.#ring.successors
    if (wasFirst === undefined && isFirst !== undefined) this.#begin()
    // there may be one that is nearer still
    if (wasFirst !== isFirst) this.#stabilizeSoon()
  }

  #onNotify(from: Peer): void {
    this.#learn(from)
    this.#execute(this.#ring.onNotify(from))
    if (this.#ring.isAlone) this.#stabilizeSoon()
  }

  #onLeaving(from: Peer, place: Place): void {
    this.#forget(from)
    if (this.#isOrdered(from, place.successors)) this.#execute(this.#ring.onLeaving(from, place))
  }

  #onPeerDown(peer: Peer): void {
    const wasUp = this.#uniting.isUp(peer)
    this.#uniting.onPeerDown(peer)
    if (this.#fingers.remove(peer)) this.#uniting.onLost(peer)
    this.#relays.onPeerDown(peer)
    for (const query of this.#queries.onPeerDown(peer, this.#out.now)) this.#onFailedQuery(query)
    if (!wasUp || this.#isLeaving) return
    // the connection of a neighbour may only have closed: it is dialled again, and that decides
    if (peer === this.#ring.predecessor) this.#execute([{ type: 'ping', peer }])
    if (peer === this.#ring.successors[0]) this.#stabilizeSoon()
  }

  #onFailedQuery(query: Query): void {
    this.#answers.didNotCome()
    this.#forget(query.peer)
    if (query.purpose.type === 'lookup' || query.purpose.type === 'relay') this.#lookups.onLost(query)
    else {
      this.#uniting.onLost(query.peer)
      this.#onFailed(query.peer)
    }
  }

  #onFailed(peer: Peer): void {
    const wasAlone = this.#ring.isAlone
    this.#execute(this.#ring.onFailed(peer))
    if (this.#ring.isAlone && !wasAlone) this.#uniting.soon()
  }

  #onLookup(command: ChordCommand & { type: 'lookup' }): void {
    const { id, key, mode = 'recursive', orCopy = false, routes = 1 } = command
    if (routes > 1) {
      this.#disjoint.find(key, routes, (found, cost) => this.#tellFound(id, key, found, cost))
      return
    }
    this.#lookups.begin({
      key,
      mode,
      orCopy,
      onDone: (found, cost) => this.#tellFound(id, key, found, cost)
    })
  }

  #tellFound(id: number, key: RingId, found: Found | undefined, cost: LookupCost): void {
    if (found === undefined) this.#out.tell({ type: 'lookupFailed', id, key, ...cost })
    else this.#out.tell({ type: 'found', id, key, ...found, ...cost })
  }

  #leave(): void {
    const { place } = this.#ring
    const neighbours = new Set([place.predecessor, ...place.successors.slice(0, 1)])
    for (const peer of neighbours) if (peer !== undefined) this.#out.send(peer, { type: 'leaving', place })
    this.#isLeaving = true
    this.#out.tell({ type: 'left' })
  }

  #onTick(): void {
    if (this.#isLeaving) return
    const { now } = this.#out
    for (const query of this.#queries.takeExpired(now)) this.#onFailedQuery(query)
    this.#relays.tick()
    this.#lookups.tick()
    this.#uniting.tick()
    if (this.#stabilizeMs !== undefined && this.#stabilizeMs <= now) this.#stabilize()
    this.#upkeep.tick()
  }

  /** This node has entered a ring. */
  #begin(): void {
    this.#upkeep.begin()
    this.#uniting.soonAgain()
  }

  #stabilize(): void {
    const [least, most] = this.#config.stabilizeMs
    const isAlone = this.#ring.isAlone && this.#ring.predecessor === undefined
    this.#stabilizeMs = isAlone ? undefined : this.#out.now + least + this.#rng.below(most - least + 1)
    this.#execute(this.#ring.stabilize())
  }

  #stabilizeSoon(): void {
    const soon = this.#out.now + this.#soonMs()
    if (this.#stabilizeMs === undefined || this.#stabilizeMs > soon) this.#stabilizeMs = soon
  }

  /** Drawn anew each time, so that two that ask one another at once do not do so again. */
  #soonMs(): number {
    return Math.ceil(this.#config.stabilizeSoonMs * (0.5 + this.#rng.unit()))
  }

  /** It has just spoken to us. */
  #learn(peer: Peer, roundTripMs?: number): void {
    if (roundTripMs !== undefined) this.#answers.came(roundTripMs)
    this.#upkeep.learn(peer, roundTripMs)
  }

  #forget(peer: Peer): void {
    this.#fingers.remove(peer)
    this.#routes.forget(peer)
  }

  #execute(actions: readonly RingAction[]): void {
    for (const { type, peer } of actions) {
      const { now } = this.#out
      const { attempts } = this.#config
      if (type === 'query') {
        const isAsked = this.#queries.ask(peer, id => ({ type: 'where', id }), { type: 'ring' }, attempts, now)
        if (!isAsked) this.#ring.onBusy(peer)
        if (this.#stabilizeMs === undefined) this.#stabilizeMs = now + this.#config.stabilizeMs[0]
      } else if (type === 'ping') {
        this.#queries.ask(peer, id => ({ type: 'ping', id }), { type: 'ping' }, attempts, now)
      } else this.#out.send(peer, { type })
    }
  }

  /** Clockwise from the teller, and nobody twice. An honest node keeps no other list. */
  #isOrdered(teller: Peer, successors: readonly Peer[]): boolean {
    let last = this.#idOf(teller)
    return successors.every(peer => {
      const id = this.#idOf(peer)
      const isNext = id !== last && isBetween(last, id, this.#idOf(teller))
      last = id
      return isNext
    })
  }

  #tellPlace(): void {
    const { predecessor, successors } = this.#ring
    const known = this.#ring.isPredecessorLost ? undefined : predecessor
    const { predecessor: before, successors: were } = this.#told
    if (known === before && areSame(successors, were)) return
    // those before us have this list in theirs
    if (before !== undefined && known !== undefined && successors !== were) this.#out.send(known, { type: 'look' })
    this.#told = { predecessor: known, successors }
    const last = successors.at(-1)
    if (last !== undefined) this.#fingers.fit(last)
    this.#out.tell({ type: 'ring', ...this.#told })
  }
}

function earlier(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || (b !== undefined && b < a) ? b : a
}

function areSame(a: readonly Peer[], b: readonly Peer[]): boolean {
  return a === b || (a.length === b.length && a.every((peer, i) => peer === b[i]))
}
