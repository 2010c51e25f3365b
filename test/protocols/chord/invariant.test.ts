import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  isIdeal,
  principalsOf,
  type RingView,
  violationsOf,
  violationText
} from '../../../protocols/chord/invariant.ts'
import type { Place } from '../../../protocols/chord/ring.ts'
import { RingWatch } from '../../../protocols/chord/ring-watch.ts'
import { isBetween, type RingId } from '../../../protocols/core/keyspace.ts'
import type { Peer } from '../../../protocols/core/peer.ts'

const idOf = (peer: Peer): RingId => peer.toString(16).padStart(64, '0') as RingId
const peers = (list: readonly number[]): Peer[] => list as unknown as Peer[]

/** By node: predecessor, then the list. */
type Places = Record<number, [number | undefined, number[]]>

function viewOf(places: Places, length = 2, leastPrincipals?: number): RingView {
  const members = Object.entries(places).map(([peer, [predecessor, successors]]) => ({
    peer: Number(peer) as Peer,
    place: { predecessor: predecessor as Peer | undefined, successors: peers(successors) }
  }))
  return leastPrincipals === undefined ? { members, idOf, length } : { members, idOf, length, leastPrincipals }
}

const textsOf = (view: RingView): string[] => violationsOf(view).map(violation => violationText(violation))

const IDEAL: Places = { 0: [3, [1, 2]], 1: [0, [2, 3]], 2: [1, [3, 0]], 3: [2, [0, 1]] }

describe('violationsOf', () => {
  const sound: [string, Places, number?][] = [
    ['nobody', {}],
    ['one alone', { 0: [undefined, []] }],
    ['one that is left', { 0: [7, [7, 8]] }],
    ['one alone that another enters behind', { 0: [undefined, []], 1: [0, [0]] }],
    ['one alone that two enter behind', { 0: [1, []], 1: [0, [0]], 2: [0, [0]] }],
    ['two', { 0: [1, [1]], 1: [0, [0]] }],
    ['four', IDEAL, 3],
    ['one that has not joined', { ...IDEAL, 5: [undefined, []] }, 3],
    ['one that nobody knows yet', { ...IDEAL, 5: [3, [0, 1]] }, 3],
    ['a ring around a dead node', { 0: [3, [1, 2]], 2: [1, [3, 0]], 3: [2, [0, 1]] }, 3]
  ]
  for (const [name, places, least] of sound) {
    test(`sound: ${name}`, () => assert.deepEqual(textsOf(viewOf(places, 2, least)), []))
  }

  const broken: [string, Places, string[], number?][] = [
    [
      'a list of the dead',
      { ...IDEAL, 1: [0, [8, 9]] },
      [
        '1 has no successor that is there',
        'there is no ring',
        '0 does not lead to the ring',
        '1 does not lead to the ring',
        '2 does not lead to the ring',
        '3 does not lead to the ring',
        'lists skip all but [0 1]; there must be 3 that none skips'
      ],
      3
    ],
    [
      'an appendage that is lost',
      { ...IDEAL, 5: [3, [6]] },
      ['5 has no successor that is there', '5 does not lead to the ring']
    ],
    [
      'two rings',
      { 0: [2, [2]], 1: [3, [3]], 2: [0, [0]], 3: [1, [1]] },
      ['there are 2 rings: [0 2] [1 3]', 'lists skip all but []; there must be 1 that none skips']
    ],
    [
      'two alone',
      { 0: [1, []], 1: [0, []] },
      ['there are 2 rings: [0] [1]', 'lists skip all but []; there must be 1 that none skips']
    ],
    [
      'a ring that goes around twice',
      { 0: [3, [2]], 1: [2, [3]], 2: [0, [1]], 3: [1, [0]] },
      ['the ring is out of order: [0 2 1 3]', 'lists skip all but []; there must be 1 that none skips']
    ],
    [
      'a list out of order',
      { ...IDEAL, 0: [3, [2, 1]] },
      ['the list of 0 is out of order: [2 1]', 'lists skip all but [2]; there must be 3 that none skips'],
      3
    ],
    [
      'a node in its own list',
      { ...IDEAL, 3: [2, [0, 3]] },
      ['3 is in its own list', 'lists skip all but [0 3]; there must be 3 that none skips'],
      3
    ],
    [
      'a node twice',
      { ...IDEAL, 3: [2, [0, 0]] },
      ['3 has 0 in its list twice', 'lists skip all but [0]; there must be 3 that none skips'],
      3
    ],
    ['a list that is too long', { ...IDEAL, 3: [2, [0, 1, 2]] }, ['3 has a list of 3']],
    [
      'lists that skip',
      { 0: [4, [2, 4]], 2: [0, [4, 0]], 4: [3, [0, 2]], 1: [0, [2, 4]], 3: [2, [4, 0]] },
      ['lists skip all but [0 2 4]; there must be 4 that none skips'],
      4
    ]
  ]
  for (const [name, places, texts, least] of broken) {
    test(`broken: ${name}`, () => assert.deepEqual(textsOf(viewOf(places, 2, least)), texts))
  }
})

test('isIdeal', () => {
  assert.ok(isIdeal(viewOf({})))
  assert.ok(isIdeal(viewOf({ 4: [undefined, []] })))
  assert.ok(isIdeal(viewOf({ 0: [1, [1]], 1: [0, [0]] })))
  assert.ok(isIdeal(viewOf(IDEAL)))
  assert.ok(isIdeal(viewOf({ ...IDEAL, 9: [undefined, []] })))
  assert.ok(!isIdeal(viewOf(IDEAL, 3)))
  assert.ok(!isIdeal(viewOf({ ...IDEAL, 1: [3, [2, 3]] })))
  assert.ok(!isIdeal(viewOf({ ...IDEAL, 1: [0, [2]] })))
  assert.ok(!isIdeal(viewOf({ ...IDEAL, 5: [3, [0, 1]] })))
})

/** Nodes below 12, some with lists as they should be and some with any: the one alone would be nearly always broken. */
const anyView = fc
  .record({
    there: fc.uniqueArray(fc.nat(11), { maxLength: 9 }),
    lists: fc.array(fc.array(fc.nat(11), { maxLength: 4 }), { minLength: 12, maxLength: 12 }),
    wild: fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 12, maxLength: 12 }),
    length: fc.integer({ min: 1, max: 3 }),
    least: fc.integer({ min: 0, max: 4 })
  })
  .map(({ there, lists, wild, length, least }): RingView => {
    const order = there.toSorted((a, b) => a - b)
    const places: Places = {}
    order.forEach((node, rank) => {
      const right = [...order.slice(rank + 1), ...order.slice(0, rank)].slice(0, length)
      const kind = wild[node] as number
      const list = kind < 6 ? right : kind < 8 ? right.slice(kind - 6) : (lists[node] as number[])
      places[node] = [kind === 5 ? undefined : order.at(rank - 1), list]
    })
    return viewOf(places, length, least)
  })

test('violations are those that are found by definition', () => {
  fc.assert(
    fc.property(anyView, view => {
      assert.deepEqual(new Set(principalsOf(view)), new Set(naivePrincipals(view)))
      assert.equal(violationsOf(view).length === 0, naiveIsSound(view))
    }),
    { numRuns: 2_000 }
  )
})

test('a watch knows after every change what a check in full finds', () => {
  const change = fc.record({ view: anyView, order: fc.array(fc.nat(11), { maxLength: 12 }), gone: fc.nat(11) })
  fc.assert(
    fc.property(fc.array(change, { maxLength: 6 }), changes => {
      const watch = new RingWatch({ idOf, length: 2, leastPrincipals: 3 })
      const check = (): void => {
        assert.equal(watch.principalCount, principalsOf(watch.view()).length)
        assert.deepEqual(watch.violations(), violationsOf(watch.view()))
        assert.equal(watch.isSound, violationsOf(watch.view()).length === 0)
      }
      for (const { view, order, gone } of changes) {
        const places = new Map(view.members.map(({ peer, place }) => [peer, place]))
        for (const node of [...order, ...places.keys()] as Peer[]) {
          const place = places.get(node)
          if (place === undefined) watch.remove(node)
          else watch.set(node, place)
          check()
        }
        watch.remove(gone as Peer)
        check()
      }
    }),
    { numRuns: 500 }
  )
})

test('a watch over 1,000 nodes: changes at many of them cost less than a few checks in full', () => {
  const count = 1_000
  const length = 16
  const place = (node: number): Place => ({
    predecessor: ((node + count - 1) % count) as Peer,
    successors: peers(Array.from({ length }, (_, i) => (node + i + 1) % count))
  })
  let asked = 0
  const watch = new RingWatch({
    idOf: peer => {
      asked++
      return idOf(peer)
    },
    length,
    leastPrincipals: length + 1
  })
  for (let node = 0; node < count; node++) watch.set(node as Peer, place(node))
  assert.ok(watch.isSound)
  assert.equal(watch.principalCount, count)
  asked = 0
  for (let node = 0; node < count; node += 10) {
    watch.remove(node as Peer)
    watch.set(node as Peer, place(node))
  }
  assert.ok(watch.isSound)
  // each time its list goes and comes: by node, not by how many there are
  assert.ok(asked < (count / 10) * 6 * (length + 2), `${asked} ids`)
  assert.ok(isIdeal(watch.view()))
})

function naiveMembers({ members }: RingView): RingView['members'] {
  return members.filter(
    ({ peer, place }) =>
      place.successors.length > 0 ||
      place.predecessor !== undefined ||
      members.some(other => other.place.successors.includes(peer) || other.place.predecessor === peer)
  )
}

function naivePrincipals(view: RingView): Peer[] {
  const members = naiveMembers(view)
  const skips = ({ peer, place }: RingView['members'][number], at: Peer): boolean => {
    const list = [peer, ...(place.successors.length === 0 ? [peer] : place.successors)]
    return list.slice(1).some((b, i) => isBetween(idOf(list[i] as Peer), idOf(at), idOf(b)))
  }
  return members.map(({ peer }) => peer).filter(peer => !members.some(member => skips(member, peer)))
}

function naiveIsSound(view: RingView): boolean {
  const members = naiveMembers(view)
  if (members.length === 0) return true
  const there = members.map(({ peer }) => peer as number)
  const next = new Map<number, number>()
  for (const { peer, place } of members) {
    const list = place.successors as readonly unknown[] as number[]
    const turns = list.map(successor => (successor - (peer as number) + 16) % 16)
    if (list.length > view.length || turns.some((turn, i) => turn <= (turns[i - 1] ?? 0))) return false
    const best = list.length === 0 || there.length === 1 ? (peer as number) : list.find(node => there.includes(node))
    if (best === undefined) return false
    next.set(peer as number, best)
  }
  // after as many steps as there are nodes everyone is on the ring, and it is one that goes around once
  const ends = there.map(node => there.reduce(at => next.get(at) as number, node))
  const ring = new Set<number>()
  let turned = 0
  for (let at = ends[0] as number; !ring.has(at); at = next.get(at) as number) {
    ring.add(at)
    turned += (((next.get(at) as number) - at + 15) % 16) + 1
  }
  if (turned !== 16 || ends.some(end => !ring.has(end))) return false
  return naivePrincipals(view).length >= Math.min(view.leastPrincipals ?? 1, there.length)
}
