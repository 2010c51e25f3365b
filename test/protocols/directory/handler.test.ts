import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Libp2p, PeerId, PeerStore, PrivateKey } from '@libp2p/interface'
import { type ChordService, chordService } from '../../../protocols/chord/handler.ts'
import { isOwned, type RingId } from '../../../protocols/core/keyspace.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import { DIRECTORY_PROTOCOL, type DirectoryService, directoryService } from '../../../protocols/directory/handler.ts'
import {
  type DirectoryCommand,
  type DirectoryEvent,
  type Draft,
  directoryCodec,
  type Entry,
  keyOfValue,
  MemoryRecordStore,
  signedBytes
} from '../../../protocols/directory/index.ts'
import { ContactBook, contactPeers, followRecords } from '../../../protocols/libp2p/contacts.ts'
import type { DriverComponents } from '../../../protocols/libp2p/driver.ts'
import { peerCrypto } from '../../../protocols/libp2p/peer-crypto.ts'
import { peerFromId } from '../../../protocols/libp2p/peer-ids.ts'
import { RingIds } from '../../../protocols/libp2p/ring-ids.ts'
import { eventually } from '../../../src/testkit/wait.ts'
import { startTestHost } from '../../libp2p/hosts.ts'

type Components = DriverComponents & {
  peerId: PeerId
  peerStore: PeerStore
  events: EventTarget
  privateKey: PrivateKey
}

interface Node {
  host: Libp2p
  chord: ChordService
  directory: DirectoryService
  peer: Peer
  events: DirectoryEvent[]
  penalties: string[]
}

const NETWORK = 'test'
const ids = new RingIds()
const started: Libp2p[] = []
after(async () => {
  await Promise.all(started.map(host => host.stop()))
})

/** The ring and the directory alone, wired as plainly as can be. */
async function start(seed: number): Promise<Node> {
  const events: DirectoryEvent[] = []
  const penalties: string[] = []
  const onPenalty = (_: Peer, reason: string): void => void penalties.push(reason)
  let book: ContactBook | undefined
  const contactsOf = (components: Components): ContactBook => {
    if (book === undefined) {
      book = new ContactBook(components.peerStore)
      followRecords(book, components)
    }
    return book
  }
  const host = await startTestHost({
    chord: (components: Components) =>
      chordService({
        contacts: contactsOf(components),
        rng: seededRng(seed),
        ids,
        onEvent: event => {
          if (event.type === 'ring') node.directory.command(event)
          else if (event.type === 'found')
            node.directory.command({ ...event, replicas: event.successors } as DirectoryCommand)
          else if (event.type === 'lookupFailed') node.directory.command(event)
        },
        onPenalty
      })(components),
    directory: (components: Components) =>
      directoryService({
        contacts: contactsOf(components),
        rng: seededRng(seed + 1_000),
        records: new MemoryRecordStore(),
        ids,
        config: { network: NETWORK, settleMs: 100 },
        onEvent: event => {
          if (event.type === 'lookup') node.chord.command({ type: 'lookup', id: event.id, key: event.key })
          else events.push(event)
        },
        onPenalty
      })(components)
  })
  started.push(host)
  const { chord, directory } = host.services
  const node: Node = { host, chord, directory, peer: peerFromId(host.peerId), events, penalties }
  return node
}

async function ringOf(count: number, seed: number): Promise<Node[]> {
  const nodes = await Promise.all(Array.from({ length: count }, (_, i) => start(seed + i)))
  const [first, ...others] = nodes as [Node, ...Node[]]
  for (const { host } of others) await host.dial(first.host.getMultiaddrs())
  await eventually('one ring', () => isRing(nodes))
  return nodes
}

function isRing(nodes: readonly Node[]): boolean {
  const sorted = nodes.toSorted((a, b) => (ids.idOf(a.peer) < ids.idOf(b.peer) ? -1 : 1))
  return sorted.every(({ chord: { place }, directory }, i) => {
    const before = sorted.at(i - 1)?.peer
    return place.successors.length === nodes.length - 1 && place.predecessor === before && directory.arc !== undefined
  })
}

let lastId = 0

async function answer(node: Node, command: (id: number) => DirectoryCommand): Promise<DirectoryEvent> {
  const id = ++lastId
  node.directory.command(command(id))
  return await eventually(`an answer to ${id}`, () => node.events.find(event => 'id' in event && event.id === id))
}

async function put(node: Node, entry: Draft): Promise<{ key: RingId; copies: number }> {
  const event = await answer(node, id => ({ type: 'put', id, entry }))
  assert.ok(event.type === 'stored', JSON.stringify(event))
  return event
}

async function get(node: Node, key: RingId): Promise<readonly Entry[]> {
  const event = await answer(node, id => ({ type: 'get', id, key }))
  assert.ok(event.type === 'got' && event.isComplete, JSON.stringify(event))
  return event.entries
}

const holders = (nodes: readonly Node[], entries: number): number =>
  nodes.filter(({ directory }) => directory.usage.entries === entries).length

test('what one host puts every host gets; a host that stops hands over, one that breaks is made up for', async () => {
  const nodes = await ringOf(6, 1)
  const [one, two, three] = nodes as [Node, Node, Node]
  const payload = new TextEncoder().encode('what lies under its own hash')
  const { key, copies } = await put(one, { kind: 'value', payload })
  assert.equal(copies, 4)
  for (const node of nodes) {
    const [entry] = await get(node, key)
    assert.equal(entry?.publisher, one.peer)
    assert.deepEqual(Buffer.from(entry.payload), Buffer.from(payload))
  }
  await put(two, { kind: 'member', key, payload: Uint8Array.of(1) })
  assert.deepEqual(new Set((await get(three, key)).map(({ publisher }) => publisher)), new Set([one.peer, two.peer]))

  const goer = nodes.find(({ directory: { arc } }) => arc !== undefined && isOwned(arc.from, key, arc.to)) as Node
  await goer.directory.leave()
  const rest = nodes.filter(node => node !== goer)
  assert.equal(holders(rest, 2), 4, 'the fourth has it before the one that goes is gone')
  await goer.host.stop()
  await eventually('the gap is closed', () => isRing(rest))

  const broken = rest.find(({ directory }) => directory.usage.entries > 0) as Node
  await broken.host.stop()
  const left = rest.filter(node => node !== broken)
  await eventually('all four have both', () => isRing(left) && holders(left, 2) === 4)
  for (const node of left) assert.equal((await get(node, key)).length, 2)
  assert.deepEqual(
    nodes.flatMap(({ penalties }) => penalties),
    []
  )
  assert.ok(nodes.every(({ directory }) => directory.stats.faults === 0))
})

test('what is said in the name of another is refused, and who brings it is penalised; so are bytes that are no message', async () => {
  const nodes = await ringOf(2, 50)
  const [victim] = nodes as [Node]
  const payload = Uint8Array.of(1, 2, 3)
  const stranger = await cryptoOfNewKey()
  const seq = Date.now()
  const unsigned = {
    key: keyOfValue(stranger, payload),
    kind: 'value',
    publisher: victim.peer,
    seq,
    expires: Math.floor(seq / 1_000) + 60,
    isRemoved: false,
    payload
  } as const
  const signature = stranger.sign(signedBytes(NETWORK, ids.idOf(victim.peer), unsigned))
  const codec = directoryCodec(contactPeers(new ContactBook({} as never)))
  const store = frameOf(codec.encode({ type: 'store', id: 1, entry: { ...unsigned, signature } }))
  const host = await startTestHost({})
  started.push(host)
  // whoever owns the key looks at it; the other one says that it is not its own
  const streams = await Promise.all(nodes.map(node => host.dialProtocol(node.host.getMultiaddrs(), DIRECTORY_PROTOCOL)))
  for (const stream of streams) stream.send(store)
  const penalised = (reason: RegExp): Node[] => nodes.filter(({ penalties }) => penalties.some(it => reason.test(it)))
  await eventually('the penalty', () => penalised(/not signed by its publisher/).length === 1)
  assert.equal(holders(nodes, 0), 2)

  for (const stream of streams) stream.send(frameOf(Uint8Array.of(99)))
  await eventually('the penalties', () => penalised(/unknown type/).length === 2)
})

function frameOf(message: Uint8Array): Uint8Array {
  const frame = Buffer.alloc(4 + message.byteLength)
  frame.writeUInt32BE(message.byteLength)
  frame.set(message, 4)
  return frame
}

async function cryptoOfNewKey(): Promise<ReturnType<typeof peerCrypto>> {
  return peerCrypto(await generateKeyPair('Ed25519'))
}
