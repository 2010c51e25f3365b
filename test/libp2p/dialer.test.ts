import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Libp2p, PeerId } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { Dialer, dialerConfig } from '../../src/libp2p/dialer.ts'

const newPeer = async (): Promise<PeerId> => peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
const addressOf = (peer: PeerId): string => `/ip4/127.0.0.1/tcp/9/p2p/${peer}`
const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

interface Remembered {
  id: PeerId
  protocols?: string[]
}

/** A host that remembers peers and dials for ever, until it is told that all dials have failed. */
class FakeHost {
  readonly peerId: PeerId
  readonly dialled: string[] = []
  readonly peerStore
  #underWay: ((error: Error) => void)[] = []

  constructor(self: PeerId, remembered: readonly Remembered[]) {
    this.peerId = self
    this.peerStore = {
      all: async () =>
        remembered.map(({ id, protocols = ['/shoal/overlay/1.1.0'] }) => ({
          id,
          protocols,
          addresses: [{ multiaddr: multiaddr(addressOf(id)) }]
        }))
    }
  }

  getPeers(): PeerId[] {
    return []
  }

  dial([address]: Multiaddr[]): Promise<never> {
    this.dialled.push(String(address?.getComponents().at(-1)?.value))
    return new Promise((_, reject) => this.#underWay.push(reject))
  }

  async failAll(): Promise<void> {
    for (const fail of this.#underWay.splice(0)) fail(new Error('nobody is there'))
    await turn()
  }
}

async function withDialer(
  remembered: readonly Remembered[],
  work: (dialer: Dialer, host: FakeHost) => Promise<void>
): Promise<void> {
  const host = new FakeHost(await newPeer(), remembered)
  const dialer = new Dialer({ host: host as unknown as Libp2p, isWelcome: () => true })
  try {
    await work(dialer, host)
  } finally {
    dialer.stop()
  }
}

test('peers that are there are dialled before those that were', async () => {
  const remembered = await Promise.all(Array.from({ length: 30 }, async () => ({ id: await newPeer() })))
  const [heard, given, trigger] = [await newPeer(), await newPeer(), await newPeer()]
  await withDialer(remembered, async (dialer, host) => {
    await dialer.start([])
    const first = [...host.dialled]
    assert.equal(first.length, dialerConfig.maxParallelDials)
    dialer.found([addressOf(heard)], 'mdns')
    dialer.found([addressOf(given)], 'given')
    assert.deepEqual(host.dialled, first, 'all hands are busy')
    await host.failAll()
    dialer.found([addressOf(trigger)], 'mdns')
    const next = host.dialled.slice(first.length)
    assert.deepEqual(next.slice(0, 3), [given, heard, trigger].map(String))
    assert.equal(next.length, dialerConfig.maxParallelDials)
    assert.ok(
      next.every(peer => !first.includes(peer)),
      'and none again at once'
    )
  })
})

test('a peer of an earlier run that is heard on the network goes first as well', async () => {
  const remembered = await Promise.all(Array.from({ length: 30 }, async () => ({ id: await newPeer() })))
  const last = remembered.at(-1)!.id
  await withDialer(remembered, async (dialer, host) => {
    await dialer.start([])
    const before = host.dialled.length
    dialer.found([addressOf(last)], 'mdns')
    await host.failAll()
    dialer.found([addressOf(last)], 'mdns')
    assert.equal(host.dialled[before], String(last))
  })
})

test('a peer that was only heard of in an earlier run is not dialled in this one', async () => {
  const [met, heard] = [await newPeer(), await newPeer()]
  await withDialer([{ id: heard, protocols: [] }, { id: met }], async (dialer, host) => {
    await dialer.start([])
    assert.deepEqual(host.dialled, [String(met)])
  })
})
