import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FileId, Infohash } from '../../protocols/core/ids.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import { Claims } from '../../src/transfers/sizes.ts'
import { Sources, sourceConfig } from '../../src/transfers/sources.ts'

const [A, B, C] = ['A', 'B', 'C'] as [Peer, Peer, Peer] & Peer[]
const ID = 'ab'.repeat(32) as FileId & Infohash
const { retryFirstMs } = sourceConfig
const nobody = (): boolean => false

test('distinct holders count, not hits; a collection and a file of one id are told apart', () => {
  const claims = new Claims(ID)
  for (let i = 0; i < 5; i++) claims.add('liar', { id: ID, name: 'x', size: 900 })
  claims.add('one', { id: ID, name: 'film', size: 300 })
  claims.add('two', { id: ID, name: 'other', size: 300 })
  claims.add('three', { id: 'cd'.repeat(32) as FileId, name: 'part', size: 7, infohash: ID })
  assert.deepEqual(claims.files, [
    { size: 300, name: 'film', holders: ['one', 'two'] },
    { size: 900, name: 'x', holders: ['liar'] }
  ])
  assert.deepEqual(claims.collectionHolders, ['three'])
})

test('the size at which a hash passes for a file comes last, whoever states it', () => {
  const claims = new Claims(ID)
  for (const holder of ['a', 'b', 'c']) claims.add(holder, { id: ID, name: 'x', size: 64 })
  claims.add('d', { id: ID, name: 'film', size: 300 })
  assert.deepEqual(
    claims.files.map(({ size }) => size),
    [300, 64]
  )
})

test('who failed again and again is tried when it connects, and soon when it is named again', () => {
  const sources = new Sources()
  sources.add(A, 0)
  let now = 0
  for (let i = 0; i < 6; i++) {
    assert.deepEqual(sources.due(now, 1, 0, nobody), [A])
    sources.tried(A, now)
    now += retryFirstMs * 2 ** i
  }
  sources.tried(A, now)
  assert.equal(sources.add(A, now + 1), false, 'not twice in a moment')
  assert.deepEqual(sources.due(now + retryFirstMs - 1, 1, 0, nobody), [])
  assert.equal(sources.add(A, now + retryFirstMs), true)
  sources.tried(A, now + retryFirstMs)
  assert.equal(sources.isBack(B), false)
  assert.equal(sources.isBack(A), true)
  assert.deepEqual(sources.due(now + retryFirstMs + 1, 1, 0, nobody), [A])
  sources.refuse(A)
  assert.equal(sources.isBack(A), false)
})

test('a size is tried with its own holders, and with those of whom nobody says', () => {
  const sources = new Sources()
  sources.add(A, 0, 300)
  sources.add(B, 0, 900)
  sources.add(C, 0)
  assert.deepEqual(sources.due(0, 300, 0, nobody), [A, C])
  assert.deepEqual(sources.due(0, 900, 0, nobody), [B, C])
  assert.equal(sources.otherSize(0, 300), 900)
  sources.tried(B, 0)
  assert.equal(sources.otherSize(0, 300), undefined, 'nobody of it can be tried now')
})

test('what a holder says itself counts more than what is said of it', () => {
  const sources = new Sources()
  sources.add(A, 0, 900)
  sources.add(B, 0, 900)
  sources.add(C, 0, 900)
  sources.add('D' as Peer, 0, 500)
  sources.add('E' as Peer, 0, 500)
  sources.tried(A, 0)
  sources.says(A, 300)
  assert.equal(sources.otherSize(0, 900), 300)
  assert.deepEqual(sources.due(0, 300, 0, nobody), [A], 'at once: what it was asked for was not its own')
  sources.add(A, 0, 900)
  assert.deepEqual(sources.due(0, 900, 0, nobody), [B, C])
})
