import { type FileId, type Infohash, isHex256 } from '../core/ids.ts'
import { MetainfoError, metainfoLimits } from './metainfo.ts'

/** What a magnet link tells: a collection by its infohash, or a single file by its id. */
export interface Magnet {
  infohash?: Infohash
  fileId?: FileId
  /** Bytes (`xl`). */
  size?: number
  name?: string
  /** Multiaddrs of trackers (`tr`), in order. */
  trackers: string[]
  /** Multiaddrs of peers (`x.pe`). */
  peers: string[]
}

const MAX_MAGNET_BYTES = 64 * 1024
/** Multihash prefix of a SHA-256 of 32 bytes (BEP 52). */
const SHA256_MULTIHASH = '1220'
const TOPIC_V2 = 'urn:btmh:'
const TOPIC_FILE = 'urn:shoal:'

/**
 * Reads a magnet link: `xt=urn:btmh:1220<infohash>` for a collection (BEP 52), `xt=urn:shoal:<file id>` for a file.
 *
 * @throws MetainfoError
 */
export function parseMagnet(text: string): Magnet {
  if (text.length > MAX_MAGNET_BYTES) throw new MetainfoError('a magnet link that is too long')
  if (!/^magnet:\?/i.test(text)) throw new MetainfoError('not a magnet link')
  const query = new URLSearchParams(text.slice(text.indexOf('?') + 1))
  const magnet: Magnet = { trackers: addresses(query, 'tr'), peers: addresses(query, 'x.pe') }
  let v1 = false
  for (const topic of query.getAll('xt')) {
    const lower = topic.toLowerCase()
    if (lower.startsWith(TOPIC_V2 + SHA256_MULTIHASH)) {
      magnet.infohash = id<Infohash>(lower.slice(TOPIC_V2.length + SHA256_MULTIHASH.length))
    } else if (lower.startsWith(TOPIC_FILE)) {
      magnet.fileId = id<FileId>(lower.slice(TOPIC_FILE.length))
    } else if (lower.startsWith('urn:btih:')) {
      v1 = true
    }
  }
  if (magnet.infohash === undefined && magnet.fileId === undefined) {
    throw new MetainfoError(
      v1 ? 'a magnet link of BitTorrent v1 only' : 'a magnet link without a v2 infohash or file id'
    )
  }
  const size = query.get('xl')
  if (size !== null && /^\d{1,16}$/.test(size) && Number(size) <= metainfoLimits.maxBytes) magnet.size = Number(size)
  const name = query.get('dn')
  if (name !== null && name !== '') magnet.name = name.slice(0, 255)
  return magnet
}

export function formatMagnet(magnet: Partial<Magnet>): string {
  const parts: string[] = []
  if (magnet.infohash !== undefined) parts.push(`xt=${TOPIC_V2}${SHA256_MULTIHASH}${magnet.infohash}`)
  if (magnet.fileId !== undefined) parts.push(`xt=${TOPIC_FILE}${magnet.fileId}`)
  if (magnet.name !== undefined) parts.push(`dn=${encodeURIComponent(magnet.name)}`)
  if (magnet.size !== undefined) parts.push(`xl=${magnet.size}`)
  for (const tracker of magnet.trackers ?? []) parts.push(`tr=${encodeURIComponent(tracker)}`)
  for (const peer of magnet.peers ?? []) parts.push(`x.pe=${encodeURIComponent(peer)}`)
  return `magnet:?${parts.join('&')}`
}

function id<Id extends FileId | Infohash>(hex: string): Id {
  if (!isHex256(hex)) throw new MetainfoError('a magnet link with a damaged id')
  return hex as Id
}

function addresses(query: URLSearchParams, key: string): string[] {
  return query
    .getAll(key)
    .filter(address => address.length <= metainfoLimits.maxTrackerBytes)
    .slice(0, metainfoLimits.maxTrackers)
}
