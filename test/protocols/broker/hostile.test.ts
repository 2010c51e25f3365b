import assert from 'node:assert/strict'
import { test } from 'node:test'
import { brokerLimits, type Lease, type Order } from '../../../protocols/broker/index.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import {
  broker,
  events,
  host,
  hosting,
  leaseOf,
  orderOf,
  owner,
  penalised,
  Solo,
  self,
  sent,
  stranger,
  WALL_MS
} from './solo.ts'
import { GIB, infohashOf } from './world.ts'

const WRONG: [string, Order][] = [
  ['signed by another', orderOf({}, stranger)],
  ['of no bytes', orderOf({ size: 0 })],
  ['of more bytes than anybody has', orderOf({ size: brokerLimits.maxItemBytes + 1 })],
  ['of too many copies', orderOf({ copies: brokerLimits.maxCopies + 1 })],
  ['that lasts too long', orderOf({ expires: WALL_MS / 1_000 + 91 * 86_400 })],
  ['that ends before it begins', orderOf({ expires: WALL_MS / 1_000 - 1 })],
  ['of another size than was signed', { ...orderOf(), size: 2 * GIB }]
]

for (const [what, order] of WRONG) {
  test(`an order ${what} is refused by brokers and hosts, and penalised`, () => {
    const solo = new Solo()
    solo.machine.handle(
      { type: 'offer', bytes: 100 * GIB, usedBytes: 0, uptimeMs: 0, uploadBytesPerS: 0, load: 0, domain: '' },
      0
    )
    assert.deepEqual(penalised(solo.hear(owner, { type: 'order', order, brokers: [] })), [owner])
    const out = solo.hear(broker, { type: 'place', order, usedBytes: 0, brokers: [], sources: [] })
    assert.deepEqual(penalised(out), [broker])
    assert.deepEqual(events(out, 'fetch'), [])
    assert.deepEqual(solo.machine.usage.orders, 0)
  })
}

test('an order of the past or of the future does not count, but clocks may be to blame', () => {
  const solo = new Solo()
  const past = orderOf({ seq: WALL_MS - 3 * 86_400_000, expires: WALL_MS / 1_000 - 86_400 })
  const future = orderOf({ seq: WALL_MS + 3_600_000 })
  for (const [order, outcome] of [
    [past, 'expired'],
    [future, 'future']
  ] as const) {
    const out = solo.hear(owner, { type: 'order', order, brokers: [] })
    const [answer] = sent(out, 'ordered')
    assert.ok(answer?.type === 'send' && answer.message.type === 'ordered' && answer.message.outcome === outcome)
    assert.deepEqual(penalised(out), [])
  }
  assert.equal(solo.machine.usage.orders, 0)
})

test('an older order never takes the place of a newer one', () => {
  const solo = new Solo()
  solo.hear(owner, { type: 'order', order: orderOf({ copies: 0, seq: WALL_MS + 1 }), brokers: [] })
  solo.hear(stranger, { type: 'order', order: orderOf(), brokers: [] })
  const out = [
    ...solo.hear(host, {
      type: 'offer',
      offer: { bytes: GIB * 9, usedBytes: 0, uptimeMs: 0, uploadBytesPerS: 0, load: 0, domain: '' }
    }),
    ...solo.wait(60_000)
  ]
  assert.deepEqual(sent(out, 'place'), [])
})

test('one owner cannot fill a broker, and all of them together not either', () => {
  const solo = new Solo({ ownerOrders: 3, maxOrders: 5 })
  const outcomes = (from: Peer, i: number): unknown =>
    solo
      .hear(from, { type: 'order', order: orderOf({ owner: from, infohash: infohashOf(`${from} ${i}`) }), brokers: [] })
      .flatMap(one => (one.type === 'send' && one.message.type === 'ordered' ? [one.message.outcome] : []))[0]
  assert.deepEqual(
    [0, 1, 2, 3].map(i => outcomes(owner, i)),
    ['taken', 'taken', 'taken', 'quota']
  )
  assert.deepEqual(
    [0, 1, 2].map(i => outcomes(stranger, i)),
    ['taken', 'taken', 'full']
  )
})

const RELEASES: [string, Peer, Order, Lease[], boolean][] = [
  ['the owner drops it, whoever says so', stranger, orderOf({ copies: 0, seq: WALL_MS + 1 }), [], true],
  ['an older drop', broker, orderOf({ copies: 0, seq: WALL_MS - 1 }), [], false],
  ['a drop that the owner has not signed', broker, orderOf({ copies: 0, seq: WALL_MS + 1 }, broker), [], false],
  ['another has it, says its broker', broker, orderOf(), [leaseOf()], true],
  ['another has it, says a stranger', stranger, orderOf(), [leaseOf()], false],
  ['nobody has it', broker, orderOf(), [], false],
  ['another is only fetching it', broker, orderOf(), [leaseOf({ state: 'fetching' })], false],
  ['another has something else', broker, orderOf(), [leaseOf({ infohash: infohashOf('other') })], false],
  ['this node itself has it', broker, orderOf(), [leaseOf({ host: self })], false],
  ['a lease that has expired', broker, orderOf(), [leaseOf({ expires: WALL_MS / 1_000 - 3_600 })], false],
  ['a lease that its host has not signed', broker, orderOf(), [leaseOf({}, broker)], false],
  [
    'one and the same twice, of two that are wanted',
    broker,
    orderOf({ copies: 2, seq: WALL_MS + 1 }),
    [leaseOf(), leaseOf()],
    false
  ]
]

for (const [why, from, order, others, isReleased] of RELEASES) {
  test(`a host ${isReleased ? 'lets go' : 'keeps it'}: ${why}`, () => {
    const solo = hosting()
    const out = solo.hear(from, { type: 'release', order, others })
    assert.equal(events(out, 'release').length, Number(isReleased))
    assert.equal(solo.machine.hosted.length, Number(!isReleased))
  })
}

test('a host takes what it has room for, of one owner a share, and as many at once as it can', () => {
  const solo = new Solo({ maxFetching: 2 })
  const outcome = (order: Order, usedBytes = 0): unknown =>
    solo
      .hear(broker, { type: 'place', order, usedBytes, brokers: [], sources: [] })
      .flatMap(one => (one.type === 'send' && one.message.type === 'placed' ? [one.message.outcome] : []))[0]
  const named = (name: string, change: Partial<Order> = {}): Order => orderOf({ infohash: infohashOf(name), ...change })
  assert.equal(outcome(named('a')), 'closed')
  const offer = { bytes: 10 * GIB, usedBytes: 0, uptimeMs: 0, uploadBytesPerS: 0, load: 0, domain: '' }
  solo.machine.handle({ type: 'offer', ...offer }, 0)
  assert.equal(outcome(named('a', { size: 11 * GIB })), 'noRoom')
  assert.equal(outcome(named('a', { size: 9 * GIB })), 'quota')
  assert.equal(outcome(named('a', { copies: 0 })), 'old')
  assert.equal(outcome(orderOf({ owner: self })), 'old')
  assert.equal(outcome(named('a')), 'taken')
  assert.equal(outcome(named('a')), 'holds')
  assert.equal(outcome(named('b', { owner: stranger })), 'stale')
  assert.equal(outcome(named('b', { owner: stranger }), GIB), 'taken')
  assert.equal(outcome(named('c', { owner: host }), 2 * GIB), 'busy')
})

test('sources are those who have signed that they have it, and the owner', () => {
  const solo = new Solo()
  solo.machine.handle(
    { type: 'offer', bytes: 10 * GIB, usedBytes: 0, uptimeMs: 0, uploadBytesPerS: 0, load: 0, domain: '' },
    0
  )
  const sources = [leaseOf(), leaseOf({ host: stranger, infohash: infohashOf('other') })]
  const [fetch] = events(
    solo.hear(broker, { type: 'place', order: orderOf(), usedBytes: 0, brokers: [], sources }),
    'fetch'
  )
  assert.ok(fetch?.type === 'event' && fetch.event.type === 'fetch')
  assert.deepEqual(fetch.event.sources, [owner, host])
})

test('a lease counts for its sender alone, and only if he has signed it', () => {
  const solo = new Solo()
  solo.hear(owner, { type: 'order', order: orderOf(), brokers: [] })
  const { host: _, ...forged } = leaseOf({}, stranger)
  assert.deepEqual(penalised(solo.hear(host, { type: 'leases', report: 0, leases: [forged], gone: [] })), [host])
  const { host: __, ...stolen } = leaseOf()
  assert.deepEqual(penalised(solo.hear(stranger, { type: 'leases', report: 0, leases: [stolen], gone: [] })), [
    stranger
  ])
  const { host: ___, ...long } = leaseOf({ expires: WALL_MS / 1_000 + 10 * 86_400 })
  assert.deepEqual(penalised(solo.hear(host, { type: 'leases', report: 0, leases: [long], gone: [] })), [host])
})

test('what another broker shows is asked of the host, and not believed', () => {
  const solo = new Solo()
  solo.hear(owner, { type: 'order', order: orderOf(), brokers: [] })
  const { owner: _, infohash } = orderOf()
  const out = solo.hear(stranger, { type: 'shown', owner, infohash, leases: [leaseOf()] })
  assert.deepEqual(
    sent(out, 'newer').map(one => one.type === 'send' && one.to),
    [host]
  )
  const forged = solo.hear(stranger, { type: 'shown', owner, infohash, leases: [leaseOf({}, stranger)] })
  assert.deepEqual(penalised(forged), [stranger])
})

test('offers that nobody asked for, answers and reports that nobody waits for change nothing', () => {
  const solo = new Solo()
  solo.hear(owner, { type: 'order', order: orderOf(), brokers: [] })
  const offer = { bytes: 10 * GIB, usedBytes: 0, uptimeMs: 0, uploadBytesPerS: 0, load: 0, domain: '' }
  const { infohash } = orderOf()
  const { host: _, ...own } = leaseOf()
  const out = [
    ...solo.hear(stranger, { type: 'offers', offers: [{ host, offer }] }),
    ...solo.hear(host, { type: 'placed', owner, infohash, seq: WALL_MS, outcome: 'taken', offer, lease: own }),
    ...solo.hear(host, { type: 'leases', report: 77, total: 1, leases: [own], gone: [] }),
    ...solo.wait(120_000)
  ]
  assert.deepEqual(sent(out, 'place'), [])
  const status = out.flatMap(one => (one.type === 'send' && one.message.type === 'status' ? [one.message] : []))
  assert.ok(status.every(({ hosts }) => hosts.length === 0))
})

test('an owner is told of its own items only', () => {
  const solo = new Solo()
  solo.hear(owner, { type: 'order', order: orderOf(), brokers: [] })
  assert.equal(sent(solo.hear(owner, { type: 'ask' }), 'status').length, 1)
  assert.deepEqual(sent(solo.hear(stranger, { type: 'ask', infohash: infohashOf('item') }), 'status'), [])
  const [orders] = sent(solo.hear(stranger, { type: 'recover' }), 'orders')
  assert.ok(orders?.type === 'send' && orders.message.type === 'orders' && orders.message.orders.length === 0)
})

test('who says too much to a host is penalised, and a flood of orders is refused', () => {
  const solo = new Solo()
  const order = orderOf()
  const out = Array.from({ length: brokerLimits.others.burst + 1 }, () =>
    solo.hear(stranger, { type: 'report', id: 1 })
  ).flat()
  assert.deepEqual(penalised(out), [stranger])
  const answers = Array.from({ length: brokerLimits.orders.burst + 1 }, () =>
    solo.hear(owner, { type: 'order', order, brokers: [] })
  ).flat()
  const last = sent(answers, 'ordered').at(-1)
  assert.ok(last?.type === 'send' && last.message.type === 'ordered' && last.message.outcome === 'tooOften')
})

test('numbers that do not fit together are refused at the start', () => {
  for (const config of [
    { brokers: 0 },
    { brokers: 4 },
    { lifetimeMs: 91 * 86_400_000 },
    { ownerShare: 0 },
    { network: '' }
  ]) {
    assert.throws(() => new Solo(config), RangeError)
  }
})
