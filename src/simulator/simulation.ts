import type { Peer } from '../../protocols/core/peer.ts'
import { type Rng, seededRng } from '../../protocols/core/rng.ts'
import { type Channel, ChannelRunner, type Observation, type ProtocolInit, type SimulationStats } from './channel.ts'
import { Connections } from './connections.ts'
import { END_OF_TIME, EventQueue, FIELDS } from './event-queue.ts'
import {
  CALL,
  DIGEST,
  FROM,
  KIND,
  KIND_BITS,
  LINK,
  LINK_GENERATION,
  LOST,
  MESSAGE,
  OPENED,
  TICK,
  TO,
  UNKNOWN
} from './events.ts'
import { Network } from './network.ts'
import { Penalties, type Penalty } from './penalties.ts'
import { mix32, Trace } from './trace.ts'

export interface SimulationOptions {
  /** Everything random follows from it. An integer. */
  seed: number
  /** Shortest and longest one-way delay between two peers, ms. */
  latency?: readonly [minMs: number, maxMs: number]
  /** Most that chance adds to a pair's delay, ms; by default a tenth of the span of `latency`. */
  jitterMs?: number
  /**
   * Share of messages that get lost, 0..1. Streams lose nothing, so this stands for what a driver does with a message
   * over the send budget, and for a connection that breaks at the worst moment.
   */
  loss?: number
  /** How long it takes to find out that a connection is gone or a peer cannot be reached, ms. */
  detectionMs?: number
  /**
   * Close connections on which nothing came for so long, ms, give or take a quarter. By default none are, as libp2p hosts
   * keep theirs while they have fewer than they may. Longer than any machine lets a neighbour be silent.
   */
  idleMs?: number
  /** Encode and decode every message. */
  wire?: boolean
  /** Keep the fingerprint that `traceHash` returns. */
  trace?: boolean
  /** Sees every input, event and penalty: to print a small case, or to compare it with an exact list. */
  observe?: (observation: Observation) => void
}

/** Ten to a hundred milliseconds: peers on one continent. A connection counts as lost after a second. */
export const defaultSimulationOptions = {
  latency: [10, 100],
  loss: 0,
  detectionMs: 1_000,
  wire: false,
  trace: true
} as const satisfies Partial<SimulationOptions>

/** Channels a connection's record has a bit for. */
const MAX_CHANNELS = 30

/**
 * Many peers in virtual time: the twin of the libp2p driver, for machines of `protocols/`. Peers are the integers from 0
 * on, time is whole milliseconds from 0 on, and the same seed and script give the same run, event for event.
 */
export class Simulation {
  /** For the choices of a scenario. Machines and network have their own, so that drawing here does not move theirs. */
  readonly rng: Rng
  readonly seed: number
  readonly #stats: SimulationStats
  readonly #queue = new EventQueue<unknown>(4096)
  readonly #network: Network
  readonly #connections: Connections
  readonly #trace: Trace | undefined
  readonly #penalties = new Penalties()
  readonly #channels: ChannelRunner<unknown, unknown, unknown>[] = []
  readonly #wire: boolean
  readonly #observe: SimulationOptions['observe']
  /** How often each peer was started. */
  readonly #starts: number[] = []

  constructor(options: SimulationOptions) {
    const { latency, loss, detectionMs, wire, trace, seed, observe } = { ...defaultSimulationOptions, ...options }
    if (!Number.isSafeInteger(seed)) throw new RangeError(`seed ${seed} is not an integer`)
    const jitterMs = options.jitterMs ?? Math.floor((latency[1] - latency[0]) / 10)
    this.seed = seed
    this.rng = seededRng(seed)
    this.#wire = wire
    this.#observe = observe
    this.#trace = trace ? new Trace() : undefined
    this.#network = new Network({ seed: foldSeed(seed), latency, jitterMs, loss, detectionMs })
    const { idleMs } = options
    if (idleMs !== undefined && !(idleMs > 0)) throw new RangeError(`idleMs ${idleMs} is not above 0`)
    this.#stats = {
      inputs: 0,
      ticks: 0,
      sent: 0,
      delivered: 0,
      lost: 0,
      bytes: 0,
      undecodable: 0,
      connectionsOpened: 0,
      connections: 0,
      penalties: 0
    }
    this.#connections = new Connections(this.#queue, this.#network, {
      peerUp: (peer, other) => {
        for (const channel of this.#channels) channel.peerUp(peer, other)
      },
      peerDown: (peer, other, channels) => {
        for (let i = 0; i < this.#channels.length; i++) {
          if ((channels & (1 << i)) !== 0)
            (this.#channels[i] as ChannelRunner<unknown, unknown, unknown>).peerDown(peer, other)
        }
      }
    })
    if (idleMs !== undefined) this.#closeIdleIn(idleMs, idleMs)
  }

  /** Virtual time, ms. */
  get now(): number {
    return this.#queue.now
  }

  /** Peers that were added, running or crashed. */
  get peerCount(): number {
    return this.#starts.length
  }

  get stats(): Readonly<SimulationStats> {
    const { opened, links } = this.#connections
    return { ...this.#stats, connectionsOpened: opened, connections: links.size }
  }

  /** Every peer gets a machine of this protocol. To be called before the first peer is added. */
  protocol<Command, Message, Event>(init: ProtocolInit<Command, Message, Event>): Channel<Command, Message, Event> {
    if (this.peerCount > 0) throw new RangeError('protocols come before peers')
    if (this.#channels.length === MAX_CHANNELS) throw new RangeError(`at most ${MAX_CHANNELS} protocols`)
    const simulation = this
    const world = {
      queue: this.#queue,
      connections: this.#connections,
      network: this.#network,
      trace: this.#trace,
      penalties: this.#penalties,
      stats: this.#stats,
      wire: this.#wire,
      observe: this.#observe,
      get peerCount() {
        return simulation.peerCount
      }
    }
    const channel = new ChannelRunner(world, init, this.#channels.length)
    this.#channels.push(channel as unknown as ChannelRunner<unknown, unknown, unknown>)
    return channel
  }

  /** Starts new peers and returns them. */
  addPeers(count: number): Peer[] {
    const first = this.peerCount
    this.#connections.links.reserve(first + count)
    this.#network.reserve(first + count)
    for (const channel of this.#channels) channel.reserve(first + count)
    return Array.from({ length: count }, (_, i) => {
      this.#starts.push(0)
      this.#start(first + i)
      return (first + i) as Peer
    })
  }

  /** Dials. Both get `peerUp` on every channel after a round trip, if they can reach one another. */
  connect(a: Peer, b: Peer): void {
    if (a === b) throw new RangeError(`peer ${a} dials itself`)
    this.#connections.toSend(this.#known(a), this.#known(b), 0)
  }

  isConnected(a: Peer, b: Peer): boolean {
    return this.#connections.isOpen(a as number, b as number)
  }

  /** `closer` closes the connection: it gets `peerDown` at once, the other when the news arrives. */
  disconnect(closer: Peer, other: Peer): void {
    this.#connections.close(this.#known(closer), this.#known(other))
  }

  /**
   * The peer and its machines are gone, with all that is on the way to it and from it. Those connected to it get
   * `peerDown` after `detectionMs`.
   */
  crash(peer: Peer): void {
    const index = this.#known(peer)
    if (!this.#network.isAlive(index)) return
    this.#network.setAlive(index, false)
    for (const channel of this.#channels) channel.crash(index)
    this.#connections.crashed(index)
  }

  /** A crashed peer comes back with new machines that know nothing. */
  restart(peer: Peer): void {
    const index = this.#known(peer)
    if (this.#network.isAlive(index)) throw new RangeError(`peer ${peer} is running`)
    this.#start(index)
  }

  isAlive(peer: Peer): boolean {
    return this.#network.isAlive(peer as number)
  }

  /** Peers that run, in order. */
  alive(): Peer[] {
    return Array.from({ length: this.peerCount }, (_, i) => i as Peer).filter(peer => this.isAlive(peer))
  }

  /**
   * Cuts the network: each group, and all others together, reach only their own. What is on the way across is lost;
   * both ends of a cut connection get `peerDown` after `detectionMs`. Replaces an earlier partition.
   */
  partition(groups: readonly (readonly Peer[])[]): void {
    this.#network.partition(groups.map(group => group.map(peer => this.#known(peer))))
    this.#connections.cutUnreachable()
  }

  /** Everyone can reach everyone again. Cut connections stay cut until someone dials. */
  heal(): void {
    this.#network.heal()
  }

  /** Everything to and from this peer takes so much longer; 0 makes it normal again. */
  slow(peer: Peer, extraMs: number): void {
    this.#network.slow(this.#known(peer), extraMs)
  }

  setLoss(share: number): void {
    this.#network.setLoss(share)
  }

  /** The one-way delay of a pair without jitter, ms. */
  latencyMs(a: Peer, b: Peer): number {
    return this.#network.latencyMs(a as number, b as number)
  }

  /** Who was penalised, by whom, for what; of one peer when it is given. */
  penalties(peer?: Peer): Penalty[] {
    return this.#penalties.list(peer)
  }

  /** Calls a function of the scenario at a virtual time; before what is pushed for that time later. */
  at(timeMs: number, call: () => void): void {
    const at = this.#queue.push(Math.ceil(timeMs), call) * FIELDS
    this.#queue.fields[at + KIND] = CALL
  }

  /** Lets everything happen that is due until then. */
  run(untilMs: number): void {
    if (Number.isNaN(untilMs)) throw new RangeError('no time to run until')
    const limit = Math.min(Math.floor(untilMs), END_OF_TIME - 1)
    const queue = this.#queue
    let record = queue.pop(limit)
    try {
      for (; record !== -1; record = queue.pop(limit)) this.#dispatch(record)
    } catch (error) {
      throw new Error(`seed ${this.seed}, ${this.now} ms: ${error instanceof Error ? error.message : error}`, {
        cause: error
      })
    }
  }

  /** Runs until the condition holds, at most for `limitMs` from now; looks every `everyMs`. Returns whether it holds. */
  runUntil(condition: () => boolean, limitMs: number, everyMs = 10): boolean {
    const end = this.now + limitMs
    while (!condition()) {
      if (this.now >= end) return false
      this.run(Math.min(this.now + everyMs, end))
    }
    return true
  }

  /** The fingerprint of everything that machines were given and gave so far: 16 hex digits. */
  traceHash(): string {
    if (this.#trace === undefined) throw new RangeError('this simulation keeps no trace')
    return this.#trace.hash()
  }

  #dispatch(record: number): void {
    const queue = this.#queue
    const { fields } = queue
    const at = record * FIELDS
    const kind = fields[at + KIND] as number
    const to = fields[at + TO] as number
    const from = fields[at + FROM] as number
    const link = fields[at + LINK] as number
    const generation = fields[at + LINK_GENERATION] as number
    const digest = fields[at + DIGEST] as number
    const payload = queue.payloads[record]
    queue.release(record)
    const channel = this.#channels[kind >>> KIND_BITS] as ChannelRunner<unknown, unknown, unknown>
    switch (kind & ((1 << KIND_BITS) - 1)) {
      case MESSAGE:
        if (this.#connections.isValid(link, generation)) channel.onMessage(to, from, payload, digest)
        else this.#stats.lost++
        return
      case TICK:
        channel.onTick(to, record, from)
        return
      case OPENED:
        this.#connections.onOpened(link, generation, from, to)
        return
      case LOST:
        this.#connections.onLost(link, generation, to, from)
        return
      case UNKNOWN:
        ;(this.#channels[from] as ChannelRunner<unknown, unknown, unknown>).peerDown(to, payload)
        return
      case CALL:
        ;(payload as () => void)()
    }
  }

  /** Looks after `waitMs`, and again and again. */
  #closeIdleIn(waitMs: number, idleMs: number): void {
    const at = this.now + waitMs
    if (at >= END_OF_TIME - 1) return
    this.at(at, () => {
      this.#connections.closeIdle(idleMs)
      this.#closeIdleIn(idleMs / 4, idleMs)
    })
  }

  #start(peer: number): void {
    this.#network.setAlive(peer, true)
    const start = (this.#starts[peer] = (this.#starts[peer] as number) + 1)
    this.#channels.forEach((channel, i) => {
      const stream = mix32(foldSeed(this.seed) + i * MAX_CHANNELS_STRIDE + start)
      // a bijection of the peer: no two peers of a channel draw the same numbers
      channel.start(peer, seededRng(mix32(mix32(stream) ^ peer) >>> 0))
    })
  }

  #known(peer: Peer): number {
    if (typeof peer !== 'number' || !(peer >= 0 && peer < this.peerCount)) throw new RangeError(`no peer ${peer}`)
    return peer
  }
}

/** All 53 bits of a seed in 32; with an exclusive or alone, small seeds and negative ones would meet. */
function foldSeed(seed: number): number {
  return mix32(mix32(seed | 0) + Math.floor(seed / 2 ** 32))
}

/** Keeps apart the random numbers of channels; more than the restarts of any peer. */
const MAX_CHANNELS_STRIDE = 1 << 24
