import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Connection, PeerId, Stream, StreamHandler } from '@libp2p/interface'
import { defaultLogger } from '@libp2p/logger'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { streamPair } from '@libp2p/utils'
import { seededRng } from '../../../protocols/core/rng.ts'
import { type ExchangeComponents, ExchangeService, type SwarmHandle } from '../../../protocols/exchange/handler.ts'
import { peerFromId } from '../../../protocols/libp2p/peer-ids.ts'
import { eventually } from '../../../src/testkit/wait.ts'
import { SWARM } from './exchange-hosts.ts'
import { MemoryContent, sampleOf, sha256 } from './memory-content.ts'

const sample = sampleOf([100_000], 16 * 1024)

interface Side {
  id: PeerId
  handle: SwarmHandle
  service: ExchangeService
  accept: StreamHandler
  downs: number
  penalties: string[]
  /** Streams that it dialled and that have not reached the other side yet. */
  onTheWay: Stream[]
  open: () => Promise<void>
}

/** An exchange whose streams reach the other side when the test says so. */
async function sideWith(id: PeerId): Promise<Side> {
  const side = { id, downs: 0, penalties: [] as string[], onTheWay: [] as Stream[], open: async () => {} } as Side
  const components = {
    peerId: id,
    logger: defaultLogger(),
    registrar: {
      handle: async (_: string, handler: StreamHandler) => {
        side.accept = handler
      },
      unhandle: async () => {}
    },
    connectionManager: {
      getConnections: () => [{}],
      openStream: async () => {
        await side.open()
        const [ours, theirs] = await streamPair()
        side.onTheWay.push(theirs)
        return ours
      }
    }
  } as unknown as ExchangeComponents
  side.service = new ExchangeService(components, {
    onWanted: async () => undefined,
    onPenalty: (_, reason) => side.penalties.push(reason),
    sha256,
    rng: seededRng(1)
  })
  await side.service.start()
  side.handle = side.service.open({
    swarm: SWARM,
    content: MemoryContent.empty(sample),
    onEvent: ({ type }) => {
      if (type === 'peerDown') side.downs++
    }
  })
  return side
}

/** Two sides; the id of the first one sorts first. */
async function twoSides(): Promise<[Side, Side]> {
  const ids = [
    peerIdFromPrivateKey(await generateKeyPair('Ed25519')),
    peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
  ].sort((a, b) => (peerFromId(a) < peerFromId(b) ? -1 : 1))
  return [await sideWith(ids[0]!), await sideWith(ids[1]!)]
}

function deliver(from: Side, to: Side): void {
  for (const stream of from.onTheWay.splice(0)) void to.accept(stream, { remotePeer: from.id } as Connection)
}

const turns = (): Promise<void> => new Promise(resolve => setTimeout(resolve, 50))

for (const order of ['first', 'last', 'both'] as const) {
  test(`two dials cross, what arrives first is that of: ${order}`, async () => {
    const [first, last] = await twoSides()
    const dials = [first.handle.connect(last.id), last.handle.connect(first.id)]
    await eventually('both have sent their handshakes', () => first.onTheWay.length + last.onTheWay.length === 2)
    await turns()
    if (order !== 'last') deliver(first, last)
    if (order === 'first') await turns()
    deliver(last, first)
    if (order === 'last') await turns()
    deliver(first, last)
    assert.deepEqual(await Promise.all(dials), [true, false])
    await turns()
    for (const [side, other] of [
      [first, last],
      [last, first]
    ] as const) {
      assert.equal(side.handle.isConnected(peerFromId(other.id)), true)
      assert.equal(side.handle.stats().peers.length, 1)
      assert.equal(side.downs, 0)
      assert.deepEqual(side.penalties, [])
    }
    await Promise.all([first.service.stop(), last.service.stop()])
  })
}

test('a dial that has no stream yet gives way, whoever makes it', async () => {
  const [first, last] = await twoSides()
  const opening = Promise.withResolvers<void>()
  first.open = () => opening.promise
  const dials = [first.handle.connect(last.id), last.handle.connect(first.id)]
  await eventually('the other one is on its way', () => last.onTheWay.length === 1)
  deliver(last, first)
  assert.equal(await dials[1], true)
  opening.resolve()
  assert.equal(await dials[0], false)
  deliver(first, last) // a stream without a handshake
  await turns()
  assert.equal(first.handle.stats().peers.length, 1)
  assert.equal(last.handle.stats().peers.length, 1)
  assert.equal(first.downs + last.downs, 0)
  assert.deepEqual([...first.penalties, ...last.penalties], [])
  await Promise.all([first.service.stop(), last.service.stop()])
})
