import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import type { Connection, MultiaddrConnection } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { hostKeyOf, isOwnMachine } from '../../src/libp2p/host-key.ts'
import { InboundGate, inboundLimits } from '../../src/libp2p/inbound-gate.ts'
import { eventually } from '../../src/testkit/wait.ts'
import { startTestHost } from './hosts.ts'

/** An address of this machine that counts as another host. */
const STRANGER = '127.0.0.2'

test('silent sockets of one host shut nobody else out, and do not stay', async () => {
  const host = await startTestHost({})
  const port = Number(/tcp\/(\d+)/.exec(String(host.getMultiaddrs()[0]))?.[1])
  const silent: Socket[] = []
  try {
    let open = 0
    let refused = 0
    const knock = async (): Promise<void> => {
      const socket = connect({ port, host: '127.0.0.1', localAddress: STRANGER })
      silent.push(socket)
      socket.on('error', () => {})
      // an end is seen only after what comes before it
      socket.resume()
      let isOpen = false
      socket.once('connect', () => {
        isOpen = true
        open++
      })
      socket.once('close', () => {
        if (isOpen) open--
        refused++
      })
      await new Promise<void>(resolve => socket.once('connect', resolve).once('close', resolve))
    }
    while (open < 80 && refused < 40) {
      await knock()
      // more slowly than a host may connect at all
      await setTimeout(20)
    }
    const honest = await startTestHost({})
    try {
      const connection = await honest.dial(host.getMultiaddrs())
      assert.equal(connection.status, 'open')
      await eventually('the honest peer is in', () => host.getConnections(honest.peerId).length === 1)
      await eventually('few of the silent ones are left', () => open <= inboundLimits.pendingOfHost)
      await eventually('and they have to go as well', () => open === 0)
    } finally {
      await honest.stop()
    }
  } finally {
    for (const socket of silent) socket.destroy()
    await host.stop()
  }
})

test('one host has a share of the connections and no more', async () => {
  const host = await startTestHost({})
  const stranger = await createLibp2p({
    transports: [tcp({ dialOpts: { localAddress: STRANGER } as object })],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false }
  })
  try {
    for (let i = 0; i < inboundLimits.openOfHost + 10; i++) {
      await stranger.dial(host.getMultiaddrs(), { force: true }).catch(() => {})
    }
    await eventually('refused ones are gone', () => stranger.getConnections().length === host.getConnections().length)
    assert.equal(host.getConnections().length, inboundLimits.openOfHost)
    const [first] = stranger.getConnections()
    await first?.close()
    await eventually('its place is free', () => host.getConnections().length === inboundLimits.openOfHost - 1)
    await stranger.dial(host.getMultiaddrs(), { force: true })
    await eventually('and taken again', () => host.getConnections().length === inboundLimits.openOfHost)
  } finally {
    await Promise.all([stranger.stop(), host.stop()])
  }
})

class FakeSocket extends EventTarget {
  readonly status = 'open'
  readonly remoteAddr

  constructor(host: string) {
    super()
    this.remoteAddr = multiaddr(`/ip4/${host}/tcp/1`)
  }

  close(): void {
    this.dispatchEvent(new Event('close'))
  }
}

function enter(gate: InboundGate, host: string): FakeSocket | undefined {
  const socket = new FakeSocket(host)
  const raw = socket as unknown as MultiaddrConnection
  return gate.refuses(raw) || gate.refusesReady(raw) ? undefined : socket
}

test('a quarter of the connections is kept for our own dials', () => {
  const gate = new InboundGate(40)
  const sockets = Array.from({ length: 40 }, (_, i) => enter(gate, `10.0.0.${i}`))
  assert.equal(sockets.filter(socket => socket !== undefined).length, 30)
  sockets[0]?.close()
  assert.ok(enter(gate, '10.0.1.1'))
  assert.equal(enter(gate, '10.0.1.2'), undefined)
})

test('those that were pending together do not pass the limit together', () => {
  const gate = new InboundGate(400)
  for (let i = 1; i < inboundLimits.openOfHost; i++) assert.ok(enter(gate, '10.0.0.1'))
  const [one, other] = [new FakeSocket('10.0.0.1'), new FakeSocket('10.0.0.1')] as unknown as MultiaddrConnection[]
  assert.deepEqual([gate.refuses(one!), gate.refuses(other!)], [false, false])
  assert.deepEqual([gate.refusesReady(one!), gate.refusesReady(other!)], [false, true])
})

test('when it is crowded the idlest has to go: of those without a stream, one of the host with most', () => {
  const gate = new InboundGate(40)
  const connections: Connection[] = []
  const add = (host: string, protocols: string[] = [], direction = 'inbound'): Connection => {
    if (direction === 'inbound') assert.ok(enter(gate, host))
    const connection = {
      direction,
      status: 'open',
      remoteAddr: multiaddr(`/ip4/${host}/tcp/1`),
      streams: protocols.map(protocol => ({ protocol })),
      timeline: { open: connections.length }
    } as unknown as Connection
    connections.push(connection)
    return connection
  }
  add('10.0.9.1', [], 'outbound')
  const crowd = Array.from({ length: 10 }, () => add('10.0.0.1', ['/ipfs/id/1.0.0']))
  const busy = Array.from({ length: 10 }, () => add('10.0.0.1', ['/shoal/exchange/1.0.0']))
  for (let i = 0; i < 7; i++) add(`10.0.1.${i}`)
  assert.equal(gate.toClose(connections.at(-1)!, connections), undefined, 'there is room')
  const newcomer = add('10.0.2.1')
  assert.equal(gate.toClose(newcomer, connections), crowd.at(-1))
  const working = [...busy, newcomer, ...connections.filter(({ direction }) => direction === 'outbound')]
  assert.equal(gate.toClose(newcomer, working), busy.at(-1), 'never the newcomer itself, nor one that we opened')
})

test('one host is an IPv4 address however it is written, or an IPv6 network', () => {
  const key = (address: string): string => hostKeyOf(multiaddr(address))
  assert.equal(key('/ip4/1.2.3.4/tcp/1'), key('/ip6/::ffff:1.2.3.4/tcp/2'))
  assert.equal(key('/ip6/2001:db8:0:7::1/tcp/1'), key('/ip6/2001:db8:0:7:ffff::9/tcp/1'))
  assert.equal(key('/ip6/2001:db8::1/tcp/1'), key('/ip6/2001:db8:0:0:1::/tcp/1'))
  assert.notEqual(key('/ip6/2001:db8:0:7::1/tcp/1'), key('/ip6/2001:db8:0:8::1/tcp/1'))
  assert.equal(key('/ip6zone/eth0/ip6/fe80::1/tcp/1'), key('/ip6/fe80::2/tcp/1'))
  assert.equal(key('/dns4/a.example/tcp/1'), key('/dns6/b.example/tcp/1'))
  const own = ['/ip4/127.0.0.1/tcp/1', '/ip6/::1/tcp/1', '/ip6/::ffff:127.0.0.1/tcp/1']
  assert.ok(own.every(address => isOwnMachine(key(address))))
  assert.ok(!isOwnMachine(key('/ip4/127.0.0.2/tcp/1')) && !isOwnMachine(key('/ip6/::2/tcp/1')))
})
