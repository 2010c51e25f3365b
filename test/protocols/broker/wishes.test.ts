import assert from 'node:assert/strict'
import { relative } from 'node:path'
import type { Peer } from '../../../protocols/core/peer.ts'
import { assertQuiet, scenario as scenarioOf, seed, town } from './town.ts'
import { BrokerWorld, GIB, infohashOf, MINUTE } from './world.ts'

const scenario = (name: string, run: () => void): void =>
  scenarioOf(relative(process.cwd(), import.meta.filename), name, run)

scenario('a small network without super-peers: each takes its neighbours for brokers', () => {
  const world = new BrokerWorld({ seed })
  const peers = world.simulation.addPeers(6)
  for (const peer of peers) world.command(peer, { type: 'brokers', peers: peers.filter(other => other !== peer) })
  for (const peer of peers) world.offer(peer)
  world.run(1_000)
  const items = peers.map((peer, i) => world.put(peer, `item ${i}`, 2))
  world.run(MINUTE)
  for (const item of items) assert.equal(world.holders(item).length, 2)
  assert.equal(world.begun, 12 * GIB)
  world.simulation.crash(peers[0] as Peer)
  world.run(10 * MINUTE)
  for (const item of items) assert.equal(world.holders(item).length, 2)
  world.command(peers[1] as Peer, { type: 'drop', infohash: items[1] as never })
  world.run(MINUTE)
  assert.equal(world.holders(items[1] as never).length, 0)
})

scenario('two peers alone: each hosts for the other', () => {
  const world = new BrokerWorld({ seed })
  const [a, b] = world.add(2, peers => peers) as [Peer, Peer]
  world.offer(a)
  world.offer(b)
  const item = world.put(a, 'item', 2)
  world.run(MINUTE)
  assert.deepEqual(world.holders(item), [b])
  assert.equal(world.told('copies', a).at(-1)?.problem, 'noHosts')
  assert.deepEqual(
    world.told('failed', a).map(({ code, willRetry }) => [code, willRetry]),
    [['noHosts', true]]
  )
  const [c] = world.simulation.addPeers(1) as [Peer]
  for (const peer of [a, b, c]) world.command(peer, { type: 'brokers', peers: [a, b, c] })
  world.offer(c)
  world.run(MINUTE)
  assert.deepEqual(world.holders(item), [b, c])
})

scenario('one domain only: it is crowded, and one copy moves when another domain appears', () => {
  const world = town(4)
  for (const host of world.hosts) world.offer(host, { domain: 'one' })
  world.run(1_000)
  const item = world.put(world.owner, 'item', 2)
  world.run(10_000)
  assert.equal(world.holders(item).length, 2)
  assert.equal(world.told('copies', world.owner).at(-1)?.isCrowded, true)
  const far = world.add(1, () => world.brokers)[0] as Peer
  world.offer(far, { domain: 'two' })
  world.run(3 * MINUTE)
  assert.equal(world.holders(item).length, 2)
  assert.ok(world.holders(item).includes(far))
  assert.equal(world.told('copies', world.owner).at(-1)?.isCrowded, false)
  world.run(60 * MINUTE)
  assert.equal(world.begun, 3 * GIB)
})

scenario('what connections show of a host counts, whatever it says', () => {
  const domainOf = (peer: Peer): string => (Number(peer) < 9 ? 'same' : `other ${peer}`)
  const world = town(6, { domainOf })
  const item = world.put(world.owner, 'item', 3)
  world.run(10_000)
  assert.equal(world.holders(item).length, 3)
  assert.ok(world.holders(item).filter(peer => Number(peer) < 9).length <= 1)
})

scenario('a host that leaves keeps it until another holds it', () => {
  const world = town(10)
  const item = world.put(world.owner, 'item', 3)
  world.run(10_000)
  world.fetchMs = 20_000
  const leaver = world.holders(item)[0] as Peer
  world.command(leaver, { type: 'leaveHosting' })
  world.run(10_000)
  assert.ok(world.dataOf(leaver).has(item))
  world.run(3 * MINUTE)
  assert.equal(world.dataOf(leaver).has(item), false)
  assert.equal(world.holders(item).length, 3)
  assert.deepEqual(world.told('leftHosting', leaver), [{ type: 'leftHosting', left: 0 }])
  assertQuiet(world)
})

scenario('fewer copies are wanted: as many are released; more: as many are made', () => {
  const world = town(10)
  const item = world.put(world.owner, 'item', 4)
  world.run(10_000)
  world.put(world.owner, 'item', 2)
  world.run(3 * MINUTE)
  assert.equal(world.holders(item).length, 2)
  world.put(world.owner, 'item', 5)
  world.run(MINUTE)
  assert.equal(world.holders(item).length, 5)
  assert.deepEqual(
    world.told('placed', world.owner).map(({ copies }) => copies),
    [4, 4, 5]
  )
  assertQuiet(world)
})

scenario('no room: it says what is missing, and goes on when there is', () => {
  const world = town(3)
  for (const host of world.hosts) world.offer(host, { bytes: 2 * GIB })
  world.run(1_000)
  const item = world.put(world.owner, 'item', 1, 5 * GIB)
  world.run(10_000)
  const [failed] = world.told('failed', world.owner)
  assert.deepEqual([failed?.code, failed?.missingBytes], ['noRoom', 3 * GIB])
  world.offer(world.hosts[0] as Peer, { bytes: 50 * GIB })
  world.run(MINUTE)
  assert.equal(world.holders(item).length, 1)
})

scenario('no brokers: it says so, and goes on when there are some', () => {
  const world = new BrokerWorld({ seed })
  const peers = world.simulation.addPeers(5)
  for (const peer of peers.slice(1)) world.offer(peer)
  const item = world.put(peers[0] as Peer, 'item', 2)
  world.run(MINUTE)
  assert.deepEqual(
    world.told('failed').map(({ code }) => code),
    ['noBrokers']
  )
  for (const peer of peers) world.command(peer, { type: 'brokers', peers })
  world.run(MINUTE)
  assert.equal(world.holders(item).length, 2)
})

scenario('a new home of the same key gets its orders back, and can drop them', () => {
  const world = town(10)
  const items = Array.from({ length: 60 }, (_, i) => world.put(world.owner, `item ${i}`, 2))
  world.run(MINUTE)
  world.simulation.crash(world.owner)
  world.run(MINUTE)
  world.restart(world.owner, world.brokers, true)
  assert.equal(world.machine(world.owner).owned.length, 0)
  world.command(world.owner, { type: 'recover' })
  world.run(30_000)
  assert.equal(world.machine(world.owner).owned.length, 60)
  assert.deepEqual(world.told('recoveryEnded'), [{ type: 'recoveryEnded', orders: 60, brokers: 5 }])
  for (const infohash of items) world.command(world.owner, { type: 'drop', infohash })
  world.run(3 * MINUTE)
  for (const item of items) assert.equal(world.holders(item).length, 0)
})

scenario('nobody can fetch it: it says so, and tries again when the owner is there', () => {
  const world = town(10, { config: { fetchAttempts: 1 } })
  const item = infohashOf('item')
  world.command(world.owner, { type: 'put', infohash: item, size: GIB, copies: 2, name: 'item' })
  world.run(2 * MINUTE)
  assert.equal(world.told('failed', world.owner)[0]?.code, 'unfetchable')
  world.dataOf(world.owner).set(item, GIB)
  world.run(30 * MINUTE)
  assert.equal(world.holders(item).length, 2)
})

scenario('messages get lost: in the end there are as many copies as were ordered', () => {
  const world = town(12, { loss: 0.05 })
  const items = Array.from({ length: 20 }, (_, i) => world.put(world.owner, `item ${i}`, 3))
  world.run(4 * 60 * MINUTE)
  for (const item of items) assert.equal(world.holders(item).length, 3)
})

scenario('the owner is never seen again: copies outlive its order by nothing', () => {
  const DAY = 24 * 60 * MINUTE
  const world = town(5, {
    config: { lifetimeMs: 10 * DAY, leaseMs: 12 * 60 * MINUTE, offerMs: 5 * 60 * MINUTE, sweepMs: 60 * MINUTE }
  })
  const item = world.put(world.owner, 'item', 2)
  world.run(MINUTE)
  world.simulation.crash(world.owner)
  world.run(9 * DAY)
  assert.equal(world.holders(item).length, 2)
  world.run(2 * DAY)
  for (const host of world.hosts) assert.equal(world.dataOf(host).size, 0)
  for (const broker of world.brokers) assert.equal(world.machine(broker).usage.orders, 0)
})

scenario('an owner that stays renews its order', () => {
  const DAY = 24 * 60 * MINUTE
  const world = town(5, {
    config: { lifetimeMs: 6 * DAY, leaseMs: 12 * 60 * MINUTE, offerMs: 5 * 60 * MINUTE, sweepMs: 60 * MINUTE }
  })
  const item = world.put(world.owner, 'item', 2)
  world.run(20 * DAY)
  assert.equal(world.holders(item).length, 2)
  assert.equal(world.begun, 2 * GIB)
})

scenario('several owners want the same: it is fetched once on each host, and stays until all have dropped it', () => {
  const world = town(3)
  const other = world.brokers[0] as Peer
  const item = world.put(world.owner, 'item', 3)
  world.run(10_000)
  world.put(other, 'item', 2)
  world.run(30_000)
  assert.equal(world.begun, 3 * GIB)
  assert.equal(world.told('placed', other).length, 1)
  world.command(world.owner, { type: 'drop', infohash: item })
  world.run(MINUTE)
  assert.equal(world.holders(item).length, 2)
  world.command(other, { type: 'drop', infohash: item })
  world.run(MINUTE)
  assert.equal(world.holders(item).length, 0)
})
