import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Libp2p, PeerId } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryDatastore } from 'datastore-core'
import { ContactBook } from '../../protocols/libp2p/contacts.ts'
import { memoryLimits } from '../../src/libp2p/peer-memory.ts'
import { Reach } from '../../src/libp2p/reach.ts'
import { eventually } from '../../src/testkit/wait.ts'
import { startTestHost } from './hosts.ts'

const newPeer = async (): Promise<PeerId> => peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
const someAddress = multiaddr('/ip4/127.0.0.1/tcp/9')

async function hearOf(host: Libp2p, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await host.peerStore.merge(await newPeer(), { multiaddrs: [someAddress] })
}

const strangers = async (host: Libp2p): Promise<number> =>
  (await host.peerStore.all()).filter(({ metadata, tags }) => metadata.size === 0 && tags.size === 0).length

test('strangers are forgotten; who was found, who was named and who is connected are not', async () => {
  const datastore = new MemoryDatastore()
  const first = await startTestHost({}, undefined, { datastore })
  const [found, connected] = [await startTestHost({}), await startTestHost({})]
  const named = await newPeer()
  await new Reach(first, new ContactBook(first.peerStore)).learn(`${someAddress}/p2p/${named}`)
  await first.dial(found.getMultiaddrs())
  await eventually('it is remembered', async () => (await first.peerStore.get(found.peerId)).protocols.length > 0)
  await found.stop()
  await connected.dial(first.getMultiaddrs())
  await eventually('it is known', async () => (await first.peerStore.get(connected.peerId)).protocols.length > 0)
  await hearOf(first, memoryLimits.maxStrangers + 100)
  await eventually('the first are forgotten', async () => (await strangers(first)) <= memoryLimits.maxStrangers)
  for (const id of [found.peerId, connected.peerId, named]) assert.ok(await first.peerStore.has(id))
  await Promise.all([first.stop(), connected.stop()])

  const second = await startTestHost({}, undefined, { datastore })
  await hearOf(second, 50)
  await eventually('it counts those as well', async () => (await strangers(second)) <= memoryLimits.maxStrangers)
  for (const id of [found.peerId, named]) assert.ok(await second.peerStore.has(id))
  await second.stop()
})
