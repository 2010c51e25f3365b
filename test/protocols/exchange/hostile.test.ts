import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import type { ExchangeServiceInit } from '../../../protocols/exchange/handler.ts'
import { eventually } from '../../../src/testkit/wait.ts'
import { ExchangeNode, HandMadePeer, SWARM } from './exchange-hosts.ts'
import { MemoryContent, sampleOf } from './memory-content.ts'

const KIB = 1024
const sample = sampleOf([4_000_000], 64 * KIB)

const started: { host: { stop(): void | Promise<void> } }[] = []
afterEach(() => Promise.all(started.splice(0).map(({ host }) => host.stop())))

async function seedWith(init: Partial<ExchangeServiceInit> = {}): Promise<ExchangeNode> {
  const seed = await ExchangeNode.start(init)
  started.push(seed)
  seed.open(MemoryContent.whole(sample))
  return seed
}

async function stranger(seed: ExchangeNode): Promise<HandMadePeer> {
  const peer = await HandMadePeer.dial(seed)
  started.push(peer)
  return peer
}

test('garbage in place of a handshake ends the stream and is penalised', async () => {
  const seed = await seedWith()
  const peer = await stranger(seed)
  peer.framed.writeRaw(new Uint8Array(68).fill(7))
  await assert.rejects(peer.framed.readRaw(1))
  assert.deepEqual(
    seed.penalties.map(({ peer, kind }) => ({ peer, kind })),
    [{ peer: peer.peer, kind: 'rule' }]
  )
  await eventually('the stream is gone', () => seed.streams.length === 0)
  assert.equal(seed.heard('peerUp').length, 0)
})

test('a handshake that takes too long ends the stream', async () => {
  const seed = await seedWith({ limits: { handshakeTimeoutMs: 100 } })
  const peer = await stranger(seed)
  peer.framed.writeRaw(new Uint8Array(10))
  await assert.rejects(peer.framed.readRaw(1))
  await eventually('the stream is gone', () => seed.streams.length === 0)
  assert.deepEqual(seed.penalties, [])
})

test('a peer has so many handshakes pending and no more', async () => {
  const seed = await seedWith({ limits: { maxPendingPerPeer: 3 } })
  const first = await stranger(seed)
  const more = [first]
  for (let i = 0; i < 4; i++) {
    const stream = await first.host.dialProtocol(seed.host.getMultiaddrs(), '/shoal/exchange/1.0.0')
    more.push(new HandMadePeer(first.host, stream))
  }
  await eventually('the excess is refused', () => more.filter(({ framed }) => framed.ended).length === 2)
  const open = more.filter(({ framed }) => !framed.ended)
  await open[0]!.shakeHands() // makes room
  const stream = await first.host.dialProtocol(seed.host.getMultiaddrs(), '/shoal/exchange/1.0.0')
  const late = new HandMadePeer(first.host, stream)
  await assert.rejects(late.shakeHands()) // read, and refused as a second stream
  assert.equal(seed.heard('peerUp').length, 1)
})

test('a second stream of a peer in the same swarm is refused, the first one stays', async () => {
  const seed = await seedWith()
  const peer = await stranger(seed)
  await peer.shakeHands()
  const second = new HandMadePeer(
    peer.host,
    await peer.host.dialProtocol(seed.host.getMultiaddrs(), '/shoal/exchange/1.0.0')
  )
  await assert.rejects(second.shakeHands())
  peer.say({ type: 'haveNone' })
  peer.say({ type: 'interested' })
  await eventually('the first stream works', () => peer.has('unchoke'))
  assert.deepEqual(seed.penalties, [])
})

test('an oversized frame, and a message that cannot be read, end the stream and are penalised', async () => {
  const seed = await seedWith()
  const frames: [Uint8Array, RegExp][] = [
    [Uint8Array.of(0, 0x20, 0, 0), /a frame of 2097152 bytes/],
    [Uint8Array.of(0, 0, 0, 2, 4, 0), /ends inside a field/],
    [Uint8Array.of(0, 0, 0, 9, 7, 0, 0, 0, 0, 0, 0, 0, 0), /a piece without data/]
  ]
  for (const [bytes, reason] of frames) {
    const peer = await stranger(seed)
    await peer.shakeHands()
    peer.framed.writeRaw(bytes)
    await eventually('the stream ends', () => peer.ended)
    const penalty = seed.penalties.at(-1)
    assert.equal(penalty?.peer, peer.peer)
    assert.equal(penalty?.kind, 'rule')
    assert.match(penalty?.reason ?? '', reason)
    assert.equal(seed.heard('peerDown').at(-1)?.why, 'violation')
  }
  assert.equal(seed.penalties.length, frames.length)
})

test('a message that is not known does no harm', async () => {
  const seed = await seedWith()
  const peer = await stranger(seed)
  await peer.shakeHands()
  peer.framed.write(Uint8Array.of(99, 1, 2, 3))
  peer.framed.write(Uint8Array.of(20, 7, 1))
  peer.say({ type: 'haveNone' })
  peer.say({ type: 'interested' })
  await eventually('it is unchoked', () => peer.has('unchoke'))
  assert.deepEqual(seed.penalties, [])
})

test('a peer that floods messages is dropped', async () => {
  const seed = await seedWith({ limits: { inbound: { rate: 10, burst: 50 } } })
  const peer = await stranger(seed)
  await peer.shakeHands()
  for (let i = 0; i < 200; i++) peer.say({ type: 'keepAlive' })
  await eventually('the stream ends', () => peer.ended)
  assert.match(seed.penalties[0]?.reason ?? '', /too many messages/)
})

test('a peer that asks on and on without reading costs a bounded queue, then its stream', async () => {
  const windowBytes = 256 * KIB
  const controlBytes = 128 * KIB
  const seed = await seedWith({
    config: { uploadWindowBytes: windowBytes },
    limits: { controlBytes, inbound: { rate: 1e9, burst: 1e9 } }
  })
  const peer = await stranger(seed)
  await peer.shakeHands()
  peer.say({ type: 'haveNone' })
  peer.say({ type: 'interested' })
  await eventually('it is unchoked', () => peer.has('unchoke'))
  peer.framed.pause()
  const length = 64 * KIB
  let asked = 0
  await eventually('it is dropped', () => {
    // faster than it can be served: what does not fit the queue is rejected, and the rejects pile up
    for (let i = 0; i < 5_000; i++) peer.say({ type: 'request', piece: asked++ % 60, begin: 0, length })
    return seed.penalties.length > 0
  })
  assert.match(seed.penalties[0]?.reason ?? '', /asks and does not read/)
  assert.equal(seed.heard('peerDown')[0]?.why, 'violation')
  // what was read for it: its own window and ours, and what libp2p keeps of a stream
  assert.ok(seed.content!.reads * length <= 4 * windowBytes + 2 * 1024 * KIB, `${seed.content!.reads} reads`)
  await eventually('the stream is gone', () => seed.streams.length === 0)
})

test('a peer that asks for hashes without reading them is served a bounded number', async () => {
  const seed = await seedWith({ config: { uploadWindowBytes: 64 * KIB } })
  let served = 0
  const hashes = seed.content!.hashes.bind(seed.content)
  seed.content!.hashes = async (file, range) => {
    served += range.length * 32
    return await hashes(file, range)
  }
  const peer = await stranger(seed)
  await peer.shakeHands()
  peer.say({ type: 'haveNone' })
  peer.framed.pause()
  const { root } = sample.layout.files[0]!
  const range = { base: 2, index: 0, length: 64, proofs: 5 }
  for (let i = 0; i < 20_000; i++) peer.say({ type: 'hashRequest', root: root!, range })
  await peer.framed.drained()
  const before = served
  // its window, a queue of 64 answers, half an upload window, and a reject for all others
  await eventually('nothing more is read', async () => {
    const now = served
    await new Promise(resolve => setTimeout(resolve, 200))
    return now === served
  })
  assert.ok(before > 0 && served <= 1024 * KIB, `${served} bytes of hashes`)
})

test('requests that cannot be read are rejected, and told once a second', async () => {
  const seed = await seedWith({ clock: () => 0 })
  seed.content!.beforeRead = () => Promise.reject(new Error('the disk is gone'))
  const peer = await stranger(seed)
  await peer.shakeHands()
  peer.say({ type: 'haveNone' })
  peer.say({ type: 'interested' })
  await eventually('it is unchoked', () => peer.has('unchoke'))
  for (let piece = 0; piece < 5; piece++) peer.say({ type: 'request', piece, begin: 0, length: 16 * KIB })
  await eventually(
    'all are rejected',
    () => peer.received.filter(({ message }) => message.type === 'reject').length === 5
  )
  assert.equal(seed.content!.reads, 5)
  assert.equal(seed.heard('failed').length, 1)
})

test('a stream that its dialler leaves is left by us too', async () => {
  const seed = await seedWith()
  const peer = await stranger(seed)
  await peer.shakeHands()
  await peer.framed.close()
  await eventually('it is down', () => seed.heard('peerDown').length === 1 && seed.streams.length === 0)
  assert.equal(seed.heard('peerDown')[0]?.why, 'closed')
  assert.deepEqual(seed.penalties, [])
})

test('a handshake with more behind it than one window is read to its end', async () => {
  const many = sampleOf([16 * KIB * 4_000], 16 * KIB)
  const { promise: opened, resolve: open } = Promise.withResolvers<void>()
  const wanting = await ExchangeNode.start({
    limits: { pendingBytes: 16 },
    onWanted: async () => {
      await opened
      return wanting.open(MemoryContent.whole(many), { swarm: SWARM })
    }
  })
  started.push(wanting)
  const peer = await HandMadePeer.dial(wanting)
  started.push(peer)
  const shaking = peer.shakeHands()
  peer.say({ type: 'bitfield', bits: new Uint8Array(500).fill(0xf0) })
  for (let i = 0; i < 1_000; i++) peer.say({ type: 'have', piece: 4 })
  peer.say({ type: 'interested' })
  await peer.framed.drained()
  await new Promise(resolve => setTimeout(resolve, 100)) // so that reading has paused
  open()
  await shaking
  await eventually('it is unchoked', () => peer.has('unchoke'))
  peer.say({ type: 'request', piece: 0, begin: 0, length: 16 * KIB })
  await eventually('what comes later is read too', () => peer.has('piece'))
  assert.deepEqual(wanting.penalties, [])
})
