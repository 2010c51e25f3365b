import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Peer } from '../../../protocols/core/peer.ts'
import { type DirectoryMessage, directoryConfig } from '../../../protocols/directory/index.ts'
import { Solo } from './solo.ts'
import { DirectoryWorld, entryOf, hashOf, idOf } from './world.ts'

const KEY = hashOf('hidden')
const payload = new Uint8Array(10)
/** Nobody compares: what an owner hides is not repaired. */
const QUIET = { compareMs: 1e8, settleMs: 1e8, sweepMs: 1e8, restMs: 1e8 }

/** Whose machines take entries and throw them away, and never find any. */
function corrupt(world: DirectoryWorld, liars: readonly Peer[]): void {
  for (const liar of liars) {
    const machine = world.machine(liar)
    const behave = machine.handle.bind(machine)
    machine.handle = (input, now) => {
      if (input.type !== 'received') return behave(input, now)
      const { id, type } = input.message as DirectoryMessage & { id: number }
      const say = (message: DirectoryMessage) => [{ type: 'send' as const, to: input.from, message }]
      if (type === 'store') return say({ type: 'stored', id, outcome: 'stored', copies: 4 })
      if (type === 'push') return say({ type: 'pushed', id, outcomes: ['stored'] })
      if (type === 'fetch') return say({ type: 'fetched', id, isMine: true, isHot: false, total: 0, entries: [] })
      return behave(input, now)
    }
  }
}

test('who puts carefully brings an entry to the replicas of an owner that throws it away', () => {
  for (const isCareful of [false, true]) {
    const world = new DirectoryWorld({ seed: 1, latency: [5, 30] }, { ...QUIET, isCareful })
    world.grow(60)
    const [owner, ...others] = world.holders(KEY) as [Peer, ...Peer[]]
    corrupt(world, [owner])
    const stored = world.do(others.at(-5)!, { type: 'put', entry: { kind: 'member', key: KEY, payload } })
    assert.equal(stored.type === 'stored' && stored.copies, 4)
    assert.deepEqual(world.keepers(KEY).sort(), isCareful ? others.slice(0, 3).sort() : [])
    const { entries } = world.get(others.at(-6)!, KEY, true)
    assert.equal(entries.length, isCareful ? 1 : 0)
  }
})

test('who gets carefully asks all replicas before it believes that there is nothing', () => {
  for (const isCareful of [false, true]) {
    const world = new DirectoryWorld({ seed: 1, latency: [5, 30] }, QUIET)
    world.grow(60)
    const holders = world.holders(KEY)
    world.do(holders.at(-5)!, { type: 'put', entry: { kind: 'member', key: KEY, payload } })
    assert.equal(world.keepers(KEY).length, directoryConfig.copies)
    corrupt(world, holders.slice(0, 3))
    for (let i = 0; i < 10; i++) {
      const { entries } = world.get(holders.at(-6)!, KEY, isCareful)
      if (isCareful) assert.equal(entries.length, 1)
    }
  }
})

test('nobody can bring a node what lies far from it, nor anything to one that does not know where it is', () => {
  const peers = Array.from({ length: 200 }, (_, i) => i as Peer).sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1))
  const solo = new Solo(peers[100]!)
  const bring = (at: Peer): unknown => {
    const entry = entryOf(500 as Peer, { key: idOf(at) })
    const [answer] = solo.hear(peers[0]!, { type: 'push', id: 1, entries: [entry] }).sent
    return answer?.message.type === 'pushed' && answer.message.outcomes[0]
  }
  assert.equal(bring(peers[98]!), 'notMine')
  solo.give({ type: 'ring', predecessor: peers[99]!, successors: peers.slice(101, 117) })
  assert.equal(bring(peers[98]!), 'stored')
  assert.equal(bring(peers[97]!), 'stored')
  assert.equal(bring(peers[50]!), 'notMine')
  assert.equal(bring(peers[101]!), 'notMine')
})
