import type { RingId } from '../core/keyspace.ts'
import type { Input, Machine } from '../core/machine.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import { Answers } from './answers.ts'
import type { ChordCommand } from './commands.ts'
import { type ChordConfig, checkChordConfig, chordConfig } from './config.ts'
import { Fingers } from './fingers.ts'
import { Lookups } from './lookups.ts'
import type { ChordMessage } from './messages.ts'
import { type ChordEvent, type Out, Outbox } from './outbox.ts'
import { Queries, type Query } from './queries.ts'
import { type Place, Ring } from './ring.ts'
import { Router } from './router.ts'
import { Routes } from './routes.ts'

const NOWHERE: Place = { predecessor: undefined, successors: [] }

/**
 * A node that asks the ring and is not on it: one that lives for a few seconds would only make others hand over to it and
 * back. It looks keys up through whoever it is connected to, and is nobody's way to anything.
 */
export class ChordClient implements Machine<ChordCommand, ChordMessage, ChordEvent> {
  readonly place = NOWHERE
  readonly fingers: readonly Peer[] = []
  readonly #rng: Rng
  readonly #out = new Outbox()
  readonly #queries: Queries
  readonly #lookups: Lookups
  /** Peers with a connection to us. BOUNDED by the connections of the host. */
  readonly #up = new Set<Peer>()

  /** @throws RangeError on numbers that do not fit together */
  constructor(init: { self: Peer; rng: Rng; idOf: (peer: Peer) => RingId; config?: Partial<ChordConfig> }) {
    const { self, rng, idOf } = init
    const config = checkChordConfig({ ...chordConfig, ...init.config })
    const out = this.#out
    const isUp = (peer: Peer): boolean => this.#up.has(peer)
    this.#rng = rng
    this.#queries = new Queries({ config, firstId: rng.uint32(), send: (to, message) => out.send(to, message), isUp })
    this.#lookups = new Lookups({
      self,
      idOf,
      config,
      out,
      queries: this.#queries,
      router: new Router({
        self,
        idOf,
        ring: new Ring({ self, idOf, length: config.successors }),
        fingers: new Fingers(self, idOf, config.digitBits),
        isUp,
        hasCopy: () => false
      }),
      routes: new Routes({ idOf, config }),
      answers: new Answers(config.hedgeMs, config.firstHedgeMs)
    })
  }

  handle(input: Input<ChordCommand, ChordMessage>, now: number): Out[] {
    this.#out.now = now
    switch (input.type) {
      case 'received':
        this.#onMessage(input.from, input.message)
        break
      case 'peerUp':
        this.#up.add(input.peer)
        break
      case 'peerDown':
        this.#up.delete(input.peer)
        this.#fail(this.#queries.onPeerDown(input.peer, now))
        break
      case 'tick':
        this.#fail(this.#queries.takeExpired(now))
        this.#lookups.tick()
        break
      case 'lookup':
        this.#onLookup(input)
        break
      case 'leave':
        this.#out.tell({ type: 'left' })
        break
      case 'join':
      case 'neighbourUp':
      case 'neighbourDown':
        break
    }
    return this.#out.take()
  }

  nextTick(): number | undefined {
    const [query, lookup] = [this.#queries.dueMs, this.#lookups.dueMs]
    return query === undefined || (lookup !== undefined && lookup < query) ? lookup : query
  }

  #onMessage(from: Peer, message: ChordMessage): void {
    switch (message.type) {
      case 'where':
        // as one that is about to change: it is asked again, and by then somebody else is
        this.#out.send(from, { type: 'place', id: message.id })
        return
      case 'ping':
        this.#out.send(from, { type: 'pong', id: message.id })
        return
      case 'route':
        this.#out.send(from, {
          type: 'hop',
          id: message.id,
          role: 'way',
          predecessor: undefined,
          before: [],
          after: []
        })
        return
      case 'relay':
        this.#out.send(from, { type: 'relayed', id: message.id })
        return
      case 'hop':
      case 'relayed': {
        const query = this.#queries.answered(from, message.id)
        if (query === undefined) return
        const { purpose } = query
        if (message.type === 'hop' && purpose.type === 'lookup') this.#lookups.onHop({ ...query, purpose }, message)
        else if (message.type === 'relayed' && purpose.type === 'relay') {
          this.#lookups.onRelayed({ ...query, purpose }, message.found)
        }
        return
      }
      default:
        return
    }
  }

  #onLookup({ id, key, mode = 'recursive', orCopy = false }: ChordCommand & { type: 'lookup' }): void {
    const contact = this.#up.size === 0 ? undefined : this.#rng.pick([...this.#up])
    if (contact === undefined) {
      this.#out.tell({ type: 'lookupFailed', id, key, asked: 0, lost: 0, lostPast: 0, stalls: 0, elapsedMs: 0 })
      return
    }
    this.#lookups.begin({
      key,
      mode,
      orCopy,
      contact,
      isOutside: true,
      onDone: (found, cost) => {
        if (found === undefined) this.#out.tell({ type: 'lookupFailed', id, key, ...cost })
        else this.#out.tell({ type: 'found', id, key, ...found, ...cost })
      }
    })
  }

  #fail(queries: readonly Query[]): void {
    for (const query of queries) this.#lookups.onLost(query)
  }
}
