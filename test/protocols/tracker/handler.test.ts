import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { Libp2p, PeerId, PeerStore } from '@libp2p/interface'
import type { Peer } from '../../../protocols/core/peer.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import { ContactBook, followRecords } from '../../../protocols/libp2p/contacts.ts'
import type { DriverComponents } from '../../../protocols/libp2p/driver.ts'
import { TRACKER_PROTOCOL, TrackerService } from '../../../protocols/tracker/handler.ts'
import type { TrackerConfig, TrackerEvent } from '../../../protocols/tracker/index.ts'
import { eventually } from '../../../src/testkit/wait.ts'
import { startTestHost } from '../../libp2p/hosts.ts'
import { swarm } from './swarms.ts'

const SWARM = swarm(1)
const HOUR_MS = 60 * 60_000
/** Nobody is forgotten by time in these tests, and `more` need not wait. */
const config: Partial<TrackerConfig> = { graceMs: HOUR_MS, minIntervalMs: 1, shortestMinIntervalMs: 1 }

interface Node {
  host: Libp2p
  peer: Peer
  tracker: TrackerService
  contacts: ContactBook
  events: TrackerEvent[]
  penalties: string[]
  told(): Set<Peer>
}

const nodes: Node[] = []
after(() => Promise.all(nodes.map(({ host }) => host.stop())))

async function start(): Promise<Node> {
  const events: TrackerEvent[] = []
  const penalties: string[] = []
  let contacts: ContactBook | undefined
  const host = await startTestHost({
    tracker: (components: DriverComponents & { peerId: PeerId; peerStore: PeerStore; events: EventTarget }) => {
      contacts = new ContactBook(components.peerStore)
      followRecords(contacts, components)
      return new TrackerService(components, {
        contacts,
        rng: seededRng(nodes.length + 1),
        config,
        onEvent: event => events.push(event),
        onPenalty: (_, reason) => penalties.push(reason)
      })
    }
  })
  const node: Node = {
    host,
    peer: host.peerId.toString() as Peer,
    tracker: host.services.tracker,
    contacts: contacts as unknown as ContactBook,
    events,
    penalties,
    told: () => new Set(events.flatMap(event => (event.type === 'peers' ? event.peers : [])))
  }
  nodes.push(node)
  return node
}

function join(node: Node, tracker: Node, left: number): void {
  node.tracker.command({ type: 'join', swarm: SWARM, tiers: [[tracker.peer]], left })
}

async function learns(node: Node, others: Node[]): Promise<void> {
  await eventually('it is told of all', () => {
    node.tracker.command({ type: 'more', swarm: SWARM })
    return others.every(({ peer }) => node.told().has(peer))
  })
}

test('two leeches and a seed learn of one another through a fourth, and dial by what travelled', async () => {
  const [tracker, seed, one, two] = (await Promise.all([start(), start(), start(), start()])) as [
    Node,
    Node,
    Node,
    Node
  ]
  for (const node of [seed, one, two]) {
    await node.host.dial(tracker.host.getMultiaddrs())
    join(node, tracker, node === seed ? 0 : 100)
  }
  await learns(one, [seed, two])
  await learns(two, [seed, one])
  await learns(seed, [one, two])
  assert.deepEqual(tracker.tracker.account(SWARM), { seeds: 1, leeches: 2, completed: 0 })
  for (const node of [seed, one, two]) assert.ok(!node.told().has(node.peer))

  for (const [from, to] of [
    [one, seed],
    [two, one],
    [seed, two]
  ] as [Node, Node][]) {
    const record = from.contacts.recordOf(to.peer)
    assert.ok(record, 'a signed record came with the name')
    // whatever else the host has found out about the peer is taken away
    await from.host.hangUp(to.host.peerId)
    await from.host.peerStore.delete(to.host.peerId)
    const book = new ContactBook(from.host.peerStore)
    book.readingFrom(tracker.peer, () => book.hear(to.peer, record))
    await book.prepareDial(to.host.peerId, to.peer)
    const { addresses } = await from.host.peerStore.get(to.host.peerId)
    assert.ok(addresses.length > 0)
    const connection = await from.host.dial(to.host.peerId)
    assert.ok(connection.remotePeer.equals(to.host.peerId))
  }

  one.tracker.command({ type: 'update', swarm: SWARM, left: 0, uploaded: 0, downloaded: 100 })
  await eventually('the completion is counted', () => tracker.tracker.account(SWARM)?.completed === 1)
  assert.deepEqual(tracker.tracker.account(SWARM), { seeds: 2, leeches: 1, completed: 1 })

  two.tracker.command({ type: 'scrape', tracker: tracker.peer, swarms: [SWARM, swarm(2)] })
  const scraped = await eventually('the scrape', () => two.events.find(event => event.type === 'scraped'))
  assert.deepEqual(scraped, {
    type: 'scraped',
    tracker: tracker.peer,
    swarms: [
      { swarm: SWARM, seeds: 2, leeches: 1, completed: 1 },
      { swarm: swarm(2), seeds: 0, leeches: 0, completed: 0 }
    ]
  })

  // the grace is an hour: only a goodbye takes it out of the account
  await seed.host.stop()
  await eventually('the seed has said goodbye', () => tracker.tracker.account(SWARM)?.seeds === 1)
  for (const node of [tracker, seed, one, two]) {
    assert.deepEqual([node.penalties, node.tracker.stats.faults], [[], 0])
  }
})

test('a node that names itself tells others of itself; a tracker that cannot be reached is reported', async () => {
  const [own, other] = (await Promise.all([start(), start()])) as [Node, Node]
  join(own, own, 0)
  await other.host.dial(own.host.getMultiaddrs())
  join(other, own, 1)
  await learns(other, [own])
  await own.host.stop()
  const more = { type: 'join', swarm: swarm(3), tiers: [[own.peer]], left: 1 } as const
  other.tracker.command(more)
  await eventually('the failure', () =>
    other.events.some(event => event.type === 'trackerFailed' && event.swarm === swarm(3))
  )
})

test('bytes that are no message are penalised', async () => {
  const [a, b] = (await Promise.all([start(), start()])) as [Node, Node]
  const stream = await a.host.dialProtocol(b.host.getMultiaddrs(), TRACKER_PROTOCOL)
  stream.send(Uint8Array.of(0, 0, 0, 2, 0, 9))
  await eventually('the penalty', () => b.penalties.some(reason => /ends inside/.test(reason)))
  assert.equal(b.tracker.stats.messagesIn, 0)
})
