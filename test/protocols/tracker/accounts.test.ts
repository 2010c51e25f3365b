import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SwarmId } from '../../../protocols/core/ids.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import { Accounts } from '../../../protocols/tracker/accounts.ts'
import { type Announce, type TrackerConfig, trackerConfig, trackerLimits } from '../../../protocols/tracker/index.ts'
import { announce, peer, swarm } from './swarms.ts'

const SELF = peer(9_999)
const { intervalMs, graceMs } = trackerConfig
const LIFETIME_MS = 2 * intervalMs + graceMs

function accountsWith(config: Partial<TrackerConfig> = {}, seed = 1): Accounts {
  return new Accounts({ self: SELF, rng: seededRng(seed), config: { ...trackerConfig, ...config } })
}

/** Gives ticks as a driver does. */
function tickUntil(accounts: Accounts, time: number): void {
  for (let next = accounts.nextTick(); next !== undefined && next <= time; next = accounts.nextTick()) {
    accounts.onTick(next)
  }
}

/** The rules once more, without any cleverness. */
class Model {
  readonly entries = new Map<SwarmId, Map<Peer, { seed: boolean; heardAt: number; awayAt?: number }>>()
  readonly completers = new Map<SwarmId, Set<Peer>>()

  announce(from: Peer, message: Announce, now: number): void {
    const entries = this.entries.get(message.swarm) ?? new Map()
    this.entries.set(message.swarm, entries)
    if (message.event === 'stopped') entries.delete(from)
    else entries.set(from, { seed: message.left === 0, heardAt: now })
    if (message.event !== 'completed') return
    const completers = this.completers.get(message.swarm) ?? new Set()
    this.completers.set(message.swarm, completers.add(from))
  }

  peerDown(lost: Peer, now: number): void {
    for (const entries of this.entries.values()) {
      const entry = entries.get(lost)
      if (entry !== undefined) entry.awayAt ??= now
    }
  }

  pass(now: number): void {
    for (const entries of this.entries.values()) {
      for (const [from, { heardAt, awayAt }] of entries) {
        if (heardAt + LIFETIME_MS <= now || (awayAt !== undefined && awayAt + graceMs <= now)) entries.delete(from)
      }
    }
  }

  /** Undefined when there is nothing to keep. */
  account(of: SwarmId): { seeds: number; leeches: number; completed: number } | undefined {
    const entries = [...(this.entries.get(of)?.values() ?? [])]
    const seeds = entries.filter(entry => entry.seed).length
    const completed = this.completers.get(of)?.size ?? 0
    return entries.length + completed === 0 ? undefined : { seeds, leeches: entries.length - seeds, completed }
  }
}

function randomAnnounce(rng: ReturnType<typeof seededRng>, swarms: number): Announce {
  const event = rng.pick(['none', 'started', 'started', 'completed', 'stopped'] as const)
  const left = event === 'completed' ? 0 : rng.below(3)
  return announce(rng.below(swarms), { event, left, numWant: rng.below(60) })
}

for (const seed of process.env.SHOAL_SEED === undefined ? [1, 2, 3, 4, 5] : [Number(process.env.SHOAL_SEED)]) {
  test(`random announces, lost connections and time: accounts as the rules say (SHOAL_SEED=${seed})`, () => {
    const rng = seededRng(seed)
    const accounts = accountsWith({}, seed)
    const model = new Model()
    let now = 0
    for (let step = 0; step < 4_000; step++) {
      const from = peer(rng.below(40))
      const kind = rng.below(10)
      if (kind < 6) {
        const message = randomAnnounce(rng, 8)
        const answer = accounts.announce(from, message, now)
        model.announce(from, message, now)
        if (message.event === 'stopped') assert.equal(answer, undefined)
        else {
          assert.ok(answer?.type === 'announced')
          const present = [...accounts.entries(message.swarm)].filter(entry => !entry.away && entry.peer !== from)
          const tellable = message.left === 0 ? present.filter(entry => !entry.seed) : present
          assert.equal(answer.peers.length, Math.min(tellable.length, message.numWant, 50))
          assert.equal(new Set(answer.peers).size, answer.peers.length)
          for (const told of answer.peers) assert.ok(tellable.some(entry => entry.peer === told))
          const { seeds, leeches } = answer
          assert.deepEqual({ ...model.account(message.swarm), seeds, leeches }, model.account(message.swarm))
        }
      } else if (kind < 8) {
        accounts.onPeerDown(from, now)
        model.peerDown(from, now)
      } else {
        now += kind === 8 ? rng.below(2_000) : rng.below(intervalMs / 2)
        tickUntil(accounts, now)
        model.pass(now)
      }
      for (let i = 0; i < 8; i++) {
        const counted = accounts.account(swarm(i))
        assert.deepEqual(counted, model.account(swarm(i)), `step ${step}, swarm ${i}`)
        const entries = [...accounts.entries(swarm(i))]
        const expected = [...(model.entries.get(swarm(i)) ?? [])].map(([id, { seed: isSeed, awayAt }]) => {
          return { peer: id, seed: isSeed, away: awayAt !== undefined }
        })
        const byPeer = (a: { peer: Peer }, b: { peer: Peer }): number => (a.peer as number) - (b.peer as number)
        assert.deepEqual(entries.sort(byPeer), expected.sort(byPeer), `step ${step}, swarm ${i}`)
      }
    }
    now += LIFETIME_MS
    tickUntil(accounts, now)
    for (let i = 0; i < 8; i++) assert.equal([...accounts.entries(swarm(i))].length, 0)
    assert.equal(accounts.nextTick(), undefined)
  })

  test(`within tight quotas: totals are the entries, and no bound is passed (SHOAL_SEED=${seed})`, () => {
    const rng = seededRng(seed)
    const quotas = { maxSwarms: 12, maxSwarmsPerPeer: 3, maxPeersPerSwarm: 8, maxEntries: 60 }
    const accounts = accountsWith(quotas, seed)
    const refusals = new Set<string>()
    let now = 0
    for (let step = 0; step < 6_000; step++) {
      const from = rng.below(50) === 0 ? SELF : peer(rng.below(40))
      if (rng.below(10) < 8) {
        const answer = accounts.announce(from, randomAnnounce(rng, 20), now)
        if (answer?.type === 'refused') {
          refusals.add(answer.reason)
          assert.notEqual(from, SELF, 'the node keeps its own swarms')
        }
      } else if (rng.below(3) > 0) accounts.onPeerDown(peer(rng.below(40)), now)
      else tickUntil(accounts, (now += rng.below(intervalMs)))
      const swarmsOf = new Map<Peer, number>()
      let total = 0
      const kept = accounts.swarms()
      for (const id of kept) {
        const entries = [...accounts.entries(id)]
        total += entries.length
        const seeds = entries.filter(entry => entry.seed).length
        const account = accounts.account(id)
        assert.deepEqual([account?.seeds, account?.leeches], [seeds, entries.length - seeds], `step ${step}`)
        assert.ok(entries.length <= quotas.maxPeersPerSwarm)
        for (const entry of entries) swarmsOf.set(entry.peer, (swarmsOf.get(entry.peer) ?? 0) + 1)
      }
      const own = swarmsOf.get(SELF) ?? 0
      swarmsOf.delete(SELF)
      assert.ok(kept.length <= quotas.maxSwarms + 20)
      assert.ok(total - own <= quotas.maxEntries)
      for (const count of swarmsOf.values()) assert.ok(count <= quotas.maxSwarmsPerPeer)
    }
    assert.deepEqual([...refusals].sort(), ['full', 'tooManySwarms'])
  })
}

test('a completion is counted once a peer, also when it comes back', () => {
  const accounts = accountsWith()
  const completed = (): number | undefined => accounts.account(swarm(1))?.completed
  accounts.announce(peer(1), announce(1, { event: 'completed', left: 0 }), 0)
  accounts.announce(peer(1), announce(1, { event: 'completed', left: 0 }), 1)
  assert.equal(completed(), 1)
  accounts.announce(peer(1), announce(1, { event: 'stopped', left: 0 }), 2)
  assert.deepEqual(accounts.account(swarm(1)), { seeds: 0, leeches: 0, completed: 1 })
  accounts.announce(peer(1), announce(1, { event: 'started', left: 5 }), 3)
  accounts.announce(peer(1), announce(1, { event: 'completed', left: 0 }), 4)
  assert.equal(completed(), 1)
  accounts.announce(peer(2), announce(1, { event: 'started', left: 0 }), 5)
  assert.equal(completed(), 1, 'who begins as a seed has completed nothing here')
  accounts.announce(peer(2), announce(1, { event: 'completed', left: 0 }), 6)
  assert.equal(completed(), 2)
})

test('who is silent for two intervals is forgotten, who announces is not', () => {
  const accounts = accountsWith()
  accounts.announce(peer(1), announce(1), 0)
  accounts.announce(peer(2), announce(1), 0)
  tickUntil(accounts, intervalMs)
  accounts.announce(peer(2), announce(1, { event: 'none' }), intervalMs)
  tickUntil(accounts, LIFETIME_MS - 1)
  assert.equal(accounts.account(swarm(1))?.leeches, 2)
  tickUntil(accounts, LIFETIME_MS)
  assert.deepEqual([...accounts.entries(swarm(1))], [{ peer: peer(2), seed: false, away: false }])
})

test('who lost its connection is told to nobody at once, and forgotten after the grace unless it announces', () => {
  const accounts = accountsWith()
  for (let i = 1; i <= 3; i++) accounts.announce(peer(i), announce(1), 0)
  accounts.onPeerDown(peer(1), 1_000)
  accounts.onPeerDown(peer(2), 1_000)
  const answer = accounts.announce(peer(3), announce(1), 2_000)
  assert.ok(answer?.type === 'announced')
  assert.deepEqual([answer.peers, answer.leeches], [[], 3])
  accounts.onPeerDown(peer(1), 20_000)
  accounts.announce(peer(2), announce(1), 20_000)
  tickUntil(accounts, 1_000 + graceMs)
  assert.deepEqual(
    [...accounts.entries(swarm(1))].map(entry => entry.peer),
    [peer(3), peer(2)]
  )
})

test('a full swarm lets its stalest entry go, never this node; other quotas refuse', () => {
  const accounts = accountsWith({ maxPeersPerSwarm: 3, maxSwarmsPerPeer: 2, maxSwarms: 3, maxEntries: 5 })
  const peersOf = (n: number): Peer[] => [...accounts.entries(swarm(n))].map(entry => entry.peer)
  accounts.announce(SELF, announce(1), 0)
  accounts.announce(peer(1), announce(1), 1)
  accounts.announce(peer(2), announce(1), 2)
  accounts.announce(peer(1), announce(1, { event: 'none' }), 3)
  accounts.announce(peer(3), announce(1), 4)
  assert.deepEqual(peersOf(1), [SELF, peer(1), peer(3)])
  accounts.announce(peer(1), announce(2), 5)
  const refusal = (n: number, of: number): unknown => {
    const answer = accounts.announce(peer(n), announce(of), 6)
    return answer?.type === 'refused' ? answer.reason : answer?.type
  }
  assert.equal(refusal(1, 3), 'tooManySwarms')
  assert.equal(refusal(2, 3), 'announced')
  assert.equal(refusal(4, 3), 'full', 'five entries')
  assert.equal(accounts.announce(SELF, announce(4), 6)?.type, 'announced', 'own swarms are always kept')
  accounts.announce(peer(2), announce(3, { event: 'stopped' }), 7)
  accounts.announce(peer(1), announce(2, { event: 'stopped' }), 7)
  accounts.announce(SELF, announce(5), 7)
  assert.deepEqual(accounts.swarms(), [swarm(1), swarm(4), swarm(5)])
  assert.equal(refusal(2, 6), 'full', 'three accounts')
})

test('an account that nobody is in gives way to a new one', () => {
  const accounts = accountsWith({ maxSwarms: 2 })
  accounts.announce(peer(1), announce(1, { event: 'completed', left: 0 }), 0)
  accounts.announce(peer(1), announce(1, { event: 'stopped', left: 0 }), 1)
  accounts.announce(peer(1), announce(2), 2)
  assert.equal(accounts.account(swarm(1))?.completed, 1)
  assert.equal(accounts.announce(peer(1), announce(3), 3)?.type, 'announced')
  assert.equal(accounts.account(swarm(1)), undefined)
  assert.deepEqual(accounts.scrape([swarm(1), swarm(3)]), [
    { swarm: swarm(1), seeds: 0, leeches: 0, completed: 0 },
    { swarm: swarm(3), seeds: 0, leeches: 1, completed: 0 }
  ])
})

test('completions that are remembered have a bound, the count has none', () => {
  const accounts = accountsWith()
  const { maxCompletions } = trackerLimits
  for (let i = 0; i < maxCompletions + 10; i++) {
    accounts.announce(peer(i + 20_000), announce(1, { event: 'completed', left: 0, numWant: 0 }), i)
    accounts.announce(peer(i + 20_000), announce(1, { event: 'stopped', left: 0, numWant: 0 }), i)
  }
  assert.equal(accounts.account(swarm(1))?.completed, maxCompletions + 10)
  const again = (n: number): number | undefined => {
    accounts.announce(peer(n + 20_000), announce(1, { event: 'completed', left: 0 }), maxCompletions)
    return accounts.account(swarm(1))?.completed
  }
  assert.equal(again(maxCompletions + 9), maxCompletions + 10, 'a late one is remembered')
  assert.equal(again(0), maxCompletions + 11, 'the first is forgotten')
})

const MIXES: [seeds: number, leeches: number, want: number, toldSeeds: number, toldLeeches: number][] = [
  [5, 1_000, 50, 5, 45],
  [1_000, 1_000, 50, 13, 37],
  [1_000, 10, 50, 40, 10],
  [0, 1_000, 50, 0, 50],
  [1_000, 0, 50, 50, 0],
  [3, 3, 50, 3, 3],
  [1_000, 1_000, 1, 1, 0],
  [1_000, 1_000, 0, 0, 0],
  [1_000, 1_000, 65_535, 13, 37]
]

for (const [seeds, leeches, want, toldSeeds, toldLeeches] of MIXES) {
  test(`a leech that wants ${want} of ${seeds} seeds and ${leeches} leeches is told ${toldSeeds} and ${toldLeeches}`, () => {
    const accounts = accountsWith()
    for (let i = 0; i < seeds; i++) accounts.announce(peer(i), announce(1, { left: 0, numWant: 0 }), 0)
    for (let i = 0; i < leeches; i++) accounts.announce(peer(5_000 + i), announce(1, { numWant: 0 }), 0)
    const answer = accounts.announce(peer(4_999), announce(1, { numWant: want }), 1)
    assert.ok(answer?.type === 'announced')
    const told = answer.peers.filter(id => (id as number) < 4_999).length
    assert.deepEqual([told, answer.peers.length - told], [toldSeeds, toldLeeches])
    const asSeed = accounts.announce(peer(4_999), announce(1, { left: 0, numWant: want }), 2)
    assert.ok(asSeed?.type === 'announced')
    assert.equal(asSeed.peers.length, Math.min(want, leeches, 50))
    assert.ok(asSeed.peers.every(id => (id as number) >= 5_000))
  })
}

test('samples are fair: every peer is told about as often as any other', () => {
  const accounts = accountsWith()
  for (let i = 0; i < 100; i++) accounts.announce(peer(i), announce(1), 0)
  const told = new Map<Peer, number>()
  for (let i = 0; i < 2_000; i++) {
    const answer = accounts.announce(peer(100), announce(1, { numWant: 10 }), 1)
    assert.ok(answer?.type === 'announced')
    for (const id of answer.peers) told.set(id, (told.get(id) ?? 0) + 1)
  }
  // 200 expected each, standard deviation 13.4
  const counts = [...told.values()]
  assert.equal(counts.length, 100)
  assert.ok(Math.min(...counts) > 140 && Math.max(...counts) < 260, `${Math.min(...counts)}..${Math.max(...counts)}`)
})

test('the account of this node itself does not run out while it takes part', () => {
  const accounts = accountsWith()
  accounts.announce(SELF, announce(1, { left: 0 }), 0)
  accounts.announce(peer(1), announce(1), 0)
  for (let now = 0; now <= 10 * LIFETIME_MS; now += 1_000) tickUntil(accounts, now)
  assert.deepEqual(accounts.account(swarm(1)), { seeds: 1, leeches: 0, completed: 0 })
})
