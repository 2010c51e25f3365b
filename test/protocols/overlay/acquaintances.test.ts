import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Peer } from '../../../protocols/core/peer.ts'
import { Acquaintances } from '../../../protocols/overlay/acquaintances.ts'

const peer = (index: number): Peer => index as Peer
const known = (acquaintances: Acquaintances): number[] => [...acquaintances.keys()] as unknown[] as number[]

test('the newest are kept, and one that comes again is new', () => {
  const acquaintances = new Acquaintances(3, 3)
  for (const index of [1, 2, 3, 1, 4]) acquaintances.add(peer(index), undefined)
  assert.deepEqual(known(acquaintances), [3, 1, 4])
  acquaintances.delete(peer(1))
  acquaintances.delete(peer(1))
  assert.deepEqual(known(acquaintances), [3, 4])
})

test('one teller has its share and no more, also after some were forgotten', () => {
  const acquaintances = new Acquaintances(10, 3)
  for (let i = 20; i < 25; i++) acquaintances.add(peer(i), peer(2))
  for (let i = 100; i < 200; i++) acquaintances.add(peer(i), peer(1))
  assert.deepEqual(known(acquaintances), [22, 23, 24, 197, 198, 199])
  acquaintances.delete(peer(198))
  acquaintances.add(peer(300), peer(1))
  assert.deepEqual(known(acquaintances), [22, 23, 24, 197, 199, 300])
  // another one tells of the same peer
  acquaintances.add(peer(197), peer(3))
  acquaintances.add(peer(301), peer(1))
  assert.deepEqual(known(acquaintances), [22, 23, 24, 199, 300, 197, 301])
})

test('no room for any', () => {
  const acquaintances = new Acquaintances(0, 1)
  acquaintances.add(peer(1), peer(2))
  assert.deepEqual(known(acquaintances), [])
})
