import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import type { FileId, Infohash } from '../../protocols/core/ids.ts'
import { parseQuery } from '../../protocols/search/index.ts'
import { type FoundHit, type Origin, type ResultGroup, ResultGroups, type Sort } from '../../src/search/grouping.ts'
import { LastResults, resultsSchema } from '../../src/search/results.ts'

const id = (n: number): FileId => n.toString(16).padStart(64, '0') as FileId

const hit = (n: number, name = 'x', size = 5): FoundHit => ({ id: id(n), name, size })
const from = (holder: string, hops = 1, via = holder): Origin => ({ holder, via, how: 'flood', hops })

function groupsOf(query?: string, limit?: number): ResultGroups {
  const parsed = query === undefined ? undefined : parseQuery(query)
  return new ResultGroups({ self: 'me', query: parsed, ...(limit === undefined ? {} : { limit }) })
}

test('hits with one id are one result with all its holders', () => {
  const groups = groupsOf()
  groups.add(from('a', 2), hit(1))
  groups.add(from('b'), hit(2))
  const { relevance, foundBy, ...again } = groups.add(from('me', 0), hit(1, 'other name')) as ResultGroup
  assert.deepEqual(again, { index: 0, id: id(1), name: 'x', size: 5, holders: ['a', 'me'], mine: true, hops: 0 })
  assert.deepEqual(foundBy, { how: 'flood', via: 'a' }, 'how it was found first')
  assert.equal(groups.size, 2)
})

test('a holder that states another size has another file', () => {
  const groups = groupsOf()
  groups.add(from('a', 2), hit(1))
  assert.deepEqual(groups.add(from('b'), hit(1, 'x', 6))?.holders, ['b'])
  assert.deepEqual(groups.add(from('c'), hit(1))?.holders, ['a', 'c'])
})

test('what is known already changes nothing, and there are at most so many results', () => {
  const groups = groupsOf(undefined, 1)
  groups.add(from('a', 2), hit(1))
  assert.equal(groups.add(from('a'), hit(1)), undefined)
  assert.equal(groups.add(from('b'), hit(2)), undefined)
  assert.equal(groups.size, 1)
})

test('what does not match was not asked for', () => {
  const groups = groupsOf('blue sea type:video -deep size:..10')
  for (const [name, size] of [
    ['blue', 5],
    ['blue sea.mp3', 5],
    ['deep blue sea.mkv', 5],
    ['blue sea.mkv', 11]
  ] as const) {
    assert.equal(groups.add(from('liar'), hit(1, name, size)), undefined, name)
  }
  assert.equal(groups.add(from('a'), hit(1, 'blue sea.mkv'))?.relevance, 1)
  assert.equal(groups.add(from('liar'), hit(1, 'free money', 5)), undefined, 'not as a holder either')
})

test('results are in order: by fit and holders, by holders, by size, by name', () => {
  const groups = groupsOf('blue sea')
  groups.add(from('a'), hit(1, 'a tale of the blue and the sea 10.mkv', 3))
  groups.add(from('a'), hit(2, 'Blue Sea.mkv', 1))
  groups.add(from('a'), hit(3, 'a tale of the blue and the sea 9.mkv', 2))
  for (let i = 0; i < 100; i++) groups.add(from(`p${i}`), hit(1, 'a tale of the blue and the sea 10.mkv', 3))
  const order = (sort: Sort): number[] => groups.sorted(sort).map(group => Number.parseInt(group.id, 16))
  assert.deepEqual(order('best'), [2, 1, 3], 'many holders do not make up for a name')
  assert.deepEqual(order('holders'), [1, 2, 3])
  assert.deepEqual(order('size'), [1, 3, 2])
  assert.deepEqual(order('name'), [3, 1, 2])
})

test('one neighbour that fills all places leaves a fair share to the others, and keeps what others confirm', () => {
  const groups = groupsOf(undefined, 100)
  for (let n = 0; n < 1_000; n++) groups.add(from(`made up ${n}`, 7, 'flooder'), hit(n))
  assert.equal(groups.size, 100)
  groups.add(from('x', 2, 'a'), hit(99))
  const told = []
  for (let n = 2_000; n < 2_100; n++) {
    for (const via of ['a', 'b']) {
      if (groups.add(from('y', 2, via), hit(n + (via === 'a' ? 0 : 500))) !== undefined) told.push(via)
    }
  }
  assert.equal(groups.size, 100)
  const numbers = groups.sorted('name').map(group => Number.parseInt(group.id, 16))
  assert.ok(numbers.includes(99), 'confirmed')
  const shares = [numbers.filter(n => n < 99).length, numbers.filter(n => n >= 2_500).length]
  for (const share of shares) assert.ok(Math.abs(share - 33) <= 1, String(shares))
  assert.ok(numbers.includes(0), 'the oldest stay')
  // back and forth between equals would never end
  assert.equal(groups.add(from('z', 2, 'a'), hit(9_000)), undefined)
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
