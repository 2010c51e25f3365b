import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { Libp2p, PeerId, PeerStore } from '@libp2p/interface'
import type { FileId } from '../../../protocols/core/ids.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { type Rng, seededRng } from '../../../protocols/core/rng.ts'
import { ContactBook, followRecords } from '../../../protocols/libp2p/contacts.ts'
import type { DriverComponents } from '../../../protocols/libp2p/driver.ts'
import { idFromPeer, peerFromId } from '../../../protocols/libp2p/peer-ids.ts'
import { SEARCH_PROTOCOL, SearchService } from '../../../protocols/search/handler.ts'
import type { Hit, SearchEvent } from '../../../protocols/search/index.ts'
import { eventually } from '../../../src/testkit/wait.ts'
import { startTestHost } from '../../libp2p/hosts.ts'
import { distances, randomRegular } from './graphs.ts'
import { again, seedOfTest } from './network.ts'

const repeat = again('handler.test.ts')
const rng = seededRng(seedOfTest)
const HOSTS = 20
const DEGREE = 4

interface Node {
  host: Libp2p
  search: SearchService
  book: ContactBook
  peer: Peer
  events: SearchEvent[]
  penalties: string[]
  shared: Hit[]
}

type Components = DriverComponents & { peerId: PeerId; peerStore: PeerStore; events: EventTarget }

const nodes: Node[] = []
after(async () => {
  await Promise.all(nodes.map(node => node.host.stop()))
})

async function start(nodeRng: Rng): Promise<Node> {
  const events: SearchEvent[] = []
  const penalties: string[] = []
  const shared: Hit[] = []
  let book: ContactBook | undefined
  const host = await startTestHost({
    // it dials whom it hears of, and tells addresses: here neighbours are all there is, and hits alone tell addresses
    dht: () => ({}),
    search: (components: Components) => {
      book = new ContactBook(components.peerStore)
      followRecords(book, components)
      return new SearchService(components, {
        contacts: book,
        rng: nodeRng,
        lookup: (query, limit) => {
          const isWanted = (hit: Hit): boolean =>
            query.kind === 'words' ? hit.name.includes(query.text) : hit.id === query.id
          return [{ holder: peerFromId(components.peerId), hits: shared.filter(isWanted).slice(0, limit) }]
        },
        onEvent: event => events.push(event),
        onPenalty: (_, reason) => penalties.push(reason)
      })
    }
  })
  const peer = host.peerId.toString() as Peer
  const node = { host, search: host.services.search, book: book!, peer, events, penalties, shared }
  nodes.push(node)
  return node
}

async function link(a: Node, b: Node): Promise<void> {
  await a.host.dial(b.host.getMultiaddrs())
  a.search.command({ type: 'neighbourUp', peer: b.peer })
  b.search.command({ type: 'neighbourUp', peer: a.peer })
}

const fileOf = (i: number): Hit => ({ id: i.toString(16).padStart(64, '0') as FileId, name: `song ${i}.ogg`, size: i })
const doneOf = (node: Node, search: number): Extract<SearchEvent, { type: 'searchDone' }> | undefined =>
  node.events.find(event => event.type === 'searchDone' && event.search === search) as never
const hitsOf = (node: Node, search: number): Extract<SearchEvent, { type: 'hits' }>[] =>
  node.events.filter(event => event.type === 'hits' && event.search === search) as never[]

const edges = randomRegular(HOSTS, DEGREE, rng)

test(`${HOSTS} hosts with ${DEGREE} neighbours each: every holder is found, and everybody is asked`, async () => {
  for (let i = 0; i < HOSTS; i++) (await start(rng.fork())).shared.push(fileOf(i))
  for (const [a, b] of edges) await link(nodes[a]!, nodes[b]!)
  const [searcher] = nodes as [Node]
  searcher.search.command({ type: 'search', search: 1, query: { kind: 'words', text: 'song' }, strategy: 'flood' })
  const [first] = hitsOf(searcher, 1)
  assert.deepEqual(
    [first?.holder, first?.hops, first?.hits],
    [searcher.peer, 0, [fileOf(0)]],
    'what is here comes first'
  )
  const done = await eventually('the search is done', () => doneOf(searcher, 1))
  // n-1 queries on a tree, and two on each other edge at most
  assert.equal(done.complete, true, repeat)
  assert.equal(done.peersAsked, HOSTS - 1, repeat)
  assert.ok(
    done.messages >= HOSTS - 1 && done.messages <= 2 * edges.length - (HOSTS - 1),
    `${done.messages}, ${repeat}`
  )
  const hits = hitsOf(searcher, 1)
  const shortest = distances(HOSTS, edges, 0)
  assert.equal(hits.length, HOSTS, repeat)
  for (const [i, node] of nodes.entries()) {
    const found = hits.find(({ holder }) => holder === node.peer)
    assert.deepEqual(found?.hits, [fileOf(i)], `host ${i}, ${repeat}`)
    assert.ok(found!.hops >= shortest[i]! && found!.hops <= 7, `host ${i} at ${found!.hops} hops, ${repeat}`)
  }
  assert.equal(searcher.events.at(-1), done, 'nothing comes after the end')
})

test('a search opens no connection', () => {
  const wanted = nodes.map((_, i) => edges.filter(edge => edge.includes(i)).length)
  assert.deepEqual(
    nodes.map(node => node.host.getPeers().length),
    wanted,
    repeat
  )
})

test('the searcher can dial a holder that it has heard of in a hit and nowhere else', async () => {
  const [searcher] = nodes as [Node]
  const far = nodes.find((_, i) => distances(HOSTS, edges, 0)[i]! > 1) as Node
  const id = idFromPeer(far.peer)
  await assert.rejects(searcher.host.peerStore.get(id), 'its address is not known yet')
  await searcher.book.prepareDial(id, far.peer)
  const connection = await searcher.host.dial(id)
  assert.equal(connection.remotePeer.toString(), far.peer)
  await connection.close()
})

test('a search for an id finds its one holder', async () => {
  const [searcher] = nodes as [Node]
  searcher.search.command({ type: 'search', search: 2, query: { kind: 'id', id: fileOf(13).id } })
  await eventually('the search is done', () => doneOf(searcher, 2))
  assert.deepEqual(
    hitsOf(searcher, 2).map(({ holder, hits }) => [holder, hits]),
    [[nodes[13]!.peer, [fileOf(13)]]]
  )
})

test('searches of everybody at once are all complete', async () => {
  for (const node of nodes) node.search.command({ type: 'search', search: 3, query: { kind: 'words', text: 'song' } })
  for (const [i, node] of nodes.entries()) {
    const done = await eventually(`search of ${i}`, () => doneOf(node, 3))
    assert.deepEqual([done.peersAsked, done.complete], [HOSTS - 1, true], `host ${i}, ${repeat}`)
    assert.equal(hitsOf(node, 3).length, HOSTS, `host ${i}, ${repeat}`)
  }
})

test('more hits than a frame holds arrive, up to the limit', async () => {
  const rich = nodes[7]!
  const many = Array.from({ length: 300 }, (_, i) => ({ ...fileOf(1_000 + i), name: `${i} ${'tune '.repeat(200)}` }))
  rich.shared.push(...many)
  const [searcher] = nodes as [Node]
  searcher.search.command({ type: 'search', search: 4, query: { kind: 'words', text: 'tune' } })
  await eventually('the search is done', () => doneOf(searcher, 4))
  const hits = hitsOf(searcher, 4).flatMap(event => event.hits)
  assert.deepEqual(hits, many.slice(0, 100))
})

test('a host that stops in the middle of it does not hold up a search', async () => {
  const [searcher] = nodes as [Node]
  const [neighbour] = edges.flatMap(([a, b]) => (a === 0 ? [b] : b === 0 ? [a] : [])) as [number]
  await nodes[neighbour]!.host.stop()
  searcher.search.command({ type: 'search', search: 5, query: { kind: 'words', text: 'song' } })
  const done = await eventually('the search is done', () => doneOf(searcher, 5))
  const found = new Set(hitsOf(searcher, 5).map(({ holder }) => holder))
  const alive = distances(HOSTS, edges, 0, new Set([neighbour])).filter(Number.isFinite).length
  assert.equal(found.size, alive, repeat)
  assert.equal(done.peersAsked, alive - 1, repeat)
})

test('summaries larger than any other message arrive, and lead each query to the one neighbour that has it', async () => {
  const searcher = await start(rng.fork())
  const leaves = [await start(rng.fork()), await start(rng.fork()), await start(rng.fork())]
  for (const [i, leaf] of leaves.entries()) {
    const keys = Array.from({ length: 12_000 }, (_, j) => `filler${i}x${j}`)
    leaf.search.command({ type: 'share', keys: [...keys, `needle${i}`] })
    leaf.shared.push({ ...fileOf(2_000 + i), name: `needle${i}.txt` })
    await link(searcher, leaf)
  }
  let search = 10
  const isLed = async (i: number): Promise<boolean> => {
    const number = search++
    const query = { kind: 'words', text: `needle${i}` } as const
    searcher.search.command({ type: 'search', search: number, query, strategy: 'walk', walkers: 1, budget: 1 })
    await eventually('the search is done', () => doneOf(searcher, number))
    return hitsOf(searcher, number).some(({ holder }) => holder === leaves[i]!.peer)
  }
  // one message each: at random all nine would seldom be right
  await eventually('queries are led', async () => {
    for (const i of [0, 1, 2, 2, 1, 0, 1, 0, 2]) if (!(await isLed(i))) return false
    return true
  })
})

test('nobody was penalised, no machine failed; garbage is penalised and a bad query is the caller’s mistake', async () => {
  for (const node of nodes) {
    assert.deepEqual(node.penalties, [])
    assert.deepEqual([node.search.stats.faults, node.search.stats.dropped], [0, 0])
  }
  const [first, other] = [nodes[0]!, await start(rng.fork())]
  const stream = await other.host.dialProtocol(first.host.getMultiaddrs(), SEARCH_PROTOCOL)
  stream.send(Uint8Array.of(0, 0, 0, 2, 9, 9))
  await eventually('garbage is penalised', () => first.penalties.some(reason => /unknown type/.test(reason)))
  assert.throws(
    () => first.search.command({ type: 'search', search: 6, query: { kind: 'words', text: '' } }),
    RangeError
  )
})
