import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RingId } from '../../../protocols/core/keyspace.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import {
  type DirectoryConfig,
  type DirectoryMessage,
  directoryLimits,
  itemsOf,
  keyOfValue,
  ownContent,
  ownKey
} from '../../../protocols/directory/index.ts'
import { cryptoOf, DirectoryWorld, EPOCH_MS, entryOf, hashOf, idOf } from './world.ts'

const KEY = hashOf('a file')
const seed = Number(process.env.SHOAL_SEED ?? 1)
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const bytes = (said: string): Uint8Array => new TextEncoder().encode(said)

interface Seen {
  from: Peer
  to: Peer
  message: DirectoryMessage
}

/** A ring with the messages that arrive on it. */
function ringOf(count: number, config: Partial<DirectoryConfig> = {}): { world: DirectoryWorld; seen: Seen[] } {
  const seen: Seen[] = []
  const world = new DirectoryWorld(
    {
      seed,
      latency: [10, 10],
      jitterMs: 0,
      observe: ({ kind, peer, other, what }) => {
        if (kind === 'received') seen.push({ from: other as Peer, to: peer, message: what as DirectoryMessage })
      }
    },
    config
  )
  world.grow(count)
  // replicas learn of which owners they are
  world.runFor(5_000)
  seen.length = 0
  return { world, seen }
}

/** Owner and replicas of a key, and a node that is none of them. */
function rolesOf(world: DirectoryWorld, key: RingId): { owner: Peer; replicas: Peer[]; stranger: Peer } {
  const [owner, ...others] = world.holders(key) as [Peer, ...Peer[]]
  return { owner, replicas: others.slice(0, 3), stranger: others.at(-2) as Peer }
}

test('a put lies at the owner and the three after it, and is found from everywhere', () => {
  const { world } = ringOf(10)
  const { owner, replicas, stranger } = rolesOf(world, KEY)
  const stored = world.do(stranger, { type: 'put', entry: { kind: 'member', key: KEY, payload: bytes('here') } })
  assert.deepEqual(stored, { type: 'stored', id: 1, key: KEY, copies: 4 })
  assert.deepEqual(world.keepers(KEY).sort(), [owner, ...replicas].sort())
  for (const peer of world.ring) {
    const got = world.get(peer, KEY)
    assert.deepEqual(
      got.entries.map(({ payload, publisher }) => [publisher, text(payload)]),
      [[stranger, 'here']]
    )
    assert.equal(got.total, 1)
    assert.ok(got.isComplete)
  }
  const { payload, key } = { payload: bytes('info'), key: keyOfValue(cryptoOf(owner), bytes('info')) }
  assert.deepEqual(world.do(owner, { type: 'put', entry: { kind: 'value', payload } }), {
    type: 'stored',
    id: world.events.length,
    key,
    copies: 4
  })
  assert.equal(text(world.get(stranger, key).entries[0]?.payload as Uint8Array), 'info')
})

test('only who has room for it is counted as a copy', () => {
  const { world } = ringOf(10)
  const { replicas, stranger } = rolesOf(world, KEY)
  for (const replica of replicas.slice(1)) world.store(replica).usage = () => ({ entries: 1e9, bytes: 1e12 })
  world.simulation.crash(replicas[0] as Peer)
  const stored = world.do(stranger, { type: 'put', entry: { kind: 'member', key: KEY, payload: bytes('x') } })
  assert.deepEqual(stored.type === 'stored' && stored.copies, 1)
})

test('of many publishers of one value one is enough', () => {
  const { world } = ringOf(8)
  const key = keyOfValue(cryptoOf(0 as Peer), bytes('info'))
  for (const peer of world.ring) world.do(peer, { type: 'put', entry: { kind: 'value', payload: bytes('info') } })
  const got = world.get(world.ring[0] as Peer, key)
  assert.deepEqual([got.entries.length, got.total, got.isComplete], [1, 1, true])
  assert.equal(world.store(world.holders(key)[0] as Peer).countAt(key), 8)
})

test('a dial that fails is not waited for', () => {
  const { world } = ringOf(10)
  const { owner, stranger } = rolesOf(world, KEY)
  world.do(stranger, { type: 'put', entry: { kind: 'member', key: KEY, payload: bytes('x') } })
  world.simulation.crash(owner)
  const at = world.simulation.now
  world.get(stranger, KEY)
  // a lost connection is found out after a second
  assert.ok(world.simulation.now - at < 2_000, `${world.simulation.now - at} ms`)
})

test('a node alone, and two', () => {
  for (const count of [1, 2]) {
    const { world } = ringOf(count)
    const [peer] = world.ring as [Peer]
    const stored = world.do(peer, { type: 'put', entry: { kind: 'member', key: KEY, payload: bytes('x') } })
    assert.deepEqual([stored.type, 'copies' in stored && stored.copies], ['stored', count])
    assert.deepEqual([world.get(peer, KEY).entries.length, world.get(peer, KEY).isComplete], [1, true])
    assert.deepEqual(world.get(peer, hashOf('nothing')), {
      type: 'got',
      id: 4,
      key: hashOf('nothing'),
      entries: [],
      total: 0,
      isComplete: true
    })
  }
})

test('many publishers of one key, one of whom takes back what it said', () => {
  const { world } = ringOf(8)
  for (const peer of world.ring) {
    world.do(peer, { type: 'put', entry: { kind: 'member', key: KEY, payload: bytes(`${peer}`) } })
  }
  const [first] = world.ring as [Peer]
  assert.equal(world.get(first, KEY).entries.length, 8)
  assert.equal(world.do(first, { type: 'remove', key: KEY }).type, 'stored')
  const got = world.get(first, KEY)
  assert.deepEqual(
    got.entries.map(({ publisher }) => publisher).sort(),
    world.ring.filter(peer => peer !== first).sort()
  )
  assert.deepEqual([got.total, got.isComplete], [7, true])
  const again = world.do(first, { type: 'remove', key: KEY })
  assert.deepEqual(again, { type: 'failed', id: 12, key: KEY, code: 'unknown', willRetry: false })
})

test('an own entry lies under a key that follows from its publisher and its name', () => {
  const { world } = ringOf(5)
  const [anna, ben] = world.ring as [Peer, Peer]
  const put = (content: string) =>
    world.do(anna, { type: 'put', entry: { kind: 'own', name: 'profile', content: bytes(content) } })
  assert.equal(put('one').type, 'stored')
  assert.equal(put('two').type, 'stored')
  const key = ownKey(cryptoOf(ben), idOf(anna), 'profile')
  const [entry] = world.get(ben, key).entries
  assert.equal(text(ownContent(entry?.payload as Uint8Array)), 'two')
  assert.equal(world.do(anna, { type: 'remove', key }).type, 'stored')
  assert.deepEqual(world.get(ben, key).entries, [])
})

test('items are added to a set and taken out of it, and the last one takes it back', () => {
  const { world } = ringOf(6)
  const [anna, ben] = world.ring as [Peer, Peer]
  const items = (): string[] =>
    world.get(ben, KEY).entries.flatMap(({ payload }) => itemsOf(payload).map(item => text(item)))
  const change = (type: 'append' | 'remove', ...what: string[]) =>
    world.do(anna, { type, key: KEY, items: what.map(bytes) }).type
  assert.equal(change('append', 'b', 'a'), 'stored')
  assert.equal(change('append', 'c', 'a'), 'stored')
  assert.deepEqual(items(), ['a', 'b', 'c'])
  assert.equal(change('remove', 'a', 'c', 'never'), 'stored')
  assert.deepEqual(items(), ['b'])
  assert.equal(change('remove', 'b'), 'stored')
  assert.deepEqual(items(), [])
  assert.equal(change('append', 'd'), 'stored')
  assert.deepEqual(items(), ['d'])
  const large = world.do(anna, { type: 'append', key: KEY, items: [new Uint8Array(2_048)] })
  assert.equal(large.type === 'failed' && large.code, 'tooLarge')
  world.do(anna, { type: 'put', entry: { kind: 'member', key: hashOf('text'), payload: bytes('no set') } })
  const notASet = world.do(anna, { type: 'append', key: hashOf('text'), items: [bytes('x')] })
  assert.equal(notASet.type === 'failed' && notASet.code, 'notASet')
})

test('changes of one set that come at once are all told, and the last one counts', () => {
  const { world } = ringOf(6)
  const [anna] = world.ring as [Peer]
  const ids = ['a', 'b', 'c'].map(item => world.begin(anna, { type: 'append', key: KEY, items: [bytes(item)] }))
  for (const id of ids) assert.equal(world.answerOf(id).type, 'stored')
  assert.equal(itemsOf(world.get(anna, KEY).entries[0]?.payload as Uint8Array).length, 3)
})

test('the owner crashes: a replica answers, and the next owner soon has it', () => {
  const { world } = ringOf(12)
  const { owner, replicas, stranger } = rolesOf(world, KEY)
  world.do(stranger, { type: 'put', entry: { kind: 'member', key: KEY, payload: bytes('x') } })
  // the ring still names the dead owner
  world.simulation.crash(owner)
  const got = world.get(stranger, KEY)
  assert.deepEqual([got.entries.length, got.isComplete], [1, false])
  world.crash([owner])
  world.runFor(10_000)
  assert.deepEqual(world.get(stranger, KEY).isComplete, true)
  assert.equal(world.keepers(KEY).length, 4)

  // all but the last of those that had it from the beginning
  world.crash(world.holders(KEY).slice(0, 3))
  const last = world.holders(KEY)[0]
  assert.ok(last === replicas[2] || world.keepers(KEY).includes(last as Peer))
  assert.deepEqual(world.get(stranger, KEY).entries.length, 1)
  world.runFor(10_000)
  assert.deepEqual(world.keepers(KEY).sort(), world.holders(KEY).slice(0, 4).sort())
})

test('nobody answers: the ring is asked again, and then it fails', () => {
  const { world } = ringOf(10)
  const { stranger: first } = rolesOf(world, KEY)
  const others = world.ring.filter(peer => peer !== first)
  for (const peer of others) world.simulation.crash(peer)
  const failed = world.do(first, { type: 'get', key: KEY })
  assert.deepEqual(failed.type === 'failed' ? failed.code : failed, 'unreachable')
  const put = world.do(first, { type: 'put', entry: { kind: 'member', key: KEY, payload: bytes('kept') } })
  assert.deepEqual(put.type === 'failed' && [put.code, put.willRetry], ['unreachable', true])
  // it is kept, and brought when there is somebody
  world.crash(others)
  assert.ok(world.simulation.runUntil(() => world.store(first).countAt(KEY) === 1, 5 * 60_000))
})

test('absent is said when the owner and a replica say so', () => {
  const { world, seen } = ringOf(10)
  const { stranger, owner } = rolesOf(world, KEY)
  const got = world.get(stranger, KEY)
  assert.deepEqual([got.entries.length, got.isComplete], [0, true])
  assert.equal(seen.filter(({ message }) => message.type === 'fetch').length, 2)
  world.simulation.crash(owner)
  assert.deepEqual(world.get(stranger, KEY).isComplete, false)
})

test('an owner that hides something is survived: by asking a replica', () => {
  const { world, seen } = ringOf(10)
  const { owner, stranger } = rolesOf(world, KEY)
  world.do(stranger, { type: 'put', entry: { kind: 'member', key: KEY, payload: bytes('x') } })
  const hidden = world.store(owner).at(KEY)
  for (const { publisherId } of hidden) world.store(owner).delete(KEY, publisherId)
  assert.equal(world.get(stranger, KEY).entries.length, 1, 'nothing at all')

  // some of it: only who is careful learns more
  world.do(owner, { type: 'put', entry: { kind: 'member', key: KEY, payload: bytes('y') } })
  assert.equal(world.get(stranger, KEY).entries.length, 1)
  seen.length = 0
  assert.equal(world.get(stranger, KEY, true).entries.length, 2)
  assert.equal(seen.filter(({ message }) => message.type === 'fetch').length, 2)
})

test('one that answers with forged entries is penalised, and another is asked', () => {
  const { world } = ringOf(10)
  const { owner, stranger } = rolesOf(world, KEY)
  world.do(stranger, { type: 'put', entry: { kind: 'member', key: KEY, payload: bytes('x') } })
  const forged = entryOf(5 as Peer, { key: KEY, signature: new Uint8Array(32) })
  world.store(owner).put({ entry: forged, publisherId: idOf(5 as Peer), hash: hashOf('forged') })
  const got = world.get(stranger, KEY)
  assert.deepEqual(
    got.entries.map(({ publisher }) => publisher),
    [stranger]
  )
  const reasons = world.simulation.penalties(owner).map(({ by, reason }) => [by, reason])
  assert.deepEqual(reasons, [[stranger, 'an entry that is not signed by its publisher']])
})

test('one that is not the owner says so, and names its predecessor: the put goes there', () => {
  const { world, seen } = ringOf(10)
  const { owner, stranger, replicas } = rolesOf(world, KEY)
  const [after] = replicas as [Peer]
  const id = world.begin(stranger, {
    type: 'put',
    entry: { kind: 'member', key: hashOf('other'), payload: bytes('x') }
  })
  world.answerOf(id)
  seen.length = 0
  // a ring that is late names the one after the owner
  const holders = world.holders.bind(world)
  world.holders = key => holders(key).filter(peer => peer !== owner)
  const stored = world.do(stranger, { type: 'put', entry: { kind: 'member', key: KEY, payload: bytes('x') } })
  assert.deepEqual(stored.type === 'stored' && stored.copies, 4)
  const stores = seen.filter(({ message }) => message.type === 'store').map(({ to }) => to)
  assert.deepEqual(stores, [after, owner])
})

test('a random choice of many entries, with how many there are', () => {
  const { world } = ringOf(4)
  const [first] = world.ring as [Peer]
  for (let i = 0; i < 100; i++) {
    const entry = entryOf((100 + i) as Peer, { key: KEY, seq: EPOCH_MS })
    world.directory.send(first, world.holders(KEY)[0] as Peer, { type: 'store', id: i, entry })
  }
  world.runFor(5_000)
  const asker = world.holders(KEY)[3] as Peer
  const answers = [world.get(asker, KEY), world.get(asker, KEY)]
  for (const { entries, total, isComplete } of answers) {
    assert.ok(entries.length >= 40 && entries.length <= directoryLimits.maxEntriesInMessage, `${entries.length}`)
    assert.deepEqual([total, isComplete], [100, false])
  }
  assert.notDeepEqual(
    answers[0]?.entries.map(({ publisher }) => publisher),
    answers[1]?.entries.map(({ publisher }) => publisher)
  )
})

test('a hot key leaves copies on the way, and the owner has less to do', () => {
  const { world, seen } = ringOf(12, { hot: { rate: 1, burst: 5 }, cacheMs: 10_000 })
  const { owner, stranger } = rolesOf(world, KEY)
  world.do(owner, { type: 'put', entry: { kind: 'member', key: KEY, payload: bytes('x') } })
  const via = world.holders(KEY).at(-1) as Peer
  world.via = via
  for (let i = 0; i < 8; i++) assert.equal(world.get(stranger, KEY).entries.length, 1)
  assert.ok(world.machine(via).hasCached(KEY, world.simulation.now))
  seen.length = 0
  for (let i = 0; i < 5; i++) {
    const got = world.get(stranger, KEY)
    assert.deepEqual([got.entries.length, got.isComplete], [1, false])
  }
  assert.deepEqual(new Set(seen.filter(({ message }) => message.type === 'fetch').map(({ to }) => to)), new Set([via]))
  // who is careful asks the owner
  assert.ok(world.get(stranger, KEY, true).isComplete)

  // the copy goes while the lookup is under way
  const has = world.machine(via).hasCached
  world.runFor(15_000)
  assert.equal(world.machine(via).hasCached(KEY, world.simulation.now), false)
  world.machine(via).hasCached = () => true
  assert.ok(world.get(stranger, KEY).isComplete)
  world.machine(via).hasCached = has
})

test('what was published before is published again after a restart', () => {
  const { world } = ringOf(6)
  const [peer] = world.ring as [Peer]
  world.do(peer, { type: 'put', entry: { kind: 'member', key: KEY, payload: bytes('x') } })
  const own = world.store(peer)
  const others = world.ring.filter(other => other !== peer)
  world.crash([peer])
  world.runFor(60_000)
  world.stores.set(peer, own)
  world.simulation.restart(peer)
  // all who had it are gone too
  world.crash(others)
  world.setRing([peer])
  const [extra] = world.grow(1) as [Peer]
  world.runFor(24 * 3_600_000)
  assert.equal(world.get(extra, KEY).entries.length, 1)
})

test('more gets at once than are allowed', () => {
  const { world } = ringOf(4, { maxGets: 2 })
  const [peer] = world.ring as [Peer]
  const ids = [1, 2, 3].map(i => world.begin(peer, { type: 'get', key: hashOf(`${i}`) }))
  const answers = ids.map(id => world.answerOf(id))
  assert.deepEqual(answers.map(answer => answer.type).sort(), ['failed', 'got', 'got'])
})
