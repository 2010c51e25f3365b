import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import type { FileId, Infohash } from '../../protocols/core/ids.ts'
import { ResultGroups } from '../../src/search/grouping.ts'
import { LastResults, resultsSchema } from '../../src/search/results.ts'

const id = (n: number): FileId => n.toString(16).padStart(64, '0') as FileId

test('hits with one id are one result with all its holders', () => {
  const groups = new ResultGroups({ self: 'me' })
  assert.equal(groups.add('a', 2, { id: id(1), name: 'x', size: 5 })?.number, 1)
  assert.equal(groups.add('b', 1, { id: id(2), name: 'y', size: 6 })?.number, 2)
  const again = groups.add('me', 0, { id: id(1), name: 'other name', size: 5 })
  assert.deepEqual(again, { number: 1, id: id(1), name: 'x', size: 5, holders: ['a', 'me'], mine: true, hops: 0 })
})

test('a holder that states another size has another file', () => {
  const groups = new ResultGroups({ self: 'me' })
  groups.add('a', 2, { id: id(1), name: 'x', size: 5 })
  assert.deepEqual(groups.add('b', 1, { id: id(1), name: 'x', size: 6 })?.holders, ['b'])
  assert.deepEqual(groups.add('c', 1, { id: id(1), name: 'x', size: 5 })?.holders, ['a', 'c'])
})

test('what is known already changes nothing, and there are at most so many results', () => {
  const groups = new ResultGroups({ self: 'me', limit: 1 })
  groups.add('a', 2, { id: id(1), name: 'x', size: 5 })
  assert.equal(groups.add('a', 1, { id: id(1), name: 'x', size: 5 }), undefined)
  assert.equal(groups.add('b', 1, { id: id(2), name: 'z', size: 6 }), undefined)
})

test('numbers of the last search outlive the process', () => {
  const database = new DatabaseSync(':memory:')
  database.exec(resultsSchema)
  const result = { id: id(1), name: 'x', size: 2 ** 40, infohash: id(7) as string as Infohash, holders: ['a', 'b'] }
  const earlier = new LastResults(database)
  const keep = earlier.begin()
  keep(3, result)
  const later = new LastResults(database)
  assert.deepEqual(later.get(3), result)
  assert.equal(later.get(4), undefined)
  const newest = earlier.begin()
  assert.equal(later.get(3), undefined)
  keep(3, result)
  assert.equal(later.get(3), undefined, 'an older search that still runs does not mix its numbers in')
  newest(1, result)
  assert.deepEqual(later.get(1), result)
})
