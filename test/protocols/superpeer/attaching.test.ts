import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Peer } from '../../../protocols/core/peer.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import { advertBytes } from '../../../protocols/superpeer/adverts.ts'
import { chooseSuper } from '../../../protocols/superpeer/choosing.ts'
import {
  bitsFor,
  bucketHashes,
  type CatalogueHead,
  headBytes,
  keyOf,
  MemoryCatalogueStore,
  rootOf,
  SuperPeer,
  type SuperPeerCommand,
  type SuperPeerConfig,
  type SuperPeerMessage,
  superPeerLimits
} from '../../../protocols/superpeer/index.ts'
import { strengthOf } from '../../../protocols/superpeer/strength.ts'
import { cryptoOf, itemNamed, STRONG, SuperWorld, WALL_MS } from './world.ts'

const named = (owner: Peer, count = 5) => Array.from({ length: count }, (_, i) => itemNamed(`file ${i} of${owner}`))

/** The first so many are super-peers, and the others know them. */
function worldOf(init: { supers: number; clients: number; items?: number; config?: Partial<SuperPeerConfig> }): {
  world: SuperWorld
  supers: Peer[]
  clients: Peer[]
} {
  const world = new SuperWorld({ seed: 11, wire: true, trace: false, ...(init.config && { config: init.config }) })
  const peers = world.simulation.addPeers(init.supers + init.clients)
  const [supers, clients] = [peers.slice(0, init.supers), peers.slice(init.supers)]
  world.say(supers, { type: 'role', role: 'super' })
  world.say(clients, { type: 'role', role: 'peer' })
  for (const peer of clients) world.supers.command(peer, { type: 'catalogue', items: named(peer, init.items) })
  world.say(clients, { type: 'known', peers: supers })
  return { world, supers, clients }
}

/** One super-peer, and nobody else but by hand. */
function superAlone(groupOf: (peer: Peer) => string | undefined = () => undefined) {
  const store = new MemoryCatalogueStore()
  const machine = new SuperPeer({
    self: 0 as Peer,
    rng: seededRng(1),
    crypto: cryptoOf(0 as Peer),
    store,
    wallMs: now => WALL_MS + now,
    groupOf
  })
  let now = 1_000
  const give = (input: Parameters<SuperPeer['handle']>[0], afterMs = 0) => machine.handle(input, (now += afterMs))
  give({ type: 'role', role: 'super' })
  const say = (from: number, message: SuperPeerMessage, afterMs = 0) =>
    give({ type: 'received', from: from as Peer, message }, afterMs)
  return {
    machine,
    store,
    say,
    give: give as (input: SuperPeerCommand | { type: 'tick' }, afterMs?: number) => unknown
  }
}

function headOf(publisher: number, names: readonly string[], change: Partial<CatalogueHead> = {}): CatalogueHead {
  const crypto = cryptoOf(publisher as Peer)
  const keys = names.map(name => keyOf(itemNamed(name), crypto)).sort()
  const bits = bitsFor(keys.length)
  const unsigned = {
    seq: WALL_MS,
    expires: WALL_MS / 1_000 + 3_600,
    count: keys.length,
    bits,
    root: rootOf(bucketHashes(keys, bits, crypto), crypto),
    ...change
  }
  return { publisher: publisher as Peer, ...unsigned, signature: crypto.sign(headBytes('', unsigned)), ...change }
}

const answers = (out: readonly { type: string }[]): string[] =>
  out.flatMap(one => {
    if (one.type === 'penalise') return ['penalise']
    const { message } = one as { message?: SuperPeerMessage }
    if (message === undefined) return []
    return [message.type === 'refused' ? `refused ${message.why}` : message.type]
  })

test('strength: what counts, and what excludes', () => {
  const strong = strengthOf(STRONG) as number
  assert.ok(strong > 0.9 && strong <= 1)
  for (const worse of [{ uptimeMs: 0 }, { uploadBytesPerS: 0 }, { memoryBytes: 2 ** 27 }, { load: 0.8 }]) {
    const weaker = strengthOf({ ...STRONG, ...worse }) as number
    assert.ok(weaker >= 0 && weaker < strong, JSON.stringify(worse))
  }
  for (const never of [{ isReachable: false }, { load: 0.95 }, { memoryBytes: 0 }]) {
    assert.equal(strengthOf({ ...STRONG, ...never }), undefined, JSON.stringify(never))
  }
})

test('of those known, one with room and of another network is chosen', () => {
  const rng = seededRng(1)
  const groups: Record<number, string> = { 1: 'a', 2: 'a', 3: 'b' }
  const groupOf = (peer: Peer) => groups[peer as number]
  const one = (peer: number, free: number, isLive = true) => ({ peer: peer as Peer, free, isLive })
  const cases: [ReturnType<typeof one>[], number[], number | undefined][] = [
    [[], [], undefined],
    [[one(1, 0)], [], undefined],
    [[one(1, 5), one(3, 9)], [], 3],
    [[one(2, 9), one(3, 1)], [1], 3],
    [[one(2, 9)], [1], 2],
    [[one(2, 9), one(3, 0)], [1], 2],
    [[one(9, 0, false)], [1], 9],
    [[one(9, 0, false), one(3, 1)], [], 3]
  ]
  for (const [candidates, present, expected] of cases) {
    assert.equal(chooseSuper(candidates, present as Peer[], groupOf, rng), expected, JSON.stringify(candidates))
  }
})

test('two super-peers are enough when there are no others; one is not', () => {
  for (const supers of [1, 2]) {
    const { world, clients } = worldOf({ supers, clients: 5 })
    world.runFor(30_000)
    for (const peer of clients) {
      assert.equal(world.machine(peer).supers.length, supers)
      assert.equal(world.resting.has(peer), supers === 2)
    }
  }
})

test('a client that loses one stays at rest; that loses all comes back at once', () => {
  const { world, supers, clients } = worldOf({ supers: 3, clients: 4 })
  world.runFor(30_000)
  assert.equal(world.resting.size, 4)
  world.simulation.crash(supers[0] as Peer)
  world.runFor(20_000)
  assert.equal(world.resting.size, 4)
  world.simulation.crash(supers[1] as Peer)
  world.simulation.crash(supers[2] as Peer)
  world.runFor(2_000)
  assert.equal(world.resting.size, 0)
  assert.deepEqual(
    clients.map(peer => world.machine(peer).supers.length),
    [0, 0, 0, 0]
  )
})

test('a change travels as a change, and a super-peer that missed some asks for what differs', () => {
  const { world, supers, clients } = worldOf({ supers: 2, clients: 1, items: 1_000 })
  const [client] = clients as [Peer]
  const [first, second] = supers as [Peer, Peer]
  const items = named(client, 1_000)
  const has = (peer: Peer) => world.stores.get(peer)?.usageOf(client).items
  world.runFor(30_000)
  assert.deepEqual([has(first), has(second)], [1_000, 1_000])

  let bytes = world.simulation.stats.bytes
  world.supers.command(client, { type: 'catalogue', items: [...items, itemNamed('new one')] })
  world.runFor(30_000)
  assert.deepEqual([has(first), has(second)], [1_001, 1_001])
  assert.ok(world.simulation.stats.bytes - bytes < 1_500, `${world.simulation.stats.bytes - bytes} bytes for one file`)

  // one that was away, with its store
  world.simulation.crash(first)
  world.runFor(5_000)
  world.supers.command(client, { type: 'catalogue', items: items.slice(1) })
  world.runFor(30_000)
  const told = world.machine(client).itemsTold
  world.simulation.restart(first)
  world.supers.command(first, { type: 'role', role: 'super' })
  world.supers.command(client, { type: 'known', peers: [first] })
  bytes = world.simulation.stats.bytes
  assert.ok(world.until(() => has(first) === 999, 120_000))
  assert.ok(world.machine(client).itemsTold - told < 80, `${world.machine(client).itemsTold - told} items`)
})

test('a client that is gone is not answered for after a while, and needs to send nothing when it is back', () => {
  const { world, supers, clients } = worldOf({ supers: 2, clients: 2, config: { goneMs: 20_000 } })
  const [client] = clients as [Peer]
  const [first] = supers as [Peer]
  world.runFor(30_000)
  const seen = () => world.machine(first).lookup({ kind: 'words', text: `of${client}` }, 100).length
  assert.equal(seen(), 1)
  world.simulation.crash(client)
  world.runFor(10_000)
  assert.equal(seen(), 1)
  world.runFor(30_000)
  assert.equal(seen(), 0)
  assert.equal(world.stores.get(first)?.usageOf(client).items, 5)
  world.simulation.restart(client)
  world.supers.command(client, { type: 'catalogue', items: named(client) })
  world.supers.command(client, { type: 'known', peers: supers })
  world.runFor(10_000)
  assert.equal(seen(), 1)
  assert.equal(world.machine(client).itemsTold, 0)
})

test('a goodbye for good is forgotten at once', () => {
  const { world, supers, clients } = worldOf({ supers: 2, clients: 2 })
  const [client] = clients as [Peer]
  world.runFor(10_000)
  world.supers.command(client, { type: 'role', role: 'super' })
  world.runFor(2_000)
  for (const peer of supers) assert.equal(world.stores.get(peer)?.head(client), undefined)
})

test('who is refused: strangers of one network, what nobody signed, what is old, and those without a place', () => {
  const { say, machine } = superAlone(peer => ((peer as number) < 100 ? 'crowd' : undefined))
  const attach = (head: CatalogueHead): SuperPeerMessage => ({ type: 'attach', head, siblings: [] })
  const most = 32 * superPeerLimits.groupShare
  for (let i = 1; i <= most; i++) assert.deepEqual(answers(say(i, attach(headOf(i, [])))), ['accepted', 'indexed'])
  assert.deepEqual(answers(say(50, attach(headOf(50, [])))), ['refused group'])

  const stale = { expires: WALL_MS / 1_000 - 3_600 }
  const cases: [string, CatalogueHead, string[]][] = [
    ['another one as publisher', headOf(101, []), ['penalise', 'refused forged']],
    ['forged', { ...headOf(200, ['a']), seq: 1 }, ['penalise', 'refused forged']],
    ['bits that do not fit', headOf(200, ['a'], { bits: 3 }), ['penalise', 'refused forged']],
    ['older than what is here', headOf(1, [], { seq: WALL_MS - 1 }), ['refused stale']],
    ['run out', headOf(200, [], stale), ['refused stale']],
    ['for too long', headOf(200, [], { expires: WALL_MS / 1_000 + 200_000 }), ['refused stale']]
  ]
  for (const [what, head, expected] of cases) {
    const from = what === 'older than what is here' ? 1 : 200
    assert.deepEqual(answers(say(from, attach(head))), expected, what)
  }

  for (let i = 300; machine.clients.length < 32; i++) say(i, attach(headOf(i, [])))
  assert.deepEqual(answers(say(999, attach(headOf(999, [])))), ['refused full'])
})

test('of strangers that a client names as siblings, none is dialled', () => {
  const { say } = superAlone()
  const head = headOf(5, ['a', 'b'])
  const out = say(5, { type: 'attach', head, siblings: [77 as Peer, 78 as Peer] })
  const targets = out.flatMap(one => (one.type === 'send' ? [one.to] : []))
  assert.ok(
    targets.every(peer => peer === 5),
    String(targets)
  )
})

test('a catalogue of another kind than its head says is not kept, and a silent client gets its place back', () => {
  const { say, store, machine, give } = superAlone()
  const out = say(5, { type: 'attach', head: headOf(5, ['a', 'b']), siblings: [] })
  const wanted = out.flatMap(one => (one.type === 'send' && one.message.type === 'bucketsWanted' ? [one.message] : []))
  const id = wanted[0]?.id as number
  const lied = say(5, { type: 'items', id, isLast: true, items: [itemNamed('a'), itemNamed('spam')] })
  assert.deepEqual(answers(lied), ['refused stale'])
  assert.equal(store.head(5 as Peer), undefined)
  assert.equal(machine.clients.length, 0)
  say(6, { type: 'attach', head: headOf(6, ['a']), siblings: [] })
  assert.equal(machine.clients.length, 1)
  give({ type: 'tick' }, 10_000)
  assert.equal(machine.clients.length, 0)
})

test('adverts: forged ones are penalised, old ones are none, and one teller fills no more than its share', () => {
  const { say, machine } = superAlone()
  const advert = (peer: number, change: object = {}) => {
    const unsigned = { issued: WALL_MS / 1_000, free: 5, clients: 1, items: 1, load: 0 }
    const signature = cryptoOf(peer as Peer).sign(advertBytes('', { ...unsigned, ...change }))
    return { peer: peer as Peer, ...unsigned, ...change, signature }
  }
  assert.deepEqual(answers(say(1, { type: 'adverts', adverts: [{ ...advert(40), free: 6 }] })), ['penalise'])
  say(1, { type: 'adverts', adverts: [advert(41, { issued: WALL_MS / 1_000 - 3_600 })] })
  assert.deepEqual(machine.known, [])
  say(2, { type: 'adverts', adverts: [advert(500)] })
  for (let i = 0; i < 20; i++) {
    say(1, { type: 'adverts', adverts: Array.from({ length: 8 }, (_, j) => advert(1_000 + i * 8 + j)) }, 3_000)
  }
  assert.ok(machine.known.some(peer => peer === 500))
  assert.equal(machine.known.length, superPeerLimits.maxFromTeller + 1)
})

test('one that asks for adverts, or for catalogues, over and over gets no more than its share', () => {
  const { say } = superAlone()
  let told = 0
  for (let i = 0; i < 100; i++) told += answers(say(3, { type: 'advertsWanted', missing: 3 })).length
  assert.ok(told > 0 && told <= superPeerLimits.seeks.burst, `${told} answers`)
})
