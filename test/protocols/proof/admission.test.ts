import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Peer } from '../../../protocols/core/peer.ts'
import { Admission, proofConfig } from '../../../protocols/proof/index.ts'

const MIB = 1024 * 1024
const peer = (n: number): Peer => `peer ${n}` as Peer
const config = {
  ...proofConfig,
  questions: { rate: 10, burst: 20 },
  peerBytes: { rate: MIB, burst: 4 * MIB },
  allBytes: { rate: 2 * MIB, burst: 6 * MIB }
}

test('a peer may ask for so much, and again when time has passed', () => {
  const admission = new Admission(config)
  let read = 0
  while (admission.read(peer(1), 0, MIB)) read++
  assert.equal(read, 4)
  assert.equal(admission.read(peer(1), 500, MIB), false)
  assert.equal(admission.read(peer(1), 1_000, MIB), true)
})

test('all peers together may ask for so much; who has used up its own share takes nothing from them', () => {
  const admission = new Admission(config)
  for (let i = 0; i < 100; i++) admission.read(peer(1), 0, MIB)
  assert.equal(admission.read(peer(2), 0, 2 * MIB), true)
  assert.equal(admission.read(peer(3), 0, MIB), false)
})

test('questions cost also when there is nothing to read, and a flood of them is told from a busy searcher', () => {
  const admission = new Admission({ ...config, leastBytes: MIB })
  const answers = Array.from({ length: 21 }, () => admission.question(peer(1), 0))
  assert.deepEqual(answers, [...Array(4).fill('good'), ...Array(16).fill('refused'), 'flood'])
  assert.equal(admission.question(peer(2), 0), 'good')
})

test('no more accounts are kept than there are connections', () => {
  const admission = new Admission({
    ...config,
    maxPeers: 2,
    leastBytes: 4 * MIB,
    allBytes: { rate: 1, burst: 999 * MIB }
  })
  assert.equal(admission.question(peer(1), 0), 'good')
  assert.equal(admission.question(peer(1), 0), 'refused')
  admission.question(peer(2), 0)
  admission.question(peer(3), 0)
  assert.equal(admission.question(peer(1), 0), 'good', 'the oldest is forgotten')
})
