import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, test } from 'node:test'
import type { Libp2p, PeerId, PeerStore } from '@libp2p/interface'
import { CHORD_PROTOCOL, type ChordService, chordService } from '../../../protocols/chord/handler.ts'
import type { ChordEvent } from '../../../protocols/chord/index.ts'
import { isOwned, type RingId, ringIdFromBytes } from '../../../protocols/core/keyspace.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import { ContactBook, followRecords } from '../../../protocols/libp2p/contacts.ts'
import type { DriverComponents } from '../../../protocols/libp2p/driver.ts'
import { eventually } from '../../../src/testkit/wait.ts'
import { startTestHost } from '../../libp2p/hosts.ts'

interface Node {
  host: Libp2p
  chord: ChordService
  peer: Peer
  events: ChordEvent[]
  penalties: string[]
}

const started: Libp2p[] = []
after(async () => {
  await Promise.all(started.map(host => host.stop()))
})

async function start(seed: number): Promise<Node> {
  const events: ChordEvent[] = []
  const penalties: string[] = []
  const host = await startTestHost({
    chord: (components: DriverComponents & { peerId: PeerId; peerStore: PeerStore; events: EventTarget }) => {
      const contacts = new ContactBook(components.peerStore)
      followRecords(contacts, components)
      return chordService({
        contacts,
        rng: seededRng(seed),
        onEvent: event => events.push(event),
        onPenalty: (_, reason) => penalties.push(reason)
      })(components)
    }
  })
  started.push(host)
  return { host, chord: host.services.chord, peer: host.peerId.toString() as Peer, events, penalties }
}

const keyOf = (text: string): RingId => ringIdFromBytes(createHash('sha256').update(text).digest())

/** In the order of their ids. */
const sorted = (nodes: readonly Node[]): Node[] =>
  nodes.toSorted((a, b) => (a.chord.idOf(a.peer) < b.chord.idOf(b.peer) ? -1 : 1))

function isPerfect(nodes: readonly Node[]): boolean {
  const inOrder = sorted(nodes)
  return inOrder.every(({ chord }, i) => {
    const others = [...inOrder.slice(i + 1), ...inOrder.slice(0, i)].map(({ peer }) => peer)
    const { predecessor, successors } = chord.place
    return predecessor === others.at(-1) && successors.join() === others.join()
  })
}

async function ownerOf(node: Node, id: number, key: RingId, mode: 'iterative' | 'recursive'): Promise<Peer> {
  node.chord.command({ type: 'lookup', id, key, mode })
  return eventually(`lookup ${id}`, () =>
    node.events.flatMap(event => (event.type === 'found' && event.id === id ? [event.owner] : [])).at(0)
  )
}

test('eight hosts that know one of them are one ring; every key has the same owner for all; one that goes is not missed', async () => {
  const nodes = await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map(start))
  const [first, ...others] = nodes as [Node, ...Node[]]
  for (const { host } of others) await host.dial(first.host.getMultiaddrs())
  await eventually('the ring is perfect', () => isPerfect(nodes))
  assert.equal(first.chord.idOf(first.peer), keyOfPeer(first))

  let id = 0
  for (const text of ['a', 'b', 'c']) {
    const key = keyOf(text)
    for (const node of nodes) {
      const owner = await ownerOf(node, ++id, key, id % 2 === 0 ? 'iterative' : 'recursive')
      const { chord } = nodes.find(({ peer }) => peer === owner) as Node
      assert.ok(isOwned(chord.idOf(chord.place.predecessor as Peer), key, chord.idOf(owner)))
    }
  }

  const last = others.pop() as Node
  await last.chord.beforeStop()
  await eventually('the gap is closed while the connections stand', () => isPerfect([first, ...others]))
  assert.ok(last.host.getConnections().length > 0)
  assert.deepEqual(
    nodes.flatMap(({ penalties }) => penalties),
    []
  )
  assert.ok(nodes.every(({ chord }) => chord.stats.faults === 0))
})

function keyOfPeer({ host }: Node): RingId {
  return ringIdFromBytes(createHash('sha256').update(host.peerId.toMultihash().bytes).digest())
}

test('bytes that are no message are penalised', async () => {
  const [a, b] = [await start(31), await start(32)]
  const stream = await a.host.dialProtocol(b.host.getMultiaddrs(), CHORD_PROTOCOL)
  stream.send(Uint8Array.of(0, 0, 0, 1, 99))
  await eventually('the penalty', () => b.penalties.some(reason => /unknown type/.test(reason)))
})
