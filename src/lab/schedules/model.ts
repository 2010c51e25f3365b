import { isIdeal, principalsOf, type RingViolation, violationsOf } from '../../../protocols/chord/invariant.ts'
import type { Place, RingAction } from '../../../protocols/chord/ring.ts'
import { isBetween } from '../../../protocols/core/keyspace.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { correctedRules, modelIdOf, type NodeRules, type Rules } from './rules.ts'
import { type Step, stepCode, stepOf } from './steps.ts'

export interface ModelConfig {
  /** By default those of `protocols/chord/ring.ts`. */
  readonly rules?: Rules
  /** All that will ever be, at most 16. */
  readonly nodes: number
  /** Of a full successor list, r. */
  readonly length: number
  /** Where the nodes of the ideal ring are that it begins with; the others may join. One alone begins without a list. */
  readonly members: readonly number[]
  /** Crashes and departures together. */
  readonly failures: number
  /** Whether nodes also go with a word. */
  readonly leaving?: boolean
  /** How often each node may stabilize of itself; without a limit by default. */
  readonly rounds?: number
  /** Nodes there must be that no list skips; by default min(r + 1, members). */
  readonly leastPrincipals?: number
  /** None of these fails while there are no more than so many; by default as many as there must be. */
  readonly keptPrincipals?: number
}

/** A message, or the word of one that has gone. */
export type Message =
  | { readonly type: 'query' | 'busy' | 'ping' | 'pong' | 'notify' | 'look' }
  | { readonly type: 'place' | 'leaving'; readonly place: Place }

/** What one node is, interned. Peers of a mask are its bits. */
interface Local {
  readonly life: 'outside' | 'member' | 'gone'
  readonly state: object
  readonly place: Place
  readonly isBusy: boolean
  readonly asked: number
  readonly pinged: number
  readonly rounds: number
  /** Of the place, from 1 on; 0 for a node that is no member. */
  readonly placeId: number
  readonly successorMask: number
  /** Without the rounds that are left. */
  readonly coreId: number
}

/** Messages from one node to another, the oldest first. */
interface Channel {
  readonly messages: readonly number[]
  /** Something that ends a wait is under way. */
  readonly hasAnswer: boolean
  /** The place that is under way, or -1. */
  readonly place: number
}

interface Effect {
  readonly local: number
  /** Pairs of whom to and which message. */
  readonly sends: readonly number[]
  /** Messages of these are answered for good: they have gone. */
  readonly changes: boolean
}

type LocalEvent =
  | { readonly type: 'deliver'; readonly from: number; readonly message: Message }
  | { readonly type: 'failed' | 'join'; readonly peer: number }
  | { readonly type: 'stabilize'; readonly isFree: boolean }
  | { readonly type: 'crash' | 'leave' }

export interface Verdict {
  readonly violations: readonly RingViolation[]
  readonly principals: number
  readonly isIdeal: boolean
}

/**
 * A state is a matrix of numbers: what node i is stands at (i, i), what is under way from i to j at (i, j). Both are
 * interned, so that a state is small, and what an event does to a node is worked out once by the rules themselves.
 */
export type State = Uint32Array<ArrayBuffer>

/**
 * Nodes that follow the rules of a ring, and the network between them: what can happen next, and what then is. Messages
 * between two nodes keep their order and are not lost, but for those to a node that has failed. Who waits for the answer
 * of such a node finds out at any time after.
 *
 * A failure happens only if every other member keeps a successor that is there and enough principals remain.
 */
export class Model {
  readonly nodes: number
  readonly length: number
  readonly leastPrincipals: number
  readonly start: State
  readonly #rules: Rules
  readonly #failures: number
  readonly #keptPrincipals: number
  readonly #leaving: boolean
  readonly #locals = new Interned<Local>()
  readonly #cores = new Interned<string>()
  readonly #places = new Interned<string>()
  readonly #messages = new Interned<Message>()
  readonly #channels = new Interned<Channel>()
  readonly #events = new Interned<LocalEvent>()
  /** BOUNDED: what the states of one search consist of. By node and what it is, then by event. */
  readonly #effects: (Effect | undefined)[][] = []
  readonly #verdicts = new Map<string, Verdict>()
  readonly #deliveries: number[][] = []
  readonly #pushed: number[][] = []
  readonly #stabilizeEvent: number
  readonly #freeEvent: number
  readonly #crashEvent: number
  readonly #leaveEvent: number

  constructor(config: ModelConfig) {
    const { nodes, length, members } = config
    if (!(nodes >= 1 && nodes <= 16)) throw new RangeError(`${nodes} nodes: 1 to 16`)
    this.nodes = nodes
    this.length = length
    this.leastPrincipals = config.leastPrincipals ?? Math.min(length + 1, members.length)
    this.#keptPrincipals = config.keptPrincipals ?? this.leastPrincipals
    this.#rules = config.rules ?? correctedRules
    this.#failures = config.failures
    this.#leaving = config.leaving ?? false
    this.#places.of('not a member', '')
    this.#channel([])
    this.#stabilizeEvent = this.#event({ type: 'stabilize', isFree: false })
    this.#freeEvent = this.#event({ type: 'stabilize', isFree: true })
    this.#crashEvent = this.#event({ type: 'crash' })
    this.#leaveEvent = this.#event({ type: 'leave' })
    this.start = new Uint32Array(nodes * nodes)
    const rounds = config.rounds ?? -1
    for (let i = 0; i < nodes; i++) {
      const rank = members.indexOf(i)
      const others = [...members.slice(rank + 1), ...members.slice(0, rank)]
      const state =
        rank === -1 || others.length === 0 ? {} : { successors: others.slice(0, length), predecessor: others.at(-1) }
      const node = this.#create(i, state)
      this.start[i * nodes + i] = this.#local(node, rank === -1 ? 'outside' : 'member', 0, 0, rounds)
    }
  }

  /** How much was told apart so far. */
  get sizes(): { locals: number; channels: number; messages: number; verdicts: number } {
    return {
      locals: this.#locals.size,
      channels: this.#channels.size,
      messages: this.#messages.size,
      verdicts: this.#verdicts.size
    }
  }

  /** Codes of all steps that can be next. */
  stepsFrom(state: State): number[] {
    const n = this.nodes
    const codes: number[] = []
    let gone = 0
    for (let i = 0; i < n; i++) if (this.#at(state, i).life === 'gone') gone++
    const deemed = gone < this.#failures ? this.#deemedIds(state) : undefined
    for (let j = 0; j < n; j++) {
      const local = this.#at(state, j)
      if (local.life === 'gone') continue
      for (let i = 0; i < n; i++) {
        if (i === j) continue
        if (state[i * n + j] !== 0) codes.push(stepCode('deliver', i, j))
        if (this.#canNotice(state, j, i)) codes.push(stepCode('failed', j, i))
      }
      if (local.life === 'member') {
        if (local.rounds !== 0 && this.#effect(j, state[j * n + j] as number, this.#stabilizeEvent).changes) {
          codes.push(stepCode('stabilize', j))
        }
        if (deemed !== undefined && this.#mayFail(deemed, j)) {
          codes.push(stepCode('crash', j))
          if (this.#leaving) codes.push(stepCode('leave', j))
        }
      } else if (!local.isBusy) {
        for (let m = 0; m < n; m++) if (m !== j && this.#isRightFor(state, j, m)) codes.push(stepCode('join', j, m))
      }
    }
    return codes
  }

  /** Whether this step can be next. */
  isPossible(state: State, code: number): boolean {
    return this.stepsFrom(state).includes(code)
  }

  /** The state after a step that can be next. */
  after(state: State, code: number): State {
    const n = this.nodes
    const next = state.slice()
    const step = stepOf(code)
    switch (step.type) {
      case 'deliver': {
        const { from, to } = step
        const [message] = this.#channelOf(state, from, to).messages as [number]
        next[from * n + to] = this.#channel(this.#channelOf(state, from, to).messages.slice(1))
        this.#apply(next, to, this.#delivery(from, message))
        break
      }
      case 'failed':
        this.#apply(next, step.node, this.#event({ type: 'failed', peer: step.of }))
        break
      case 'join':
        this.#apply(next, step.node, this.#event({ type: 'join', peer: step.member }))
        break
      case 'stabilize':
        this.#apply(next, step.node, this.#stabilizeEvent)
        break
      case 'crash':
      case 'leave':
        this.#apply(next, step.node, step.type === 'crash' ? this.#crashEvent : this.#leaveEvent)
        for (let i = 0; i < n; i++) if (i !== step.node) next[i * n + step.node] = 0
        break
    }
    return next
  }

  /**
   * Of the ring, where a node that an answer is under way to counts as what it will be: a step happens when the question
   * is answered, and who waits for an answer tells nobody its place.
   */
  verdict(state: State): Verdict {
    return this.#verdictOf(this.#deemedIds(state))
  }

  /** Of what the nodes hold, whatever is under way. */
  actualVerdict(state: State): Verdict {
    return this.#verdictOf(this.#placeIds(state))
  }

  /** Nothing is under way and nobody waits. */
  isQuiet(state: State): boolean {
    const n = this.nodes
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) if (i !== j && state[i * n + j] !== 0) return false
      const local = this.#at(state, i)
      if (local.life !== 'gone' && (local.asked | local.pinged) !== 0) return false
    }
    return true
  }

  /** What a quiet state is but for the rounds that are left. */
  coreOf(state: State): string {
    let core = ''
    for (let i = 0; i < this.nodes; i++) core += `${this.#at(state, i).coreId} `
    return core
  }

  /**
   * Whether the ring becomes ideal if nothing fails any more and members stabilize in turn, each when all is quiet
   * again; who has not joined stays away.
   */
  settles(state: State, rounds: number): boolean {
    const n = this.nodes
    let at = this.#calm(state)
    for (let round = 0; at !== undefined && round < rounds; round++) {
      if (this.#isSettled(at)) return true
      for (let i = 0; i < n && at !== undefined; i++) {
        if (this.#at(at, i).life !== 'member') continue
        this.#apply(at, i, this.#freeEvent)
        at = this.#calm(at)
      }
    }
    return at !== undefined && this.#isSettled(at)
  }

  /** Delivers all there is, oldest pair first; undefined if it does not end. */
  #calm(state: State): State | undefined {
    const n = this.nodes
    let at = state.slice()
    for (let steps = 0; steps < 200 * n; steps++) {
      const code = this.#urgent(at)
      if (code === undefined) return at
      at = this.after(at, code)
    }
    return undefined
  }

  #urgent(state: State): number | undefined {
    const n = this.nodes
    for (let j = 0; j < n; j++) {
      if (this.#at(state, j).life === 'gone') continue
      for (let i = 0; i < n; i++) {
        if (i === j) continue
        if (state[i * n + j] !== 0) return stepCode('deliver', i, j)
        if (this.#canNotice(state, j, i)) return stepCode('failed', j, i)
      }
    }
    return undefined
  }

  #isSettled(state: State): boolean {
    return this.actualVerdict(state).isIdeal
  }

  #placeIds(state: State): number[] {
    const ids: number[] = []
    for (let i = 0; i < this.nodes; i++) ids.push(this.#at(state, i).placeId)
    return ids
  }

  #deemedIds(state: State): number[] {
    const n = this.nodes
    const ids = this.#placeIds(state)
    for (let t = 0; t < n; t++) {
      const local = this.#at(state, t)
      if (local.life === 'gone' || local.asked === 0) continue
      for (let i = 0; i < n; i++) {
        if ((local.asked & (1 << i)) === 0) continue
        const message = this.#channelOf(state, i, t).place
        if (message === -1) continue
        const { local: after } = this.#effect(t, state[t * n + t] as number, this.#delivery(i, message))
        ids[t] = this.#locals.at(after).placeId
      }
    }
    return ids
  }

  #verdictOf(ids: readonly number[]): Verdict {
    const key = String.fromCharCode(...ids)
    const known = this.#verdicts.get(key)
    if (known !== undefined) return known
    const members = ids.flatMap((id, i) =>
      id === 0 ? [] : [{ peer: i as Peer, place: JSON.parse(this.#places.at(id)) as Place }]
    )
    const view = { members, idOf: modelIdOf, length: this.length, leastPrincipals: this.leastPrincipals }
    const verdict = {
      violations: violationsOf(view),
      principals: maskOf(principalsOf(view)),
      isIdeal: isIdeal(view)
    }
    this.#verdicts.set(key, verdict)
    return verdict
  }

  #mayFail(ids: readonly number[], victim: number): boolean {
    const { principals } = this.#verdictOf(ids)
    if ((principals & (1 << victim)) !== 0 && countOf(principals) <= this.#keptPrincipals) return false
    let there = 0
    for (let i = 0; i < ids.length; i++) if (ids[i] !== 0 && i !== victim) there |= 1 << i
    return ids.every((id, i) => {
      if (id === 0 || i === victim) return true
      const successors = this.#successorMasks(id)
      return successors === 0 || (successors & there) !== 0
    })
  }

  readonly #masks: number[] = []

  #successorMasks(placeId: number): number {
    return (this.#masks[placeId] ??= maskOf((JSON.parse(this.#places.at(placeId)) as Place).successors))
  }

  /** A lookup of the joiner's own id would end at this member. */
  #isRightFor(state: State, joiner: number, member: number): boolean {
    const { life, place } = this.#at(state, member)
    if (life !== 'member') return false
    const next = place.successors[0] ?? (member as Peer)
    return isBetween(modelIdOf(member as Peer), modelIdOf(joiner as Peer), modelIdOf(next))
  }

  #canNotice(state: State, node: number, of: number): boolean {
    const { asked, pinged } = this.#at(state, node)
    return (
      ((asked | pinged) & (1 << of)) !== 0 &&
      this.#at(state, of).life === 'gone' &&
      !this.#channelOf(state, of, node).hasAnswer
    )
  }

  #apply(state: State, node: number, event: number): void {
    const n = this.nodes
    const { local, sends } = this.#effect(node, state[node * n + node] as number, event)
    state[node * n + node] = local
    for (let i = 0; i < sends.length; i += 2) {
      const to = sends[i] as number
      if (to === node) throw new Error(`${node} sends to itself`)
      if (this.#at(state, to).life === 'gone') continue
      state[node * n + to] = this.#push(state[node * n + to] as number, sends[i + 1] as number)
    }
  }

  /** A message that says what one under way says already is left out: a node could repeat it without end. */
  #push(channel: number, message: number): number {
    const row = (this.#pushed[channel] ??= [])
    const known = row[message]
    if (known !== undefined) return known
    const { messages } = this.#channels.at(channel)
    const { type } = this.#messages.at(message)
    const isRepeated = (type === 'notify' || type === 'look') && messages.includes(message)
    return (row[message] = isRepeated ? channel : this.#channel([...messages, message]))
  }

  #effect(node: number, local: number, event: number): Effect {
    const row = (this.#effects[local * this.nodes + node] ??= [])
    return (row[event] ??= this.#work(node, local, this.#events.at(event)))
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
            node.onPong(peer)
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
    return this.#rules.create({ self: self as Peer, idOf: modelIdOf, length: this.length, state })
  }

  #at(state: State, node: number): Local {
    return this.#locals.at(state[node * this.nodes + node] as number)
  }

  #channelOf(state: State, from: number, to: number): Channel {
    return this.#channels.at(state[from * this.nodes + to] as number)
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
      placeId: life === 'member' ? this.#places.of(JSON.stringify(place), JSON.stringify(place)) : 0,
      successorMask: maskOf(place.successors),
      coreId: this.#cores.of(core, core)
    }))
  }

  #message(message: Message): number {
    return this.#messages.of(JSON.stringify(message), () => message)
  }

  #event(event: LocalEvent): number {
    return this.#events.of(JSON.stringify(event), () => event)
  }

  #delivery(from: number, message: number): number {
    const row = (this.#deliveries[message] ??= [])
    return (row[from] ??= this.#event({ type: 'deliver', from, message: this.#messages.at(message) }))
  }

  #channel(messages: readonly number[]): number {
    return this.#channels.of(messages.join(' '), () => {
      const types = messages.map(message => this.#messages.at(message).type)
      const place = types.indexOf('place')
      return {
        messages,
        hasAnswer: types.some(type => type === 'place' || type === 'busy' || type === 'pong' || type === 'leaving'),
        place: place === -1 ? -1 : (messages[place] as number)
      }
    })
  }

  /** A step as it is told before it is taken, with what it carries. */
  describe(state: State, code: number): string {
    const step: Step = stepOf(code)
    switch (step.type) {
      case 'deliver': {
        const [id] = this.#channelOf(state, step.from, step.to).messages as [number]
        const message = this.#messages.at(id)
        const place = 'place' in message ? ` ${placeText(message.place)}` : ''
        return `${step.to} gets ${message.type}${place} from ${step.from}`
      }
      case 'failed':
        return `${step.node} finds that ${step.of} does not answer`
      case 'join':
        return `${step.node} asks to join behind ${step.member}`
      case 'stabilize':
        return `${step.node} stabilizes`
      case 'crash':
        return `${step.node} crashes`
      case 'leave':
        return `${step.node} leaves, with a word to its neighbours`
    }
  }

  /** What the members hold. */
  placesText(state: State): string {
    const texts: string[] = []
    for (let i = 0; i < this.nodes; i++) {
      const { life, place } = this.#at(state, i)
      if (life === 'member') texts.push(`${i} ${placeText(place)}`)
    }
    return texts.join(', ')
  }
}

function placeText({ predecessor, successors }: Place): string {
  return `${predecessor ?? '-'}<[${successors.join(' ')}]`
}

/** As it is on the wire: the same object for the same contents. */
function plain({ predecessor, successors }: Place): Place {
  return { predecessor, successors: [...successors] }
}

function maskOf(peers: readonly Peer[]): number {
  return peers.reduce((mask, peer) => mask | (1 << (peer as number)), 0)
}

function countOf(mask: number): number {
  let count = 0
  for (let rest = mask; rest !== 0; rest &= rest - 1) count++
  return count
}

/** Numbers for things, from 0 on, the same for equal ones. */
class Interned<T> {
  readonly #ids = new Map<string, number>()
  readonly #items: T[] = []

  get size(): number {
    return this.#items.length
  }

  at(id: number): T {
    return this.#items[id] as T
  }

  of(key: string, item: T | (() => T)): number {
    const known = this.#ids.get(key)
    if (known !== undefined) return known
    const id = this.#items.length
    this.#items.push(typeof item === 'function' ? (item as () => T)() : item)
    this.#ids.set(key, id)
    return id
  }
}
