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
const lan = new Lan(3)
const peers: ProcessPeer[] = []

after(async () => {
  await Promise.all(peers.map(peer => peer.stop()))
  lan.remove()
  rmSync(folder, { recursive: true, force: true })
})

test('three machines on a LAN: no address typed, found by mDNS, search and fetch from both holders', async () => {
  const original = join(folder, 'share0', 'holiday film.mkv')
  await writeRandomFile(original, 256 * MIB, 1)
  await writeRandomFile(join(folder, 'share1', 'same film, other name.mkv'), 256 * MIB, 1)

  for (const [i, host] of lan.hosts.entries()) {
    peers.push(
      await ProcessPeer.start({
        home: join(folder, `home${i}`),
        folders: i < 2 ? [join(folder, `share${i}`)] : [],
        under: host.under
      })
    )
  }
  const [first, second, searcher] = peers as [ProcessPeer, ProcessPeer, ProcessPeer]
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
