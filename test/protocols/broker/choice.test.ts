import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Candidate, choose, type Domains, shareDomain } from '../../../protocols/broker/choice.ts'
import { type Copy, counted, isCrowded, keptOf, surplusOf } from '../../../protocols/broker/surplus.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { seededRng } from '../../../protocols/core/rng.ts'

function candidate(peer: number, change: Partial<Candidate> = {}): Candidate {
  return {
    peer: peer as Peer,
    domains: { claimed: `d${peer}`, seen: undefined },
    bytes: 1_000,
    usedBytes: 0,
    uptimeMs: 86_400_000,
    uploadBytesPerS: 1_000_000,
    load: 0,
    trust: 1,
    isHearsay: false,
    ...change
  }
}

/** Who is chosen how often of 200 times. */
function drawn(candidates: Candidate[], size: number, taken: Domains[] = []): Map<number, number> {
  const rng = seededRng(1)
  const counts = new Map<number, number>()
  for (let i = 0; i < 200; i++) {
    const choice = choose(candidates, { size, taken, rng })
    assert.ok(choice.type === 'host')
    const peer = choice.candidate.peer as number
    counts.set(peer, (counts.get(peer) ?? 0) + 1)
  }
  return counts
}

const at = (claimed: string, seen?: string): Domains => ({ claimed, seen })

test('domains are shared when either what is said or what is seen is the same; what is not known is not shared', () => {
  for (const [a, b, isShared] of [
    [at('x'), at('x'), true],
    [at('x'), at('y'), false],
    [at(''), at(''), false],
    [at('x', '10.0'), at('y', '10.0'), true],
    [at('x', '10.0'), at('x', '10.1'), true],
    [at('', undefined), at('', undefined), false]
  ] as const) {
    assert.equal(shareDomain(a, b), isShared, JSON.stringify([a, b]))
  }
})

const CHOICES: [string, Candidate[], number, Domains[], unknown][] = [
  ['nobody', [], 10, [], 'noHosts'],
  ['too full', [candidate(1, { usedBytes: 995 }), candidate(2, { usedBytes: 993 })], 10, [], 'noRoom 3'],
  ['the emptier one', [candidate(1, { usedBytes: 500 }), candidate(2, { usedBytes: 400 })], 10, [], 2],
  ['of two as empty the larger', [candidate(1, { bytes: 100 }), candidate(2)], 10, [], 2],
  ['apart before empty', [candidate(1), candidate(2, { usedBytes: 900 })], 10, [at('d1')], 2],
  ['seen together, said apart', [candidate(1, { domains: at('a', 's') }), candidate(2)], 10, [at('b', 's')], 2],
  ['crowded when it must be', [candidate(1)], 10, [at('d1')], '1 crowded'],
  ['no trust', [candidate(1, { trust: 0.1 }), candidate(2, { usedBytes: 800 })], 10, [], 2],
  ['nobody to trust', [candidate(1, { trust: 0.1 })], 10, [], 1],
  ['hearsay of the same', [candidate(1, { isHearsay: true }), candidate(2, { usedBytes: 10 })], 10, [], 2],
  ['hearsay of one much emptier', [candidate(1, { isHearsay: true }), candidate(2, { usedBytes: 100 })], 10, [], 1]
]

for (const [name, candidates, size, taken, expected] of CHOICES) {
  test(`choice: ${name}`, () => {
    const choice = choose(candidates, { size, taken, rng: seededRng(1) })
    if (choice.type === 'host') {
      const { candidate: chosen, isCrowded: isTogether } = choice
      assert.equal(isTogether ? `${chosen.peer} crowded` : chosen.peer, expected)
    } else assert.equal(choice.type === 'noRoom' ? `noRoom ${choice.missingBytes}` : choice.type, expected)
  })
}

test('when it has to be apart there may be nobody', () => {
  const options = { size: 1, taken: [at('d1')], rng: seededRng(1), isStrict: true }
  assert.equal(choose([candidate(1)], options).type, 'noHosts')
  assert.equal(choose([candidate(1), candidate(2)], options).type, 'host')
})

test('among those as empty all are drawn, the better ones more often', () => {
  const weak = { uptimeMs: 20_000_000, uploadBytesPerS: 500_000, load: 0.5 }
  const counts = drawn([candidate(1), candidate(2), candidate(3, weak), candidate(4, { trust: 0.5 })], 1)
  assert.deepEqual([...counts.keys()].sort(), [1, 2, 3, 4])
  const [good, worst, doubtful] = [counts.get(1) ?? 0, counts.get(3) ?? 0, counts.get(4) ?? 0]
  assert.ok(good > 2 * worst && good > doubtful && doubtful > worst, JSON.stringify([...counts]))
})

const DOMAINS = ['a', 'b', 'c', 'd']
const anyDomains = fc.record({
  claimed: fc.constantFrom('', ...DOMAINS),
  seen: fc.constantFrom(undefined, ...DOMAINS)
})

test('property: whoever is chosen has room, and lies apart if anybody with room does', () => {
  const anyCandidate = fc.record({
    peer: fc.integer({ min: 0, max: 50 }).map(peer => peer as Peer),
    domains: anyDomains,
    bytes: fc.integer({ min: 1, max: 1_000 }),
    usedBytes: fc.integer({ min: 0, max: 1_000 }),
    uptimeMs: fc.nat(),
    uploadBytesPerS: fc.nat(),
    load: fc.double({ min: 0, max: 1, noNaN: true }),
    trust: fc.double({ min: 0, max: 1, noNaN: true }),
    isHearsay: fc.boolean()
  })
  fc.assert(
    fc.property(fc.array(anyCandidate), fc.array(anyDomains), fc.nat(500), fc.nat(), (all, taken, size, seed) => {
      const choice = choose(all, { size, taken, rng: seededRng(seed) })
      const roomy = all.filter(({ bytes, usedBytes }) => bytes - usedBytes >= size)
      const isApart = ({ domains }: Candidate): boolean => !taken.some(other => shareDomain(domains, other))
      assert.equal(choice.type, all.length === 0 ? 'noHosts' : roomy.length === 0 ? 'noRoom' : 'host')
      if (choice.type !== 'host') return
      assert.ok(roomy.includes(choice.candidate))
      assert.equal(choice.isCrowded, !roomy.some(isApart))
      assert.equal(isApart(choice.candidate), !choice.isCrowded)
    })
  )
})

const anyCopies = fc.uniqueArray(
  fc.record({
    host: fc.integer({ min: 0, max: 20 }).map(peer => peer as Peer),
    state: fc.constantFrom('fetching', 'held', 'leaving'),
    domains: anyDomains,
    isLive: fc.boolean(),
    since: fc.nat(5),
    weight: fc.nat(5)
  }),
  { selector: ({ host }) => host, maxLength: 12 }
) as fc.Arbitrary<Copy[]>

test('property: what is released leaves as many complete copies as are wanted, as far apart as all were', () => {
  fc.assert(
    fc.property(anyCopies, fc.integer({ min: 1, max: 5 }), (copies, wanted) => {
      const surplus = surplusOf(copies, wanted)
      const held = counted(copies).filter(({ state }) => state === 'held')
      const left = held.filter(copy => !surplus.includes(copy))
      assert.equal(left.length, Math.min(held.length, wanted))
      assert.equal(isCrowded(left), isCrowded(keptOf(held, wanted)))
      assert.ok(surplus.every(({ isLive }) => isLive))
      const goesOn = counted(copies).filter(copy => !surplus.includes(copy))
      assert.ok(goesOn.length <= wanted + 1)
      assert.ok(goesOn.length >= Math.min(wanted, counted(copies).length))
      if (surplus.some(({ state }) => state === 'leaving')) assert.ok(held.length >= wanted)
    })
  )
})

test('property: the choice of what goes does not depend on the order in which copies are known', () => {
  const anyOrder = fc.tuple(anyCopies, fc.nat(), fc.integer({ min: 1, max: 5 }))
  fc.assert(
    fc.property(anyOrder, ([copies, seed, wanted]) => {
      // ties in everything do not occur: weights are hashes
      const distinct = copies.map((copy, i) => ({ ...copy, weight: i }))
      const hosts = (some: readonly Copy[]): Peer[] => surplusOf(some, wanted).map(({ host }) => host)
      const other = seededRng(seed).sample(distinct, distinct.length)
      assert.deepEqual(new Set(hosts(other)), new Set(hosts(distinct)))
    })
  )
})

test('a copy that is being made stays while it is the one that lies apart', () => {
  const copy = (host: number, state: Copy['state'], claimed: string): Copy => ({
    host: host as Peer,
    state,
    domains: at(claimed),
    isLive: true,
    since: host,
    weight: 0
  })
  const together = [copy(1, 'held', 'a'), copy(2, 'held', 'a')]
  assert.deepEqual(surplusOf([...together, copy(3, 'fetching', 'b')], 2), [])
  assert.deepEqual(
    surplusOf([...together, copy(3, 'fetching', 'a')], 2).map(({ host }) => host),
    [3]
  )
  assert.deepEqual(
    surplusOf([...together, copy(3, 'held', 'b')], 2).map(({ host }) => host),
    [2]
  )
})
