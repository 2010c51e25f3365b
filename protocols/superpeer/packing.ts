import type { Peer } from '../core/peer.ts'
import type { Hit } from '../search/messages.ts'
import { itemBytes } from './catalogue.ts'
import { superPeerLimits } from './config.ts'
import type { HolderPlace, SharedHit } from './messages.ts'

export interface Found {
  readonly holder: Peer
  /** To the receiver. */
  readonly hops: number
  readonly hit: Hit
}

export interface Packed {
  readonly holders: readonly HolderPlace[]
  readonly hits: readonly SharedHit[]
}

/** Holders of one message: each may come with a signed record of a KiB. */
export const MAX_HOLDERS_IN_MESSAGE = 64

/** Messages that tell all of it: a file once in each, with those who have it. */
export function packed(found: readonly Found[]): Packed[] {
  const messages: Packed[] = []
  let holders: HolderPlace[] = []
  let places = new Map<Peer, number>()
  let hits = new Map<string, { hit: Hit; holders: number[] }>()
  let bytes = 0
  const close = (): void => {
    if (holders.length > 0) messages.push({ holders, hits: [...hits.values()].map(sorted) })
    holders = []
    places = new Map()
    hits = new Map()
    bytes = 0
  }
  // files of many holders come together, whoever told of them first
  for (const { holder, hops, hit } of found) {
    const key = `${hit.id} ${hit.size} ${hit.infohash ?? ''} ${hit.name}`
    const isNewHolder = !places.has(holder)
    const size = hits.has(key) ? 0 : itemBytes(hit)
    const isFull =
      (isNewHolder && holders.length === MAX_HOLDERS_IN_MESSAGE) ||
      (size > 0 && (bytes + size > superPeerLimits.maxPartBytes || hits.size === superPeerLimits.maxItemsInMessage))
    if (isFull) close()
    let place = places.get(holder)
    if (place === undefined) {
      place = holders.length
      holders.push({ peer: holder, hops })
      places.set(holder, place)
    }
    const shared = hits.get(key)
    if (shared === undefined) {
      bytes += itemBytes(hit)
      hits.set(key, { hit, holders: [place] })
    } else if (!shared.holders.includes(place)) {
      shared.holders.push(place)
    }
  }
  close()
  return messages
}

function sorted({ hit, holders }: SharedHit): SharedHit {
  return { hit, holders: [...holders].sort((a, b) => a - b) }
}
