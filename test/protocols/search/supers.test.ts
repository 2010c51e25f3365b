import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FileId } from '../../../protocols/core/ids.ts'
import { indexPeers, type Peer } from '../../../protocols/core/peer.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import type { SearchCommand, SearchEvent } from '../../../protocols/search/commands.ts'
import { searchConfig } from '../../../protocols/search/config.ts'
import { type HolderHits, type SearchMessage, searchCodec } from '../../../protocols/search/messages.ts'
import { Search } from '../../../protocols/search/search.ts'
import { type Channel, Simulation } from '../../../src/simulator/index.ts'
import { randomRegular } from './graphs.ts'
import { again, seedOfTest } from './network.ts'

const repeat = again('supers.test.ts')
const SUPERS = 100
const DEGREE = 16
const CLIENTS = 20
const SEARCHES = 10
/** How many of all clients have something with each kind of word. */
const WORDS = { common: 400, some: 40, few: 8, rare: 2, none: 0 }
type Word = keyof typeof WORDS

interface Account {
  messages: number
  found: Set<Peer>
  complete: boolean
}

/** Super-peers that answer for 20 clients each, and these share what is looked for. */
class Supers {
  readonly #simulation = new Simulation({ seed: seedOfTest, latency: [10, 50], trace: false })
  readonly #channel: Channel<SearchCommand, SearchMessage, SearchEvent>
  readonly #holders = new Map<string, Set<number>>()
  readonly #running = new Map<number, Account>()
  #done: Extract<SearchEvent, { type: 'searchDone' }> | undefined

  constructor(init: { knowsPopulation: boolean }) {
    const rng = seededRng(seedOfTest)
    const clients = Array.from({ length: SUPERS * CLIENTS }, (_, i) => i)
    for (const [word, count] of Object.entries(WORDS)) {
      for (let i = 0; i < SEARCHES; i++) this.#holders.set(`${word}${i}`, new Set(rng.sample(clients, count)))
    }
    const population = (): number | undefined => (init.knowsPopulation ? SUPERS : undefined)
    const simulation = this.#simulation
    this.#channel = simulation.protocol<SearchCommand, SearchMessage, SearchEvent>({
      name: 'search',
      codec: searchCodec(indexPeers),
      machine: (self, machineRng) =>
        new Search({
          self,
          rng: machineRng,
          population,
          lookup: query => (query.kind === 'words' ? this.#hitsAt(self as number, query.text) : [])
        }),
      onEvent: (_, event) => this.#onEvent(event)
    })
    const supers = simulation.addPeers(SUPERS)
    const edges = randomRegular(SUPERS, DEGREE, rng)
    for (const [a, b] of edges) simulation.connect(a as Peer, b as Peer)
    simulation.run(1_000)
    for (const peer of supers) {
      const words = [...this.#holders.keys()].filter(word => this.#hitsAt(peer as number, word).length > 0)
      const others = Array.from({ length: 500 }, () => `word${Math.floor(20_000 ** rng.unit())}`)
      this.#channel.command(peer, { type: 'share', keys: [...words, ...others] })
    }
    for (const [a, b] of edges) {
      this.#channel.command(a as Peer, { type: 'neighbourUp', peer: b as Peer })
      this.#channel.command(b as Peer, { type: 'neighbourUp', peer: a as Peer })
    }
    simulation.run(400_000)
  }

  search(word: string, search: number): Account {
    const account = { messages: 0, found: new Set<Peer>(), complete: false }
    this.#running.set(search, account)
    this.#done = undefined
    this.#channel.command(7 as Peer, { type: 'search', search, query: { kind: 'words', text: word } })
    this.#simulation.runUntil(() => this.#done !== undefined, 60_000, 10)
    return account
  }

  /** Messages of a search, and the share of the holders that were found, or of those that are wanted. */
  mean(word: Word): { messages: number; recall: number } {
    let messages = 0
    let found = 0
    for (let i = 0; i < SEARCHES; i++) {
      const account = this.search(`${word}${i}`, this.#running.size)
      assert.equal(account.complete, true)
      messages += account.messages
      found += Math.min(account.found.size, searchConfig.want)
    }
    const wanted = Math.min(WORDS[word], searchConfig.want) * SEARCHES
    return { messages: messages / SEARCHES, recall: wanted === 0 ? 1 : found / wanted }
  }

  #hitsAt(peer: number, word: string): HolderHits[] {
    const holders = this.#holders.get(word)
    const own = Array.from({ length: CLIENTS }, (_, i) => peer * CLIENTS + i).filter(client => holders?.has(client))
    return own.map(client => ({
      holder: (SUPERS + client) as Peer,
      hits: [{ id: client.toString(16).padStart(64, '0') as FileId, name: word, size: 1 }]
    }))
  }

  #onEvent(event: SearchEvent): void {
    const account = this.#running.get(event.search) as Account
    if (event.type === 'hits') account.found.add(event.holder)
    else {
      this.#done = event
      account.messages = event.messages
      account.complete = event.complete
    }
  }
}

test('who knows how many supers there are asks a few for what is common, and stops when all were looked at', () => {
  const supers = new Supers({ knowsPopulation: true })
  const means = (Object.keys(WORDS) as Word[]).map(word => [word, supers.mean(word)] as const)
  // without the estimate a rare word costs ten times as much, and so did a common one when all that show it were asked
  const most = { common: 15, some: 110, few: 160, rare: 140, none: 100 }
  for (const [word, { messages, recall }] of means) {
    assert.ok(messages <= most[word], `${word}: ${messages} messages, ${repeat}`)
    assert.ok(recall >= 0.95, `${word}: ${recall} of the holders, ${repeat}`)
  }
})

test('who does not know it floods once, and from then on asks a few for what is common', () => {
  const supers = new Supers({ knowsPopulation: false })
  const first = supers.search('common0', 1_000)
  assert.ok(first.messages <= searchConfig.cheapFlood && first.messages > searchConfig.cheapFlood / 2)
  const { messages, recall } = supers.mean('common')
  assert.ok(messages <= 10, `${messages} messages, ${repeat}`)
  assert.equal(recall, 1)
  const rare = supers.mean('rare')
  assert.equal(rare.recall, 1, repeat)
})
