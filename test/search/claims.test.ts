import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FileId } from '../../protocols/core/ids.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import type { ProofResult } from '../../protocols/proof/handler.ts'
import { type Claim, Claims, claimLimits } from '../../src/search/claims.ts'

const peer = (name: string): Peer => name as Peer
const result = (number: number, size = 5) => ({
  index: number,
  id: number.toString(16).padStart(64, '0') as FileId,
  size
})
const proven = (size = 5): ProofResult => ({ type: 'proven', size })
const wrong: ProofResult = { type: 'wrong', reason: 'made up' }

function make(connected: string[] = []): Claims {
  return new Claims({ isConnected: peer => connected.includes(peer as string) })
}

/** Everything that may be asked at once, as `result holder`. */
function takeAll(claims: Claims): Claim[] {
  const taken: Claim[] = []
  for (let claim = claims.next(); claim !== undefined; claim = claims.next()) taken.push(claim)
  return taken
}

const named = ({ subject, holder }: Claim): string => `${subject.index} ${holder.peer}`
const look = (claims: Claims, number: number, holders: string[]): unknown[] => {
  const { holders: shown, proven, state } = claims.shownOf(number, holders)
  return [shown.join(), proven, state]
}

test('a result is checked, and proven by one proof of its size', () => {
  const claims = make()
  claims.add(result(1), peer('a'), 1, false)
  assert.deepEqual(look(claims, 1, ['a']), ['a', 0, 'checking'])
  const [claim] = takeAll(claims)
  assert.deepEqual(look(claims, 1, ['a']), ['a', 0, 'checking'])
  assert.equal(claims.isAsking, true)
  assert.equal(claims.settle(claim!, proven()), false)
  assert.deepEqual(claims.takeChanged(), [1])
  assert.deepEqual(look(claims, 1, ['a']), ['a', 1, 'proven'])
  assert.deepEqual([claims.isAsking, claims.isChecking], [false, false])
})

test('refusal and silence leave a result unproven, with its holder', () => {
  for (const type of ['refused', 'silent'] as const) {
    const claims = make()
    claims.add(result(1), peer('a'), 1, false)
    claims.settle(claims.next()!, { type })
    assert.deepEqual(claims.takeChanged(), [1])
    assert.deepEqual(look(claims, 1, ['a']), ['a', 0, 'unproven'])
    claims.add(result(1), peer('a'), 1, false)
    assert.equal(claims.next(), undefined, 'nobody is asked twice about one result')
  }
})

test('results without proof come first, then those with fewer, each in the order of its number', () => {
  const claims = make(['a', 'b', 'c', 'd', 'e'])
  for (const holder of ['a', 'b', 'c']) claims.add(result(1), peer(holder), 1, false)
  claims.add(result(2), peer('d'), 1, false)
  claims.add(result(3), peer('e'), 1, true)
  claims.add(result(3), peer('a'), 1, false)
  assert.deepEqual(takeAll(claims).map(named), ['1 a', '2 d', '1 b', '1 c'])
  assert.equal(claims.next(), undefined, 'a is asked one thing until it has answered')
})

test('a holder that answers is asked several things at a time, connected ones before others', () => {
  const claims = make(['near'])
  for (let i = 1; i <= 5; i++) {
    claims.add(result(i), peer('far'), 1, false)
    claims.add(result(i), peer('near'), 1, false)
  }
  const [first, second] = takeAll(claims)
  assert.deepEqual([named(first!), named(second!)], ['1 near', '2 far'])
  claims.settle(first!, proven())
  const more = takeAll(claims).map(named)
  assert.deepEqual(more, ['3 near', '4 near', '5 near', '2 near'])
  assert.equal(more.length, claimLimits.holderParallel)
})

test('who refused comes after who did not: made-up holders use up their own turns', () => {
  const claims = make()
  for (let i = 1; i <= 20; i++) claims.add(result(i), peer('empty'), 1, false)
  claims.settle(claims.next()!, { type: 'refused' })
  claims.add(result(21), peer('full'), 1, false)
  assert.equal(named(claims.next()!), '21 full')
})

test('who is silent is not asked again, so that it is dialled once', () => {
  const claims = make()
  for (let i = 1; i <= 3; i++) claims.add(result(i), peer('a'), 1, false)
  const asked = takeAll(claims)
  assert.equal(asked.length, 1)
  claims.settle(asked[0]!, { type: 'silent' })
  assert.equal(claims.next(), undefined)
  assert.deepEqual(claims.takeChanged(), [1, 2, 3])
  claims.add(result(4), peer('a'), 1, false)
  assert.equal(claims.next(), undefined)
  assert.deepEqual(look(claims, 4, ['a']), ['a', 0, 'unproven'])
})

test('a liar loses what it has not proven; what it has stays', () => {
  const claims = make()
  for (let i = 1; i <= 3; i++) claims.add(result(i), peer('a'), 1, false)
  claims.add(result(3), peer('b'), 1, false)
  claims.settle(claims.next()!, proven())
  const [two, three] = takeAll(claims)
  claims.settle(two!, wrong)
  claims.settle(three!, proven())
  assert.equal(claims.isLiar(peer('a')), true)
  assert.deepEqual(look(claims, 1, ['a']), ['a', 1, 'proven'])
  assert.deepEqual(look(claims, 2, ['a']), ['', 0, 'unproven'])
  assert.deepEqual(look(claims, 3, ['a', 'b']), ['b', 0, 'checking'])
})

test('a holder with the file in another size is none of this result', () => {
  const claims = make()
  claims.add(result(1, 5), peer('a'), 1, false)
  assert.equal(claims.settle(claims.next()!, proven(6)), true, 'the search hears of the other size')
  assert.deepEqual(look(claims, 1, ['a']), ['', 0, 'unproven'])

  const both = make()
  both.add(result(1, 5), peer('a'), 1, false)
  both.add({ ...result(1), index: 2, size: 6 }, peer('a'), 1, false)
  assert.equal(both.settle(both.next()!, proven(6)), false, 'it was named for that size too')
  assert.deepEqual(look(both, 2, ['a']), ['a', 1, 'proven'])
  assert.equal(both.next(), undefined)
})

test('three proofs are enough for a result, and after eight answers nobody else is asked', () => {
  const claims = make()
  for (let i = 0; i < 20; i++) claims.add(result(1), peer(`p${i}`), 1, false)
  for (let i = 0; i < claimLimits.wanted; i++) claims.settle(claims.next()!, proven())
  assert.equal(claims.next(), undefined)

  const refused = make()
  for (let i = 0; i < 20; i++) refused.add(result(1), peer(`p${i}`), 1, false)
  let asked = 0
  for (let claim = refused.next(); claim !== undefined; claim = refused.next()) {
    asked++
    refused.settle(claim, { type: 'refused' })
  }
  assert.equal(asked, claimLimits.perResult)
  assert.deepEqual(look(refused, 1, ['p0']), ['p0', 0, 'unproven'])
})

test('a search asks for so many proofs and no more; what is left is told to be unproven', () => {
  const claims = make()
  const results = claimLimits.perSearch + 50
  for (let i = 1; i <= results; i++) claims.add(result(i), peer(`p${i}`), 1, false)
  claims.takeChanged()
  assert.equal(takeAll(claims).length, claimLimits.perSearch)
  const changed = claims.takeChanged()
  assert.equal(changed.length, 50)
  for (const number of changed) assert.equal(claims.shownOf(number, ['x']).state, 'unproven')

  const one = make()
  for (let i = 1; i <= claimLimits.perHolder + 9; i++) one.add(result(i), peer('a'), 1, false)
  let asked = 0
  for (let claim = one.next(); claim !== undefined; claim = one.next()) {
    asked++
    one.settle(claim, proven())
  }
  assert.equal(asked, claimLimits.perHolder)
})

test('claims beyond the limit do not wait', () => {
  const claims = make()
  for (let i = 1; i <= claimLimits.maxWaiting + 1; i++) claims.add(result(i), peer(`p${i}`), 1, false)
  assert.equal(claims.shownOf(claimLimits.maxWaiting, ['x']).state, 'checking')
  assert.equal(claims.shownOf(claimLimits.maxWaiting + 1, ['x']).state, 'unproven')
})

test('when it is closed nothing is being checked any more', () => {
  const claims = make()
  claims.add(result(1), peer('a'), 1, false)
  claims.add(result(2), peer('a'), 1, false)
  claims.add(result(3), peer('b'), 1, true)
  claims.next()
  claims.takeChanged()
  claims.close()
  assert.deepEqual(claims.takeChanged().sort(), [1, 2])
  assert.equal(claims.isChecking, false)
  assert.deepEqual(look(claims, 3, ['b']), ['b', 1, 'proven'])
})
