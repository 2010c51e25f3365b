import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { GetEvent, SearchEvent } from '../../src/api.ts'
import { sha256OfFile, writeRandomFile } from '../../src/testkit/files.ts'
import { Lan } from '../../src/testkit/namespaces.ts'
import { ProcessPeer } from '../../src/testkit/process-peer.ts'
import { eventually } from '../../src/testkit/wait.ts'

const MIB = 1024 * 1024
const folder = mkdtempSync(join(tmpdir(), 'shoal-lan-'))
const lans: Lan[] = []
const peers: ProcessPeer[] = []

after(async () => {
  await Promise.all(peers.map(peer => peer.stop()))
  for (const lan of lans) lan.remove()
  rmSync(folder, { recursive: true, force: true })
})

/** Peers as they are started on machines: nobody is told an address or an interface. */
async function startOn(lan: Lan, name: string, folders: string[][]): Promise<ProcessPeer[]> {
  lans.push(lan)
  const started: ProcessPeer[] = []
  for (const [i, host] of lan.hosts.entries()) {
    const home = join(folder, `${name}${i}`)
    started.push(await ProcessPeer.start({ home, folders: folders[i] ?? [], under: host.under }))
  }
  peers.push(...started)
  return started
}

test('three machines on a LAN: no address typed, found by mDNS, search and fetch from both holders', async () => {
  const original = join(folder, 'share0', 'holiday film.mkv')
  await writeRandomFile(original, 256 * MIB, 1)
  await writeRandomFile(join(folder, 'share1', 'same film, other name.mkv'), 256 * MIB, 1)

  const folders = [[join(folder, 'share0')], [join(folder, 'share1')]]
  const [first, second, searcher] = (await startOn(new Lan(3), 'four', folders)) as [
    ProcessPeer,
    ProcessPeer,
    ProcessPeer
  ]
  for (const holder of [first, second]) {
    await eventually('both holders have hashed', async () => (await holder.shoal.status()).shared.files === 1)
  }
  const known = await eventually('the searcher knows two peers', async () => {
    const list = await searcher.shoal.peers()
    return list.length >= 2 && list.some(peer => peer.neighbour) ? list : undefined
  })
  assert.ok(
    known.some(peer => peer.foundBy === 'mdns') || known.every(peer => peer.foundBy === 'dialled us'),
    JSON.stringify(known)
  )
  for (const peer of known) assert.match(peer.address, /\/ip[46]\/(10\.77\.0\.|fe80)/)

  const results = await eventually('both holders are found', async () => {
    const events: SearchEvent[] = []
    for await (const event of searcher.shoal.search('film')) events.push(event)
    const newest = events.findLast(event => event.type === 'result')
    return newest?.type === 'result' && newest.result.holders.length === 2 ? newest.result : undefined
  })

  const events: GetEvent[] = []
  for await (const event of searcher.shoal.get(String(results.number), { out: join(folder, 'out') })) events.push(event)
  const done = events.at(-1)
  assert.equal(done?.type, 'done')
  if (done?.type !== 'done') return
  assert.equal(await sha256OfFile(done.transfer.path), await sha256OfFile(original))
  const sources = done.transfer.sources.filter(source => source.bytes > 0)
  console.log(sources.map(({ peerId, bytes }) => `${bytes} bytes from ${peerId}`).join('\n'))
  assert.equal(sources.length, 2, 'both holders deliver')
  assert.equal(
    sources.reduce((sum, source) => sum + source.bytes, 0),
    256 * MIB
  )
})

test('two machines with IPv6 alone', async () => {
  const place = join(folder, 'six')
  await writeRandomFile(join(place, 'only six.bin'), MIB, 6)
  const [seed, searcher] = (await startOn(new Lan(2, 'ipv6'), 'six', [[place]])) as [ProcessPeer, ProcessPeer]
  await eventually('the seed has hashed', async () => (await seed.shoal.status()).shared.files === 1)
  await eventually('they are neighbours', async () => (await searcher.shoal.status()).peers.neighbours === 1)
  for (const { address } of await searcher.shoal.peers()) assert.match(address, /^\/ip6\/fd77:/)
  const found: SearchEvent[] = []
  for await (const event of searcher.shoal.search('six')) found.push(event)
  assert.equal(found[0]?.type, 'result')
  let last: GetEvent | undefined
  for await (const event of searcher.shoal.get('1', { out: join(folder, 'out6') })) last = event
  assert.ok(last?.type === 'done' && last.bytesFetched === MIB)
})
