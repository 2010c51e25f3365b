import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FileId } from '../../../protocols/core/ids.ts'
import type { Output } from '../../../protocols/core/machine.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import { ourFeatures } from '../../../protocols/exchange/handshake.ts'
import type { ExchangeMessage } from '../../../protocols/exchange/messages.ts'
import { Swarm } from '../../../protocols/exchange/swarm.ts'
import type { SwarmEvent } from '../../../protocols/exchange/swarm-events.ts'
import { Layout, MAX_RANGE_HASHES } from '../../../protocols/metainfo/index.ts'

const PIECES = 2_048
const LAYOUT = Layout.single('00'.repeat(32) as FileId, PIECES * 256 * 1024, 'file')

type SwarmOutput = Output<ExchangeMessage, SwarmEvent>

/** One swarm of 2,048 pieces in the hands of a test, and what it does. */
class Bench {
  readonly swarm: Swarm
  readonly out: SwarmOutput[] = []
  now = 1_000
  #refused = 0
  /** How often it asked whether the blocks of a piece can be verified: once for each piece that it thinks about. */
  looks = 0

  constructor(init: { isSeed?: boolean; areHashesKnown?: (piece: number) => boolean } = {}) {
    const { isSeed = false, areHashesKnown = () => true } = init
    this.swarm = new Swarm({
      layout: LAYOUT,
      rng: seededRng(1),
      storedBlocks: piece => (isSeed ? LAYOUT.blocksIn(piece) : 0),
      hasBlock: () => isSeed,
      missingHashes: piece => {
        this.looks++
        if (isSeed || areHashesKnown(piece)) return undefined
        return { base: 4, index: piece - (piece % MAX_RANGE_HASHES), length: MAX_RANGE_HASHES, proofs: 10 }
      }
    })
  }

  join(name: string, pieces: 'haveAll' | 'haveNone'): Peer {
    const peer = name as unknown as Peer
    this.give({ type: 'peerUp', peer })
    this.say(peer, { type: 'handshake', features: ourFeatures })
    this.say(peer, { type: pieces })
    return peer
  }

  say(from: Peer, message: ExchangeMessage): SwarmOutput[] {
    return this.give({ type: 'received', from, message })
  }

  give(input: Parameters<Swarm['handle']>[0]): SwarmOutput[] {
    const out = this.swarm.handle(input, this.now)
    this.out.push(...out)
    return out
  }

  /** Lets time pass, with the ticks that are due in it. */
  pass(ms: number): void {
    const end = this.now + ms
    for (let at = this.swarm.nextTick(); at !== undefined && at <= end; at = this.swarm.nextTick()) {
      assert.ok(at > this.now && Number.isInteger(at), `a tick at ${at}, it is ${this.now}`)
      this.now = at
      this.give({ type: 'tick' })
    }
    this.now = end
  }

  sent<Type extends ExchangeMessage['type']>(type: Type): (ExchangeMessage & { type: Type })[] {
    return this.out.flatMap(output =>
      output.type === 'send' && output.message.type === type ? [output.message as ExchangeMessage & { type: Type }] : []
    )
  }

  /** Refuses every hash that the peer is asked for, so that nothing of it could be verified. */
  refuseHashes(peer: Peer): void {
    for (;;) {
      const asked = this.sent('hashRequest').slice(this.#refused)
      if (asked.length === 0) return
      this.#refused += asked.length
      for (const { root, range } of asked) this.say(peer, { type: 'hashReject', root, range })
      this.pass(50)
    }
  }
}

test('an unchoke is answered with requests at once', () => {
  const bench = new Bench()
  const peer = bench.join('a', 'haveAll')
  const out = bench.say(peer, { type: 'unchoke' })
  assert.ok(out.some(output => output.type === 'send' && output.message.type === 'request'))
})

test('a peer that chokes and unchokes costs no look at pieces while nothing changes', () => {
  const bench = new Bench({ areHashesKnown: () => false })
  const peer = bench.join('a', 'haveAll')
  bench.refuseHashes(peer)
  bench.say(peer, { type: 'unchoke' })
  bench.pass(1_000)
  bench.looks = 0
  for (let i = 0; i < 500; i++) {
    bench.say(peer, { type: 'choke' })
    bench.say(peer, { type: 'unchoke' })
  }
  bench.pass(1_000)
  assert.equal(bench.looks, 0)
})

test('a peer that has one piece after the other is looked at in rounds', () => {
  const bench = new Bench({ areHashesKnown: () => false })
  bench.refuseHashes(bench.join('seed', 'haveAll'))
  const peer = bench.join('a', 'haveNone')
  bench.say(peer, { type: 'unchoke' })
  for (let piece = 0; piece < PIECES; piece++) {
    if (piece > 0 && piece % 64 === 0) bench.pass(1)
    bench.say(peer, { type: 'have', piece })
    if (piece % MAX_RANGE_HASHES === 0) bench.refuseHashes(peer)
  }
  bench.pass(1_000)
  // every look at each piece that it has would be two million
  assert.ok(bench.looks < 60_000, `${bench.looks} looks`)
})

test('rejects of one peer have the others looked at in rounds', () => {
  const bench = new Bench({ areHashesKnown: piece => piece < MAX_RANGE_HASHES })
  for (let i = 0; i < 40; i++) {
    const other = bench.join(`${i}`, 'haveNone')
    for (let piece = 600; piece < 700; piece++) bench.say(other, { type: 'have', piece })
    bench.refuseHashes(other)
    bench.say(other, { type: 'unchoke' })
  }
  const baiting = bench.join('bait', 'haveNone')
  for (let piece = 0; piece < 32; piece++) bench.say(baiting, { type: 'have', piece })
  bench.say(baiting, { type: 'unchoke' })
  bench.pass(1_000)
  const asked = bench.sent('request')
  assert.ok(asked.length >= 32)
  bench.say(baiting, { type: 'choke' })
  bench.looks = 0
  for (const { piece, begin, length } of asked) bench.say(baiting, { type: 'reject', piece, begin, length })
  // a look at everything after each reject would be more than a hundred thousand
  assert.ok(bench.looks < 25_000, `${bench.looks} looks`)
})

const storms: { name: string; isSeed: boolean; messages: ExchangeMessage[] }[] = [
  { name: 'choke and unchoke', isSeed: false, messages: [{ type: 'choke' }, { type: 'unchoke' }] },
  { name: 'interest', isSeed: true, messages: [{ type: 'interested' }, { type: 'notInterested' }] },
  { name: 'the same interest', isSeed: true, messages: [{ type: 'interested' }] },
  { name: 'the same have', isSeed: true, messages: [{ type: 'have', piece: 7 }] },
  { name: 'cancels of nothing', isSeed: true, messages: [{ type: 'cancel', piece: 1, begin: 0, length: 16_384 }] },
  { name: 'extended handshakes', isSeed: true, messages: [{ type: 'extendedHandshake', requestQueue: 9 }] },
  {
    name: 'messages that are ignored',
    isSeed: true,
    messages: [
      { type: 'suggest', piece: 1 },
      { type: 'unknown', id: 99 }
    ]
  },
  { name: 'keep-alives', isSeed: true, messages: [{ type: 'keepAlive' }] }
]

for (const { name, isSeed, messages } of storms) {
  test(`a storm of ${name} ends with its peer, and is penalised`, () => {
    const bench = new Bench({ isSeed })
    const peer = bench.join('a', isSeed ? 'haveNone' : 'haveAll')
    let said = 0
    while (bench.swarm.stats(bench.now).peers.length > 0 && said < 10_000) {
      bench.say(peer, messages[said++ % messages.length]!)
    }
    assert.ok(said > 1_000 && said < 10_000, `${said} messages`)
    assert.equal(bench.out.filter(output => output.type === 'penalise').length, 1)
    const drop = bench.out.find(output => output.type === 'event' && output.event.type === 'drop')
    assert.equal(drop?.type === 'event' && drop.event.type === 'drop' && drop.event.why, 'violation')
    assert.ok(bench.sent('unchoke').length <= 1)
  })

  test(`${name} at a pace that peers have is no storm`, () => {
    const bench = new Bench({ isSeed })
    const peer = bench.join('a', isSeed ? 'haveNone' : 'haveAll')
    for (let i = 0; i < 6_000; i++) {
      bench.say(peer, messages[i % messages.length]!)
      bench.pass(15)
    }
    assert.deepEqual(
      bench.out.filter(output => output.type === 'penalise'),
      []
    )
  })
}

test('hashes below the piece layer, which cost the reading of pieces, are for those who may have the pieces', () => {
  const bench = new Bench({ isSeed: true })
  const peer = bench.join('a', 'haveNone')
  const { root } = LAYOUT.files[0]!
  const isServed = (base: number): boolean => {
    const range = { base, index: 0, length: 2, proofs: 0 }
    const out = bench.say(peer, { type: 'hashRequest', root: root!, range })
    return out.some(output => output.type === 'event' && output.event.type === 'serveHashes')
  }
  // pieces of 256 KiB are layer 4
  assert.deepEqual([0, 1, 3, 4, 5].map(isServed), [false, false, false, true, true])
  assert.equal(bench.sent('hashReject').length, 3)
  bench.say(peer, { type: 'interested' })
  assert.deepEqual([0, 1, 3, 4, 5].map(isServed), [true, true, true, true, true])
})

test('a second bitfield ends the stream', () => {
  const bench = new Bench()
  const peer = bench.join('a', 'haveNone')
  const out = bench.say(peer, { type: 'bitfield', bits: new Uint8Array(PIECES / 8) })
  assert.ok(out.some(output => output.type === 'penalise'))
})

test('where pieces come one by one, interest is not taken back and given again for each', () => {
  const bench = new Bench()
  const peer = bench.join('a', 'haveNone')
  bench.say(peer, { type: 'unchoke' })
  for (let piece = 0; piece < 200; piece++) {
    bench.say(peer, { type: 'have', piece })
    for (const { piece: asked, begin, length } of bench.sent('request').filter(request => request.piece === piece)) {
      const chunk = { piece: asked, begin, length }
      bench.give({ type: 'block', from: peer, ...chunk, verdict: 'good' })
      bench.give({ type: 'stored', ...chunk })
    }
    bench.pass(10)
  }
  assert.equal(bench.swarm.stats(bench.now).piecesDone, 200)
  // 2,000 ms, four ticks
  assert.ok(bench.sent('interested').length <= 5, `${bench.sent('interested').length} changes`)
  bench.pass(1_000)
  assert.equal(bench.sent('notInterested').length, bench.sent('interested').length)
})
