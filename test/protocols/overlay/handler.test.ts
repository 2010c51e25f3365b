import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { Libp2p, PeerId, PeerStore } from '@libp2p/interface'
import type { Peer } from '../../../protocols/core/peer.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import { ContactBook, followRecords } from '../../../protocols/libp2p/contacts.ts'
import type { DriverComponents } from '../../../protocols/libp2p/driver.ts'
import { OVERLAY_PROTOCOL, type OverlayService, overlayService } from '../../../protocols/overlay/handler.ts'
import { eventually } from '../../../src/testkit/wait.ts'
import { startTestHost } from '../../libp2p/hosts.ts'

interface Node {
  host: Libp2p
  overlay: OverlayService
  peer: Peer
  neighbours: Set<Peer>
  penalties: string[]
  contacts: ContactBook
}

const started: Libp2p[] = []
after(async () => {
  await Promise.all(started.map(host => host.stop()))
})

async function start(seed: number): Promise<Node> {
  const neighbours = new Set<Peer>()
  const penalties: string[] = []
  let contacts: ContactBook | undefined
  const host = await startTestHost({
    overlay: (components: DriverComponents & { peerId: PeerId; peerStore: PeerStore; events: EventTarget }) => {
      contacts = new ContactBook(components.peerStore)
      followRecords(contacts, components)
      return overlayService({
        contacts,
        rng: seededRng(seed),
        onEvent: ({ type, peer }) => (type === 'neighbourUp' ? neighbours.add(peer) : neighbours.delete(peer)),
        onPenalty: (_, reason) => penalties.push(reason)
      })(components)
    }
  })
  started.push(host)
  assert.ok(contacts !== undefined)
  const peer = host.peerId.toString() as Peer
  return { host, overlay: host.services.overlay, peer, neighbours, penalties, contacts }
}

const areAllNeighbours = (nodes: readonly Node[]): boolean =>
  nodes.every(({ peer, overlay, neighbours }) =>
    nodes.every(
      other => other.peer === peer || (overlay.views().active.includes(other.peer) && neighbours.has(other.peer))
    )
  )

test('six hosts that know one of them become neighbours of one another; one that stops is missed', async () => {
  const nodes = await Promise.all([1, 2, 3, 4, 5, 6].map(start))
  const [first, ...others] = nodes as [Node, ...Node[]]
  for (const { host, overlay } of others) {
    await host.peerStore.merge(first.host.peerId, { multiaddrs: first.host.getMultiaddrs() })
    overlay.join(first.peer)
  }
  await eventually('all are neighbours of all', () => areAllNeighbours(nodes))

  const last = others.pop() as Node
  await last.host.stop()
  const rest = [first, ...others]
  await eventually('the others miss it', () => rest.every(({ neighbours }) => !neighbours.has(last.peer)))
  assert.deepEqual(last.overlay.views().active, [])
  assert.ok(areAllNeighbours(rest))
  assert.deepEqual(
    nodes.flatMap(node => node.penalties),
    []
  )
  assert.ok(nodes.every(node => node.overlay.stats.faults === 0))
})

test('two that are connected are neighbours without a join; a goodbye is said before the connection ends', async () => {
  const [a, b] = [await start(11), await start(12)]
  await a.host.dial(b.host.getMultiaddrs())
  await eventually('they are neighbours', () => areAllNeighbours([a, b]))
  await a.overlay.beforeStop()
  await eventually('b has heard', () => !b.neighbours.has(a.peer))
  assert.equal(b.host.getConnections(a.host.peerId).length, 1)
  assert.deepEqual(b.overlay.views(), { active: [], passive: [] })
})

test('a host that has lost its only neighbour turns to peers that its other protocols have heard of', async () => {
  const [a, b, c] = [await start(41), await start(42), await start(43)]
  await a.host.peerStore.merge(c.host.peerId, { multiaddrs: c.host.getMultiaddrs() })
  a.contacts.readingFrom(b.peer, () => a.contacts.hear(c.peer, undefined))
  await a.host.dial(b.host.getMultiaddrs())
  await eventually('they are neighbours', () => areAllNeighbours([a, b]))
  assert.deepEqual(a.overlay.population, { atLeast: 2 })
  await b.host.stop()
  await eventually('it has found the other', () => areAllNeighbours([a, c]))
})

test('a host rests and comes back, as often as it likes, and has as many neighbours as it is told', async () => {
  const nodes = [await start(51), await start(52), await start(53)] as const
  const [a, b, c] = nodes
  await a.host.dial(b.host.getMultiaddrs())
  await a.host.dial(c.host.getMultiaddrs())
  await b.host.dial(c.host.getMultiaddrs())
  for (let round = 0; round < 3; round++) {
    await eventually('all are neighbours', () => areAllNeighbours([...nodes]))
    a.overlay.leave()
    await eventually('the others have heard', () => !b.neighbours.has(a.peer) && !c.neighbours.has(a.peer))
    // a walk of its join may still be under way, and is answered
    await eventually('it is forgotten', () => [b, c].every(({ overlay }) => !overlay.views().passive.includes(a.peer)))
    a.overlay.join(b.peer)
    await eventually('it has a neighbour', () => a.neighbours.size > 0)
  }
  await eventually('all are neighbours', () => areAllNeighbours([...nodes]))
  assert.throws(() => a.overlay.resize(0), RangeError)
  a.overlay.resize(1)
  await eventually('it has one', () => a.neighbours.size === 1)
  a.overlay.resize(5)
  await eventually('all are neighbours', () => areAllNeighbours([...nodes]))
})

test('a host that was stopped and started finds its neighbour again', async () => {
  const [a, b] = [await start(21), await start(22)]
  await a.host.dial(b.host.getMultiaddrs())
  await eventually('they are neighbours', () => areAllNeighbours([a, b]))
  await a.host.stop()
  await eventually('b has heard', () => !b.neighbours.has(a.peer))
  await a.host.start()
  await a.host.dial(b.host.getMultiaddrs())
  await eventually('they are neighbours again', () => areAllNeighbours([a, b]))
})

test('bytes that are no message are penalised', async () => {
  const [a, b] = [await start(31), await start(32)]
  const stream = await a.host.dialProtocol(b.host.getMultiaddrs(), OVERLAY_PROTOCOL)
  stream.send(Uint8Array.of(0, 0, 0, 1, 99))
  await eventually('the penalty', () => b.penalties.some(reason => /unknown type/.test(reason)))
})
