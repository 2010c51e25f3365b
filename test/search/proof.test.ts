import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { seededRng } from '../../protocols/core/rng.ts'
import { ContactBook } from '../../protocols/libp2p/contacts.ts'
import { peerFromId } from '../../protocols/libp2p/peer-ids.ts'
import { type OverlayService, overlayService } from '../../protocols/overlay/handler.ts'
import { PROOF_PROTOCOL, type ProofService, proofService } from '../../protocols/proof/handler.ts'
import { type SearchService, searchService } from '../../protocols/search/handler.ts'
import type { SearchEvent, SearchOptions, SearchResult, Share } from '../../src/api.ts'
import { createNode, type ShoalNode } from '../../src/node.ts'
import { sha256 } from '../../src/sha256.ts'
import { writeRandomFile } from '../../src/testkit/files.ts'
import { eventually } from '../../src/testkit/wait.ts'
import { startTestHost } from '../libp2p/hosts.ts'
import { Sample } from '../protocols/proof/samples.ts'

const folder = mkdtempSync(join(tmpdir(), 'shoal-proof-'))
after(() => rmSync(folder, { recursive: true, force: true }))
let made = 0
const fresh = (): string => join(folder, `t${made++}`)

async function withNodes(
  work: (start: (peers?: ShoalNode[], watch?: boolean) => Promise<ShoalNode>) => Promise<void>
): Promise<void> {
  const nodes: ShoalNode[] = []
  try {
    await work(async (peers = [], watch = true) => {
      const addresses = await Promise.all(peers.map(async peer => (await peer.status()).addresses[0] as string))
      const node = await createNode({
        home: fresh(),
        interfaces: ['lo'],
        discovery: false,
        watch,
        ...(addresses.length === 0 ? {} : { peers: addresses })
      })
      nodes.push(node)
      if (peers.length > 0) {
        await eventually('neighbours', async () => (await node.status()).peers.neighbours >= peers.length)
      }
      return node
    })
  } finally {
    await Promise.all(nodes.map(node => node.close()))
  }
}

async function share(node: ShoalNode, path: string): Promise<Share> {
  let shared: Share | undefined
  for await (const event of node.share([path])) if (event.type === 'shared') shared = event.share
  assert.ok(shared)
  return shared
}

interface Found {
  results: SearchResult[]
  events: SearchEvent[]
  liars: string[]
  done: Extract<SearchEvent, { type: 'done' }>
}

async function search(node: ShoalNode, query: string, options: SearchOptions = {}): Promise<Found> {
  const results = new Map<number, SearchResult>()
  const events = await Array.fromAsync(node.search(query, options))
  for (const event of events) if (event.type === 'result') results.set(event.result.number, event.result)
  const done = events.at(-1)
  assert.ok(done?.type === 'done')
  const liars = events.flatMap(event => (event.type === 'liar' ? [event.peerId] : []))
  return { results: [...results.values()], events, liars, done }
}

function proofsOf(node: ShoalNode): ProofService {
  return (node.host!.services as unknown as { proof: ProofService }).proof
}

/** As if it had been written long ago: what was written a moment ago is not indexed again at once. */
function makeOld(path: string, seconds: number): void {
  utimesSync(path, seconds, seconds)
}

const peerIdOf = async (node: ShoalNode): Promise<string> => (await node.status()).peerId

/** The node still answers searches, and to questions for proof what the test says. */
async function answerWith(node: ShoalNode, reply: (stream: Stream) => void): Promise<void> {
  await node.host!.unhandle(PROOF_PROTOCOL)
  await node.host!.handle(PROOF_PROTOCOL, stream => reply(stream))
}

function frame(bytes: Uint8Array): Uint8Array {
  const framed = new Uint8Array(4 + bytes.byteLength)
  new DataView(framed.buffer).setUint32(0, bytes.byteLength)
  framed.set(bytes, 4)
  return framed
}

test('what a search finds is shown as proven by every holder', () =>
  withNodes(async start => {
    const [one, two] = [fresh(), fresh()]
    await writeRandomFile(join(one, 'sea film.mkv'), 3_000_000, 1)
    await writeRandomFile(join(one, 'sea picture.jpg'), 5_000, 2)
    await writeRandomFile(join(two, 'sea film.mkv'), 3_000_000, 1)
    const a = await start()
    const b = await start([a])
    await share(a, one)
    await share(b, two)
    const asker = await start([a, b])
    const { results, events, done } = await search(asker, 'sea')
    const shown = results.map(({ name, proven, state, holders }) => [name, proven, state, holders.length]).sort()
    assert.deepEqual(
      shown,
      [
        [`${one.split('/').at(-1)}/sea picture.jpg`, 1, 'proven', 1],
        [results.find(({ size }) => size === 3_000_000)!.name, 2, 'proven', 2]
      ].sort()
    )
    assert.equal(done.results, 2)
    const first = events.find(event => event.type === 'result')
    assert.ok(first?.type === 'result' && first.result.state === 'checking', 'it is shown at once, and as what it is')
    const { results: own } = await search(a, 'picture')
    assert.deepEqual([own[0]?.mine, own[0]?.proven, own[0]?.state], [true, 1, 'proven'])
  }))

test('without proofs nothing is asked, and nothing is called proven', () =>
  withNodes(async start => {
    const place = fresh()
    await writeRandomFile(join(place, 'sea film.mkv'), 3_000_000, 1)
    const holder = await start()
    await share(holder, place)
    const asker = await start([holder])
    let streams = 0
    await answerWith(holder, stream => {
      streams++
      stream.abort(new Error('not wanted'))
    })
    const { results } = await search(asker, 'film', { prove: false })
    assert.deepEqual(
      results.map(({ proven, state, holders }) => [proven, state, holders.length]),
      [[0, 'unproven', 1]]
    )
    assert.equal(proofsOf(asker).stats.asked, 0)
    assert.equal(streams, 0)
    await search(asker, 'film')
    assert.equal(streams, 1, 'and with proofs it is')
  }))

test('a holder that sends a wrong proof is named, penalised and not shown; an honest one of the same file is', () =>
  withNodes(async start => {
    const [one, two] = [fresh(), fresh()]
    await writeRandomFile(join(one, 'sea film.mkv'), 300_000, 1)
    await writeRandomFile(join(one, 'other film.mkv'), 200_000, 2)
    await writeRandomFile(join(two, 'sea film.mkv'), 300_000, 1)
    const liar = await start()
    const honest = await start()
    await share(liar, one)
    await share(honest, two)
    await answerWith(liar, stream => {
      // of the right shape for 300,000 bytes, made up
      const blocks = Math.ceil(300_000 / 16_384)
      const answer = new Uint8Array(9 + 16_384 + (300_000 - (blocks - 1) * 16_384) + 2 * 5 * 32).fill(7)
      answer[0] = 1
      new DataView(answer.buffer).setBigUint64(1, 300_000n)
      stream.send(frame(answer))
      void stream.close()
    })
    const asker = await start([liar, honest])
    const { results, liars, done } = await search(asker, 'film')
    const liarId = await peerIdOf(liar)
    assert.deepEqual(liars, [liarId])
    const sea = results.find(({ size }) => size === 300_000)
    assert.deepEqual([sea?.holders, sea?.proven, sea?.state], [[await peerIdOf(honest)], 1, 'proven'])
    const other = results.find(({ size }) => size === 200_000)
    assert.ok(other === undefined || other.holders.length === 0, 'what only the liar named has no holder')
    assert.equal(done.results, 1)
    const known = (await asker.peers()).find(({ peerId }) => peerId === liarId)
    assert.match(known?.penalties?.[0]?.reason ?? '', /does not lead to its id/)
    assert.deepEqual((await search(asker, 'film')).liars, [liarId], 'twice is too often')
    await eventually('it is sent away', async () => (await asker.peers()).every(({ peerId }) => peerId !== liarId))
  }))

test('a holder that stays silent is not penalised, and keeps the end of a search for a moment only', () =>
  withNodes(async start => {
    const place = fresh()
    await writeRandomFile(join(place, 'sea film.mkv'), 300_000, 1)
    const silent = await start()
    await share(silent, place)
    await answerWith(silent, () => {})
    const asker = await start([silent])
    const { results, liars } = await search(asker, 'film')
    assert.deepEqual(
      results.map(({ proven, state, holders }) => [proven, state, holders.length]),
      [[0, 'unproven', 1]]
    )
    assert.deepEqual(liars, [])
    assert.equal((await asker.peers())[0]?.penalties, undefined)
  }))

test('a file that was changed after it was indexed is refused, and looked at again', () =>
  withNodes(async start => {
    const place = fresh()
    const path = join(place, 'sea film.mkv')
    await writeRandomFile(path, 300_000, 1)
    const holder = await start([], false)
    await share(holder, place)
    const asker = await start([holder])
    assert.equal((await search(asker, 'film')).results[0]?.state, 'proven')

    appendFileSync(path, 'more')
    makeOld(path, 1_600_000_000)
    const { results, liars } = await search(asker, 'film')
    assert.deepEqual([results[0]?.size, results[0]?.state], [300_000, 'unproven'])
    assert.deepEqual(liars, [])
    await eventually('it is indexed as it is', async () => (await holder.shares())[0]?.bytes === 300_004)
    const { results: now } = await search(asker, 'film')
    assert.deepEqual([now[0]?.size, now[0]?.state], [300_004, 'proven'])

    rmSync(path)
    assert.equal((await search(asker, 'film')).results[0]?.state, 'unproven')
    await eventually('it is gone', async () => (await holder.shares())[0]?.files === 0)
  }))

test('a change that leaves size and time as they were is seen, because what is sent is checked', () =>
  withNodes(async start => {
    const place = fresh()
    const path = join(place, 'sea film.mkv')
    await writeRandomFile(path, 16_384, 1)
    makeOld(path, 1_600_000_000)
    const holder = await start([], false)
    await share(holder, place)
    const asker = await start([holder])
    const bytes = readFileSync(path)
    bytes[5]! ^= 1
    writeFileSync(path, bytes)
    makeOld(path, 1_600_000_000)
    const { results, liars } = await search(asker, 'film')
    assert.deepEqual([results[0]?.state, liars], ['unproven', []])
  }))

test('a holder that was named with another size is shown with the one that it proves', () =>
  withNodes(async start => {
    const asker = await start()
    const sample = new Sample(100_000)
    let contacts: ContactBook | undefined
    const host = await startTestHost<{ overlay: OverlayService; search: SearchService; proof: ProofService }>({
      overlay: components =>
        overlayService({
          contacts: (contacts ??= new ContactBook(components.peerStore)),
          rng: seededRng(1),
          onEvent: event => host.services.search.command(event),
          onPenalty: () => {}
        })(components),
      search: components =>
        searchService({
          contacts: (contacts ??= new ContactBook(components.peerStore)),
          rng: seededRng(2),
          lookup: () => [
            { holder: peerFromId(components.peerId), hits: [{ id: sample.id, name: 'sea film.mkv', size: 5 }] }
          ],
          onEvent: () => {},
          onPenalty: () => {}
        })(components),
      proof: proofService({ open: () => sample, sha256, onPenalty: () => {} })
    })
    try {
      await host.dial((await asker.status()).addresses.map(address => multiaddr(address)))
      await eventually('neighbours', async () => (await asker.status()).peers.neighbours === 1)
      const { results, liars, done } = await search(asker, 'film')
      assert.deepEqual(
        results.map(({ size, state, holders, name }) => [size, state, holders.length, name]),
        [
          [5, 'unproven', 0, 'sea film.mkv'],
          [100_000, 'proven', 1, 'sea film.mkv']
        ]
      )
      assert.deepEqual([liars, done.results], [[], 1])
      assert.equal((await asker.peers())[0]?.penalties, undefined)
    } finally {
      await host.stop()
    }
  }))

test('a node that stops while proofs are under way stops', () =>
  withNodes(async start => {
    const place = fresh()
    mkdirSync(place)
    writeFileSync(join(place, 'sea.txt'), 'sea')
    const silent = await start()
    await share(silent, place)
    let asked = false
    await answerWith(silent, () => {
      asked = true
    })
    const asker = await start([silent])
    const searching = search(asker, 'sea')
    await eventually('it is asked', () => asked)
    await asker.close()
    assert.equal((await searching).results[0]?.state, 'unproven')
  }))
