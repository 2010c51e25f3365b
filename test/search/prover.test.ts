import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import type { FileId } from '../../protocols/core/ids.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import type { ProofResult } from '../../protocols/proof/handler.ts'
import type { SearchResult } from '../../src/api.ts'
import type { ResultGroup } from '../../src/search/grouping.ts'
import { Prover, proverConfig } from '../../src/search/prover.ts'
import { type SearchProofs, searchProofsConfig } from '../../src/search/search-proofs.ts'

const id = (n: number): FileId => n.toString(16).padStart(64, '0') as FileId
const signal = new AbortController().signal
const SILENT: ProofResult = { type: 'silent' }

interface Asked {
  peer: string
  answer(result: ProofResult): void
}

class World {
  now = 0
  readonly connected = new Set<string>()
  readonly asked: Asked[] = []
  readonly liars: string[] = []
  readonly changes: (Pick<SearchResult, 'holders' | 'proven' | 'state'> & { index: number })[] = []
  readonly otherSizes: number[] = []
  readonly prover = new Prover({
    ask: async (peer, _id, signal) =>
      await new Promise<ProofResult>(resolve => {
        this.asked.push({ peer: peer as string, answer: resolve })
        signal.addEventListener('abort', () => resolve(SILENT))
      }),
    isConnected: peer => this.connected.has(peer as string),
    onLiar: (peer, reason) => this.liars.push(`${peer} ${reason}`),
    clock: () => this.now
  })

  begin(isOn = true): SearchProofs {
    const proofs: SearchProofs = this.prover.begin(
      {
        onChange: result => this.changes.push({ index: result.index, ...proofs.viewOf(result) }),
        onLiar: peer => this.liars.push(`search: ${peer}`),
        onOtherSize: (_holder, _hops, hit) => this.otherSizes.push(hit.size)
      },
      isOn
    )
    return proofs
  }
}

function found(index: number, holders: string[], size = 5): ResultGroup {
  return {
    index,
    id: id(index),
    name: `file ${index}`,
    size,
    holders,
    mine: false,
    hops: 1,
    foundBy: { how: 'flood', via: 'a' },
    relevance: 1
  }
}

/** As a search does: what is new is shown at once. */
function tell(proofs: SearchProofs, result: ResultGroup, holder: string): ReturnType<SearchProofs['viewOf']> {
  proofs.add(result, holder, 1, false)
  return proofs.viewOf(result)
}

/** Until everything that can go on has. */
const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

test('proofs of a search are asked for side by side, and its end waits for them', async () => {
  const world = new World()
  const proofs = world.begin()
  for (let i = 1; i <= 12; i++) {
    world.connected.add(`p${i}`)
    const result = found(i, [`p${i}`])
    assert.equal(tell(proofs, result, `p${i}`).state, 'checking')
  }
  await turn()
  assert.equal(world.asked.length, searchProofsConfig.parallel)
  let hasEnded = false
  const settled = proofs.settle().then(() => {
    hasEnded = true
  })
  for (let i = 0; i < 12; i++) {
    assert.equal(hasEnded, false)
    world.asked[i]!.answer({ type: 'proven', size: 5 })
    await turn()
  }
  await settled
  assert.deepEqual(
    world.changes.map(({ index, state, proven }) => [index, state, proven]),
    Array.from({ length: 12 }, (_, i) => [i + 1, 'proven', 1])
  )
})

test('the end of a search waits so long and no longer, and for further proofs of what is proven hardly at all', async () => {
  mock.timers.enable({ apis: ['setTimeout'] })
  try {
    const world = new World()
    const proofs = world.begin()
    for (const holder of ['a', 'b']) world.connected.add(holder)
    tell(proofs, found(1, ['a']), 'a')
    tell(proofs, found(2, ['b']), 'b')
    let hasEnded = false
    const settled = proofs.settle().then(() => {
      hasEnded = true
    })
    await turn()
    mock.timers.tick(searchProofsConfig.settleMs - 1)
    await turn()
    assert.equal(hasEnded, false)
    mock.timers.tick(1)
    await settled
    assert.deepEqual(
      world.changes.map(({ index, state }) => [index, state]),
      [
        [1, 'unproven'],
        [2, 'unproven']
      ]
    )

    const next = world.begin()
    tell(next, found(1, ['a']), 'a')
    tell(next, found(1, ['a', 'b']), 'b')
    await turn()
    world.asked[2]!.answer({ type: 'proven', size: 5 })
    await turn()
    const soon = next.settle()
    mock.timers.tick(searchProofsConfig.furtherMs)
    await soon
    assert.deepEqual([world.changes.at(-1)?.proven, world.changes.at(-1)?.holders], [1, ['a', 'b']])
  } finally {
    mock.timers.reset()
  }
})

test('when it is off nobody is asked and nothing waits', async () => {
  const world = new World()
  const proofs = world.begin(false)
  const shown = tell(proofs, found(1, ['a']), 'a')
  assert.deepEqual([shown.state, shown.proven, shown.holders], ['unproven', 0, ['a']])
  await proofs.settle()
  assert.deepEqual([world.asked.length, world.changes.length], [0, 0])
})

test('a liar is told of once, in the search and to the account', async () => {
  const world = new World()
  const proofs = world.begin()
  world.connected.add('a')
  tell(proofs, found(1, ['a']), 'a')
  tell(proofs, found(2, ['a']), 'a')
  await turn()
  world.asked[0]!.answer({ type: 'wrong', reason: 'made up' })
  await turn()
  assert.deepEqual(world.liars, ['a made up', 'search: a'])
  assert.equal(proofs.isLiar('a'), true)
  assert.deepEqual(
    world.changes.map(({ index, holders }) => [index, holders]),
    [
      [1, []],
      [2, []]
    ]
  )
  assert.equal(world.asked.length, 1)
})

test('another size is told to the search', async () => {
  const world = new World()
  const proofs = world.begin()
  world.connected.add('a')
  tell(proofs, found(1, ['a'], 5), 'a')
  await turn()
  world.asked[0]!.answer({ type: 'proven', size: 6 })
  await turn()
  assert.deepEqual(world.otherSizes, [6])
  assert.deepEqual(world.changes.at(-1)?.holders, [])
})

test('what stops tells what stays unproven, and nothing afterwards', async () => {
  const world = new World()
  const proofs = world.begin()
  world.connected.add('a')
  tell(proofs, found(1, ['a']), 'a')
  await turn()
  world.prover.stop()
  await turn()
  assert.deepEqual(
    world.changes.map(({ state }) => state),
    ['unproven']
  )
  world.asked[0]!.answer({ type: 'proven', size: 5 })
  await turn()
  assert.equal(world.changes.length, 1)
})

test('strangers cause few dials, whoever they name', async () => {
  const world = new World()
  const dialled = (): string[] => world.asked.map(({ peer }) => peer)
  const ask = async (peer: string): Promise<string> => {
    const before = world.asked.length
    const asking = world.prover.ask(peer as Peer, id(1), signal)
    await turn()
    world.asked[before]?.answer(SILENT)
    return (await asking).type
  }
  for (let i = 0; i < 100; i++) {
    assert.equal(await ask(`p${i}`), i < proverConfig.dials.burst ? 'silent' : 'unasked')
  }
  assert.equal(dialled().length, proverConfig.dials.burst)

  world.now = 10_000
  assert.equal(await ask('p0'), 'unasked')
  assert.equal(dialled().filter(peer => peer === 'p0').length, 1, 'who was not reached is left alone')
  world.now = proverConfig.dialAgainMs
  await ask('p0')
  assert.equal(dialled().filter(peer => peer === 'p0').length, 2)

  world.connected.add('near')
  const before = world.asked.length
  for (let i = 0; i < 100; i++) await ask('near')
  assert.equal(world.asked.length - before, 100, 'who is connected costs no dial')
})

test('all searches together ask for so many proofs', async () => {
  const world = new World()
  world.connected.add('near')
  const results = Array.from({ length: proverConfig.proofs.burst + 5 }, () =>
    world.prover.ask('near' as Peer, id(1), signal)
  )
  await turn()
  assert.equal(world.asked.length, proverConfig.proofs.burst)
  for (const { answer } of world.asked) answer(SILENT)
  assert.equal((await Promise.all(results)).filter(({ type }) => type === 'busy').length, 5)
})

test('what an answer shows is told once, and what was not asked shows nothing', async () => {
  const world = new World()
  const verdicts: unknown[] = []
  const proofs = world.prover.begin(
    {
      onChange: () => {},
      onLiar: () => {},
      onOtherSize: () => {},
      onVerdict: (holder, _id, isTrue) => verdicts.push([holder, isTrue])
    },
    true
  )
  const answers = [
    { type: 'proven', size: 5 },
    { type: 'proven', size: 6 },
    { type: 'refused' },
    { type: 'wrong', reason: 'noise' },
    SILENT,
    { type: 'busy' }
  ] as const
  for (const [i, answer] of answers.entries()) {
    world.connected.add(`p${i}`)
    tell(proofs, found(i, [`p${i}`]), `p${i}`)
    await turn()
    world.asked[i]!.answer(answer)
    await turn()
  }
  assert.deepEqual(verdicts, [
    ['p0', true],
    ['p1', true],
    ['p2', false],
    ['p3', false],
    ['p4', false]
  ])
})
