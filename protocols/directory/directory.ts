import { Agenda } from '../core/agenda.ts'
import type { RingId } from '../core/keyspace.ts'
import type { Input, Machine } from '../core/machine.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import type { Crypto } from '../core/signing.ts'
import { Answering } from './answering.ts'
import { Cache } from './cache.ts'
import type { DirectoryCommand, DirectoryEvent } from './commands.ts'
import { Comparing } from './comparing.ts'
import { checkDirectoryConfig, type DirectoryConfig, directoryConfig } from './config.ts'
import { Gets } from './gets.ts'
import { Holder } from './holder.ts'
import { Lookups } from './lookups.ts'
import type { DirectoryMessage } from './messages.ts'
import { type Out, Outbox } from './outbox.ts'
import { Owning } from './owning.ts'
import { type Arc, Place } from './place.ts'
import { Published } from './published.ts'
import { Puts } from './puts.ts'
import { Rates } from './quotas.ts'
import type { RecordStore, Usage } from './record-store.ts'
import { Repairing } from './repairing.ts'
import { Requests } from './requests.ts'
import { Sweeping } from './sweeping.ts'

export interface DirectoryInit {
  self: Peer
  rng: Rng
  /** A peer's point on the ring. */
  idOf: (peer: Peer) => RingId
  records: RecordStore
  crypto: Crypto
  /** The time of `now` in unix ms. */
  wallMs: (now: number) => number
  config?: Partial<DirectoryConfig>
}

/**
 * Signed entries, stored at the nodes of a ring that are responsible for their keys. The ring itself is another machine:
 * this one asks it by `lookup`, and is told its own place by `ring`. See README.md for the rules.
 */
export class Directory implements Machine<DirectoryCommand, DirectoryMessage, DirectoryEvent> {
  readonly #outbox: Outbox
  readonly #agenda = new Agenda()
  readonly #records: RecordStore
  readonly #place: Place
  readonly #rates: Rates
  readonly #cache: Cache
  readonly #holder: Holder
  readonly #requests: Requests
  readonly #lookups: Lookups
  readonly #owning: Owning
  readonly #answering: Answering
  readonly #published: Published
  readonly #gets: Gets
  readonly #repairing: Repairing
  readonly #sweeping: Sweeping

  /** @throws RangeError on numbers that do not fit together */
  constructor(init: DirectoryInit) {
    const { self, rng, idOf, records, crypto, wallMs } = init
    const config = checkDirectoryConfig({ ...directoryConfig, ...init.config })
    const agenda = this.#agenda
    const outbox = new Outbox(self, wallMs)
    const place = new Place({ self, idOf, config })
    const rates = new Rates(self)
    const cache = new Cache({ maxBytes: config.cacheBytes, maxMs: config.cacheMs })
    const holder = new Holder({ outbox, records, crypto, idOf, config, place })
    const requests = new Requests({ outbox, agenda, firstId: rng.uint32() })
    const lookups = new Lookups({ outbox, agenda, limitMs: config.lookupMs })
    const puts = new Puts({ config, outbox, agenda, lookups, requests, idOf })
    const comparing = new Comparing({
      config,
      outbox,
      agenda,
      rng: rng.fork(),
      records,
      holder,
      place,
      requests,
      onBrought: () => this.#repairing.onBrought()
    })
    this.#outbox = outbox
    this.#records = records
    this.#place = place
    this.#rates = rates
    this.#cache = cache
    this.#holder = holder
    this.#requests = requests
    this.#lookups = lookups
    this.#owning = new Owning({
      config,
      outbox,
      rng: rng.fork(),
      holder,
      place,
      rates,
      requests,
      cache,
      onBrought: () => this.#repairing.onBrought()
    })
    this.#answering = new Answering({ outbox, records, place, rates })
    this.#published = new Published({
      config,
      outbox,
      agenda,
      rng: rng.fork(),
      crypto,
      records,
      puts,
      selfId: place.selfId
    })
    this.#gets = new Gets({ config, outbox, agenda, rng: rng.fork(), lookups, requests, holder })
    this.#repairing = new Repairing({ config, outbox, agenda, rng: rng.fork(), place, comparing })
    this.#sweeping = new Sweeping({ config, outbox, agenda, rng: rng.fork(), records, place, lookups, comparing })
  }

  handle(input: Input<DirectoryCommand, DirectoryMessage>, now: number): Out[] {
    const outbox = this.#outbox
    outbox.now = now
    switch (input.type) {
      case 'received':
        if (input.from !== outbox.self) this.#onMessage(input.from, input.message)
        break
      case 'peerUp':
        break
      case 'peerDown':
        this.#requests.onPeerDown(input.peer)
        break
      case 'tick':
        this.#agenda.run(now)
        break
      case 'ring':
        this.#onRing(input.predecessor, input.successors)
        break
      case 'found':
        this.#lookups.end(input.id, input)
        break
      case 'lookupFailed':
        this.#lookups.end(input.id, undefined)
        break
      case 'put':
        this.#published.put(input.id, input.entry)
        break
      case 'append':
        this.#published.append(input.id, input.key, input.items)
        break
      case 'remove':
        this.#published.remove(input.id, input.key, input.items)
        break
      case 'get':
        this.#gets.start(input.id, input.key, input.careful === true)
        break
      case 'leave':
        this.#repairing.leave(() => outbox.tell({ type: 'left' }))
        break
    }
    for (let message = outbox.nextLocal(); message !== undefined; message = outbox.nextLocal()) {
      this.#onMessage(outbox.self, message)
    }
    return outbox.takeOutputs()
  }

  nextTick(): number | undefined {
    return this.#agenda.nextTick()
  }

  /** Whether a lookup of the key that comes by here may be answered in its owner's place: for the ring. */
  hasCached(key: RingId, now: number): boolean {
    return this.#cache.has(key, now)
  }

  /** What this node keeps for others, for tests and for people. */
  get usage(): Usage {
    return this.#records.usage()
  }

  /** The keys that this node owns, while it knows. */
  get arc(): Arc | undefined {
    return this.#place.arc
  }

  #onRing(predecessor: Peer | undefined, successors: readonly Peer[]): void {
    this.#place.onRing(predecessor, successors, this.#outbox.now)
    this.#repairing.onRing()
    this.#sweeping.onRing()
    this.#published.resume()
  }

  #onMessage(from: Peer, message: DirectoryMessage): void {
    switch (message.type) {
      case 'store':
        this.#owning.onStore(from, message)
        return
      case 'fetch':
        this.#owning.onFetch(from, message)
        return
      case 'push':
        this.#owning.onPush(from, message)
        return
      case 'compare':
        this.#answering.onCompare(from, message)
        return
      case 'pull':
        this.#answering.onPull(from, message)
        return
      case 'cache':
        this.#onCache(from, message)
        return
      case 'stored':
      case 'fetched':
      case 'pushed':
      case 'same':
      case 'listing':
      case 'parts':
      case 'pulled':
      case 'busy':
        this.#requests.onAnswer(from, message)
        return
    }
  }

  /** A copy of what lies elsewhere. Nothing is no copy: it would hide what there is. */
  #onCache(from: Peer, { key, total, entries }: Extract<DirectoryMessage, { type: 'cache' }>): void {
    const { now } = this.#outbox
    if (!this.#rates.take(from, 'caches', now) || this.#place.keeps(key, now)) return
    const records = this.#holder.verified(key, entries, from)
    if (records === undefined || records.length === 0) return
    this.#cache.add(key, { total, entries: records.map(({ entry }) => entry) }, now)
  }
}
