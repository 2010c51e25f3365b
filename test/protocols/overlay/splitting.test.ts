import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Peer } from '../../../protocols/core/peer.ts'
import { overlayConfig, overlayLimits } from '../../../protocols/overlay/index.ts'
import { Bench, type Out, peer, SELF, sent, short } from './bench.ts'

const { activeSize, repairLastMs, requestTimeoutMs, settleMs } = overlayConfig
const { refusalsBeforeSplit } = overlayLimits

/** Some neighbours, and peers 20 to 27 in the passive view, all of which are full. */
class ShortBench extends Bench {
  refused = 0

  constructor(...neighbours: number[]) {
    super({ silenceMs: 1e9 })
    this.withNeighbours(...neighbours)
    const peers = [20, 21, 22, 23, 24, 25, 26].map(peer)
    this.from(peer(1), { type: 'shuffle', origin: peer(27), nonce: 7, walk: 1, peers })
  }

  /** Refuses every ordinary request for so long, or until it asks for links. */
  waitForSplits(limitMs = 4 * repairLastMs): Peer[] {
    const end = this.now + limitMs
    while (this.now < end) {
      const outputs: Out[] = this.wait(10)
      for (const { to } of sent(outputs, 'neighbour')) {
        this.refused++
        this.from(to, { type: 'neighbourReply', accepted: false })
      }
      const splits = sent(outputs, 'swap').filter(({ message }) => 'gives' in message && message.gives === SELF)
      if (splits.length > 0) return splits.map(({ to }) => to)
    }
    return []
  }

  split(): Peer {
    const [to] = this.waitForSplits()
    assert.ok(to !== undefined)
    return to
  }
}

function full(seed = 1): Bench {
  return new Bench({ silenceMs: 1e9 }, seed).withNeighbours(1, 2, 3, 4, 5)
}

test('who misses two and is refused asks for a link, and takes both its ends', () => {
  const bench = new ShortBench(1, 2, 3)
  const w = bench.split()
  assert.ok(bench.refused >= refusalsBeforeSplit, `${bench.refused} refused`)
  const outputs = bench.from(w, { type: 'swapReply', gives: peer(50) })
  assert.deepEqual(short(outputs), [`+${w}`, '50 neighbour'])
  const other = bench.from(peer(9), { type: 'neighbour', urgent: false })
  assert.deepEqual(sent(other, 'neighbourReply')[0]?.message, { type: 'neighbourReply', accepted: false }, 'it is kept')
  assert.deepEqual(short(bench.from(peer(50), { type: 'neighbour', urgent: false })), ['+50', '50 neighbourReply'])
  assert.deepEqual(short(bench.from(peer(50), { type: 'neighbourReply', accepted: true })), [])
  assert.deepEqual(bench.active, [1, 2, 3, w, 50])
  assert.deepEqual(bench.waitForSplits(), [])
})

test('who misses four asks for two links, and one that misses three for one and a place', () => {
  assert.equal(new ShortBench(1).waitForSplits().length, 2)
  assert.equal(new ShortBench(1, 2).waitForSplits().length, 1)
})

test('nobody asks for a link that misses one, has no neighbour, or was not refused', () => {
  assert.deepEqual(new ShortBench(1, 2, 3, 4).waitForSplits(), [])
  const alone = new ShortBench(1)
  alone.give({ type: 'peerDown', peer: peer(1) })
  assert.deepEqual(alone.waitForSplits(), [])

  const accepted = new ShortBench(1)
  const asked = accepted.wait(repairLastMs / 10)
  for (const { to } of sent(asked, 'neighbour').slice(1)) {
    accepted.from(to, { type: 'neighbourReply', accepted: false })
  }
  accepted.from(sent(asked, 'neighbour')[0]?.to as Peer, { type: 'neighbourReply', accepted: true })
  accepted.split()
  assert.ok(accepted.refused >= refusalsBeforeSplit, 'they are counted anew')
})

test('a link that is not to be had changes nothing; later and later another peer is asked', () => {
  const bench = new ShortBench(1, 2, 3)
  const times: number[] = []
  const asked = new Set<Peer>()
  for (let i = 0; i < 8; i++) {
    const w = bench.split()
    times.push(bench.now)
    asked.add(w)
    bench.from(w, { type: 'swapReply' })
  }
  const waits = times.slice(1).map((at, i) => at - (times[i] as number))
  for (const [i, wait] of waits.entries()) assert.ok(wait >= Math.min(2 * (waits[i - 1] ?? 0) - 20, repairLastMs - 20))
  assert.ok(asked.size >= 3, `${[...asked]}`)
  assert.deepEqual(bench.active, [1, 2, 3])

  const dead = bench.split()
  bench.give({ type: 'peerDown', peer: dead })
  const silent = bench.split()
  bench.wait(requestTimeoutMs)
  assert.ok(!bench.passive.includes(dead as unknown as number) && !bench.passive.includes(silent as unknown as number))
  assert.deepEqual(
    short(bench.from(silent, { type: 'swapReply', gives: peer(50) })),
    [`${silent} disconnect`],
    'too late: it must not keep half a link'
  )
})

test('one that has a place after all says so, and is a neighbour', () => {
  const bench = new ShortBench(1, 2, 3)
  const w = bench.split()
  assert.deepEqual(short(bench.from(w, { type: 'neighbourReply', accepted: true })), [`+${w}`])
  assert.deepEqual(short(bench.from(w, { type: 'swapReply', gives: peer(50) })), [], 'one answer is enough')
})

test('a link is given when things have changed meanwhile', () => {
  const filled = new ShortBench(1, 2, 3)
  const first = filled.split()
  for (const index of [60, 61]) filled.from(peer(index), { type: 'neighbour', urgent: false })
  assert.deepEqual(short(filled.from(first, { type: 'swapReply', gives: peer(50) })), [`${first} disconnect`])

  const halfFilled = new ShortBench(1, 2, 3)
  const second = halfFilled.split()
  halfFilled.from(peer(60), { type: 'neighbour', urgent: false })
  assert.deepEqual(short(halfFilled.from(second, { type: 'swapReply', gives: peer(50) })), [`+${second}`])

  const acquainted = new ShortBench(1, 2, 3)
  const third = acquainted.split()
  assert.deepEqual(short(acquainted.from(third, { type: 'swapReply', gives: peer(2) })), [`+${third}`])

  const early = new ShortBench(1, 2, 3)
  const fourth = early.split()
  early.from(peer(50), { type: 'neighbour', urgent: false })
  assert.deepEqual(short(early.from(fourth, { type: 'swapReply', gives: peer(50) })), [`+${fourth}`])
  assert.equal(early.active.length, activeSize)

  const withSelf = new ShortBench(1, 2, 3)
  const fifth = withSelf.split()
  assert.deepEqual(short(withSelf.from(fifth, { type: 'swapReply', gives: SELF })), [`${fifth} disconnect`])

  const leaving = new ShortBench(1, 2, 3)
  const sixth = leaving.split()
  leaving.give({ type: 'leave' })
  assert.deepEqual(short(leaving.from(sixth, { type: 'swapReply', gives: peer(50) })), [`${sixth} disconnect`])

  const unasked = new ShortBench(1, 2, 3)
  assert.deepEqual(short(unasked.from(peer(9), { type: 'swapReply', gives: peer(50) })), ['9 disconnect'])
  assert.deepEqual(short(unasked.from(peer(1), { type: 'swapReply', gives: peer(50) })), [], 'a neighbour’s')
})

test('a full peer gives a link: one neighbour is told whose it is to be', () => {
  const bench = full()
  const outputs = bench.from(peer(9), { type: 'swap', gives: peer(9) })
  const [handover] = sent(outputs, 'handover')
  const gone = handover?.to as unknown as number
  assert.deepEqual(short(outputs), [`${gone} handover`, `-${gone}`, '+9', '9 swapReply'])
  assert.deepEqual(handover?.message, { type: 'handover', to: 9 })
  assert.deepEqual(sent(outputs, 'swapReply')[0]?.message, { type: 'swapReply', gives: gone })
  assert.equal(bench.active.length, activeSize)
  assert.ok(bench.active.includes(9) && bench.passive.includes(gone))
})

test('one that has a place, or is a neighbour, answers as to any request; one that rests says so', () => {
  const split = (bench: Bench, from: number): string[] =>
    short(bench.from(peer(from), { type: 'swap', gives: peer(from) }))
  assert.deepEqual(split(new Bench().withNeighbours(1, 2, 3, 4), 9), ['+9', '9 neighbourReply'])
  const bench = full()
  assert.deepEqual(split(bench, 3), ['3 neighbourReply'])
  bench.give({ type: 'leave' })
  assert.deepEqual(split(bench, 9), ['9 disconnect'])
  assert.deepEqual(bench.active, [])
})

test('a place that is kept for another is not given, but a link', () => {
  const bench = full()
  bench.from(peer(2), { type: 'handover', to: peer(50) })
  const outputs = bench.from(peer(9), { type: 'swap', gives: peer(9) })
  assert.equal(sent(outputs, 'handover').length, 1)
  bench.from(peer(50), { type: 'neighbourReply', accepted: true })
  assert.equal(bench.active.length, activeSize)
})

test('links that are asked for are counted as pushes, and leave one of those for newcomers', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const bench = full(seed)
    const settled = (): number[] => bench.active.filter(index => index <= 5)
    const splits = (first: number): void => {
      for (let i = 0; i < 100; i++) bench.from(peer(first + i), { type: 'swap', gives: peer(first + i) })
    }
    splits(1_000)
    assert.equal(settled().length, 4, `seed ${seed}: ${bench.active}`)
    bench.from(peer(9), { type: 'join' })
    assert.ok(bench.active.includes(9), 'a newcomer has its place')
    splits(2_000)
    bench.now += 0.4 * settleMs
    splits(3_000)
    assert.ok(settled().length >= 3, `seed ${seed}: ${bench.active}`)
    // what has pushed in goes first, for whoever pushes next
    for (let i = 0; i < 100; i++) bench.from(peer(4_000 + i), { type: 'join' })
    const stayed = bench.active.filter(index => index < 4_000)
    assert.ok(stayed.length >= 3 && stayed.every(index => index <= 5), `seed ${seed}: ${bench.active}`)
  }
})

test('who has its share of a group here gets the link to one of that', () => {
  const members = [1, 2, 9]
  const groupOf = (of: Peer): string | undefined => (members.includes(of as unknown as number) ? 'one' : undefined)
  for (let seed = 1; seed <= 20; seed++) {
    const bench = new Bench({}, seed, groupOf).withNeighbours(1, 2, 3, 4, 5)
    bench.now += settleMs
    // of no group, and it has pushed in
    bench.from(peer(10), { type: 'neighbour', urgent: true })
    bench.now += 0.6 * settleMs
    if (!bench.active.includes(1) || !bench.active.includes(2)) continue
    const [handover] = sent(bench.from(peer(9), { type: 'swap', gives: peer(9) }), 'handover')
    assert.ok(members.includes(handover?.to as unknown as number), `seed ${seed}: ${handover?.to}`)
  }
})
