import { randomInt } from 'node:crypto'
import type { Infohash } from '../../protocols/core/ids.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import type { Metainfo } from '../../protocols/metainfo/index.ts'
import { ShoalError } from '../errors.ts'
import type { Reach } from '../libp2p/reach.ts'
import { Finder, type FinderParts } from './finder.ts'
import { MetainfoAsker, type MetainfoAskerParts } from './metainfo-asker.ts'
import type { Leads } from './target.ts'

export const metainfoFinderConfig = {
  timeoutMs: 30_000,
  /** For those who say that an id is a collection, when others say that it is a file. */
  disputedMs: 10_000
}

export interface MetainfoFinderParts extends FinderParts, MetainfoAskerParts {
  reach: Reach
}

export interface FoundMetainfo {
  metainfo: Metainfo
  holder: Peer
}

/**
 * Fetches the metainfo of a collection from whoever has it.
 *
 * @throws ShoalError NOT_FOUND when nobody has it in time, BAD_METAINFO when it is one that this node must refuse; the
 * signal's reason
 */
export async function findMetainfo(
  parts: MetainfoFinderParts,
  { infohash, leads, signal }: { infohash: Infohash; leads: Leads; signal: AbortSignal }
): Promise<FoundMetainfo> {
  let asker: MetainfoAsker | undefined
  let finder: Finder | undefined
  try {
    const found = await withAsker(parts, { infohash, signal, timeoutMs: metainfoFinderConfig.timeoutMs }, made => {
      asker = made
      finder = new Finder(parts, {
        id: infohash,
        leads,
        // how much is missing is not known yet: anything but nothing
        moved: { left: 1, uploaded: 0, downloaded: 0 },
        onPeer: peer => made.offer(peer),
        accepts: hit => hit.infohash === infohash
      })
      finder.start()
    })
    if (found !== undefined) return found
    throw new ShoalError('NOT_FOUND', notFound(infohash, asker?.asked ?? 0))
  } finally {
    finder?.stop()
    finder?.membership.leave()
  }
}

/**
 * The same from these holders alone, as soon as one of them gives it; undefined when none does.
 *
 * @throws the signal's reason
 */
export async function askForMetainfo(
  parts: MetainfoAskerParts,
  { infohash, holders, signal }: { infohash: Infohash; holders: readonly string[]; signal: AbortSignal }
): Promise<FoundMetainfo | undefined> {
  const timeoutMs = metainfoFinderConfig.disputedMs
  return await withAsker(parts, { infohash, signal, timeoutMs, endsIdle: true }, asker => {
    for (const holder of holders) asker.offer(holder as Peer)
  })
}

/** Undefined when the time is over, or nobody is left to ask and none will come. */
async function withAsker(
  parts: MetainfoAskerParts,
  what: { infohash: Infohash; signal: AbortSignal; timeoutMs: number; endsIdle?: boolean },
  begin: (asker: MetainfoAsker) => void
): Promise<FoundMetainfo | undefined> {
  what.signal.throwIfAborted()
  const over = new AbortController()
  const timeout = AbortSignal.timeout(what.timeoutMs)
  const signal = AbortSignal.any([what.signal, over.signal, timeout])
  try {
    return await new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => {
        if (what.signal.aborted) reject(what.signal.reason)
        else resolve(undefined)
      })
      begin(
        new MetainfoAsker(parts, {
          infohash: what.infohash,
          signal,
          onFound: (metainfo, holder) => resolve({ metainfo, holder }),
          onRefused: reject,
          ...(what.endsIdle === true ? { onIdle: () => resolve(undefined) } : {}),
          random: below => (below > 1 ? randomInt(below) : 0)
        })
      )
    })
  } finally {
    over.abort()
  }
}

function notFound(infohash: Infohash, asked: number): string {
  const who = asked === 0 ? 'nobody who has it was found' : `${asked} peers were asked and none gave it`
  return `the metainfo of ${infohash.slice(0, 12)}… cannot be had: ${who}`
}
