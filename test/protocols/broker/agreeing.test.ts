import assert from 'node:assert/strict'
import { test } from 'node:test'
import { brokerLimits } from '../../../protocols/broker/index.ts'
import type { Infohash } from '../../../protocols/core/ids.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { broker, host, hosting, leaseOf, orderOf, owner, Solo, self, sent, stranger, WALL_MS } from './solo.ts'
import { BrokerWorld, infohashOf, MINUTE } from './world.ts'

/** An infohash of which this node is the first broker, or the second, of two. */
function itemOf(isFirst: boolean): Infohash {
  for (let i = 0; ; i++) {
    const solo = new Solo()
    solo.machine.handle({ type: 'brokers', peers: [self, broker] }, 0)
    const infohash = infohashOf(`item ${i}`)
    const out = solo.hear(owner, { type: 'order', order: orderOf({ infohash }), brokers: [self, broker] })
    // only the first asks at once what room there is
    if (sent(out, 'room').length > 0 === isFirst) return infohash
  }
}

const offer = { bytes: 2 ** 40, usedBytes: 0, uptimeMs: 0, uploadBytesPerS: 0, load: 0, domain: '' }

/** A broker of two that knows of some copies. */
function keeping(isFirst: boolean, hosts: readonly Peer[], copies = 1): { solo: Solo; infohash: Infohash } {
  const infohash = itemOf(isFirst)
  const solo = new Solo({ roomMs: 10 * MINUTE })
  solo.machine.handle({ type: 'brokers', peers: [self, broker] }, 0)
  solo.hear(owner, { type: 'order', order: orderOf({ infohash, copies }), brokers: [self, broker] })
  for (const peer of hosts) {
    const { host: _, ...lease } = leaseOf({ host: peer, infohash })
    solo.hear(peer, { type: 'leases', report: 0, leases: [lease], gone: [] })
  }
  solo.hear(stranger, { type: 'offer', offer })
  solo.wait(5_000)
  return { solo, infohash }
}

test('before a copy that was lost is made again the other broker is asked who has it', () => {
  const { solo, infohash } = keeping(true, [host])
  const lost = [...solo.machine.handle({ type: 'peerDown', peer: host }, solo.now), ...solo.wait(100)]
  assert.deepEqual(
    sent(lost, 'order').map(one => one.type === 'send' && one.to),
    [broker]
  )
  assert.deepEqual(sent(lost, 'place'), [])
  const place = solo.hear(broker, { type: 'shown', owner, infohash, leases: [] })
  assert.deepEqual(
    sent(place, 'place').map(one => one.type === 'send' && one.to),
    [stranger]
  )
})

test('a broker that does not answer is not waited for', () => {
  const { solo } = keeping(true, [host])
  const out = [...solo.machine.handle({ type: 'peerDown', peer: host }, solo.now), ...solo.wait(3_000)]
  assert.equal(sent(out, 'place').length, 1)
})

test('the second broker leaves what is missing to the first for a while, and does it when that one is gone', () => {
  const { solo } = keeping(false, [host])
  const lost = [...solo.machine.handle({ type: 'peerDown', peer: host }, solo.now), ...solo.wait(10_000)]
  assert.deepEqual(sent(lost, 'place'), [])
  const gone = [...solo.machine.handle({ type: 'peerDown', peer: broker }, solo.now), ...solo.wait(3_000)]
  assert.equal(sent(gone, 'place').length, 1)
})

test('a second broker that sees too many copies shows them to the first, and releases none', () => {
  const others = [11, 12] as unknown as Peer[]
  const { solo } = keeping(false, others)
  const out = solo.wait(5 * MINUTE)
  assert.deepEqual(sent(out, 'release'), [])
  const [shown, ...more] = sent(out, 'shown')
  assert.deepEqual(more, [])
  assert.ok(shown?.type === 'send' && shown.to === broker && shown.message.type === 'shown')
  assert.equal(shown.message.leases.length, 2)
})

test('the first broker releases one of them, and shows it who has it', () => {
  const others = [11, 12] as unknown as Peer[]
  const { solo } = keeping(true, others)
  const [release, ...more] = sent(solo.wait(40_000), 'release')
  assert.deepEqual(more, [])
  assert.ok(release?.type === 'send' && release.message.type === 'release')
  assert.deepEqual(
    release.message.others.map(lease => lease.host),
    others.filter(other => other !== release.to)
  )
})

test('a host that is released shows its other brokers who has it', () => {
  const other = 33 as unknown as Peer
  const solo = hosting([broker, other])
  const out = solo.hear(broker, { type: 'release', order: orderOf(), others: [leaseOf()] })
  const [shown, ...more] = sent(out, 'shown')
  assert.deepEqual(more, [])
  assert.ok(shown?.type === 'send' && shown.to === other)
})

test('a report of which a part is missing takes no lease away; a whole one does', () => {
  const { solo, infohash } = keeping(true, [host])
  const second = infohashOf('second')
  solo.hear(owner, { type: 'order', order: orderOf({ infohash: second }), brokers: [self, broker] })
  const leases = [infohash, second].map(one => {
    const { host: _, ...lease } = leaseOf({ infohash: one })
    return lease
  })
  solo.hear(host, { type: 'leases', report: 0, leases, gone: [] })
  const report = (): number => {
    const [asked] = sent(solo.hear(host, { type: 'still', digest: { count: 1, sum: 1 } }), 'report')
    assert.ok(asked?.type === 'send' && asked.message.type === 'report')
    return asked.message.id
  }
  const holders = (): number =>
    sent(solo.hear(owner, { type: 'ask', infohash: second }), 'status').flatMap(one =>
      one.type === 'send' && one.message.type === 'status' ? one.message.hosts : []
    ).length
  solo.hear(host, { type: 'leases', report: report(), total: 2, leases: leases.slice(0, 1), gone: [] })
  assert.equal(holders(), 1)
  solo.hear(host, { type: 'leases', report: report(), total: 1, leases: leases.slice(0, 1), gone: [] })
  assert.equal(holders(), 0)
})

test('hosts sign their leases anew before the signatures expire', () => {
  const world = new BrokerWorld({ seed: 1 })
  const [first, ...others] = world.add(5, peers => peers) as [Peer, ...Peer[]]
  for (const peer of others) world.offer(peer)
  world.put(first, 'item', 2)
  world.run(3 * brokerLimits.signedMs)
  const leases = others.flatMap(peer => [...world.store(peer).readLeases()])
  assert.ok(leases.length >= 2)
  for (const { expires } of leases) assert.ok(expires * 1_000 > WALL_MS + world.simulation.now)
})
