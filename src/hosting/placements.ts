import type { BrokerCommand, BrokerEvent, Owned } from '../../protocols/broker/index.ts'
import type { Infohash } from '../../protocols/core/ids.ts'
import type { Share } from '../api.ts'
import { ShoalError } from '../errors.ts'
import { EventStream } from '../event-stream.ts'
import type { Library } from '../library/library.ts'
import type { CopiesOptions, Placement, PutEvent, PutOptions } from './api.ts'
import { failureOf, problemOf } from './failures.ts'

export const placementsConfig = {
  copies: 3,
  /** How long brokers have to answer before what is known is shown. */
  answerMs: 2_000,
  /** How long one that cannot be placed is waited for before whoever waits is told why. */
  patienceMs: 8_000,
  /** Longest wait for everybody to have let go. */
  dropMs: 10_000,
  recoverMs: 12_000
}

export interface PlacementsParts {
  /** Waits until brokers are known, as long as that is likely. */
  ready(): Promise<void>
  command(command: BrokerCommand): void
  owned(): Iterable<Owned>
  library: Pick<Library, 'share' | 'placeOf'>
}

type Told = Pick<Placement, 'hosts' | 'isCrowded' | 'broker' | 'problem'>

const NOTHING: Told = { hosts: [], isCrowded: false }

/** What this node has had put elsewhere. */
export class Placements {
  readonly #parts: PlacementsParts
  /** What brokers have told. BOUNDED by the orders of this node. */
  readonly #told = new Map<Infohash, Told>()
  readonly #listeners = new Set<(event: BrokerEvent) => void>() // BOUNDED by the calls under way

  constructor(parts: PlacementsParts) {
    this.#parts = parts
  }

  onEvent(event: BrokerEvent): void {
    switch (event.type) {
      case 'copies': {
        const { infohash, hosts, broker, isCrowded, problem, missingBytes, wanted } = event
        const held = hosts.filter(({ state }) => state === 'held').length
        // only the broker that acts knows what hinders it; others tell what there is
        const before = held < wanted ? this.#told.get(infohash)?.problem : undefined
        const now = problem === undefined ? before : problemOf(problem, missingBytes)
        this.#told.set(infohash, {
          hosts: hosts.map(({ peer, domain, state, since, heardMs }) => ({
            peerId: peer as string,
            domain,
            state,
            sinceAt: since,
            heardMs
          })),
          broker: broker as string,
          isCrowded,
          ...(now === undefined ? {} : { problem: now })
        })
        break
      }
      case 'failed': {
        const told = this.#told.get(event.infohash) ?? NOTHING
        this.#told.set(event.infohash, { ...told, problem: problemOf(event.code, event.missingBytes) })
        break
      }
      case 'dropped':
        this.#told.delete(event.infohash)
        break
    }
    for (const listener of [...this.#listeners]) listener(event)
  }

  put(path: string, options: PutOptions = {}): AsyncIterable<PutEvent> {
    const abort = new AbortController()
    const events = new EventStream<PutEvent>({
      onStop: () => abort.abort(),
      isStale: (older, newer) =>
        (older.type === 'hashing' && newer.type === 'hashing') ||
        (older.type === 'placement' && newer.type === 'placement'),
      ...(options.signal === undefined ? {} : { signal: options.signal })
    })
    this.#put(path, options, abort.signal, event => events.push(event)).then(
      () => events.end(),
      error => events.fail(error)
    )
    return events
  }

  async copies({ recover = false }: CopiesOptions = {}): Promise<Placement[]> {
    const { command, owned, ready } = this.#parts
    await ready()
    if (recover) await this.#heard(['recoveryEnded'], placementsConfig.recoverMs, () => command({ type: 'recover' }))
    const asked = new Set([...owned()].map(({ order }) => order.infohash))
    if (asked.size > 0) {
      await this.#until(
        event => {
          if (event.type === 'copies') asked.delete(event.infohash)
          return asked.size === 0
        },
        placementsConfig.answerMs,
        () => command({ type: 'copies' })
      )
    }
    return await Promise.all([...owned()].map(one => this.#placementOf(one)))
  }

  async drop(named: string): Promise<Placement> {
    const { command, ready } = this.#parts
    const one = this.#named(named)
    const { infohash } = one.order
    await ready()
    const placement = await this.#placementOf(one)
    await this.#heard(
      ['dropped', 'failed'],
      placementsConfig.dropMs,
      () => command({ type: 'drop', infohash }),
      infohash
    )
    return placement
  }

  async #put(
    path: string,
    { copies = placementsConfig.copies, hidden }: PutOptions,
    signal: AbortSignal,
    push: (event: PutEvent) => void
  ): Promise<void> {
    const { library, command, ready } = this.#parts
    let share: Share | undefined
    for await (const event of library.share([path], { signal, ...(hidden === undefined ? {} : { hidden }) })) {
      push(event)
      if (event.type === 'shared') share = event.share
    }
    if (signal.aborted) return
    if (share === undefined || share.infohash === '') {
      throw new ShoalError('REFUSED', `${path} has nothing that could be kept elsewhere`, {
        next: 'Put a file, or a folder with a file that is not hidden or ignored.'
      })
    }
    const { infohash, name, bytes: size } = share as Share & { infohash: Infohash }
    await ready()
    let problem: ShoalError | undefined
    let patience: NodeJS.Timeout | undefined
    const placement = async (): Promise<Placement | undefined> => {
      const one = [...this.#parts.owned()].find(({ order }) => order.infohash === infohash)
      return one === undefined ? undefined : await this.#placementOf(one)
    }
    let stop = (): void => {}
    try {
      await new Promise<void>((resolve, reject) => {
        const listener = (event: BrokerEvent): void => {
          if (!('infohash' in event) || event.infohash !== infohash) return
          if (event.type === 'placed') resolve()
          if (event.type === 'failed') {
            problem = failureOf(event)
            if (!event.willRetry) reject(problem)
          }
          if (event.type === 'copies' && event.problem === undefined) problem = undefined
          if (problem !== undefined) patience ??= setTimeout(() => reject(problem), placementsConfig.patienceMs)
          else {
            clearTimeout(patience)
            patience = undefined
          }
          if (event.type === 'copies') {
            void placement().then(one => {
              if (one !== undefined) push({ type: 'placement', placement: one })
            })
          }
        }
        signal.addEventListener('abort', () => resolve(), { once: true })
        stop = this.#listen(listener)
        command({ type: 'put', infohash, size, copies, name })
      })
    } finally {
      clearTimeout(patience)
      stop()
    }
    const placed = await placement()
    if (!signal.aborted && placed !== undefined) push({ type: 'done', placement: placed })
  }

  async #placementOf({ order, name }: Owned): Promise<Placement> {
    const { infohash, size, copies } = order
    const told = this.#told.get(infohash) ?? NOTHING
    return {
      infohash,
      name,
      size,
      wanted: copies,
      held: told.hosts.filter(({ state }) => state !== 'fetching').length,
      isHere: (await this.#parts.library.placeOf(infohash)) !== undefined,
      ...told
    }
  }

  /** @throws ShoalError NOT_FOUND, USAGE when several are called so */
  #named(named: string): Owned {
    const all = [...this.#parts.owned()].filter(({ order }) => order.copies > 0)
    const matching = all.filter(({ order, name }) => name === named || order.infohash.startsWith(named.toLowerCase()))
    const [one, other] = matching
    if (one === undefined) {
      throw new ShoalError('NOT_FOUND', `nothing called ${named} was put elsewhere`, {
        next: '`shoal copies` lists what was.'
      })
    }
    if (other !== undefined) {
      throw new ShoalError('USAGE', `${matching.length} placements are called ${named}`, {
        next: 'Name it by its infohash: `shoal copies` shows it.'
      })
    }
    return one
  }

  /** Begins, and waits for one of these events, not for ever. */
  async #heard(types: BrokerEvent['type'][], limitMs: number, begin: () => void, infohash?: Infohash): Promise<void> {
    await this.#until(
      event =>
        types.includes(event.type) && (infohash === undefined || ('infohash' in event && event.infohash === infohash)),
      limitMs,
      begin
    )
  }

  async #until(isOver: (event: BrokerEvent) => boolean, limitMs: number, begin: () => void): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, limitMs)
    const stop = this.#listen(event => {
      if (isOver(event)) resolve()
    })
    begin()
    await promise
    clearTimeout(timer)
    stop()
  }

  #listen(listener: (event: BrokerEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
