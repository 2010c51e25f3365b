import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Peer } from '../../../protocols/core/peer.ts'
import { superPeerConfig } from '../../../protocols/superpeer/config.ts'
import { type SuperPeerEvent, type SuperPeerMessage, superPeerLimits } from '../../../protocols/superpeer/index.ts'
import { Judging } from '../../../protocols/superpeer/judging.ts'
import { Outbox } from '../../../protocols/superpeer/outbox.ts'
import { Scores } from '../../../protocols/superpeer/scores.ts'
import { fileId, itemNamed, SuperWorld } from './world.ts'

const FILES = 5

/** The first `supers` answer for all others, each of which shares five files. */
function asking(init: { supers?: number; clients?: number; seed?: number; answers?: (peer: Peer) => boolean } = {}) {
  const { supers: count = 3, clients: others = 30, seed = 21, answers } = init
  const world = new SuperWorld({ seed, wire: true, trace: false, ...(answers && { answers }) })
  const peers = world.simulation.addPeers(count + others)
  const [supers, clients] = [peers.slice(0, count), peers.slice(count)]
  world.say(supers, { type: 'role', role: 'super' })
  world.say(clients, { type: 'role', role: 'peer' })
  for (const peer of clients) {
    const items = Array.from({ length: FILES }, (_, i) => itemNamed(`common file ${i} of${peer}`))
    world.supers.command(peer, { type: 'catalogue', items })
  }
  world.say(clients, { type: 'known', peers: supers })
  world.runFor(30_000)
  return { world, supers, clients, asker: clients.at(-1) as Peer }
}

const isDone = (world: SuperWorld, search: number) => world.until(() => world.done.has(search), 15_000)

test('a search is answered from the indexes of two, each hit once, and its own files by itself', () => {
  const { world, clients, asker } = asking()
  world.search(asker, 1, 'common', { want: 255 })
  assert.ok(isDone(world, 1))
  const found = world.found.get(1) ?? []
  const keys = found.map(({ holder, hit }) => `${holder} ${hit.id}`)
  assert.equal(new Set(keys).size, keys.length)
  assert.equal(keys.length, clients.length * FILES)
  assert.ok(found.every(({ holder, via }) => (holder === asker) === (via === asker)))
  const done = world.done.get(1)
  assert.deepEqual([done?.complete, done?.more, done?.waves], [true, false, []])
})

test('what the first has told, the second does not tell again: it costs little', () => {
  const { world, clients, asker } = asking({ supers: 2 })
  const before = world.simulation.stats.bytes
  world.search(asker, 1, 'common', { want: 255 })
  assert.ok(isDone(world, 1))
  const hits = (clients.length - 1) * FILES
  assert.equal(new Set(world.asks.map(({ peer }) => peer)).size, 2, 'both were asked')
  const bytes = world.simulation.stats.bytes - before
  // a hit takes less than 80 bytes, and a tag of it four
  assert.ok(bytes < hits * 84 + 500, `${bytes} bytes for ${hits} hits`)
})

test('the first dies when the second has made its check: that one is asked for the whole', () => {
  const { world, asker } = asking({ supers: 2, answers: peer => world.asks[0]?.peer !== peer })
  world.search(asker, 1, 'file nothing', { budget: 1_000 })
  world.runFor(2_500)
  const [first, second] = world.asks
  assert.deepEqual([first?.budget, second?.budget], [1_000, 250])
  world.simulation.crash(first?.peer as Peer)
  assert.ok(isDone(world, 1))
  assert.deepEqual(world.asks.slice(2), [{ peer: second?.peer, budget: 1_000 }])
  assert.ok(world.done.get(1)?.complete)
})

test('the first dies on the way: the search is whole, whichever it was', () => {
  for (let seed = 1; seed <= 6; seed++) {
    const { world, supers, clients, asker } = asking({ supers: 2, clients: 20, seed })
    world.search(asker, 1, 'common', { want: 255 })
    world.runFor(5)
    world.simulation.crash(supers[seed % 2] as Peer)
    assert.ok(isDone(world, 1), `seed ${seed}`)
    const holders = new Set(world.found.get(1)?.map(({ holder }) => holder))
    assert.equal(holders.size, clients.length, `seed ${seed}`)
  }
})

test('a super-peer whose own search never ends does not hold up the others for long', () => {
  const { world, supers, asker } = asking({ answers: peer => peer !== 0 })
  assert.equal(supers[0], 0)
  for (let search = 1; search <= 6; search++) {
    world.search(asker, search, `file nothing${search}`, { timeoutMs: 8_000 })
    assert.ok(isDone(world, search))
    assert.ok(world.done.get(search)?.complete, `search ${search}`)
  }
})

test('without a super-peer a search ends, incomplete', () => {
  const { world, asker } = asking({ supers: 0, clients: 2 })
  world.search(asker, 1, 'common')
  assert.ok(isDone(world, 1))
  assert.deepEqual([world.done.get(1)?.complete, world.done.get(1)?.more], [false, true])
  assert.equal(world.found.get(1)?.length, FILES)
})

test('a search that is stopped is stopped at the super-peer, and so is one of a client that goes', () => {
  const events: SuperPeerEvent['type'][] = []
  const { world, supers, asker, clients } = asking({ supers: 1, clients: 20, answers: () => false })
  const [serving] = supers as [Peer]
  const machine = world.machine(serving)
  const ask = (number: number): SuperPeerMessage => ({
    type: 'ask',
    ask: number,
    query: { kind: 'words', text: 'nothing' },
    want: 1,
    limit: 1,
    budget: 1,
    timeoutMs: 1_000,
    told: new Uint32Array()
  })
  const give = (input: Parameters<typeof machine.handle>[0]) => {
    const out = machine.handle(input, world.simulation.now)
    for (const one of out) if (one.type === 'event') events.push(one.event.type)
    return out
  }
  give({ type: 'received', from: asker, message: ask(1) })
  give({ type: 'received', from: asker, message: { type: 'stopAsk', ask: 1 } })
  assert.deepEqual(events, ['search', 'stopSearch'])
  const other = clients[0] as Peer
  give({ type: 'received', from: other, message: ask(1) })
  give({ type: 'received', from: other, message: { type: 'detach', forget: false } })
  assert.deepEqual(events, ['search', 'stopSearch', 'search', 'stopSearch'])
  // who is no client gets nothing; a client no more than its share
  assert.deepEqual(give({ type: 'received', from: 999 as Peer, message: ask(1) }).length, 1)
  events.length = 0
  for (let i = 0; i < 100; i++) give({ type: 'received', from: asker, message: ask(10 + i) })
  assert.equal(events.length, superPeerLimits.maxAsksOfClient)
})

// scores

const [liar, honest, other] = [1, 2, 3] as Peer[] as [Peer, Peer, Peer]

const own = { isOwn: true, isFirst: true }
const passedOn = { isOwn: false, isFirst: true }

function judge() {
  const outbox = new Outbox(0 as Peer, now => now)
  const scores = new Scores({ config: superPeerConfig, outbox })
  return { scores, judging: new Judging(scores), outbox }
}

test('who tells lies of its own clients is left; who passes on those of others only where others do not', () => {
  const { scores } = judge()
  for (let i = 0; i < 20; i++) scores.onVerdict(liar, own, i % 2 === 0)
  assert.equal(scores.faultOf(liar, [honest]), 'spam')
  for (let i = 0; i < 160; i++) scores.onVerdict(honest, passedOn, i % 8 === 0)
  assert.equal(scores.faultOf(honest, [other]), undefined)
  for (let i = 0; i < 160; i++) scores.onVerdict(other, passedOn, i % 20 === 0)
  assert.equal(scores.faultOf(other, [honest]), undefined, 'most of what the honest one passes on is wrong as well')
  for (let i = 0; i < 400; i++) scores.onVerdict(honest, passedOn, true)
  assert.equal(scores.faultOf(other, [honest]), 'spam')
  assert.ok(scores.weight(other) < scores.weight(honest) / 3)
})

test('what is false, or told by one alone, takes nothing from another', () => {
  const { scores, judging } = judge()
  // the liar adds what is not true, or what it keeps from all others: the honest one is not left for it
  for (let search = 0; search < 50; search++) {
    judging.begin(search)
    const [shared, made] = [fileId(`shared ${search}`), fileId(`made ${search}`)]
    judging.onTold(search, other, shared, { by: honest, isOwn: true })
    judging.onPair(search, honest, liar)
    judging.onFirstEnd(search, honest, true)
    for (const id of [made, fileId(`${made}2`), fileId(`${made}3`)]) {
      judging.onTold(search, other, id, { by: liar, isOwn: true })
      judging.onVerdict(search, other, id, search % 2 === 0)
    }
    judging.onVerdict(search, other, shared, true)
  }
  assert.equal(scores.faultOf(honest, [liar]), undefined)
  assert.equal(scores.faultOf(liar, [honest]), 'spam')
})

test('who hides is left when two others show it, unless a third shows that it does not', () => {
  const { scores } = judge()
  const show = (witness: number, good: number, bad: number) => {
    for (let i = 0; i < good; i++) scores.onRecall(liar, witness as Peer, true)
    for (let i = 0; i < bad; i++) scores.onRecall(liar, witness as Peer, false)
  }
  show(10, 1, 20)
  assert.equal(scores.faultOf(liar, []), undefined)
  show(11, 2, 10)
  assert.equal(scores.faultOf(liar, []), 'hiding')
  show(12, 20, 1)
  assert.equal(scores.faultOf(liar, []), undefined)
})

test('one that is avoided is so for hours, and then no more', () => {
  const { scores, outbox } = judge()
  scores.avoid(liar)
  assert.equal(scores.isAvoided(liar), true)
  outbox.now += superPeerConfig.avoidMs
  assert.equal(scores.isAvoided(liar), false)
})

test('spam of a super-peer costs it its client, by verdicts alone', () => {
  const { world, asker } = asking({ supers: 4 })
  const [bad] = world.machine(asker).supers as [Peer]
  let left = false
  for (let search = 1; search <= 40 && !left; search++) {
    world.search(asker, search, 'common')
    assert.ok(isDone(world, search))
    for (const { via, holder, hit } of world.found.get(search) ?? []) {
      if (via === asker) continue
      world.supers.command(asker, { type: 'verdict', search, holder, id: hit.id, good: via !== bad })
    }
    left = !world.machine(asker).supers.includes(bad)
  }
  assert.ok(left)
  world.runFor(60_000)
  assert.equal(world.machine(asker).supers.length, 3)
  assert.ok(!world.machine(asker).supers.includes(bad))
})
