import type { Agenda, Appointment } from '../core/agenda.ts'
import type { Crypto } from '../core/signing.ts'
import {
  bitsFor,
  bucketHashes,
  type CatalogueHead,
  type CatalogueItem,
  type Change,
  headBytes,
  type ItemKey,
  isSound,
  itemBytes,
  keyOf,
  rootOf
} from './catalogue.ts'
import type { CatalogueStore } from './catalogue-store.ts'
import { type SuperPeerConfig, superPeerLimits } from './config.ts'
import type { SuperPeerMessageOf } from './messages.ts'
import type { Outbox } from './outbox.ts'

export interface PublishingInit {
  config: SuperPeerConfig
  outbox: Outbox
  agenda: Agenda
  signing: Crypto
  store: CatalogueStore
  /** The head is another; `update` tells how to come to it from the one before, when that fits a message. */
  onHead: (head: CatalogueHead, update: SuperPeerMessageOf<'update'> | undefined) => void
}

/** This node's own catalogue, under its own name in the store, and the head that it signs. */
export class Publishing {
  readonly #init: PublishingInit
  /** What is to be published. BOUNDED by maxItems. */
  #wanted: Map<ItemKey, CatalogueItem> | undefined
  #head: CatalogueHead | undefined
  #due: Appointment | undefined
  #renewal: Appointment | undefined
  #publishedMs = Number.NEGATIVE_INFINITY

  constructor(init: PublishingInit) {
    this.#init = init
  }

  /** Undefined until it is known what is shared. */
  get head(): CatalogueHead | undefined {
    return this.#head
  }

  set(items: Iterable<CatalogueItem>): void {
    const wanted = new Map<ItemKey, CatalogueItem>()
    let bytes = 0
    for (const item of items) {
      if (wanted.size >= superPeerLimits.maxItems) break
      if (!isSound(item) || bytes + itemBytes(item) > superPeerLimits.maxCatalogueBytes) continue
      bytes += itemBytes(item)
      wanted.set(keyOf(item, this.#init.signing), item)
    }
    this.#wanted = wanted
    const { outbox, agenda, config } = this.#init
    if (this.#head === undefined) {
      this.#publish()
    } else if (this.#due === undefined) {
      const dueMs = Math.max(outbox.now + config.settleMs, this.#publishedMs + config.publishMs)
      this.#due = agenda.at(outbox.now, dueMs, () => {
        this.#due = undefined
        this.#publish()
      })
    }
  }

  #publish(): void {
    const { outbox, store } = this.#init
    const wanted = this.#wanted ?? new Map<ItemKey, CatalogueItem>()
    this.#wanted = undefined
    this.#publishedMs = outbox.now
    const before = store.keys(outbox.self)
    const had = new Set(before)
    const change: Change = {
      added: [...wanted].flatMap(([key, item]) => (had.has(key) ? [] : [{ key, item }])),
      removed: before.filter(key => !wanted.has(key))
    }
    if (this.#head !== undefined && change.added.length + change.removed.length === 0) return
    this.#sign([...wanted.keys()].sort(), change)
  }

  #sign(sortedKeys: readonly ItemKey[], change: Change): void {
    const { outbox, store, signing, config, onHead } = this.#init
    const before = store.head(outbox.self)
    const bits = bitsFor(sortedKeys.length)
    const unsigned = {
      seq: Math.max(outbox.wallMs, (before?.seq ?? 0) + 1),
      expires: Math.floor((outbox.wallMs + config.headMs) / 1_000),
      count: sortedKeys.length,
      bits,
      root: rootOf(bucketHashes(sortedKeys, bits, signing), signing)
    }
    const signature = signing.sign(headBytes(config.network, unsigned))
    const head = { publisher: outbox.self, ...unsigned, signature }
    store.apply(head, change)
    this.#head = head
    this.#renewLater()
    onHead(head, before === undefined ? undefined : updateOf(head, before.seq, change))
  }

  #renewLater(): void {
    const { outbox, agenda, config, store } = this.#init
    agenda.cancel(this.#renewal)
    this.#renewal = agenda.at(outbox.now, outbox.now + config.headMs / 2, () => {
      this.#sign(store.keys(outbox.self), { added: [], removed: [] })
    })
  }
}

/** Undefined when a message cannot hold it. */
function updateOf(
  head: CatalogueHead,
  base: number,
  { added, removed }: Change
): SuperPeerMessageOf<'update'> | undefined {
  const { maxItemsInMessage, maxPartBytes } = superPeerLimits
  if (added.length > maxItemsInMessage || removed.length > maxItemsInMessage) return undefined
  const items = added.map(({ item }) => item)
  if (items.reduce((sum, item) => sum + itemBytes(item), 0) > maxPartBytes) return undefined
  return { type: 'update', head, base, added: items, removed }
}
