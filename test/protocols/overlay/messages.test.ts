import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DecodeError } from '../../../protocols/core/codec.ts'
import { indexPeers, type Peer } from '../../../protocols/core/peer.ts'
import { type OverlayMessage, overlayCodec, overlayLimits } from '../../../protocols/overlay/index.ts'

const codec = overlayCodec(indexPeers)
const { maxPeersInMessage, maxWalk } = overlayLimits

const peer = fc.nat().map(index => index as Peer)
const walk = fc.integer({ min: 0, max: maxWalk })
const nonce = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const peers = fc.array(peer, { maxLength: maxPeersInMessage })
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record(model, { noNullPrototype: true })
const message: fc.Arbitrary<OverlayMessage> = fc.oneof(
  fc.constant({ type: 'join' as const }),
  record({ type: fc.constant('forwardJoin' as const), newcomer: peer, walk }),
  record({ type: fc.constant('neighbour' as const), urgent: fc.boolean() }),
  record({ type: fc.constant('neighbourReply' as const), accepted: fc.boolean() }),
  record({ type: fc.constant('disconnect' as const), leaving: fc.boolean() }),
  record({ type: fc.constant('shuffle' as const), origin: peer, nonce, walk, peers }),
  record({ type: fc.constant('shuffleReply' as const), nonce, peers }),
  record({ type: fc.constant('alive' as const), answer: fc.boolean() }),
  record({ type: fc.constant('swap' as const), gives: peer }),
  fc.constant({ type: 'swapReply' as const }),
  record({ type: fc.constant('swapReply' as const), gives: peer }),
  record({ type: fc.constant('handover' as const), to: peer })
)

test('every message comes back as it was', () => {
  fc.assert(fc.property(message, sent => assert.deepEqual(codec.decode(codec.encode(sent)), sent)))
})

test('the bytes are those of the specification', () => {
  const [a, b, c] = [1, 2, 0x0a0b0c0d] as Peer[] as [Peer, Peer, Peer]
  const cases: [OverlayMessage, number[]][] = [
    [{ type: 'join' }, [0]],
    [{ type: 'forwardJoin', newcomer: c, walk: 6 }, [1, 0x0a, 0x0b, 0x0c, 0x0d, 6]],
    [{ type: 'neighbour', urgent: true }, [2, 1]],
    [{ type: 'neighbourReply', accepted: false }, [3, 0]],
    [{ type: 'disconnect', leaving: true }, [4, 1]],
    [
      { type: 'shuffle', origin: a, nonce: 0xfffefdfc, walk: 2, peers: [b] },
      [5, 0, 0, 0, 1, 0xff, 0xfe, 0xfd, 0xfc, 2, 0, 1, 0, 0, 0, 2]
    ],
    [{ type: 'shuffleReply', nonce: 7, peers: [] }, [6, 0, 0, 0, 7, 0, 0]],
    [{ type: 'alive', answer: false }, [7, 0]],
    [{ type: 'swap', gives: c }, [8, 0x0a, 0x0b, 0x0c, 0x0d]],
    [{ type: 'swapReply' }, [9, 0]],
    [{ type: 'swapReply', gives: b }, [9, 1, 0, 0, 0, 2]],
    [{ type: 'handover', to: a }, [10, 0, 0, 0, 1]]
  ]
  for (const [sent, bytes] of cases) assert.deepEqual([...codec.encode(sent)], bytes, sent.type)
})

/** Random bytes, and messages with a few bytes changed, cut off or added. */
const hostile = fc.oneof(
  fc.uint8Array({ maxLength: 120 }),
  fc
    .tuple(message, fc.array(fc.tuple(fc.nat(100), fc.nat(255)), { maxLength: 3 }), fc.integer({ min: -3, max: 3 }))
    .map(([sent, changes, longer]) => {
      const bytes = codec.encode(sent)
      const changed = new Uint8Array(Math.max(0, bytes.byteLength + longer))
      changed.set(bytes.subarray(0, changed.byteLength))
      for (const [at, value] of changes) if (at < changed.byteLength) changed[at] = value
      return changed
    })
)

test('any bytes are a message within the limits or a DecodeError', () => {
  let readable = 0
  fc.assert(
    fc.property(hostile, bytes => {
      let read: OverlayMessage
      try {
        read = codec.decode(bytes)
      } catch (error) {
        assert.ok(error instanceof DecodeError)
        return
      }
      readable++
      if ('peers' in read) assert.ok(read.peers.length <= maxPeersInMessage)
      if ('walk' in read) assert.ok(read.walk <= maxWalk)
      assert.deepEqual(codec.decode(codec.encode(read)), read)
    }),
    { numRuns: 5_000 }
  )
  assert.ok(readable > 100, `${readable} were readable`)
})

test('what is beyond a limit', () => {
  const refused: [string, number[], RegExp][] = [
    ['nothing', [], /ends inside/],
    ['an unknown type', [11], /unknown type/],
    ['a flag of 2', [2, 2], /flag/],
    ['bytes after the end', [0, 0], /after the message/],
    ['a list that is longer than its bytes', [6, 0, 0, 0, 7, 0, 2, 0, 0, 0, 1], /ends inside/],
    ['17 peers', [6, 0, 0, 0, 7, 0, 17, ...new Array(17 * 4).fill(0)], /17 items, limit 16/]
  ]
  for (const [what, bytes, reason] of refused) {
    assert.throws(() => codec.decode(Uint8Array.from(bytes)), { name: 'DecodeError', message: reason }, what)
  }
  // other settings are no offence
  assert.deepEqual(codec.decode(Uint8Array.of(1, 0, 0, 0, 9, 255)), { type: 'forwardJoin', newcomer: 9, walk: maxWalk })
  const tooMany = Array.from({ length: maxPeersInMessage + 1 }, (_, i) => i as Peer)
  assert.throws(() => codec.encode({ type: 'shuffleReply', nonce: 7, peers: tooMany }), RangeError)
})
