import assert from 'node:assert/strict'
import { relative } from 'node:path'
import type { Peer } from '../../../protocols/core/peer.ts'
import { acting, assertQuiet, scenario as scenarioOf, seed, town } from './town.ts'
import { BrokerWorld, GIB, MINUTE } from './world.ts'

const scenario = (name: string, run: () => void): void =>
  scenarioOf(relative(process.cwd(), import.meta.filename), name, run)

scenario('three copies on ten hosts: held by three, told to the owner, nothing moved twice', () => {
  const world = town(10)
  const item = world.put(world.owner, 'item', 3)
  world.run(10_000)
  assert.equal(world.holders(item).length, 3)
  assert.equal(world.begun, 3 * GIB)
  assert.deepEqual(world.told('placed', world.owner), [{ type: 'placed', infohash: item, copies: 3 }])
  const last = world.told('copies', world.owner).at(-1)
  assert.deepEqual(
    last?.hosts.map(({ peer, state }) => [peer, state]).sort(),
    world
      .holders(item)
      .map(peer => [peer, 'held'])
      .sort()
  )
  assert.equal(last?.wanted, 3)
  assert.equal(last?.isCrowded, false)
  assert.deepEqual(world.told('failed'), [])
  world.run(120 * MINUTE)
  assert.equal(world.holders(item).length, 3)
  assert.equal(world.begun, 3 * GIB)
  assertQuiet(world)
})

scenario('owner and a host are killed: three again, fetched from the other copies', () => {
  const world = town(10)
  const item = world.put(world.owner, 'item', 3)
  world.run(10_000)
  world.simulation.crash(world.owner)
  world.simulation.crash(world.holders(item)[0] as Peer)
  world.run(2 * MINUTE)
  assert.equal(world.holders(item).length, 3)
  assert.equal(world.begun, 4 * GIB)
  assertQuiet(world)
})

scenario('the acting broker is killed: the second takes over, and there are never too many', () => {
  const world = town(10)
  const item = world.put(world.owner, 'item', 3)
  world.run(10_000)
  world.simulation.crash(acting(world))
  world.run(MINUTE)
  assert.equal(world.begun, 3 * GIB)
  world.simulation.crash(world.holders(item)[1] as Peer)
  world.run(MINUTE)
  assert.equal(world.holders(item).length, 3)
  assert.equal(world.begun, 4 * GIB)
  const last = world.told('copies', world.owner).at(-1)
  assert.equal(last?.hosts.length, 3)
  assertQuiet(world)
})

scenario('the acting broker is killed while it places', () => {
  const world = town(10)
  world.fetchMs = 20_000
  const items = Array.from({ length: 20 }, (_, i) => world.put(world.owner, `item ${i}`, 3))
  world.run(60)
  world.simulation.crash(world.brokers[0] as Peer)
  world.simulation.crash(world.brokers[1] as Peer)
  world.run(5 * MINUTE)
  for (const item of items) assert.equal(world.holders(item).length, 3)
  assert.ok(world.moved <= 1.1 * 60 * GIB, `${world.moved / GIB} of 60 moved`)
})

scenario('a drop releases it everywhere, also where a host was away', () => {
  const world = town(10)
  const item = world.put(world.owner, 'item', 3)
  const other = world.put(world.owner, 'other', 2)
  world.run(10_000)
  const [away, ...others] = world.holders(item) as [Peer, ...Peer[]]
  world.simulation.crash(away)
  world.command(world.owner, { type: 'drop', infohash: item })
  world.run(10_000)
  for (const host of others) assert.equal(world.dataOf(host).has(item), false)
  assert.equal(world.told('dropped', world.owner).length, 1)
  world.restart(away, world.brokers)
  assert.equal(world.dataOf(away).has(item), true)
  world.run(MINUTE)
  assert.equal(world.dataOf(away).has(item), false)
  assert.equal(world.holders(other).length, 2)
  assert.deepEqual(
    world.machine(world.owner).owned.map(({ name }) => name),
    ['other']
  )
  assertQuiet(world)
})

scenario('a host returns with its data while a copy is made: the new one is given up', () => {
  const world = town(10)
  const item = world.put(world.owner, 'item', 3)
  world.run(10_000)
  world.fetchMs = 60_000
  const before = world.holders(item)
  const away = before[0] as Peer
  world.simulation.crash(away)
  world.run(10_000)
  assert.equal(world.begun, 4 * GIB)
  world.restart(away, world.brokers)
  world.run(5 * MINUTE)
  assert.deepEqual(world.holders(item), before)
  assert.equal(world.moved, 3 * GIB)
  const copies = world.simulation.alive().filter(peer => world.states(peer, item).length > 0)
  assert.deepEqual(copies, before)
})

scenario('a host returns after its copy was replaced: one is released, three stay', () => {
  const world = town(10)
  const item = world.put(world.owner, 'item', 3)
  world.run(10_000)
  const away = world.holders(item)[0] as Peer
  world.simulation.crash(away)
  world.run(MINUTE)
  assert.equal(world.holders(item).length, 3)
  world.restart(away, world.brokers)
  world.run(2_000)
  assert.equal(world.holders(item).length, 4)
  world.run(3 * MINUTE)
  assert.equal(world.holders(item).length, 3)
  assert.equal(world.told('release').length, 1)
  assertQuiet(world)
})

scenario('within its grace a host may be away', () => {
  const world = town(10, { config: { graceMs: 10 * MINUTE } })
  const item = world.put(world.owner, 'item', 3)
  world.run(10_000)
  const away = world.holders(item)[0] as Peer
  world.simulation.crash(away)
  world.run(9 * MINUTE)
  assert.equal(world.begun, 3 * GIB)
  world.restart(away, world.brokers)
  world.run(60 * MINUTE)
  assert.equal(world.begun, 3 * GIB)
  world.simulation.crash(away)
  world.run(12 * MINUTE)
  assert.equal(world.holders(item).length, 3)
})

scenario('a connection that closes is no host that is gone', () => {
  const world = town(6, { config: { graceMs: 10 * MINUTE } })
  const item = world.put(world.owner, 'item', 3)
  world.run(10_000)
  for (const host of world.holders(item)) {
    for (const broker of world.brokers) {
      if (world.simulation.isConnected(host, broker)) world.simulation.disconnect(host, broker)
    }
  }
  world.run(30 * MINUTE)
  assert.equal(world.begun, 3 * GIB)
})

scenario('a partition makes copies on both sides; when it heals, three are left', () => {
  const world = town(12)
  const items = Array.from({ length: 10 }, (_, i) => world.put(world.owner, `item ${i}`, 3))
  world.run(20_000)
  const all = world.simulation.alive()
  const sides = [0, 1].map(side => all.filter(peer => Number(peer) % 2 === side))
  world.simulation.partition(sides)
  world.run(MINUTE)
  // each side finds out which brokers it has left
  for (const side of sides) {
    const peers = world.brokers.filter(broker => side.includes(broker))
    for (const peer of side) world.command(peer, { type: 'brokers', peers })
  }
  world.run(10 * MINUTE)
  for (const item of items) {
    for (const side of [0, 1]) {
      const holders = world.holders(item).filter(peer => Number(peer) % 2 === side)
      assert.ok(holders.length === 3 || holders.length === 0, `${holders.length} on one side`)
    }
  }
  world.simulation.heal()
  for (const peer of all) world.command(peer, { type: 'brokers', peers: world.brokers })
  world.run(90 * MINUTE)
  for (const item of items) assert.equal(world.holders(item).length, 3)
})

scenario('a host that only says that it has it is found by audits, and what it said is replaced', () => {
  const world = town(6, { config: { auditMs: 10_000 } })
  const liar = world.hosts[0] as Peer
  world.liars.add(liar)
  const items = Array.from({ length: 10 }, (_, i) => world.put(world.owner, `item ${i}`, 3))
  world.run(60 * MINUTE)
  for (const item of items) {
    assert.equal(world.holders(item).length, 3)
    assert.deepEqual(world.states(liar, item), [])
  }
  assertQuiet(world)
})

scenario(
  'a host restarts with its store: it goes on with what it fetched, and nothing is moved for what it held',
  () => {
    const world = town(3)
    const held = world.put(world.owner, 'held', 3)
    world.run(10_000)
    world.fetchMs = 30_000
    const half = world.put(world.owner, 'half', 3)
    world.run(5_000)
    const host = world.hosts[0] as Peer
    assert.deepEqual(world.states(host, half), ['fetching'])
    world.simulation.crash(host)
    world.run(100)
    world.restart(host, world.brokers)
    world.run(2 * MINUTE)
    assert.equal(world.holders(held).length, 3)
    assert.equal(world.holders(half).length, 3)
    assert.equal(world.moved, 6 * GIB)
  }
)

scenario('a host that comes back with nothing: another copy when its lease has run out', () => {
  const world = town(4, { config: { graceMs: 10 * MINUTE } })
  const item = world.put(world.owner, 'item', 3)
  world.run(10_000)
  const host = world.holders(item)[0] as Peer
  world.simulation.crash(host)
  world.run(2_000)
  world.restart(host, world.brokers, true)
  world.run(90 * MINUTE)
  assert.equal(world.holders(item).length, 3)
})

scenario('every broker restarts with its store: nothing happens', () => {
  const world = town(10)
  const item = world.put(world.owner, 'item', 3)
  world.run(10_000)
  for (const broker of world.brokers) world.simulation.crash(broker)
  world.run(5_000)
  for (const broker of world.brokers) world.restart(broker, world.brokers)
  world.run(120 * MINUTE)
  assert.equal(world.begun, 3 * GIB)
  world.simulation.crash(world.holders(item)[0] as Peer)
  world.run(90 * MINUTE)
  assert.equal(world.holders(item).length, 3)
})

scenario('all brokers are replaced by others while the owner is gone: they learn of it from the hosts', () => {
  const world = town(10)
  const item = world.put(world.owner, 'item', 3)
  world.run(10_000)
  world.simulation.crash(world.owner)
  const { brokers } = world
  const next = world.hosts.slice(0, 5)
  for (const peer of world.simulation.alive()) world.command(peer, { type: 'brokers', peers: next })
  world.run(MINUTE)
  for (const broker of brokers) world.simulation.crash(broker)
  world.run(MINUTE)
  assert.equal(world.begun, 3 * GIB)
  world.simulation.crash(world.holders(item).find(peer => !next.includes(peer)) ?? (world.holders(item)[0] as Peer))
  world.run(2 * MINUTE)
  assert.equal(world.holders(item).length, 3)
  assert.equal(world.begun, 4 * GIB)
})

scenario('nodes know different brokers: the copies are as many as were ordered', () => {
  const world = new BrokerWorld({ seed })
  const peers = world.simulation.addPeers(40)
  const rng = world.simulation.rng
  for (const peer of peers) world.command(peer, { type: 'brokers', peers: rng.sample(peers.slice(0, 12), 7) })
  for (const peer of peers.slice(10)) world.offer(peer)
  world.run(1_000)
  const items = Array.from({ length: 20 }, (_, i) => world.put(peers[i % 10] as Peer, `item ${i}`, 3))
  world.run(30 * MINUTE)
  for (const item of items) assert.equal(world.holders(item).length, 3)
  assert.ok(world.moved <= 1.1 * 60 * GIB, `${world.moved / GIB} of 60 moved`)
  for (const host of rng.sample(peers.slice(10), 3)) world.simulation.crash(host)
  world.run(300 * MINUTE)
  for (const item of items) assert.equal(world.holders(item).length, 3)
  assert.ok(world.moved <= 1.15 * 72 * GIB, `${world.moved / GIB} moved`)
})
