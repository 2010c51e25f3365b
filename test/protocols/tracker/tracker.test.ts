import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Peer } from '../../../protocols/core/peer.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import {
  type Announced,
  Tracker,
  type TrackerConfig,
  type TrackerMessage,
  trackerConfig,
  trackerLimits
} from '../../../protocols/tracker/index.ts'
import type { TrackerOutput } from '../../../protocols/tracker/tracker.ts'
import { announce, announces, events, peer, sent, swarm } from './swarms.ts'

const SELF = peer(0)
const { intervalMs, answerMs, retryFirstMs, retryLastMs, reconnectMs } = trackerConfig

function node(config: Partial<TrackerConfig> = {}, seed = 1): Tracker {
  return new Tracker({ self: SELF, rng: seededRng(seed), config })
}

const join = (tiers: number[][], left = 1) => ({
  type: 'join' as const,
  swarm: swarm(1),
  tiers: tiers as unknown as Peer[][],
  left
})
const update = (left: number) => ({ type: 'update' as const, swarm: swarm(1), left, uploaded: 2, downloaded: 3 })
const up = (n: number) => ({ type: 'peerUp' as const, peer: peer(n) })
const down = (n: number) => ({ type: 'peerDown' as const, peer: peer(n) })
const from = (n: number, message: TrackerMessage) => ({ type: 'received' as const, from: peer(n), message })

function answerOf(n: number, over: Partial<Announced> = {}) {
  return from(n, {
    type: 'announced',
    swarm: swarm(1),
    intervalMs,
    minIntervalMs: 15_000,
    seeds: 1,
    leeches: 2,
    peers: [],
    ...over
  })
}

/** Ticks as a driver gives them, from `after` to `until`, and what came of each. */
function ticks(machine: Tracker, until: number): [time: number, outputs: TrackerOutput[]][] {
  const seen: [number, TrackerOutput[]][] = []
  for (let next = machine.nextTick(); next !== undefined && next <= until; next = machine.nextTick()) {
    const outputs = machine.handle({ type: 'tick' }, next)
    if (outputs.length > 0) seen.push([next, outputs])
    assert.ok(seen.length < 10_000)
    assert.ok((machine.nextTick() ?? Number.POSITIVE_INFINITY) > next, 'a tick leads to the same tick')
  }
  return seen
}

const FOREVER = 24 * 60 * 60_000

/** Ticks until something comes of one; undefined when nothing does. */
function nextDone(machine: Tracker, limit = FOREVER): [time: number, outputs: TrackerOutput[]] | undefined {
  for (let next = machine.nextTick(); next !== undefined && next <= limit; next = machine.nextTick()) {
    const outputs = machine.handle({ type: 'tick' }, next)
    if (outputs.length > 0) return [next, outputs]
    assert.ok((machine.nextTick() ?? Number.POSITIVE_INFINITY) > next, 'a tick leads to the same tick')
  }
  return undefined
}

function nextAnnounce(machine: Tracker): { time: number; what: string | undefined } {
  const [time, outputs] = nextDone(machine) ?? [Number.NaN, []]
  return { time, what: announces(outputs)[0] }
}

test('join announces started, then none at the interval, never later and not always at the same time', () => {
  const machine = node()
  assert.deepEqual(announces(machine.handle(join([[1]]), 0)), ['1 started'])
  assert.deepEqual(events(machine.handle(answerOf(1, { peers: [peer(5), SELF, peer(6), peer(5)] }), 100)), [
    { type: 'peers', swarm: swarm(1), tracker: peer(1), peers: [peer(5), peer(6)], seeds: 1, leeches: 2 }
  ])
  const waits = new Set<number>()
  for (let now = 100, i = 0; i < 10; i++) {
    const { time, what } = nextAnnounce(machine)
    assert.equal(what, '1 none')
    assert.ok(time - now >= 0.9 * intervalMs && time - now <= intervalMs)
    waits.add(time - now)
    now = time
    machine.handle(answerOf(1), now)
  }
  assert.ok(waits.size > 5)
})

const INTERVALS: [told: number, shortest: number, longest: number][] = [
  [0, 27_000, 30_000],
  [60_000, 54_000, 60_000],
  [0xffff_ffff, 54 * 60_000, 60 * 60_000]
]
for (const [told, shortest, longest] of INTERVALS) {
  test(`an interval of ${told} ms is kept within bounds`, () => {
    const machine = node()
    machine.handle(join([[1]]), 0)
    machine.handle(answerOf(1, { intervalMs: told }), 0)
    const { time: next } = nextAnnounce(machine)
    assert.ok(next >= shortest && next <= longest, `${next}`)
  })
}

test('a message carries what was moved; the first left of 0 is announced at once, and once', () => {
  const machine = node()
  machine.handle(join([[1]], 9), 0)
  machine.handle(answerOf(1), 10)
  assert.deepEqual(machine.handle(update(5), 20), [])
  assert.deepEqual(sent(machine.handle(update(0), 30)), [
    [
      peer(1),
      { type: 'announce', swarm: swarm(1), event: 'completed', left: 0, uploaded: 2, downloaded: 3, numWant: 50 }
    ]
  ])
  machine.handle(answerOf(1), 40)
  for (const left of [0, 4, 0]) assert.deepEqual(machine.handle(update(left), 50), [])
  assert.equal(nextAnnounce(machine).what, '1 none')
})

test('who joins as a seed completes nothing', () => {
  const machine = node()
  assert.deepEqual(announces(machine.handle(join([[1]], 0), 0)), ['1 started'])
  machine.handle(answerOf(1), 0)
  assert.deepEqual(machine.handle(update(0), 1), [])
})

test('completed waits for the announce under way, and is told again until a tracker has answered it', () => {
  const machine = node()
  machine.handle(join([[1], [2]]), 0)
  assert.deepEqual(machine.handle(update(0), 1), [])
  assert.deepEqual(announces(machine.handle(answerOf(1), 2)), ['1 completed'])
  assert.deepEqual(announces(machine.handle(down(1), 3)), ['2 completed'])
  assert.deepEqual(announces(machine.handle(answerOf(2), 4)), [])
})

test('BEP 12: the tiers in order, a tier in random order, who answers moves to the front', () => {
  const firsts = new Set<string>()
  for (let seed = 0; seed < 40; seed++) {
    const machine = node({}, seed)
    const order: string[] = []
    let out = machine.handle(join([[1, 2, 3], [4]]), 0)
    while (announces(out).length > 0) {
      const [[tracker]] = sent(out) as [[Peer, TrackerMessage]]
      order.push(String(tracker))
      out = machine.handle(down(tracker as number), 0)
    }
    assert.deepEqual(order.slice(0, 3).sort(), ['1', '2', '3'])
    assert.equal(order[3], '4')
    firsts.add(order[0] as string)
  }
  assert.equal(firsts.size, 3)

  const machine = node()
  const first = sent(machine.handle(join([[1, 2]]), 0))[0]?.[0] as number
  const other = 3 - first
  machine.handle(down(first), 0)
  machine.handle(answerOf(other), 10)
  // both are well at the next announce: the one that answered comes first now
  assert.equal(nextAnnounce(machine).what, `${other} none`)
})

test('a tracker that does not answer is passed over; when all fail they are tried again, less and less often', () => {
  const machine = node()
  machine.handle(join([[1], [2]]), 0)
  const seen = ticks(machine, 2 * 60 * 60_000)
  assert.deepEqual(announces(seen[0]![1]), ['2 started'])
  assert.equal(seen[0]![0], answerMs)
  assert.deepEqual(events(seen[0]![1]), [
    { type: 'trackerFailed', swarm: swarm(1), tracker: peer(1), reason: 'does not answer' }
  ])
  const tries = seen.flatMap(([time, out]) => announces(out).flatMap(what => (what === '1 started' ? [time] : [])))
  const waits = tries.slice(1).map((time, i) => time - (tries[i] as number))
  assert.ok((tries[0] as number) >= answerMs + 0.75 * retryFirstMs)
  for (const wait of waits) assert.ok(wait <= 1.25 * retryLastMs + 3 * answerMs, `${wait}`)
  const last = waits.at(-1) as number
  assert.ok(last >= 0.75 * retryLastMs, `${last}`)
  assert.ok(tries.length < 40, `${tries.length}`)
})

test('a refusal is a failure, and its time is kept', () => {
  const machine = node()
  machine.handle(join([[1]]), 0)
  const out = machine.handle(from(1, { type: 'refused', swarm: swarm(1), reason: 'full', retryMs: 10 * 60_000 }), 100)
  assert.deepEqual(events(out), [{ type: 'trackerFailed', swarm: swarm(1), tracker: peer(1), reason: 'refused: full' }])
  assert.equal(nextAnnounce(machine).time, 100 + 10 * 60_000)
  const endless = node()
  endless.handle(join([[1]]), 0)
  endless.handle(from(1, { type: 'refused', swarm: swarm(1), reason: 'full', retryMs: 0xffff_ffff }), 100)
  assert.equal(nextAnnounce(endless).time, 100 + trackerConfig.longestIntervalMs)
})

test('a connection that is lost is followed by started again, soon but not at once', () => {
  const machine = node()
  machine.handle(join([[1]]), 0)
  machine.handle(answerOf(1), 100)
  assert.deepEqual(machine.handle(down(1), 200), [])
  const { time, what } = nextAnnounce(machine)
  assert.equal(what, '1 started')
  assert.ok(time >= reconnectMs && time < 2 * reconnectMs, `${time}`)
})

test('a tracker that flaps does not make us announce faster', () => {
  const machine = node()
  const limit = 60_000
  let count = announces(machine.handle(join([[1]]), 0)).length
  machine.handle(answerOf(1), 0)
  for (let now = 10; now < limit; now += 10) {
    for (const [, out] of ticks(machine, now)) {
      count += announces(out).length
      if (announces(out).length > 0) machine.handle(answerOf(1), now)
    }
    count += announces(machine.handle(down(1), now)).length + announces(machine.handle(up(1), now)).length
  }
  assert.ok(count <= limit / reconnectMs + 1, `${count}`)
})

test('a better tracker that comes back is announced to; a worse one is not', () => {
  const machine = node()
  machine.handle(join([[1], [2], [3]]), 0)
  machine.handle(down(1), 10)
  machine.handle(answerOf(2), 20)
  assert.deepEqual(machine.handle(up(3), 30), [])
  assert.equal(nextDone(machine, intervalMs / 2), undefined)
  machine.handle(up(1), intervalMs / 2)
  assert.equal(nextAnnounce(machine).what, '1 started')
  machine.handle(answerOf(1), intervalMs)
  // both have us now: both are told when we go
  assert.deepEqual(announces(machine.handle({ type: 'leave', swarm: swarm(1) }, intervalMs)).sort(), [
    '1 stopped',
    '2 stopped'
  ])
})

test('a better tracker that comes back while another is being asked is not forgotten', () => {
  const machine = node()
  machine.handle(join([[1], [2]]), 0)
  machine.handle(down(1), 10)
  machine.handle(up(1), 20)
  machine.handle(answerOf(2), 30)
  assert.equal(nextAnnounce(machine).what, '1 started')
})

test('one tracker is asked at a time, also when a better one comes back meanwhile', () => {
  const machine = node({ reconnectMs: 1_000 })
  machine.handle(join([[1], [2]]), 0)
  assert.deepEqual(announces(machine.handle(down(1), 10)), ['2 started'])
  machine.handle(up(1), 20)
  assert.equal(nextDone(machine, 10 + answerMs - 1), undefined)
  assert.deepEqual(nextAnnounce(machine), { time: 10 + answerMs, what: '1 started' })
})

test('a tracker that had us and then does not answer is told started the next time', () => {
  const machine = node()
  machine.handle(join([[1]]), 0)
  machine.handle(answerOf(1), 0)
  assert.equal(nextAnnounce(machine).what, '1 none')
  assert.equal(nextAnnounce(machine).what, undefined, 'the failure')
  assert.equal(nextAnnounce(machine).what, '1 started')
})

test('more asks again, but keeps the shortest interval', () => {
  const machine = node()
  machine.handle(join([[1]]), 0)
  const more = (now: number): string[] => announces(machine.handle({ type: 'more', swarm: swarm(1) }, now))
  assert.deepEqual(more(1), [], 'the answer is on its way')
  machine.handle(answerOf(1, { minIntervalMs: 20_000 }), 100)
  assert.deepEqual([...more(200), ...more(300)], [])
  assert.deepEqual(nextAnnounce(machine), { time: 20_100, what: '1 none' })
  machine.handle(answerOf(1, { minIntervalMs: 0 }), 20_200)
  more(20_300)
  assert.equal(nextAnnounce(machine).time, 20_200 + trackerConfig.shortestMinIntervalMs)
})

test('more does not wear down a tracker that fails', () => {
  const machine = node()
  machine.handle(join([[1]]), 0)
  machine.handle(down(1), 0)
  assert.deepEqual(machine.handle({ type: 'more', swarm: swarm(1) }, 10), [])
  const { time, what } = nextAnnounce(machine)
  assert.equal(what, '1 started')
  assert.ok(time >= 0.75 * retryFirstMs, `${time}`)
})

test('leave says stopped to trackers that have us, or may, and to no other', () => {
  const machine = node()
  machine.handle(join([[1], [2], [3]]), 0)
  machine.handle(down(1), 1)
  machine.handle(answerOf(2), 2)
  assert.deepEqual(announces(machine.handle({ type: 'leave', swarm: swarm(1) }, 3)), ['2 stopped'])
  assert.equal(machine.nextTick(), undefined)
  machine.handle(join([[1]]), 4)
  assert.deepEqual(announces(machine.handle({ type: 'leave', swarm: swarm(1) }, 5)), ['1 stopped'])
  assert.deepEqual(machine.handle(answerOf(1), 6), [], 'its answer comes too late')
  assert.deepEqual(machine.handle({ type: 'leave', swarm: swarm(1) }, 7), [])
})

test('join again replaces the tiers', () => {
  const machine = node()
  machine.handle(join([[1]]), 0)
  machine.handle(answerOf(1), 1)
  assert.deepEqual(machine.handle(join([[2, 1]]), 2), [], 'its tracker is still named')
  assert.deepEqual(announces(machine.handle(join([[2]]), 3)), ['1 stopped', '2 started'])
  assert.deepEqual(machine.handle(answerOf(1), 4), [])
  assert.deepEqual(announces(machine.handle(join([]), 5)), ['2 stopped'])
  assert.equal(nextDone(machine), undefined)
  assert.deepEqual(announces(machine.handle(join([[3]]), FOREVER)), ['3 started'])
})

test('trackers that strangers name are limited, and each is asked once', () => {
  const machine = node()
  const many = Array.from({ length: 1_000 }, (_, i) => 1 + (i % 500))
  let out = machine.handle(join([many, many]), 0)
  const asked = new Set<number>()
  while (announces(out).length > 0) {
    const tracker = sent(out)[0]?.[0] as number
    assert.ok(!asked.has(tracker))
    asked.add(tracker)
    out = machine.handle(down(tracker), 0)
  }
  assert.equal(asked.size, trackerLimits.maxTrackers)
})

test('answers that nobody waits for, or of somebody else, change nothing', () => {
  const machine = node()
  machine.handle(join([[1], [2]]), 0)
  const before = machine.nextTick()
  for (const input of [
    answerOf(2, { peers: [peer(7)] }),
    answerOf(1, { swarm: swarm(2) }),
    from(2, { type: 'refused', swarm: swarm(1), reason: 'full', retryMs: 1 }),
    from(2, { type: 'scraped', swarms: [{ swarm: swarm(1), seeds: 1, leeches: 1, completed: 1 }] })
  ]) {
    assert.deepEqual(machine.handle(input, 1), [])
  }
  assert.equal(machine.nextTick(), before)
})

test('this node as the tracker: the account is used without sending', () => {
  const machine = node()
  const out = machine.handle(join([[0]]), 0)
  assert.deepEqual(sent(out), [])
  assert.deepEqual(events(out), [{ type: 'peers', swarm: swarm(1), tracker: SELF, peers: [], seeds: 0, leeches: 1 }])
  assert.deepEqual(machine.account(swarm(1)), { seeds: 0, leeches: 1, completed: 0 })
  assert.deepEqual(
    sent(machine.handle(from(5, announce(1)), 10)).map(([to, message]) => [
      to,
      message.type === 'announced' && message.peers
    ]),
    [[peer(5), [SELF]]]
  )
  machine.handle({ type: 'more', swarm: swarm(1) }, 20)
  const [[time, again]] = ticks(machine, 60_000) as [[number, TrackerOutput[]]]
  assert.equal(time, trackerConfig.minIntervalMs)
  assert.deepEqual(
    events(again).map(event => event.type === 'peers' && event.peers),
    [[peer(5)]]
  )
  assert.deepEqual(sent(machine.handle(update(0), 20_000)), [])
  assert.deepEqual(machine.account(swarm(1)), { seeds: 1, leeches: 1, completed: 1 })
  machine.handle({ type: 'leave', swarm: swarm(1) }, 20_001)
  assert.deepEqual(machine.account(swarm(1)), { seeds: 0, leeches: 1, completed: 1 })
})

test('with others in its tier this node comes last, and its own account is kept all the same', () => {
  for (let seed = 0; seed < 10; seed++) {
    const machine = node({}, seed)
    assert.deepEqual(announces(machine.handle(join([[0, 1], [2]]), 0)), ['1 started'])
    assert.equal(machine.account(swarm(1))?.leeches, 1)
    assert.deepEqual(announces(machine.handle(down(1), 1)), [], 'the next tier is not needed')
    assert.equal(nextDone(machine, 0.9 * intervalMs - 1), undefined)
  }
})

test('announces of others: answered, never with the asker; completed with something lacking is penalised', () => {
  const machine = node()
  const first = sent(machine.handle(from(1, announce(1, { left: 0 })), 0))
  assert.deepEqual(first, [
    [
      peer(1),
      {
        type: 'announced',
        swarm: swarm(1),
        intervalMs,
        minIntervalMs: trackerConfig.minIntervalMs,
        seeds: 1,
        leeches: 0,
        peers: []
      }
    ]
  ])
  assert.deepEqual(machine.handle(from(1, announce(1, { event: 'stopped' })), 1), [])
  assert.equal(machine.account(swarm(1)), undefined)
  const out = machine.handle(from(2, announce(1, { event: 'completed', left: 1 })), 2)
  assert.deepEqual(
    out.map(output => output.type),
    ['penalise']
  )
  assert.equal(machine.account(swarm(1)), undefined)
})

test('who announces too often is refused, then penalised; others are not touched', () => {
  const machine = node()
  const kinds = new Map<string, number>()
  for (let i = 0; i < 1_000; i++) {
    for (const output of machine.handle(from(1, announce(1)), 0)) {
      const kind = output.type === 'send' ? output.message.type : output.type
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
    }
  }
  const { announces: allowed, refusals } = trackerLimits
  assert.deepEqual(Object.fromEntries(kinds), {
    announced: allowed.burst,
    refused: refusals.burst,
    penalise: 1_000 - allowed.burst - refusals.burst
  })
  assert.equal(sent(machine.handle(from(2, announce(1)), 0))[0]?.[1].type, 'announced')
  machine.handle(from(1, announce(1, { event: 'stopped' })), 0)
  assert.equal(machine.account(swarm(1))?.leeches, 1, 'to go is never refused')
  assert.equal(sent(machine.handle(from(1, announce(1)), 1_000))[0]?.[1].type, 'announced')
})

test('a node with many swarms keeps the pace that trackers allow', () => {
  const [machine, tracker] = [node(), new Tracker({ self: peer(1), rng: seededRng(2) })]
  const swarms = trackerConfig.maxSwarmsPerPeer
  const kinds = new Map<string, number>()
  const deliver = (outputs: readonly TrackerOutput[], now: number): void => {
    for (const [to, message] of sent(outputs)) {
      assert.equal(to, peer(1))
      for (const output of tracker.handle(from(0, message), now)) {
        const kind = output.type === 'send' ? output.message.type : output.type
        kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
        if (output.type === 'send') deliver(machine.handle(from(1, output.message), now), now)
      }
    }
  }
  for (let i = 0; i < swarms; i++) deliver(machine.handle({ ...join([[1]]), swarm: swarm(i) }, 0), 0)
  for (const [now, outputs] of ticks(machine, 20 * 60_000)) deliver(outputs, now)
  assert.deepEqual([...kinds.keys()], ['announced'])
  for (let i = 0; i < swarms; i++) assert.equal(tracker.account(swarm(i))?.leeches, 1)
})

test('scrape: counts without taking part, in parts of 64, and failures are told', () => {
  const machine = node()
  const many = Array.from({ length: 100 }, (_, i) => swarm(i))
  const out = machine.handle({ type: 'scrape', tracker: peer(1), swarms: [...many, swarm(0)] }, 0)
  const parts = sent(out).map(([, message]) => (message.type === 'scrape' ? message.swarms : []))
  assert.deepEqual(
    parts.map(part => part.length),
    [64, 36]
  )
  const other = new Tracker({ self: peer(1), rng: seededRng(1) })
  other.handle(from(7, announce(3, { event: 'completed', left: 0 })), 0)
  const scraped = parts.flatMap(part => {
    const [[, answer]] = sent(other.handle(from(0, { type: 'scrape', swarms: part }), 0)) as [[Peer, TrackerMessage]]
    return events(machine.handle(from(1, answer), 1))
  })
  const counts = scraped.flatMap(event => (event.type === 'scraped' ? event.swarms : []))
  assert.equal(counts.length, 100)
  assert.deepEqual(counts[3], { swarm: swarm(3), seeds: 1, leeches: 0, completed: 1 })
  assert.deepEqual(counts[4], { swarm: swarm(4), seeds: 0, leeches: 0, completed: 0 })
  assert.equal(machine.nextTick(), undefined)

  machine.handle({ type: 'scrape', tracker: peer(1), swarms: [swarm(1)] }, 10)
  assert.deepEqual(events(machine.handle(down(1), 11)), [
    { type: 'trackerFailed', swarm: swarm(1), tracker: peer(1), reason: 'scrape: cannot be reached' }
  ])
  machine.handle({ type: 'scrape', tracker: peer(1), swarms: [swarm(1)] }, 20)
  assert.deepEqual(
    ticks(machine, 60_000).map(([time, outputs]) => [time, events(outputs).map(event => event.type)]),
    [[20 + answerMs, ['trackerFailed']]]
  )
  const own = machine.handle({ type: 'scrape', tracker: SELF, swarms: [swarm(1)] }, 30)
  assert.deepEqual(
    events(own).map(event => event.type),
    ['scraped']
  )
  assert.deepEqual(sent(own), [])
})

test('scrapes beyond the rate are ignored', () => {
  const machine = node()
  let answers = 0
  for (let i = 0; i < 200; i++) answers += machine.handle(from(1, { type: 'scrape', swarms: [swarm(1)] }), 0).length
  assert.equal(answers, trackerLimits.scrapes.burst)
})
