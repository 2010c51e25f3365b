import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ByteWriter } from '../../../protocols/core/byte-writer.ts'
import { DecodeError } from '../../../protocols/core/codec.ts'
import type { SwarmId } from '../../../protocols/core/ids.ts'
import { indexPeers, type Peer } from '../../../protocols/core/peer.ts'
import { contactLimits } from '../../../protocols/libp2p/contacts.ts'
import { driverLimits } from '../../../protocols/libp2p/driver.ts'
import { type TrackerMessage, trackerCodec, trackerLimits } from '../../../protocols/tracker/index.ts'
import { announce, peer, swarm } from './swarms.ts'

const codec = trackerCodec(indexPeers)
const { maxPeersInReply, maxScrapeSwarms } = trackerLimits

const swarms = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map(bytes => Buffer.from(bytes).toString('hex') as SwarmId)
const u32 = fc.integer({ min: 0, max: 0xffff_ffff })
const u53 = fc.maxSafeNat()
const peers = u32.map(n => n as Peer)

const messages: fc.Arbitrary<TrackerMessage> = fc.oneof(
  fc.record({
    type: fc.constant('announce' as const),
    swarm: swarms,
    event: fc.constantFrom('none', 'started', 'completed', 'stopped'),
    left: u53,
    uploaded: u53,
    downloaded: u53,
    numWant: fc.integer({ min: 0, max: 0xffff })
  }),
  fc.record({
    type: fc.constant('announced' as const),
    swarm: swarms,
    intervalMs: u32,
    minIntervalMs: u32,
    seeds: u32,
    leeches: u32,
    peers: fc.array(peers, { maxLength: maxPeersInReply })
  }),
  fc.record({
    type: fc.constant('refused' as const),
    swarm: swarms,
    reason: fc.constantFrom('full', 'tooManySwarms', 'tooOften'),
    retryMs: u32
  }),
  fc.record({ type: fc.constant('scrape' as const), swarms: fc.array(swarms, { maxLength: maxScrapeSwarms }) }),
  fc.record({
    type: fc.constant('scraped' as const),
    swarms: fc.array(fc.record({ swarm: swarms, seeds: u32, leeches: u32, completed: u32 }), {
      maxLength: maxScrapeSwarms
    })
  })
)

const plain = (message: TrackerMessage): unknown => JSON.parse(JSON.stringify(message))

test('every message is read as it was written', () => {
  fc.assert(
    fc.property(messages, message => {
      assert.deepEqual(plain(codec.decode(codec.encode(message))), plain(message))
    })
  )
})

test('any bytes are one message or a DecodeError, and a message is written in one way only', () => {
  const check = (bytes: Uint8Array): void => {
    let message: TrackerMessage
    try {
      message = codec.decode(bytes)
    } catch (error) {
      assert.ok(error instanceof DecodeError, `${error}`)
      return
    }
    assert.deepEqual(Buffer.from(codec.encode(message)), Buffer.from(bytes))
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), check))
  const damaged = fc
    .tuple(messages, fc.nat(), fc.integer({ min: 0, max: 255 }), fc.integer({ min: -3, max: 3 }))
    .map(([message, at, byte, change]) => {
      const bytes = Uint8Array.from(codec.encode(message))
      bytes[at % bytes.byteLength] = byte
      const longer = new Uint8Array(Math.max(0, bytes.byteLength + change))
      longer.set(bytes.subarray(0, longer.byteLength))
      return longer
    })
  fc.assert(fc.property(damaged, check), { numRuns: 500 })
})

const HOSTILE: [what: string, bytes: Uint8Array][] = [
  ['nothing', new Uint8Array()],
  ['an unknown type', Uint8Array.of(5)],
  ['an unknown event', Uint8Array.from(codec.encode(announce(1))).fill(4, 33, 34)],
  ['a number above 2^53', Uint8Array.from(codec.encode(announce(1))).fill(0xff, 34, 42)],
  ['a swarm of 31 bytes', codec.encode({ type: 'scrape', swarms: [swarm(1)] }).subarray(0, -1)],
  ['bytes after the message', Uint8Array.of(...codec.encode(announce(1)), 0)],
  [
    'an unknown reason',
    Uint8Array.from(codec.encode({ type: 'refused', swarm: swarm(1), reason: 'full', retryMs: 0 })).fill(3, 33, 34)
  ],
  ['65 swarms', codec.encode({ type: 'scrape', swarms: Array.from({ length: 65 }, (_, i) => swarm(i)) })],
  [
    '51 peers',
    codec.encode({
      type: 'announced',
      swarm: swarm(1),
      intervalMs: 1,
      minIntervalMs: 1,
      seeds: 0,
      leeches: 51,
      peers: Array.from({ length: 51 }, (_, i) => peer(i))
    })
  ],
  ['a count without its items', Uint8Array.of(3, 0, 64)]
]

for (const [what, bytes] of HOSTILE) {
  test(`${what}: refused`, () => {
    assert.throws(() => codec.decode(bytes), DecodeError)
  })
}

test('the largest answer, and the largest scrape, fit into the frame of the driver', () => {
  const large = trackerCodec({
    write: (writer: ByteWriter) =>
      writer
        .shortBytes(new Uint8Array(contactLimits.maxPeerIdBytes))
        .shortBytes(new Uint8Array(contactLimits.maxRecordBytes)),
    read: () => peer(0)
  })
  const answer = large.encode({
    type: 'announced',
    swarm: swarm(1),
    intervalMs: 1,
    minIntervalMs: 1,
    seeds: 1,
    leeches: 1,
    peers: Array.from({ length: maxPeersInReply }, (_, i) => peer(i))
  })
  assert.ok(answer.byteLength <= driverLimits.maxFrameBytes, `${answer.byteLength}`)
  const counts = Array.from({ length: maxScrapeSwarms }, (_, i) => ({
    swarm: swarm(i),
    seeds: 1,
    leeches: 1,
    completed: 1
  }))
  assert.ok(codec.encode({ type: 'scraped', swarms: counts }).byteLength <= driverLimits.maxFrameBytes)
})
