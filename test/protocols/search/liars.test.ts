import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Peer } from '../../../protocols/core/peer.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import { bloomOf, emptyBloom, flipsBetween, hashKey } from '../../../protocols/search/bloom.ts'
import { type SearchConfig, searchConfig, searchLimits } from '../../../protocols/search/config.ts'
import type { QueryMessage, Report, SearchMessage } from '../../../protocols/search/messages.ts'
import { hits, report } from './bench.ts'
import { type Edges, randomRegular, tree } from './graphs.ts'
import { again, fileOf, StaticNetwork, seedOfTest } from './network.ts'

const repeat = again('liars.test.ts')
const everybody = (n: number): Set<number> => new Set(Array.from({ length: n }, (_, i) => i))
const liar = 1 as Peer
const searcher = 0

/** The searcher's neighbours are the liar and two others; an honest holder is behind one of these. */
const small: Edges = [
  [0, 1],
  [0, 2],
  [0, 3],
  [3, 4]
]

test('hits in the name of an honest holder take nothing from its own, which come by another way', () => {
  const holder = 4
  const forged = Array.from({ length: 100 }, (_, i) => ({ ...fileOf(holder), size: i }))
  const it = withLiar(small, new Set([holder]), ({ id }) =>
    Array.from({ length: 5 }, () => hits({ id, holder: holder as Peer, hits: forged }))
  )
  const outcome = it.search(searcher, { limit: 100 })
  assert.equal(outcome.found.length, 100 + 1)
  assert.deepEqual(
    outcome.via.filter(([, via]) => via !== (liar as number)),
    [[holder, 3]]
  )
})

test('a liar on the way cannot use up what a holder behind it, or beside it, may say to the searcher', () => {
  const it = withLiar(small, new Set([2, 4]), ({ id }) =>
    Array.from({ length: 3 * searchConfig.maxHolders }, (_, i) =>
      hits({ id, holder: (100 + i) as Peer, hits: [fileOf(100 + i)] })
    )
  )
  const { found } = it.search(searcher)
  assert.equal(found.filter(([holder]) => holder >= 100).length, searchConfig.maxHolders)
  assert.deepEqual(
    found
      .map(([holder]) => holder)
      .filter(holder => holder < 100)
      .toSorted(),
    [2, 4]
  )
})

const HUGE = { peers: searchLimits.maxReportedPeers, messages: searchLimits.maxReportedMessages }
const lies: [string, Partial<Report>][] = [
  ['has spent nothing of it', { peers: 0, messages: 0, more: true }],
  ['has spent one, and would go on', { peers: 1, messages: 1, more: true }],
  ['has spent more than there is', { ...HUGE, more: true }],
  ['has spent more than there is, and is done', HUGE],
  ['was refused', { peers: 0, messages: 0, complete: false, more: true }],
  ['would go further', { peers: 1, messages: 0, beyond: true }]
]
for (const strategy of ['auto', 'flood', 'ring', 'walk'] as const) {
  for (const [what, lie] of lies) {
    test(`${strategy}: a neighbour that says it ${what} costs no more than the budget, and hides nobody`, () => {
      const n = 40
      const edges = randomRegular(n, 4, seededRng(seedOfTest)).map(([x, y]) => [x, y] as const)
      // the liar is a neighbour of the searcher as well
      if (!edges.some(([x, y]) => x + y === 1)) edges.push([0, 1])
      const it = withLiar(edges, everybody(n), ({ id }) => [{ ...report(id), ...lie }])
      const budget = 1_500
      const { found, done } = it.search(searcher, { strategy, budget, want: 255, walkers: 1, timeoutMs: 600_000 })
      it.simulation.run(it.now + 60_000)
      const why = `${what}, ${repeat}`
      assert.ok(done !== undefined, why)
      assert.ok(it.traffic.queries <= budget, `${it.traffic.queries} queries, ${why}`)
      assert.ok(done.messages <= budget && done.messages >= 0, `${done.messages}, ${why}`)
      assert.ok(done.peersAsked <= done.messages, why)
      const honest = [...everybody(n)].filter(peer => peer !== (liar as number))
      const missed = honest.filter(peer => !found.some(([holder]) => holder === peer))
      assert.ok(missed.length === 0 || done.more, `${missed} missed, ${why}`)
      assert.equal(it.simulation.penalties(liar).filter(({ by }) => by === searcher).length, 0)
    })
  }
}

test('a silent neighbour with a summary that matches all holds up searches a moment, and is not believed for long', () => {
  const n = 30
  // the liar is a neighbour of the searcher alone; all others are a tree below the searcher
  const edges: Edges = [[0, 1], ...tree(n - 1, 3).map(([x, y]) => [x === 0 ? 0 : x + 1, y + 1] as const)]
  let followed = 0
  const it = withLiar(
    edges,
    everybody(n),
    ({ width }) => {
      if (width === 0) followed++
      return []
    },
    { summaryHops: 3, cheapFlood: 8, summaries: { rate: 1, burst: 1_000 } }
  )
  it.simulation.run(it.now + 3_000)
  const key = flipsBetween(emptyBloom(512), bloomOf([hashKey('file')], 512))
  const search = { strategy: 'auto', want: 20, walkers: 4, timeoutMs: 60_000 } as const
  // the first finds out that the network is larger than a cheap flood
  it.search(searcher, search)
  it.channel.send(liar, searcher as Peer, { type: 'summary', version: 1, base: 0, levels: [{ bits: 512, flips: key }] })
  it.simulation.run(it.now + 100)
  for (let i = 0; i < 40; i++) {
    const startedAt = it.now
    const { doneAt, found } = it.search(searcher, search)
    assert.ok(found.length >= 20, `${found.length} in search ${i}, ${repeat}`)
    assert.ok(doneAt! - startedAt < 20_000, `${doneAt! - startedAt} ms in search ${i}, ${repeat}`)
  }
  assert.equal(followed, searchLimits.summaryTrials, repeat)
})

function withLiar(
  edges: Edges,
  holders: Set<number>,
  answer: (query: QueryMessage) => SearchMessage[],
  config?: Partial<SearchConfig>
): StaticNetwork {
  const peers = 1 + Math.max(...edges.flat())
  return new StaticNetwork({
    peers,
    edges,
    holders,
    liar: { peer: liar as number, answer: (_, query) => answer(query) },
    ...(config === undefined ? {} : { config })
  })
}
