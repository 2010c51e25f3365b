import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type RingId, ringAdd } from '../../../protocols/core/keyspace.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import { Cache } from '../../../protocols/directory/cache.ts'
import {
  type DirectoryEvent,
  type DirectoryMessage,
  directoryConfig,
  directoryLimits,
  type Entry,
  signedBytes
} from '../../../protocols/directory/index.ts'
import { Place } from '../../../protocols/directory/place.ts'
import { type Said, Solo } from './solo.ts'
import { DirectoryWorld, EPOCH_MS, entryOf, hashOf, idOf, sha256 } from './world.ts'

const peers = Array.from({ length: 40 }, (_, i) => i as Peer).sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1))
const at = (i: number): Peer => peers[i] as Peer
/** A node in the middle of the ring, the one before it, and those after it. */
const [PREDECESSOR, SELF, FIRST, SECOND] = [at(19), at(20), at(21), at(22)]
const STRANGER = at(3)
const seed = Number(process.env.SHOAL_SEED ?? 1)
const reasons = ({ penalties }: Said): string[] => penalties.map(({ peer, reason }) => `${peer}: ${reason}`)

function soloOnRing(): Solo {
  const solo = new Solo(SELF)
  solo.give({ type: 'ring', predecessor: PREDECESSOR, successors: [FIRST, SECOND] })
  return solo
}

/** Keys right before a peer's id. */
const keyAt = (peer: Peer, before: number): RingId => ringAdd(idOf(peer), -BigInt(before))

const EMPTY = { count: 0, low: 0, high: 0 }

test('an owner is believed what ends at its own id, and may push into that alone', () => {
  const solo = new Solo(SELF)
  // without successors nothing is known to be near
  solo.give({ type: 'ring', predecessor: PREDECESSOR, successors: [] })
  const key = keyAt(PREDECESSOR, 5)
  const push = (from: Peer, arcFrom?: RingId): Said =>
    solo.hear(from, {
      type: 'push',
      id: 1,
      ...(arcFrom === undefined ? {} : { arcFrom }),
      entries: [entryOf(STRANGER, { key }), entryOf(STRANGER, { key: keyAt(SELF, 5) })]
    })
  const outcomes = ({ sent }: Said) =>
    sent.flatMap(({ message }) => (message.type === 'pushed' ? message.outcomes : []))
  // what this node owns anyone may bring; but nobody in the name of an arc that is not its own
  assert.deepEqual(outcomes(push(STRANGER, idOf(at(2)))), ['notMine', 'stored'])
  assert.deepEqual(outcomes(push(PREDECESSOR, idOf(at(18)))), ['stored', 'same'])

  const lie = solo.hear(STRANGER, {
    type: 'compare',
    id: 2,
    salt: 1,
    isOwner: true,
    from: idOf(at(2)),
    to: idOf(at(30)),
    digest: EMPTY
  })
  assert.deepEqual(reasons(lie), [`${STRANGER}: an arc that does not end at its owner`])
  assert.deepEqual(lie.sent, [])
})

test('copies for others leave room for what this node owns', () => {
  const solo = new Solo(SELF, { maxEntries: 20 })
  solo.give({ type: 'ring', predecessor: PREDECESSOR, successors: [] })
  const entries = Array.from({ length: 20 }, (_, i) => entryOf(at(i), { key: keyAt(PREDECESSOR, i) }))
  const { sent } = solo.hear(PREDECESSOR, { type: 'push', id: 1, arcFrom: idOf(at(18)), entries })
  const outcomes = sent.flatMap(({ message }) => (message.type === 'pushed' ? message.outcomes : []))
  assert.deepEqual(outcomes, [...new Array(18).fill('stored'), 'full', 'full'])
  for (const outcome of ['stored', 'stored', 'full']) {
    const entry = entryOf(at(solo.now++), { key: keyAt(SELF, solo.now) })
    const answer = solo.hear(STRANGER, { type: 'store', id: 1, entry }).sent[0]?.message
    assert.equal(answer?.type === 'stored' && answer.outcome, outcome)
  }
})

test('what lies here for an owner whose comparison is still to come is not offered', () => {
  for (const isSeat of [true, false]) {
    const solo = soloOnRing()
    const key = keyAt(PREDECESSOR, 1)
    solo.records.put({ entry: entryOf(STRANGER, { key }), publisherId: idOf(STRANGER), hash: hashOf('x') })
    let lookup: DirectoryEvent | undefined
    for (let ms = 0; lookup === undefined && ms < 2 * directoryConfig.graceMs; ms += 1_000) {
      lookup = solo.runUntil(ms).events[0]
    }
    assert.ok(lookup?.type === 'lookup' && lookup.key === key)
    assert.ok(solo.now > directoryConfig.restMs / 2)
    const replicas = isSeat ? [SELF, FIRST] : [FIRST, SECOND]
    const { sent } = solo.give({ type: 'found', id: lookup.id, owner: PREDECESSOR, replicas })
    assert.deepEqual(
      sent.map(({ to, message }) => [to, message.type]),
      isSeat ? [] : [[PREDECESSOR, 'compare']]
    )
  }
})

test('who is careful takes nothing from a node on the way, whatever the ring says', () => {
  const solo = soloOnRing()
  const [lookup] = solo.give({ type: 'get', id: 1, key: hashOf('x'), careful: true }).events
  assert.ok(lookup?.type === 'lookup' && !lookup.mayBeCached)
  const said = solo.give({ type: 'found', id: lookup.id, owner: STRANGER, replicas: [], isCached: true })
  assert.deepEqual(said.sent, [])
  assert.equal(solo.runUntil(directoryConfig.pauseMs).events[0]?.type, 'lookup')
})

test('of many who say that they keep copies here the nearest count', () => {
  const place = new Place({ self: SELF, idOf, config: directoryConfig })
  place.onRing(PREDECESSOR, [FIRST], 0)
  for (let i = 0; i < 20; i++) place.onClaim(at(i), i === 0 ? idOf(at(39)) : idOf(at(i - 1)), 0)
  // stale ones go first, near or not
  for (let i = 0; i < 20; i++) {
    assert.equal(place.keeps(idOf(at(i)), 0), i >= 20 - directoryLimits.maxClaims, `${i}`)
  }
  assert.equal(place.keeps(idOf(PREDECESSOR), directoryConfig.graceMs + 1), false)
  place.onClaim(STRANGER, idOf(at(2)), directoryConfig.graceMs + 1)
  assert.equal(place.keeps(idOf(STRANGER), directoryConfig.graceMs + 1), true)
})

test('asking too often is refused, and going on is penalised', () => {
  const solo = soloOnRing()
  const counts = new Map<string, number>()
  const ask = directoryLimits.gets.burst + directoryLimits.refusals.burst + 10
  for (let id = 0; id < ask; id++) {
    const { sent, penalties } = solo.hear(STRANGER, { type: 'fetch', id, key: hashOf('x'), isCached: false })
    const what = sent[0]?.message.type ?? (penalties.length > 0 ? 'penalised' : 'nothing')
    counts.set(what, (counts.get(what) ?? 0) + 1)
  }
  assert.deepEqual(Object.fromEntries(counts), {
    fetched: directoryLimits.gets.burst,
    busy: directoryLimits.refusals.burst,
    penalised: 10
  })
  // others are served, and it is again, later
  assert.equal(
    solo.hear(FIRST, { type: 'fetch', id: 1, key: hashOf('x'), isCached: false }).sent[0]?.message.type,
    'fetched'
  )
  solo.runUntil(1_000)
  assert.equal(
    solo.hear(STRANGER, { type: 'fetch', id: 1, key: hashOf('x'), isCached: false }).sent[0]?.message.type,
    'fetched'
  )
})

test('nobody can make this node read its store over and over', () => {
  const solo = soloOnRing()
  for (let i = 0; i < 2_000; i++) {
    const entry = entryOf(STRANGER, { key: keyAt(SELF, i + 1) })
    solo.records.put({ entry, publisherId: idOf(STRANGER), hash: hashOf(`${i}`) })
  }
  let reads = 0
  const arc = solo.records.arc.bind(solo.records)
  solo.records.arc = function* (from, to) {
    for (const head of arc(from, to)) {
      reads++
      yield head
    }
  }
  const [from, to] = [idOf(SELF), idOf(SELF)]
  for (let id = 0; id < 3_000; id++) {
    solo.hear(STRANGER, { type: 'pull', id, salt: 1, from, to, ids: ['00'.repeat(8)] })
  }
  assert.ok(reads <= directoryLimits.scans.burst + directoryLimits.compares.burst * 2_000)
  assert.ok(reads >= directoryLimits.scans.burst)
})

/** A node that compares with its first replica, which says what the test makes it say. */
function comparison(answer: (question: DirectoryMessage & { type: 'compare' | 'pull' | 'push' }) => DirectoryMessage): {
  questions: DirectoryMessage[]
  penalties: string[]
  solo: Solo
} {
  const solo = soloOnRing()
  const questions: DirectoryMessage[] = []
  const penalties: string[] = []
  let said = solo.runUntil(5_000)
  for (let i = 0; i < 100; i++) {
    penalties.push(...reasons(said))
    const question = said.sent.find(({ to }) => to === FIRST)?.message
    if (question?.type !== 'compare' && question?.type !== 'pull' && question?.type !== 'push') break
    questions.push(question)
    said = solo.hear(FIRST, answer(question))
  }
  return { questions, penalties, solo }
}

test('a replica that goes on splitting for ever is given up', () => {
  const { questions, penalties } = comparison(question => {
    if (question.type !== 'compare') return { type: 'busy', id: question.id }
    const { id, from, to } = question
    const parts = [
      { to: ringAdd(from, 1n), count: 0, low: 0, high: 0 },
      { to, count: 9, low: 1, high: 1 }
    ]
    return { type: 'parts', id, parts }
  })
  assert.equal(questions.length, directoryLimits.maxDepth + 1)
  assert.deepEqual(penalties, [`${FIRST}: parts of an arc that are none`])
})

test('parts that are no parts of the arc', () => {
  const digest = { count: 9, low: 1, high: 1 }
  const cases: ((from: RingId, to: RingId) => RingId[])[] = [
    () => [],
    (_, to) => [to],
    from => [ringAdd(from, 1n), ringAdd(from, 2n)],
    (from, to) => [ringAdd(from, 2n), ringAdd(from, 1n), to],
    (from, to) => [ringAdd(from, -1n), to],
    (from, to) => [ringAdd(from, 1n), ringAdd(from, 1n), to],
    (from, to) => [from, to]
  ]
  for (const [i, ends] of cases.entries()) {
    const { questions, penalties } = comparison(question => {
      if (question.type !== 'compare') throw new Error(question.type)
      const { id, from, to } = question
      return { type: 'parts', id, parts: ends(from, to).map(end => ({ to: end, ...digest })) }
    })
    assert.equal(questions.length, 1)
    assert.deepEqual(penalties, [`${FIRST}: parts of an arc that are none`], `${i}`)
  }
})

test('a replica that lists what it does not have, or gives something else', () => {
  const records = [{ id: 'ab'.repeat(8), seq: EPOCH_MS, hash: '00'.repeat(8) }]
  const nothing = comparison(({ type, id }) =>
    type === 'compare' ? { type: 'listing', id, records } : { type: 'pulled', id, entries: [] }
  )
  assert.deepEqual(
    nothing.questions.map(({ type }) => type),
    ['compare', 'pull']
  )
  const other = entryOf(STRANGER, { key: keyAt(SELF, 1) })
  const { penalties, solo } = comparison(({ type, id }) =>
    type === 'compare' ? { type: 'listing', id, records } : { type: 'pulled', id, entries: [other] }
  )
  assert.deepEqual(penalties, [`${FIRST}: an entry that was not asked for`])
  assert.equal(solo.records.usage().entries, 0)
})

test('answers of those who were not asked, and to something else, count for nothing', () => {
  const solo = soloOnRing()
  const key = hashOf('wanted')
  const { events } = solo.give({ type: 'get', id: 1, key })
  const [lookup] = events
  assert.equal(lookup?.type, 'lookup')
  const { sent } = solo.give({
    type: 'found',
    id: lookup?.type === 'lookup' ? lookup.id : 0,
    owner: FIRST,
    replicas: []
  })
  const question = sent[0]?.message as DirectoryMessage & { type: 'fetch' }
  const entries = [entryOf(STRANGER, { key })]
  const answer: DirectoryMessage = { type: 'fetched', id: question.id, isMine: true, isHot: false, total: 1, entries }
  assert.deepEqual(solo.hear(STRANGER, answer).events, [])
  assert.deepEqual(solo.hear(FIRST, { ...answer, id: question.id + 1 }).events, [])
  assert.deepEqual(solo.hear(FIRST, { type: 'stored', id: question.id, outcome: 'stored', copies: 4 }).events, [])
  assert.equal(solo.hear(FIRST, answer).events[0]?.type, 'got')
  assert.deepEqual(solo.hear(FIRST, answer).events, [])
})

test('copies of hot keys: verified, of other nodes, few and not for long', () => {
  const solo = soloOnRing()
  const key = hashOf('hot')
  const copy = (from: Peer, entries: Entry[], of = key): Said =>
    solo.hear(from, { type: 'cache', key: of, total: 9, entries })
  copy(STRANGER, [])
  assert.equal(solo.directory.hasCached(key, 0), false)
  const forged = copy(STRANGER, [{ ...entryOf(STRANGER, { key }), payload: Uint8Array.of(1) }])
  assert.deepEqual(reasons(forged), [`${STRANGER}: an entry that is not signed by its publisher`])
  assert.equal(solo.directory.hasCached(key, 0), false)
  copy(STRANGER, [entryOf(STRANGER, { key: keyAt(SELF, 1) })], keyAt(SELF, 1))
  assert.equal(solo.directory.hasCached(keyAt(SELF, 1), 0), false)
  copy(STRANGER, [entryOf(STRANGER, { key })])
  assert.equal(solo.directory.hasCached(key, 0), true)
  const { sent } = solo.hear(FIRST, { type: 'fetch', id: 1, key, isCached: true })
  const answer = sent[0]?.message
  assert.deepEqual(answer?.type === 'fetched' && [answer.isMine, answer.total, answer.entries.length], [false, 9, 1])
  assert.equal(solo.directory.hasCached(key, directoryConfig.cacheMs), false)

  let kept = 0
  for (let i = 0; i < 50; i++) {
    const other = hashOf(`hot ${i}`)
    copy(STRANGER, [entryOf(STRANGER, { key: other })], other)
    if (solo.directory.hasCached(other, 0)) kept++
  }
  assert.ok(kept < directoryLimits.caches.burst, `${kept} of one peer`)
})

test('the cache forgets what was asked for longest ago', () => {
  const entry = entryOf(STRANGER, { key: hashOf('x'), payload: new Uint8Array(100) })
  const cache = new Cache({ maxBytes: 4_000, maxMs: 100 })
  const keys = ['a', 'b', 'c', 'd'].map(hashOf) as [RingId, RingId, RingId, RingId]
  for (const key of keys.slice(0, 3)) cache.add(key, { total: 1, entries: [entry] }, 0)
  assert.equal(cache.get(keys[0], 1)?.total, 1)
  cache.add(keys[3], { total: 1, entries: [entry] }, 2)
  assert.deepEqual(
    keys.map(key => cache.has(key, 3)),
    [true, false, true, true]
  )
  assert.ok(cache.bytes <= 4_000)
  cache.add(keys[0], { total: 1, entries: new Array(9).fill(entry) }, 4)
  assert.equal(cache.has(keys[0], 5), false)
  assert.deepEqual(
    keys.map(key => cache.has(key, 101)),
    [false, false, false, true]
  )
  assert.deepEqual(
    keys.map(key => cache.has(key, 200)),
    [false, false, false, false]
  )
  assert.equal(cache.bytes, 0)
})

test(`anything that can be said is taken without harm (SHOAL_SEED=${seed})`, () => {
  const rng = seededRng(seed)
  const solo = new Solo(SELF, { maxEntries: 200, maxGets: 20 })
  solo.give({ type: 'ring', predecessor: PREDECESSOR, successors: [FIRST, SECOND, STRANGER] })
  const key = (): RingId => (rng.below(2) === 0 ? keyAt(SELF, rng.below(300)) : hashOf(`${rng.below(50)}`))
  const id = (): number => (lastId + rng.below(6) - 4) >>> 0
  let lastId = 0
  const entry = (): Entry => {
    const made = entryOf(rng.pick(peers), { key: key(), seq: EPOCH_MS + rng.below(9), isRemoved: rng.below(9) === 0 })
    return rng.below(9) === 0 ? { ...made, seq: made.seq + 1 } : made
  }
  const many = <T>(make: () => T, most: number): T[] => Array.from({ length: rng.below(most + 1) }, make)
  const digest = () => ({ count: rng.below(400), low: rng.uint32(), high: rng.uint32() })
  const short = (): string => hashOf(`${rng.below(99)}`).slice(0, 16)
  const makers: (() => DirectoryMessage)[] = [
    () => ({ type: 'store', id: id(), entry: entry() }),
    () => ({
      type: 'stored',
      id: id(),
      outcome: rng.pick(['stored', 'notMine', 'full']),
      copies: 3,
      hint: rng.pick(peers)
    }),
    () => ({ type: 'fetch', id: id(), key: key(), isCached: rng.below(2) === 0 }),
    () => ({ type: 'fetched', id: id(), isMine: rng.below(2) === 0, isHot: true, total: 9, entries: many(entry, 3) }),
    () => ({ type: 'push', id: id(), arcFrom: key(), entries: many(entry, 5) }),
    () => ({ type: 'pushed', id: id(), outcomes: many(() => rng.pick(['stored', 'full', 'old']), 5) }),
    () => ({
      type: 'compare',
      id: id(),
      salt: 1,
      isOwner: rng.below(2) === 0,
      from: key(),
      to: key(),
      digest: digest()
    }),
    () => ({ type: 'same', id: id() }),
    () => ({ type: 'listing', id: id(), records: many(() => ({ id: short(), seq: EPOCH_MS, hash: short() }), 200) }),
    () => ({ type: 'parts', id: id(), parts: many(() => ({ to: key(), ...digest() }), 16) }),
    () => ({ type: 'pull', id: id(), salt: 1, from: key(), to: key(), ids: many(short, 9) }),
    () => ({ type: 'pulled', id: id(), entries: many(entry, 4) }),
    () => ({ type: 'busy', id: id() }),
    () => ({ type: 'cache', key: key(), total: 3, entries: many(entry, 3) })
  ]
  try {
    for (let i = 0; i < 8_000; i++) {
      const from = rng.pick([PREDECESSOR, FIRST, SECOND, STRANGER, at(30)])
      const command = rng.below(20)
      const said: Said =
        command === 0
          ? solo.give({ type: 'get', id: i, key: key(), careful: rng.below(2) === 0 })
          : command === 1
            ? solo.give({ type: 'peerDown', peer: from })
            : command === 2
              ? solo.runUntil(solo.now + rng.below(20_000))
              : command === 3
                ? solo.give({
                    type: 'ring',
                    predecessor: rng.pick([PREDECESSOR, at(10), undefined]),
                    successors: rng.sample([FIRST, SECOND, at(30)], rng.below(4))
                  })
                : solo.hear(from, rng.pick(makers)())
      for (const { message } of said.sent) if ('id' in message && message.type !== 'busy') lastId = message.id
      for (const event of said.events) {
        if (event.type !== 'lookup') continue
        solo.give({ type: 'found', id: event.id, owner: rng.pick(peers), replicas: rng.sample(peers, rng.below(5)) })
      }
    }
    assert.ok(solo.records.usage().entries <= 200)
    for (const { key, publisherId, hash } of solo.records.arc(idOf(SELF), idOf(SELF))) {
      const kept = solo.records.get(key, publisherId)?.entry as Entry
      assert.equal(hash, Buffer.from(sha256(signedBytes('shoal', publisherId, kept))).toString('hex'))
      assert.deepEqual(entryOf(kept.publisher, { ...kept, signature: undefined } as never).signature, kept.signature)
    }
  } catch (error) {
    console.error(`again: SHOAL_SEED=${seed} node --test test/protocols/directory/hostile.test.ts`)
    throw error
  }
})

test(`hostile bytes are refused and counted, and the ring goes on (SHOAL_SEED=${seed})`, () => {
  const world = new DirectoryWorld({ seed, wire: true })
  world.grow(8)
  const [hostile] = world.simulation.addPeers(1) as [Peer]
  const rng = seededRng(seed)
  for (let i = 0; i < 200; i++) {
    const bytes = Uint8Array.from({ length: rng.below(90) }, () => 14 + rng.below(240))
    world.directory.sendBytes(hostile, rng.pick(world.ring), bytes)
  }
  world.runFor(5_000)
  assert.equal(world.simulation.stats.undecodable, 200)
  const [peer] = world.ring as [Peer]
  const key = hashOf('x')
  assert.equal(
    world.do(peer, { type: 'put', entry: { kind: 'member', key, payload: Uint8Array.of(1) } }).type,
    'stored'
  )
  assert.equal(world.get(world.ring[4] as Peer, key).entries.length, 1)
})
