import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type OverlayMessage, overlayConfig, overlayLimits } from '../../../protocols/overlay/index.ts'
import { Bench, type Out, peer, peersOf, SELF, sent, short } from './bench.ts'

const { requestTimeoutMs, repairMs, repairLastMs, shuffleMs, silenceMs, settleMs } = overlayConfig

test('join: the newcomer is a neighbour at once, and walks from every neighbour', () => {
  const bench = new Bench().withNeighbours(1, 2)
  const outputs = bench.from(peer(9), { type: 'join' })
  assert.deepEqual(short(outputs), ['1 forwardJoin', '2 forwardJoin', '+9', '9 neighbourReply'])
  assert.deepEqual(sent(outputs, 'forwardJoin')[0]?.message, { type: 'forwardJoin', newcomer: 9, walk: 6 })
  assert.deepEqual(bench.active, [1, 2, 9])
})

test('join: a full view gives up one neighbour, who is told and remembered', () => {
  const bench = new Bench().withNeighbours(1, 2, 3, 4, 5)
  const outputs = bench.from(peer(9), { type: 'join' })
  const [gone] = sent(outputs, 'disconnect')
  assert.deepEqual(gone?.message, { type: 'disconnect', leaving: false })
  assert.ok(short(outputs).includes(`-${gone?.to}`))
  assert.equal(bench.active.length, 5)
  assert.ok(bench.active.includes(9))
  assert.deepEqual(bench.passive, [gone?.to])
})

test('join: our own asks the contact, which is not asked twice', () => {
  const bench = new Bench()
  assert.deepEqual(short(bench.give({ type: 'join', contact: peer(1) })), ['1 join'])
  assert.deepEqual(short(bench.give({ type: 'peerUp', peer: peer(1) })), [])
  assert.deepEqual(sent(bench.wait(repairMs), 'neighbour'), [])
  assert.deepEqual(short(bench.from(peer(1), { type: 'neighbourReply', accepted: true })), ['+1'])
  assert.deepEqual(short(bench.give({ type: 'join', contact: SELF })), [])
})

test('forwardJoin: on the way, at the end, and where nobody else is', () => {
  const walk = (steps: number): OverlayMessage => ({ type: 'forwardJoin', newcomer: peer(9), walk: steps })
  const onTheWay = new Bench().withNeighbours(1, 2, 3, 4, 5)
  const passedOn = sent(onTheWay.from(peer(1), walk(5)), 'forwardJoin')
  assert.equal(passedOn.length, 1)
  assert.notEqual(passedOn[0]?.to, 1)
  assert.deepEqual(passedOn[0]?.message, walk(4))
  assert.deepEqual(onTheWay.passive, [])

  const remembering = new Bench().withNeighbours(1, 2, 3, 4, 5)
  remembering.from(peer(1), walk(overlayConfig.passiveWalk))
  assert.deepEqual(remembering.passive, [9])

  const atTheEnd = new Bench().withNeighbours(1, 2, 3, 4, 5)
  assert.deepEqual(short(atTheEnd.from(peer(1), walk(0))), ['9 neighbour'])
  const accepted = atTheEnd.from(peer(9), { type: 'neighbourReply', accepted: true })
  assert.equal(sent(accepted, 'disconnect').length, 1, 'the newcomer takes a place')
  assert.ok(atTheEnd.active.includes(9))

  assert.deepEqual(short(new Bench().withNeighbours(1).from(peer(1), walk(6))), ['9 neighbour'])
  assert.deepEqual(
    short(new Bench().withNeighbours(1, 2, 3, 4).from(peer(1), walk(6))),
    ['9 neighbour'],
    'small network'
  )
  assert.deepEqual(short(new Bench().withNeighbours(1, 2).from(peer(1), { ...walk(6), newcomer: SELF } as never)), [])
})

test('forwardJoin and shuffle of a stranger have no effect but that it learns of its mistake', () => {
  for (const message of [
    { type: 'forwardJoin', newcomer: peer(9), walk: 0 },
    { type: 'shuffle', origin: peer(9), nonce: 7, walk: 1, peers: [peer(8)] },
    { type: 'alive', answer: false }
  ] as const) {
    const bench = new Bench().withNeighbours(1)
    assert.deepEqual(short(bench.from(peer(7), message)), ['7 disconnect'], message.type)
    assert.deepEqual(bench.passive, [])
  }
})

test('neighbour: accepted while there is room, or when urgent, or when it is one', () => {
  const reply = (outputs: Out[]): unknown => sent(outputs, 'neighbourReply')[0]?.message
  const full = () => new Bench().withNeighbours(1, 2, 3, 4, 5)
  const accepted = { type: 'neighbourReply', accepted: true }
  const refused = { type: 'neighbourReply', accepted: false }
  assert.deepEqual(reply(new Bench().from(peer(9), { type: 'neighbour', urgent: false })), accepted)
  assert.deepEqual(reply(full().from(peer(9), { type: 'neighbour', urgent: false })), refused)
  assert.deepEqual(reply(full().from(peer(9), { type: 'neighbour', urgent: true })), accepted)
  assert.deepEqual(short(full().from(peer(3), { type: 'neighbour', urgent: false })), ['3 neighbourReply'])
})

test('neighbourReply: only what was asked for makes a neighbour', () => {
  const unasked = new Bench()
  assert.deepEqual(short(unasked.from(peer(1), { type: 'neighbourReply', accepted: true })), ['1 disconnect'])

  const late = new Bench()
  late.give({ type: 'peerUp', peer: peer(1) })
  late.wait(requestTimeoutMs - 1)
  late.give({ type: 'peerDown', peer: peer(1) })
  assert.deepEqual(short(late.from(peer(1), { type: 'neighbourReply', accepted: true })), ['1 disconnect'])

  const filled = new Bench()
  filled.give({ type: 'peerUp', peer: peer(9) })
  filled.withNeighbours(1, 2, 3, 4, 5)
  assert.deepEqual(short(filled.from(peer(9), { type: 'neighbourReply', accepted: true })), ['9 disconnect'])
  assert.deepEqual(filled.active, [1, 2, 3, 4, 5])
})

test('two that ask one another at once are neighbours, and stay so', () => {
  const bench = new Bench()
  assert.deepEqual(short(bench.give({ type: 'peerUp', peer: peer(1) })), ['1 neighbour'])
  assert.deepEqual(short(bench.from(peer(1), { type: 'neighbour', urgent: true })), ['+1', '1 neighbourReply'])
  assert.deepEqual(short(bench.from(peer(1), { type: 'neighbourReply', accepted: true })), [])
  assert.deepEqual(bench.active, [1])
})

test('disconnect: the peer is remembered, unless it leaves; a stranger’s changes nothing', () => {
  const bench = new Bench().withNeighbours(1, 2, 3)
  assert.deepEqual(short(bench.from(peer(1), { type: 'disconnect', leaving: false })), ['-1'])
  assert.deepEqual(short(bench.from(peer(2), { type: 'disconnect', leaving: true })), ['-2'])
  assert.deepEqual(short(bench.from(peer(7), { type: 'disconnect', leaving: false })), [])
  assert.deepEqual([bench.active, bench.passive], [[3], [1]])
})

test('shuffle: passed on while it has steps, then answered to its origin and taken in', () => {
  const bench = new Bench().withNeighbours(1, 2, 3)
  const peers = [20, 21, 22].map(peer)
  const passedOn = sent(bench.from(peer(1), { type: 'shuffle', origin: peer(9), nonce: 7, walk: 3, peers }), 'shuffle')
  assert.deepEqual(passedOn[0]?.message, { type: 'shuffle', origin: 9, nonce: 7, walk: 2, peers })
  assert.notEqual(passedOn[0]?.to, 1)
  assert.deepEqual(bench.passive, [])

  bench.from(peer(1), { type: 'shuffle', origin: peer(9), nonce: 7, walk: 1, peers })
  assert.deepEqual(bench.passive, [9, 20, 21, 22])
  const second = bench.from(peer(1), {
    type: 'shuffle',
    origin: peer(8),
    nonce: 7,
    walk: 1,
    peers: [SELF, peer(1), peer(23)]
  })
  const [answer] = sent(second, 'shuffleReply')
  assert.equal(answer?.to, 8)
  assert.deepEqual(new Set(peersOf(answer?.message)), new Set([9, 20, 21, 22]), 'as many as came, with the origin')
  assert.deepEqual(bench.passive, [9, 20, 21, 22, 8, 23], 'neither ourselves nor a neighbour')
})

test('shuffle: ours offers both views and takes one answer, no longer than what was sent', () => {
  const bench = new Bench().withNeighbours(1, 2, 3, 4, 5)
  bench.from(peer(1), { type: 'shuffleReply', nonce: 7, peers: [peer(50)] })
  assert.deepEqual(bench.passive, [], 'none was asked for')
  const [shuffle] = sent(bench.wait(shuffleMs), 'shuffle')
  assert.ok(shuffle !== undefined)
  const { origin, nonce, walk, peers } = shuffle.message as Extract<OverlayMessage, { type: 'shuffle' }>
  assert.deepEqual([origin, walk, peers.length], [SELF, 6, 3])
  const many = Array.from({ length: 16 }, (_, i) => peer(60 + i))
  bench.from(peer(77), { type: 'shuffleReply', nonce, peers: many })
  assert.deepEqual(bench.passive, [60, 61, 62, 63])
  bench.from(peer(77), { type: 'shuffleReply', nonce, peers: many })
  assert.equal(bench.passive.length, 4)
})

test('shuffle: an answer of one that has not seen ours, or to one that is long over, is none', () => {
  const bench = new Bench().withNeighbours(1, 2, 3, 4, 5)
  const ours = (): number => {
    const last = sent(bench.wait(2 * shuffleMs), 'shuffle').at(-1)
    assert.ok(last?.message.type === 'shuffle')
    return last.message.nonce
  }
  const over = ours()
  const present = ours()
  assert.notEqual(over, present)
  for (const nonce of [over, present ^ 1, 0]) {
    // a guess costs the true answer nothing
    bench.from(peer(77), { type: 'shuffleReply', nonce: nonce >>> 0, peers: [peer(60)] })
    assert.deepEqual(bench.passive, [], `${nonce}`)
  }
  bench.from(peer(78), { type: 'shuffleReply', nonce: present, peers: [peer(61)] })
  assert.deepEqual(bench.passive, [61])
})

test('newcomers of one neighbour: a few are asked at once, then one a second', () => {
  const bench = new Bench().withNeighbours(1, 2, 3, 4, 5)
  const asked = (from: number, count: number): number => {
    let requests = 0
    for (let i = 0; i < count; i++) {
      const newcomer = peer(1_000 * from + bench.now + i)
      requests += sent(bench.from(peer(from), { type: 'forwardJoin', newcomer, walk: 0 }), 'neighbour').length
      // it cannot be reached
      bench.give({ type: 'peerDown', peer: newcomer })
    }
    return requests
  }
  const { rate, burst } = overlayLimits.newcomers
  assert.equal(asked(1, 50), burst)
  assert.equal(asked(2, 5), 5)
  bench.now += 5_000
  assert.equal(asked(1, 50), 5 * rate)
})

test('alive: a neighbour is answered; one that is silent is asked, then given up', () => {
  const bench = new Bench().withNeighbours(1)
  assert.deepEqual(short(bench.from(peer(1), { type: 'alive', answer: false })), ['1 alive'])
  assert.deepEqual(short(bench.from(peer(1), { type: 'alive', answer: true })), [])
  const asked = bench.wait(silenceMs + 2 * shuffleMs)
  assert.ok(sent(asked, 'alive').length > 0)
  bench.from(peer(1), { type: 'alive', answer: true })
  bench.wait(silenceMs + 2 * shuffleMs)
  assert.deepEqual(bench.active, [1], 'it has answered')
  const given = bench.wait(silenceMs + shuffleMs)
  assert.ok(short(given).includes('-1'))
  assert.ok(short(given).includes('1 disconnect'))
})

test('a peer that connects is asked at once while there is room', () => {
  const bench = new Bench()
  for (const index of [1, 2, 3]) {
    const outputs = bench.give({ type: 'peerUp', peer: peer(index) })
    assert.deepEqual(sent(outputs, 'neighbour')[0]?.message, { type: 'neighbour', urgent: bench.active.length === 0 })
    bench.from(peer(index), { type: 'neighbourReply', accepted: true })
    // the waits between repairs have grown in the meantime
    bench.wait(60_000)
    for (const known of bench.active) bench.from(peer(known), { type: 'alive', answer: true })
  }
  assert.deepEqual(bench.active, [1, 2, 3])
})

test('a peer that goes is forgotten, and asked when it comes back', () => {
  const bench = new Bench().withNeighbours(1)
  assert.deepEqual(short(bench.give({ type: 'peerDown', peer: peer(1) })), ['-1'])
  assert.deepEqual([bench.active, bench.passive], [[], []])
  assert.deepEqual(short(bench.wait(60_000)), ['?'])
  assert.deepEqual(short(bench.give({ type: 'peerUp', peer: peer(1) })), ['1 neighbour'])
})

test('a request that gets no answer is given up, and the next peer is asked', () => {
  const bench = new Bench({ activeSize: 1 })
  bench.give({ type: 'peerUp', peer: peer(1) })
  bench.give({ type: 'peerUp', peer: peer(2) })
  const asked = sent(bench.wait(requestTimeoutMs + repairMs), 'neighbour')
  assert.deepEqual(
    asked.map(({ to }) => to),
    [2]
  )
  assert.deepEqual(bench.passive, [2])
})

test('refusals make the waits longer: no peer is asked more often than it allows', () => {
  const bench = new Bench()
  let asked = bench.give({ type: 'peerUp', peer: peer(1) })
  const times: number[] = []
  const kinds: string[] = []
  while (bench.now < 120_000) {
    for (const { to, message } of [...sent(asked, 'neighbour'), ...sent(asked, 'join')]) {
      times.push(bench.now)
      kinds.push(message.type)
      bench.from(to, { type: 'neighbourReply', accepted: false })
    }
    asked = bench.wait(50)
  }
  assert.deepEqual(kinds.slice(0, 4), ['neighbour', 'neighbour', 'join', 'join'], 'then it asks to be passed on')
  const waits = times.slice(1).map((at, i) => at - (times[i] as number))
  assert.ok(Math.max(...waits) >= repairLastMs)
  assert.ok(times.length < 20, `asked ${times.length} times in two minutes`)
})

test('leave: every neighbour is told, and nobody is taken any more until a join', () => {
  const bench = new Bench().withNeighbours(1, 2)
  assert.deepEqual(short(bench.give({ type: 'leave' })), ['1 disconnect', '-1', '2 disconnect', '-2'])
  assert.equal(bench.overlay.nextTick(), undefined)
  const asks: OverlayMessage[] = [
    { type: 'neighbour', urgent: true },
    { type: 'join' },
    { type: 'swap', gives: peer(8) },
    { type: 'swap', gives: peer(3) },
    { type: 'forwardJoin', newcomer: peer(9), walk: 0 },
    { type: 'shuffle', origin: peer(9), nonce: 7, walk: 1, peers: [peer(8)] },
    { type: 'alive', answer: false },
    { type: 'handover', to: peer(9) }
  ]
  for (const ask of asks) {
    const told = bench.from(peer(3), ask)
    assert.deepEqual(short(told), ['3 disconnect'], ask.type)
    assert.deepEqual(sent(told, 'disconnect')[0]?.message, { type: 'disconnect', leaving: true })
  }
  for (const answer of [
    { type: 'alive', answer: true },
    { type: 'disconnect', leaving: true }
  ] as const) {
    assert.deepEqual(short(bench.from(peer(4), answer)), [], 'two that rest say it once')
  }
  assert.deepEqual(short(bench.from(peer(5), { type: 'neighbourReply', accepted: true })), ['5 disconnect'])
  assert.deepEqual(short(bench.give({ type: 'peerUp', peer: peer(6) })), [])
  assert.deepEqual([bench.active, bench.overlay.nextTick()], [[], undefined])
  bench.give({ type: 'join', contact: peer(1) })
  assert.deepEqual(short(bench.from(peer(1), { type: 'neighbourReply', accepted: true })), ['+1'])
})

test('pushing takes no more than half of the places, however many push', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const bench = new Bench({}, seed).withNeighbours(1, 2, 3, 4, 5)
    for (let i = 0; i < 300; i++) {
      bench.now += 100
      const from = peer(1000 + i)
      if (i % 4 === 0) bench.from(from, { type: 'join' })
      else if (i % 4 === 1) bench.from(from, { type: 'neighbour', urgent: true })
      else if (i % 4 === 2) bench.from(from, { type: 'swap', gives: peer(5000 + i) })
      else {
        const pusher = bench.active.find(index => index >= 1000) ?? 1
        bench.from(peer(pusher), { type: 'forwardJoin', newcomer: from, walk: 0 })
        bench.from(from, { type: 'neighbourReply', accepted: true })
      }
      const pushed = bench.active.filter(index => index >= 1000)
      assert.ok(pushed.length <= 2, `seed ${seed}: ${bench.active}`)
    }
  }
})

test('one network pushes out two neighbours in all, however long it goes on', () => {
  for (const [seed, push] of [
    [1, 'join'],
    [2, 'urgent'],
    [3, 'swap']
  ] as const) {
    const groupOf = (other: unknown): string | undefined => ((other as number) >= 1000 ? 'one' : undefined)
    const bench = new Bench({ silenceMs: 1e9 }, seed, groupOf).withNeighbours(1, 2, 3, 4, 5)
    for (let i = 0; i < 40; i++) {
      bench.now += settleMs
      const from = peer(1000 + i)
      if (push === 'join') bench.from(from, { type: 'join' })
      else if (push === 'urgent') bench.from(from, { type: 'neighbour', urgent: true })
      else bench.from(from, { type: 'swap', gives: peer(5000 + i) })
      assert.equal(bench.active.at(-1), 1000 + i, 'it is taken')
    }
    assert.equal(bench.active.filter(index => index < 1000).length, 3, `${push}: ${bench.active}`)
    // those of other networks are as free as ever
    bench.from(peer(9), { type: 'join' })
    assert.ok(bench.active.includes(9))
  }
  const alike = new Bench({}, 1, () => 'one').withNeighbours(1, 2, 3, 4, 5)
  alike.from(peer(9), { type: 'join' })
  assert.ok(alike.active.includes(9), 'where all are of one network it means nothing')
})

test('a place that was taken by pushing is kept after the settling time', () => {
  const kept = [1, 2, 3, 4, 5, 6, 7, 8].map(seed => {
    const bench = new Bench({ silenceMs: 10 * settleMs }, seed).withNeighbours(1, 2, 3, 4, 5)
    bench.from(peer(8), { type: 'join' })
    bench.from(peer(9), { type: 'join' })
    bench.wait(settleMs)
    const before = bench.active
    bench.from(peer(10), { type: 'join' })
    bench.from(peer(11), { type: 'join' })
    return before.filter(index => bench.active.includes(index)).length
  })
  // the second one may have taken the place of the first
  assert.deepEqual([...new Set(kept)].sort(), [3, 4], 'two of all five had to go')
})

test('one source fills a third of the passive view, whatever it says', () => {
  const bench = new Bench().withNeighbours(1, 2, 3)
  const tell = (from: number, first: number, count: number): void => {
    for (let i = 0; i < count; i += 8) {
      bench.now += 1_000
      const peers = Array.from({ length: 7 }, (_, j) => peer(first + i + j))
      bench.from(peer(from), { type: 'shuffle', origin: peer(first + i + 7), nonce: 7, walk: 0, peers })
    }
  }
  tell(2, 2000, 8)
  tell(3, 3000, 8)
  tell(1, 10_000, 4_000)
  assert.equal(bench.passive.filter(index => index >= 10_000).length, 10)
  assert.equal(bench.passive.filter(index => index < 10_000).length, 16)
  for (let i = 0; i < 100; i++) bench.give({ type: 'peerUp', peer: peer(50_000 + i) })
  assert.equal(bench.passive.length, 30)
  assert.equal(bench.passive.filter(index => index < 10_000).length, 16, 'who connects takes free places only')
})

test('a peer that asks too often is ignored and penalised', () => {
  for (const message of [
    { type: 'join' },
    { type: 'neighbour', urgent: true },
    { type: 'alive', answer: false }
  ] as const) {
    const bench = new Bench()
    const { burst, rate } = overlayLimits.requests
    for (let i = 0; i < burst; i++) assert.ok(!short(bench.from(peer(1), message)).includes('!1'), message.type)
    assert.deepEqual(short(bench.from(peer(1), message)), ['!1'], message.type)
    bench.now += 1000 / rate
    assert.ok(!short(bench.from(peer(1), message)).includes('!1'), message.type)
  }
})

test('what a neighbour passes on is bounded, without blame', () => {
  const bench = new Bench().withNeighbours(1, 2, 3, 4, 5)
  let walks = 0
  let shuffles = 0
  for (let i = 0; i < 500; i++) {
    walks += bench.from(peer(1), { type: 'forwardJoin', newcomer: peer(1000 + i), walk: 5 }).length
    shuffles += bench.from(peer(1), { type: 'shuffle', origin: peer(1000 + i), nonce: 7, walk: 5, peers: [] }).length
  }
  assert.deepEqual([walks, shuffles], [overlayLimits.walks.burst, overlayLimits.shuffles.burst])
})

test('joins of all peers together are bounded', () => {
  const bench = new Bench()
  let answered = 0
  for (let i = 1; i <= 500; i++) answered += sent(bench.from(peer(i), { type: 'join' }), 'neighbourReply').length
  assert.equal(answered, overlayLimits.joins.burst)
})

test('no more than a few requests are under way', () => {
  const bench = new Bench({ activeSize: 20 })
  const asked = Array.from({ length: 50 }, (_, i) => bench.give({ type: 'peerUp', peer: peer(i + 1) })).flat()
  assert.equal(sent(asked, 'neighbour').length, overlayLimits.requestsAtOnce)
  for (let i = 0; i < 50; i++) bench.give({ type: 'join', contact: peer(100 + i) })
  const [first, last] = [100, 149].map(index => bench.from(peer(index), { type: 'neighbourReply', accepted: true }))
  assert.deepEqual([short(first as Out[]), short(last as Out[])], [['100 disconnect'], ['+149']])
})

test('numbers that do not fit together are refused', () => {
  for (const config of [
    { activeSize: 0 },
    { passiveSize: 1.5 },
    { activeWalk: 9 },
    { shuffleActive: 10, shufflePassive: 7 }
  ]) {
    assert.throws(() => new Bench(config), RangeError, JSON.stringify(config))
  }
})
