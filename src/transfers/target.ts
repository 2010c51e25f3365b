import { readFile, stat } from 'node:fs/promises'
import type { FileId, Infohash } from '../../protocols/core/ids.ts'
import { isHex256 } from '../../protocols/core/ids.ts'
import { type Metainfo, MetainfoError, parseMagnet, parseMetainfo } from '../../protocols/metainfo/index.ts'
import { ShoalError } from '../errors.ts'
import type { StoredResult } from '../search/results.ts'
import { sha256 } from '../sha256.ts'

const MAX_TORRENT_BYTES = 32 * 1024 * 1024

/** What a user can name to fetch or look into, with all that the name itself tells about where to find it. */
export type Target =
  | { kind: 'file'; id: FileId; name?: string; size?: number; infohash?: Infohash; leads: Leads }
  | { kind: 'collection'; infohash: Infohash; name?: string; metainfo?: Metainfo; leads: Leads }
  /** 64 hex digits: a file id or an infohash, only the network knows which. */
  | { kind: 'either'; id: string; leads: Leads }

/** Where the name itself says that the content may be had. */
export interface Leads {
  /** Peer ids of holders. */
  holders: string[]
  /** Multiaddrs of peers to ask. */
  addresses: string[]
  /** Tiers of multiaddrs (BEP 12). */
  trackers: string[][]
}

/** @throws ShoalError USAGE, NOT_FOUND, BAD_METAINFO */
export async function parseTarget(
  text: string,
  resultNumber: (number: number) => StoredResult | undefined
): Promise<Target> {
  if (/^\d{1,6}$/.test(text)) return fromResult(Number(text), resultNumber)
  if (isHex256(text.toLowerCase())) return { kind: 'either', id: text.toLowerCase(), leads: noLeads() }
  if (text.startsWith('magnet:')) return fromMagnet(text)
  return await fromTorrentFile(text)
}

function fromResult(number: number, resultNumber: (number: number) => StoredResult | undefined): Target {
  const result = resultNumber(number)
  if (result === undefined) throw new ShoalError('NOT_FOUND', `the last search has no result number ${number}`)
  const { holders, ...rest } = result
  return { kind: 'file', ...rest, leads: { ...noLeads(), holders } }
}

function fromMagnet(text: string): Target {
  try {
    const magnet = parseMagnet(text)
    const leads = { holders: [], addresses: magnet.peers, trackers: magnet.trackers.map(tracker => [tracker]) }
    const name = magnet.name === undefined ? {} : { name: magnet.name }
    if (magnet.infohash !== undefined) return { kind: 'collection', infohash: magnet.infohash, ...name, leads }
    if (magnet.fileId === undefined) throw new ShoalError('USAGE', 'the magnet link names nothing that shoal can fetch')
    const size = magnet.size === undefined ? {} : { size: magnet.size }
    return { kind: 'file', id: magnet.fileId, ...name, ...size, leads }
  } catch (error) {
    if (error instanceof ShoalError) throw error
    throw new ShoalError('USAGE', `not a magnet link of BitTorrent v2: ${(error as Error).message}`, { cause: error })
  }
}

async function fromTorrentFile(path: string): Promise<Target> {
  let bytes: Uint8Array
  try {
    const { size } = await stat(path)
    if (size > MAX_TORRENT_BYTES) throw new ShoalError('BAD_METAINFO', `${path} is too large for a .torrent file`)
    bytes = await readFile(path)
  } catch (error) {
    if (error instanceof ShoalError) throw error
    throw new ShoalError(
      'USAGE',
      `"${path}" is no result number, id or magnet link, and there is no such .torrent file`,
      { cause: error }
    )
  }
  try {
    const metainfo = parseMetainfo(bytes, sha256)
    const leads = { ...noLeads(), trackers: metainfo.trackers }
    return { kind: 'collection', infohash: metainfo.infohash, name: metainfo.name, metainfo, leads }
  } catch (error) {
    throw asMetainfoError(error, path)
  }
}

/** What the metainfo module threw, as an error for users. */
export function asMetainfoError(error: unknown, what: string): unknown {
  const { name, message } = error as Error
  if (!(error instanceof MetainfoError) && name !== 'DecodeError') return error
  return new ShoalError('BAD_METAINFO', `${what} is refused: ${message}`, { cause: error })
}

function noLeads(): Leads {
  return { holders: [], addresses: [], trackers: [] }
}
