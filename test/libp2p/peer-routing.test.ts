import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:net'
import { after, test } from 'node:test'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Libp2p, PeerId, Stream } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { pbStream } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryDatastore } from 'datastore-core'
import { CID } from 'multiformats/cid'
import { identity } from 'multiformats/hashes/identity'
import { contactLimits } from '../../protocols/libp2p/contacts.ts'
import { KAD_PROTOCOL, routingLimits } from '../../src/libp2p/peer-routing.ts'
import { eventually } from '../../src/testkit/wait.ts'
import { startTestHost } from './hosts.ts'

interface KadMessage {
  type: string
  key?: Uint8Array
  closer: { id: Uint8Array; multiaddrs: Uint8Array[] }[]
  providers: { id: Uint8Array; multiaddrs: Uint8Array[] }[]
}
// kad-dht does not export its messages
const { Message } = await import(new URL('./message/dht.js', import.meta.resolve('@libp2p/kad-dht')).href)
const kad = (stream: Stream) => pbStream(stream).pb<KadMessage>(Message)

const hosts: Libp2p[] = []
after(async () => {
  await Promise.all(hosts.map(host => host.stop()))
})

async function start(...init: Parameters<typeof startTestHost>): Promise<Libp2p> {
  const host = await startTestHost(...init)
  hosts.push(host)
  return host
}

const newPeer = async (): Promise<PeerId> => peerIdFromPrivateKey(await generateKeyPair('Ed25519'))

/** A server that is no peer, and counts who connects. */
async function thirdParty(): Promise<{ address: string; dials(): number; server: Server }> {
  let dials = 0
  const server = createServer(socket => {
    dials++
    socket.destroy()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.2', resolve))
  server.unref()
  const { port } = server.address() as { port: number }
  return { address: `/ip4/127.0.0.2/tcp/${port}`, dials: () => dials, server }
}

/** A peer that answers every question with these. */
async function liar(closer: KadMessage['closer']): Promise<{ host: Libp2p; asked(): number }> {
  const host = await start({})
  let asked = 0
  await host.unhandle(KAD_PROTOCOL)
  await host.handle(KAD_PROTOCOL, async stream => {
    const messages = kad(stream)
    const question = await messages.read()
    asked++
    await messages.write({ ...question, closer, providers: [] })
  })
  return { host, asked: () => asked }
}

test('what kad-dht is told makes it dial nobody, and is not kept', async () => {
  const victim = await thirdParty()
  const made = await Promise.all(Array.from({ length: 60 }, newPeer))
  const closer = made.map(id => ({
    id: id.toMultihash().bytes,
    multiaddrs: [multiaddr(victim.address).bytes]
  }))
  const { host: hostile, asked } = await liar(closer)
  const host = await start({})
  await host.dial(hostile.getMultiaddrs())
  await eventually('it looks for peers near itself', () => asked() > 0)
  // a lookup of our own comes after what it was told then
  await assert.rejects(host.peerRouting.findPeer(await newPeer()))
  await assert.rejects(host.peerRouting.findPeer(await newPeer()))
  assert.equal(victim.dials(), 0)
  for (const id of made) assert.equal(await host.peerStore.has(id), false)
  assert.deepEqual(host.getPeers().map(String), [String(hostile.peerId)])
  victim.server.close()
})

test('an answer that is too long is not read', async () => {
  const target = await newPeer()
  const bytes = { id: target.toMultihash().bytes, multiaddrs: [multiaddr('/ip4/127.0.0.2/tcp/1').bytes] }
  const few = await liar([bytes])
  const many = await liar(Array.from({ length: routingLimits.answerBytes / 40 }, () => bytes))
  const host = await start({})
  await host.dial(many.host.getMultiaddrs())
  await eventually('it is asked', async () => {
    await assert.rejects(host.peerRouting.findPeer(target))
    return many.asked() > 0
  })
  await host.dial(few.host.getMultiaddrs())
  await eventually('the short answer', async () => (await host.peerRouting.findPeer(target)).multiaddrs.length === 1)
})

test('a peer is found through a peer that both know: a few of its addresses, which it has signed', async () => {
  const [a, b] = [await start({}), await start({})]
  const c = await start({}, undefined, { listen: Array.from({ length: 9 }, () => '/ip4/127.0.0.1/tcp/0') })
  await b.dial(c.getMultiaddrs())
  await a.dial(b.getMultiaddrs())
  await eventually('a finds c', async () => {
    const { multiaddrs } = await a.peerRouting.findPeer(c.peerId)
    assert.ok(multiaddrs.length > 0 && multiaddrs.length <= contactLimits.maxAddresses)
    return true
  })
  const connection = await a.dial(c.peerId)
  assert.ok(connection.remotePeer.equals(c.peerId))
})

test('providers are refused: nothing is stored, and no address that is not signed', async () => {
  const datastore = new MemoryDatastore()
  const host = await start({}, undefined, { datastore })
  const hostile = await start({})
  await hostile.dial(host.getMultiaddrs())
  const stream = await hostile.dialProtocol(host.getMultiaddrs(), KAD_PROTOCOL)
  await kad(stream).write({
    type: 'ADD_PROVIDER',
    key: CID.createV1(0x55, identity.digest(new Uint8Array(1_000))).bytes,
    closer: [],
    providers: [{ id: hostile.peerId.toMultihash().bytes, multiaddrs: [multiaddr('/ip4/127.0.0.2/tcp/9').bytes] }]
  })
  await eventually('the stream is ended', () => stream.status === 'reset')
  const keys = await Array.fromAsync(datastore.queryKeys({}), String)
  assert.deepEqual(
    keys.filter(key => key.startsWith('/dht')),
    []
  )
  const { addresses } = await host.peerStore.get(hostile.peerId)
  assert.ok(addresses.every(({ multiaddr: address }) => !address.toString().includes('127.0.0.2')))
})

test('questions beyond the rate, and frames that are none, are penalised', async () => {
  const penalties: string[] = []
  const host = await start({}, undefined, { onPenalty: (_, reason) => void penalties.push(reason) })
  const hostile = await start({})
  const stream = await hostile.dialProtocol(host.getMultiaddrs(), KAD_PROTOCOL)
  stream.send(new Uint8Array(2 * routingLimits.questionBytes.burst).fill(0xff, 0, 3))
  await eventually('the stream is ended', () => stream.status === 'reset')
  assert.deepEqual(penalties, [`${KAD_PROTOCOL}: too many questions`])
})
