import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isOwned, type RingId } from '../../../protocols/core/keyspace.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { areSame, digestOf, partsOf } from '../../../protocols/directory/digests.ts'
import {
  type DirectoryMessage,
  directoryConfig,
  type Entry,
  type Head,
  type StoredEntry,
  signedBytes
} from '../../../protocols/directory/index.ts'
import { gapAfter } from '../../../protocols/directory/sweeping.ts'
import { DirectoryWorld, EPOCH_MS, entryOf, hashOf, idOf, sha256 } from './world.ts'

const MINUTE = 60_000
const seed = Number(process.env.SHOAL_SEED ?? 1)

function recordOf(entry: Entry): StoredEntry {
  const publisherId = idOf(entry.publisher)
  const hash = Buffer.from(sha256(signedBytes('shoal', publisherId, entry))).toString('hex')
  return { entry, publisherId, hash }
}

/** A ring at rest whose nodes count what travels from now on. */
class Repair {
  readonly world: DirectoryWorld
  readonly moved: { from: Peer; to: Peer; type: 'push' | 'pulled'; key: RingId; seq: number }[] = []
  readonly count = new Map<string, number>()

  constructor(nodes: number) {
    this.world = new DirectoryWorld(
      {
        seed,
        latency: [10, 10],
        observe: ({ kind, peer, other, what }) => {
          if (kind !== 'received') return
          const message = what as DirectoryMessage
          this.count.set(message.type, (this.count.get(message.type) ?? 0) + 1)
          if (message.type !== 'push' && message.type !== 'pulled') return
          for (const { key, seq } of message.entries) {
            this.moved.push({ from: other as Peer, to: peer, type: message.type, key, seq })
          }
        }
      },
      { publisherEntries: 100_000, publisherBytes: 100_000_000 }
    )
    this.world.grow(nodes)
    this.world.runFor(10_000)
    this.reset()
  }

  /** Puts entries straight into the stores of those who are to have them. */
  place(count: number): Entry[] {
    const entries = Array.from({ length: count }, (_, i) =>
      entryOf((1_000 + (i % 50)) as Peer, { key: hashOf(`file ${i}`) })
    )
    for (const entry of entries) {
      for (const holder of this.world.holders(entry.key).slice(0, 4)) this.world.store(holder).put(recordOf(entry))
    }
    return entries
  }

  reset(): void {
    this.moved.length = 0
    this.count.clear()
  }

  /** Long enough for every owner to compare with every replica once. */
  period(): void {
    this.world.runFor(1.5 * directoryConfig.compareMs)
  }
}

test('exactly the missing and the outdated entries travel, both ways', () => {
  const repair = new Repair(6)
  const { world } = repair
  const entries = repair.place(3_000)
  repair.period()
  assert.deepEqual(repair.moved, [])

  const [first, second, third] = world.simulation.rng.sample(entries, 3) as [Entry, Entry, Entry]
  const [owner] = world.holders(first.key) as [Peer]
  const replica = world.holders(second.key)[1] as Peer
  world.store(owner).delete(first.key, idOf(first.publisher))
  world.store(replica).delete(second.key, idOf(second.publisher))
  const newer = entryOf(third.publisher, { key: third.key, seq: EPOCH_MS + 1 })
  const [oldest, updated] = [world.holders(third.key)[0], world.holders(third.key)[3]] as [Peer, Peer]
  world.store(updated).put(recordOf(newer))
  repair.reset()
  repair.period()

  const of = (entry: Entry) => repair.moved.filter(({ key }) => key === entry.key)
  assert.deepEqual(
    of(first).map(({ to, type }) => [to, type]),
    [[owner, 'pulled']]
  )
  assert.deepEqual(
    of(second).map(({ from, to, type }) => [from, to, type]),
    [[world.holders(second.key)[0], replica, 'push']]
  )
  const updates = of(third).map(({ to, type, seq }) => [to, type, seq])
  assert.deepEqual(updates[0], [oldest, 'pulled', EPOCH_MS + 1])
  // the two others get it from the owner, now or in the next period
  for (const [, type, seq] of updates.slice(1)) assert.deepEqual([type, seq], ['push', EPOCH_MS + 1])
  assert.equal(repair.moved.length, of(first).length + of(second).length + of(third).length)
  repair.period()
  for (const holder of world.holders(third.key).slice(0, 4)) {
    assert.equal(world.store(holder).get(third.key, idOf(third.publisher))?.entry.seq, EPOCH_MS + 1)
  }
  assert.equal(of(third).length, 3)
  assert.deepEqual(world.simulation.penalties(), [])
})

test('one missing entry of thousands takes a few questions', () => {
  const repair = new Repair(2)
  const { world } = repair
  const [entry] = repair.place(8_000) as [Entry]
  const [, replica] = world.holders(entry.key) as [Peer, Peer]
  world.store(replica).delete(entry.key, idOf(entry.publisher))
  repair.period()
  assert.equal(repair.moved.length, 1)
  const { compare = 0, pushed = 0, pull = 0 } = Object.fromEntries(repair.count)
  // 16-way: about 4,000 records of one arc, then 250; and the other arc's question
  assert.ok(compare <= 8, `${compare} comparisons`)
  assert.deepEqual([pushed, pull], [1, 0])
})

test('entries whose keys are close together take no more splits', () => {
  const repair = new Repair(2)
  const { world } = repair
  const prefix = hashOf('close').slice(0, 58)
  const keys = Array.from({ length: 2_000 }, (_, i) => (prefix + i.toString(16).padStart(6, '0')) as RingId)
  const [owner, replica] = world.holders(keys[0] as RingId) as [Peer, Peer]
  for (const [i, key] of keys.entries()) {
    const record = recordOf(entryOf((1_000 + (i % 50)) as Peer, { key }))
    world.store(owner).put(record)
    if (i !== 700) world.store(replica).put(record)
  }
  repair.period()
  assert.deepEqual(
    repair.moved.map(({ key }) => key),
    [keys[700]]
  )
  assert.ok((repair.count.get('compare') ?? 0) <= 8)
})

test('one that joins gets what it is to own from its successor, and nothing else moves to it', () => {
  const repair = new Repair(5)
  const { world } = repair
  const entries = repair.place(1_000)
  const [joiner] = world.grow(1) as [Peer]
  world.runFor(20_000)
  const owned = entries.filter(({ key }) => world.holders(key)[0] === joiner)
  const held = entries.filter(({ key }) => world.holders(key).slice(0, 4).includes(joiner))
  assert.ok(owned.length > 0)
  assert.equal(world.store(joiner).usage().entries, held.length)
  for (const { key } of held) assert.equal(world.store(joiner).countAt(key), 1)
  const got = repair.moved.filter(({ to }) => to === joiner)
  // each once: what it owns pulled from its successors, the rest pushed by the owners
  assert.equal(got.length, held.length)
  assert.equal(got.filter(({ type }) => type === 'pulled').length, owned.length)
})

test('one that leaves hands over what the next ones lack, within its time', () => {
  const repair = new Repair(8)
  const { world } = repair
  const entries = repair.place(600)
  const leaver = world.ring[3] as Peer
  const owned = entries.filter(({ key }) => world.holders(key)[0] === leaver)
  const [next, , , heir] = world.holders(idOf(leaver)).slice(1) as [Peer, Peer, Peer, Peer]
  const [lost] = owned as [Entry]
  world.store(next).delete(lost.key, idOf(lost.publisher))
  repair.reset()
  world.directory.command(leaver, { type: 'leave' })
  const hasLeft = (): boolean => world.events.some(({ event }) => event.type === 'left')
  assert.ok(world.simulation.runUntil(hasLeft, directoryConfig.leaveMs))
  assert.deepEqual(
    repair.moved.filter(({ to }) => to === next).map(({ key }) => key),
    [lost.key]
  )
  assert.equal(repair.moved.filter(({ to }) => to === heir).length, owned.length)
  assert.equal(repair.moved.length, owned.length + 1)
})

test('one that leaves among the dead does not wait for them for ever', () => {
  const repair = new Repair(8)
  const { world } = repair
  repair.place(100)
  const leaver = world.ring[3] as Peer
  world.simulation.slow(leaver, 60_000)
  const at = world.simulation.now
  world.directory.command(leaver, { type: 'leave' })
  const hasLeft = (): boolean => world.events.some(({ event }) => event.type === 'left')
  assert.ok(world.simulation.runUntil(hasLeft, 2 * directoryConfig.leaveMs))
  assert.ok(world.simulation.now - at <= directoryConfig.leaveMs + 10)
})

test('what lies where it does not belong goes when its owner has it, and not before', () => {
  const repair = new Repair(8)
  const { world } = repair
  const [known, unknown] = [hashOf('known'), hashOf('unknown')].map(key => entryOf(1_000 as Peer, { key })) as [
    Entry,
    Entry
  ]
  for (const holder of world.holders(known.key).slice(0, 4)) world.store(holder).put(recordOf(known))
  for (const entry of [known, unknown]) {
    const stranger = world.holders(entry.key).at(-1) as Peer
    world.store(stranger).put(recordOf(entry))
  }
  repair.reset()
  world.runFor(directoryConfig.graceMs - MINUTE)
  assert.equal(world.keepers(known.key).length, 5)
  world.runFor(3 * directoryConfig.graceMs)
  for (const { key } of [known, unknown]) {
    assert.deepEqual(world.keepers(key).sort(), world.holders(key).slice(0, 4).sort())
  }
  // one offer, three copies; of what was known nothing travels
  assert.deepEqual(
    repair.moved.map(({ key }) => key),
    new Array(4).fill(unknown.key)
  )
})

test('one that has no room is not sent everything', () => {
  const repair = new Repair(2)
  const { world } = repair
  repair.place(3_000)
  const [, replica] = world.ring as [Peer, Peer]
  for (const { key, publisherId } of [...world.store(replica).arc(idOf(replica), idOf(replica))]) {
    world.store(replica).delete(key, publisherId)
  }
  world.store(replica).usage = () => ({ entries: 1e9, bytes: 1e12 })
  // it pulls what it owns itself, and has no room for that either
  repair.period()
  const pushes = repair.count.get('push') ?? 0
  const periods = (1.5 * directoryConfig.compareMs) / (0.75 * directoryConfig.recompareMs)
  assert.ok(pushes >= 1 && pushes <= periods, `${pushes} pushes`)
})

test('what its owner has no room for stays where it is', () => {
  const repair = new Repair(8)
  const { world } = repair
  const entry = entryOf(1_000 as Peer, { key: hashOf('misplaced') })
  const [owner] = world.holders(entry.key) as [Peer]
  const stranger = world.holders(entry.key).at(-1) as Peer
  world.store(owner).usage = () => ({ entries: 1e9, bytes: 1e12 })
  world.store(stranger).put(recordOf(entry))
  world.runFor(3 * directoryConfig.graceMs)
  assert.deepEqual(world.keepers(entry.key), [stranger])
})

const head = (i: number): Head => {
  const { entry, publisherId, hash } = recordOf(entryOf((i % 5) as Peer, { key: hashOf(`${i - (i % 3)}`) }))
  return { key: entry.key, publisherId, seq: entry.seq, hash }
}

test('sums do not depend on the order, and do on everything else', () => {
  const heads = Array.from({ length: 20 }, (_, i) => head(i))
  fc.assert(
    fc.property(fc.shuffledSubarray(heads), fc.shuffledSubarray(heads), fc.nat(), (a, b, salt) => {
      const isSameSet = a.length === b.length && a.every(one => b.includes(one))
      assert.equal(areSame(digestOf(a, salt), digestOf(b, salt)), isSameSet)
      if (a.length > 0) assert.ok(!areSame(digestOf(a, salt), digestOf(a, salt + 1)))
    })
  )
})

test('parts follow one another through the arc, with all records of a key in one', () => {
  fc.assert(
    fc.property(fc.integer({ min: 10, max: 400 }), fc.integer({ min: 2, max: 16 }), (count, parts) => {
      const heads = Array.from({ length: count }, (_, i) => head(i)).sort((a, b) => (a.key < b.key ? -1 : 1))
      const [from, to] = ['0'.repeat(64), 'f'.repeat(64)] as [RingId, RingId]
      const split = partsOf(heads, parts, to, 1)
      assert.ok(split.length >= 2 && split.length <= parts)
      let start = from
      for (const part of split) {
        const inside = heads.filter(({ key }) => isOwned(start, key, part.to))
        assert.ok(areSame(part, digestOf(inside, 1)))
        assert.ok(inside.length > 0)
        start = part.to
      }
      assert.equal(start, to)
    })
  )
})

test('the gaps between arcs', () => {
  const at = (hex: string): RingId => hex.padEnd(64, '0') as RingId
  const arc = (from: string, to: string) => ({ from: at(from), to: at(to) })
  const own = arc('8', 'a')
  const cases: [string, [string, string][], [string, string] | undefined][] = [
    ['a', [], ['a', '8']],
    ['a', [['5', '8']], ['a', '5']],
    ['5', [['5', '8']], undefined],
    [
      'a',
      [
        ['a', '2'],
        ['5', '8']
      ],
      ['2', '5']
    ],
    [
      'a',
      [
        ['9', '2'],
        ['1', '5']
      ],
      ['5', '8']
    ],
    [
      'a',
      [
        ['9', '2'],
        ['1', '9']
      ],
      undefined
    ],
    [
      '3',
      [
        ['9', '2'],
        ['5', '6']
      ],
      ['3', '5']
    ],
    [
      '5',
      [
        ['9', '2'],
        ['5', '6']
      ],
      ['6', '8']
    ],
    ['8', [], undefined],
    ['9', [], undefined],
    ['a', [['3', '3']], undefined]
  ]
  for (const [cursor, claims, expected] of cases) {
    const gap = gapAfter(at(cursor), [own, ...claims.map(([from, to]) => arc(from, to))])
    assert.deepEqual(gap, expected === undefined ? undefined : arc(...expected), `${cursor} ${claims}`)
  }
  assert.equal(gapAfter(at('a'), [arc('a', 'a')]), undefined)
})
