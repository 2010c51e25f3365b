import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { seededRng } from '../../../protocols/core/rng.ts'
import {
  BLOCK_BYTES,
  climb,
  FileTree,
  type HashRange,
  hashLeaves,
  isHashRange,
  pieceLengthFor,
  TreeBuilder,
  uncleCount
} from '../../../protocols/metainfo/index.ts'
import { naiveTree, sha256 } from './naive-tree.ts'

const BLOCK = BLOCK_BYTES

function randomBytes(length: number, seed: number): Uint8Array {
  const rng = seededRng(seed)
  return Uint8Array.from({ length }, () => rng.uint32() & 0xff)
}

function seedTree(data: Uint8Array, pieceLength: number): FileTree {
  const builder = new TreeBuilder({ length: data.byteLength, pieceLength, sha256 })
  for (let at = 0; at < data.byteLength; at += pieceLength) {
    builder.addPiece(hashLeaves(data.subarray(at, at + pieceLength), sha256))
  }
  const { root, pieceLayer } = builder.finish()
  assert.deepEqual(root, naiveTree(data).at(-1)![0])
  const tree = new FileTree({ root, length: data.byteLength, pieceLength, sha256 })
  assert.equal(tree.setPieceLayer(pieceLayer), 'good')
  for (let piece = 0; piece < tree.pieceCount; piece++) {
    const at = piece * pieceLength
    assert.equal(tree.setLeaves(piece, hashLeaves(data.subarray(at, at + pieceLength), sha256)), 'good')
  }
  return tree
}

/** Lengths around the edges of blocks, pieces and powers of two. */
const lengths = [
  1,
  BLOCK - 1,
  BLOCK,
  BLOCK + 1,
  3 * BLOCK,
  4 * BLOCK,
  4 * BLOCK + 1,
  9 * BLOCK - 5,
  16 * BLOCK,
  17 * BLOCK + 3
]

for (const length of lengths) {
  for (const pieceLength of [BLOCK, 4 * BLOCK]) {
    test(`a leech learns the tree of ${length} bytes in pieces of ${pieceLength} from a seed's answers`, () => {
      const data = randomBytes(length, length)
      const layers = naiveTree(data)
      const seed = seedTree(data, pieceLength)
      const leech = new FileTree({ root: layers.at(-1)![0]!, length, pieceLength, sha256 })
      for (let piece = 0; piece < leech.pieceCount; piece++) {
        const at = piece * pieceLength
        const bytes = data.subarray(at, at + pieceLength)
        for (let range = leech.missing(piece); range !== undefined; range = leech.missing(piece)) {
          assert.ok(isHashRange(range), JSON.stringify(range))
          const answer = seed.get(range)
          assert.ok(answer !== undefined, JSON.stringify(range))
          assertAnswerIsNaive(layers, range, answer)
          for (const flip of [0, answer.byteLength - 1, Math.floor(answer.byteLength / 2)]) {
            const wrong: Uint8Array = answer.slice()
            wrong[flip]! ^= 1
            assert.equal(leech.add(range, wrong), 'bad')
          }
          assert.deepEqual(leech.missing(piece), range, 'nothing wrong was kept')
          assert.equal(leech.add(range, answer), 'good')
        }
        for (let begin = 0; begin < bytes.byteLength; begin += BLOCK) {
          const block = bytes.subarray(begin, begin + BLOCK)
          assert.equal(leech.verify(piece, begin, [block]), 'good')
          const wrong: Uint8Array = block.slice()
          wrong[wrong.byteLength - 1]! ^= 0x80
          assert.equal(leech.verify(piece, begin, [wrong]), 'bad')
        }
      }
      assert.deepEqual(leech.pieceLayer(), seed.pieceLayer())
    })
  }
}

function assertAnswerIsNaive(layers: Uint8Array[][], range: HashRange, answer: Uint8Array): void {
  const expected: Uint8Array[] = []
  for (let i = 0; i < range.length; i++) expected.push(layers[range.base]![range.index + i]!)
  let layer = range.base + Math.log2(range.length)
  let position = range.index / range.length
  for (let i = 0; i < uncleCount(range); i++, layer++, position >>>= 1) expected.push(layers[layer]![position ^ 1]!)
  assert.deepEqual(Buffer.from(answer), Buffer.concat(expected))
}

test('every range that lies in the tree is answered as the specification says', () => {
  const data = randomBytes(13 * BLOCK + 77, 5)
  const layers = naiveTree(data)
  const seed = seedTree(data, 4 * BLOCK)
  const height = layers.length - 1
  let answered = 0
  for (let base = 0; base <= height + 1; base++) {
    for (let length = 2; length <= 32; length *= 2) {
      for (let index = 0; index <= 32; index += length) {
        for (let proofs = 0; proofs <= height + 1; proofs++) {
          const range = { base, index, length, proofs }
          const top = base + Math.log2(length)
          const answer = seed.get(range)
          const inside = top <= height && index + length <= 2 ** (height - base) && top + uncleCount(range) <= height
          assert.equal(answer !== undefined, inside, JSON.stringify(range))
          if (answer !== undefined) {
            assertAnswerIsNaive(layers, range, answer)
            answered++
          }
        }
      }
    }
  }
  assert.ok(answered > 50)
})

test('leaves of a piece that has more than one request of them', () => {
  const pieceLength = 1024 * BLOCK
  const data = new Uint8Array(1500 * BLOCK + 9)
  for (let i = 0; i < data.byteLength; i += BLOCK) data[i] = (i / BLOCK) & 0xff
  const seed = seedTree(data, pieceLength)
  const leech = new FileTree({ root: naiveTree(data).at(-1)![0]!, length: data.byteLength, pieceLength, sha256 })
  for (let piece = 0; piece < 2; piece++) {
    let requests = 0
    for (let range = leech.missing(piece); range !== undefined; range = leech.missing(piece), requests++) {
      assert.equal(leech.add(range, seed.get(range)!), 'good')
    }
    assert.equal(requests, piece === 0 ? 3 : 1)
    assert.equal(
      leech.verify(piece, BLOCK, [data.subarray(piece * pieceLength + BLOCK, piece * pieceLength + 2 * BLOCK)]),
      'good'
    )
  }
})

test('a whole piece needs no leaves, and parts may be cut anywhere', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 6 * BLOCK }),
      fc.array(fc.nat(6 * BLOCK), { maxLength: 8 }),
      (length, cuts) => {
        const data = randomBytes(length, length)
        const pieceLength = 4 * BLOCK
        const full = seedTree(data, pieceLength)
        const tree = new FileTree({ root: naiveTree(data).at(-1)![0]!, length, pieceLength, sha256 })
        tree.setPieceLayer(full.pieceLayer()!)
        const piece = data.subarray(0, pieceLength)
        const edges = [0, ...cuts.filter(cut => cut < piece.byteLength).sort((a, b) => a - b), piece.byteLength]
        const parts = edges.slice(1).map((edge, i) => piece.subarray(edges[i], edge))
        assert.equal(tree.verify(0, 0, parts), 'good')
        if (piece.byteLength > BLOCK) assert.equal(tree.verify(0, 0, [piece.subarray(0, BLOCK)]), 'unknown')
        const wrong = piece.slice()
        wrong[length % piece.byteLength]! ^= 1
        assert.equal(tree.verify(0, 0, [wrong]), 'bad')
      }
    ),
    { numRuns: 40 }
  )
})

test('bytes that are not on block boundaries are bad, whatever they hold', () => {
  const data = randomBytes(5 * BLOCK, 1)
  const tree = seedTree(data, 4 * BLOCK)
  assert.equal(tree.verify(0, 1, [data.subarray(1, BLOCK + 1)]), 'bad')
  assert.equal(tree.verify(0, 0, [data.subarray(0, BLOCK + 1)]), 'bad')
  assert.equal(tree.verify(0, 0, []), 'bad')
  assert.equal(tree.verify(1, 0, [data.subarray(0, 2 * BLOCK)]), 'bad')
})

test('answers of a stranger never throw and nothing wrong is kept', () => {
  const data = randomBytes(9 * BLOCK, 2)
  const root = naiveTree(data).at(-1)![0]!
  fc.assert(
    fc.property(
      fc.record({ base: fc.nat(50), index: fc.nat(2 ** 31), length: fc.nat(1024), proofs: fc.nat(64) }),
      fc.uint8Array({ maxLength: 2048 }),
      (range, hashes) => {
        const tree = new FileTree({ root, length: data.byteLength, pieceLength: 2 * BLOCK, sha256 })
        assert.equal(tree.add(range, hashes), 'bad')
        tree.get(range)
        assert.equal(tree.pieceLayer(), undefined)
      }
    )
  )
})

test('pieces grow with the file, so that their number stays small', () => {
  const MIB = 2 ** 20
  for (const [size, length] of [
    [1, MIB / 4],
    [512 * MIB, MIB / 4],
    [513 * MIB, MIB / 2],
    [2 ** 30, MIB / 2],
    [2 ** 40, 16 * MIB]
  ] as const) {
    assert.equal(pieceLengthFor(size), length)
  }
})

test('hashes above the piece layer are computed once, however often they are asked for', () => {
  const pieces = 4_096
  const layer = randomBytes(pieces * 32, 5)
  let hashed = 0
  const counted = (data: Uint8Array): Uint8Array => {
    hashed++
    return sha256(data)
  }
  const root = climb(layer, 0, 12, sha256)
  const init = { root, length: pieces * BLOCK, pieceLength: BLOCK, sha256: counted }
  const tree = new FileTree(init)
  tree.setPieceLayer(layer)
  hashed = 0
  for (let i = 0; i < 100; i++) {
    const range = { base: 0, index: (i % 64) * 64, length: 64, proofs: 11 }
    const answer = tree.get(range)
    assert.equal(answer?.byteLength, (64 + uncleCount(range)) * 32)
  }
  assert.ok(hashed <= pieces, `${hashed} hashes`)
})

test('a tree that knows a part of its piece layer computes little of what is above', () => {
  const pieces = 4_096
  const layer = randomBytes(pieces * 32, 5)
  const whole = new FileTree({ root: climb(layer, 0, 12, sha256), length: pieces * BLOCK, pieceLength: BLOCK, sha256 })
  whole.setPieceLayer(layer)
  let hashed = 0
  const tree = new FileTree({
    root: climb(layer, 0, 12, sha256),
    length: pieces * BLOCK,
    pieceLength: BLOCK,
    sha256: data => {
      hashed++
      return sha256(data)
    }
  })
  for (let piece = 0; piece < pieces - 512; piece += 512) {
    const range = tree.missing(piece)!
    assert.equal(tree.add(range, whole.get(range)!), 'good')
  }
  hashed = 0
  for (let i = 0; i < 100; i++) {
    assert.equal(tree.get({ base: 11, index: 0, length: 2, proofs: 0 }), undefined)
    assert.ok(tree.get({ base: 0, index: 0, length: 256, proofs: 8 }))
  }
  assert.ok(hashed <= 100 * 1_024, `${hashed} hashes`)
  const last = tree.missing(pieces - 1)!
  assert.equal(tree.add(last, whole.get(last)!), 'good')
  const top = { base: 11, index: 0, length: 2, proofs: 0 }
  assert.deepEqual(tree.get(top), whole.get(top))
})
