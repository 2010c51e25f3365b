import { lstat, realpath } from 'node:fs/promises'
import { basename, relative, sep } from 'node:path'
import type { FileId, Infohash } from '../../protocols/core/ids.ts'
import { encodeTorrent, type Metainfo } from '../../protocols/metainfo/index.ts'
import type { Catalogue, ShareRow } from './catalogue.ts'
import { isInside } from './inside.ts'

/** A file that was fetched whole: its tree is known, so it is shared without hashing it again. */
export interface FinishedFile {
  path: string
  size: number
  mtimeMs: number
  ino: number
  root: FileId | undefined
  pieceLength: number
  pieceLayer: Uint8Array | undefined
}

/** What a whole collection came with. */
export interface FinishedCollection {
  metainfo: Metainfo
  trackers: readonly (readonly string[])[]
}

interface KeptCollection {
  infohash: Infohash
  torrent: Uint8Array
  info: Uint8Array
  trackers: readonly (readonly string[])[]
}

/**
 * Puts what was fetched into the catalogue: `path` is the file, or the folder of a collection. Files inside a folder that
 * is shared already become part of that share. A whole collection with a share of its own keeps the metainfo and the
 * trackers that it came with, so that this node is found by the same link: these are in `keep`.
 */
export async function keepFinished(
  catalogue: Catalogue,
  path: string,
  files: readonly FinishedFile[],
  collection: FinishedCollection | undefined
): Promise<{ share: ShareRow; keep: KeptCollection | undefined }> {
  const place = await realpath(path)
  const around = catalogue.shares().find(share => share.folder && isInside(place, share.path))
  const folder = (await lstat(place)).isDirectory()
  const hidden = catalogue.shareAt(place)?.hidden ?? false
  const share = around ?? catalogue.addShare({ path: place, name: basename(place), folder, hidden })
  catalogue.transaction(() => {
    for (const file of files) {
      const real = place + file.path.slice(path.length)
      const inside = share.folder ? relative(share.path, real).split(sep).join('/') : share.name
      catalogue.putFile({ ...file, share: share.id, path: inside }, share.name, share.folder)
    }
  })
  const isWhole = around === undefined && catalogue.filesOf(share.id).length === files.length
  return { share, keep: collection === undefined || !isWhole ? undefined : kept(collection, files) }
}

function kept({ metainfo, trackers }: FinishedCollection, files: readonly FinishedFile[]): KeptCollection {
  const { infohash, infoBytes: info, pieceLength } = metainfo
  const pieceLayers = new Map<FileId, Uint8Array>()
  for (const { root, size, pieceLayer } of files) {
    if (root !== undefined && pieceLayer !== undefined && size > pieceLength) pieceLayers.set(root, pieceLayer)
  }
  return { infohash, torrent: encodeTorrent({ ...metainfo, pieceLayers }), info, trackers }
}
