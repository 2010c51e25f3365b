import type { Place } from '../../../protocols/chord/ring.ts'
import { isBetween } from '../../../protocols/core/keyspace.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { Interned } from './interned.ts'
import { type Local, Nodes } from './nodes.ts'
import { correctedRules, modelIdOf, type Rules } from './rules.ts'
import { type Step, stepCode, stepOf } from './steps.ts'
import { type Verdict, Verdicts } from './verdicts.ts'

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

/** Messages from one node to another, the oldest first. */
interface Channel {
  readonly messages: readonly number[]
  /** Something that ends a wait is under way. */
  readonly hasAnswer: boolean
  /** The place that is under way, or -1. */
  readonly place: number
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
  readonly start: State
  readonly #failures: number
  readonly #leaving: boolean
  readonly #nodes: Nodes
  readonly #verdicts: Verdicts
  readonly #channels = new Interned<Channel>()
  /** BOUNDED: what the states of one search consist of. By channel, then by what is sent. */
  readonly #pushed: number[][] = []
  readonly #stabilizeEvent: number
  readonly #freeEvent: number
  readonly #crashEvent: number
  readonly #leaveEvent: number

  constructor(config: ModelConfig) {
    const { nodes, length, members } = config
    if (!(nodes >= 1 && nodes <= 16)) throw new RangeError(`${nodes} nodes: 1 to 16`)
    this.nodes = nodes
    const leastPrincipals = config.leastPrincipals ?? Math.min(length + 1, members.length)
    this.#failures = config.failures
    this.#leaving = config.leaving ?? false
    this.#nodes = new Nodes(config.rules ?? correctedRules, nodes, length)
    this.#verdicts = new Verdicts({
      placeAt: id => this.#nodes.placeAt(id),
      length,
      leastPrincipals,
      keptPrincipals: config.keptPrincipals ?? leastPrincipals
    })
    this.#channel([])
    this.#stabilizeEvent = this.#nodes.event({ type: 'stabilize', isFree: false })
    this.#freeEvent = this.#nodes.event({ type: 'stabilize', isFree: true })
    this.#crashEvent = this.#nodes.event({ type: 'crash' })
    this.#leaveEvent = this.#nodes.event({ type: 'leave' })
    this.start = new Uint32Array(nodes * nodes)
    const rounds = config.rounds ?? -1
    for (let i = 0; i < nodes; i++) {
      const rank = members.indexOf(i)
      const others = [...members.slice(rank + 1), ...members.slice(0, rank)]
      const state =
        rank === -1 || others.length === 0 ? {} : { successors: others.slice(0, length), predecessor: others.at(-1) }
      this.start[i * nodes + i] = this.#nodes.first(i, rank === -1 ? 'outside' : 'member', state, rounds)
    }
  }

  /** How much was told apart so far. */
  get sizes(): { locals: number; channels: number; messages: number; verdicts: number } {
    return { ...this.#nodes.sizes, channels: this.#channels.size, verdicts: this.#verdicts.size }
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
        if (local.rounds !== 0 && this.#nodes.effect(j, state[j * n + j] as number, this.#stabilizeEvent).changes) {
          codes.push(stepCode('stabilize', j))
        }
        if (deemed !== undefined && this.#verdicts.mayFail(deemed, j)) {
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
        this.#apply(next, to, this.#nodes.delivery(from, message))
        break
      }
      case 'failed':
        this.#apply(next, step.node, this.#nodes.event({ type: 'failed', peer: step.of }))
        break
      case 'join':
        this.#apply(next, step.node, this.#nodes.event({ type: 'join', peer: step.member }))
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
    return this.#verdicts.of(this.#deemedIds(state))
  }

  /** Of what the nodes hold, whatever is under way. */
  actualVerdict(state: State): Verdict {
    return this.#verdicts.of(this.#placeIds(state))
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
        const { local: after } = this.#nodes.effect(t, state[t * n + t] as number, this.#nodes.delivery(i, message))
        ids[t] = this.#nodes.at(after).placeId
      }
    }
    return ids
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
    const { local, sends } = this.#nodes.effect(node, state[node * n + node] as number, event)
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
    const { type } = this.#nodes.messageAt(message)
    const isRepeated = (type === 'notify' || type === 'look') && messages.includes(message)
    return (row[message] = isRepeated ? channel : this.#channel([...messages, message]))
  }

  #at(state: State, node: number): Local {
    return this.#nodes.at(state[node * this.nodes + node] as number)
  }

  #channelOf(state: State, from: number, to: number): Channel {
    return this.#channels.at(state[from * this.nodes + to] as number)
  }

  #channel(messages: readonly number[]): number {
    return this.#channels.of(messages.join(' '), () => {
      const types = messages.map(message => this.#nodes.messageAt(message).type)
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
        const message = this.#nodes.messageAt(id)
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
