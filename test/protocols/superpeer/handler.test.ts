import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { Libp2p, PeerId, PeerStore, PrivateKey } from '@libp2p/interface'
import type { Peer } from '../../../protocols/core/peer.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import { ContactBook, followRecords } from '../../../protocols/libp2p/contacts.ts'
import type { DriverComponents } from '../../../protocols/libp2p/driver.ts'
import { peerCrypto } from '../../../protocols/libp2p/peer-crypto.ts'
import { type SuperPeerService, superPeerService } from '../../../protocols/superpeer/handler.ts'
import { MemoryCatalogueStore, type SuperPeerEvent } from '../../../protocols/superpeer/index.ts'
import { eventually } from '../../../src/testkit/wait.ts'
import { startTestHost } from '../../libp2p/hosts.ts'
import { itemNamed } from './world.ts'

interface Node {
  host: Libp2p
  service: SuperPeerService
  peer: Peer
  events: SuperPeerEvent[]
  penalties: string[]
}

const started: Libp2p[] = []
after(async () => {
  await Promise.all(started.map(host => host.stop()))
})

type Components = DriverComponents & {
  peerId: PeerId
  peerStore: PeerStore
  events: EventTarget
  privateKey: PrivateKey
}

async function start(seed: number): Promise<Node> {
  const events: SuperPeerEvent[] = []
  const penalties: string[] = []
  const host = await startTestHost({
    superPeer: (components: Components) => {
      const contacts = new ContactBook(components.peerStore)
      followRecords(contacts, components)
      const service: SuperPeerService = superPeerService({
        contacts,
        rng: seededRng(seed),
        crypto: peerCrypto(components.privateKey),
        store: new MemoryCatalogueStore(),
        onEvent: event => {
          events.push(event)
          if (event.type !== 'search') return
          const account = { peersAsked: 0, messages: 0, complete: true, more: false }
          service.command({ type: 'searched', ask: event.ask, account })
        },
        onPenalty: (_, reason) => penalties.push(reason)
      })(components)
      return service
    }
  })
  started.push(host)
  return { host, service: host.services.superPeer, peer: host.peerId.toString() as Peer, events, penalties }
}

test('hosts attach, find one another by two super-peers, and lose one that stops', async () => {
  const nodes = await Promise.all([1, 2, 3, 4].map(start))
  const [first, second, alice, bob] = nodes as [Node, Node, Node, Node]
  for (const node of [first, second]) node.service.setRole('super')
  for (const node of [alice, bob]) {
    for (const { host } of [first, second]) {
      await node.host.peerStore.merge(host.peerId, { multiaddrs: host.getMultiaddrs() })
    }
    node.service.setRole('peer')
    node.service.command({ type: 'catalogue', items: [itemNamed(`a picture of ${node === alice ? 'alice' : 'bob'}`)] })
    node.service.command({ type: 'known', peers: [first.peer, second.peer] })
  }
  await eventually('both rest', () => alice.service.isResting && bob.service.isResting)
  assert.equal(first.service.clients.length, 2)
  assert.deepEqual(
    first.service.lookup({ kind: 'words', text: 'bob' }, 10).map(({ holder }) => holder),
    [bob.peer]
  )
  assert.ok([...second.service.keys()].includes('alice'))

  alice.service.command({ type: 'search', search: 1, query: { kind: 'words', text: 'picture' } })
  await eventually('the search ends', () => alice.events.some(({ type }) => type === 'searchDone'))
  const hits = alice.events.flatMap(event => (event.type === 'hits' ? [event.holder] : []))
  assert.deepEqual(new Set(hits), new Set([alice.peer, bob.peer]))
  assert.throws(
    () => alice.service.command({ type: 'search', search: 2, query: { kind: 'words', text: '' } }),
    RangeError
  )

  await first.host.stop()
  await eventually('one is missed', () => bob.service.supers.length === 1)
  assert.deepEqual(bob.service.supers, [second.peer])
  assert.deepEqual(
    nodes.flatMap(({ penalties }) => penalties),
    []
  )
})

test('a service that was stopped starts again with what it was told', async () => {
  const node = await start(9)
  node.service.setRole('super')
  assert.equal(node.service.role, 'super')
  await node.service.beforeStop()
  await node.service.stop()
  assert.equal(node.service.stats.faults, 0)
  await node.service.start()
  assert.equal(node.service.role, 'super')
})
