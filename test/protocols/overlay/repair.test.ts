import assert from 'node:assert/strict'
import { test } from 'node:test'
import { overlayConfig, overlayLimits } from '../../../protocols/overlay/index.ts'
import { Bench, type Out, peer, sent, short } from './bench.ts'

const { repairMs, requestTimeoutMs, passiveSize, acquaintances } = overlayConfig
const { requestsAtOnce, maxRequests } = overlayLimits

/** Neighbours 1 to 3 have told it of so many peers, from 100 on. */
function informed(count: number): Bench {
  const bench = new Bench({ silenceMs: 1e9 }).withNeighbours(1, 2, 3, 4, 5)
  for (let i = 0; i < count; i += 8) {
    bench.now += 1_000
    const peers = [1, 2, 3, 4, 5, 6, 7].map(j => peer(100 + i + j))
    bench.from(peer(1 + ((i / 8) % 5)), { type: 'shuffle', origin: peer(100 + i), nonce: 7, walk: 1, peers })
  }
  bench.now += 10_000
  return bench
}

function loseNeighbours(bench: Bench): Out[] {
  return [1, 2, 3, 4, 5].flatMap(index => bench.give({ type: 'peerDown', peer: peer(index) }))
}

test('the dead make no wait: one after another is asked, more and more at once', () => {
  const bench = informed(24)
  let asked = sent([...loseNeighbours(bench), ...bench.wait(repairMs)], 'neighbour').map(({ to }) => to)
  const rounds: number[] = []
  const all = new Set(asked)
  while (asked.length > 0) {
    rounds.push(asked.length)
    const start = bench.now
    const dead = asked.flatMap(to => bench.give({ type: 'peerDown', peer: to }))
    asked = sent([...dead, ...bench.wait(1)], 'neighbour').map(({ to }) => to)
    assert.ok(bench.now - start <= 1)
    for (const to of asked) all.add(to)
  }
  assert.equal(all.size, 24)
  assert.deepEqual(rounds.slice(0, 2), [requestsAtOnce, 2 * requestsAtOnce - 1])
  for (const round of rounds) assert.ok(round <= maxRequests)
})

test('those that do not answer count as dead', () => {
  const bench = informed(24)
  loseNeighbours(bench)
  const first = sent(bench.wait(repairMs), 'neighbour').length
  const second = sent(bench.wait(requestTimeoutMs), 'neighbour').length
  assert.deepEqual([first, second], [requestsAtOnce, 2 * requestsAtOnce - 1])
})

test('an answer makes the next round smaller', () => {
  const bench = informed(30)
  for (const index of [1, 2, 3, 4]) bench.give({ type: 'peerDown', peer: peer(index) })
  const first = sent(bench.wait(repairMs), 'neighbour')
  const dead = first.flatMap(({ to }) => bench.give({ type: 'peerDown', peer: to }))
  const second = sent([...dead, ...bench.wait(1)], 'neighbour')
  for (const { to } of second) bench.from(to, { type: 'neighbourReply', accepted: false })
  // all that answered are full: two links to split are four places
  const third = sent(bench.wait(repairMs), 'swap')
  assert.deepEqual(
    [first, second, third].map(({ length }) => length),
    [4, 7, 2]
  )
})

test('who has left the passive view is asked when nobody else is left', () => {
  const bench = informed(200)
  assert.equal(bench.passive.length, passiveSize)
  const passive = new Set(bench.passive)
  const order: number[] = []
  let outputs = [...loseNeighbours(bench), ...bench.wait(repairMs)]
  for (let asked = sent(outputs, 'neighbour'); asked.length > 0; asked = sent(outputs, 'neighbour')) {
    order.push(...asked.map(({ to }) => to as unknown as number))
    outputs = asked.flatMap(({ to }) => bench.give({ type: 'peerDown', peer: to }))
    outputs.push(...bench.wait(1))
  }
  assert.ok(order.slice(0, passiveSize).every(index => passive.has(index)))
  assert.equal(new Set(order).size, order.length)
  assert.ok(order.length > 2 * passiveSize && order.length <= passiveSize + acquaintances, `${order.length}`)
  assert.ok(
    short(outputs).includes('?') || short(bench.wait(60_000)).includes('?'),
    'then the rest of the node is asked'
  )
})

test('contacts of the rest of the node are asked, and it is asked for them once a minute', () => {
  const bench = new Bench({ silenceMs: 1e9 }).withNeighbours(1)
  bench.now += 60_000
  bench.give({ type: 'peerDown', peer: peer(1) })
  const wanted: number[] = []
  const contacts = Array.from({ length: 50 }, (_, i) => peer(100 + i))
  let asked = 0
  while (bench.now < 240_000) {
    const outputs = bench.wait(100)
    if (!short(outputs).includes('?')) continue
    wanted.push(bench.now)
    bench.give({ type: 'contacts', peers: contacts })
    let requests = sent(bench.wait(repairMs), 'neighbour')
    while (requests.length > 0) {
      asked += requests.length
      const dead = requests.flatMap(({ to }) => bench.give({ type: 'peerDown', peer: to }))
      requests = sent([...dead, ...bench.wait(1)], 'neighbour')
    }
  }
  assert.equal(wanted.length, 3)
  assert.equal(asked, 3 * overlayLimits.maxContacts)
  assert.deepEqual(short(new Bench().withNeighbours(1, 2, 3, 4, 5).give({ type: 'contacts', peers: contacts })), [])
})
