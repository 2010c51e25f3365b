import { DecodeError } from '../../protocols/core/codec.ts'
import type { FileId, Infohash } from '../../protocols/core/ids.ts'
import type { RingId } from '../../protocols/core/keyspace.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import type { Entry } from '../../protocols/directory/index.ts'
import { type Metainfo, parseInfo } from '../../protocols/metainfo/index.ts'
import type { Hit, ParsedQuery } from '../../protocols/search/index.ts'
import { matches, requiredTokens } from '../../protocols/search/index.ts'
import { sha256 } from '../sha256.ts'
import { decodeHolding, decodeWordFiles, holdersKey, metainfoKey, wordKey } from './payloads.ts'

/** Words of a query that are looked up. */
const MAX_WORDS = 4

export interface Holder {
  peer: Peer
  /** What a search would have found there; undefined for a collection, which is no file. */
  hit: Hit | undefined
  /** Multiaddrs. */
  trackers: readonly string[]
}

/** What a transfer asks of it. */
export type Sources = Pick<DirectoryFinding, 'holdersOf' | 'metainfoOf'>

type Get = (
  key: RingId,
  options?: { careful?: boolean; signal?: AbortSignal }
) => Promise<{ entries: readonly Entry[] }>

/**
 * What the global directory knows of files: who has them, how their collection is made, and which of them have a word in
 * their name. Everything that it tells was signed by a peer that says it of itself; whether it is true is for others to
 * prove. A directory that cannot be asked knows nothing.
 */
export class DirectoryFinding {
  readonly #get: Get
  readonly #self: Peer

  constructor(init: { self: Peer; get: Get }) {
    this.#get = init.get
    this.#self = init.self
  }

  /** Those who say that they have the file or collection, this node excepted. */
  async holdersOf(id: FileId | Infohash, signal?: AbortSignal): Promise<Holder[]> {
    const entries = await this.#carefullyAt(holdersKey(id), signal)
    return entries.flatMap(({ publisher, payload }) => {
      const holding = readable(() => decodeHolding(payload))
      if (holding === undefined || publisher === this.#self) return []
      const { of, size, name, infohash, trackers } = holding
      const hit = { id: id as FileId, name, size, ...(infohash === undefined ? {} : { infohash }) }
      return [{ peer: publisher, hit: of === 'file' ? hit : undefined, trackers }]
    })
  }

  async metainfoOf(infohash: Infohash, signal?: AbortSignal): Promise<Metainfo | undefined> {
    for (const { kind, payload } of await this.#carefullyAt(metainfoKey(infohash), signal)) {
      if (kind !== 'value') continue
      try {
        // the key is the hash of what lies under it, so it is the right one
        return parseInfo(payload, sha256)
      } catch {
        return undefined
      }
    }
    return undefined
  }

  /** Files that match, by way of the words that they must have. */
  async filesFor(query: ParsedQuery, signal?: AbortSignal): Promise<{ peer: Peer; hit: Hit }[]> {
    const words = requiredTokens(query).sort((a, b) => b.length - a.length)
    const found = await Promise.all(words.slice(0, MAX_WORDS).map(word => this.#entriesAt(wordKey(word), signal)))
    return found.flat().flatMap(({ publisher, payload }) => {
      const files = readable(() => decodeWordFiles(payload)) ?? []
      return files.flatMap(hit => (publisher !== this.#self && matches(query, hit) ? [{ peer: publisher, hit }] : []))
    })
  }

  /** Whoever says that there is nothing may lie: then several ways are asked. */
  async #carefullyAt(key: RingId, signal: AbortSignal | undefined): Promise<readonly Entry[]> {
    const entries = await this.#entriesAt(key, signal)
    return entries.length > 0 || signal?.aborted === true ? entries : await this.#entriesAt(key, signal, true)
  }

  async #entriesAt(key: RingId, signal: AbortSignal | undefined, careful = false): Promise<readonly Entry[]> {
    try {
      return (await this.#get(key, { careful, ...(signal === undefined ? {} : { signal }) })).entries
    } catch {
      return []
    }
  }
}

/** What a publisher wrote that nobody can read says nothing; it was not checked by those who keep it. */
function readable<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}
