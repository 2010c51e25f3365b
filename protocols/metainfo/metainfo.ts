import { type FileId, type Infohash, idFromBytes, idToBytes } from '../core/ids.ts'
import { ascii, type Bencode, type BencodeDict, decodeWithSpan, encodeBencode, latin1 } from './bencode.ts'
import { Layout } from './layout.ts'
import { BLOCK_BYTES, blockCount, climb, layerOf, pieceLengthFor, sameBytes, treeHeight } from './merkle.ts'
import { checkCollisions, checkPath, PathError } from './paths.ts'
import { HASH_BYTES, type Sha256 } from './sha.ts'

/** A file or folder as BitTorrent v2 describes it (BEP 52). */
export interface Metainfo {
  infohash: Infohash
  /** Name of the folder; of the file when there is only one and it lies at the top. */
  name: string
  pieceLength: number
  /** In the order of the file tree, which is the order of the piece space. */
  files: MetainfoFile[]
  /** Piece layers of files larger than a piece, where they are known. */
  pieceLayers: Map<FileId, Uint8Array>
  /** Tiers of trackers (BEP 12) as multiaddrs. */
  trackers: string[][]
  /** The `info` dictionary as it was written: its SHA-256 is the infohash. */
  infoBytes: Uint8Array
}

export interface MetainfoFile {
  path: string[]
  length: number
  /** Undefined for an empty file. */
  root: FileId | undefined
}

export const metainfoLimits = {
  maxFiles: 200_000,
  /** All files together; every sum of sizes stays a safe integer. */
  maxBytes: 2 ** 50,
  minPieceBytes: BLOCK_BYTES,
  maxPieceBytes: 64 * 1024 * 1024,
  /**
   * What is known of each piece (order, hash, who has it) is made when a swarm opens, and gone through when a peer comes.
   * It is enough for a file of 8 TiB in pieces of 16 MiB; libtorrent allows four times as many.
   */
  maxPieces: 2 ** 19,
  maxTrackers: 64,
  maxTrackerBytes: 512
}

/** A metainfo that is damaged, hostile, or of a kind that this node cannot use. Refused whole. */
export class MetainfoError extends Error {
  static override readonly name = 'MetainfoError'
  override readonly name = 'MetainfoError'
  readonly code = 'BAD_METAINFO'
}

export interface BuildFile {
  path: string[]
  length: number
  root?: FileId | undefined
  /** The file's layer at `layerPieceLength`, joined; needed for files larger than a piece. */
  pieceLayer?: Uint8Array
  layerPieceLength?: number
}

/**
 * Makes the metainfo of a file (one file whose path is its name) or of a folder. The same input gives the same bytes.
 *
 * @throws MetainfoError when a name cannot be shared or a layer is missing
 */
export function buildMetainfo(init: {
  name: string
  files: readonly BuildFile[]
  pieceLength?: number
  trackers?: string[][]
  sha256: Sha256
}): { metainfo: Metainfo; torrent: Uint8Array } {
  const { name, sha256 } = init
  const length = init.files.reduce((sum, file) => sum + file.length, 0)
  const pieceLength = init.pieceLength ?? pieceLengthFor(length)
  const files = [...init.files].sort((a, b) => comparePaths(a.path, b.path))
  checkNames(name, files)

  const layers: BencodeDict = new Map()
  for (const file of files) {
    if (file.length <= pieceLength) continue
    const layer = layerAt(file, pieceLength, sha256)
    layers.set(latin1(idToBytes(file.root as FileId)), layer)
  }
  const info: BencodeDict = new Map<string, Bencode>([
    ['file tree', fileTree(files)],
    ['meta version', 2],
    ['name', utf8.encode(name)],
    ['piece length', pieceLength]
  ])
  const trackers = init.trackers ?? []
  const outer: BencodeDict = new Map<string, Bencode>([
    ['created by', ascii('shoal')],
    ['info', info],
    ['piece layers', layers]
  ])
  const first = trackers[0]?.[0]
  if (first !== undefined) {
    outer.set('announce', utf8.encode(first))
    outer.set(
      'announce-list',
      trackers.map(tier => tier.map(tracker => utf8.encode(tracker)))
    )
  }
  const torrent = encodeBencode(outer)
  return { metainfo: parseMetainfo(torrent, sha256), torrent }
}

/**
 * Reads a `.torrent` file. Hybrid torrents are read as v2. Checks everything that can be checked: names, sizes, and
 * every piece layer against its root.
 *
 * @throws MetainfoError, DecodeError
 */
export function parseMetainfo(bytes: Uint8Array, sha256: Sha256): Metainfo {
  const { value, span } = decodeWithSpan(bytes, 'info')
  const info = value.get('info')
  if (!(info instanceof Map) || span === undefined) throw new MetainfoError('it has no info dictionary')
  const metainfo = readInfo(info, span, sha256)
  metainfo.trackers = readTrackers(value)
  metainfo.pieceLayers = readLayers(value.get('piece layers'), metainfo, sha256)
  return metainfo
}

/**
 * Reads an `info` dictionary alone, as peers serve it: no trackers, no piece layers.
 *
 * @throws MetainfoError, DecodeError
 */
export function parseInfo(infoBytes: Uint8Array, sha256: Sha256): Metainfo {
  const { value } = decodeWithSpan(infoBytes, '')
  return readInfo(value, infoBytes, sha256)
}

/** A whole `.torrent` from the parts of a metainfo. */
export function encodeTorrent(metainfo: Metainfo): Uint8Array {
  const layers: BencodeDict = new Map()
  for (const [id, layer] of metainfo.pieceLayers) layers.set(latin1(idToBytes(id)), layer)
  const { value } = decodeWithSpan(metainfo.infoBytes, '')
  const outer: BencodeDict = new Map<string, Bencode>([
    ['info', value],
    ['piece layers', layers]
  ])
  if (metainfo.trackers.length > 0) {
    outer.set(
      'announce-list',
      metainfo.trackers.map(tier => tier.map(tracker => utf8.encode(tracker)))
    )
  }
  return encodeBencode(outer)
}

export function layoutOf(metainfo: Metainfo): Layout {
  return new Layout(metainfo.pieceLength, metainfo.files)
}

/** Whether the metainfo is of one file and not of a folder. */
export function isSingleFile(metainfo: Metainfo): boolean {
  return (
    metainfo.files.length === 1 && metainfo.files[0]?.path.length === 1 && metainfo.files[0].path[0] === metainfo.name
  )
}

const utf8 = new TextEncoder()
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function readInfo(info: BencodeDict, infoBytes: Uint8Array, sha256: Sha256): Metainfo {
  if (info.get('meta version') !== 2) {
    if (info.has('pieces')) throw new MetainfoError('it is BitTorrent v1 only; shoal needs v2 or hybrid')
    throw new MetainfoError('it is not BitTorrent v2')
  }
  const name = text(info.get('name'), 'name')
  const pieceLength = info.get('piece length')
  if (
    typeof pieceLength !== 'number' ||
    pieceLength < metainfoLimits.minPieceBytes ||
    pieceLength > metainfoLimits.maxPieceBytes ||
    !Number.isInteger(Math.log2(pieceLength))
  ) {
    throw new MetainfoError('its piece length is not a power of two in 16 KiB … 64 MiB')
  }
  const tree = info.get('file tree')
  if (!(tree instanceof Map)) throw new MetainfoError('it has no file tree')
  const files = readFileTree(tree)
  checkNames(name, files)
  let bytes = 0
  let pieces = 0
  for (const file of files) {
    bytes += file.length
    pieces += Math.ceil(file.length / pieceLength)
  }
  if (bytes > metainfoLimits.maxBytes) throw new MetainfoError('its files are larger than any disk')
  if (pieces > metainfoLimits.maxPieces)
    throw new MetainfoError(`it has ${pieces} pieces, limit ${metainfoLimits.maxPieces}`)
  return {
    infohash: idFromBytes<Infohash>(sha256(infoBytes)),
    name,
    pieceLength,
    files,
    pieceLayers: new Map(),
    trackers: [],
    infoBytes
  }
}

function readFileTree(tree: BencodeDict): MetainfoFile[] {
  const files: MetainfoFile[] = []
  const open: { entries: IterableIterator<[string, Bencode]>; path: string[] }[] = [
    { entries: tree.entries(), path: [] }
  ]
  while (open.length > 0) {
    const { entries, path } = open.at(-1) as (typeof open)[number]
    const { done, value: entry } = entries.next()
    if (done === true) {
      open.pop()
      continue
    }
    const [key, node] = entry
    if (!(node instanceof Map)) throw new MetainfoError('its file tree holds something that is no file or folder')
    const inner = [...path, utf8Of(key)]
    const properties = node.get('')
    if (properties === undefined) {
      if (node.size === 0) throw new MetainfoError('its file tree has an empty folder')
      open.push({ entries: node.entries(), path: inner })
      continue
    }
    if (!(properties instanceof Map) || node.size > 1) throw new MetainfoError('it has a file that is a folder too')
    if (files.length >= metainfoLimits.maxFiles)
      throw new MetainfoError(`it has more than ${metainfoLimits.maxFiles} files`)
    files.push({ path: inner, ...readFile(properties) })
  }
  if (files.length === 0) throw new MetainfoError('it has no files')
  return files
}

function readFile(properties: BencodeDict): { length: number; root: FileId | undefined } {
  const length = properties.get('length')
  if (typeof length !== 'number' || length < 0 || length > metainfoLimits.maxBytes) {
    throw new MetainfoError('a file has no proper length')
  }
  const root = properties.get('pieces root')
  if (length === 0) return { length, root: undefined }
  if (!(root instanceof Uint8Array) || root.byteLength !== HASH_BYTES) {
    throw new MetainfoError('a file has no proper pieces root')
  }
  return { length, root: idFromBytes<FileId>(root) }
}

function readTrackers(outer: BencodeDict): string[][] {
  const tiers: string[][] = []
  let count = 0
  const list = outer.get('announce-list')
  for (const tier of Array.isArray(list) ? list : [[outer.get('announce') ?? new Uint8Array()]]) {
    if (!Array.isArray(tier)) continue
    const urls: string[] = []
    for (const url of tier) {
      if (!(url instanceof Uint8Array) || url.byteLength === 0 || url.byteLength > metainfoLimits.maxTrackerBytes)
        continue
      if (++count > metainfoLimits.maxTrackers) return tiers
      urls.push(latin1(url))
    }
    if (urls.length > 0) tiers.push(urls)
  }
  return tiers
}

function readLayers(layers: Bencode | undefined, metainfo: Metainfo, sha256: Sha256): Map<FileId, Uint8Array> {
  const known = new Map<FileId, Uint8Array>() // BOUNDED by the files
  if (layers !== undefined && !(layers instanceof Map)) throw new MetainfoError('its piece layers are no dictionary')
  for (const { root, length } of metainfo.files) {
    if (root === undefined || length <= metainfo.pieceLength) continue
    const layer = layers?.get(latin1(idToBytes(root)))
    if (layer === undefined) continue
    const pieces = Math.ceil(length / metainfo.pieceLength)
    if (!(layer instanceof Uint8Array) || layer.byteLength !== pieces * HASH_BYTES) {
      throw new MetainfoError('a piece layer has the wrong size')
    }
    const top = climb(layer, layerOf(metainfo.pieceLength), treeHeight(blockCount(length)), sha256)
    if (!sameBytes(top, idToBytes(root))) throw new MetainfoError('a piece layer does not lead to its root')
    known.set(root, layer)
  }
  return known
}

function layerAt(file: BuildFile, pieceLength: number, sha256: Sha256): Uint8Array {
  const { pieceLayer, layerPieceLength = pieceLength } = file
  if (pieceLayer === undefined || file.root === undefined || layerPieceLength > pieceLength) {
    throw new MetainfoError(`the piece layer of ${file.path.join('/')} is not known`)
  }
  return climb(pieceLayer, layerOf(layerPieceLength), layerOf(pieceLength), sha256)
}

function fileTree(files: readonly BuildFile[]): BencodeDict {
  const tree: BencodeDict = new Map()
  for (const { path, length, root } of files) {
    let folder = tree
    for (const part of path) {
      const key = latin1(utf8.encode(part))
      const inner = (folder.get(key) as BencodeDict | undefined) ?? new Map<string, Bencode>()
      folder.set(key, inner)
      folder = inner
    }
    const properties: BencodeDict = new Map<string, Bencode>([['length', length]])
    if (root !== undefined) properties.set('pieces root', idToBytes(root))
    folder.set('', properties)
  }
  return tree
}

function checkNames(name: string, files: readonly { path: string[] }[]): void {
  try {
    checkPath([name])
    for (const { path } of files) checkPath(path)
    checkCollisions(files.map(file => file.path))
  } catch (error) {
    if (error instanceof PathError) throw new MetainfoError(error.message, { cause: error })
    throw error
  }
}

/** The order of a file tree: by the bytes of each part. */
function comparePaths(a: readonly string[], b: readonly string[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const left = latin1(utf8.encode(a[i]))
    const right = latin1(utf8.encode(b[i]))
    if (left !== right) return left < right ? -1 : 1
  }
  return a.length - b.length
}

function text(value: Bencode | undefined, what: string): string {
  if (!(value instanceof Uint8Array)) throw new MetainfoError(`it has no ${what}`)
  return decodeUtf8(value)
}

function utf8Of(key: string): string {
  return decodeUtf8(ascii(key))
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return strictUtf8.decode(bytes)
  } catch {
    throw new MetainfoError('it has a name that is not UTF-8')
  }
}
