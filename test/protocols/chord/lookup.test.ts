import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Lookup, type Question } from '../../../protocols/chord/lookup.ts'
import type { Hop } from '../../../protocols/chord/messages.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { idOf, keyAt, peers } from './ids.ts'

const SELF = 10 as Peer
const NOBODY: Hop = { role: 'way', predecessor: undefined, before: [], after: [] }

const way = (hop: Partial<Hop>): Hop => ({ ...NOBODY, ...hop })
const owner = (predecessor: number | undefined, ...after: number[]): Hop => ({
  role: 'owner',
  predecessor: predecessor as Peer | undefined,
  before: [],
  after: peers(...after)
})

function lookup(key: number, start: Partial<Hop>, options: { contact?: boolean; isOutside?: boolean } = {}): Lookup {
  const { contact = false, isOutside = false } = options
  return new Lookup({ self: SELF, idOf, key: keyAt(key), start: way(start), knowsWay: !contact, isOutside })
}

const asked = (question: Question | undefined): string =>
  question === undefined ? 'nobody' : `${question.peer}${question.asOwner ? ' as owner' : ''}`

test('it goes nearer hop by hop, and ends with the word of the owner', () => {
  const way1 = lookup(100, { before: peers(60, 50) })
  assert.equal(asked(way1.next()), '60')
  way1.onHop(60 as Peer, way({ before: peers(90, 80) }))
  assert.equal(asked(way1.next()), '90')
  way1.onHop(90 as Peer, way({ after: peers(105, 110) }))
  assert.equal(asked(way1.next()), '105 as owner')
  way1.onHop(105 as Peer, owner(90, 110, 120))
  assert.deepEqual(way1.found, {
    owner: 105,
    isCopy: false,
    predecessor: 90,
    successors: peers(110, 120),
    via: 90,
    hops: 3
  })
  assert.equal(asked(way1.next()), 'nobody')
})

test('a node that has joined since is asked in place of the one that was taken for the owner', () => {
  const key = lookup(100, { after: peers(110, 120) })
  assert.equal(asked(key.next()), '110 as owner')
  key.onHop(110 as Peer, way({ predecessor: 104 as Peer, before: peers(60) }))
  assert.equal(asked(key.next()), '104 as owner')
  key.onHop(104 as Peer, owner(60))
  assert.equal(key.found?.owner, 104)
})

test('past a dead owner the next one is asked as the owner, one that is only late does not make it that', () => {
  const late = lookup(100, { after: peers(105, 110, 120) })
  assert.equal(asked(late.next()), '105 as owner')
  assert.equal(asked(late.next()), '110')
  late.onHop(110 as Peer, way({ predecessor: 105 as Peer }))
  assert.equal(asked(late.next()), 'nobody', 'nobody is nearer, and whoever is farther cannot be the owner')
  late.onLost(105 as Peer)
  assert.equal(asked(late.next()), '110 as owner', 'now it is told that its predecessor does not answer')
  late.onHop(110 as Peer, owner(undefined, 120))
  assert.equal(late.found?.owner, 110)
})

test('an owner that has the key in its arc is believed whoever else is silent', () => {
  const key = lookup(100, { after: peers(105, 110) })
  key.next()
  assert.equal(asked(key.next()), '110')
  key.onHop(110 as Peer, owner(99, 120))
  assert.equal(key.found?.owner, 110)
})

test('an owner whose predecessor is past the key is not believed', () => {
  const key = lookup(100, { after: peers(110) })
  key.next()
  key.onHop(110 as Peer, owner(105))
  assert.equal(key.found, undefined)
})

test('who named only the dead is asked again, and told who they are', () => {
  const key = lookup(100, { before: peers(90) })
  key.next()
  key.onHop(90 as Peer, way({ after: peers(105, 110) }))
  for (const dead of peers(105, 110)) {
    key.next()
    key.onLost(dead)
  }
  assert.equal(asked(key.next()), '90')
  assert.deepEqual(key.lost, peers(105, 110))
  key.onHop(90 as Peer, way({ after: peers(120) }))
  assert.equal(asked(key.next()), '120 as owner')
  key.onLost(120 as Peer)
  assert.equal(asked(key.next()), '90')
  key.onHop(90 as Peer, NOBODY)
  assert.equal(asked(key.next()), 'nobody')
})

test('hops that lead away from the key, or nowhere new, are not followed', () => {
  const key = lookup(100, { before: peers(60) })
  key.next()
  key.onHop(60 as Peer, way({ before: peers(40, 60, 120, 80) }))
  assert.equal(asked(key.next()), '80')
  assert.equal(asked(key.next()), 'nobody')
})

test('nobody who was not asked says anything', () => {
  const key = lookup(100, { before: peers(60) })
  key.onHop(105 as Peer, owner(60))
  assert.equal(key.found, undefined)
})

test('a liar that always knows somebody nearer does not keep it going', () => {
  const key = lookup(255, { before: peers(11) })
  let questions = 0
  for (let question = key.next(); question !== undefined; question = key.next()) {
    questions++
    const place = question.peer as number
    key.onHop(question.peer, way({ before: peers(place + 1, place + 2, place + 3, place + 4, place + 5) }))
  }
  assert.equal(questions, 64)
})

test('a foreign ring that takes us for the owner of our own id has us on it', () => {
  const own = lookup(10, { before: peers(200) }, { contact: true })
  assert.equal(asked(own.next()), '200')
  own.onHop(200 as Peer, way({ after: peers(10, 20) }))
  assert.equal(asked(own.next()), '10 as owner')
  own.onHop(SELF, owner(200, 20))
  assert.equal(own.found?.owner, SELF)
})

test('who is outside of the ring looks for the place behind it, though some still name it', () => {
  const own = lookup(10, { before: peers(200) }, { contact: true, isOutside: true })
  assert.equal(asked(own.next()), '200')
  assert.deepEqual(own.lost, [SELF])
  own.onHop(200 as Peer, way({ after: peers(10, 20) }))
  assert.equal(asked(own.next()), '20 as owner')
  own.onHop(20 as Peer, owner(undefined, 30))
  assert.deepEqual([own.found?.owner, own.found?.via], [20, 200])
})
