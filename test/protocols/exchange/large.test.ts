import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FileId } from '../../../protocols/core/ids.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import { exchangeLimits } from '../../../protocols/exchange/config.ts'
import { Swarm } from '../../../protocols/exchange/swarm.ts'
import { Layout, MAX_RANGE_HASHES, metainfoLimits } from '../../../protocols/metainfo/index.ts'

const TIB = 2 ** 40

/** Opens a swarm of one file and counts what it asks its content. */
function open(
  length: number,
  storedBlocks: (piece: number) => number
): { swarm: Swarm; asked: Record<string, number> } {
  const layout = Layout.single('00'.repeat(32) as FileId, length, 'large')
  const asked = { pieces: 0, blocks: 0, hashes: 0 }
  const swarm = new Swarm({
    layout,
    rng: seededRng(1),
    storedBlocks: piece => {
      asked.pieces++
      return storedBlocks(piece)
    },
    hasBlock: (piece, block) => {
      asked.blocks++
      return block < storedBlocks(piece)
    },
    missingHashes: piece => {
      asked.hashes++
      return { base: 10, index: piece - (piece % MAX_RANGE_HASHES), length: MAX_RANGE_HASHES, proofs: 15 }
    }
  })
  return { swarm, asked }
}

test('a file of 1 TiB opens without a look at its blocks', () => {
  const { swarm, asked } = open(TIB, () => 0)
  assert.equal(swarm.stats(0).pieces, 65_536)
  assert.deepEqual(asked, { pieces: 65_536, blocks: 0, hashes: 65_536 / MAX_RANGE_HASHES })
})

test('of a file of 1 TiB that is half here only the blocks of begun pieces are looked at', () => {
  const { swarm, asked } = open(TIB, piece => (piece === 7 ? 3 : piece % 2 === 0 ? 1024 : 0))
  assert.equal(swarm.stats(0).piecesDone, 32_768)
  assert.equal(swarm.stats(0).storedBytes, TIB / 2 + 3 * 16_384)
  assert.equal(asked.blocks, 1024)
})

test('the largest file that a swarm can have opens as well', () => {
  const { swarm, asked } = open(exchangeLimits.maxPieces * 2 ** 24, () => 0)
  assert.equal(swarm.stats(0).wantedBytes, 8 * TIB)
  assert.equal(asked.blocks, 0)
  assert.equal(exchangeLimits.maxPieces, metainfoLimits.maxPieces)
})
