import {
  buildMetainfo,
  formatMagnet,
  MetainfoError,
  metainfoLimits,
  pieceLengthFor
} from '../../protocols/metainfo/index.ts'
import { sha256 } from '../sha256.ts'
import type { Catalogue, FileRow, ShareRow } from './catalogue.ts'

/**
 * Makes a share's metainfo from what the catalogue knows of its files, and keeps it there. A share without files has
 * none. Returns why it cannot be made, if it cannot.
 */
export function buildCollection(catalogue: Catalogue, share: ShareRow): string | undefined {
  const files = catalogue.filesOf(share.id)
  if (files.length === 0) {
    catalogue.setCollection(share.id, undefined)
    return undefined
  }
  try {
    if (files.length > metainfoLimits.maxFiles) throw new MetainfoError(`more than ${metainfoLimits.maxFiles} files`)
    const { metainfo, torrent } = buildMetainfo({
      name: share.name,
      pieceLength: pieceLengthOf(files),
      files: files.map(file => ({
        path: file.path.split('/'),
        length: file.size,
        root: file.root,
        layerPieceLength: file.pieceLength,
        ...(file.pieceLayer === undefined ? {} : { pieceLayer: file.pieceLayer })
      })),
      sha256
    })
    catalogue.setCollection(share.id, { infohash: metainfo.infohash, torrent, info: metainfo.infoBytes })
    return undefined
  } catch (error) {
    if (!(error instanceof MetainfoError)) throw error
    catalogue.setCollection(share.id, undefined)
    return error.message
  }
}

/** As the size asks for; larger where a file's layer is known only for larger pieces, as after fetching a collection. */
function pieceLengthOf(files: readonly FileRow[]): number {
  const usual = pieceLengthFor(files.reduce((sum, { size }) => sum + size, 0))
  return files.reduce((most, file) => (file.size > most ? Math.max(most, file.pieceLength) : most), usual)
}

/** The magnet link of a share: this node is its tracker, and a peer to ask. */
export function magnetOf(share: ShareRow, bytes: number, addresses: readonly string[]): string {
  if (share.infohash === undefined) return ''
  const known = addresses.slice(0, 4)
  return formatMagnet({
    infohash: share.infohash,
    name: share.name,
    size: bytes,
    trackers: [...known],
    peers: [...known]
  })
}
