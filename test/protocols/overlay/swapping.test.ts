import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type OverlayMessage, overlayConfig, overlayLimits } from '../../../protocols/overlay/index.ts'
import { Bench, peer, SELF, sent, short } from './bench.ts'

const { requestTimeoutMs, repairLastMs, shuffleMs, settleMs, swapShuffles } = overlayConfig

/** A full view of settled neighbours 1 to 5, who say that they are there, and peers 20 to 26 in the passive view. */
class SwappingBench extends Bench {
  constructor(seed = 1) {
    super({ silenceMs: 1e9 }, seed)
    this.withNeighbours(1, 2, 3, 4, 5)
    const peers = [20, 21, 22, 23, 24, 25, 26].map(peer)
    this.from(peer(1), { type: 'shuffle', origin: peer(27), nonce: 7, walk: 1, peers })
    this.now += repairLastMs
  }

  /** Waits for the next swap of its own. */
  swap(): { to: number; gives: number } {
    const end = this.now + 1.5 * shuffleMs
    let swap: ReturnType<typeof sent>[number] | undefined
    while (swap === undefined && this.now < end) [swap] = sent(this.wait(50), 'swap')
    assert.ok(swap?.message.type === 'swap')
    return { to: swap.to as unknown as number, gives: swap.message.gives as unknown as number }
  }
}

test('a swap of ours: a random peer of the passive view takes the place of a neighbour that gets one of its own', () => {
  const bench = new SwappingBench()
  const { to, gives } = bench.swap()
  assert.ok(to >= 20 && to <= 27)
  assert.deepEqual(bench.active, [1, 2, 3, 4, 5], 'nobody goes before there is somebody new')
  const outputs = bench.from(peer(to), { type: 'swapReply', gives: peer(50) })
  assert.deepEqual(short(outputs), [`${gives} handover`, `-${gives}`, `+${to}`])
  assert.deepEqual(sent(outputs, 'handover')[0]?.message, { type: 'handover', to: 50 })
  assert.deepEqual(
    bench.active,
    [1, 2, 3, 4, 5, to].filter(index => index !== gives)
  )
  assert.ok(bench.passive.includes(gives))
})

test('a swap that is refused, lost, or of one that died changes nothing, and comes again at the next shuffle', () => {
  const bench = new SwappingBench()
  const refusing = bench.swap()
  assert.deepEqual(short(bench.from(peer(refusing.to), { type: 'swapReply' })), [])
  assert.ok(bench.passive.includes(refusing.to))
  const dead = bench.swap()
  assert.deepEqual(short(bench.give({ type: 'peerDown', peer: peer(dead.to) })), [])
  const silent = bench.swap()
  bench.wait(requestTimeoutMs)
  assert.ok(!bench.passive.includes(dead.to) && !bench.passive.includes(silent.to))
  assert.deepEqual(
    short(bench.from(peer(silent.to), { type: 'swapReply', gives: peer(50) })),
    [`${silent.to} disconnect`],
    'too late: it must not keep half a link'
  )
  assert.deepEqual(bench.active, [1, 2, 3, 4, 5])
})

test('a swap is answered when things have changed meanwhile', () => {
  const unasked = new SwappingBench()
  assert.deepEqual(short(unasked.from(peer(9), { type: 'swapReply', gives: peer(50) })), ['9 disconnect'])
  assert.deepEqual(short(unasked.from(peer(9), { type: 'swapReply' })), [])

  const withRoom = new SwappingBench()
  const first = withRoom.swap()
  withRoom.give({ type: 'peerDown', peer: peer(first.gives) })
  const added = withRoom.from(peer(first.to), { type: 'swapReply', gives: peer(50) })
  assert.deepEqual(short(added), [`+${first.to}`], 'nobody has to go')

  const filled = new SwappingBench()
  const second = filled.swap()
  filled.give({ type: 'peerDown', peer: peer(second.gives) })
  filled.from(peer(60), { type: 'neighbour', urgent: false })
  const declined = filled.from(peer(second.to), { type: 'swapReply', gives: peer(50) })
  assert.deepEqual(short(declined), [`${second.to} disconnect`])

  const withSelf = new SwappingBench()
  const third = withSelf.swap()
  assert.deepEqual(short(withSelf.from(peer(third.to), { type: 'swapReply', gives: SELF })), [`${third.to} disconnect`])
  assert.equal(withSelf.active.length, 5)
})

test('the first swaps come soon, later ones once in many shuffles', () => {
  const bench = new SwappingBench()
  const times: number[] = []
  while (bench.now < 400 * shuffleMs) {
    for (const { to } of sent(bench.wait(100), 'swap')) {
      times.push(bench.now)
      const gives = peer(1_000 + times.length)
      bench.from(to, { type: 'swapReply', gives })
      bench.from(peer(bench.active[0] as number), {
        type: 'shuffle',
        origin: peer(2_000 + times.length),
        nonce: 7,
        walk: 1,
        peers: []
      })
    }
  }
  const waits = times.slice(1).map((at, i) => (at - (times[i] as number)) / shuffleMs)
  assert.ok((waits[0] as number) < 2 && (waits[1] as number) < 4, `${waits}`)
  for (const wait of waits.slice(6)) assert.ok(wait > 0.75 * swapShuffles && wait < 1.3 * swapShuffles, `${waits}`)
})

test('a swap of another: one neighbour goes for it, who is told whose neighbour it is to be', () => {
  const bench = new SwappingBench()
  const outputs = bench.from(peer(9), { type: 'swap', gives: peer(50) })
  const [handover] = sent(outputs, 'handover')
  const gone = handover?.to as unknown as number
  assert.deepEqual(short(outputs), [`${gone} handover`, `-${gone}`, '+9', '9 swapReply'])
  assert.deepEqual(handover?.message, { type: 'handover', to: 50 })
  assert.deepEqual(sent(outputs, 'swapReply')[0]?.message, { type: 'swapReply', gives: gone })
  assert.deepEqual(
    bench.active,
    [1, 2, 3, 4, 5, 9].filter(index => index !== gone)
  )
})

test('a swap of another is refused where it would make no new links, or fewer', () => {
  const refused = (bench: Bench, from: number, gives: number): void => {
    const before = bench.active
    const outputs = bench.from(peer(from), { type: 'swap', gives: peer(gives) })
    assert.deepEqual(sent(outputs, 'swapReply')[0]?.message, { type: 'swapReply' })
    assert.deepEqual([outputs.length, bench.active], [1, before])
  }
  refused(new SwappingBench(), 3, 50)
  refused(new SwappingBench(), 9, 3)
  refused(new SwappingBench(), 9, SELF as unknown as number)
  refused(new Bench().withNeighbours(1, 2, 3, 4), 9, 50)
})

test('swaps of others are counted as pushes, and leave one of those for newcomers', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const bench = new SwappingBench(seed)
    const kept = (): number[] => bench.active.filter(index => index < 1_000)
    const swaps = (first: number): void => {
      for (let i = 0; i < 100; i++) bench.from(peer(first + i), { type: 'swap', gives: peer(5_000 + i) })
    }
    swaps(1_000)
    assert.equal(kept().length, 4, `seed ${seed}: ${bench.active}`)
    bench.from(peer(9), { type: 'join' })
    assert.ok(bench.active.includes(9))
    swaps(2_000)
    bench.now += 0.4 * settleMs
    swaps(3_000)
    const came = bench.active.filter(index => index >= 1_000)
    assert.ok(came.length <= 1, `seed ${seed}: ${bench.active}`)
    // what came in by a swap is not the first to go: it may well be honest
    const before = bench.active
    bench.from(peer(10), { type: 'join' })
    const gone = before.filter(index => !bench.active.includes(index))
    assert.deepEqual(gone, [9], `seed ${seed}`)
  }
})

test('a handover: the neighbour goes, and the other is asked at once', () => {
  const bench = new SwappingBench()
  assert.deepEqual(short(bench.from(peer(2), { type: 'handover', to: peer(50) })), ['-2', '50 neighbour'])
  assert.deepEqual(sent(bench.wait(repairLastMs / 20), 'neighbour'), [], 'the place is kept for it')
  assert.deepEqual(short(bench.from(peer(50), { type: 'neighbour', urgent: false })), ['+50', '50 neighbourReply'])
  assert.deepEqual(short(bench.from(peer(50), { type: 'neighbourReply', accepted: true })), [])
  assert.deepEqual(bench.active, [1, 3, 4, 5, 50])
  assert.deepEqual(short(bench.from(peer(7), { type: 'handover', to: peer(51) })), ['7 disconnect'], 'a stranger’s')
  assert.deepEqual(short(bench.from(peer(3), { type: 'handover', to: SELF })), ['-3'])
  assert.deepEqual(short(bench.from(peer(4), { type: 'handover', to: peer(5) })), ['-4'])
})

test('the place of one that hands us over is kept for the other while it is asked', () => {
  const bench = new SwappingBench()
  bench.from(peer(2), { type: 'handover', to: peer(50) })
  const refused = bench.from(peer(9), { type: 'neighbour', urgent: false })
  assert.deepEqual(sent(refused, 'neighbourReply')[0]?.message, { type: 'neighbourReply', accepted: false })
  const pushing = bench.from(peer(10), { type: 'neighbour', urgent: true })
  assert.equal(sent(pushing, 'disconnect').length, 1, 'it takes the place of another')
  assert.equal(bench.active.length, 4)
  assert.deepEqual(short(bench.from(peer(50), { type: 'neighbourReply', accepted: true })), ['+50'])
  assert.equal(bench.active.length, 5)

  const free = new SwappingBench()
  free.from(peer(2), { type: 'handover', to: peer(50) })
  free.from(peer(50), { type: 'neighbourReply', accepted: false })
  assert.deepEqual(short(free.from(peer(9), { type: 'neighbour', urgent: false })), ['+9', '9 neighbourReply'])
})

test('one that comes back to hand us over again makes us ask few peers', () => {
  const bench = new Bench({ silenceMs: 1e9 })
  const handover = (i: number): OverlayMessage => ({ type: 'handover', to: peer(1_000 + i) })
  let asked = 0
  for (let i = 0; i < 60; i++) {
    bench.now += 500
    bench.from(peer(1), { type: 'neighbour', urgent: false })
    asked += sent(bench.from(peer(1), handover(i)), 'neighbour').length
    bench.give({ type: 'peerDown', peer: peer(1_000 + i) })
  }
  const { rate, burst } = overlayLimits.handovers
  assert.ok(asked >= burst && asked <= burst + 30 * rate, `${asked}`)
})
