import type { ChordMessage } from '../../protocols/chord/index.ts'
import { isBetween, type RingId } from '../../protocols/core/keyspace.ts'
import type { Output } from '../../protocols/core/machine.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import { type DirectoryEvent, type DirectoryMessage, directoryConfig } from '../../protocols/directory/index.ts'
import type { DirectoryNetworkInit } from './directory-network.ts'

/** Liars that one answer names. */
const NAMED = 8

/**
 * Hostile nodes that want to hide some keys and know one another. On the ring they behave, so that they are in
 * everybody's tables; but who asks them for such a key is sent to those of them that come next to it. There entries are
 * taken and thrown away, and nothing is ever found.
 */
export class Liars {
  readonly #idOf: (peer: Peer) => RingId
  /** Who lies about a key, clockwise from the key on. */
  readonly #byKey = new Map<RingId, readonly Peer[]>()
  readonly #all = new Set<Peer>()

  constructor(idOf: (peer: Peer) => RingId) {
    this.#idOf = idOf
  }

  /** These lie about the key from now on. */
  hide(key: RingId, liars: readonly Peer[]): void {
    const isNext = (a: Peer, b: Peer): boolean => isBetween(key, this.#idOf(a), this.#idOf(b))
    const inOrder = [...liars].sort((a, b) => (a === b ? 0 : isNext(a, b) ? -1 : 1))
    this.#byKey.set(key, inOrder)
    for (const peer of liars) this.#all.add(peer)
  }

  readonly disguise: NonNullable<DirectoryNetworkInit['disguise']> = {
    ring: (peer, machine) => {
      const behave = machine.handle.bind(machine)
      machine.handle = (input, now) => {
        const lie = input.type === 'received' ? this.#ringLie(peer, input.message) : undefined
        if (lie === undefined || input.type !== 'received') return behave(input, now)
        return [{ type: 'send', to: input.from, message: lie }]
      }
    },
    directory: (peer, machine) => {
      const behave = machine.handle.bind(machine)
      machine.handle = (input, now) => {
        if (!this.#all.has(peer)) return behave(input, now)
        if (input.type !== 'received') return behave(input, now).filter(output => !this.#betrays(peer, output))
        const lie = this.#directoryLie(peer, input.message)
        if (lie === undefined) return behave(input, now)
        return [{ type: 'send', to: input.from, message: lie }]
      }
    }
  }

  #ringLie(peer: Peer, message: ChordMessage): ChordMessage | undefined {
    if (message.type !== 'route' && message.type !== 'relay') return undefined
    const { id, key } = message
    const liars = this.#byKey.get(key)
    if (liars?.includes(peer) !== true) return undefined
    const [owner, ...others] = liars.slice(0, NAMED + 1) as [Peer, ...Peer[]]
    const predecessor = liars.at(-1)
    if (message.type === 'relay') {
      return {
        type: 'relayed',
        id,
        found: { owner, isCopy: false, successors: others, predecessor, via: peer, hops: 2 }
      }
    }
    return peer === owner || message.asOwner
      ? {
          type: 'hop',
          id,
          role: 'owner',
          predecessor,
          before: [],
          after: liars.filter(liar => liar !== peer).slice(0, NAMED)
        }
      : { type: 'hop', id, role: 'way', predecessor: undefined, before: [], after: [owner, ...others].slice(0, NAMED) }
  }

  #directoryLie(peer: Peer, message: DirectoryMessage): DirectoryMessage | undefined {
    switch (message.type) {
      case 'store':
        if (!this.#hides(peer, message.entry.key)) return undefined
        return { type: 'stored', id: message.id, outcome: 'stored', copies: directoryConfig.copies }
      case 'push':
        if (!message.entries.some(({ key }) => this.#hides(peer, key))) return undefined
        return { type: 'pushed', id: message.id, outcomes: message.entries.map(() => 'stored') }
      case 'fetch':
        if (!this.#hides(peer, message.key)) return undefined
        return { type: 'fetched', id: message.id, isMine: true, isHot: false, total: 0, entries: [] }
      case 'compare':
        return { type: 'same', id: message.id }
      default:
        return undefined
    }
  }

  /** It repairs nothing. Its own puts and gets of other keys are as everybody's. */
  #betrays(peer: Peer, output: Output<DirectoryMessage, DirectoryEvent>): boolean {
    if (output.type !== 'send') return false
    const { message } = output
    if (message.type === 'push') return message.entries.some(({ key }) => this.#hides(peer, key))
    return message.type === 'compare' || message.type === 'pull'
  }

  #hides(peer: Peer, key: RingId): boolean {
    return this.#byKey.get(key)?.includes(peer) === true
  }
}
