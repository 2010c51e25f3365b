/**
 * The same searches on real libp2p hosts and in the simulator: same neighbours, same files, same random numbers. What
 * they cost and how far the hits are must agree; only delays differ.
 */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { Libp2p } from '@libp2p/interface'
import type { FileId } from '../../protocols/core/ids.ts'
import { indexPeers, type Peer } from '../../protocols/core/peer.ts'
import { seededRng } from '../../protocols/core/rng.ts'
import { ContactBook } from '../../protocols/libp2p/contacts.ts'
import type { DriverComponents } from '../../protocols/libp2p/driver.ts'
import { peerFromId } from '../../protocols/libp2p/peer-ids.ts'
import { SearchService } from '../../protocols/search/handler.ts'
import {
  type Hit,
  type Query,
  Search,
  type SearchCommand,
  type SearchEvent,
  type SearchMessage,
  searchCodec
} from '../../protocols/search/index.ts'
import { Simulation } from '../../src/simulator/index.ts'
import { eventually } from '../../src/testkit/wait.ts'
import { startTestHost } from '../libp2p/hosts.ts'
import { randomRegular } from '../protocols/search/graphs.ts'

const PEERS = 64
const DEGREE = 5
const OBJECTS = 40
const COPIES = 3
const SEARCHES = 100
const ALLOWED = 0.05
const seedOfTest = Number(process.env.SHOAL_SEED ?? 1)
const repeat = `SHOAL_SEED=${seedOfTest} node --test test/scenarios/reality.heavy.ts`

const rng = seededRng(seedOfTest)
const edges = randomRegular(PEERS, DEGREE, rng)
const everybody = Array.from({ length: PEERS }, (_, i) => i)
/** The objects of each peer. */
const placement: number[][] = everybody.map(() => [])
for (let object = 0; object < OBJECTS; object++) {
  for (const peer of rng.sample(everybody, COPIES)) placement[peer]!.push(object)
}
const searches = Array.from({ length: SEARCHES }, () => ({ from: rng.below(PEERS), object: rng.below(OBJECTS) }))
const rngOf = (peer: number) => seededRng(seedOfTest * 1_000 + peer)
const nameOf = (object: number): string => `object${object}`

function lookupOf(peer: number): (query: Query, limit: number) => Hit[] {
  return query =>
    placement[peer]!.filter(object => query.kind === 'words' && query.text === nameOf(object)).map(object => ({
      id: object.toString(16).padStart(64, '0') as FileId,
      name: nameOf(object),
      size: 1
    }))
}

/** What all searches of one strategy came to. */
interface Account {
  messages: number
  peersAsked: number
  hits: number
  hops: number
}

type Strategy = Partial<Extract<SearchCommand, { type: 'search' }>>

const strategies: [name: string, options: Strategy, compared: boolean][] = [
  ['flood', { strategy: 'flood' }, true],
  ['one walker led by summaries', { strategy: 'walk', walkers: 1, want: 1 }, true],
  ['auto', { strategy: 'auto' }, true],
  // who comes first decides where each of them can still go, so single runs differ widely: shown, not compared
  ['four walkers that find all', { strategy: 'walk', walkers: 4, want: COPIES }, false]
]

const command = (search: number, object: number, options: Strategy): SearchCommand => ({
  type: 'search',
  search,
  query: { kind: 'words', text: nameOf(object) },
  timeoutMs: 60_000,
  ...options
})

function count(account: Account, event: SearchEvent): void {
  if (event.type === 'searchDone') {
    account.messages += event.messages
    account.peersAsked += event.peersAsked
  } else if (event.hops > 0) {
    account.hits++
    account.hops += event.hops
  }
}

/** Runs the searches of all strategies one after another. `run` resolves when its search is done. */
async function runAll(
  run: (from: number, command: SearchCommand, onEvent: (event: SearchEvent) => void) => Promise<void>
): Promise<Account[]> {
  const accounts: Account[] = []
  let number = 0
  for (const [, options] of strategies) {
    const account = { messages: 0, peersAsked: 0, hits: 0, hops: 0 }
    for (const { from, object } of searches) {
      await run(from, command(number++, object, options), event => count(account, event))
    }
    accounts.push(account)
  }
  return accounts
}

async function simulated(): Promise<Account[]> {
  // in one process the delays of all pairs are much the same, and so they are here
  const simulation = new Simulation({ seed: seedOfTest, latency: [20, 22] })
  let onEvent: (event: SearchEvent) => void = () => {}
  const channel = simulation.protocol<SearchCommand, SearchMessage, SearchEvent>({
    name: 'search',
    codec: searchCodec(indexPeers),
    machine: self => {
      const lookup = lookupOf(self as number)
      return new Search({
        self,
        rng: rngOf(self as number),
        lookup: (query, limit) => [{ holder: self, hits: lookup(query, limit) }]
      })
    },
    onEvent: (_, event) => onEvent(event)
  })
  simulation.addPeers(PEERS)
  for (const [a, b] of edges) simulation.connect(a as Peer, b as Peer)
  simulation.run(1_000)
  for (const peer of everybody) {
    channel.command(peer as Peer, { type: 'share', keys: placement[peer]!.map(nameOf) })
  }
  for (const [a, b] of edges) {
    channel.command(a as Peer, { type: 'neighbourUp', peer: b as Peer })
    channel.command(b as Peer, { type: 'neighbourUp', peer: a as Peer })
  }
  simulation.run(300_000)
  return await runAll(async (from, input, each) => {
    let done = false
    onEvent = event => {
      each(event)
      done ||= event.type === 'searchDone'
    }
    channel.command(from as Peer, input)
    assert.ok(
      simulation.runUntil(() => done, 120_000),
      repeat
    )
  })
}

const hosts: Libp2p[] = []
after(async () => {
  await Promise.all(hosts.map(host => host.stop()))
})

async function real(): Promise<Account[]> {
  const services: SearchService[] = []
  const listeners = everybody.map((): ((event: SearchEvent) => void) => () => {})
  for (const peer of everybody) {
    const host = await startTestHost({
      // it dials whom it hears of; here neighbours are all there is
      dht: () => ({}),
      search: (components: DriverComponents & { peerStore: ConstructorParameters<typeof ContactBook>[0] }) =>
        new SearchService(components, {
          contacts: new ContactBook(components.peerStore),
          rng: rngOf(peer),
          lookup: (query, limit) => [{ holder: peerFromId(components.peerId), hits: lookupOf(peer)(query, limit) }],
          // told soon, since nobody can turn this clock
          config: { summarySettleMs: 50, summaryMs: 50, summaries: { rate: 1_000, burst: 1_000 } },
          onEvent: event => listeners[peer]!(event),
          onPenalty: (_, reason) => assert.fail(reason)
        })
    })
    hosts.push(host)
    services.push(host.services.search)
  }
  const peers = hosts.map(host => host.peerId.toString() as Peer)
  for (const peer of everybody) services[peer]!.command({ type: 'share', keys: placement[peer]!.map(nameOf) })
  for (const [a, b] of edges) await hosts[a]!.dial(hosts[b]!.getMultiaddrs())
  for (const [a, b] of edges) {
    services[a]!.command({ type: 'neighbourUp', peer: peers[b]! })
    services[b]!.command({ type: 'neighbourUp', peer: peers[a]! })
  }
  let sent = -1
  await eventually('the summaries are told', async () => {
    const before = sent
    await new Promise(resolve => setTimeout(resolve, 500))
    sent = services.reduce((sum, { stats }) => sum + stats.messagesOut, 0)
    return sent === before
  })
  return await runAll(async (from, input, each) => {
    let done = false
    listeners[from] = event => {
      each(event)
      done ||= event.type === 'searchDone'
    }
    services[from]!.command(input)
    await eventually('the search is done', () => done)
  })
}

test(`${SEARCHES} searches of each kind on ${PEERS} real hosts cost what they cost in the simulator`, async t => {
  const inSimulation = await simulated()
  const inReality = await real()
  for (const [i, [name, , compared]] of strategies.entries()) {
    const [expected, seen] = [inSimulation[i]!, inReality[i]!]
    const mean = (account: Account): string =>
      `${(account.messages / SEARCHES).toFixed(1)} messages, ${(account.peersAsked / SEARCHES).toFixed(1)} peers, ` +
      `${(account.hits / SEARCHES).toFixed(2)} holders at ${(account.hops / account.hits).toFixed(2)} hops`
    t.diagnostic(`${name}: real ${mean(seen)}; simulated ${mean(expected)}`)
    if (!compared) continue
    for (const key of ['messages', 'peersAsked', 'hits'] as const) {
      const off = Math.abs(seen[key] - expected[key]) / expected[key]
      assert.ok(off <= ALLOWED, `${name}: ${seen[key]} ${key}, simulated ${expected[key]}; ${repeat}`)
    }
    const [a, b] = [seen.hops / seen.hits, expected.hops / expected.hits]
    assert.ok(Math.abs(a - b) / b <= ALLOWED, `${name}: hits at ${a} hops, simulated ${b}; ${repeat}`)
  }
})
