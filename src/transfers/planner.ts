import type { FileId, Infohash, SwarmId } from '../../protocols/core/ids.ts'
import { type Metainfo, parseInfo } from '../../protocols/metainfo/index.ts'
import type { Sources as DirectorySources } from '../directory/finding.ts'
import { ShoalError } from '../errors.ts'
import type { Reach } from '../libp2p/reach.ts'
import type { BegunTransfer, TransferState } from '../library/content/transfer-state.ts'
import type { Library } from '../library/library.ts'
import type { LastResults } from '../search/results.ts'
import { sha256 } from '../sha256.ts'
import { askForMetainfo, findMetainfo, type MetainfoFinderParts } from './metainfo-finder.ts'
import { isPossibleSize, type Plan, planOfCollection, planOfFile } from './plan.ts'
import { Claims, type SizeClaim } from './sizes.ts'
import { type Leads, parseTarget, type Target } from './target.ts'

const ID_SEARCH_MS = 5_000

export interface PlannerParts extends MetainfoFinderParts {
  reach: Reach
  library: Library
  state: TransferState
  lastResults: LastResults
  directory: DirectorySources
}

/** What is to be fetched, and how sure that is. */
export interface Planned {
  plan: Plan
  /** Who states which size of a file; empty for a collection, whose metainfo tells it. */
  claims: readonly SizeClaim[]
  /** Whether the size of a file is certain. */
  isProven: boolean
}

/** Finds out what a user means by a target: what its name tells, what this node knows of it, and what others say. */
export class Planner {
  readonly #parts: PlannerParts

  constructor(parts: PlannerParts) {
    this.#parts = parts
  }

  /** @throws ShoalError USAGE, NOT_FOUND, BAD_METAINFO */
  async parse(text: string): Promise<Target> {
    return await parseTarget(text, number => this.#parts.lastResults.get(number))
  }

  /** @throws ShoalError NOT_FOUND, NO_PEERS, TIMEOUT, BAD_METAINFO; the signal's reason */
  async plan(target: Target, signal: AbortSignal): Promise<Planned> {
    const begun = this.#parts.state.get(idOf(target))
    const leads = begun === undefined ? target.leads : mergeLeads(target.leads, begun.sources)
    switch (target.kind) {
      case 'collection':
        return await this.#collection(target.infohash, target.metainfo ?? this.#known(target.infohash), leads, signal)
      case 'file':
        return await this.#file(target, begun, leads, signal)
      case 'either':
        return await this.#either(target.id, begun, leads, signal)
    }
  }

  async #collection(
    infohash: Infohash,
    known: Metainfo | undefined,
    leads: Leads,
    signal: AbortSignal
  ): Promise<Planned> {
    if (known !== undefined) return ofCollection(known, leads)
    const { metainfo, holder } = await this.#findMetainfo(infohash, leads, signal)
    return ofCollection(metainfo, holder === undefined ? leads : withHolders(leads, [holder]))
  }

  /** From a holder, or from the directory when that is quicker or there is none. */
  async #findMetainfo(
    infohash: Infohash,
    leads: Leads,
    signal: AbortSignal
  ): Promise<{ metainfo: Metainfo; holder?: string }> {
    const over = new AbortController()
    const either = AbortSignal.any([signal, over.signal])
    const asked = findMetainfo(this.#parts, { infohash, leads, signal: either }).then(({ metainfo, holder }) => {
      return { metainfo, holder: holder as string }
    })
    const stored = this.#parts.directory.metainfoOf(infohash, either).then(async metainfo => {
      return metainfo === undefined ? await asked : { metainfo }
    })
    try {
      return await Promise.race([asked, stored])
    } finally {
      over.abort()
      // whichever is left ends with the signal
      void Promise.allSettled([asked, stored])
    }
  }

  async #file(
    target: Extract<Target, { kind: 'file' }>,
    begun: BegunTransfer | undefined,
    leads: Leads,
    signal: AbortSignal
  ): Promise<Planned> {
    const { id } = target
    const name = target.name ?? begun?.name
    if (begun?.isProven === true) return proven(id, name, begun.size, leads)
    if (target.size !== undefined) {
      const claim = { size: target.size, name: target.name ?? id, holders: target.leads.holders }
      return ofFile(id, target.name, [claim], leads)
    }
    return ofFile(id, name, (await this.#claimsOf(id, begun, signal)).files, leads)
  }

  /** Whether 64 hex digits are a file or a collection, a transfer that was begun, the library, or the network knows. */
  async #either(id: string, begun: BegunTransfer | undefined, leads: Leads, signal: AbortSignal): Promise<Planned> {
    const collection = this.#known(id as Infohash)
    if (collection !== undefined) return ofCollection(collection, leads)
    const own = this.#parts.library.lookup(id)
    if (begun?.isProven === true) return proven(id as FileId, begun.name, begun.size, leads)
    if (own?.id === id) return proven(id as FileId, own.name, own.size, leads)

    const claims = await this.#claimsOf(id, begun, signal)
    const holders = claims.collectionHolders
    const infohash = id as Infohash
    if (claims.files.length === 0)
      return await this.#collection(infohash, undefined, withHolders(leads, holders), signal)
    // both cannot be: a metainfo is proven by its hash, at once, and a file only by its bytes
    if (holders.length > 0) {
      const found = await askForMetainfo(this.#parts, { infohash, holders, signal })
      if (found !== undefined) return ofCollection(found.metainfo, withHolders(leads, holders))
    }
    return ofFile(id as FileId, begun?.name, claims.files, leads)
  }

  #known(infohash: Infohash): Metainfo | undefined {
    const begun = this.#parts.state.get(infohash)?.info
    return this.#parts.library.metainfo(infohash) ?? (begun === undefined ? undefined : parseInfo(begun, sha256))
  }

  /**
   * What others say of an id. A transfer that was begun goes on waiting when nobody says anything.
   *
   * @throws ShoalError NOT_FOUND; NO_PEERS, TIMEOUT when nothing was found and not everybody could be asked
   */
  async #claimsOf(id: string, begun: BegunTransfer | undefined, signal: AbortSignal): Promise<Claims> {
    const claims = new Claims(id)
    const { peersAsked, complete, more } = await this.#parts.searches.run(
      {
        query: { kind: 'id', id: id as FileId | Infohash },
        limit: 100,
        timeoutMs: ID_SEARCH_MS,
        onHits: ({ holder, hits }) => {
          for (const hit of hits) if (hit.infohash === id || isPossibleSize(hit.size)) claims.add(holder as string, hit)
        }
      },
      signal
    )
    signal.throwIfAborted()
    if (!claims.isEmpty) return claims
    for (const { peer, hit } of await this.#parts.directory.holdersOf(id as FileId | Infohash, signal)) {
      if (hit === undefined) claims.addCollection(peer as string)
      else if (isPossibleSize(hit.size)) claims.add(peer as string, hit)
    }
    signal.throwIfAborted()
    if (!claims.isEmpty) return claims
    if (begun !== undefined) {
      claims.expect(begun.size, begun.name)
      return claims
    }
    const short = `${id.slice(0, 12)}…`
    if (peersAsked === 0 && complete) throw new ShoalError('NO_PEERS', 'no other peer is connected')
    if (complete && !more) throw new ShoalError('NOT_FOUND', `nobody has ${short}`)
    throw new ShoalError('TIMEOUT', `not everybody could be asked for ${short}, and nobody else has it`)
  }
}

export function idOf(target: Target): SwarmId {
  return (target.kind === 'collection' ? target.infohash : target.id) as SwarmId
}

function ofCollection(metainfo: Metainfo, leads: Leads): Planned {
  return { plan: planOfCollection(metainfo, leads), claims: [], isProven: true }
}

function proven(id: FileId, name: string | undefined, size: number, leads: Leads): Planned {
  return { plan: planOfFile({ id, name, size, leads }), claims: [], isProven: true }
}

/** The best claim is tried first. @throws ShoalError NOT_FOUND */
function ofFile(id: FileId, name: string | undefined, claims: readonly SizeClaim[], leads: Leads): Planned {
  const [best] = claims
  if (best === undefined) throw new ShoalError('NOT_FOUND', `nobody has ${id.slice(0, 12)}… as a file`)
  const plan = planOfFile({ id, name: name ?? best.name, size: best.size, leads: withHolders(leads, best.holders) })
  return { plan, claims, isProven: false }
}

function withHolders(leads: Leads, holders: readonly string[]): Leads {
  return mergeLeads(leads, { holders: [...holders], addresses: [], trackers: [] })
}

function mergeLeads(a: Leads, b: Leads): Leads {
  const unique = (texts: string[]): string[] => [...new Set(texts)]
  return {
    holders: unique([...a.holders, ...b.holders]),
    addresses: unique([...a.addresses, ...b.addresses]),
    trackers: a.trackers.length > 0 ? a.trackers : b.trackers
  }
}
