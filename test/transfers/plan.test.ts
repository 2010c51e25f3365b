import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FileId } from '../../protocols/core/ids.ts'
import { planOfFile } from '../../src/transfers/plan.ts'

const file = { id: '00'.repeat(32) as FileId, name: 'large', leads: { holders: [], addresses: [], trackers: [] } }

test('a stated size has more pieces than a swarm can from 8 TiB on', () => {
  assert.equal(planOfFile({ ...file, size: 2 ** 40 }).layout.pieceCount, 65_536)
  assert.equal(planOfFile({ ...file, size: 2 ** 43 }).layout.pieceCount, 524_288)
  for (const size of [2 ** 43 + 1, 2 ** 44, 2 ** 50, 2 ** 53]) {
    assert.throws(() => planOfFile({ ...file, size }), { code: 'BAD_METAINFO' })
  }
})
