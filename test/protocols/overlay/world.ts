import { indexPeers, type Peer } from '../../../protocols/core/peer.ts'
import {
  Overlay,
  type OverlayCommand,
  type OverlayConfig,
  type OverlayEvent,
  type OverlayMessage,
  overlayCodec
} from '../../../protocols/overlay/index.ts'
import type { GroupOf } from '../../../protocols/overlay/views.ts'
import { type Channel, Simulation, type SimulationOptions } from '../../../src/simulator/index.ts'
import type { Graph } from './graph.ts'

/** Peers of a simulation that run the overlay and nothing else. */
export class OverlayWorld {
  readonly simulation: Simulation
  readonly overlay: Channel<OverlayCommand, OverlayMessage, OverlayEvent>
  /** Neighbours as the events tell them. */
  readonly told = new Map<Peer, Set<Peer>>()

  constructor(options: SimulationOptions, config: Partial<OverlayConfig> = {}, groupOf: GroupOf = () => undefined) {
    this.simulation = new Simulation(options)
    this.overlay = this.simulation.protocol<OverlayCommand, OverlayMessage, OverlayEvent>({
      name: 'overlay',
      codec: overlayCodec(indexPeers),
      machine: (self, rng) => {
        this.told.set(self, new Set())
        return new Overlay({ self, rng, config, groupOf })
      },
      onEvent: (peer, event) => {
        if (event.type === 'contactsWanted') return
        const neighbours = this.told.get(peer) as Set<Peer>
        if (event.type === 'neighbourUp') neighbours.add(event.peer)
        else neighbours.delete(event.peer)
      }
    })
  }

  join(peer: Peer, contact: Peer): void {
    this.overlay.command(peer, { type: 'join', contact })
  }

  /** New peers, each through a random one that is there, `everyMs` apart. */
  grow(count: number, everyMs: number): Peer[] {
    const { simulation } = this
    const peers: Peer[] = []
    for (let i = 0; i < count; i++) {
      const contacts = simulation.alive()
      const [peer] = simulation.addPeers(1) as [Peer]
      if (contacts.length > 0) this.join(peer, simulation.rng.pick(contacts))
      peers.push(peer)
      simulation.run(simulation.now + everyMs)
    }
    return peers
  }

  views(peer: Peer): { active: Peer[]; passive: Peer[] } {
    return this.machine(peer).views()
  }

  machine(peer: Peer): Overlay {
    return this.overlay.machine(peer) as Overlay
  }

  graph(): Graph {
    return new Map(this.simulation.alive().map(peer => [peer, new Set(this.views(peer).active)]))
  }

  /** Lets everything that is on the way arrive: links are symmetric only between messages. */
  runFor(ms: number): void {
    this.simulation.run(this.simulation.now + ms)
  }
}
