import { type Codec, DecodeError } from '../../protocols/core/codec.ts'
import type { Input, Machine } from '../../protocols/core/machine.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import type { Rng } from '../../protocols/core/rng.ts'
import type { Connections } from './connections.ts'
import { END_OF_TIME, type EventQueue, FIELDS } from './event-queue.ts'
import {
  COMMAND,
  DIGEST,
  EVENT,
  FROM,
  KIND,
  KIND_BITS,
  LINK,
  LINK_GENERATION,
  MESSAGE,
  PEER_DOWN,
  PEER_UP,
  PENALTY,
  TICK,
  TO
} from './events.ts'
import { GENERATION, LINK_LOG, NO_LINK } from './links.ts'
import type { Network } from './network.ts'
import type { Penalties } from './penalties.ts'
import { digestOf, type Trace } from './trace.ts'

export interface ProtocolInit<Command, Message, Event> {
  name: string
  codec: Codec<Message>
  /** A new machine for a peer that joins or restarts. */
  machine(peer: Peer, rng: Rng): Machine<Command, Message, Event>
  /** An event for the application of this peer; it may give commands to any channel. */
  onEvent?(peer: Peer, event: Event): void
}

/** One protocol on all peers of a simulation. */
export interface Channel<Command, Message, Event> {
  readonly name: string
  /** Gives a peer's machine one of its commands; ignored by a crashed peer. From inside `onEvent` of the same peer and channel it is handled after the present input. */
  command(peer: Peer, input: Command): void
  /** The peer's machine, to look at. @throws RangeError when the peer is crashed */
  machine(peer: Peer): Machine<Command, Message, Event>
  /** Sends as if the peer's machine had: for scripts that play a hostile peer. */
  send(from: Peer, to: Peer, message: Message): void
  /** The same with bytes that no codec wrote. Only with `wire`. */
  sendBytes(from: Peer, to: Peer, bytes: Uint8Array): void
}

/** What happened to a machine, as an observer of a simulation sees it. */
export interface Observation {
  time: number
  channel: string
  peer: Peer
  kind: 'received' | 'peerUp' | 'peerDown' | 'tick' | 'command' | 'event' | 'penalise'
  /** The other peer, when there is one. */
  other?: Peer
  /** Message, command, event or reason. */
  what?: unknown
}

export interface SimulationStats {
  /** Inputs that machines were given: messages, ticks, peers up and down, commands. */
  inputs: number
  ticks: number
  /** Messages that machines sent, arrived at a machine, and were lost on the way for whatever reason. */
  sent: number
  delivered: number
  lost: number
  /** Bytes of messages; 0 without `wire`. */
  bytes: number
  /** Messages that the receiver's codec refused. Only with `wire`. */
  undecodable: number
  connectionsOpened: number
  /** Connections that are there: open, being opened, or lost without both ends knowing it. */
  connections: number
  penalties: number
}

/** What all channels of a simulation share. */
export interface World {
  readonly queue: EventQueue<unknown>
  readonly connections: Connections
  readonly network: Network
  readonly trace: Trace | undefined
  readonly penalties: Penalties
  readonly stats: SimulationStats
  readonly wire: boolean
  readonly observe: ((observation: Observation) => void) | undefined
  readonly peerCount: number
}

const TICK_INPUT = Object.freeze({ type: 'tick' as const })
const NO_TICK = -1

/** Runs the machines of one protocol: the twin of the libp2p driver. */
export class ChannelRunner<Command, Message, Event> implements Channel<Command, Message, Event> {
  readonly name: string
  readonly #world: World
  readonly #queue: EventQueue<unknown>
  readonly #init: ProtocolInit<Command, Message, Event>
  readonly #index: number
  readonly #bit: number
  readonly #trace: Trace | undefined
  readonly #stats: SimulationStats
  readonly #machines: (Machine<Command, Message, Event> | undefined)[] = []
  /**
   * The machine's earliest pending tick: its time and its record, which names the next later one. A tick is only pushed
   * when it is earlier than all that are pending, so they form a stack and none is ever pushed twice.
   */
  #tickAt = new Int32Array(0)
  #tick = new Int32Array(0)
  /** 1 while the peer's machine or what its outputs set off is at work. */
  #busy = new Uint8Array(0)
  /** Commands that came while their machine was busy, with their peers. BOUNDED by the outputs of one input. */
  readonly #deferred: Command[] = []
  readonly #deferredPeers: number[] = []
  /** A message to many peers is digested once. */
  #lastMessage: Message | undefined
  #lastDigest = 0

  constructor(world: World, init: ProtocolInit<Command, Message, Event>, index: number) {
    this.name = init.name
    this.#world = world
    this.#queue = world.queue
    this.#trace = world.trace
    this.#stats = world.stats
    this.#init = init
    this.#index = index
    this.#bit = 1 << index
  }

  command(peer: Peer, input: Command): void {
    if (this.#machines[peer as number] === undefined) return
    this.#observe('command', peer as number, undefined, input)
    this.#trace?.add(this.#queue.now, this.#kind(COMMAND), peer as number, 0, digestOf(input))
    this.#give(peer as number, input)
  }

  machine(peer: Peer): Machine<Command, Message, Event> {
    const machine = this.#machines[peer as number]
    if (machine === undefined) throw new RangeError(`peer ${peer} is not running`)
    return machine
  }

  send(from: Peer, to: Peer, message: Message): void {
    this.#send(from as number, to, message)
  }

  sendBytes(from: Peer, to: Peer, bytes: Uint8Array): void {
    if (!this.#world.wire) throw new RangeError('bytes can only be sent with `wire`')
    this.#put(from as number, to, bytes, 0)
  }

  /** Makes room for peers 0..count-1. */
  reserve(count: number): void {
    const known = this.#tickAt.length
    if (count <= known) return
    const room = Math.max(count, known * 2)
    const tickAt = new Int32Array(room).fill(END_OF_TIME)
    const tick = new Int32Array(room).fill(NO_TICK)
    const busy = new Uint8Array(room)
    tickAt.set(this.#tickAt)
    tick.set(this.#tick)
    busy.set(this.#busy)
    this.#tickAt = tickAt
    this.#tick = tick
    this.#busy = busy
  }

  start(peer: number, rng: Rng): void {
    this.#machines[peer] = this.#init.machine(peer as Peer, rng)
    this.#arm(peer)
  }

  /** The machine is gone at once; its pending ticks die when they come up. */
  crash(peer: number): void {
    this.#machines[peer] = undefined
    this.#tickAt[peer] = END_OF_TIME
    this.#tick[peer] = NO_TICK
  }

  peerUp(peer: number, other: number): void {
    if (this.#machines[peer] === undefined) return
    this.#observe('peerUp', peer, other)
    this.#trace?.add(this.#queue.now, this.#kind(PEER_UP), peer, other, 0)
    this.#give(peer, { type: 'peerUp', peer: other as Peer })
  }

  peerDown(peer: number, other: unknown): void {
    if (this.#machines[peer] === undefined) return
    this.#observe('peerDown', peer, other)
    this.#trace?.add(this.#queue.now, this.#kind(PEER_DOWN), peer, Number(other), 0)
    this.#give(peer, { type: 'peerDown', peer: other as Peer })
  }

  onMessage(peer: number, from: number, payload: unknown, digest: number): void {
    if (this.#machines[peer] === undefined) return
    this.#stats.delivered++
    let message = payload as Message
    if (this.#world.wire) {
      try {
        message = this.#init.codec.decode(payload as Uint8Array)
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error
        this.#stats.undecodable++
        this.#penalise(peer, from as Peer, error.message)
        return
      }
    }
    this.#observe('received', peer, from, message)
    if (this.#trace !== undefined) {
      // of the message and not of its bytes: so a faithful codec leaves no trace
      const seen = this.#world.wire ? digestOf(message) : digest
      this.#trace.add(this.#queue.now, this.#kind(MESSAGE), peer, from, seen)
    }
    this.#give(peer, { type: 'received', from: from as Peer, message })
  }

  onTick(peer: number, record: number, later: number): void {
    if (this.#tick[peer] !== record) return
    this.#tick[peer] = later
    this.#tickAt[peer] = later === NO_TICK ? END_OF_TIME : (this.#queue.fields[later * FIELDS + 1] as number)
    const wanted = (this.#machines[peer] as Machine<Command, Message, Event>).nextTick()
    if (wanted === undefined || wanted > this.#queue.now) {
      this.#arm(peer)
      return
    }
    this.#stats.ticks++
    this.#observe('tick', peer)
    this.#trace?.add(this.#queue.now, this.#kind(TICK), peer, 0, 0)
    this.#give(peer, TICK_INPUT)
  }

  #give(peer: number, input: Input<Command, Message>): void {
    if (this.#busy[peer] === 1) {
      this.#deferred.push(input as Command)
      this.#deferredPeers.push(peer)
      return
    }
    this.#busy[peer] = 1
    try {
      this.#handle(peer, input)
      for (let i = 0; i < this.#deferred.length; ) {
        if (this.#deferredPeers[i] !== peer) {
          i++
          continue
        }
        const next = this.#deferred[i] as Command
        this.#deferred.splice(i, 1)
        this.#deferredPeers.splice(i, 1)
        this.#handle(peer, next)
      }
    } finally {
      this.#busy[peer] = 0
    }
    this.#arm(peer)
  }

  #handle(peer: number, input: Input<Command, Message>): void {
    const machine = this.#machines[peer]
    if (machine === undefined) return
    this.#stats.inputs++
    const outputs = machine.handle(input, this.#queue.now)
    for (let i = 0; i < outputs.length; i++) {
      // an event may have crashed the peer, or put a new machine in its place
      if (this.#machines[peer] !== machine) return
      const output = outputs[i]!
      if (output.type === 'send') this.#send(peer, output.to, output.message)
      else if (output.type === 'event') this.#onEvent(peer, output.event)
      else this.#penalise(peer, output.peer, output.reason)
    }
  }

  #onEvent(peer: number, event: Event): void {
    this.#observe('event', peer, undefined, event)
    this.#trace?.add(this.#queue.now, this.#kind(EVENT), peer, 0, digestOf(event))
    this.#init.onEvent?.(peer as Peer, event)
  }

  #penalise(by: number, peer: Peer, reason: string): void {
    this.#observe('penalise', by, peer, reason)
    this.#trace?.add(this.#queue.now, this.#kind(PENALTY), by, Number(peer), digestOf(reason))
    this.#stats.penalties++
    this.#world.penalties.add(by as Peer, peer, this.name, reason, this.#queue.now)
  }

  #send(from: number, to: Peer, message: Message): void {
    if (this.#world.wire) {
      this.#put(from, to, this.#init.codec.encode(message), 0)
      return
    }
    if (this.#trace !== undefined && message !== this.#lastMessage) {
      this.#lastMessage = message
      this.#lastDigest = digestOf(message)
    }
    this.#put(from, to, message, this.#lastDigest)
  }

  #put(from: number, to: Peer, payload: unknown, digest: number): void {
    const target = to as number
    if (target === from) throw new RangeError(`peer ${from} sends to itself on ${this.name}`)
    const { connections, network } = this.#world
    if (!network.isAlive(from)) return
    this.#stats.sent++
    if (this.#world.wire) this.#stats.bytes += (payload as Uint8Array).byteLength
    if (!(target >= 0 && target < this.#world.peerCount && Number.isInteger(target))) {
      this.#stats.lost++
      connections.unknown(from, to, this.#index)
      return
    }
    const link = connections.toSend(from, target, this.#bit)
    if (link === NO_LINK || network.loses()) {
      this.#stats.lost++
      return
    }
    const queue = this.#queue
    const at = queue.push(connections.arrival(link, from, target), payload) * FIELDS
    const { fields } = queue
    fields[at + KIND] = this.#kind(MESSAGE)
    fields[at + TO] = target
    fields[at + FROM] = from
    fields[at + LINK] = link
    fields[at + LINK_GENERATION] = connections.links.fields[(link << LINK_LOG) + GENERATION] as number
    fields[at + DIGEST] = digest
  }

  /** Sees to it that a tick is pending when the machine wants one, or before. */
  #arm(peer: number): void {
    const wanted = this.#machines[peer]?.nextTick()
    if (wanted === undefined || wanted >= (this.#tickAt[peer] as number)) return
    const queue = this.#queue
    const due = Math.max(Math.ceil(wanted), queue.now + 1)
    if (due >= (this.#tickAt[peer] as number)) return
    const record = queue.push(due, undefined)
    const at = record * FIELDS
    queue.fields[at + KIND] = this.#kind(TICK)
    queue.fields[at + TO] = peer
    queue.fields[at + FROM] = this.#tick[peer] as number
    this.#tick[peer] = record
    this.#tickAt[peer] = due
  }

  #kind(kind: number): number {
    return kind + (this.#index << KIND_BITS)
  }

  #observe(kind: Observation['kind'], peer: number, other?: unknown, what?: unknown): void {
    const { observe } = this.#world
    if (observe === undefined) return
    const observation: Observation = { time: this.#queue.now, channel: this.name, peer: peer as Peer, kind }
    if (other !== undefined) observation.other = other as Peer
    if (what !== undefined) observation.what = what
    observe(observation)
  }
}
