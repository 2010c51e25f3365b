import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import type { Libp2p, PeerId, PeerStore } from '@libp2p/interface'
import type { ChordCommand } from '../../protocols/chord/index.ts'
import type { RingId } from '../../protocols/core/keyspace.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import { seededRng } from '../../protocols/core/rng.ts'
import type { DirectoryComponents } from '../../protocols/directory/handler.ts'
import { ContactBook } from '../../protocols/libp2p/contacts.ts'
import { directorySchema } from '../../src/directory/record-schema.ts'
import { NodeRing } from '../../src/directory/ring.ts'
import { RingLookups } from '../../src/directory/ring-lookups.ts'
import { ringSize } from '../../src/directory/ring-size.ts'
import type { Network } from '../../src/network.ts'
import { problemsOf } from '../../src/status.ts'
import { startTestHost } from '../libp2p/hosts.ts'

const ids = new Map<Peer, RingId>()
function idOf(peer: Peer): RingId {
  const id = ids.get(peer) ?? (createHash('sha256').update(`${peer}`).digest('hex') as RingId)
  ids.set(peer, id)
  return id
}
const KEY = idOf('key' as Peer)
const COST = { asked: 0, lost: 0, lostPast: 0, stalls: 0, elapsedMs: 0 }

/** The place of one peer on a ring of so many. */
function placeOf(seed: number, size: number): { self: RingId; predecessor: Peer | undefined; successors: Peer[] } {
  const peers = Array.from({ length: size }, (_, i) => `${seed} ${i}` as Peer)
  const [self, ...others] = peers.toSorted((a, b) => (idOf(a) < idOf(b) ? -1 : 1)) as [Peer, ...Peer[]]
  return { self: idOf(self), predecessor: others.at(-1), successors: others.slice(0, 16) }
}

test('the size of the ring: exact while all are known, about right from the density of the successors', () => {
  for (const size of [1, 2, 3, 10, 17]) {
    const { self, ...place } = placeOf(1, size)
    assert.equal(ringSize(self, place, idOf), size)
  }
  for (const size of [30, 300, 1_000]) {
    const guesses = Array.from({ length: 100 }, (_, seed) => {
      const { self, ...place } = placeOf(seed, size)
      return ringSize(self, place, idOf) / size
    })
    const mean = guesses.reduce((sum, guess) => sum + guess) / guesses.length
    assert.ok(mean > 0.85 && mean < 1.15, `${mean} of ${size}`)
    const close = guesses.filter(guess => guess > 0.75 && guess < 1.33).length
    assert.ok(close >= 60, `${close} of 100 guesses of ${size} are close`)
  }
})

test('lookups of several parts do not get into one another, and all are answered when the ring is gone', () => {
  const asked: ChordCommand[] = []
  const answers: string[] = []
  const lookups = new RingLookups(command => asked.push(command))
  lookups.find(KEY, {}, found => answers.push(`a ${found?.owner}`))
  lookups.find(KEY, { orCopy: true }, found => answers.push(`b ${found?.owner}`))
  lookups.find(KEY, {}, found => answers.push(`c ${found?.owner}`))
  const [a, b, c] = asked as (ChordCommand & { type: 'lookup' })[]
  assert.deepEqual([a?.orCopy, b?.orCopy, new Set([a?.id, b?.id, c?.id]).size], [false, true, 3])
  const found = { owner: 'x' as Peer, isCopy: false, successors: [], predecessor: undefined, via: undefined, hops: 1 }
  lookups.onEvent({ type: 'found', id: b?.id as number, key: KEY, ...found, ...COST })
  lookups.onEvent({ type: 'found', id: b?.id as number, key: KEY, ...found, ...COST })
  lookups.onEvent({ type: 'lookupFailed', id: a?.id as number, key: KEY, ...COST })
  lookups.close()
  assert.deepEqual(answers, ['b x', 'a undefined', 'c undefined'])
})

test('a node that has had peers for long and no place among them has a problem, one that has just met them has none', () => {
  let now = 1_000
  let opened: number[] = []
  const connections = (): { timeline: { open: number } }[] => opened.map(open => ({ timeline: { open } }))
  const ring = new NodeRing({ database: new DatabaseSync(':memory:'), network: 'n', connections, clock: () => now })
  const network = { ring, host: { getConnections: connections }, discovery: undefined, addresses: [] }
  const codes = (): string[] => problemsOf(network as unknown as Network, Date.now()).map(({ code }) => code)
  assert.deepEqual([ring.placelessMs, ring.place.isOnRing], [0, true], 'nobody is there')
  now += 3_600_000
  opened = [Date.now()]
  assert.deepEqual([codes(), ring.place.isOnRing], [[], false])
  opened = [Date.now(), Date.now() - 120_000]
  assert.deepEqual(codes(), ['NO_RING'])
})

test('a put that cannot be written down is refused, and does not wait for ever', async () => {
  const database = new DatabaseSync(':memory:')
  database.exec(directorySchema)
  let host: Libp2p | undefined
  const ring = new NodeRing({ database, network: 'n', connections: () => host?.getConnections() ?? [] })
  type Components = DirectoryComponents & { peerId: PeerId; peerStore: PeerStore }
  const init = (components: Components) => ({
    contacts: new ContactBook(components.peerStore),
    rng: seededRng(1),
    onPenalty: () => {}
  })
  host = await startTestHost({
    chord: (components: Components) => ring.chordService(init(components))(components),
    directory: (components: Components) => ring.directoryService(init(components))(components)
  })
  try {
    ring.start()
    const value = (byte: number) => ({ kind: 'value', payload: Uint8Array.of(byte) }) as const
    const { key } = await ring.directory.put(value(1))
    // as on a full disk
    database.exec('PRAGMA query_only = ON')
    await assert.rejects(ring.directory.put(value(2)), { code: 'IO_FAILED' })
    assert.equal((await ring.directory.get(key)).entries.length, 1, 'it goes on otherwise')
    database.exec('PRAGMA query_only = OFF')
    assert.equal((await ring.directory.put(value(3))).copies, 1)
  } finally {
    await ring.leave()
    await host.stop()
  }
})
