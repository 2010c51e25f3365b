import { type ChordCommand, type ChordEvent, chordConfig } from '../../protocols/chord/index.ts'
import type { RingId } from '../../protocols/core/keyspace.ts'

type Found = Extract<ChordEvent, { type: 'found' }>

/**
 * Lookups on the ring for all parts of the node that want some, so that no two of them use the same number. Each is
 * answered once, by the time limit of the ring at the latest.
 */
export class RingLookups {
  readonly #command: (command: ChordCommand) => void
  readonly #waiting = new Map<number, (found: Found | undefined) => void>() // BOUNDED by maxLookups of chord
  #lastId = 0

  constructor(command: (command: ChordCommand) => void) {
    this.#command = command
  }

  /**
   * @param options.isCareful by several routes, since nodes on the way may lie
   * @param options.orCopy whether a node on the way that has a copy may answer instead of the owner
   * @param then is called with nothing when the owner cannot be found
   */
  find(
    key: RingId,
    options: { orCopy?: boolean; isCareful?: boolean },
    then: (found: Found | undefined) => void
  ): void {
    const id = ++this.#lastId
    this.#waiting.set(id, then)
    const routes = options.isCareful === true ? { routes: chordConfig.carefulRoutes } : {}
    this.#command({ type: 'lookup', id, key, orCopy: options.orCopy === true, ...routes })
  }

  onEvent(event: Extract<ChordEvent, { type: 'found' | 'lookupFailed' }>): void {
    const then = this.#waiting.get(event.id)
    this.#waiting.delete(event.id)
    then?.(event.type === 'found' ? event : undefined)
  }

  /** Answers all that wait: the ring is gone. */
  close(): void {
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const then of waiting) then(undefined)
  }
}
