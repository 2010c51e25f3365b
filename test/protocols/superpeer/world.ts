import { createHash } from 'node:crypto'
import type { FileId } from '../../../protocols/core/ids.ts'
import { indexPeers, type Peer } from '../../../protocols/core/peer.ts'
import type { Crypto } from '../../../protocols/core/signing.ts'
import {
  Overlay,
  type OverlayCommand,
  type OverlayEvent,
  type OverlayMessage,
  overlayCodec
} from '../../../protocols/overlay/index.ts'
import type { Hit } from '../../../protocols/search/index.ts'
import {
  type CatalogueItem,
  MemoryCatalogueStore,
  SuperPeer,
  type SuperPeerCommand,
  type SuperPeerConfig,
  type SuperPeerEvent,
  type SuperPeerMessage,
  superPeerCodec
} from '../../../protocols/superpeer/index.ts'
import { type Channel, Simulation, type SimulationOptions } from '../../../src/simulator/index.ts'

export const WALL_MS = 1_800_000_000_000

/** Signs with a hash of the name: enough where nobody forges but by a test's hand. */
export function cryptoOf(self: Peer): Crypto {
  const sign = (peer: Peer, bytes: Uint8Array): Uint8Array =>
    createHash('sha256').update(`secret of ${peer}`).update(bytes).digest()
  return {
    sha256: bytes => createHash('sha256').update(bytes).digest(),
    sign: bytes => sign(self, bytes),
    verify: (peer, bytes, signature) => Buffer.compare(sign(peer, bytes), signature) === 0
  }
}

export function fileId(name: string): FileId {
  return createHash('sha256').update(name).digest('hex') as FileId
}

export function itemNamed(name: string, size = 1_000): CatalogueItem {
  return { id: fileId(name), name, size }
}

export interface Found {
  readonly via: Peer
  readonly holder: Peer
  readonly hit: Hit
}

export interface WorldInit extends SimulationOptions {
  config?: Partial<SuperPeerConfig>
  /** Whether a super-peer's application answers what it is asked. */
  answers?: (peer: Peer) => boolean
}

/**
 * The overlay and the super-peers' machine on all peers, wired as an application does it. A super-peer's searches are
 * answered at once by what all super-peers have.
 */
export class SuperWorld {
  readonly simulation: Simulation
  readonly overlay: Channel<OverlayCommand, OverlayMessage, OverlayEvent>
  readonly supers: Channel<SuperPeerCommand, SuperPeerMessage, SuperPeerEvent>
  readonly stores = new Map<Peer, MemoryCatalogueStore>()
  readonly resting = new Set<Peer>()
  readonly found = new Map<number, Found[]>()
  readonly done = new Map<number, Extract<SuperPeerEvent, { type: 'searchDone' }>>()
  /** What super-peers' applications were asked. */
  readonly asks: { peer: Peer; budget: number }[] = []
  /** Role events, for a trace of what happened. */
  readonly roles: { at: number; peer: Peer; role: string; reason: string }[] = []
  readonly #contact: { peer: Peer | undefined } = { peer: undefined }
  readonly #init: WorldInit

  constructor(init: WorldInit) {
    this.#init = init
    this.simulation = new Simulation(init)
    this.overlay = this.simulation.protocol<OverlayCommand, OverlayMessage, OverlayEvent>({
      name: 'overlay',
      codec: overlayCodec(indexPeers),
      machine: (self, rng) => new Overlay({ self, rng }),
      onEvent: (peer, event) => {
        if (event.type !== 'contactsWanted') this.supers.command(peer, event)
      }
    })
    this.supers = this.simulation.protocol<SuperPeerCommand, SuperPeerMessage, SuperPeerEvent>({
      name: 'superpeer',
      codec: superPeerCodec(indexPeers),
      machine: (self, rng) => {
        const store = this.stores.get(self) ?? new MemoryCatalogueStore()
        this.stores.set(self, store)
        return new SuperPeer({
          self,
          rng,
          store,
          crypto: cryptoOf(self),
          wallMs: now => WALL_MS + now,
          ...(init.config === undefined ? {} : { config: init.config })
        })
      },
      onEvent: (peer, event) => this.#onEvent(peer, event)
    })
  }

  machine(peer: Peer): SuperPeer {
    return this.supers.machine(peer) as SuperPeer
  }

  /** New peers, each through a random one that is there, `everyMs` apart, with what they share. */
  grow(count: number, everyMs: number, itemsOf: (peer: Peer) => CatalogueItem[]): Peer[] {
    const { simulation } = this
    const peers: Peer[] = []
    for (let i = 0; i < count; i++) {
      const contacts = simulation.alive().filter(peer => !this.resting.has(peer))
      const [peer] = simulation.addPeers(1) as [Peer]
      this.#contact.peer ??= peer
      if (contacts.length > 0) this.overlay.command(peer, { type: 'join', contact: simulation.rng.pick(contacts) })
      this.supers.command(peer, { type: 'catalogue', items: itemsOf(peer) })
      peers.push(peer)
      this.runFor(everyMs)
    }
    return peers
  }

  say(peers: readonly Peer[], command: SuperPeerCommand): void {
    for (const peer of peers) this.supers.command(peer, command)
  }

  rolesNow(): { supers: Peer[]; clients: Peer[] } {
    const alive = this.simulation.alive()
    const supers = alive.filter(peer => this.machine(peer).role === 'super')
    return { supers, clients: alive.filter(peer => !supers.includes(peer)) }
  }

  runFor(ms: number): void {
    this.simulation.run(this.simulation.now + ms)
  }

  /** Lets time pass until it holds, or fails to within the time. */
  until(holds: () => boolean, withinMs: number): boolean {
    const endMs = this.simulation.now + withinMs
    while (!holds()) {
      if (this.simulation.now >= endMs) return false
      this.runFor(500)
    }
    return true
  }

  search(peer: Peer, search: number, text: string, more: object = {}): void {
    this.found.set(search, [])
    this.supers.command(peer, { type: 'search', search, query: { kind: 'words', text }, ...more })
  }

  #onEvent(peer: Peer, event: SuperPeerEvent): void {
    switch (event.type) {
      case 'resting':
        if (event.resting) {
          this.resting.add(peer)
          this.overlay.command(peer, { type: 'leave' })
        } else {
          this.resting.delete(peer)
          const contacts = this.simulation.alive().filter(other => other !== peer && !this.resting.has(other))
          if (contacts.length > 0) {
            this.overlay.command(peer, { type: 'join', contact: this.simulation.rng.pick(contacts) })
          }
        }
        return
      case 'hits':
        for (const hit of event.hits) {
          this.found.get(event.search)?.push({ via: event.via, holder: event.holder, hit })
        }
        return
      case 'searchDone':
        this.done.set(event.search, event)
        return
      case 'search': {
        this.asks.push({ peer, budget: event.budget })
        if (this.#init.answers?.(peer) === false) return
        const { ask, query, limit } = event
        const others = this.rolesNow().supers
        for (const other of others) {
          for (const { holder, hits } of this.machine(other).lookup(query, limit)) {
            this.supers.command(peer, { type: 'found', ask, holder, hops: other === peer ? 0 : 1, hits })
          }
        }
        const account = { peersAsked: others.length, messages: others.length, complete: true, more: false }
        this.supers.command(peer, { type: 'searched', ask, account })
        return
      }
      case 'role':
        this.roles.push({ at: this.simulation.now, peer, role: event.role, reason: event.reason })
        return
      case 'attached':
      case 'keys':
      case 'stopSearch':
        return
    }
  }
}

export const STRONG = {
  uptimeMs: 24 * 3_600_000,
  uploadBytesPerS: 4 * 1024 * 1024,
  memoryBytes: 2 ** 31,
  isReachable: true,
  load: 0.1
}
