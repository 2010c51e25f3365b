import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { DialGuard, DialLimitError, dialLimits } from '../../src/libp2p/dial-guard.ts'
import { hostLimits } from '../../src/libp2p/host.ts'
import { startTestHost } from './hosts.ts'

const PEER = '12D3KooWQYV9dGMFoRzNStwpXztXaBUjtPqi6aU76ZgUriHhKust'
const at = (host: string, port: number, peer = PEER): Multiaddr =>
  multiaddr(`/${host.includes(':') ? 'ip6' : 'ip4'}/${host}/tcp/${port}/p2p/${peer}`)

class Bench {
  now = 0
  readonly guard = new DialGuard(() => this.now)

  async tries(addresses: readonly Multiaddr[]): Promise<number> {
    let made = 0
    for (const address of addresses) {
      await this.guard.dial(address, async () => void made++).catch(error => assert.ok(error instanceof DialLimitError))
    }
    return made
  }
}

const ports = (host: string, count = 100): Multiaddr[] => Array.from({ length: count }, (_, i) => at(host, i + 1))

test('a host of which no peer is known is dialled a few times, then once a second', async () => {
  const bench = new Bench()
  const { rate, burst } = dialLimits.toStranger
  assert.equal(await bench.tries(ports('203.0.113.1')), burst)
  assert.equal(await bench.tries(ports('203.0.113.2')), burst, 'another host is another matter')
  bench.now += 3_000
  assert.equal(await bench.tries(ports('203.0.113.1')), 3 * rate)
  const network = Array.from({ length: 50 }, (_, i) => at(`2001:db8:1:2::${(i + 1).toString(16)}`, 1))
  assert.equal(await bench.tries(network), burst, 'an IPv6 network is one host')
  const names = Array.from({ length: 50 }, (_, i) => multiaddr(`/dns4/n${i}.example/tcp/1/p2p/${PEER}`))
  assert.equal(await bench.tries(names), burst, 'made-up names lead wherever their owner likes')
})

test('a host on which a peer was met may run others; a peer that was found is dialled freely', async () => {
  const bench = new Bench()
  bench.guard.onConnection({ direction: 'inbound', remoteAddr: at('203.0.113.1', 50_000) })
  assert.equal(await bench.tries(ports('203.0.113.1')), dialLimits.toKnownHost.burst)
  const found = at('203.0.113.1', 4_001)
  assert.equal(await bench.tries([found]), 0, 'an inbound connection says nothing about where to dial')
  bench.guard.onConnection({ direction: 'outbound', remoteAddr: found })
  assert.equal(await bench.tries(new Array<Multiaddr>(100).fill(found)), 100)
  const other = '12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X'
  assert.equal(await bench.tries([at('203.0.113.1', 4_001, other)]), 0, 'a made-up peer at the same place is not')
})

test('one place is dialled once at a time', async () => {
  const { guard } = new Bench()
  const first = Promise.withResolvers<string>()
  const dial = guard.dial(at('203.0.113.1', 1), () => first.promise)
  const again = (): Promise<string> => guard.dial(at('203.0.113.1', 1), async () => 'again')
  await assert.rejects(again(), DialLimitError)
  first.resolve('first')
  assert.equal(await dial, 'first')
  assert.equal(await again(), 'again')
})

/** Servers that are no peers, one a host, and how often they were connected to. */
async function thirdParties(hosts: readonly string[]): Promise<{ ports: number[]; dials(): number; close(): void }> {
  let dials = 0
  const servers = hosts.map(() =>
    createServer(socket => {
      dials++
      socket.destroy()
    })
  )
  await Promise.all(servers.map((server, i) => new Promise<void>(resolve => server.listen(0, hosts[i], resolve))))
  return {
    ports: servers.map(server => (server.address() as { port: number }).port),
    dials: () => dials,
    close: () => servers.forEach(server => void server.close())
  }
}

const newPeer = async (): Promise<string> => String(peerIdFromPrivateKey(await generateKeyPair('Ed25519')))

test('a host connects to a third party no more often than that, however many peers are said to be there', async () => {
  const third = await thirdParties(['127.0.0.2'])
  const host = await startTestHost({})
  const started = performance.now()
  try {
    for (let i = 0; i < 40; i++) {
      await assert.rejects(host.dial(at('127.0.0.2', third.ports[0]!, await newPeer())))
    }
    const seconds = (performance.now() - started) / 1000
    const { rate, burst } = dialLimits.toStranger
    const dials = third.dials()
    assert.ok(dials >= 1 && dials <= burst + seconds * rate, `${dials} dials in ${seconds} s`)
  } finally {
    third.close()
    await host.stop()
  }
})

test('of a peer with many addresses a few are tried', async () => {
  const hosts = Array.from({ length: hostLimits.maxAddressesToDial + 4 }, (_, i) => `127.0.1.${i + 1}`)
  const third = await thirdParties(hosts)
  const host = await startTestHost({})
  try {
    const peer = await newPeer()
    await assert.rejects(host.dial(hosts.map((address, i) => at(address, third.ports[i]!, peer))))
    assert.equal(third.dials(), hostLimits.maxAddressesToDial)
  } finally {
    third.close()
    await host.stop()
  }
})
