import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRng } from '../../../protocols/core/rng.ts'
import {
  BLOCK_BYTES,
  type BlockPath,
  blockCount,
  FileTree,
  hashLeaves,
  leadsToRoot,
  TreeBuilder,
  treeHeight
} from '../../../protocols/metainfo/index.ts'
import { naiveTree, sha256 } from './naive-tree.ts'

function randomBytes(length: number, seed: number): Uint8Array {
  const rng = seededRng(seed)
  return Uint8Array.from({ length }, () => rng.uint32() & 0xff)
}

function wholeTree(data: Uint8Array, pieceLength: number): FileTree {
  const builder = new TreeBuilder({ length: data.byteLength, pieceLength, sha256 })
  const pieces = Array.from({ length: Math.ceil(data.byteLength / pieceLength) }, (_, i) =>
    hashLeaves(data.subarray(i * pieceLength, (i + 1) * pieceLength), sha256)
  )
  for (const leaves of pieces) builder.addPiece(leaves)
  const { root, pieceLayer } = builder.finish()
  const tree = new FileTree({ root, length: data.byteLength, pieceLength, sha256 })
  tree.setPieceLayer(pieceLayer)
  for (const [piece, leaves] of pieces.entries()) tree.setLeaves(piece, leaves)
  return tree
}

const blockOf = (data: Uint8Array, block: number): Uint8Array =>
  data.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES)

test('the path of every block is what the specification says, and leads to the root from its own place alone', () => {
  for (const blocks of [1, 2, 3, 4, 5, 7, 8, 9]) {
    for (const short of [0, 1, BLOCK_BYTES - 1]) {
      const length = blocks * BLOCK_BYTES - short
      const data = randomBytes(length, length)
      const layers = naiveTree(data)
      const root = layers.at(-1)![0]!
      for (const pieceLength of [BLOCK_BYTES, 4 * BLOCK_BYTES]) {
        const tree = wholeTree(data, pieceLength)
        for (let block = 0; block < blocks; block++) {
          const uncles = tree.path(block)
          assert.ok(uncles, `${block} of ${blocks}`)
          const expected = layers.slice(0, -1).map((layer, i) => layer[Math.floor(block / 2 ** i) ^ 1]!)
          assert.deepEqual(Buffer.from(uncles), Buffer.concat(expected))
          for (let place = -1; place <= blocks; place++) {
            const path: BlockPath = { block: place, data: blockOf(data, block), uncles }
            assert.equal(leadsToRoot(root, length, path, sha256), place === block, `${block} at ${place} of ${blocks}`)
          }
        }
      }
    }
  }
})

test('what lies past the end is padding: a true block that is not the last one cannot pass for it', () => {
  const data = randomBytes(7 * BLOCK_BYTES, 1)
  const tree = wholeTree(data, 4 * BLOCK_BYTES)
  const root = naiveTree(data).at(-1)![0]!
  for (const blocks of [5, 6, 7, 8]) {
    const path: BlockPath = { block: blocks - 1, data: blockOf(data, blocks - 1), uncles: tree.path(blocks - 1)! }
    assert.equal(leadsToRoot(root, blocks * BLOCK_BYTES, path, sha256), blocks === 7, `${blocks} blocks`)
  }
})

test('two hashes of the tree are not a block, but the whole of a file of 64 bytes with that root', () => {
  const layers = naiveTree(randomBytes(8 * BLOCK_BYTES, 3))
  const root = layers.at(-1)![0]!
  // seen from the top, the tree has two leaves: what they are hashes of is 64 bytes long, not a block
  const halves = layers.at(-2)!
  const left: BlockPath = { block: 0, data: Buffer.concat(layers.at(-3)!.slice(0, 2)), uncles: halves[1]! }
  const right: BlockPath = { block: 1, data: Buffer.concat(layers.at(-3)!.slice(2)), uncles: halves[0]! }
  assert.equal(leadsToRoot(root, BLOCK_BYTES + 64, left, sha256), false)
  assert.equal(
    leadsToRoot(root, BLOCK_BYTES + 64, right, sha256),
    true,
    'so the last block alone does not prove a file'
  )
  const whole: BlockPath = { block: 0, data: Buffer.concat(halves), uncles: new Uint8Array() }
  assert.equal(leadsToRoot(root, 64, whole, sha256), true, 'equal ids are equal bytes only among files of one size')
})

test('a path of which something is not known is not made', () => {
  const data = randomBytes(8 * BLOCK_BYTES, 2)
  const tree = wholeTree(data, 4 * BLOCK_BYTES)
  tree.forgetLeaves(1)
  assert.ok(tree.path(3))
  assert.equal(tree.path(4), undefined)
})

test('trees of more leaves than 32 bits count have their height', () => {
  for (const exponent of [1, 31, 32, 33, 36]) {
    assert.equal(treeHeight(2 ** exponent), exponent)
    assert.equal(treeHeight(2 ** exponent + 1), exponent + 1)
    assert.equal(treeHeight(2 ** exponent - 1), exponent === 1 ? 0 : exponent)
  }
  assert.equal(treeHeight(blockCount(2 ** 50)), 36)
})
