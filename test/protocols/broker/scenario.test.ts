import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Peer } from '../../../protocols/core/peer.ts'
import { BrokerWorld, GIB, infohashOf, MINUTE, type WorldInit } from './world.ts'

const seed = Number(process.env.SHOAL_SEED ?? 1)

/** A scenario that fails says how to see it fail again. */
function scenario(name: string, run: () => void): void {
  test(`${name} (SHOAL_SEED=${seed})`, () => {
    try {
      run()
    } catch (error) {
      console.error(`again: SHOAL_SEED=${seed} node --test test/protocols/broker/scenario.test.ts`)
      throw error
    }
  })
}

interface Town extends BrokerWorld {
  brokers: Peer[]
  hosts: Peer[]
  owner: Peer
}

/** Five brokers that offer nothing, hosts, and one who owns something. */
function town(hostCount: number, init: Partial<WorldInit> = {}): Town {
  const world = new BrokerWorld({ seed, ...init }) as Town
  const peers = world.add(5 + hostCount + 1, all => all.slice(0, 5))
  world.brokers = peers.slice(0, 5)
  world.hosts = peers.slice(5, -1)
  world.owner = peers.at(-1) as Peer
  for (const host of world.hosts) world.offer(host)
  world.run(1_000)
  return world
}

function assertQuiet(world: BrokerWorld): void {
  assert.deepEqual(world.simulation.penalties(), [])
}

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

/** The broker that acts for an item: the one that has asked hosts for something. */
function acting(world: Town): Peer {
  const [broker, ...others] = world.brokers.filter(
    peer => world.simulation.isAlive(peer) && world.machine(peer).usage.decisions > 0
  )
  assert.deepEqual(others, [])
  return broker as Peer
}

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
