import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type BrokerMessage,
  brokerCodec,
  brokerLimits,
  type Lease,
  type Order
} from '../../../protocols/broker/index.ts'
import { DecodeError } from '../../../protocols/core/codec.ts'
import { indexPeers, type Peer } from '../../../protocols/core/peer.ts'
import { infohashOf } from './world.ts'

const codec = brokerCodec(indexPeers)
const [one, two, three] = [1, 2, 3] as unknown as [Peer, Peer, Peer]
const infohash = infohashOf('item')
const name = { owner: one, infohash }
const order: Order = {
  ...name,
  size: 5_000_000_000,
  copies: 3,
  seq: 1_800_000_000_000,
  expires: 1_900_000_000,
  signature: new Uint8Array(64).fill(7)
}
const ownLease = {
  ...name,
  seq: order.seq,
  state: 'held' as const,
  since: 1_800_000_000_001,
  expires: 1_800_000_000,
  domain: 'at home',
  signature: new Uint8Array(64).fill(9)
}
const lease: Lease = { host: two, ...ownLease }
const offer = {
  bytes: 2 ** 40,
  usedBytes: 12,
  uptimeMs: 86_400_000,
  uploadBytesPerS: 1_000_000,
  load: 1,
  domain: 'müller'
}

const MESSAGES: BrokerMessage[] = [
  { type: 'order', order, brokers: [one, two, three] },
  { type: 'ordered', ...name, seq: order.seq, outcome: 'quota' },
  { type: 'shown', ...name, leases: [lease, { ...lease, state: 'leaving' }] },
  { type: 'newer', order: { ...order, copies: 0 } },
  { type: 'offer', offer },
  { type: 'room', size: 17 },
  { type: 'offers', offers: [{ host: three, offer: { ...offer, load: 0 } }] },
  { type: 'place', order, usedBytes: 77, brokers: [one], sources: [lease] },
  { type: 'placed', ...name, seq: order.seq, outcome: 'taken', offer, lease: ownLease },
  { type: 'placed', ...name, seq: order.seq, outcome: 'noRoom', offer },
  { type: 'leases', report: 0, leases: [ownLease], gone: [name] },
  { type: 'leases', report: 0xffff_ffff, total: 9, leases: [], gone: [] },
  { type: 'still', digest: { count: 12, sum: 0xffff_ffff } },
  { type: 'report', id: 5 },
  { type: 'lacking', items: [name, name] },
  { type: 'release', order, others: [lease, lease, lease] },
  { type: 'ask' },
  { type: 'ask', infohash },
  {
    type: 'status',
    infohash,
    seq: order.seq,
    wanted: 3,
    isCrowded: true,
    missingBytes: 3,
    hosts: [{ peer: two, domain: 'd', state: 'fetching', since: 4, heardMs: 5 }],
    problem: 'noRoom'
  },
  { type: 'status', infohash, seq: 1, wanted: 0, isCrowded: false, missingBytes: 0, hosts: [] },
  { type: 'recover' },
  { type: 'orders', isLast: true, orders: [order] }
]

for (const message of MESSAGES) {
  const bytes = codec.encode(message)
  test(`${message.type} of ${bytes.byteLength} bytes is read as it was written, and cut at any byte it is refused`, () => {
    assert.deepEqual(codec.decode(bytes), message)
    for (let length = 0; length < bytes.byteLength; length++) {
      assert.throws(() => codec.decode(bytes.subarray(0, length)), DecodeError)
    }
    assert.throws(() => codec.decode(Buffer.concat([bytes, Uint8Array.of(0)])), DecodeError)
  })
}

test('what is read does not hold the bytes of the message', () => {
  const bytes = codec.encode({ type: 'newer', order })
  const read = codec.decode(bytes)
  bytes.fill(0)
  assert.deepEqual(read, { type: 'newer', order })
})

test('lists and fields that are too long are refused before they are read', () => {
  const tooMany: BrokerMessage[] = [
    { type: 'order', order, brokers: new Array(brokerLimits.maxNamed + 1).fill(one) },
    { type: 'leases', report: 0, leases: new Array(brokerLimits.maxBatch + 1).fill(ownLease), gone: [] },
    { type: 'release', order, others: new Array(brokerLimits.maxShown + 1).fill(lease) },
    { type: 'offers', offers: new Array(brokerLimits.maxOffers + 1).fill({ host: one, offer }) }
  ]
  for (const message of tooMany) assert.throws(() => codec.encode(message), RangeError)
  const long = codec.encode({ type: 'offer', offer: { ...offer, domain: 'x'.repeat(brokerLimits.maxDomainBytes + 1) } })
  assert.throws(() => codec.decode(long), DecodeError)
  const unknown = [Uint8Array.of(18), Uint8Array.of(255), Uint8Array.of(12, 2)]
  for (const bytes of unknown) assert.throws(() => codec.decode(bytes), DecodeError)
})

test('the longest of each kind fits a frame, with peers as long as the network allows', () => {
  const peerBytes = 1_092
  const long = {
    write: (to: { bytes(b: Uint8Array): unknown }) => void to.bytes(new Uint8Array(peerBytes)),
    read: () => one
  }
  const wide = brokerCodec(long as never)
  const full = { ...lease, domain: 'x'.repeat(brokerLimits.maxDomainBytes) }
  const host = { peer: one, domain: full.domain, state: 'held' as const, since: 0, heardMs: 0 }
  const most: BrokerMessage[] = [
    {
      type: 'leases',
      report: 1,
      total: 1,
      leases: new Array(brokerLimits.maxBatch).fill(full),
      gone: new Array(brokerLimits.maxBatch).fill(name)
    },
    { type: 'release', order, others: new Array(brokerLimits.maxShown).fill(full) },
    { type: 'shown', ...name, leases: new Array(brokerLimits.maxShown).fill(full) },
    { type: 'offers', offers: new Array(brokerLimits.maxOffers).fill({ host: one, offer }) },
    { type: 'orders', isLast: true, orders: new Array(brokerLimits.maxBatch).fill(order) },
    {
      type: 'status',
      infohash,
      seq: 1,
      wanted: 1,
      isCrowded: false,
      missingBytes: 0,
      hosts: new Array(brokerLimits.maxLeases).fill(host)
    }
  ]
  for (const message of most) {
    const { byteLength } = wide.encode(message)
    assert.ok(byteLength <= 64 * 1024, `${message.type} has ${byteLength} bytes`)
  }
})
