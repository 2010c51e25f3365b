import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { Libp2p, PeerId, PeerStore, PrivateKey } from '@libp2p/interface'
import { BROKER_PROTOCOL, type BrokerService, brokerService } from '../../../protocols/broker/handler.ts'
import { type BrokerEvent, MemoryBrokerStore } from '../../../protocols/broker/index.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import { ContactBook, followRecords } from '../../../protocols/libp2p/contacts.ts'
import type { DriverComponents } from '../../../protocols/libp2p/driver.ts'
import { peerCrypto } from '../../../protocols/libp2p/peer-crypto.ts'
import { peerFromId } from '../../../protocols/libp2p/peer-ids.ts'
import { eventually } from '../../../src/testkit/wait.ts'
import { startTestHost } from '../../libp2p/hosts.ts'
import { GIB, infohashOf } from './world.ts'

type Components = DriverComponents & {
  peerId: PeerId
  peerStore: PeerStore
  events: EventTarget
  privateKey: PrivateKey
}

interface Node {
  host: Libp2p
  broker: BrokerService
  peer: Peer
  events: BrokerEvent[]
  penalties: string[]
}

const started: Libp2p[] = []
after(async () => {
  await Promise.all(started.map(host => host.stop()))
})

/** A broker alone, whose application has fetched what it is told to at once. */
async function start(seed: number): Promise<Node> {
  const events: BrokerEvent[] = []
  const penalties: string[] = []
  const host = await startTestHost({
    broker: (components: Components) => {
      const contacts = new ContactBook(components.peerStore)
      followRecords(contacts, components)
      return brokerService({
        contacts,
        rng: seededRng(seed),
        store: new MemoryBrokerStore(),
        crypto: peerCrypto(components.privateKey),
        config: { graceMs: 0, auditMs: 0, roomAnswerMs: 500, takeoverMs: 500, surplusMs: 500 },
        onEvent: event => {
          events.push(event)
          if (event.type !== 'fetch') return
          const { infohash, size } = event
          setImmediate(() => node.broker.command({ type: 'fetched', infohash, bytes: size }))
        },
        onPenalty: (_, reason) => void penalties.push(reason)
      })(components)
    }
  })
  started.push(host)
  const node: Node = { host, broker: host.services.broker, peer: peerFromId(host.peerId), events, penalties }
  return node
}

test('hosts on a network: two copies, one host breaks, two again; dropped, none; bytes that are no message', async () => {
  const nodes = await Promise.all(Array.from({ length: 5 }, (_, i) => start(i)))
  const [owner, ...others] = nodes as [Node, ...Node[]]
  for (const node of nodes) {
    for (const other of nodes) if (node.peer < other.peer) await node.host.dial(other.host.getMultiaddrs())
  }
  const peers = nodes.map(({ peer }) => peer)
  for (const { broker } of nodes) broker.command({ type: 'brokers', peers })
  for (const { broker, peer } of others) {
    const offer = { bytes: 10 * GIB, usedBytes: 0, uptimeMs: 0, uploadBytesPerS: 0, load: 0, domain: String(peer) }
    broker.command({ type: 'offer', ...offer })
  }
  const infohash = infohashOf('item')
  owner.broker.command({ type: 'put', infohash, size: GIB, copies: 2, name: 'item' })
  const holders = (): Node[] =>
    others.filter(
      ({ host, broker }) => host.status === 'started' && broker.hosted.some(({ state }) => state === 'held')
    )
  await eventually('two copies', () => holders().length === 2 && owner.events.some(({ type }) => type === 'placed'))

  await (holders()[0] as Node).host.stop()
  await eventually('two again', () => holders().length === 2)
  owner.broker.command({ type: 'drop', infohash })
  await eventually('none', () => holders().length === 0 && owner.events.some(({ type }) => type === 'dropped'))
  const running = nodes.filter(({ host }) => host.status === 'started')
  assert.deepEqual(
    running.flatMap(({ penalties }) => penalties),
    []
  )
  assert.ok(running.every(({ broker }) => broker.stats.faults === 0))

  const stranger = await startTestHost({})
  started.push(stranger)
  const stream = await stranger.dialProtocol(owner.host.getMultiaddrs(), BROKER_PROTOCOL)
  // behind its length: a message of a type that there is not
  stream.send(Uint8Array.of(0, 0, 0, 1, 250))
  await eventually('the penalty', () => owner.penalties.length === 1)
})
