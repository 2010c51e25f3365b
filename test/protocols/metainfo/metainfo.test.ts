import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DecodeError } from '../../../protocols/core/codec.ts'
import { type FileId, idFromBytes } from '../../../protocols/core/ids.ts'
import {
  ascii,
  type Bencode,
  type BencodeDict,
  buildMetainfo,
  decodeBencode,
  encodeBencode,
  encodeTorrent,
  formatMagnet,
  hashLeaves,
  isSingleFile,
  layoutOf,
  MetainfoError,
  parseInfo,
  parseMagnet,
  parseMetainfo,
  TreeBuilder
} from '../../../protocols/metainfo/index.ts'
import { naiveTree, sha256 } from './naive-tree.ts'

const PIECE = 65_536

function file(
  path: string[],
  length: number,
  fill = length
): { path: string[]; length: number; root?: FileId; pieceLayer?: Uint8Array } {
  if (length === 0) return { path, length }
  const data = new Uint8Array(length).fill(fill)
  const builder = new TreeBuilder({ length, pieceLength: PIECE, sha256 })
  for (let at = 0; at < length; at += PIECE) builder.addPiece(hashLeaves(data.subarray(at, at + PIECE), sha256))
  const { root, pieceLayer } = builder.finish()
  assert.deepEqual(root, naiveTree(data).at(-1)![0])
  return { path, length, root: idFromBytes<FileId>(root), pieceLayer }
}

const folder = [file(['b.txt'], 10), file(['a', 'z.bin'], 200_000), file(['a', 'empty'], 0), file(['a.txt'], 70_000)]

function torrentOf(name = 'things', files = folder): Uint8Array {
  return buildMetainfo({
    name,
    files,
    pieceLength: PIECE,
    trackers: [['/ip4/1.2.3.4/tcp/1/p2p/x'], ['b', 'c']],
    sha256
  }).torrent
}

test('a folder becomes a torrent and comes back', () => {
  const torrent = torrentOf()
  const metainfo = parseMetainfo(torrent, sha256)
  assert.deepEqual(
    metainfo.files.map(({ path }) => path.join('/')),
    ['a/empty', 'a/z.bin', 'a.txt', 'b.txt']
  )
  assert.deepEqual(metainfo.trackers, [['/ip4/1.2.3.4/tcp/1/p2p/x'], ['b', 'c']])
  assert.equal(metainfo.pieceLayers.size, 2)
  assert.equal(isSingleFile(metainfo), false)
  const outer = decodeBencode(torrent) as BencodeDict
  assert.equal(metainfo.infohash, Buffer.from(sha256(encodeBencode(outer.get('info')!))).toString('hex'))
  assert.deepEqual(parseInfo(metainfo.infoBytes, sha256).infohash, metainfo.infohash)
  assert.deepEqual(parseMetainfo(encodeTorrent(metainfo), sha256), metainfo)
  assert.deepEqual(torrentOf('things', folder.toReversed()), torrent, 'the order of the files does not count')
})

test('every file begins at a piece, empty files have none', () => {
  const layout = layoutOf(parseMetainfo(torrentOf(), sha256))
  assert.deepEqual(
    layout.files.map(({ firstPiece, pieceCount }) => [firstPiece, pieceCount]),
    [
      [0, 0],
      [0, 4],
      [4, 2],
      [6, 1]
    ]
  )
  assert.equal(layout.pieceCount, 7)
  assert.deepEqual(
    [0, 3, 4, 5, 6].map(piece => layout.fileOfPiece(piece)),
    [1, 1, 2, 2, 3]
  )
  assert.equal(layout.pieceSize(3), 200_000 - 3 * PIECE)
  assert.equal(layout.offsetInFile(5), PIECE)
  assert.equal(layout.blocksIn(6), 1)
  assert.throws(() => layout.fileOfPiece(7), RangeError)
})

test('the infohash is of the info dictionary as it was written, with keys nobody knows', () => {
  const outer = decodeBencode(torrentOf()) as BencodeDict
  const info = outer.get('info') as BencodeDict
  info.set('zz', [1, ascii('x')])
  const metainfo = parseMetainfo(encodeBencode(outer), sha256)
  assert.equal(metainfo.infohash, Buffer.from(sha256(encodeBencode(info))).toString('hex'))
})

function changed(change: (info: BencodeDict, outer: BencodeDict) => unknown): Uint8Array {
  const outer = decodeBencode(torrentOf()) as BencodeDict
  change(outer.get('info') as BencodeDict, outer)
  return encodeBencode(outer)
}
const node = (length: Bencode, root?: Bencode): BencodeDict =>
  new Map([
    [
      '',
      new Map<string, Bencode>([['length', length], ...(root === undefined ? [] : [['pieces root', root] as const])])
    ]
  ])
const root = new Uint8Array(32)
const tree = (...entries: [string, Bencode][]): BencodeDict => new Map(entries)

const hostile: [string, Uint8Array][] = [
  ['no info', encodeBencode(new Map())],
  ['version 1 only', changed(info => [info.delete('meta version'), info.set('pieces', root)])],
  ['a piece length that is no power of two', changed(info => info.set('piece length', 65_537))],
  ['a tiny piece length', changed(info => info.set('piece length', 1))],
  ['a huge piece length', changed(info => info.set('piece length', 2 ** 40))],
  ['a name that climbs', changed(info => info.set('name', ascii('..')))],
  ['a name with a separator', changed(info => info.set('name', ascii('a/b')))],
  ['a name that is not text', changed(info => info.set('name', Uint8Array.of(0xff)))],
  ['one path that climbs', changed(info => info.set('file tree', tree(['..', tree(['etc', node(1, root)])])))],
  [
    'a file that is a folder',
    changed(info => info.set('file tree', tree(['a', tree(['', node(1, root).get('')!], ['b', node(1, root)])])))
  ],
  [
    'two names that differ in case',
    changed(info => info.set('file tree', tree(['A', node(1, root)], ['a', node(1, root)])))
  ],
  [
    'folders that differ in case',
    changed(info => info.set('file tree', tree(['A', tree(['x', node(1, root)])], ['a', tree(['y', node(1, root)])])))
  ],
  ['no files', changed(info => info.set('file tree', tree()))],
  ['an empty folder', changed(info => info.set('file tree', tree(['a', tree()])))],
  ['a negative length', changed(info => info.set('file tree', tree(['a', node(-1, root)])))],
  ['a length beyond any disk', changed(info => info.set('file tree', tree(['a', node(2 ** 52, root)])))],
  [
    'lengths that add up beyond any disk',
    changed(info => info.set('file tree', tree(['a', node(2 ** 50, root)], ['b', node(2 ** 50, root)])))
  ],
  [
    'too many pieces',
    changed(info => [info.set('piece length', 16_384), info.set('file tree', tree(['a', node(2 ** 40, root)]))])
  ],
  ['a root of the wrong size', changed(info => info.set('file tree', tree(['a', node(5, new Uint8Array(20))])))],
  ['a file without a root', changed(info => info.set('file tree', tree(['a', node(5)])))],
  ['a length that is text', changed(info => info.set('file tree', tree(['a', node(ascii('5'), root)])))],
  [
    'a layer of the wrong size',
    changed((_, outer) => {
      const layers = outer.get('piece layers') as BencodeDict
      for (const key of [...layers.keys()]) layers.set(key, root)
    })
  ],
  [
    'a layer that does not lead to its root',
    changed((_, outer) => {
      for (const layer of (outer.get('piece layers') as Map<string, Uint8Array>).values()) layer[5]! ^= 1
    })
  ],
  [
    'a path that is too deep',
    changed(info => {
      let inner: BencodeDict = node(1, root)
      for (let i = 0; i < 66; i++) inner = tree(['d', inner])
      info.set('file tree', inner)
    })
  ]
]
for (const [what, bytes] of hostile) {
  test(`refuses ${what}, whole`, () => {
    assert.throws(
      () => parseMetainfo(bytes, sha256),
      (error: Error) => error instanceof MetainfoError || error instanceof DecodeError
    )
  })
}

test('damage anywhere is a clear refusal or changes nothing that is checked', () => {
  const torrent = torrentOf()
  fc.assert(
    fc.property(fc.nat(torrent.byteLength - 1), fc.nat(255), (at, byte) => {
      const bytes = torrent.slice()
      bytes[at] = byte
      try {
        parseMetainfo(bytes, sha256)
      } catch (error) {
        assert.ok(error instanceof MetainfoError || error instanceof DecodeError, String(error))
      }
    }),
    { numRuns: 2000 }
  )
})

test('magnet links of collections and of files', () => {
  const id = 'ab'.repeat(32)
  const magnet = {
    infohash: id,
    name: 'Ünïcode & more',
    trackers: ['/ip4/1.2.3.4/tcp/1'],
    peers: ['/ip6/::1/tcp/2/p2p/x']
  }
  assert.deepEqual(parseMagnet(formatMagnet(magnet as never)), magnet)
  const single = { fileId: id, size: 2 ** 40, name: 'x', trackers: [], peers: [] }
  assert.deepEqual(parseMagnet(formatMagnet(single as never)), single)
  for (const text of [
    'magnet:',
    'http://x',
    'magnet:?dn=x',
    'magnet:?xt=urn:btmh:1220abc',
    `magnet:?xt=urn:btih:${'a'.repeat(40)}`,
    `magnet:?${'a'.repeat(70_000)}`
  ]) {
    assert.throws(() => parseMagnet(text), MetainfoError, text.slice(0, 40))
  }
})
