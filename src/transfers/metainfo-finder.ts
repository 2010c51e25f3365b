import type { Infohash } from '../../protocols/core/ids.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import type { MetainfoService } from '../../protocols/metainfo/handler.ts'
import { type Metainfo, MetainfoError, parseInfo } from '../../protocols/metainfo/index.ts'
import { ShoalError } from '../errors.ts'
import { sha256 } from '../sha256.ts'
import { Finder, type FinderParts } from './finder.ts'
import { asMetainfoError, type Leads } from './target.ts'

export const metainfoFinderConfig = {
  /** Peers that are asked at the same time. */
  parallel: 4,
  /** Peers that are asked at all. */
  maxPeers: 128,
  timeoutMs: 30_000
}

export interface MetainfoFinderParts extends FinderParts {
  metainfo: MetainfoService
  onLiar(peer: Peer, reason: string): void
}

/**
 * Fetches the metainfo of a collection from whoever has it.
 *
 * @throws ShoalError NOT_FOUND when nobody has it in time, BAD_METAINFO when it is one that this node must refuse; the
 * signal's reason
 */
export async function findMetainfo(
  parts: MetainfoFinderParts,
  what: { infohash: Infohash; leads: Leads; signal: AbortSignal }
): Promise<{ metainfo: Metainfo; holder: Peer }> {
  const { infohash, leads } = what
  what.signal.throwIfAborted()
  const abort = new AbortController()
  const timeout = AbortSignal.timeout(metainfoFinderConfig.timeoutMs)
  const signal = AbortSignal.any([what.signal, abort.signal, timeout])
  const asked = new Set<Peer>() // BOUNDED by maxPeers
  const waiting: Peer[] = []
  let asking = 0

  return await new Promise((resolve, reject) => {
    const finder = new Finder(parts, {
      id: infohash,
      leads,
      // how much is missing is not known yet: anything but nothing
      moved: { left: 1, uploaded: 0, downloaded: 0 },
      onPeer(peer) {
        if (asked.has(peer) || asked.size >= metainfoFinderConfig.maxPeers) return
        asked.add(peer)
        waiting.push(peer)
        next()
      }
    })
    const end = (): void => {
      finder.stop()
      parts.announcer.leave(infohash)
      abort.abort()
    }
    const next = (): void => {
      while (asking < metainfoFinderConfig.parallel) {
        const peer = waiting.shift()
        if (peer === undefined || signal.aborted) return
        asking++
        void ask(peer).finally(() => {
          asking--
          next()
        })
      }
    }
    const ask = async (peer: Peer): Promise<void> => {
      try {
        const id = await parts.reach.prepare(peer)
        const info = id && (await parts.metainfo.fetch(id, infohash, signal))
        if (info === undefined) return
        const metainfo = parseInfo(info, sha256)
        resolve({ metainfo, holder: peer })
        end()
      } catch (error) {
        if (signal.aborted || (error as Error).name === 'StreamError') return
        // what leads to the infohash is what its maker wrote: nobody else would send a better one
        const bad = asMetainfoError(error, 'the metainfo')
        if (!(bad instanceof ShoalError)) return
        if (error instanceof MetainfoError && /not what was asked for/.test(error.message)) {
          parts.onLiar(peer, error.message)
          return
        }
        reject(bad)
        end()
      }
    }
    signal.addEventListener('abort', () => {
      if (what.signal.aborted) reject(what.signal.reason)
      else if (timeout.aborted) reject(new ShoalError('NOT_FOUND', notFound(infohash, asked.size)))
      end()
    })
    finder.start()
  })
}

function notFound(infohash: Infohash, asked: number): string {
  const who = asked === 0 ? 'nobody who has it was found' : `${asked} peers were asked and none gave it`
  return `the metainfo of ${infohash.slice(0, 12)}… cannot be had: ${who}`
}
