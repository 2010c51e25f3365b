import type { Peer } from '../../protocols/core/peer.ts'
import { indexPeers } from '../../protocols/core/peer.ts'
import {
  type NeighbourEvent,
  Overlay,
  type OverlayCommand,
  type OverlayConfig,
  type OverlayEvent,
  type OverlayMessage,
  overlayCodec,
  overlayConfig
} from '../../protocols/overlay/index.ts'
import type { Channel, Simulation } from '../simulator/index.ts'
import { type Graph, graphOf } from './graph.ts'

/**
 * Between two newcomers, ms, by how many there are. A peer gives up two of its places in a few minutes, no more, so that
 * newcomers find places among all only while a network grows by about a thousandth in a second; and each neighbour of the
 * one contact passes on ten newcomers of it in a second. `rush` is twice as many, from the first on.
 */
const JOIN_EVERY_MS = {
  gradual: (peers: number) => Math.round(Math.min(1_000, Math.max(125, 1_000_000 / peers))),
  rush: () => 50
}
/** How often `run` says how far it is. */
const STEPS = 100

/** The overlay's machines on all peers of a simulation, and the graph that they make. */
export class OverlayNetwork {
  readonly channel: Channel<OverlayCommand, OverlayMessage, OverlayEvent>
  /** One shuffle of everybody: what papers count time in. */
  readonly cycleMs: number
  readonly #simulation: Simulation
  /** As the machines told it by their events. */
  readonly #neighbours: Set<number>[] = []

  /** @param init.onEvent what else a peer's application does with its neighbours */
  constructor(
    simulation: Simulation,
    init: { config?: Partial<OverlayConfig>; onEvent?(peer: Peer, event: NeighbourEvent): void } = {}
  ) {
    this.#simulation = simulation
    this.cycleMs = init.config?.shuffleMs ?? overlayConfig.shuffleMs
    this.channel = simulation.protocol<OverlayCommand, OverlayMessage, OverlayEvent>({
      name: 'overlay',
      codec: overlayCodec(indexPeers),
      machine: (self, rng) => {
        this.#neighbours[self as number] = new Set()
        return new Overlay({ self, rng, ...(init.config === undefined ? {} : { config: init.config }) })
      },
      onEvent: (peer, event) => {
        // there is nothing else here that could know anybody
        if (event.type === 'contactsWanted') return
        const neighbours = this.#neighbours[peer as number] as Set<number>
        if (event.type === 'neighbourUp') neighbours.add(event.peer as number)
        else neighbours.delete(event.peer as number)
        init.onEvent?.(peer, event)
      }
    })
  }

  /** Peers join one after another, all through the first one. */
  grow(peers: number, progress?: (share: number) => void, pace: keyof typeof JOIN_EVERY_MS = 'gradual'): void {
    const [contact] = this.#simulation.addPeers(1) as [Peer]
    for (let i = 1; i < peers; i++) {
      const [peer] = this.#simulation.addPeers(1) as [Peer]
      this.channel.command(peer, { type: 'join', contact })
      this.#simulation.run(this.#simulation.now + JOIN_EVERY_MS[pace](i))
      if (i % Math.ceil(peers / STEPS) === 0) progress?.(i / peers)
    }
  }

  /** Lets so many cycles pass. */
  run(cycles: number, progress?: (share: number) => void): void {
    const start = this.#simulation.now
    for (let step = 1; step <= STEPS; step++) {
      this.#simulation.run(start + (cycles * this.cycleMs * step) / STEPS)
      progress?.(step / STEPS)
    }
  }

  /** Peers that run and how they are linked: a link counts when both of its ends have it. */
  graph(): { graph: Graph; peers: Peer[] } {
    const peers = this.#simulation.alive()
    const nodes = new Map(peers.map((peer, node) => [peer as number, node]))
    const ends: number[] = []
    for (const [peer, node] of nodes) {
      for (const other of this.#neighbours[peer] as Set<number>) {
        const otherNode = nodes.get(other)
        if (otherNode === undefined || otherNode < node) continue
        if ((this.#neighbours[other] as Set<number>).has(peer)) ends.push(node, otherNode)
      }
    }
    return { graph: graphOf(peers.length, ends), peers }
  }
}
