import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type ChordMessage, chordCodec, chordLimits } from '../../../protocols/chord/index.ts'
import { DecodeError } from '../../../protocols/core/codec.ts'
import { indexPeers, type Peer } from '../../../protocols/core/peer.ts'
import { keyAt } from './ids.ts'

const codec = chordCodec(indexPeers)
const { maxPeers } = chordLimits

const peer = fc.nat().map(index => index as Peer)
const maybe = fc.option(peer, { nil: undefined })
const id = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const key = fc.nat(255).map(keyAt)
const list = fc.array(peer, { maxLength: maxPeers })
const hops = fc.nat(255)
const flag = fc.boolean()
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record(model, { noNullPrototype: true })
const place = record({ predecessor: maybe, successors: list })
const found = record({ owner: peer, isCopy: flag, predecessor: maybe, successors: list, via: maybe, hops })
const message: fc.Arbitrary<ChordMessage> = fc.oneof(
  record({ type: fc.constantFrom('where' as const, 'ping' as const, 'pong' as const), id }),
  record({ type: fc.constant('place' as const), id }),
  record({ type: fc.constant('place' as const), id, place }),
  record({ type: fc.constantFrom('notify' as const, 'look' as const) }),
  record({ type: fc.constant('leaving' as const), place }),
  record({ type: fc.constant('route' as const), id, key, asOwner: flag, orCopy: flag, lost: list }),
  record({
    type: fc.constant('hop' as const),
    id,
    role: fc.constantFrom('way' as const, 'owner' as const, 'copy' as const),
    predecessor: maybe,
    before: list,
    after: list
  }),
  record({ type: fc.constant('relay' as const), id, key, asOwner: flag, orCopy: flag, hops }),
  record({ type: fc.constant('relayed' as const), id }),
  record({ type: fc.constant('relayed' as const), id, found }),
  record({ type: fc.constant('unite' as const), contact: peer, hops })
)

test('every message comes back as it was', () => {
  fc.assert(fc.property(message, sent => assert.deepEqual(codec.decode(codec.encode(sent)), sent)))
})

test('the bytes are those of the specification', () => {
  const [a, b] = [1, 2] as Peer[] as [Peer, Peer]
  const key = [0xff, ...new Array<number>(31).fill(0)]
  const cases: [ChordMessage, number[]][] = [
    [{ type: 'where', id: 7 }, [0, 0, 0, 0, 7]],
    [{ type: 'place', id: 7 }, [1, 0, 0, 0, 7, 0]],
    [
      { type: 'place', id: 7, place: { predecessor: a, successors: [b] } },
      [1, 0, 0, 0, 7, 1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 2]
    ],
    [{ type: 'ping', id: 1 }, [2, 0, 0, 0, 1]],
    [{ type: 'pong', id: 1 }, [3, 0, 0, 0, 1]],
    [{ type: 'notify' }, [4]],
    [{ type: 'look' }, [5]],
    [{ type: 'leaving', place: { predecessor: undefined, successors: [] } }, [6, 0, 0, 0]],
    [
      { type: 'route', id: 1, key: keyAt(255), asOwner: true, orCopy: false, lost: [a] },
      [7, 0, 0, 0, 1, ...key, 1, 0, 0, 1, 0, 0, 0, 1]
    ],
    [
      { type: 'hop', id: 1, role: 'owner', predecessor: a, before: [], after: [b] },
      [8, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2]
    ],
    [
      { type: 'relay', id: 1, key: keyAt(255), asOwner: false, orCopy: true, hops: 3 },
      [9, 0, 0, 0, 1, ...key, 0, 1, 3]
    ],
    [{ type: 'relayed', id: 1 }, [10, 0, 0, 0, 1, 0]],
    [
      {
        type: 'relayed',
        id: 1,
        found: { owner: a, isCopy: false, predecessor: undefined, successors: [b], via: a, hops: 2 }
      },
      [10, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 1, 0, 0, 0, 1, 2]
    ],
    [{ type: 'unite', contact: b, hops: 8 }, [11, 0, 0, 0, 2, 8]]
  ]
  for (const [sent, bytes] of cases) assert.deepEqual([...codec.encode(sent)], bytes, sent.type)
})

/** Random bytes, and messages with a few bytes changed, cut off or added. */
const hostile = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
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
      let read: ChordMessage
      try {
        read = codec.decode(bytes)
      } catch (error) {
        assert.ok(error instanceof DecodeError)
        return
      }
      readable++
      assert.deepEqual(codec.decode(codec.encode(read)), read)
    }),
    { numRuns: 2_000 }
  )
  assert.ok(readable > 100, `${readable} messages were readable`)
})

test('longer lists than allowed are refused at both ends', () => {
  const long = Array.from({ length: maxPeers + 1 }, (_, i) => i as Peer)
  const place = { predecessor: undefined, successors: long }
  assert.throws(() => codec.encode({ type: 'leaving', place }), RangeError)
  const bytes = codec.encode({ type: 'leaving', place: { predecessor: undefined, successors: long.slice(1) } })
  bytes[3] = maxPeers + 1
  assert.throws(() => codec.decode(bytes), DecodeError)
})
