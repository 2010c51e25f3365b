import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type BrokerStore, type Lease, MemoryBrokerStore, type Order } from '../../protocols/broker/index.ts'
import type { Infohash } from '../../protocols/core/ids.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import { openDatabase } from '../../src/database.ts'
import { brokerSchema } from '../../src/hosting/broker-schema.ts'
import { SqliteBrokerStore } from '../../src/hosting/broker-store.ts'

const peer = fc.constantFrom('alice', 'bob', 'carol').map(name => name as string as Peer)
const infohash = fc.constantFrom('a', 'b').map(digit => digit.repeat(64) as Infohash)
const time = fc.constantFrom(0, 1, 2 ** 32, Number.MAX_SAFE_INTEGER)
const state = fc.constantFrom('fetching', 'held', 'leaving' as const)
const signature = fc.uint8Array({ minLength: 64, maxLength: 64 })

const order: fc.Arbitrary<Order> = fc.record({
  owner: peer,
  infohash,
  size: fc.constantFrom(1, 2 ** 50),
  copies: fc.integer({ min: 0, max: 16 }),
  seq: time,
  expires: fc.constantFrom(0, 2 ** 32 - 1),
  signature
})
const lease: fc.Arbitrary<Lease> = fc.record({
  host: peer,
  owner: peer,
  infohash,
  seq: time,
  state: state as fc.Arbitrary<Lease['state']>,
  since: time,
  expires: fc.constantFrom(0, 2 ** 32 - 1),
  domain: fc.constantFrom('', 'rack 1', 'Straße'),
  signature
})

type Change = (store: BrokerStore) => void

const change: fc.Arbitrary<Change> = fc.oneof(
  fc
    .record({
      order: order.map(one => ({ ...one, owner: 'alice' as string as Peer })),
      name: fc.string(),
      isSettled: fc.boolean()
    })
    .map(owned => (store: BrokerStore) => store.putOwned(owned)),
  infohash.map(id => (store: BrokerStore) => store.deleteOwned(id)),
  order.map(one => (store: BrokerStore) => store.putOrder(one)),
  fc.tuple(peer, infohash).map(
    ([owner, id]) =>
      (store: BrokerStore) =>
        store.deleteOrder(owner, id)
  ),
  lease.map(one => (store: BrokerStore) => store.putLease(one)),
  fc.tuple(peer, peer, infohash).map(
    ([host, owner, id]) =>
      (store: BrokerStore) =>
        store.deleteLease(host, owner, id)
  ),
  fc
    .record({
      order,
      state: state as fc.Arbitrary<Lease['state']>,
      since: time,
      brokers: fc.array(peer, { maxLength: 3 }),
      sources: fc.array(peer, { maxLength: 3 })
    })
    .map(hosted => (store: BrokerStore) => store.putHosted(hosted)),
  fc.tuple(peer, infohash).map(
    ([owner, id]) =>
      (store: BrokerStore) =>
        store.deleteHosted(owner, id)
  )
)

/** Signatures as bytes of one kind, and everything in one order. */
function looks(store: BrokerStore): unknown {
  const sorted = (list: Iterable<object>): string[] =>
    [...list]
      .map(one =>
        JSON.stringify(one, (key, value) =>
          key === 'signature' ? Buffer.from(value as Uint8Array).toString('hex') : value
        )
      )
      .map(text => JSON.stringify(sortedKeys(JSON.parse(text))))
      .sort()
  return [store.readOwned(), store.readOrders(), store.readLeases(), store.readHosted()].map(sorted)
}

function sortedKeys(value: unknown): unknown {
  if (Array.isArray(value) || typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sortedKeys(inner)])
  )
}

test('orders and leases on disk are those in memory, also after a restart', () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 30 }), changes => {
      const database = openDatabase(':memory:', [brokerSchema])
      const [disk, memory] = [new SqliteBrokerStore(database, 'alice' as string as Peer), new MemoryBrokerStore()]
      for (const apply of changes) {
        apply(disk)
        apply(memory)
      }
      assert.deepEqual(looks(disk), looks(memory))
      assert.deepEqual(looks(new SqliteBrokerStore(database, 'alice' as string as Peer)), looks(memory))
    }),
    { numRuns: 200 }
  )
})

test("what was ordered under an earlier key is not this node's any more", () => {
  const database = openDatabase(':memory:', [brokerSchema])
  const store = new SqliteBrokerStore(database, 'alice' as string as Peer)
  const made = fc.sample(order, 1)[0] as Order
  store.putOwned({ order: { ...made, owner: 'alice' as string as Peer }, name: 'films', isSettled: false })
  assert.equal(store.readOwned().length, 1)
  assert.deepEqual(new SqliteBrokerStore(database, 'bob' as string as Peer).readOwned(), [])
})
