import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { FileId } from '../../../protocols/core/ids.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import {
  type Bloom,
  bloomBits,
  bloomOf,
  emptyBloom,
  flipped,
  flipsBetween,
  hashKey
} from '../../../protocols/search/bloom.ts'
import { type SearchConfig, searchLimits } from '../../../protocols/search/config.ts'
import type { Query, SummaryMessage } from '../../../protocols/search/messages.ts'
import { a, Bench, b, c, hits, idOf, penalties, queries, query, report, sends, stranger, sum, toSend } from './bench.ts'

const own = (keys: readonly string[]): Bloom =>
  bloomOf(keys.map(hashKey), bloomBits(keys.length, searchLimits.summaryBits[0]!))

const summaryOf = (keys: readonly string[][], version = 1, base = 0): SummaryMessage => ({
  type: 'summary',
  version,
  base,
  levels: keys.map(list => ({ bits: 512, flips: flipsBetween(emptyBloom(512), bloomOf(list.map(hashKey), 512)) }))
})
const song: Query = { kind: 'words', text: 'song' }
/** A filter with so many of its bits set. */
const dense = (bits: number, share: number): SummaryMessage => ({
  type: 'summary',
  version: 1,
  base: 0,
  levels: [{ bits, flips: Uint32Array.from({ length: Math.floor(bits * share) }, (_, i) => i) }]
})

class SummaryBench extends Bench {
  #next = 100

  constructor(config: Partial<SearchConfig> = {}) {
    super({ summaryHops: 3, ...config })
  }

  /** Whom a query of `stranger`, a neighbour for once, is led to. */
  led(query: Query = song, want = 5): { id: string; to: [Peer, ttl: number][] } {
    const id = idOf(this.#next++)
    this.give({ type: 'neighbourUp', peer: stranger })
    const out = this.receive(stranger, {
      type: 'query',
      id,
      ttl: 4,
      hops: 0,
      width: 0,
      budget: 100,
      want,
      limit: 10,
      query
    })
    this.now += 1_000
    return { id, to: queries(out).map(({ to, message }) => [to, message.ttl]) }
  }
}

test('a query of width 0 goes where summaries show a match, as far as that', () => {
  const bench = new SummaryBench()
  bench.receive(a, summaryOf([[], [], ['song']]))
  bench.receive(b, summaryOf([['song'], ['song'], []]))
  bench.receive(c, summaryOf([['tune'], ['word'], []]))
  assert.deepEqual(bench.led().to, [
    [b, 1],
    [a, 3]
  ])
  assert.deepEqual(bench.led(song, 1).to, [[b, 1]], 'the nearest, and no more than are wanted')
  assert.deepEqual(bench.led({ kind: 'words', text: 'song tune' }).to, [], 'all keys in one place')
  assert.deepEqual(bench.led({ kind: 'words', text: 'son*' }).to, [], 'a beginning is no key')
  const id = 'ab'.repeat(32) as FileId
  bench.receive(c, summaryOf([[id], [], []], 2))
  assert.deepEqual(bench.led({ kind: 'id', id }).to, [[c, 1]])
})

test('walkers are sent only when nothing more is near', () => {
  const bench = new SummaryBench()
  bench.receive(b, summaryOf([['song'], [], []]))
  const id = idOf(1)
  const message = {
    type: 'query',
    id,
    ttl: 100,
    hops: 0,
    width: 1,
    budget: 100,
    want: 5,
    limit: 10,
    query: song
  } as const
  const first = queries(bench.receive(a, message))
  assert.deepEqual(
    first.map(({ to, message: { width, ttl } }) => [to, width, ttl]),
    [[b, 0, 1]]
  )
  const second = queries(bench.receive(b, report(id, 1, 0, { beyond: true })))
  assert.deepEqual(
    second.map(({ to, message: { width } }) => [to, width]),
    [[c, 1]]
  )
})

test('walkers wait for all that was sent where summaries show a match', () => {
  const d = 4 as Peer
  const bench = new SummaryBench()
  bench.give({ type: 'neighbourUp', peer: d })
  for (const near of [b, c]) bench.receive(near, summaryOf([['song'], [], []]))
  const given = query({ ttl: 100, width: 1, want: 2 })
  assert.deepEqual(
    queries(bench.receive(a, given))
      .map(({ to }) => to)
      .toSorted(),
    [b, c]
  )
  assert.deepEqual(bench.receive(b, report(given.id, 1, 0)), [])
  assert.deepEqual(
    queries(bench.receive(c, report(given.id, 1, 0))).map(({ to, message }) => [to, message.width]),
    [[d, 1]]
  )
})

test('a filter with most of its bits set is not followed, nor passed on', () => {
  for (const [share, follows] of [
    [0.59, true],
    [0.61, false],
    [1, false]
  ] as const) {
    const bench = new SummaryBench()
    bench.receive(a, dense(512, share))
    // bits from the first on: a query whose bits are among them
    const text = Array.from({ length: 1_000 }, (_, i) => `w${i}`).find(word =>
      flipsBetween(emptyBloom(512), own([word])).every(bit => bit < 512 * 0.59)
    )!
    assert.deepEqual(bench.led({ kind: 'words', text }).to, follows ? [[a, 1]] : [])
    bench.now += 10_000
    const told = sends(bench.give({ type: 'tick' })).find(({ to }) => to === b)?.message
    assert.ok(told?.type === 'summary')
    assert.equal(told.levels[1]!.flips.length > 0, follows)
  }
})

test('a summary that cannot be applied is not, and the whole is asked for', () => {
  const bench = new SummaryBench()
  const wanted = [toSend(a, { type: 'summaryWanted' })]
  bench.receive(a, summaryOf([['song'], [], []], 7))
  assert.deepEqual(bench.receive(a, summaryOf([['song'], [], []], 9, 8)), wanted, 'of a version that was not heard')
  const larger = { ...summaryOf([[], [], []], 8, 7), levels: [{ bits: 1_024, flips: Uint32Array.of(1) }] }
  assert.deepEqual(bench.receive(a, larger), wanted, 'of another size')
  const deeper = summaryOf([[], [], []], 8, 7)
  bench.receive(b, summaryOf([['tune']], 7))
  assert.deepEqual(bench.receive(b, deeper), [toSend(b, { type: 'summaryWanted' })], 'of levels that were not heard')
  assert.deepEqual(bench.led().to, [[a, 1]], 'what was heard before stands')
  assert.deepEqual(bench.receive(a, summaryOf([['song'], [], []], 8, 7)), [])
  assert.deepEqual(bench.led().to, [], 'the same bits turn back')
})

test('what a stranger or a lost neighbour says is not kept', () => {
  const bench = new SummaryBench()
  assert.deepEqual(bench.receive(7 as Peer, summaryOf([['song'], [], []])), [])
  bench.give({ type: 'neighbourUp', peer: 7 as Peer })
  assert.deepEqual(bench.led().to, [])
  bench.receive(a, summaryOf([['song'], [], []]))
  bench.give({ type: 'neighbourDown', peer: a })
  bench.give({ type: 'neighbourUp', peer: a })
  assert.deepEqual(bench.led().to, [])
})

test('a neighbour whose matches come to nothing is not believed after 32 of them; it is while some do', () => {
  const follow = (outcome: (bench: SummaryBench, id: string, i: number) => void): number => {
    const bench = new SummaryBench({ queries: { rate: 1_000, burst: 1_000 } })
    bench.receive(a, summaryOf([['song'], [], []]))
    for (let i = 0; i < 600; i++) {
      const { id, to } = bench.led()
      if (to.length === 0) return i
      outcome(bench, id, i)
    }
    return 600
  }
  const { summaryTrials } = searchLimits
  const empty = (bench: SummaryBench, id: string): unknown => bench.receive(a, report(id, 1, 0))
  const full = (bench: SummaryBench, id: string): unknown =>
    bench.receive(a, hits({ id, holder: 7 as Peer, report: sum(1, 0) }))
  assert.equal(follow(empty), summaryTrials)
  assert.equal(
    follow((bench, id, i) => (i % 10 === 0 ? full(bench, id) : empty(bench, id))),
    600
  )
  assert.equal(follow((bench, id, i) => (i < 40 ? full(bench, id) : empty(bench, id))) < 500, true, 'old merits fade')
  // a report of 0 peers: it was known there already, which says nothing
  assert.equal(
    follow((bench, id) => bench.receive(a, report(id, 0, 0))),
    600
  )
  // silence is no match either
  assert.equal(
    follow(bench => {
      bench.now += 5_000
      bench.give({ type: 'tick' })
    }),
    summaryTrials
  )
})

test('summaries beyond the rate are dropped, and blamed on nobody', () => {
  const bench = new SummaryBench({ summaries: { rate: 0.1, burst: 3 } })
  for (let version = 1; version <= 3; version++) bench.receive(a, summaryOf([[], [], []], version))
  const out = [4, 5, 6].flatMap(version => bench.receive(a, summaryOf([['song'], [], []], version)))
  assert.deepEqual([sends(out), penalties(out)], [[], []])
  assert.deepEqual(bench.led().to, [])
  assert.equal(bench.receive(b, summaryOf([['song'], [], []], 4)).length, 0)
  assert.deepEqual(bench.led().to, [[b, 1]], 'each has its own')
  bench.now += 10_000
  bench.receive(a, summaryOf([['song'], [], []], 7))
  assert.deepEqual(bench.led().to.toSorted(), [
    [a, 1],
    [b, 1]
  ])
})

test('asking for the whole again and again gets no more than one in a minute', () => {
  const bench = new SummaryBench()
  bench.now += 10_000
  assert.equal(sends(bench.give({ type: 'tick' })).length, 3)
  let told = 0
  for (let second = 0; second < 600; second++) {
    bench.receive(a, { type: 'summaryWanted' })
    bench.now += 1_000
    told += sends(bench.give({ type: 'tick' })).filter(({ message }) => message.type === 'summary').length
  }
  assert.ok(told >= 5 && told <= 10, `${told}`)
})

test('a machine takes any sequence of summaries, and its own can always be read', () => {
  const message = fc.record({
    from: fc.constantFrom(a, b, c),
    version: fc.integer({ min: 1, max: 3 }),
    base: fc.integer({ min: 0, max: 3 }),
    logs: fc.array(fc.integer({ min: 9, max: 13 }), { minLength: 1, maxLength: 3 }),
    seed: fc.nat(),
    wait: fc.integer({ min: 0, max: 100_000 })
  })
  fc.assert(
    fc.property(fc.array(message, { maxLength: 30 }), list => {
      const bench = new SummaryBench()
      const told = new Map<Peer, { version: number; levels: Bloom[] }>()
      for (const { from, version, base, logs, seed, wait } of list) {
        const rng = seededRng(seed)
        const levels = logs.map(log => {
          const flips = rng.sample(
            Array.from({ length: 2 ** log }, (_, i) => i),
            rng.below(200)
          )
          return { bits: 2 ** log, flips: Uint32Array.from(flips).sort() }
        })
        bench.receive(from, { type: 'summary', version, base, levels })
        bench.now += wait
        for (const { to, message } of sends(bench.give({ type: 'tick' }))) {
          assert.ok(message.type === 'summary')
          const before = told.get(to)
          assert.ok(message.base === 0 || message.base === before?.version)
          const filters = message.levels.map(({ bits, flips }, i) =>
            flipped(message.base === 0 ? emptyBloom(bits) : before!.levels[i]!, flips)
          )
          for (const [i, { bits }] of message.levels.entries()) assert.equal(filters[i]!.length * 32, bits)
          told.set(to, { version: message.version, levels: filters })
        }
      }
    })
  )
})

test('a neighbour that comes again is told the whole in a version that it cannot have from before', () => {
  const bench = new SummaryBench()
  const versions = Array.from({ length: 3 }, () => {
    bench.give({ type: 'neighbourDown', peer: a })
    bench.give({ type: 'neighbourUp', peer: a })
    bench.now += 10_000
    const [told] = sends(bench.give({ type: 'tick' })).filter(({ to }) => to === a)
    assert.ok(told?.message.type === 'summary' && told.message.base === 0)
    return told.message.version
  })
  assert.equal(new Set(versions).size, 3)
})
