import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FileId, SwarmId } from '../../protocols/core/ids.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import { ContentError } from '../../protocols/exchange/content.ts'
import type { SwarmHandle, SwarmNotice, SwarmOptions } from '../../protocols/exchange/handler.ts'
import { realFiles } from '../../src/library/content/files.ts'
import { HandlePool } from '../../src/library/content/handle-pool.ts'
import { PieceCache } from '../../src/library/content/piece-cache.ts'
import { sha256 } from '../../src/sha256.ts'
import { Seeder, type SeederParts, seederConfig } from '../../src/transfers/seeder.ts'

const idOf = (i: number): FileId => Buffer.from(sha256(Buffer.from(`file ${i}`))).toString('hex') as FileId
const peer = (i: number): Peer => `peer ${i}` as Peer

class FakeSwarm {
  readonly swarm: SwarmId
  onEvent: (notice: SwarmNotice) => void
  quietMs = 0
  peers = 1
  isClosed = false
  readonly #onClosing: () => void
  readonly #gate: { close: Promise<void> }

  constructor(options: SwarmOptions, onClosing: () => void, gate: { close: Promise<void> }) {
    this.swarm = options.swarm
    this.onEvent = options.onEvent
    this.#onClosing = onClosing
    this.#gate = gate
  }

  stats(): object {
    return { peers: new Array(this.peers).fill({}) }
  }

  listen(onEvent: (notice: SwarmNotice) => void): void {
    this.onEvent = onEvent
  }

  async close(): Promise<void> {
    this.#onClosing()
    await this.#gate.close
    this.isClosed = true
  }
}

/** A seeder over a library of files that all lie at `/old`, unless they were moved. */
function make() {
  const open = new Map<SwarmId, FakeSwarm>()
  const made = new Map<SwarmId, FakeSwarm>()
  const moved = new Map<string, string>()
  const fetching = new Set<SwarmId>()
  const gate = { close: Promise.resolve() }
  const ids = Array.from({ length: 400 }, (_, i) => idOf(i))
  const pathOf = (id: string): string => moved.get(id) ?? `/old/${id}`
  const seeder = new Seeder({
    exchange: {
      swarm: (id: SwarmId) => open.get(id),
      open(options: SwarmOptions) {
        assert.equal(open.has(options.swarm), false)
        const swarm = new FakeSwarm(options, () => open.delete(options.swarm), gate)
        open.set(options.swarm, swarm)
        made.set(options.swarm, swarm)
        return swarm
      }
    },
    library: {
      swarmByPrefix(prefix: string) {
        const file = ids.find(id => id.startsWith(prefix))
        return file && { file }
      },
      locate: (id: string) => ({
        path: pathOf(id),
        size: 5,
        mtimeMs: 1,
        ino: 1,
        pieceLength: 262_144,
        pieceLayer: Buffer.from(id, 'hex')
      }),
      placesOf: (id: string) => [pathOf(id)],
      collections: () => [],
      withdraw() {}
    },
    storage: { handles: new HandlePool(realFiles), cache: new PieceCache() },
    announcer: { leave() {} },
    ownTracker: '/p2p/x',
    isFetching: (id: SwarmId) => fetching.has(id)
  } as unknown as SeederParts)
  const ask = (i: number, from: Peer): SwarmHandle | undefined => seeder.open(idOf(i).slice(0, 40), from)
  return { seeder, open, made, moved, fetching, gate, ask, swarm: (i: number) => made.get(idOf(i)) as FakeSwarm }
}

test('a seeder that is full closes what sent nothing for longest; for one that is open it is never full', () => {
  const { ask, open, swarm } = make()
  const { maxSwarms, maxPerPeer } = seederConfig
  for (let i = 0; i < maxSwarms; i++) {
    assert.ok(ask(i, peer(Math.floor(i / maxPerPeer))), `swarm ${i}`)
    swarm(i).quietMs = i === 100 ? 9_000 : i
  }
  assert.ok(ask(7, peer(99)), 'it is open')
  assert.equal(open.size, maxSwarms)
  assert.ok(ask(300, peer(99)))
  assert.equal(open.size, maxSwarms)
  assert.deepEqual([open.has(idOf(100)), open.has(idOf(300))], [false, true])
})

test('one peer opens so many swarms; the next one takes the place of one that it does not use', () => {
  const { ask, open, swarm } = make()
  const { maxPerPeer, quietMs } = seederConfig
  for (let i = 0; i < maxPerPeer; i++) assert.ok(ask(i, peer(1)))
  assert.equal(ask(50, peer(1)), undefined, 'all of them are in use')
  assert.ok(ask(50, peer(2)), 'others have room')
  swarm(3).quietMs = quietMs
  assert.ok(ask(51, peer(1)))
  assert.equal(open.has(idOf(3)), false)
  assert.equal(ask(52, peer(1)), undefined)
  swarm(4).peers = 0
  swarm(4).quietMs = 1
  assert.ok(ask(52, peer(1)), 'what was fetched is no longer in use')
  assert.equal(open.has(idOf(4)), false)
  assert.equal(open.size, maxPerPeer + 1)
})

for (const code of ['CONTENT_GONE', 'CONTENT_CHANGED', 'IO_FAILED'] as const) {
  test(`a swarm whose content cannot be read (${code})`, async () => {
    const { ask, open, swarm, seeder } = make()
    ask(1, peer(1))
    ask(2, peer(1))
    const adopted = swarm(2)
    seeder.adopt(adopted as unknown as SwarmHandle, `/old/${idOf(2)}`, undefined)
    for (const i of [1, 2]) {
      swarm(i).onEvent({ type: 'failed', during: 'reading', error: new ContentError(code, 'no') })
      assert.equal(open.has(idOf(i)), code === 'IO_FAILED', 'another disk error may pass')
    }
    await seeder.close(idOf(1))
    assert.ok(ask(1, peer(1)), 'the next one who asks gets a new swarm')
  })
}

test('a swarm of a file that lies elsewhere now is closed, another one is not', () => {
  const { ask, open, moved, seeder } = make()
  ask(1, peer(1))
  ask(2, peer(1))
  moved.set(idOf(1), '/new')
  seeder.onLibraryChange()
  assert.deepEqual([...open.keys()], [idOf(2)])
})

test('what is being fetched is not opened, and a swarm that closes is waited for', async () => {
  const { ask, fetching, gate, seeder, swarm } = make()
  const { promise, resolve } = Promise.withResolvers<void>()
  gate.close = promise
  assert.ok(ask(1, peer(1)))
  swarm(1).onEvent({ type: 'failed', during: 'reading', error: new ContentError('CONTENT_GONE', 'no') })
  fetching.add(idOf(1))
  const closed = seeder.close(idOf(1))
  resolve()
  await closed
  assert.equal(swarm(1).isClosed, true)
  assert.equal(ask(1, peer(2)), undefined)
  fetching.clear()
  assert.ok(ask(1, peer(2)))
})
